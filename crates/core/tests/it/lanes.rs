//! Sessions as both ends see them: a server's and a client's, with connections between them that do what they like.

mod answers;
mod claims;
mod client;
mod climate;
mod faults;
mod found;
mod kept;
mod ledger;
mod link;
mod moves;
mod owed;
mod reading;
mod room;
mod server;
mod stories;
mod words;
mod world;
mod writing;

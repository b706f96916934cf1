//! The client against a scripted server, most of it in virtual time.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod attempts;
mod closed;
mod company;
mod connect;
mod delivery;
mod moving;
mod race;
mod requests;
mod restart;
mod resume;
mod rooms;
mod session;
mod support;
mod token;
mod unsendable;

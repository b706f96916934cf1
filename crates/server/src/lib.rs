//! The Anteroom server: connections come in, sessions talk, rooms run, and everything is told to whom it concerns.
//!
//! Read it in this order: [`app`] puts the parts together; `connection` reads what comes, `requests` handles it; `rooms`
//! runs each room in a task of its own; `http` is the TCP side.
//!
//! The rules of the lobby are not here but in `anteroom_core`; what this crate adds is time, tasks and sockets.

pub mod app;
pub mod bench;
mod budget;
mod carrier;
pub mod certificate;
pub mod cli;
mod clock;
pub mod config;
mod connection;
mod host;
mod http;
mod identity;
mod lobby;
mod log;
mod origin;
mod output;
mod panics;
mod permission;
mod random;
mod renewal;
mod requests;
mod rooms;
mod session;
mod sessions;
mod shared;
mod slice;
mod topic;

pub use app::{Mode, Server, StartError};
pub use config::Config;

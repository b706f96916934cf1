//! The Anteroom server: connections come in, sessions talk, rooms run, and everything is told to whom it concerns.
//!
//! Read it in this order: [`app`] puts the parts together; `connection` reads what comes, `requests` handles it; `rooms`
//! runs each room in a task of its own; `http` is the TCP side.
//!
//! The rules of the lobby are not here but in `anteroom_core`; what this crate adds is time, tasks and sockets.

pub mod app;
mod budget;
mod carrier;
pub mod certificate;
mod chat;
pub mod cli;
mod clock;
pub mod config;
mod connection;
mod error;
mod hooks;
mod host;
mod http;
mod identity;
mod lifecycle;
mod listen;
mod lobby;
mod log;
mod mode;
mod origin;
mod output;
mod panics;
mod parts;
mod passwords;
mod permission;
mod random;
mod recordings;
mod recovery;
mod renewal;
mod replaying;
mod requests;
mod rooms;
mod secret;
mod services;
mod session;
mod sessions;
mod settings;
mod slice;
pub mod stores;
mod tables;
mod topic;
mod upkeep;

pub use app::{Hosting, Server, ServerBuilder};
/// What routes of an embedder are made of, in the version that this server serves them with.
pub use axum;
pub use chat::{ChatFacts, ChatFilter, ChatSection, Verdict};
pub use config::Config;
pub use error::StartError;
pub use hooks::{Hooks, RoomFacts, SessionFacts};
pub use mode::Mode;

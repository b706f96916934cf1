//! A server in the test's own process, and clients on every transport: what they say to each other, right and wrong.
//! Nothing in here starts the program; see `program`.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod addresses;
mod bad_input;
mod changing_tokens;
mod fault;
mod floods;
mod gathering;
mod lanes;
mod lasting;
mod limits;
mod lobby;
mod memory;
mod moves;
mod origins;
mod pages;
#[path = "../../crates/server/tests/it/puppet.rs"]
#[allow(dead_code, reason = "these tests do not hold it, nor have it note anything")]
mod puppet;
mod recordings;
mod refused;
mod resume;
mod resume_bad_input;
mod rfc6455;
mod rooms;
mod sessions;
mod shutdown;
mod simulation;
mod slow;
mod stopped;
mod switches;
mod unread;
mod upgrade;

//! What the tests of the whole server share: servers to test, and clients on every transport.
//!
//! Waits for events, never for a time: every wait ends at [`DEADLINE`], which nothing that works comes near.
#![allow(clippy::unwrap_used, reason = "what fails in here fails the test that called it")]

pub mod amount;
pub mod bare;
pub mod browser;
pub mod bystanders;
pub mod certificates;
pub mod fault;
pub mod frame;
pub mod gathering;
pub mod http;
pub mod lasting;
pub mod message;
pub mod peer;
pub mod program;
pub mod readme;
pub mod resuming;
pub mod server;
pub mod simulation;
pub mod switching;
pub mod token;
pub mod words;

use std::time::Duration;

/// How long anything may take before a test calls it hanging.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for something, and panics at the deadline with the name of what it was.
///
/// # Panics
/// If it does not happen.
pub async fn in_time<T>(what: &str, happening: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, Box::pin(happening)).await {
        Ok(happened) => happened,
        Err(_) => panic!("not in time: {what}"),
    }
}

//! Connections from both ends, over every transport and a simulated network.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod conformance;
mod simulation;
mod slow;

//! The program, the examples and the scripts, as people run them: as processes of their own.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod configuration;
mod examples;
mod new_machine;
mod output;
mod process;
mod purity;
mod recordings;
mod restart;
mod serve;
mod store;
mod stranger;
mod tokens;
mod troubles;
mod upkeep;

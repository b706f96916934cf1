//! The demo in real browsers, driven by the programs beside these modules. A test without its browser says so and
//! passes, except with `CI` set.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod deploy;
mod faults;
mod games;
mod network;
mod one_room;
mod page;
mod parlor;
mod play;
mod rooms;
mod views;

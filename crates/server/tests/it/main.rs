//! A server and clients in memory: what it does with time, tasks and bounds, most of it in virtual time.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod asleep;
mod doors;
mod durable;
mod echoes;
mod embedding;
mod failing;
mod fairness;
mod hosting;
mod hung;
mod late;
mod marks;
mod members;
mod parlor;
mod player;
mod puppet;
mod readers;
mod requests;
mod shares;
mod spare;
mod staying;
mod talk;
mod ticks;
mod unstored;
mod watching;

//! Rooms as their owner sees them: commands in, effects out, through the public interface only.

mod acting;
mod clock;
mod failing;
mod house;
mod marks;
mod model;
mod probe;
mod rebuilt;
mod registry;
mod seats;
mod shares;
mod stories;
mod surviving;
mod tables;
mod views;

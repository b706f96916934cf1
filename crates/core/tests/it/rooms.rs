//! Rooms as their owner sees them: commands in, effects out, through the public interface only.

mod acting;
mod chat;
mod clock;
mod delay;
mod erased;
mod failing;
mod hall;
mod house;
mod lasting;
mod lifecycle;
mod marks;
mod migrating;
mod model;
mod probe;
mod rebuilt;
mod refused;
mod registry;
mod script;
mod seats;
mod shares;
mod stories;
mod surviving;
mod tables;
mod views;

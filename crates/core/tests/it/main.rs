//! Rooms, games and lanes through the public interface: commands in, effects out.
#![cfg(test)]

mod lanes;
mod rock_paper_scissors;
mod rooms;

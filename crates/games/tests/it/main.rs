//! The games as their players see them, and their messages byte for byte.
#![cfg(test)]

mod relay;
mod replays;
mod tic_tac_toe;
mod vectors;

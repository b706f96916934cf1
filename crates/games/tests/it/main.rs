//! The games as their players see them, and their messages byte for byte.
#![cfg(test)]

mod dice;
mod owe_drahn;
mod relay;
mod replays;
mod schemas;
mod tic_tac_toe;
mod vectors;

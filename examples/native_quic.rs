//! Tic-tac-toe in a terminal, over raw QUIC, or WebSocket where UDP does not get through: `cargo run --example native_quic -- --help`.

use std::process::ExitCode;

use anteroom_client::TransportChoice;

fn main() -> ExitCode {
    anteroom_examples::play::main(TransportChoice::Automatic)
}

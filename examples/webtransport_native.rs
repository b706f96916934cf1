//! Tic-tac-toe in a terminal, over WebTransport: `cargo run --example webtransport_native -- --help`.

use std::process::ExitCode;

use anteroom_client::TransportChoice;

fn main() -> ExitCode {
    anteroom_examples::play::main(TransportChoice::WebTransport)
}

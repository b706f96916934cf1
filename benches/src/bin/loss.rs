//! What players see of a state stream when packets are lost: the same for WebSocket, WebTransport and QUIC.
//!
//! Linux only, as root: the lossy link is a pair of TUN devices between two network namespaces. Run it by
//! `benches/loss`.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
#[path = "../loss/mod.rs"]
mod loss;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    loss::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("loss: this needs Linux, whose TUN devices and network namespaces the lossy link is made of");
    ExitCode::from(2)
}

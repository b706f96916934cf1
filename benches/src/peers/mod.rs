//! What Anteroom is compared with. Each is what a good programmer writes in an afternoon, and nothing more; the limit is
//! less than that. Those on Node.js are in `benches/peers`.

pub(crate) mod axum_room;
pub(crate) mod bare_quinn;
pub(crate) mod bare_sessions;
mod identity;
pub(crate) mod limit;
pub(crate) mod tungstenite_room;

use std::net::TcpListener;

use anyhow::Result;

/// Listens on any free port, and says on which.
pub(crate) fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

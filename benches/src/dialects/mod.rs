//! How the others are talked to, as dialects of Anteroom's own load generator. Anteroom's is with the generator.

mod colyseus;
mod plain;
mod socketio;
mod unresumed;

#[cfg(test)]
mod tests;

pub(crate) use colyseus::Colyseus;
pub(crate) use plain::Plain;
pub(crate) use socketio::SocketIo;
pub(crate) use unresumed::Unresumed;

use anteroom_bench::{BenchError, FrameKind, Template};

/// Frames what every member of a room says.
fn template(kind: FrameKind, message: &[u8]) -> Result<Template, BenchError> {
    Template::new(kind, message).ok_or_else(|| BenchError::failed("the message has no stamp"))
}

/// What to say of a frame that nobody expects.
fn unexpected(server: &str, payload: &[u8]) -> BenchError {
    BenchError::failed(format_args!("{server} answers {:?}", String::from_utf8_lossy(payload)))
}

//! What sessions that can be resumed need to say, and the time they go by.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The time that acknowledgements go by.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Something that no other session has said in its handshake.
pub(crate) fn nonce() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}{:016x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Microseconds since some start, the same for everybody here.
pub(crate) fn now_us() -> u64 {
    START.elapsed().as_micros() as u64
}

/// Milliseconds since some start, the same for everybody here.
pub(crate) fn now_ms() -> u64 {
    START.elapsed().as_millis() as u64
}

//! Frames of WebSocket, by connections over a stream in this process; and records as QUIC and WebTransport carry them.

#[path = "common/link.rs"]
mod link;

mod common;

use anteroom_protocol::Codec;
use criterion::{Criterion, criterion_group, criterion_main};
use link::{Pair, batch, bench};

criterion_group!(name = benches; config = common::config(); targets = records, websocket);
criterion_main!(benches);

/// Frames of one write.
const FRAMES: u32 = 32;

fn records(criterion: &mut Criterion) {
    common::operations(criterion, "framing");
}

/// Each is written, read and checked; the client's are masked.
fn websocket(criterion: &mut Criterion) {
    for (size, bytes) in [("100_bytes", 100), ("1500_bytes", 1500)] {
        let text = batch(Codec::Json, bytes);
        let name = |way: &str| format!("framing/websocket_{way}_{FRAMES}_of_{size}");
        bench(criterion, &name("server"), Pair::new(link::websocket), |pair| pair.down(&text, FRAMES));
        bench(criterion, &name("client"), Pair::new(link::websocket), |pair| pair.up(&text, FRAMES));
    }
}

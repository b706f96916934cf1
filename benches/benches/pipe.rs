//! One record between a server's connection and a client's, and a session's lanes in front of it.

#[path = "common/link.rs"]
mod link;

mod common;

use anteroom_protocol::Codec;
use anteroom_transport::memory;
use criterion::{Criterion, criterion_group, criterion_main};
use link::{Pair, batch, bench};

criterion_group!(name = benches; config = common::config(); targets = session, record);
criterion_main!(benches);

fn session(criterion: &mut Criterion) {
    common::operations(criterion, "pipe");
}

fn record(criterion: &mut Criterion) {
    for codec in Codec::ALL {
        let record = batch(codec, 100);
        let name = |way: &str| format!("pipe/{way}_{codec}");
        bench(criterion, &name("websocket_server"), Pair::new(link::websocket), |pair| pair.down(&record, 1));
        bench(criterion, &name("websocket_client"), Pair::new(link::websocket), |pair| pair.up(&record, 1));
        bench(criterion, &name("memory"), Pair::new(|config| memory::pair(config, 1)), |pair| pair.down(&record, 1));
    }
}

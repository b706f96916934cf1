//! A relay room of 10 and of 1,000 members: ten of them say something, and everyone is told in one flush.

mod common;

use criterion::{criterion_group, criterion_main};

criterion_group!(name = benches; config = common::config(); targets = room_flush);
criterion_main!(benches);

fn room_flush(criterion: &mut criterion::Criterion) {
    common::operations(criterion, "room_flush");
}

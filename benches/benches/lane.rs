//! The sending end of a lane: keeping until acknowledged, newest values, and going on after a loss.

mod common;

use criterion::{criterion_group, criterion_main};

criterion_group!(name = benches; config = common::config(); targets = lane);
criterion_main!(benches);

fn lane(criterion: &mut criterion::Criterion) {
    common::operations(criterion, "lane");
}

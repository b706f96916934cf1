//! Writing and reading messages, in both codecs, one at a time and 32 in a batch.

mod common;

use criterion::{criterion_group, criterion_main};

criterion_group!(name = benches; config = common::config(); targets = codec);
criterion_main!(benches);

fn codec(criterion: &mut criterion::Criterion) {
    common::operations(criterion, "codec");
}

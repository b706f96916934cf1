//! The lobby's list, among rooms that sleep.

mod common;

use criterion::{criterion_group, criterion_main};

criterion_group!(name = benches; config = common::config(); targets = listing);
criterion_main!(benches);

fn listing(criterion: &mut criterion::Criterion) {
    common::operations(criterion, "listing");
}

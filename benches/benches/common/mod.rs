//! What the benchmarks share.

use std::time::Duration;

use criterion::{Criterion, Throughput};

/// Short, so that all of them together take a few minutes.
pub(crate) fn config() -> Criterion {
    Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
}

/// Times the operations of a group, those which the instruction guard counts.
pub(crate) fn operations(criterion: &mut Criterion, group: &str) {
    let mut timed = criterion.benchmark_group(group);
    for operation in operations::of_group(group) {
        timed.throughput(Throughput::Elements(operation.messages.into()));
        timed.bench_function(operation.name, |bencher| {
            let mut step = operation.prepare();
            bencher.iter(&mut *step);
        });
    }
    timed.finish();
}

//! The figures of a run.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::process::{CoreTime, Memory};

/// Above this share of a core the generator may be what was measured.
pub const OWN_SHARE_MAX: f64 = 0.8;
/// Above this share of the time, something else on its core disturbs the generator, or a server.
pub(crate) const WAITED_MAX: f64 = 0.1;
/// Up to this, being late with a message is a matter of timers.
const LAG_MAX: Duration = Duration::from_millis(2);
/// The longest latency that is told apart from longer ones, in microseconds: a minute.
const LATENCY_MAX_US: u64 = 60_000_000;

/// Everything that is known about a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How long was measured.
    pub measured: Duration,
    /// Messages sent while measured.
    pub sent: u64,
    /// Messages that reached a member while measured: each counts once for each member.
    pub delivered: u64,
    /// Messages sent in the whole run, the warm-up included.
    pub sent_in_all: u64,
    /// Messages that reached a member in the whole run, each counted once for each member.
    pub delivered_in_all: u64,
    /// What was due in the whole run and could not even be sent, because the server took nothing any more.
    pub unsent: u64,
    /// What is missing of the whole run, the warm-up included, once nothing more came.
    pub lost: u64,
    /// What had not come of the whole run when it ended while messages were still coming: late, and not known to be lost.
    pub under_way: u64,
    /// Whether messages were still coming when it ended, so long after the last was due.
    pub ended_while_coming: bool,
    /// What came again, in the whole run.
    pub duplicated: u64,
    /// What came behind a later message of its sender, in the whole run.
    pub out_of_order: u64,
    /// What the server refused first, in its own words; each refused message is lost, too.
    pub refused: Option<String>,
    /// From due (or sent, in a closed loop) to heard, for the messages of the measured time.
    pub latencies: Latencies,
    /// What the server used while measured.
    pub server: Option<ServerUse>,
    /// Bytes that members wrote while measured.
    pub bytes_up: u64,
    /// Bytes that members read while measured.
    pub bytes_down: u64,
    /// What the generator itself used.
    pub generator: GeneratorUse,
    /// How it went, every tenth of a second.
    pub course: Vec<Sample>,
}

impl Outcome {
    /// Messages lost, repeated or out of order.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.lost + self.duplicated + self.out_of_order
    }

    /// Whether there is nothing to tell of the measured time.
    pub(crate) fn measured_nothing(&self) -> bool {
        self.delivered == 0 || self.latencies.count() == 0
    }

    /// Deliveries a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.delivered as f64 / self.measured.as_secs_f64()
    }

    /// CPU of the server for each delivery, in microseconds. `None` without its process, or without deliveries.
    #[must_use]
    pub fn cpu_us(&self) -> Option<f64> {
        let server = self.server.as_ref()?;
        (self.delivered > 0).then(|| server.cpu.used.as_secs_f64() * 1e6 / self.delivered as f64)
    }

    /// Deliveries for each second of the server's CPU.
    #[must_use]
    pub fn per_cpu_second(&self) -> Option<f64> {
        self.cpu_us().filter(|cpu| *cpu > 0.0).map(|cpu| 1e6 / cpu)
    }
}

/// What a server used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerUse {
    /// CPU time of all its threads while measured.
    pub cpu: CoreTime,
    /// Its memory before the first member came.
    pub before: Memory,
    /// Its memory at the end of the measured time, with all members there.
    pub after: Memory,
}

/// What the generator used while measured, and how well it kept its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GeneratorUse {
    /// The share of a core that its busiest thread used; 0 where that cannot be read.
    pub busiest: f64,
    /// The share of the time that a thread was ready to run and something else was on its core: the worst thread's.
    pub waited: f64,
    /// How late messages were sent: 99 % of them not later than this.
    pub lag_p99: Duration,
    /// The latest.
    pub lag_max: Duration,
}

impl GeneratorUse {
    /// Why the figures may be the generator's rather than the server's, in a sentence, if they may.
    #[must_use]
    pub fn bottleneck(&self) -> Option<String> {
        if self.busiest > OWN_SHARE_MAX {
            let share = self.busiest * 100.0;
            return Some(format!(
                "The generator was busy: its busiest thread used {share:.0} % of a core, so the server may be faster \
                 than this. Give it more --threads, or another machine."
            ));
        }
        if self.waited > WAITED_MAX {
            return Some(format!(
                "The machine was busy: for {:.0} % of the time the generator was ready to run and something else was on \
                 its core, which counts as latency.",
                self.waited * 100.0
            ));
        }
        (self.lag_p99 > LAG_MAX).then(|| {
            format!(
                "The generator fell behind its schedule: 1 % of the messages left {:.1} ms late or more, which counts \
                 as latency. Give it more --threads or a quieter machine, or ask for less.",
                self.lag_p99.as_secs_f64() * 1000.0
            )
        })
    }
}

/// How it went up to some moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Seconds since the measured time began.
    pub at: f64,
    /// Deliveries a second since the sample before.
    pub rate: f64,
    /// The share of one core that the server used since the sample before.
    pub server_share: Option<f64>,
}

/// A histogram of latencies: three digits, from a microsecond to a minute.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3);
        Self(histogram.unwrap_or_else(|_| unreachable!("the bounds are constants that make sense")))
    }
}

impl Latencies {
    /// Notes one.
    pub fn record_us(&mut self, latency_us: u64) {
        self.0.saturating_record(latency_us.max(1));
    }

    /// Adds all of another one.
    pub fn add(&mut self, other: &Self) {
        // Both have the bounds above.
        let _ = self.0.add(&other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What this share of them does not exceed, in milliseconds; NaN if there are none.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        if self.0.is_empty() { f64::NAN } else { self.0.value_at_quantile(share) as f64 / 1000.0 }
    }

    /// The longest, in milliseconds; NaN if there are none.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        self.quantile_ms(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_have_three_digits() {
        let mut latencies = Latencies::default();
        assert!(latencies.quantile_ms(0.5).is_nan());
        (1..=1000).for_each(|latency| latencies.record_us(latency * 1000));
        for (share, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let found = latencies.quantile_ms(share);
            assert!((found / expected - 1.0).abs() < 0.001, "{share}: {found}");
        }
        latencies.record_us(u64::MAX);
        assert_eq!(latencies.count(), 1001);
        assert!(latencies.max_ms() >= 60_000.0);
    }

    #[test]
    fn a_busy_or_late_generator_says_so() {
        assert_eq!(GeneratorUse::default().bottleneck(), None);
        let busy = GeneratorUse { busiest: 0.81, ..GeneratorUse::default() };
        assert!(busy.bottleneck().unwrap().contains("81 % of a core"));
        let disturbed = GeneratorUse { waited: 0.25, ..GeneratorUse::default() };
        assert!(disturbed.bottleneck().unwrap().contains("for 25 % of the time"));
        let late = GeneratorUse { lag_p99: Duration::from_millis(7), ..GeneratorUse::default() };
        assert!(late.bottleneck().unwrap().contains("7.0 ms late"));
    }
}

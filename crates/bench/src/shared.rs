//! What the threads of a run share: the phase it is in, the rooms' keys, and counters to watch.
//!
//! Each counter has one writer; whoever reads it may be a turn of an event loop behind.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Instant;

use crate::error::BenchError;
use crate::plan::Plan;

/// Turns after which a thread that is not behind has sent everything.
const TURNS_OF_TAIL: u64 = 10;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Entering,
    WarmUp,
    Measured,
    Tail,
    Over,
}

impl Phase {
    /// Whether members send.
    pub(crate) fn is_sending(self) -> bool {
        matches!(self, Self::WarmUp | Self::Measured)
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    start: Instant,
    phase: AtomicU8,
    /// When members begin to send, and between which times latencies are kept.
    begin_us: AtomicU64,
    from_us: AtomicU64,
    until_us: AtomicU64,
    /// What the first member of each room learnt.
    pub(crate) keys: Vec<OnceLock<Option<String>>>,
    pub(crate) entered: AtomicUsize,
    /// Why the first thread failed.
    pub(crate) failure: OnceLock<BenchError>,
    pub(crate) refused: OnceLock<String>,
    pub(crate) counters: Vec<Counters>,
}

/// What one thread has done so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent: AtomicU64,
    pub(crate) delivered: AtomicU64,
    /// Deliveries up to the newest of each sender, whether they came or are missing.
    pub(crate) accounted: AtomicU64,
    pub(crate) missing: AtomicU64,
    pub(crate) bytes_up: AtomicU64,
    pub(crate) bytes_down: AtomicU64,
    /// How often the thread has looked around since the sending ended.
    pub(crate) turns_of_tail: AtomicU64,
}

/// All counters together at some moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) accounted: u64,
    pub(crate) missing: u64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

impl Shared {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            start: Instant::now(),
            phase: AtomicU8::new(Phase::Entering as u8),
            begin_us: AtomicU64::new(u64::MAX),
            from_us: AtomicU64::new(u64::MAX),
            until_us: AtomicU64::new(u64::MAX),
            keys: (0..plan.rooms).map(|_| OnceLock::new()).collect(),
            entered: AtomicUsize::new(0),
            failure: OnceLock::new(),
            refused: OnceLock::new(),
            counters: (0..plan.threads).map(|_| Counters::default()).collect(),
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(SeqCst) {
            0 => Phase::Entering,
            1 => Phase::WarmUp,
            2 => Phase::Measured,
            3 => Phase::Tail,
            _ => Phase::Over,
        }
    }

    /// Goes on to the next phase, now.
    pub(crate) fn enter(&self, phase: Phase) {
        let moment = match phase {
            Phase::WarmUp => Some(&self.begin_us),
            Phase::Measured => Some(&self.from_us),
            Phase::Tail => Some(&self.until_us),
            Phase::Entering | Phase::Over => None,
        };
        if let Some(moment) = moment {
            moment.store(self.now_us(), SeqCst);
        }
        self.phase.store(phase as u8, SeqCst);
    }

    /// When members began to send.
    pub(crate) fn begin_us(&self) -> u64 {
        self.begin_us.load(SeqCst)
    }

    /// Up to when what is due is sent: now, but not behind the end. What was due before it is sent even if it is late.
    pub(crate) fn sends_until_us(&self) -> u64 {
        self.now_us().min(self.until_us.load(SeqCst).saturating_sub(1))
    }

    /// Whether what was due then belongs to the measured time.
    pub(crate) fn counts(&self, due_us: u64) -> bool {
        due_us >= self.from_us.load(Relaxed) && due_us < self.until_us.load(Relaxed)
    }

    /// Whether every thread has sent what was due before the end, however late it is.
    pub(crate) fn all_is_sent(&self) -> bool {
        self.counters.iter().all(|counters| counters.turns_of_tail.load(Relaxed) >= TURNS_OF_TAIL)
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for counters in &self.counters {
            sum.sent += counters.sent.load(Relaxed);
            sum.delivered += counters.delivered.load(Relaxed);
            sum.accounted += counters.accounted.load(Relaxed);
            sum.missing += counters.missing.load(Relaxed);
            sum.bytes_up += counters.bytes_up.load(Relaxed);
            sum.bytes_down += counters.bytes_down.load(Relaxed);
        }
        sum
    }
}

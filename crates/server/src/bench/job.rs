//! What every workload is given.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;

use super::error::BenchError;
use super::outcome::Outcome;
use super::plan::{Load, Plan, Target};
use super::run::{Live, conduct};
use super::shared::Phase;
use super::streams::{self, Players};
use super::way::Way;

/// A server to do something to, and how long.
pub(super) struct Job<'a> {
    pub(super) target: Target,
    pub(super) way: Way,
    pub(super) threads: usize,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
    pub(super) watch: &'a mut dyn FnMut(Live),
}

impl Job<'_> {
    /// The plan for so many rooms of so many members.
    pub(super) fn plan(&self, rooms: usize, members: usize, load: Load) -> Plan {
        let threads = self.threads.min(rooms * members).max(1);
        Plan { rooms, members, load, warm_up: self.warm_up, measured: self.measured, threads }
    }

    /// Plays each session by a task, on any transport.
    pub(super) fn play<F: Future<Output = Result<(), BenchError>> + 'static>(
        &mut self,
        plan: &Plan,
        unit: &'static str,
        member: impl Fn(Rc<Players>, usize, watch::Receiver<Phase>) -> F + Sync,
    ) -> Result<Outcome, BenchError> {
        let way = &self.way;
        conduct(&self.target, plan, unit, self.watch, |shared, thread| streams::play(shared, thread, way, &member))
    }
}

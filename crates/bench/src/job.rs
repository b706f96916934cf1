//! What every workload is given.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::BenchError;
use crate::outcome::Outcome;
use crate::plan::{Load, Plan, Target};
use crate::run::{Live, conduct};
use crate::shared::Phase;
use crate::streams::{self, Players};
use crate::way::Way;

/// A server to do something to, and how long.
pub(crate) struct Job<'a> {
    pub(crate) target: Target,
    pub(crate) way: Way,
    pub(crate) threads: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) watch: &'a mut dyn FnMut(Live),
}

impl Job<'_> {
    /// The plan for so many rooms of so many members.
    pub(crate) fn plan(&self, rooms: usize, members: usize, load: Load) -> Plan {
        let threads = self.threads.min(rooms * members).max(1);
        Plan { rooms, members, load, warm_up: self.warm_up, measured: self.measured, threads }
    }

    /// Plays each session by a task, on any transport.
    pub(crate) fn play<F: Future<Output = Result<(), BenchError>> + 'static>(
        &mut self,
        plan: &Plan,
        unit: &'static str,
        member: impl Fn(Rc<Players>, usize, watch::Receiver<Phase>) -> F + Sync,
    ) -> Result<Outcome, BenchError> {
        let way = &self.way;
        conduct(&self.target, plan, unit, self.watch, |shared, thread| streams::play(shared, thread, way, &member))
    }
}

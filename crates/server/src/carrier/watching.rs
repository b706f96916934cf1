//! What a session watches, and whether it hears of changes as they come.
//!
//! Each topic numbers its publications. A session is given a snapshot as of one, and told the changes of those that follow,
//! whoever tells it of which meanwhile. Whoever does not read so fast is told nothing more until it has read what waits, and
//! gets a snapshot then: changes conflate, and take no memory for a client that does not read.

use std::sync::Arc;

use anteroom_core::flush::Outgoing;
use anteroom_protocol::message::resume::Subscription;
use anteroom_protocol::{Batch, LaneId};

use super::{Carrier, State};

/// How much may wait on the control lane, in bytes, before what changes is not said there any more.
const WAITING_BYTES_MAX: usize = 32 << 10;

/// Something that is watched.
#[derive(Debug)]
pub(super) struct Watch {
    /// What it is called in a session's state.
    topic: &'static str,
    /// The publication that the client's snapshot is as of.
    since: u64,
    /// Changes were not told.
    is_behind: bool,
}

impl Carrier {
    /// Gives the client a snapshot as of a publication: it hears of the next one.
    pub(crate) fn watch(&self, topic: &'static str, publication: u64, what: Subscription, snapshot: Batch) {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.watches.retain(|watch| watch.topic != topic);
        state.watches.push(Watch { topic, since: publication, is_behind: false });
        state.lanes.subscribe(what);
        let snapshot = snapshot.counted(self.budget.control());
        if state.lanes.put(now, LaneId::CONTROL, Outgoing::Reliable(Arc::new(snapshot))) {
            state.wake();
        }
        self.keep_to_budget(&mut state);
    }

    /// The client hears of no more changes.
    pub(crate) fn stop_watching(&self, topic: &'static str) {
        let mut state = self.lock();
        state.watches.retain(|watch| watch.topic != topic);
        state.lanes.unsubscribe(topic);
    }

    /// Tells the changes of a publication, unless they are in a snapshot that the client has been given since.
    pub(crate) fn tell_changes(&self, topic: &'static str, publication: u64, changes: &[Arc<Batch>]) {
        let now = self.clock.now();
        let mut state = self.lock();
        let State { lanes, watches, .. } = &mut *state;
        let Some(watch) = watches.iter_mut().find(|watch| watch.topic == topic) else { return };
        if watch.since >= publication || watch.is_behind {
            return;
        }
        if lanes.waiting_bytes(LaneId::CONTROL) > WAITING_BYTES_MAX {
            watch.is_behind = true;
            return;
        }
        let mut is_news = false;
        for batch in changes {
            is_news |= lanes.put(now, LaneId::CONTROL, Outgoing::Reliable(batch.clone()));
        }
        if is_news {
            state.wake();
        }
        self.keep_to_budget(&mut state);
    }

    /// Which topics the client is to be given anew.
    pub(crate) fn wanted_topics(&self) -> Vec<&'static str> {
        self.lock().watches.iter().filter(|watch| watch.is_behind).map(|watch| watch.topic).collect()
    }
}

impl State {
    /// Whether there are any, and everything before is written.
    pub(super) fn wants_topics(&self) -> bool {
        self.watches.iter().any(|watch| watch.is_behind) && self.lanes.is_idle(LaneId::CONTROL)
    }
}

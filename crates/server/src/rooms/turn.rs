//! A turn of a room as its task has it: what the room yields, and who is told of it.

use anteroom_core::room::Flush;
use anteroom_protocol::ErrorBody;
use tokio::sync::oneshot;

use super::link::{Done, Reply};
use super::member::Visitor;
use crate::carrier::DoneLater;
use crate::lobby::Reservation;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) flush: Flush,
    /// Those whom the room is letting in, or not, in the order of the answers in its flush.
    pub(super) callers: Vec<Caller>,
    /// What to tell those who knocked, once what follows from it can be seen by everyone.
    pub(super) replies: Vec<Told>,
    /// What is done when it is shown.
    pub(super) done: Vec<DoneLater>,
    /// Who of the program that this server is in is told then what came of it.
    pub(super) hosted: Vec<(Done, Result<(), ErrorBody>)>,
}

/// Somebody who knocked and was there when the room got to it.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) visitor: Visitor,
    pub(super) to: oneshot::Sender<Reply>,
    pub(super) seat: Option<Reservation>,
}

/// What somebody is told who knocked.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) to: oneshot::Sender<Reply>,
    pub(super) reply: Reply,
    /// Reserved until the list shows what came of it.
    pub(super) seat: Option<Reservation>,
}

impl Turn {
    /// How much memory it takes while it is held, in bytes: what is on its way to members counts once for all who hear it.
    pub(super) fn bytes(&self) -> usize {
        let mut bytes = 0;
        let mut before = std::ptr::null();
        for (_, outgoing) in self.flush.effects.dispatches.iter().filter_map(|dispatch| dispatch.said()) {
            let batch = outgoing.batch();
            if std::sync::Arc::as_ptr(batch) != before {
                before = std::sync::Arc::as_ptr(batch);
                bytes += batch.memory_bytes();
            }
        }
        bytes + self.flush.effects.dispatches.len() * size_of::<anteroom_core::flush::Dispatch>()
    }

    /// Forgets everything, keeping the memory.
    pub(super) fn clear(&mut self) {
        let Self { flush, callers, replies, done, hosted } = self;
        flush.clear();
        callers.clear();
        replies.clear();
        done.clear();
        hosted.clear();
    }
}

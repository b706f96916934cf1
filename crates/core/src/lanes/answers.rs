//! How far the control lane is done, where requests are not answered in the order in which they came.
//!
//! What is acknowledged is a number, and the client lets go of everything up to it. So nothing counts behind a request that waits
//! for its answer: until what came of that is stored, nobody keeps it but the client.

use std::collections::BTreeMap;

/// The most requests that are remembered. No client that keeps to its limits has more on the way; what came of the oldest of
/// more is not told again.
const ASKED_MAX: usize = 1024;

/// What came on the control lane from the first request on that waits for its answer.
#[derive(Debug, Default)]
pub(super) struct Answers {
    asked: BTreeMap<u64, Stand>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Waits,
    /// It was answered after a while: what came of it is where it belongs, on a lane of its own.
    Done,
    /// It was answered at once, on the control lane.
    Answered,
    /// That answer is among what a gap has swallowed. The client asks again, since nobody has acknowledged the request.
    Lost,
}

impl Answers {
    /// Notes a request that is answered later. The number up to which everything is done now, if that has moved.
    pub(super) fn wait(&mut self, n: u64) -> Option<u64> {
        self.pass_over(n);
        self.asked.insert(n, Stand::Waits);
        self.take_done()
    }

    /// The same for the answer to one that waits.
    pub(super) fn done(&mut self, n: u64) -> Option<u64> {
        let stand = self.asked.get_mut(&n).filter(|stand| **stand == Stand::Waits)?;
        *stand = Stand::Done;
        self.take_done()
    }

    /// The same for a request that is answered at once.
    pub(super) fn answer(&mut self, n: u64) -> Option<u64> {
        self.pass_over(n);
        if self.asked.is_empty() { Some(n) } else { self.refuse(n) }
    }

    /// The same for one that is refused, which counts only where something in front of it waits.
    pub(super) fn refuse(&mut self, n: u64) -> Option<u64> {
        self.pass_over(n);
        if self.asked.is_empty() {
            return None;
        }
        self.asked.insert(n, Stand::Answered);
        if self.asked.len() > ASKED_MAX {
            let oldest = self.asked.iter().find(|(_, stand)| **stand != Stand::Waits).map(|(n, _)| *n);
            oldest.and_then(|n| self.asked.remove(&n));
        }
        self.take_done()
    }

    /// Whether nothing in front of a request waits, or is to be answered once more.
    pub(super) fn is_first(&self, n: u64) -> bool {
        self.asked.first_key_value().is_some_and(|(first, _)| *first == n)
    }

    /// Whether a request that came before is to be answered once more.
    pub(super) fn is_lost(&self, n: u64) -> bool {
        self.asked.get(&n) == Some(&Stand::Lost)
    }

    /// Whether a gap would swallow answers that only the client can ask for again.
    pub(super) fn can_be_lost(&self) -> bool {
        self.asked.values().any(|stand| *stand == Stand::Answered)
    }

    /// There is a gap on the lane.
    pub(super) fn lose(&mut self) {
        let answered = self.asked.values_mut().filter(|stand| **stand == Stand::Answered);
        answered.for_each(|stand| *stand = Stand::Lost);
    }

    /// A client sends again in the order of the numbers, so what is lost in front of this one it does not ask for.
    fn pass_over(&mut self, n: u64) {
        self.asked.retain(|other, stand| *other >= n || *stand != Stand::Lost);
    }

    fn take_done(&mut self) -> Option<u64> {
        let mut last = None;
        while let Some(first) = self.asked.first_entry() {
            if matches!(first.get(), Stand::Waits | Stand::Lost) {
                break;
            }
            last = Some(first.remove_entry().0);
        }
        last
    }
}

//! A session's protocol, without IO: how far each lane has come in both directions, which connection each lane is read
//! from, the requests that wait, and what it takes to go on elsewhere. [`Client`](crate::Client) is driven by it, and so
//! is every other program that speaks the protocol over connections of its own.
//!
//! No clock and no socket: it is told what arrives on which pipe and at what time, and says what to make of it. A pipe is
//! one connection of the session; at most two live at a time, the current one and, while the session moves, the one
//! before it. What a caller does:
//!
//! 1. **Begin.** Say a handshake ([`opening::json_batch`]), read its answer ([`opening::accepted`]), and make a
//!    [`Session`] of it.
//! 2. **Hear.** Take each record apart, and give every message to [`arrive`](Session::arrive), but for `goodbye`, which
//!    the caller reads. Do what the [`Arrival`] says; write what is to be sent again. After the last message of a room's
//!    lane ([`is_farewell`]) call [`end_lane`](Session::end_lane), and [`answered`](Session::answered) for each answer.
//! 3. **Acknowledge.** After each record, and at [`ack_at_ms`](Session::ack_at_ms), say what [`ack`](Session::ack) gives.
//! 4. **Say.** Number each reliable message with [`next_n`](Session::next_n) and [`keep`](Session::keep) it; write what
//!    that gives back. Wait while there is no [room](Session::has_room).
//! 5. **Go on.** When a connection is gone, call [`lost`](Session::lost). On a new one say what
//!    [`reconnect`](Session::reconnect) gives, read the answer through [`opening::Waiting`], and tell it to
//!    [`reconnected`](Session::reconnected), or, if the session lives on another connection meanwhile, to
//!    [`resume`](Session::resume), whose `resume` is to be said. Then hear what was held back meanwhile.
//!
//! Nothing here retries, times out or chooses a transport: that is for the caller.

mod arriving;
pub mod opening;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anteroom_protocol::lane::{AckDue, Inbound, Unacknowledged, UntoldGap, Upstream};
use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::message::resume::{Ack, Counts, Reconnect, Reconnected, Resume};
use anteroom_protocol::{Batch, LaneId, Limits, RoomId, SessionId};

pub use arriving::{Arrival, Opened, is_farewell};

/// How many lanes that have ended are still acknowledged. A server keeps the end of a lane until it knows that it has
/// arrived.
const ENDED_MAX: usize = 64;
/// How many requests are remembered; more than may wait at a time, because the forgotten ones are answered, too.
const ASKED_MAX: usize = 1024;

/// Names a connection of the session, in the order they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The server does not keep the rules, so nothing it says can be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// It goes on behind messages that never arrived.
    #[error(transparent)]
    UntoldGap(#[from] UntoldGap),
    /// A message came on a lane that is not open on that pipe.
    #[error("`{kind}` on a lane that is not open here")]
    NotOpen {
        /// The message's type.
        kind: String,
    },
    /// A gap was told, and something else than a snapshot followed.
    #[error("`{kind}` where a snapshot was announced")]
    NoSnapshot {
        /// The message's type.
        kind: String,
    },
    /// A message of the protocol's own is not of its shape.
    #[error("`{kind}` cannot be read: {why}")]
    Unreadable {
        /// The message's type.
        kind: String,
        /// What does not fit.
        why: String,
    },
}

/// A lane that has ended: whose it was, and the requests on it that will not be answered.
#[derive(Debug, PartialEq, Eq)]
pub struct EndedLane {
    /// The lane.
    pub lane: LaneId,
    /// The `ref` of each.
    pub unanswered: Vec<u64>,
}

#[derive(Debug)]
struct Lane {
    inbound: Inbound,
    /// What was acknowledged last.
    acked: u64,
    /// Where it is read from; none until it is announced on a new pipe.
    pipe: Option<ConnectionId>,
    /// A gap was told, and so many messages were missed at least; the next counted message is a snapshot.
    gap: Option<u64>,
    ended: bool,
}

impl Lane {
    fn on(pipe: ConnectionId) -> Self {
        Self { inbound: Inbound::default(), acked: 0, pipe: Some(pipe), gap: None, ended: false }
    }
}

/// A request that was sent and is not answered yet.
#[derive(Debug)]
struct Asked {
    lane: LaneId,
    /// Its number; none if it is one that may be repeated.
    n: Option<u64>,
    batch: Arc<Batch>,
}

/// One session as a client has it, whatever connection carries it. See the module.
#[derive(Debug)]
pub struct Session {
    session_id: SessionId,
    limits: Limits,
    token: String,
    attempt: u64,
    /// Whether the server waits for acknowledgements.
    acknowledges: bool,
    /// Control, the rooms' lanes, and the latest of those that have ended.
    lanes: BTreeMap<LaneId, Lane>,
    /// Which lane a room's messages are on, for pipes that do not tell.
    pipes: BTreeMap<ConnectionId, BTreeMap<RoomId, LaneId>>,
    /// The pipe to write on.
    current: Option<ConnectionId>,
    unacknowledged: Unacknowledged,
    asked: BTreeMap<u64, Asked>,
    due: AckDue,
}

impl Session {
    /// A session that has just begun, on its first pipe. `acknowledges` is what the handshake said of `resume`: without it
    /// the server keeps nothing, and nothing is acknowledged.
    pub fn new(accepted: &HandshakeAccepted, acknowledges: bool, pipe: ConnectionId) -> Self {
        Self {
            session_id: accepted.session_id,
            limits: accepted.limits,
            token: accepted.resume_token.clone(),
            attempt: 0,
            acknowledges,
            lanes: BTreeMap::from([(LaneId::CONTROL, Lane::on(pipe))]),
            pipes: BTreeMap::from([(pipe, BTreeMap::new())]),
            current: Some(pipe),
            unacknowledged: Unacknowledged::default(),
            asked: BTreeMap::new(),
            due: AckDue::default(),
        }
    }

    /// Whether the server takes another message before it has acknowledged, or answered, some of those it was sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let (kept, limits) = (&self.unacknowledged, &self.limits);
        kept.is_empty()
            || kept.len() < limits.unacked_messages_max as usize && kept.bytes() < limits.unacked_bytes_max as usize
    }

    /// How many messages wait for the server to acknowledge or answer them.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged.len()
    }

    /// Whether the membership with this lane goes on.
    #[must_use]
    pub fn is_live(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_some_and(|lane| !lane.ended)
    }

    /// Whether the lane's owner listens on the current pipe.
    #[must_use]
    pub fn is_writable(&self, lane: LaneId) -> bool {
        self.current.is_some() && self.lanes.get(&lane).is_some_and(|lane| lane.pipe == self.current)
    }

    /// The pipe that a lane is read from; none until it is announced on one.
    #[must_use]
    pub fn connection_of(&self, lane: LaneId) -> Option<ConnectionId> {
        self.lanes.get(&lane).and_then(|lane| lane.pipe)
    }

    /// Whether the session itself listens on the current pipe: it has gone on there.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.is_writable(LaneId::CONTROL)
    }

    /// Whether no lane is left that another pipe than the current one still brings.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.lanes.values().all(|lane| lane.ended || lane.pipe == self.current)
    }

    /// The number for the next reliable message.
    pub fn next_n(&mut self) -> u64 {
        self.unacknowledged.next_n()
    }

    /// Lets numbers go on behind this one, if they are not behind it already: for a caller whose numbers all have to be
    /// equally long, and for one that has lost count of them.
    pub fn skip_to(&mut self, last_n: u64) {
        self.unacknowledged.skip_to(last_n);
    }

    /// Keeps a reliable message until its lane's owner has it. Gives it back if it can be written now. `reference` is its
    /// `ref`, if it has one: then it is kept only until it is [answered](Self::answered).
    pub fn keep(&mut self, message: Upstream, reference: Option<u64>) -> Option<Arc<Batch>> {
        let Upstream { n, lane, batch } = message.clone();
        if let Some(reference) = reference {
            self.asked(reference, Asked { lane, n: Some(n), batch: batch.clone() });
        }
        self.unacknowledged.push(message);
        self.is_writable(lane).then_some(batch)
    }

    /// Remembers a question on control that does no harm when it is asked twice, such as a ping. Gives it back if it
    /// can be written now.
    pub fn keep_question(&mut self, reference: u64, batch: Arc<Batch>) -> Option<Arc<Batch>> {
        self.asked(reference, Asked { lane: LaneId::CONTROL, n: None, batch: batch.clone() });
        self.is_attached().then_some(batch)
    }

    fn asked(&mut self, reference: u64, asked: Asked) {
        self.asked.insert(reference, asked);
        if self.asked.len() > ASKED_MAX {
            self.asked.pop_first();
        }
    }

    /// A request is answered, or nobody waits for it any more.
    pub fn answered(&mut self, reference: u64) {
        if let Some(Asked { n: Some(n), .. }) = self.asked.remove(&reference) {
            self.unacknowledged.answered(n);
        }
    }

    /// Whether a request is not known to have come to its lane's owner: it is sent again where the lane goes on, and
    /// answered then.
    #[must_use]
    pub fn is_kept(&self, reference: u64) -> bool {
        self.asked.get(&reference).and_then(|asked| asked.n).is_some_and(|n| self.unacknowledged.has(n))
    }

    /// A message without a mark was refused before it came to its lane's owner.
    pub fn refused(&mut self, n: u64) {
        self.unacknowledged.answered(n);
    }

    /// Takes an acknowledgement of the server's.
    fn acknowledged(&mut self, ack: &Ack) {
        for (lane, applied) in &ack.counts {
            self.unacknowledged.acknowledge(*lane, *applied);
        }
    }

    /// When there is something to acknowledge, in the milliseconds of [`Session::arrive`].
    #[must_use]
    pub fn ack_at_ms(&self) -> Option<u64> {
        self.due.at_ms().filter(|_| self.acknowledges && self.is_attached())
    }

    /// Whether it is time to acknowledge.
    #[must_use]
    pub fn owes_ack(&self, now_ms: u64) -> bool {
        self.due.is_due(now_ms) && self.acknowledges && self.is_attached()
    }

    /// Acknowledges what has arrived, if it is time to.
    pub fn ack(&mut self, now_ms: u64) -> Option<Ack> {
        if !self.owes_ack(now_ms) {
            return None;
        }
        self.due.reset();
        let mut counts = Counts::new();
        for (id, lane) in &mut self.lanes {
            if lane.inbound.received() > lane.acked {
                lane.acked = lane.inbound.received();
                counts.insert(*id, lane.acked);
            }
        }
        (!counts.is_empty()).then_some(Ack { counts })
    }

    /// How many counted messages have arrived on each lane, of those that have any.
    #[must_use]
    pub fn received(&self) -> Counts {
        let counts = self.lanes.iter().map(|(id, lane)| (*id, lane.inbound.received()));
        counts.filter(|(_, received)| *received > 0).collect()
    }

    /// The same, said to the server now.
    fn say_received(&mut self) -> Counts {
        self.due.reset();
        self.lanes.values_mut().for_each(|lane| lane.acked = lane.inbound.received());
        self.received()
    }

    /// A connection is gone.
    pub fn lost(&mut self, pipe: ConnectionId) {
        self.pipes.remove(&pipe);
        for lane in self.lanes.values_mut().filter(|lane| lane.pipe == Some(pipe)) {
            lane.pipe = None;
        }
        if self.current == Some(pipe) {
            self.current = None;
        }
    }

    /// What to say on a new connection to go on there: at once, or, while the session lives on another one, after
    /// [`Session::resume`]. Each is said at most once.
    pub fn reconnect(&mut self) -> Reconnect {
        self.attempt += 1;
        let received = if self.current.is_some() { None } else { Some(self.say_received()) };
        Reconnect {
            session_id: self.session_id,
            resume_token: self.token.clone(),
            attempt: self.attempt,
            received,
            fresh: false,
        }
    }

    /// The server goes on, on a new pipe, because the connection before it was lost. Gives the lanes that have ended
    /// meanwhile.
    pub fn reconnected(&mut self, pipe: ConnectionId, result: Reconnected) -> Vec<EndedLane> {
        let listed: BTreeSet<LaneId> = result.lanes.iter().map(|lane| lane.lane).collect();
        self.begin(pipe, result);
        let is_gone = |id: &LaneId| *id != LaneId::CONTROL && !listed.contains(id);
        // What has ended and is not listed is acknowledged for good.
        self.lanes.retain(|id, lane| !(lane.ended && is_gone(id)));
        let gone: Vec<LaneId> = self.lanes.keys().copied().filter(is_gone).collect();
        gone.into_iter().map(|lane| self.end_lane(lane)).collect()
    }

    /// The server is ready on a new pipe while the old one still brings everything; gives what to say for the lanes
    /// to come over. From now on only the new pipe is written on.
    pub fn resume(&mut self, pipe: ConnectionId, result: Reconnected) -> Resume {
        self.begin(pipe, result);
        Resume { received: self.say_received() }
    }

    fn begin(&mut self, pipe: ConnectionId, result: Reconnected) {
        self.token = result.resume_token;
        self.unacknowledged.skip_to(result.last_n);
        self.current = Some(pipe);
        self.pipes.insert(pipe, BTreeMap::new());
    }

    /// A lane has ended. What its owner has not answered is not known any more, and never sent again.
    pub fn end_lane(&mut self, lane: LaneId) -> EndedLane {
        if let Some(ended) = self.lanes.get_mut(&lane) {
            ended.ended = true;
        }
        self.unacknowledged.end_lane(lane);
        let unanswered = self.take_asked(|asked| asked.lane == lane);
        let old: Vec<LaneId> = self.lanes.iter().filter(|(_, lane)| lane.ended).map(|(id, _)| *id).collect();
        for id in &old[..old.len().saturating_sub(ENDED_MAX)] {
            self.lanes.remove(id);
        }
        EndedLane { lane, unanswered }
    }

    /// Gives up everything that was sent and is not known to have been taken. It is never sent again, and what becomes of
    /// the requests among it is not known.
    pub fn give_up(&mut self) -> Vec<u64> {
        for lane in self.lanes.keys() {
            self.unacknowledged.end_lane(*lane);
        }
        self.take_asked(|_| true)
    }

    fn take_asked(&mut self, is_taken: impl Fn(&Asked) -> bool) -> Vec<u64> {
        let taken: Vec<u64> =
            self.asked.iter().filter(|(_, asked)| is_taken(asked)).map(|(reference, _)| *reference).collect();
        for reference in &taken {
            self.asked.remove(reference);
        }
        taken
    }
}

//! What arrives: deliver it, drop what has arrived before, or notice that the server breaks the rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use anteroom_protocol::bincode::Decode;
use anteroom_protocol::lane;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::push::RoomClosed;
use anteroom_protocol::message::result::{Pong, RoomJoined};
use anteroom_protocol::message::resume::{Ack, LaneOpened, SessionState};
use anteroom_protocol::{Batch, Data, Envelope, LaneId, RoomId};
use serde::de::DeserializeOwned;

use super::{ConnectionId, Lane, Session, Violation};

/// What a violation calls messages that were not read one by one.
const EVENTS: &str = "message";

/// What to make of a message.
#[derive(Debug, PartialEq)]
pub enum Arrival {
    /// It is new: hand it to whom its lane belongs to.
    Deliver(LaneId),
    /// It says where everything on its lane stands, because so many messages were missed at least.
    Snapshot {
        /// Whose: control's is `session_state`, a room's is as the answer that led into it.
        lane: LaneId,
        /// How many, at least.
        missed: u64,
    },
    /// A lane goes on here.
    Opened(Opened),
    /// It has arrived before, or concerns nobody above.
    Dropped,
}

/// A lane that goes on, after a change of pipes or a gap.
#[derive(Debug, PartialEq)]
pub struct Opened {
    /// The lane. If it is control, the session itself has gone on on that pipe.
    pub lane: LaneId,
    /// What to write now: what the lane's owner does not have, in order.
    pub resend: Vec<Arc<Batch>>,
    /// The `ref` of each request whose answer the gap has swallowed.
    pub unanswered: Vec<u64>,
}

impl Session {
    /// Takes a message that came on a pipe as a record, on the lane that the pipe tells, if it does. The time is in
    /// milliseconds since any start, always the same.
    ///
    /// # Errors
    /// The server breaks the rules; nothing that it says can be relied on any more.
    pub fn arrive(
        &mut self,
        now_ms: u64,
        pipe: ConnectionId,
        told: Option<LaneId>,
        message: &Envelope<'_>,
    ) -> Result<Arrival, Violation> {
        match message.kind.as_ref() {
            LaneOpened::TYPE => return self.opened(pipe, read(message)?),
            Ack::TYPE => {
                self.acknowledged(&read(message)?);
                return Ok(Arrival::Dropped);
            }
            Pong::TYPE => return Ok(Arrival::Deliver(LaneId::CONTROL)),
            kind if lane::UNCOUNTED_TYPES.contains(&kind) => return Ok(Arrival::Dropped),
            _ => {}
        }
        let not_open = || Violation::NotOpen { kind: message.kind.to_string() };
        let is_current = self.current == Some(pipe);
        // The rest of what an old pipe brings comes again on the new one, also on lanes that were never read on it.
        let elsewhere = || if is_current { Err(not_open()) } else { Ok(Arrival::Dropped) };
        let Some(id) = self.locate(pipe, told, message)? else { return elsewhere() };
        let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.pipe == Some(pipe)) else { return elsewhere() };
        // The types that never count are dealt with.
        if message.latest.is_some() {
            return Ok(if lane.ended { Arrival::Dropped } else { Arrival::Deliver(id) });
        }
        if !lane.inbound.take() {
            return Ok(Arrival::Dropped);
        }
        self.due.note(now_ms, message.kind.len() + data_len(message.data));
        if lane.ended {
            return Ok(Arrival::Dropped);
        }
        deliver(lane, id, message)
    }

    /// Takes so many messages at once that came on a pipe in one record of so many bytes: for a caller that looks at the
    /// bytes itself, and knows that each of these is on this lane, counts, and is nothing but a game's event. Says how many
    /// are new; those that have arrived before are in front.
    ///
    /// # Errors
    /// As [`arrive`](Self::arrive) has.
    pub fn arrive_counted(
        &mut self,
        now_ms: u64,
        pipe: ConnectionId,
        lane: LaneId,
        messages: u64,
        bytes: usize,
    ) -> Result<u64, Violation> {
        let is_current = self.current == Some(pipe);
        let Some(lane) = self.lanes.get_mut(&lane).filter(|lane| lane.pipe == Some(pipe)) else {
            return if is_current { Err(Violation::NotOpen { kind: EVENTS.to_owned() }) } else { Ok(0) };
        };
        if lane.gap.is_some() {
            return Err(Violation::NoSnapshot { kind: EVENTS.to_owned() });
        }
        let new = lane.inbound.take_all(messages);
        if new > 0 {
            self.due.note_all(now_ms, new.try_into().unwrap_or(u32::MAX), bytes);
        }
        Ok(if lane.ended { 0 } else { new })
    }

    /// Lets the next acknowledgement come so many messages earlier. Sessions that begin at the same moment and hear the same
    /// would all acknowledge at the same moment, for ever.
    pub fn acknowledge_earlier(&mut self, now_ms: u64, messages: u32) {
        self.due.note_all(now_ms, messages, 0);
    }

    /// The lane of a message that counts. A successful join opens one.
    fn locate(
        &mut self,
        pipe: ConnectionId,
        told: Option<LaneId>,
        message: &Envelope<'_>,
    ) -> Result<Option<LaneId>, Violation> {
        let lane = match (told, &message.room_id) {
            (Some(lane), _) => lane,
            (None, None) => return Ok(Some(LaneId::CONTROL)),
            (None, Some(_)) if is_join(message) => read::<RoomJoined>(message)?.lane,
            (None, Some(room_id)) => {
                let rooms = self.pipes.get(&pipe);
                return Ok(room_id.parse().ok().and_then(|room_id: RoomId| rooms?.get(&room_id).copied()));
            }
        };
        if is_join(message) && message.reference.is_some() {
            self.lanes.entry(lane).or_insert_with(|| Lane::on(pipe));
            self.place(pipe, message.room_id.as_ref().and_then(|room_id| room_id.parse().ok()), lane);
        }
        Ok(Some(lane))
    }

    /// From here on a room's messages on that pipe are on this lane.
    fn place(&mut self, pipe: ConnectionId, room_id: Option<RoomId>, lane: LaneId) {
        if let (Some(rooms), Some(room_id)) = (self.pipes.get_mut(&pipe), room_id) {
            rooms.insert(room_id, lane);
        }
    }

    fn opened(&mut self, pipe: ConnectionId, opened: LaneOpened) -> Result<Arrival, Violation> {
        let LaneOpened { lane: id, room_id, next, applied, gap } = opened;
        let is_current = self.current == Some(pipe);
        let lane = self.lanes.entry(id).or_insert_with(|| Lane { pipe: None, ..Lane::on(pipe) });
        if !is_current && lane.pipe.is_some_and(|at| at != pipe) {
            return Ok(Arrival::Dropped);
        }
        let comes_over = lane.pipe != Some(pipe);
        if let lane::Opened::Gap { missed } = lane.inbound.opened(next, gap)? {
            // A snapshot that was announced before and never came is still to come.
            lane.gap = Some(lane.gap.unwrap_or(0).saturating_add(missed));
        }
        lane.pipe = Some(pipe);
        self.place(pipe, room_id, id);
        self.unacknowledged.acknowledge(id, applied);
        // What is not sent again was answered, and the answer may be among what was lost.
        let sent: BTreeSet<u64> = self.unacknowledged.resend(id, applied).map(|message| message.n).collect();
        let swallowed = |n: Option<u64>| gap && n.is_some_and(|n| !sent.contains(&n));
        let unanswered = self.take_asked(|asked| asked.lane == id && swallowed(asked.n));
        let resend = if comes_over && is_current { self.resend(id, applied) } else { Vec::new() };
        Ok(Arrival::Opened(Opened { lane: id, resend, unanswered }))
    }

    fn resend(&mut self, lane: LaneId, applied: u64) -> Vec<Arc<Batch>> {
        let kept = self.unacknowledged.resend(lane, applied).map(|message| message.batch.clone());
        let questions = self.asked.values().filter(|asked| asked.lane == lane && asked.n.is_none());
        kept.chain(questions.map(|asked| asked.batch.clone())).collect()
    }
}

fn deliver(lane: &mut Lane, id: LaneId, message: &Envelope<'_>) -> Result<Arrival, Violation> {
    let is_snapshot = match id {
        LaneId::CONTROL => message.kind == SessionState::TYPE,
        _ => is_join(message) && message.reference.is_none(),
    };
    match lane.gap.take() {
        Some(missed) if is_snapshot => Ok(Arrival::Snapshot { lane: id, missed }),
        None if is_snapshot => Ok(Arrival::Snapshot { lane: id, missed: 0 }),
        // A join that was carried out before the server was started anew is answered by what stands there.
        Some(_) if id != LaneId::CONTROL && is_join(message) => Ok(Arrival::Deliver(id)),
        // What was lost is told all the same if the membership has ended.
        Some(_) if id != LaneId::CONTROL && is_farewell(message) => Ok(Arrival::Deliver(id)),
        Some(_) => Err(Violation::NoSnapshot { kind: message.kind.to_string() }),
        None => Ok(Arrival::Deliver(id)),
    }
}

fn is_join(message: &Envelope<'_>) -> bool {
    matches!(message.kind.as_ref(), "create_room_result" | "join_room_result") && message.success == Some(true)
}

/// Whether a message on a room's lane is its last one.
#[must_use]
pub fn is_farewell(message: &Envelope<'_>) -> bool {
    match message.kind.as_ref() {
        RoomClosed::TYPE => true,
        "leave_room_result" => message.success == Some(true),
        _ => false,
    }
}

fn read<T: DeserializeOwned + Decode<()>>(message: &Envelope<'_>) -> Result<T, Violation> {
    let unreadable = |why: String| Violation::Unreadable { kind: message.kind.to_string(), why };
    message.data.decode().map_err(|error| unreadable(error.to_string()))
}

fn data_len(data: Data<'_>) -> usize {
    match data {
        Data::Json(text) => text.len(),
        Data::Binary(bytes) => bytes.len(),
    }
}

//! The client's end: what a client does that follows the protocol to the letter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anteroom_protocol::envelope::{Envelope, Ref};
use anteroom_protocol::lane::{AckDue, Unacknowledged, Upstream, is_counted};
use anteroom_protocol::message::Message;
use anteroom_protocol::message::resume::{
    Ack, Counts, LaneOfRoom, LaneOpened, Reconnect, Reconnected, Resume, SessionState,
};
use anteroom_protocol::{Batch, CloseCode, Codec, Header, LaneId, SessionId};

use crate::lanes::ledger::Ledger;
use crate::lanes::link::Link;
use crate::lanes::reading::Reading;
use crate::lanes::words::{CONTROL, ROOMS, Word, json, messages, one, read, read_json, room_id, room_of};

/// How many messages the client keeps at most.
const KEPT_MAX: usize = 16;

/// A connection that has not carried an answer yet.
#[derive(Debug)]
struct Attempt {
    link: usize,
    live: bool,
    fresh: bool,
    /// The lanes that were known when it was made: if they are not listed, they have ended.
    known: BTreeSet<LaneId>,
    /// Lanes' streams that were faster than the answer.
    held: Vec<(LaneId, Arc<Batch>)>,
}

pub(crate) struct Client {
    codec: Codec,
    keeps: bool,
    /// What a client process leaves behind: the newest token, and how many attempts were made.
    token: Option<String>,
    attempt: u64,
    pub(crate) lanes: BTreeMap<LaneId, Reading>,
    pub(crate) kept: Unacknowledged,
    /// The requests by their numbers, and the first that was made by this process: it knows nothing of others.
    ids: BTreeMap<u64, u64>,
    first_id: u64,
    ack: AckDue,
    /// Where the control lane is.
    link: Option<usize>,
    /// The connection that the session moves to, and whether the lanes were called.
    moving: Option<(usize, bool)>,
    attempted: Option<Attempt>,
    /// By connection without streams: the lane that was opened last for each room.
    opened: BTreeMap<usize, [Option<LaneId>; ROOMS]>,
    pub(crate) now_ms: u64,
}

impl Client {
    pub(crate) fn new(codec: Codec, keeps: bool) -> Self {
        Self {
            codec,
            keeps,
            token: None,
            attempt: 0,
            lanes: BTreeMap::new(),
            kept: Unacknowledged::default(),
            ids: BTreeMap::new(),
            first_id: 1,
            ack: AckDue::default(),
            link: None,
            moving: None,
            attempted: None,
            opened: BTreeMap::new(),
            now_ms: 1,
        }
    }

    /// The program begins again, and has only what it stored. Whether it had a session.
    pub(crate) fn restart(&mut self, links: &mut [Link], ledger: &mut Ledger) -> bool {
        if self.token.is_none() {
            return false;
        }
        links.iter_mut().for_each(|link| link.left = true);
        ledger.fates.values_mut().for_each(|fate| fate.unknown |= !(fate.saw_success || fate.saw_refusal));
        let before = std::mem::replace(self, Self::new(self.codec, self.keeps));
        (self.token, self.attempt, self.now_ms) = (before.token, before.attempt, before.now_ms);
        self.first_id = ledger.next_id();
        true
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.link.is_some() && self.attempted.is_none() && self.moving.is_none()
    }

    /// Whether a connection is still of use.
    pub(crate) fn is_using(&self, place: usize) -> bool {
        self.link == Some(place)
            || self.moving.is_some_and(|(moving, _)| moving == place)
            || self.attempted.as_ref().is_some_and(|attempt| attempt.link == place)
            || self.lanes.values().any(|lane| lane.on == Some(place))
    }

    /// Makes the first move on a new connection. Another that waits for its answer is given up.
    pub(crate) fn dial(&mut self, place: usize, live: bool, links: &mut [Link]) {
        let replaced = self.attempted.take().map(|attempt| attempt.link).into_iter();
        replaced.chain(self.moving.take().map(|(moving, _)| moving)).for_each(|place| links[place].left = true);
        let live = live && self.link.is_some() && self.token.is_some();
        if !live {
            let lanes = self.lanes.values_mut().filter_map(|lane| lane.on.take());
            lanes.chain(self.link.take()).for_each(|place| links[place].left = true);
        }
        let fresh = self.token.is_some() && self.lanes.is_empty();
        let known = self.lanes.iter().filter(|(_, lane)| !lane.ended).map(|(id, _)| *id).collect();
        let first = match &self.token {
            None => json(&Header::new("handshake"), &"nonce"),
            Some(token) => {
                self.attempt += 1;
                let reconnect = Reconnect {
                    session_id: SessionId::from_bits(1),
                    resume_token: token.clone(),
                    attempt: self.attempt,
                    received: (!live && !fresh).then(|| self.received()),
                    fresh,
                };
                json(&Header::new("reconnect"), &reconnect)
            }
        };
        links[place].send(first);
        self.attempted = Some(Attempt { link: place, live, fresh, known, held: Vec::new() });
    }

    /// What has arrived on each lane.
    fn received(&self) -> Counts {
        let counted = self.lanes.iter().filter(|(_, lane)| lane.inbound.received() > 0);
        counted.map(|(id, lane)| (*id, lane.inbound.received())).collect()
    }

    /// Calls the lanes over to the connection that the session moves to.
    pub(crate) fn call(&mut self, links: &mut [Link]) {
        if let Some((place, called @ false)) = &mut self.moving {
            *called = true;
            let place = *place;
            links[place].send(one(self.codec, &Header::new(Resume::TYPE), &Resume { received: self.received() }));
        }
    }

    /// Notices connections that are dead. Whether a new one is needed.
    pub(crate) fn notice(&mut self, links: &mut [Link]) -> bool {
        let is_dead = |place: usize| links[place].is_dead();
        if self.attempted.as_ref().is_some_and(|attempt| is_dead(attempt.link)) {
            let attempt = self.attempted.take().unwrap();
            assert_ne!(links[attempt.link].closed, Some(CloseCode::Superseded), "the newest attempt wins");
        }
        if self.moving.is_some_and(|(moving, _)| is_dead(moving)) {
            self.moving = None;
        }
        if let Some(link) = self.link.filter(|link| is_dead(*link)) {
            let was_overtaken = links[link].closed == Some(CloseCode::Superseded) && self.attempted.is_none();
            assert!(!was_overtaken, "the only client of a session lost it to a stale connection");
            self.link = None;
        }
        if self.link.is_none() {
            self.call(links);
        }
        self.link.is_none() && self.moving.is_none() && self.attempted.is_none()
    }

    /// A record arrived on a connection that is in use.
    pub(crate) fn receive(
        &mut self,
        place: usize,
        stream: LaneId,
        batch: &Arc<Batch>,
        links: &mut [Link],
        ledger: &mut Ledger,
    ) {
        if let Some(attempt) = self.attempted.as_mut().filter(|attempt| attempt.link == place) {
            if stream != CONTROL {
                return attempt.held.push((stream, batch.clone()));
            }
            let attempt = self.attempted.take().unwrap();
            return self.answered(attempt, batch, links, ledger);
        }
        for message in messages(self.codec, batch) {
            let lane = self.lane_of(place, stream, links[place].streams, &message);
            self.message(place, lane, &message, batch.payload().len(), links, ledger);
        }
    }

    /// A datagram arrived. Where its lane is not known it is dropped.
    pub(crate) fn receive_datagram(&mut self, place: usize, lane: LaneId, message: &Batch) {
        if let Some(reading) = self.lanes.get_mut(&lane).filter(|lane| lane.on == Some(place)) {
            for message in messages(self.codec, message) {
                reading.thrown(place, &message, &read(&message));
            }
        }
    }

    fn answered(&mut self, attempt: Attempt, batch: &Batch, links: &mut [Link], ledger: &mut Ledger) {
        let answer = messages(Codec::Json, batch).remove(0);
        let place = attempt.link;
        if answer.kind == "handshake_accepted" {
            self.token = Some(read_json::<u64>(&answer).to_string());
            self.link = Some(place);
            self.lanes.insert(CONTROL, Reading::new(None, Some(place)));
        } else {
            assert_eq!(answer.success, Some(true), "the session goes on");
            let result: Reconnected = read_json(&answer);
            self.token = Some(result.resume_token);
            self.kept.skip_to(result.last_n);
            self.listed(&attempt.known, &result.lanes, attempt.fresh, ledger);
            if attempt.live {
                self.moving = Some((place, false));
            } else {
                self.link = Some(place);
                self.ack.reset();
                self.lanes.values_mut().for_each(|lane| lane.on = None);
                self.lanes.entry(CONTROL).or_default();
            }
        }
        for (stream, batch) in attempt.held {
            self.receive(place, stream, &batch, links, ledger);
        }
    }

    /// Lanes that were known and are not listed have ended, and so have those that another of their room follows.
    fn listed(&mut self, known: &BTreeSet<LaneId>, listed: &[LaneOfRoom], fresh: bool, ledger: &mut Ledger) {
        for lane in known.iter().filter(|lane| **lane != CONTROL && listed.iter().all(|listed| listed.lane != **lane)) {
            let reading = self.lanes.get_mut(lane).expect("it is known");
            assert!(reading.ended || fresh || !self.keeps, "{lane:?} ended, and the client was not told how");
            reading.over = true;
            self.give_up(*lane, ledger);
        }
        for first in listed {
            let room = room_of(first.room_id.as_str());
            self.lanes.entry(first.lane).or_insert_with(|| {
                // The answer comes, or was lost in a gap.
                ledger.enters(room);
                Reading::new(Some(room), None)
            });
            if listed.iter().any(|other| other.room_id == first.room_id && other.lane > first.lane) {
                self.give_up(first.lane, ledger);
            }
        }
    }

    /// Nobody will ever know what became of what is unanswered on a lane, acknowledged or not: it may have come to
    /// its room behind the end.
    fn give_up(&mut self, lane: LaneId, ledger: &mut Ledger) {
        self.kept.end_lane(lane);
        ledger.gives_up(lane);
    }

    /// The lane of a message: without streams, the one that was opened last for its room.
    fn lane_of(&mut self, place: usize, stream: LaneId, streams: bool, message: &Envelope<'_>) -> LaneId {
        let Some(room) = message.room_id.as_deref().map(room_of) else { return CONTROL };
        let opens = match &*message.kind {
            LaneOpened::TYPE => Some(read::<LaneOpened>(message).lane),
            "join_room_result" => Some(LaneId(read::<Word>(message).lane)),
            _ => None,
        };
        let rooms = self.opened.entry(place).or_default();
        rooms[room] = opens.or(rooms[room]);
        let lane = if streams { stream } else { rooms[room].expect("a lane is opened before anything is on it") };
        assert!(opens.is_none_or(|opened| opened == lane), "{opens:?} on {lane:?}");
        lane
    }

    fn message(
        &mut self,
        place: usize,
        lane: LaneId,
        message: &Envelope<'_>,
        bytes: usize,
        links: &mut [Link],
        ledger: &mut Ledger,
    ) {
        if message.kind == LaneOpened::TYPE {
            return self.opened(place, lane, &read(message), links, ledger);
        }
        let is_new = self.lanes.get(&lane).is_none_or(|lane| lane.on.is_none() && lane.inbound.received() == 0);
        if message.kind == "join_room_result" && is_new {
            let room = message.room_id.as_deref().map(room_of);
            self.lanes.insert(lane, Reading::new(room, Some(place)));
        }
        let reading = self.lanes.get_mut(&lane).expect("a lane is opened before anything is on it");
        // The lane has gone over to another connection.
        if reading.on != Some(place) {
            return;
        }
        if message.kind == Ack::TYPE {
            for (lane, n) in read::<Ack>(message).counts {
                self.acknowledged(lane, n, ledger);
            }
        } else if !is_counted(message) {
            if message.kind == "value" {
                reading.value(message, &read(message));
            }
        } else {
            // What comes again was not acknowledged, as far as the server knows.
            self.ack.note(self.now_ms, bytes);
            if reading.inbound.take() {
                self.hear(lane, message, ledger);
            }
        }
    }

    fn opened(&mut self, place: usize, id: LaneId, opened: &LaneOpened, links: &mut [Link], ledger: &mut Ledger) {
        assert_eq!(opened.lane, id);
        let room = opened.room_id.as_ref().map(|room_id| room_of(room_id.as_str()));
        let is_new = !self.lanes.contains_key(&id);
        let reading = self.lanes.entry(id).or_insert_with(|| Reading::new(room, Some(place)));
        // It was called over from there before it had been heard of there.
        if reading.on.is_some_and(|on| on > place) {
            return;
        }
        reading.room = room;
        let comes_over = is_new || reading.on != Some(place);
        if reading.opened(place, opened) {
            ledger.gaps += 1;
            if id == CONTROL {
                ledger.control_gaps += 1;
                ledger.loses_answers(id, opened.applied);
            } else if !is_new {
                ledger.loses_answers(id, opened.applied);
            } else {
                ledger.enters(room.expect("the lane of a room"));
            }
        }
        if let Some((moving, _)) = self.moving.filter(|(moving, _)| id == CONTROL && *moving == place) {
            self.link = Some(moving);
            self.moving = None;
        }
        self.acknowledged(id, opened.applied, ledger);
        if comes_over {
            self.kept.resend(id, opened.applied).for_each(|message| links[place].send(message.batch.clone()));
        }
    }

    /// The owner of a lane has everything up to a number.
    fn acknowledged(&mut self, lane: LaneId, applied: u64, ledger: &mut Ledger) {
        for (n, id) in self.ids.range(..=applied) {
            let fate = ledger.fate(*id);
            fate.acknowledged |= fate.lane == lane && fate.n == Some(*n);
        }
        self.kept.acknowledge(lane, applied);
    }

    fn hear(&mut self, lane: LaneId, message: &Envelope<'_>, ledger: &mut Ledger) {
        let reading = self.lanes.get_mut(&lane).expect("it was opened");
        if message.kind == SessionState::TYPE {
            reading.snapshot(ledger.states[&reading.inbound.received()], Default::default());
            let place = reading.on;
            return self.compare(place, &read(message), ledger);
        }
        let word: Word = read(message);
        if reading.ended {
            return reading.ends_again(&word);
        }
        match &*message.kind {
            "join_room_result" if message.reference.is_none() => return reading.snapshot(word.number, word.values),
            "leave_room_result" | "room_closed" => reading.end(&word),
            _ => reading.word(&word),
        }
        if reading.ended {
            self.give_up(lane, ledger);
        }
        if word.id >= self.first_id {
            let success = message.success.expect("an answer says whether");
            ledger.answers(word.id, success);
            if let Some(reference) = &message.reference {
                self.kept.answered(reference.as_str().parse().expect("a number"));
            }
        }
    }

    /// The rooms that a snapshot of the control lane does not name, and that were not opened on its connection, are
    /// over. Where nothing is kept that is all there is to hear of it.
    fn compare(&mut self, place: Option<usize>, state: &SessionState, ledger: &mut Ledger) {
        let is_named = |id: LaneId| id == CONTROL || state.rooms.iter().any(|room| room.lane == id);
        let over = self.lanes.iter().filter(|(id, lane)| !is_named(**id) && lane.on != place);
        for lane in over.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.give_up(lane, ledger);
            self.lanes.get_mut(&lane).expect("it is known").over = true;
        }
    }

    /// The numbers of what the server may not have, as far as the client knows.
    pub(crate) fn waits(&mut self) -> Vec<u64> {
        let mut numbers = Vec::new();
        for lane in self.lanes.keys() {
            numbers.extend(self.kept.resend(*lane, 0).map(|message| message.n));
        }
        assert_eq!(numbers.len(), self.kept.len(), "something is kept for a lane that is not known");
        numbers
    }

    /// The newest lane of a room, if the client is in there.
    fn lane_in(&self, room: usize) -> Option<LaneId> {
        let mut lanes = self.lanes.iter().filter(|(_, lane)| lane.room == Some(room));
        lanes.next_back().filter(|(_, lane)| !lane.ended && !lane.over).map(|(id, _)| *id)
    }

    /// Sends a request about a room, reliably or at most once.
    pub(crate) fn ask(&mut self, kind: &str, room: usize, reliable: bool, links: &mut [Link], ledger: &mut Ledger) {
        let joins = kind == "join_room";
        let member = self.lane_in(room);
        let Some(lane) = (if joins { Some(CONTROL) } else { member }) else { return };
        // Only who has left, or is about to, asks to be let in again.
        if joins && member.is_some_and(|lane| !ledger.leaves(lane, self.first_id)) {
            return;
        }
        // What is heard first of a lane may be its end.
        if lane != CONTROL && !self.lanes[&lane].has_begun() {
            return;
        }
        // While it is not known which membership a message would be for, none is sent.
        if self.kept.len() >= KEPT_MAX || self.lanes.is_empty() || ledger.joins(room, self.first_id) {
            return;
        }
        let n = reliable.then(|| self.kept.next_n());
        let id = ledger.asks(lane, n, joins.then_some(room), kind == "leave_room");
        let (reference, room_id) = (n.map(Ref::from), room_id(room));
        let header = Header { reference: reference.as_ref(), n, room_id: Some(room_id.as_str()), ..Header::new(kind) };
        let batch = one(self.codec, &header, &Word { id, ..Word::default() });
        if let Some(n) = n {
            self.ids.insert(n, id);
            self.kept.push(Upstream { n, lane, batch: batch.clone() });
        }
        if let Some(place) = self.lanes.get(&lane).and_then(|lane| lane.on) {
            links[place].send(batch);
        }
    }

    /// Asks to be let out of a room that has not answered yet whether it lets the client in: at most once, since nobody
    /// knows of which membership.
    pub(crate) fn ask_out(&mut self, room: usize, links: &mut [Link], ledger: &mut Ledger) {
        if self.lane_in(room).is_some() || !ledger.joins(room, self.first_id) {
            return;
        }
        let (id, room_id) = (ledger.asks(CONTROL, None, None, true), room_id(room));
        let header = Header { room_id: Some(room_id.as_str()), ..Header::new("leave_room") };
        if let Some(place) = self.lanes.get(&CONTROL).and_then(|lane| lane.on) {
            links[place].send(one(self.codec, &header, &Word { id, ..Word::default() }));
        }
    }

    /// Acknowledges if it is time.
    pub(crate) fn tend(&mut self, links: &mut [Link]) {
        let Some(link) = self.link.filter(|_| self.keeps && self.ack.is_due(self.now_ms)) else { return };
        self.ack.reset();
        let counts = self.received();
        links[link].send(one(self.codec, &Header::new(Ack::TYPE), &Ack { counts }));
    }
}

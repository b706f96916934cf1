//! The server's end: a session, the rooms it is in, and the connections that claim to be its client's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anteroom_core::Time;
use anteroom_core::lanes::{Accepted, Carrying, Claim, ConnectionId, Lanes, Refused, SessionBounds, Verdict};
use anteroom_protocol::envelope::Envelope;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::resume::{Ack, Counts, Reconnect, Reconnected, Resume};
use anteroom_protocol::{Batch, CloseCode, Codec, ErrorBody, ErrorCode, Header, LaneId};

use crate::lanes::ledger::Ledger;
use crate::lanes::link::Link;
use crate::lanes::owed::Owed;
use crate::lanes::room::{Command, Room, Told};
use crate::lanes::words::{CONTROL, ROOMS, Word, json, messages, one, read, read_json, room_id, room_of};
use crate::lanes::writing::AllOwed;

/// What the server makes of a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// Nothing has come yet.
    New,
    Pipe(ConnectionId),
    Over,
}

pub(crate) struct Server {
    pub(crate) codec: Codec,
    pub(crate) keeps: bool,
    pub(crate) bounds: SessionBounds,
    datagram_bytes_max: [Option<usize>; 2],
    pub(crate) session: Option<Lanes>,
    /// Whether each connection has streams, and with them datagrams.
    streams: Vec<bool>,
    ends: Vec<End>,
    /// The newest connection on which a handshake came.
    shaken: Option<usize>,
    pub(crate) rooms: [Room; ROOMS],
    /// Requests to be let in that are not answered.
    asked: BTreeSet<u64>,
    pub(crate) told: BTreeMap<LaneId, Told>,
    pub(crate) owed: AllOwed,
    /// How many words the control lane had when the lanes came to the connection: what a snapshot there stands for.
    pub(crate) words_before: u64,
    pub(crate) now: Time,
    /// When the session looked last how far rooms have come.
    looked_at: Time,
    /// Whoever writes has written all there was, and waits to be told of more.
    pub(crate) is_asleep: bool,
}

impl Server {
    pub(crate) fn new(codec: Codec, keeps: bool, bounds: SessionBounds) -> Self {
        let mut server = Self {
            codec,
            keeps,
            bounds,
            datagram_bytes_max: [None, Some(1000)],
            session: None,
            streams: Vec::new(),
            ends: Vec::new(),
            shaken: None,
            rooms: Default::default(),
            asked: BTreeSet::new(),
            told: BTreeMap::new(),
            owed: AllOwed::new(),
            words_before: 0,
            now: Time::from_millis(1),
            looked_at: Time::default(),
            is_asleep: false,
        };
        server.begin(CONTROL);
        server
    }

    pub(crate) fn meet(&mut self, streams: bool) {
        self.streams.push(streams);
        self.ends.push(End::New);
    }

    pub(crate) fn session(&mut self) -> &mut Lanes {
        self.session.as_mut().expect("it has begun")
    }

    pub(crate) fn pipe_of(&self, place: usize) -> Option<ConnectionId> {
        match self.ends[place] {
            End::Pipe(connection) => Some(connection),
            End::New | End::Over => None,
        }
    }

    fn link_of(&self, connection: ConnectionId) -> Option<usize> {
        self.ends.iter().position(|end| *end == End::Pipe(connection))
    }

    /// The largest datagram that can be sent, if there is a connection for it.
    pub(crate) fn datagrams(&self) -> Option<usize> {
        self.datagram_bytes_max[usize::from(self.streams[self.carrying()?])]
    }

    /// The connection that carries the lanes.
    pub(crate) fn carrying(&self) -> Option<usize> {
        self.link_of(self.session.as_ref()?.attached()?)
    }

    fn close(&mut self, place: usize, code: CloseCode, links: &mut [Link]) {
        self.ends[place] = End::Over;
        links[place].close(code);
    }

    /// A record arrived.
    pub(crate) fn receive(&mut self, place: usize, batch: &Batch, links: &mut [Link], ledger: &mut Ledger) {
        match self.ends[place] {
            End::New => self.first(place, batch, links),
            End::Over => {}
            End::Pipe(connection) => {
                self.session().heard(connection);
                for message in messages(self.codec, batch) {
                    self.message(connection, &message, batch.payload().len(), links, ledger);
                }
            }
        }
    }

    fn first(&mut self, place: usize, batch: &Batch, links: &mut [Link]) {
        let first = messages(Codec::Json, batch).remove(0);
        match &*first.kind {
            "handshake" => self.handshake(place, links),
            "reconnect" => self.reconnect(place, &read_json(&first), links),
            kind => panic!("{kind} cannot be the first message"),
        }
    }

    fn handshake(&mut self, place: usize, links: &mut [Link]) {
        // A handshake that was overtaken by its repetition is lost.
        if self.shaken.is_some_and(|newest| newest > place) {
            return self.close(place, CloseCode::Superseded, links);
        }
        self.shaken = Some(place);
        let datagrams = self.datagram_bytes_max[usize::from(links[place].streams)];
        let token = match &mut self.session {
            None => {
                let (session, connection) = Lanes::new(self.codec, self.keeps, self.bounds, datagrams);
                self.session = Some(session);
                self.ends[place] = End::Pipe(connection);
                0
            }
            Some(session) => {
                let accepted = session.restart(datagrams);
                self.take_over(place, &accepted, links);
                let unheard = accepted.lanes.is_empty().then(Counts::new);
                self.attached(unheard.as_ref());
                accepted.token
            }
        };
        links[place].write(CONTROL, json(&Header::new("handshake_accepted"), &token));
    }

    fn take_over(&mut self, place: usize, accepted: &Accepted, links: &mut [Link]) {
        for connection in &accepted.displaced {
            let displaced = self.link_of(*connection).expect("a connection that is displaced is there");
            self.close(displaced, CloseCode::Superseded, links);
        }
        self.ends[place] = End::Pipe(accepted.connection);
    }

    fn reconnect(&mut self, place: usize, reconnect: &Reconnect, links: &mut [Link]) {
        let carrying = match reconnect.received.clone() {
            _ if reconnect.fresh => Carrying::Fresh,
            Some(received) => Carrying::Received(received),
            None => Carrying::Live,
        };
        let token = reconnect.resume_token.parse().unwrap();
        let claim = Claim { token, attempt: reconnect.attempt, carrying };
        let (fresh, received) = (reconnect.fresh, reconnect.received.as_ref());
        let datagrams = self.datagram_bytes_max[usize::from(links[place].streams)];
        self.look_at_applied();
        match self.session().reconnect(&claim, datagrams) {
            Ok(accepted) => {
                self.take_over(place, &accepted, links);
                if fresh || received.is_some() {
                    self.attached(received.filter(|_| !fresh));
                }
                let Accepted { token, lanes, last_n, .. } = accepted;
                let result = Reconnected { resume_token: token.to_string(), lanes, last_n };
                let header = Header { success: Some(true), ..Header::new(Reconnected::TYPE) };
                links[place].write(CONTROL, json(&header, &result));
            }
            Err(Refused::Superseded) => self.close(place, CloseCode::Superseded, links),
            Err(refused) => panic!("honest use was refused: {refused}"),
        }
    }

    fn message(
        &mut self,
        connection: ConnectionId,
        message: &Envelope<'_>,
        bytes: usize,
        links: &mut [Link],
        ledger: &mut Ledger,
    ) {
        match &*message.kind {
            Ack::TYPE => {
                let Ack { counts } = read(message);
                self.session().acknowledge(&counts).expect("an honest acknowledgement");
                for (lane, count) in counts {
                    self.owed.get_mut(&lane).expect("it was opened").acknowledge(count);
                }
                if self.owed[&CONTROL].has_arrived() {
                    self.owed.values_mut().for_each(Owed::hear_refusals);
                }
            }
            Resume::TYPE => {
                let Resume { received } = read(message);
                self.look_at_applied();
                let before = self.session().resume(connection, &received).expect("it was asked for");
                self.attached(Some(&received));
                if let Some(before) = before {
                    let before = self.link_of(before).expect("the connection that the lanes come from");
                    self.close(before, CloseCode::Move, links);
                }
            }
            "join_room" => self.join(connection, message, bytes, ledger),
            _ => self.for_room(connection, message, bytes, ledger),
        }
    }

    fn join(&mut self, connection: ConnectionId, message: &Envelope<'_>, bytes: usize, ledger: &mut Ledger) {
        let (now, word) = (self.now, read::<Word>(message));
        if self.session().judge(connection, CONTROL, message.n) == Verdict::Ignored {
            return;
        }
        self.session().handed(now, CONTROL, message.n, bytes);
        self.asked.extend(message.n);
        let room = room_of(message.room_id.as_deref().unwrap());
        // The room may be quick with what came before.
        while word.id.is_multiple_of(2) && self.work(room, false, ledger) {}
        if self.rooms[room].lane.is_some() {
            ledger.refuses(word.id, CONTROL);
            self.refuse(message, CONTROL, None, word.id, ErrorCode::AlreadyInRoom);
            return self.done(message.n);
        }
        let lane = self.session().open(Some(room_id(room)));
        // Up to here nothing was meant for it.
        let last_n = self.session().last_n();
        self.rooms[room].applied.insert(lane, last_n);
        self.begin(lane);
        let join = Command::Join { lane, id: word.id, n: message.n, reference: message.reference.clone() };
        self.rooms[room].lane = Some(lane);
        self.rooms[room].mailbox.push_back(join);
    }

    /// A request to be let in is answered.
    pub(crate) fn done(&mut self, n: Option<u64>) {
        n.into_iter().for_each(|n| assert!(self.asked.remove(&n), "{n} is answered once"));
        self.session().done(n);
    }

    fn for_room(&mut self, connection: ConnectionId, message: &Envelope<'_>, bytes: usize, ledger: &mut Ledger) {
        let (now, word) = (self.now, read::<Word>(message));
        let place = room_of(message.room_id.as_deref().unwrap());
        let is_leaving = message.kind == "leave_room";
        // A request to be let out may wait behind the one to be let in.
        let waits = is_leaving && word.id.is_multiple_of(2);
        let Some(lane) = self.rooms[place].lane_of_member().or(self.rooms[place].lane.filter(|_| waits)) else {
            let has_passed = self.session().has_passed(&room_id(place), message.n);
            if !has_passed && self.session().judge(connection, CONTROL, None) == Verdict::New {
                self.turn_away(CONTROL, message, word.id, ErrorCode::NotInRoom, ledger);
            }
            return;
        };
        if self.session().judge(connection, lane, message.n) == Verdict::Ignored {
            return;
        }
        if is_leaving && message.n.is_none() {
            ledger.fate(word.id).lane = lane;
        }
        let (n, reference) = (message.n, message.reference.clone());
        let command = match &*message.kind {
            "leave_room" => Command::Leave { lane, id: word.id, n, reference },
            _ if self.rooms[place].turns_away() => {
                self.owed.get_mut(&lane).expect("it was opened").turn_away();
                return self.turn_away(lane, message, word.id, ErrorCode::Busy, ledger);
            }
            kind => Command::Act { lane, id: word.id, n, reference, refuse: kind == "err" },
        };
        self.session().handed(now, lane, n, bytes);
        self.rooms[place].mailbox.push_back(command);
    }

    /// Refuses something in a room's place.
    fn turn_away(&mut self, on: LaneId, message: &Envelope<'_>, id: u64, code: ErrorCode, ledger: &mut Ledger) {
        self.session().saw(on, message.n);
        ledger.fate(id).turned_away += 1;
        self.refuse(message, CONTROL, None, id, code);
    }

    pub(crate) fn refuse(
        &mut self,
        message: &Envelope<'_>,
        lane: LaneId,
        room: Option<usize>,
        id: u64,
        code: ErrorCode,
    ) {
        let error = ErrorBody::new(code, "No.");
        let reference = message.reference.as_ref();
        let kind = if reference.is_some() { "answer" } else { "error" };
        let header = Header { reference, success: Some(false), error: Some(&error), ..Header::new(kind) };
        self.tell(lane, room, &[(header, id)], 0);
    }

    /// What a client is told of as applied was.
    pub(crate) fn check_applied(&self, lane: LaneId, applied: u64) {
        let most = self.rooms.iter().filter_map(|room| room.applied.get(&lane)).max();
        let is_applied = match lane {
            CONTROL => self.asked.first().is_none_or(|first| applied < *first),
            _ => most.is_some_and(|most| applied <= *most),
        };
        assert!(is_applied, "{lane:?}: {applied} is said to be applied, {most:?} was, and {:?} waits", self.asked);
    }

    /// Acknowledges if it is time, and closes a connection on which too much waits.
    pub(crate) fn tend(&mut self, links: &mut [Link]) {
        let Some(session) = &mut self.session else { return };
        if session.is_beyond_hope()
            && let Some(place) = self.carrying()
        {
            return self.lose(place, Some(CloseCode::SlowConsumer), links);
        }
        let now = self.now;
        let Some(place) = self.carrying() else { return };
        // Whoever writes may do so before the session looks how far rooms have come.
        if self.looked_at < now {
            self.looked_at = now;
            self.look_at_applied();
        }
        if self.session().ack_at().is_some_and(|at| at <= now) {
            let counts = self.session().take_ack();
            counts.iter().for_each(|(lane, count)| self.check_applied(*lane, *count));
            // What was taken may be of a lane that is over.
            if !counts.is_empty() {
                links[place].write(CONTROL, one(self.codec, &Header::new(Ack::TYPE), &Ack { counts }));
            }
        }
    }

    /// Something came on a connection that cannot be read, behind what was taken from it: it is closed, and the session
    /// goes on. Whether it was one of the session's.
    pub(crate) fn garbled(&mut self, place: usize, forgotten_after: Duration, links: &mut [Link]) -> bool {
        let now = self.now;
        let is_ours = match self.ends[place] {
            End::Pipe(connection) => {
                assert!(
                    self.session().outlives_fault(now, connection, forgotten_after),
                    "they were not three in a row"
                );
                true
            }
            End::New | End::Over => false,
        };
        self.lose(place, Some(CloseCode::Malformed), links);
        is_ours
    }

    /// Notices that connections are gone: those that were cut, and those that the client left.
    pub(crate) fn notice(&mut self, links: &mut [Link]) {
        for place in 0..self.ends.len() {
            if self.ends[place] != End::Over && (links[place].cut || links[place].left) && links[place].up.is_empty() {
                self.lose(place, None, links);
            }
        }
    }

    fn lose(&mut self, place: usize, code: Option<CloseCode>, links: &mut [Link]) {
        if let End::Pipe(connection) = std::mem::replace(&mut self.ends[place], End::Over) {
            if self.session().attached() == Some(connection) {
                self.owed.values_mut().for_each(Owed::detach);
            }
            self.session().lost(connection);
        }
        if let Some(code) = code {
            links[place].close(code);
        }
    }
}

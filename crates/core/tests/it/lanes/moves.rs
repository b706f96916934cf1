//! What rooms do on their own: they work off their mailboxes, say things, and end memberships.

use anteroom_core::flush::Outgoing;
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::{ErrorBody, ErrorCode, Header, LaneId};

use crate::lanes::ledger::Ledger;
use crate::lanes::owed::Owed;
use crate::lanes::room::Command;
use crate::lanes::server::Server;
use crate::lanes::words::{CONTROL, KEYS, Word, fill, key_name, key_of, one, room_id};

impl Server {
    /// A room takes one command out of its mailbox. Whether there was one.
    pub(crate) fn work(&mut self, room: usize, refuse: bool, ledger: &mut Ledger) -> bool {
        let Some(command) = self.rooms[room].mailbox.pop_front() else { return false };
        match command {
            // Otherwise nobody waits for it any more.
            Command::Join { lane, id, n, reference } if self.rooms[room].lane == Some(lane) => {
                self.let_in(room, lane, id, reference.as_ref(), refuse, ledger);
                self.done(n);
            }
            Command::Leave { lane, id, n, reference } if self.rooms[room].lane_of_member() == Some(lane) => {
                ledger.does(id, lane);
                self.apply(room, lane, n);
                let header =
                    Header { reference: reference.as_ref(), success: Some(true), ..Header::new("leave_room_result") };
                self.end(room, &header, id, 0);
            }
            Command::Act { lane, id, n, reference, refuse } if self.rooms[room].lane_of_member() == Some(lane) => {
                self.act(room, lane, id, reference.as_ref(), refuse, ledger);
                self.apply(room, lane, n);
            }
            Command::Snapshot { lane } if self.rooms[room].lane_of_member() == Some(lane) => {
                self.snapshot(room, lane);
            }
            _ => {}
        }
        true
    }

    /// A room has acted on a message, or refused it. The session looks at it later.
    fn apply(&mut self, room: usize, lane: LaneId, n: Option<u64>) {
        if let Some(n) = n {
            let applied = self.rooms[room].applied.entry(lane).or_default();
            *applied = n.max(*applied);
        }
    }

    /// The session looks how far rooms have come.
    pub(crate) fn look_at_applied(&mut self) {
        let applied: Vec<_> = self.rooms.iter().flat_map(|room| &room.applied).map(|(lane, n)| (*lane, *n)).collect();
        applied.into_iter().for_each(|(lane, n)| self.session().applied(lane, n));
    }

    fn let_in(
        &mut self,
        room: usize,
        lane: LaneId,
        id: u64,
        reference: Option<&Ref>,
        refuse: bool,
        ledger: &mut Ledger,
    ) {
        if refuse {
            return self.keep_out(room, lane, id, reference, ErrorCode::RoomFull, ledger);
        }
        self.rooms[room].is_in = true;
        ledger.does(id, CONTROL);
        let header = Header { reference, success: Some(true), ..Header::new("join_room_result") };
        self.tell(lane, Some(room), &[(header, id)], 0);
    }

    fn keep_out(
        &mut self,
        room: usize,
        lane: LaneId,
        id: u64,
        reference: Option<&Ref>,
        code: ErrorCode,
        ledger: &mut Ledger,
    ) {
        self.rooms[room].lane = None;
        self.session().retract(lane);
        ledger.refuses(id, CONTROL);
        let error = ErrorBody::new(code, "No.");
        let header = Header { reference, success: Some(false), error: Some(&error), ..Header::new("answer") };
        self.tell(CONTROL, None, &[(header, id)], 0);
    }

    /// A room takes too long to let somebody in: the request is refused in its place, and its answer comes too late.
    pub(crate) fn give_up_join(&mut self, room: usize, ledger: &mut Ledger) {
        let Some(lane) = self.rooms[room].lane.filter(|_| !self.rooms[room].is_in) else { return };
        let waiting = self.rooms[room].mailbox.iter().find_map(|command| match command {
            Command::Join { lane: other, id, n, reference } if *other == lane => Some((*id, *n, reference.clone())),
            _ => None,
        });
        let (id, n, reference) = waiting.expect("the room has not answered");
        self.keep_out(room, lane, id, reference.as_ref(), ErrorCode::Busy, ledger);
        self.done(n);
    }

    fn act(&mut self, room: usize, lane: LaneId, id: u64, reference: Option<&Ref>, refuse: bool, ledger: &mut Ledger) {
        if refuse {
            ledger.refuses(id, lane);
        } else {
            ledger.does(id, lane);
        }
        let error = ErrorBody::new(ErrorCode::Rejected, "No.");
        let error = refuse.then_some(&error);
        if reference.is_some() || refuse {
            let kind = if reference.is_some() { "answer" } else { "error" };
            let header = Header { reference, success: Some(!refuse), error, ..Header::new(kind) };
            self.tell(lane, Some(room), &[(header, id), (Header::new("said"), 0)], 0);
        }
    }

    fn snapshot(&mut self, room: usize, lane: LaneId) {
        let (now, told, id) = (self.now, self.told[&lane], room_id(room));
        let word = Word { number: told.words, id: 0, lane: lane.0, values: told.values, ..Word::default() };
        let header = Header { success: Some(true), ..Header::new("join_room_result") }.in_room(id.as_str());
        let batch = one(self.codec, &header, &word);
        self.owed.get_mut(&lane).expect("it was opened").mend(now.as_millis(), batch.payload().len());
        let applied = self.rooms[room].applied.get(&lane).copied().unwrap_or_default();
        self.put(lane, Outgoing::Snapshot { applied, message: batch });
    }

    /// Says some words to the member, in one batch.
    pub(crate) fn say(&mut self, room: usize, words: usize, dice: u32) {
        if let Some(lane) = self.rooms[room].lane_of_member() {
            self.tell(lane, Some(room), &vec![(Header::new("said"), 0); words], dice);
        }
    }

    /// Sets a value, and tells the member the newest. The dice say which, how large it is, and how it is delivered.
    pub(crate) fn set(&mut self, room: usize, dice: u32) {
        let Some(lane) = self.rooms[room].lane_of_member() else { return };
        let outgoing = self.value(lane, room, dice);
        // Where datagrams arrive, one that fits is sent as such.
        if let Outgoing::Unreliable { key, message } = &outgoing {
            let fits = self.datagrams().is_some_and(|bytes_max| message.payload().len() <= bytes_max);
            self.told.get_mut(&lane).unwrap().loose[key_of(key)] = fits;
        }
        self.owes(lane, &outgoing);
        self.put(lane, outgoing);
    }

    fn owes(&mut self, lane: LaneId, value: &Outgoing) {
        let (Outgoing::Latest { key, message } | Outgoing::Unreliable { key, message }) = value else { return };
        let (key, bytes) = (key_of(key), message.payload().len());
        let owed = self.owed.get_mut(&lane).expect("it was opened");
        if self.told[&lane].loose[key] {
            owed.replace_value(key, bytes);
        } else {
            owed.put_value(key, bytes);
        }
    }

    fn value(&mut self, lane: LaneId, room: usize, dice: u32) -> Outgoing {
        let told = self.told.get_mut(&lane).unwrap();
        let key = dice as usize / 8 % KEYS;
        told.values[key] += 1;
        told.loose[key] = false;
        let (name, id) = (key_name(key), room_id(room));
        let word =
            Word { number: told.words, id: 0, lane: lane.0, values: told.values, fill: fill(dice / (8 * KEYS as u32)) };
        let header = Header { latest: Some(&name), ..Header::new("value") }.in_room(id.as_str());
        let message = one(self.codec, &header, &word);
        if dice & 7 < 3 { Outgoing::Unreliable { key: name, message } } else { Outgoing::Latest { key: name, message } }
    }

    /// The server needs the memory.
    pub(crate) fn shed(&mut self, room: usize) {
        if let Some(lane) = self.rooms[room].lane_of_member() {
            self.is_asleep = false;
            self.session().shed(lane);
            self.owed.get_mut(&lane).unwrap().lose_all();
        }
    }

    /// The server needs the memory of all lanes.
    pub(crate) fn relieve(&mut self) {
        self.words_before = self.told[&CONTROL].words;
        self.is_asleep = false;
        self.session().relieve();
        self.owed.values_mut().for_each(Owed::relieve);
    }

    /// Ends a membership from the room's side. `dice` says what is said right before it.
    pub(crate) fn kick(&mut self, room: usize, dice: u32) {
        if self.rooms[room].is_in {
            self.end(room, &Header::new("room_closed"), 0, dice);
        }
    }

    fn end(&mut self, room: usize, header: &Header<'_>, id: u64, dice: u32) {
        let Some(lane) = self.rooms[room].lane.take() else { return };
        self.rooms[room].is_in = false;
        let mut last = Vec::new();
        if dice & 1 != 0 {
            last.push(Outgoing::Reliable(self.words(lane, Some(room), &[(Header::new("said"), 0)], dice)));
        }
        if dice & 2 != 0 {
            let value = self.value(lane, room, dice >> 2);
            self.owes(lane, &value);
            last.push(value);
        }
        last.push(Outgoing::Reliable(self.words(lane, Some(room), &[(*header, id)], dice >> 9)));
        self.told.get_mut(&lane).unwrap().ended = true;
        self.look_at_applied();
        let now = self.now;
        self.is_asleep = false;
        self.session().end(now, lane, last);
    }
}

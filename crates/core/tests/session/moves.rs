//! What rooms do on their own: they work off their mailboxes, say things, and end memberships.

use std::sync::Arc;

use anteroom_core::flush::Outgoing;
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::{ErrorBody, ErrorCode, Header, LaneId};

use crate::ledger::Ledger;
use crate::room::Command;
use crate::server::Server;
use crate::words::{CONTROL, KEYS, Word, one, room_id};

impl Server {
    /// A room takes one command out of its mailbox. Whether there was one.
    pub(crate) fn work(&mut self, room: usize, refuse: bool, ledger: &mut Ledger) -> bool {
        let Some(command) = self.rooms[room].mailbox.pop_front() else { return false };
        match command {
            Command::Join { lane, id, reference } => self.let_in(room, lane, id, reference.as_ref(), refuse, ledger),
            Command::Leave { lane, id, reference } if self.rooms[room].lane_of_member() == Some(lane) => {
                ledger.does(id, lane);
                let header =
                    Header { reference: reference.as_ref(), success: Some(true), ..Header::new("leave_room_result") };
                self.end(room, &header, id, 0);
            }
            Command::Act { lane, id, reference, refuse } if self.rooms[room].lane_of_member() == Some(lane) => {
                self.act(room, lane, id, reference.as_ref(), refuse, ledger);
            }
            Command::Snapshot { lane } if self.rooms[room].lane_of_member() == Some(lane) => {
                self.snapshot(room, lane);
            }
            _ => {}
        }
        true
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
            self.rooms[room].lane = None;
            self.session.as_mut().unwrap().retract(lane);
            ledger.refuses(id, CONTROL);
            let error = ErrorBody::new(ErrorCode::RoomFull, "No.");
            let header = Header { reference, success: Some(false), error: Some(&error), ..Header::new("answer") };
            return self.tell(CONTROL, None, &[(header, id)]);
        }
        self.rooms[room].is_in = true;
        ledger.does(id, CONTROL);
        let header = Header { reference, success: Some(true), ..Header::new("join_room_result") };
        self.tell(lane, Some(room), &[(header, id)]);
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
            self.tell(lane, Some(room), &[(header, id), (Header::new("said"), 0)]);
        }
    }

    fn snapshot(&mut self, room: usize, lane: LaneId) {
        let (now, told, id) = (self.now, self.told[&lane], room_id(room));
        let word = Word { number: told.words, id: 0, lane: lane.0, values: told.values };
        let header = Header { success: Some(true), ..Header::new("join_room_result") }.in_room(id.as_str());
        let batch = one(self.codec, &header, &word);
        self.session.as_mut().unwrap().put(now, lane, Outgoing::Snapshot(batch));
    }

    /// Says some words to the member, in one batch.
    pub(crate) fn say(&mut self, room: usize, words: usize) {
        if let Some(lane) = self.rooms[room].lane_of_member() {
            self.tell(lane, Some(room), &vec![(Header::new("said"), 0); words]);
        }
    }

    /// Sets a value, and tells the member the newest.
    pub(crate) fn set(&mut self, room: usize, key: usize, unreliable: bool) {
        let Some(lane) = self.rooms[room].lane_of_member() else { return };
        let outgoing = self.value(lane, room, key, unreliable);
        let now = self.now;
        self.session.as_mut().unwrap().put(now, lane, outgoing);
    }

    fn value(&mut self, lane: LaneId, room: usize, key: usize, unreliable: bool) -> Outgoing {
        let told = self.told.get_mut(&lane).unwrap();
        let key = key % KEYS;
        let (name, id) = (key.to_string(), room_id(room));
        if unreliable {
            let header = Header { latest: Some("spark"), ..Header::new("spark") }.in_room(id.as_str());
            let message = one(self.codec, &header, &Word::default());
            return Outgoing::Unreliable { key: "spark".into(), message };
        }
        told.values[key] += 1;
        let word = Word { number: told.words, id: 0, lane: lane.0, values: told.values };
        let header = Header { latest: Some(&name), ..Header::new("value") }.in_room(id.as_str());
        Outgoing::Latest { key: Arc::from(name.as_str()), message: one(self.codec, &header, &word) }
    }

    /// The server needs the memory.
    pub(crate) fn shed(&mut self, room: usize) {
        if let Some(lane) = self.rooms[room].lane_of_member() {
            self.session.as_mut().unwrap().shed(lane);
        }
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
            last.push(Outgoing::Reliable(self.words(lane, Some(room), &[(Header::new("said"), 0)])));
        }
        if dice & 2 != 0 {
            last.push(self.value(lane, room, dice as usize >> 3, dice & 4 != 0));
        }
        last.push(Outgoing::Reliable(self.words(lane, Some(room), &[(*header, id)])));
        self.told.get_mut(&lane).unwrap().ended = true;
        let now = self.now;
        self.session.as_mut().unwrap().end(now, lane, last);
    }
}

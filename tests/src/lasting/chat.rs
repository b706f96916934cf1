//! Relay: one room after the other, in which both say numbers and hear all of them, and which both leave again.

use serde_json::{Value, json};

use super::Life;
use super::player::{Answer, Asked, Place, Player};
use super::table::{Table, Talk};

/// How many numbers each says in a room, at least, and how many more at most.
const NUMBERS: (u64, u32) = (3, 30);
/// How many of them are said before the first is heard again.
const AHEAD_MAX: u64 = 6;

/// What a player knows of the room that it talks in.
#[derive(Debug, Default)]
pub(super) struct Chat {
    pub(super) place: Place,
    pub(super) room_id: Option<String>,
    /// Which of the pair's rooms it was in last.
    number: u64,
    /// How many numbers to say, and how many were said.
    all: u64,
    said: u64,
    heard: [Heard; 2],
}

/// What was heard from one of the two in this room.
#[derive(Debug, Default, Clone, Copy)]
struct Heard {
    /// The next number.
    next: u64,
    /// Some may have been missed.
    missed: bool,
}

impl Chat {
    /// A gap was told.
    pub(super) fn misses(&mut self) {
        self.heard.iter_mut().for_each(|heard| heard.missed = true);
    }

    /// Somebody says a number.
    ///
    /// # Panics
    /// If it has come before, or one before it is missing.
    pub(super) fn hear(&mut self, who: usize, table: &Table, data: &Value) {
        let from = table.users.iter().position(|user| data["from"] == json!(user)).unwrap();
        let number = data["payload"].as_u64().unwrap();
        let heard = &mut self.heard[from];
        let may_skip = |skipped: u64| heard.missed || table.talk.refused.contains(&(from, skipped));
        let fits = number >= heard.next && (heard.next..number).all(may_skip);
        assert!(fits, "{who} hears {number} from {from}, and {} was to come: {:?}", heard.next, table.talk);
        *heard = Heard { next: number + 1, missed: false };
    }

    /// Whether everything that was said has come, or may have been missed.
    pub(super) fn has_heard_all(&self, who: usize) -> bool {
        let own = self.heard[who];
        self.place != Place::In || own.missed || own.next == self.said
    }
}

impl Player {
    pub(super) async fn talk(&mut self, life: &Life) {
        let (was_in, room_id) = {
            let talk = &self.table.borrow().talk;
            (talk.entered[self.who] && !talk.left[self.who], talk.room_id.clone())
        };
        match self.chat.place {
            Place::Out if was_in || self.who == 1 => {
                if let Some(room_id) = room_id.filter(|_| was_in || !self.table.borrow().talk.entered[1]) {
                    self.chat.place = Place::Entering;
                    self.ask(Asked::Talk, "join_room", json!({"room_id": room_id})).await;
                }
            }
            Place::Out => self.make_talk(life).await,
            Place::In => self.go_on_talking(life).await,
            Place::Entering | Place::Unsure | Place::Leaving => {}
        }
    }

    async fn make_talk(&mut self, life: &Life) {
        {
            let talk = &mut self.table.borrow_mut().talk;
            if talk.left == [true; 2] {
                *talk = Talk { number: talk.number + 1, ..Talk::default() };
            } else if talk.entered[0] {
                return;
            }
        }
        life.has_changed();
        self.chat.place = Place::Entering;
        let data = json!({"game": "relay", "durable": true, "options": {"members_max": 2}});
        self.ask(Asked::Talk, "create_room", data).await;
    }

    async fn go_on_talking(&mut self, life: &Life) {
        let Some(room_id) = self.chat.room_id.clone() else { return };
        let Heard { next, missed } = self.chat.heard[self.who];
        if self.chat.said < self.chat.all {
            if missed || self.chat.said - next.min(self.chat.said) < AHEAD_MAX {
                for _ in 0..=self.rng.below(3).min((self.chat.all - self.chat.said - 1) as u32) {
                    self.say_number(&room_id).await;
                }
            }
            return;
        }
        let is_done = {
            let talk = &mut self.table.borrow_mut().talk;
            if self.client.kept() == 0 && !talk.done[self.who] && self.chat.has_heard_all(self.who) {
                talk.done[self.who] = true;
                life.has_changed();
            }
            talk.done == [true; 2]
        };
        if is_done {
            self.chat.place = Place::Leaving;
            self.ask_in(&room_id, Asked::Leave, "leave_room", json!({})).await;
        }
    }

    async fn say_number(&mut self, room_id: &str) {
        let number = self.chat.said;
        self.chat.said += 1;
        let data = json!({"payload": number});
        if self.rng.below(2) == 0 {
            self.ask_in(room_id, Asked::Say(number), "send", data).await;
        } else {
            // Nothing answers it but a failure.
            let n = self.client.send(json!({"type": "send", "room_id": room_id, "data": data})).await;
            self.unanswered.insert(n, Asked::Say(number));
        }
    }

    /// It is in: for the first time, or still.
    pub(super) fn enter_talk(&mut self, room_id: &str) {
        let mut table = self.table.borrow_mut();
        let talk = &mut table.talk;
        let known = talk.room_id.get_or_insert_with(|| room_id.to_owned());
        assert_eq!(known, room_id, "another room than before");
        talk.entered[self.who] = true;
        if self.chat.number != talk.number {
            self.chat.number = talk.number;
            self.chat.all = NUMBERS.0 + u64::from(self.rng.below(NUMBERS.1));
            self.chat.said = 0;
            self.chat.room_id = Some(room_id.to_owned());
            self.chat.heard = Default::default();
            // What the other has said before is not to be heard.
            self.chat.heard[1 - self.who].missed = true;
        }
        if self.chat.place != Place::Leaving {
            self.chat.place = Place::In;
        }
    }

    /// Which room it talks in, if any, as the session says after a gap.
    pub(super) fn look_around_talk(&mut self, room_id: Option<&str>, knows_board: bool) {
        match (self.chat.place, room_id) {
            (Place::In, None) => panic!("not in the room any more: {:?}", self.chat),
            (Place::Unsure, None) => self.chat.place = Place::Out,
            (Place::Leaving, None) if !self.asked.values().any(|asked| *asked == Asked::Leave) => self.leave_talk(),
            // Or else it is the room to play in.
            (Place::Out, Some(room_id)) if knows_board => panic!("in {room_id}: {:?}", self.chat),
            _ => {}
        }
    }

    fn leave_talk(&mut self) {
        self.chat.place = Place::Out;
        self.table.borrow_mut().talk.left[self.who] = true;
    }

    pub(super) fn answered_in_talk(&mut self, asked: Asked, answer: Answer) {
        match (asked, answer) {
            (Asked::Talk, Answer::Refused) => self.chat.place = Place::Out,
            (Asked::Talk, Answer::Unknown) if self.chat.place == Place::Entering => self.chat.place = Place::Unsure,
            (Asked::Say(number), Answer::Refused) => {
                self.table.borrow_mut().talk.refused.insert((self.who, number));
            }
            (Asked::Leave, Answer::Refused) => self.chat.place = Place::In,
            // Its lane is not there any more.
            (Asked::Leave, Answer::Done | Answer::Unknown) => self.leave_talk(),
            _ => {}
        }
    }
}

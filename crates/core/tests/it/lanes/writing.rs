//! The server's end, where it writes: what is put on lanes, what of it is written when, and whether that keeps to what
//! was promised.

use std::collections::BTreeMap;
use std::sync::Arc;

use anteroom_core::flush::Outgoing;
use anteroom_core::lanes::{SessionBounds, Write};
use anteroom_protocol::lane::is_counted;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::resume::{Counts, LaneOpened, SessionState};
use anteroom_protocol::{Batch, Header, LaneId};

use crate::lanes::ledger::Ledger;
use crate::lanes::link::Link;
use crate::lanes::owed::Owed;
use crate::lanes::room::{Command, Told};
use crate::lanes::server::Server;
use crate::lanes::words::{CONTROL, ROOMS, Word, fill, key_of, messages, read, room_id};

/// Which records are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pumping {
    pub(crate) records: u32,
    /// Those of one lane only, as whoever has just put something there may.
    pub(crate) only: Option<LaneId>,
    /// The lanes, by the rest of their numbers, on which nothing can be written.
    pub(crate) blocked: u32,
}

impl Pumping {
    pub(crate) const ALL: Self = Self { records: u32::MAX, only: None, blocked: 0 };
}

impl Server {
    /// Remembers that a lane is open.
    pub(crate) fn begin(&mut self, lane: LaneId) {
        assert!(self.told.insert(lane, Told::default()).is_none(), "{lane:?} was used before");
        let SessionBounds { control, room } = self.bounds;
        let owed = if lane == CONTROL {
            Owed::new(self.keeps, control, room.waiting_bytes_max)
        } else {
            Owed::new(self.keeps, room, room.waiting_bytes_max)
        };
        self.owed.insert(lane, owed);
    }

    /// Puts counted words on a lane, each with its number. The dice say how large each is.
    pub(crate) fn tell(&mut self, lane: LaneId, room: Option<usize>, words: &[(Header<'_>, u64)], dice: u32) {
        let batch = self.words(lane, room, words, dice);
        self.put(lane, Outgoing::Reliable(batch));
    }

    /// Puts something on a lane. Whoever writes, and has written all there was, learns of it.
    pub(crate) fn put(&mut self, lane: LaneId, outgoing: Outgoing) {
        let now = self.now;
        let is_told = self.session().put(now, lane, outgoing);
        let is_overslept = self.is_asleep && !is_told && !self.session().is_idle(lane);
        assert!(!is_overslept, "{lane:?} has something to write, and nobody was told");
        self.is_asleep &= !is_told;
    }

    /// A batch of words that are counted for a lane, and are put there next.
    pub(crate) fn words(
        &mut self,
        lane: LaneId,
        room: Option<usize>,
        words: &[(Header<'_>, u64)],
        dice: u32,
    ) -> Arc<Batch> {
        let room_id = room.map(room_id);
        let told = self.told.get_mut(&lane).expect("a lane that was opened");
        let numbered = words.iter().zip(0..).map(|((header, id), place)| {
            told.words += 1;
            let header = Header { room_id: room_id.as_ref().map(|id| id.as_str()), ..*header };
            let fill = fill(dice.rotate_right(place));
            (header, Word { number: told.words, id: *id, lane: lane.0, values: told.values, fill })
        });
        let batch = crate::lanes::words::several(self.codec, numbered);
        let last = told.words;
        let owed = self.owed.get_mut(&lane).expect("a lane that was opened");
        owed.say(self.now.as_millis(), last, batch.payload().len());
        batch
    }

    /// The lanes come over to another connection, behind what was received.
    pub(crate) fn attached(&mut self, received: Option<&Counts>) {
        self.is_asleep = false;
        self.words_before = self.told[&CONTROL].words;
        for (lane, owed) in &mut self.owed {
            owed.attach(received.map(|counts| counts.get(lane).copied().unwrap_or(0)));
        }
    }

    /// Writes on a connection what the session has to say, as far as lanes are not blocked.
    pub(crate) fn pump(&mut self, place: usize, pumping: Pumping, links: &mut [Link], ledger: &mut Ledger) {
        let Some(connection) = self.pipe_of(place) else { return };
        let now = self.now;
        let Pumping { records, only, blocked } = pumping;
        for _ in 0..records {
            let write = match only {
                Some(lane) => self.session().next_on(now, connection, lane),
                None => self.session().next(now, connection, |lane| blocked & (1 << (lane.0 % 8)) != 0),
            };
            match write {
                Some(Write::Record(lane, batch)) => {
                    self.note(lane, &batch, ledger);
                    links[place].write(lane, batch);
                }
                Some(Write::Snapshot(lane)) => {
                    self.owed.get_mut(&lane).expect("it was opened").miss();
                    let room = self.rooms.iter_mut().find(|room| room.lane == Some(lane));
                    room.expect("only rooms are asked").mailbox.push_back(Command::Snapshot { lane });
                }
                Some(Write::Datagram(lane, _, message)) => links[place].throw(lane, message),
                Some(Write::LaneEnded(_)) => {}
                None => {
                    self.is_asleep |= only.is_none() && blocked == 0;
                    return;
                }
            }
        }
    }

    /// Looks at what is written.
    fn note(&mut self, lane: LaneId, batch: &Batch, ledger: &mut Ledger) {
        for message in messages(self.codec, batch).into_iter().filter(|message| message.kind == LaneOpened::TYPE) {
            self.check_applied(lane, read::<LaneOpened>(&message).applied);
        }
        let owed = self.owed.get_mut(&lane).expect("it was opened");
        for message in messages(self.codec, batch) {
            if message.kind == LaneOpened::TYPE {
                let LaneOpened { next, gap, .. } = read(&message);
                owed.open(next, gap);
                if gap && lane == CONTROL {
                    // The snapshot does not say how much was said before it.
                    ledger.states.insert(next, self.words_before);
                }
            } else if message.kind == SessionState::TYPE {
                assert!(read::<SessionState>(&message).rooms.len() <= ROOMS, "a member of every room at most once");
                owed.write_state(ledger.states[&owed.next()], batch.payload().len());
            } else if is_counted(&message) {
                owed.write(read::<Word>(&message).number, batch.payload().len());
            } else if let Some(key) = message.latest.as_deref().map(key_of) {
                let (newest, written) = (self.told[&lane].values[key], read::<Word>(&message).values[key]);
                assert_eq!(written, newest, "{lane:?}: an old value of {key} is written");
                owed.write_value(key);
            }
        }
    }

    /// Of lanes that have ended no more bytes are kept, all together, than of one, besides how each ended.
    pub(crate) fn forget_ends(&mut self) {
        let told = &self.told;
        let ended = || self.owed.iter().filter(|(lane, _)| told[lane].ended);
        if ended().map(|(_, owed)| owed.bytes()).sum::<usize>() > self.bounds.room.kept_bytes_max {
            self.owed.iter_mut().filter(|(lane, _)| told[lane].ended).for_each(|(_, owed)| owed.relieve());
        }
    }

    /// What the lanes keep is within their bounds.
    pub(crate) fn check_memory(&self) {
        let Some(session) = &self.session else { return };
        for (lane, owed) in &self.owed {
            let kept = session.kept_bytes(*lane);
            assert!(kept <= owed.bytes_max(), "{lane:?} keeps {kept} bytes: {owed:?}");
        }
    }
}

/// By lane.
pub(crate) type AllOwed = BTreeMap<LaneId, Owed>;

//! What the client knows of one lane, and what it insists on: everything once, in order, or a gap that is told.

use anteroom_protocol::envelope::Envelope;
use anteroom_protocol::lane::{Inbound, Opened};
use anteroom_protocol::message::resume::LaneOpened;

use crate::lanes::room::Told;
use crate::lanes::words::{KEYS, Word, key_of};

#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) inbound: Inbound,
    pub(crate) room: Option<usize>,
    /// The connection that it is on now.
    pub(crate) on: Option<usize>,
    /// How many of its words have arrived, or were replaced by a snapshot.
    words: u64,
    values: [u64; KEYS],
    /// The newest of each key that came as a datagram, and on which connection.
    thrown: [(u64, usize); KEYS],
    /// A gap was told, and the next counted message is a snapshot.
    awaits_snapshot: bool,
    pub(crate) ended: bool,
    /// Where the end came. On another connection the client may hear again what led there.
    ended_on: Option<usize>,
    /// It has ended, and nothing more may come of it.
    pub(crate) over: bool,
    /// The end stood where a snapshot would.
    cut_short: bool,
}

impl Reading {
    pub(crate) fn new(room: Option<usize>, on: Option<usize>) -> Self {
        Self { room, on, ..Self::default() }
    }

    /// Whether the client has heard where it stands.
    pub(crate) fn has_begun(&self) -> bool {
        self.words > 0
    }

    /// Whether a gap was told.
    pub(crate) fn opened(&mut self, link: usize, opened: &LaneOpened) -> bool {
        self.on = Some(link);
        match self.inbound.opened(opened.next, opened.gap).expect("no gap goes untold") {
            Opened::GoesOn => false,
            Opened::Gap { .. } => {
                self.awaits_snapshot = true;
                true
            }
        }
    }

    /// A counted message that is not a snapshot.
    pub(crate) fn word(&mut self, word: &Word) {
        assert!(!self.awaits_snapshot, "a snapshot is the first thing behind a gap, not {word:?}");
        assert_eq!(word.number, self.words + 1, "lost, repeated, or out of order");
        self.words = word.number;
    }

    /// A snapshot, and how many words it stands for.
    pub(crate) fn snapshot(&mut self, words: u64, values: [u64; KEYS]) {
        assert!(self.awaits_snapshot, "a snapshot without a gap");
        assert!(words >= self.words, "a snapshot of {words}, but {} had arrived", self.words);
        self.awaits_snapshot = false;
        self.words = words;
        self.values = std::array::from_fn(|key| self.values[key].max(values[key]));
    }

    /// The lane's last message; where a snapshot is awaited it stands for that.
    pub(crate) fn end(&mut self, word: &Word) {
        if self.awaits_snapshot {
            self.snapshot(word.number - 1, word.values);
            self.cut_short = true;
        }
        self.word(word);
        self.ended = true;
        self.ended_on = self.on;
    }

    /// The end comes a second time, behind a gap: the server could not know that it had arrived.
    pub(crate) fn ends_again(&mut self, word: &Word) {
        assert!(self.awaits_snapshot && word.number == self.words, "{word:?} behind the end of its lane");
        self.awaits_snapshot = false;
    }

    pub(crate) fn value(&mut self, message: &Envelope<'_>, word: &Word) {
        let key = key_of(message.latest.as_deref().expect("a value has a key"));
        assert!(!self.ended || self.ended_on != self.on, "a value behind the end of its lane");
        assert!(self.words >= word.number, "{word:?} arrived when only {} words had", self.words);
        assert!(self.values[key] <= word.values[key], "{word:?} is older than what arrived before");
        let (thrown, link) = self.thrown[key];
        let is_behind = self.on.is_some_and(|on| link < on);
        assert!(!is_behind || thrown <= word.values[key], "{word:?}, and a newer one had come as a datagram before");
        self.values[key] = word.values[key];
    }

    /// A datagram may come at any time, in any order, or not at all.
    pub(crate) fn thrown(&mut self, link: usize, message: &Envelope<'_>, word: &Word) {
        let key = key_of(message.latest.as_deref().expect("a datagram has a key"));
        self.thrown[key] = self.thrown[key].max((word.values[key], link));
    }

    /// Nothing is on its way any more. A client that asked for it has got everything that was said.
    pub(crate) fn check_at_rest(&self, told: &Told, ended: bool) {
        assert!(!self.awaits_snapshot, "a gap without a snapshot");
        assert_eq!(self.ended, ended, "whether the membership has ended: {self:?}");
        assert_eq!(self.words, told.words, "words are missing: {self:?}");
        if !self.cut_short {
            let newest = |key: usize| told.loose[key] || self.values[key] == told.values[key];
            assert!((0..KEYS).all(newest), "the newest values are missing: {self:?}, {told:?}");
        }
    }
}

//! What somebody has heard of what the players say, and what there is to hear.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MESSAGES;

/// How many keys each player has for newest values.
const KEYS: u64 = 8;

/// One thing that a player says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) class: Class,
    pub(super) number: u64,
    /// Makes it larger.
    pub(super) fill: String,
}

/// How it is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Class {
    /// Reliably: each number once.
    Reliable,
    /// As the newest of one of several keys.
    Latest,
    /// Of a key of which others are unreliable.
    MixedLatest,
    /// Of the same.
    MixedUnreliable,
}

impl Said {
    /// The key of a newest value.
    pub(super) fn key(&self) -> u64 {
        self.number % KEYS
    }
}

/// What was heard from one player.
#[derive(Debug, Default)]
struct Heard {
    /// Reliable messages: the next number.
    next: u64,
    /// Some were lost since the last one.
    missed: bool,
    /// The newest value of each key.
    latest: BTreeMap<u64, u64>,
    /// The newest value of the key of which others are unreliable.
    mixed: Option<u64>,
}

impl Heard {
    /// The very last of each key, behind which nothing can come that is not told as lost.
    fn is_done(&self) -> bool {
        let is_newest = |number: u64| self.latest.get(&(number % KEYS)) == Some(&number);
        let has_all = (MESSAGES - KEYS..MESSAGES).all(is_newest) && self.mixed == Some(MESSAGES - 1);
        assert!(!has_all || self.next == MESSAGES || self.missed, "the newest of all, and reliable ones are missing");
        has_all
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Hearing {
    name: String,
    /// More is said than the server keeps, so that some of it may be lost.
    pub(super) heavy: bool,
    heard: BTreeMap<String, Heard>,
    pub(super) gaps: u64,
}

impl Hearing {
    pub(super) fn new(name: String, heavy: bool) -> Self {
        Self { name, heavy, heard: BTreeMap::new(), gaps: 0 }
    }

    /// Somebody says something.
    pub(super) fn hear(&mut self, from: &str, said: &Said) {
        let (name, number) = (&self.name, said.number);
        let missed = self.gaps > 0;
        let heard = self.heard.entry(from.to_owned()).or_insert_with(|| Heard { missed, ..Heard::default() });
        match said.class {
            Class::Reliable => {
                let follows = number == heard.next || heard.missed && number > heard.next;
                assert!(follows, "{name}: {from} says {number}, and {} was to come: {heard:?}", heard.next);
                (heard.next, heard.missed) = (number + 1, false);
            }
            Class::Latest => {
                assert!(number < heard.next || heard.missed, "{name}: {from}'s newest is {number}: {heard:?}");
                // It may come twice: nobody knows whether it arrived before a connection was lost.
                let before = heard.latest.insert(said.key(), number);
                assert!(before <= Some(number), "{name}: {from}'s newest is {number} after {before:?}");
            }
            Class::MixedLatest => {
                assert!(heard.mixed <= Some(number), "{name}: {from}'s newest is {number}: {heard:?}");
                heard.mixed = Some(number);
            }
            // It may come at any time, or not at all.
            Class::MixedUnreliable => {}
        }
    }

    /// A gap was told.
    pub(super) fn misses(&mut self) {
        assert!(self.heavy, "{}: a gap, and there was room for everything", self.name);
        self.gaps += 1;
        self.heard.values_mut().for_each(|heard| heard.missed = true);
    }

    /// Whether all that these say has come.
    pub(super) fn is_done(&self, users: &[String]) -> bool {
        users.iter().all(|user| self.heard.get(user).is_some_and(Heard::is_done))
    }
}

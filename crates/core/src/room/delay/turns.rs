//! The turns that are still to be shown to those who watch.
//!
//! Where they are too many, turns are joined and shown together, at the time of the last one; where that is not enough, what was
//! said in them is let go of. Another turn costs what is in it, however many there are: all are gone through only when they have
//! become too much, and are fewer from then on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use anteroom_protocol::UserId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::shown::Change;
use crate::flush::late::Withheld;
use crate::time::Time;

/// How much of what is still to be shown a room keeps, in bytes; the differences of a few turns are kept however large they are.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// How far apart turns are at first that are not joined, in milliseconds, where all of them are too many.
const APART_MS_MIN: u64 = 50;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turns {
    /// The oldest first.
    kept: Weighed,
    /// Turns that are less apart than this are joined, in milliseconds.
    apart_ms: u64,
}

/// What happened at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    pub(super) at: Time,
    /// What is reliable of what was said.
    said: Vec<Withheld>,
    /// Of each of the others the newest.
    values: Vec<Withheld>,
    /// How much of it was said.
    #[serde(skip)]
    said_bytes: usize,
    /// What was said is not there any more.
    pub(super) is_lost: bool,
    /// What is different in the room behind it.
    pub(super) change: Change,
}

/// Turns, and how much they take, which is not stored.
#[derive(Debug, Clone, Default, PartialEq)]
struct Weighed {
    turns: VecDeque<Turn>,
    bytes: usize,
}

impl Turn {
    pub(super) fn new(at: Time, said: Vec<Withheld>, change: Change) -> Self {
        let (values, said) = said.into_iter().partition(|said| said.value().is_some());
        Self { at, said, values, said_bytes: 0, is_lost: false, change }.weighed()
    }

    /// What was said in it, in order.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Withheld> {
        self.said.iter().chain(&self.values)
    }

    /// Lets go of what was said.
    pub(super) fn lose(&mut self) {
        (self.said, self.values, self.said_bytes) = (Vec::new(), Vec::new(), 0);
        self.is_lost = true;
    }

    fn bytes(&self) -> usize {
        self.said_bytes + self.change.bytes()
    }

    fn weighed(mut self) -> Self {
        self.said_bytes = self.messages().map(Withheld::bytes).sum();
        self
    }

    /// Adds the turn that came after it.
    fn join(&mut self, later: Self) {
        let Self { at, mut said, mut values, said_bytes, is_lost, change } = later;
        self.at = at;
        self.change.join(change);
        self.is_lost |= is_lost;
        if self.is_lost {
            return self.lose();
        }
        let newer: BTreeSet<_> = values.iter().filter_map(Withheld::value).collect();
        self.said_bytes += said_bytes;
        self.values.retain(|before| {
            let is_newest = before.value().is_none_or(|value| !newer.contains(&value));
            self.said_bytes -= if is_newest { 0 } else { before.bytes() };
            is_newest
        });
        drop(newer);
        self.said.append(&mut said);
        self.values.append(&mut values);
    }
}

impl Turns {
    /// Adds a turn. Nothing is shown later by more than `later_max` than it would be alone.
    pub(super) fn push(&mut self, turn: Turn, later_max: Duration) {
        let later_max_ms = u64::try_from(later_max.as_millis()).unwrap_or(u64::MAX);
        if self.kept.bytes < KEPT_BYTES_MAX / 8 {
            self.apart_ms = if self.apart_ms > APART_MS_MIN { self.apart_ms / 2 } else { 0 };
        }
        self.kept.add(turn, self.apart_ms);
        while self.kept.bytes > KEPT_BYTES_MAX && self.apart_ms < later_max_ms {
            self.apart_ms = (self.apart_ms * 2).max(APART_MS_MIN).min(later_max_ms);
            for turn in std::mem::take(&mut self.kept).turns {
                self.kept.add(turn, self.apart_ms);
            }
        }
        self.kept.lighten();
    }

    pub(super) fn first(&self) -> Option<&Turn> {
        self.kept.turns.front()
    }

    pub(super) fn pop_first(&mut self) -> Option<Turn> {
        let first = self.kept.turns.pop_front()?;
        self.kept.bytes -= first.bytes();
        Some(first)
    }

    pub(super) fn clear(&mut self) {
        self.kept = Weighed::default();
    }

    /// All that was said in them and `since`, for those who hear it at once: what is reliable, then of everything else the newest;
    /// none if some of it is not there any more.
    pub(super) fn at_once<'a>(&'a self, since: &'a [Withheld]) -> Option<Vec<&'a Withheld>> {
        let turns = &self.kept.turns;
        if turns.iter().any(|turn| turn.is_lost) {
            return None;
        }
        let all = turns.iter().flat_map(Turn::messages).chain(since);
        let (values, mut rest): (Vec<_>, Vec<_>) = all.partition(|said| said.value().is_some());
        let places: BTreeMap<_, _> = values.iter().enumerate().map(|(place, value)| (value.value(), place)).collect();
        let newest = |(place, value): &(usize, &Withheld)| places.get(&value.value()) == Some(place);
        rest.extend(values.iter().copied().enumerate().filter(newest).map(|(_, value)| value));
        Some(rest)
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.kept.turns.iter_mut().for_each(|turn| turn.at = turn.at + by);
    }

    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        let said = |turn: &Turn| turn.messages().any(|said| said.has(user_id.as_str()));
        self.kept.turns.iter().any(|turn| turn.change.mentions(user_id) || said(turn))
    }

    /// Whether they can be: none is out of order, or of a later time.
    pub(super) fn is_sound(&self, now: Time) -> bool {
        let turns = &self.kept.turns;
        let rises = turns.iter().zip(turns.iter().skip(1)).all(|(a, b)| a.at <= b.at);
        rises && turns.back().is_none_or(|last| last.at <= now)
    }
}

impl Weighed {
    /// Adds a turn, to the last one if they are not far enough apart.
    fn add(&mut self, turn: Turn, apart_ms: u64) {
        let place = |at: Time| at.as_millis().checked_div(apart_ms);
        match self.turns.back_mut() {
            Some(last) if apart_ms > 0 && place(last.at) == place(turn.at) => {
                self.bytes -= last.bytes();
                last.join(turn);
                self.bytes += last.bytes();
            }
            _ => {
                self.bytes += turn.bytes();
                self.turns.push_back(turn);
            }
        }
    }

    /// Lets go of what was said longest ago, if it is too much.
    fn lighten(&mut self) {
        for turn in &mut self.turns {
            if self.bytes <= KEPT_BYTES_MAX {
                break;
            }
            self.bytes -= turn.said_bytes;
            turn.lose();
        }
    }
}

impl Serialize for Weighed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.turns.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Weighed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let turns: VecDeque<Turn> = VecDeque::deserialize(deserializer)?;
        let turns: VecDeque<Turn> = turns.into_iter().map(Turn::weighed).collect();
        let bytes = turns.iter().map(Turn::bytes).sum();
        Ok(Self { turns, bytes })
    }
}

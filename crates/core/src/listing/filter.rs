//! What somebody wants of rooms: `[[key, op, value], ...]`, of which a room passes every part.
//!
//! Two that mean the same are equal: parts are in order and none is there twice, so what is made for one does for all who
//! ask alike. Which keys of data a game has in lists, whoever reads a filter says.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use anteroom_protocol::limits::{DATA_VALUE_BYTES_MAX, FILTER_BYTES_MAX, FILTER_PARTS_MAX, FILTER_VALUES_MAX};
use anteroom_protocol::message::{DataMap, RoomSummary};
use anteroom_protocol::{ErrorBody, ErrorCode, Json};
use serde::Serialize;

use super::value::{Facts, Key, Scalar, Sort, scalar};

/// Whether a key of data is in lists: of a game, or if none is named of any.
pub type Searchable<'a> = &'a dyn Fn(Option<&str>, &str) -> bool;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Op {
    Is,
    IsNot,
    Below,
    AtMost,
    Above,
    AtLeast,
    In,
}

impl Op {
    const ALL: [(&'static str, Self); 7] = [
        ("=", Self::Is),
        ("!=", Self::IsNot),
        ("<", Self::Below),
        ("<=", Self::AtMost),
        (">", Self::Above),
        (">=", Self::AtLeast),
        ("in", Self::In),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, op)| *op)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, op)| *op == self).map_or("=", |(name, _)| name)
    }
}

/// One part of a filter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    key: Key,
    op: Op,
    /// One, or for [`Op::In`] any number of them, in order.
    values: Vec<Scalar<'static>>,
}

impl Part {
    fn passes(&self, facts: &Facts<'_>) -> bool {
        let value = self.key.value(facts);
        let (Some(first), rank) = (self.values.first(), value.rank()) else { return false };
        let compared = || (rank == first.rank()).then(|| value.cmp(first));
        match self.op {
            Op::Is => value == *first,
            Op::IsNot => value != *first,
            Op::Below => compared().is_some_and(Ordering::is_lt),
            Op::AtMost => compared().is_some_and(Ordering::is_le),
            Op::Above => compared().is_some_and(Ordering::is_gt),
            Op::AtLeast => compared().is_some_and(Ordering::is_ge),
            Op::In => self.values.contains(&value),
        }
    }

    fn parse(json: &Json) -> Result<Self, String> {
        let [name, op, value]: [Json; 3] = json
            .decode::<Vec<Json>>()
            .ok()
            .and_then(|part| part.try_into().ok())
            .ok_or("A part is [key, op, value].")?;
        let key = name.decode::<String>().ok().and_then(|name| Key::of(&name)).ok_or(
            "The key must be game, state, free_seats, players, has_password, locked, durable, created_at_ms, name, or \
             data.KEY.",
        )?;
        let op = op.decode::<String>().ok().and_then(|op| Op::of(&op));
        let op = op.ok_or("The operator must be =, !=, <, <=, >, >= or in.")?;
        let values = match op {
            Op::In => value.decode::<Vec<Json>>().map_err(|_| "`in` wants a list of values.")?,
            _ => vec![value],
        };
        if values.len() > FILTER_VALUES_MAX {
            return Err(format!("`in` takes at most {FILTER_VALUES_MAX} values."));
        }
        let values = values.iter().map(|value| scalar(value).map(Scalar::into_owned));
        let mut values: Vec<_> = values.collect::<Option<_>>().ok_or("A list or an object is no value to compare.")?;
        let wanted = key.sort();
        let fits = |value: &Scalar<'_>| match value {
            Scalar::Nothing => wanted == Sort::Any,
            Scalar::Flag(_) => matches!(wanted, Sort::Flag | Sort::Any),
            Scalar::Number(_) => matches!(wanted, Sort::Number | Sort::Any),
            Scalar::Text(_) => matches!(wanted, Sort::Text | Sort::Any),
        };
        if !values.iter().all(fits) {
            let sort = match wanted {
                Sort::Text => "a string",
                Sort::Number => "a number",
                Sort::Flag | Sort::Any => "true or false",
            };
            return Err(format!("`{}` is compared with {sort}.", key.name()));
        }
        if wanted == Sort::Flag && !matches!(op, Op::Is | Op::IsNot | Op::In) {
            return Err(format!("`{}` is compared with = or !=.", key.name()));
        }
        // A room that is made as it is wanted gets such a value.
        if wanted == Sort::Any && values.iter().any(|value| value.json().text().len() > DATA_VALUE_BYTES_MAX) {
            return Err(format!("A value of data has at most {DATA_VALUE_BYTES_MAX} bytes."));
        }
        values.sort_unstable();
        values.dedup();
        // One of one is that one.
        let op = if op == Op::In && values.len() == 1 { Op::Is } else { op };
        Ok(Self { key, op, values })
    }

    /// The game, if it asks for one.
    fn game(&self) -> Option<&str> {
        match (&self.key, self.op, self.values.first()) {
            (Key::Game, Op::Is, Some(Scalar::Text(game))) => Some(game),
            _ => None,
        }
    }

    fn json(&self) -> (Cow<'static, str>, &'static str, Json) {
        let values: Vec<Json> = self.values.iter().map(Scalar::json).collect();
        let value = match self.op {
            Op::In => Json::new(&values).unwrap_or_default(),
            _ => values.into_iter().next().unwrap_or_default(),
        };
        (self.key.name(), self.op.name(), value)
    }
}

/// Where a filter is wrong, as an error's details have it.
#[derive(Debug, Serialize)]
struct Misfit {
    position: usize,
    reason: String,
}

fn misfit(position: usize, reason: impl Into<String>) -> ErrorBody {
    let reason = reason.into();
    let sentence = format!("The filter is wrong at part {position}: {reason}");
    ErrorBody::new(ErrorCode::InvalidData, sentence).with_details(&Misfit { position, reason })
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filter {
    game: Option<Box<str>>,
    parts: Vec<Part>,
}

impl Filter {
    /// All rooms of a game, or of all.
    #[must_use]
    pub fn of_game(game: Option<&str>) -> Self {
        Self { game: game.map(Into::into), parts: Vec::new() }
    }

    /// Reads a filter of rooms of a game, or of all. What is `searchable` may be asked for; anything else of a room's data is
    /// in no list.
    ///
    /// # Errors
    /// `invalid_data`, with the index of the part that is wrong and why in the details.
    pub fn parse(game: Option<&str>, filter: Option<&Json>, searchable: Searchable<'_>) -> Result<Self, ErrorBody> {
        let mut read = Self::of_game(game);
        let Some(filter) = filter.filter(|filter| filter.text() != "null") else { return Ok(read) };
        if filter.text().len() > FILTER_BYTES_MAX {
            return Err(misfit(0, format!("A filter has at most {FILTER_BYTES_MAX} bytes.")));
        }
        let parts: Vec<Json> = filter.decode().map_err(|_| misfit(0, "A filter is a list of [key, op, value]."))?;
        if parts.len() > FILTER_PARTS_MAX {
            return Err(misfit(FILTER_PARTS_MAX, format!("A filter has at most {FILTER_PARTS_MAX} parts.")));
        }
        for (position, part) in parts.iter().enumerate() {
            read.parts.push(Part::parse(part).map_err(|reason| misfit(position, reason))?);
        }
        let game = game.or_else(|| read.parts.iter().find_map(Part::game));
        for (position, part) in read.parts.iter().enumerate() {
            if let Key::Data(key) = &part.key
                && !searchable(game, key)
            {
                return Err(misfit(position, format!("`{}` is not in lists.", part.key.name())));
            }
        }
        read.parts.sort_unstable();
        read.parts.dedup();
        read.name_game();
        Ok(read)
    }

    /// A part that asks for one game says the same as the game's name beside the filter.
    fn name_game(&mut self) {
        let named = self.parts.iter().enumerate().find_map(|(place, part)| Some((place, part.game()?)));
        let Some((place, game)) = named else { return };
        match &self.game {
            None => self.game = Some(game.into()),
            Some(known) if **known == *game => {}
            // No room passes both.
            Some(_) => return,
        }
        self.parts.remove(place);
    }

    /// The game, if rooms of one are wanted.
    #[must_use]
    pub fn game(&self) -> Option<&str> {
        self.game.as_deref()
    }

    /// Whether it asks for a game at most.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.parts.is_empty()
    }

    /// The data of a room that would pass, as far as the filter names it.
    #[must_use]
    pub fn wanted_data(&self) -> DataMap {
        let mut wanted = BTreeMap::new();
        for part in &self.parts {
            if let (Key::Data(key), Op::Is, Some(value)) = (&part.key, part.op, part.values.first())
                && *value != Scalar::Nothing
            {
                wanted.insert((**key).to_owned(), value.json());
            }
        }
        wanted
    }

    /// The parts as they are written, without the game; nothing if there are none.
    #[must_use]
    pub fn json(&self) -> Option<Json> {
        if self.is_plain() {
            return None;
        }
        let parts: Vec<_> = self.parts.iter().map(Part::json).collect();
        Json::new(&parts).ok()
    }

    /// Whether a room passes, of which this is shown.
    #[must_use]
    pub fn passes(&self, room: &RoomSummary) -> bool {
        self.lets(&room.into())
    }

    pub(super) fn lets(&self, facts: &Facts<'_>) -> bool {
        self.game().is_none_or(|game| game == facts.game) && self.parts.iter().all(|part| part.passes(facts))
    }
}

//! The rooms a lobby shows: a row for each, found by game, by what somebody wants of them, by free seats, and by what changed lately.
//!
//! Whoever is led to a room knocks there, which takes a while. Until the room has answered, the seat is reserved: it
//! counts as taken for everyone else who looks for one, and is shown to nobody.

mod changes;
mod filter;
mod page;
mod row;
#[cfg(test)]
mod tests;
mod value;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anteroom_protocol::limits::ROOMS_LISTED_MAX;
use anteroom_protocol::message::result::RoomList;
use anteroom_protocol::message::{DataMap, RoomSummary};
use anteroom_protocol::{RoomId, UserId};
use serde::{Deserialize, Serialize};

use changes::Changed;
pub use changes::Changes;
pub use filter::{Filter, Searchable};
pub use page::Query;
use row::{Place, Row};

/// Who of a room's members is there, and who may come back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// How many players have a connection.
    pub players: u16,
    /// How many spectators have one.
    pub spectators: u16,
    /// The players who have none, and whose seats are kept.
    pub away: Vec<UserId>,
    /// Whether it is in no list, since it is unlisted or private.
    #[serde(default)]
    pub hidden: bool,
    /// Whether whoever looks for a game is not led there: it is not public, locked, has a password, or takes nobody in late.
    #[serde(default)]
    pub shut: bool,
}

/// What the lobby knows of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What it shows.
    pub summary: RoomSummary,
    /// Who is there.
    pub presence: Presence,
}

/// The rooms of one game, by the numbers of their rows.
#[derive(Debug, Default)]
struct Shelf {
    /// Those that are listed.
    all: BTreeSet<u64>,
    /// Those with free seats.
    open: BTreeSet<Place>,
}

/// What was known outside of a room that may have changed.
#[derive(Debug)]
struct Change {
    game: Arc<str>,
    number: u64,
    /// Nothing if it was not listed.
    before: Option<RoomSummary>,
}

/// Every room of a lobby, with what changed since it was last asked. Rooms in which nobody is connected are not
/// listed until somebody is.
#[derive(Debug, Default)]
pub struct Listing {
    rows: BTreeMap<RoomId, Row>,
    by_age: BTreeMap<u64, RoomId>,
    by_game: BTreeMap<Arc<str>, Shelf>,
    /// Whose seats are kept in which rooms, listed or not.
    away: BTreeSet<(UserId, RoomId)>,
    /// What was known outside of the rooms that may have changed.
    changes: BTreeMap<RoomId, Change>,
    numbered: u64,
    version: u64,
}

impl Listing {
    /// A lobby without rooms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rooms are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// Adds a room, or replaces what is known of it. It is open again if it was [shunned](Self::shun).
    pub fn put(&mut self, entry: Entry) {
        let room_id = entry.summary.room_id;
        let (number, reserved) = match self.take_out(&room_id) {
            Some(Row { number, reserved, .. }) => (number, reserved),
            None => (self.next_number(), 0),
        };
        let game = self.shared_name(&entry.summary.game);
        let mut row = Row::new(number, game, entry);
        row.reserved = reserved;
        self.put_in(room_id, row);
    }

    /// Adds a room that is being made, with a seat reserved for its maker. Others find seats there, too; it is listed
    /// when it is [put](Self::put).
    pub fn promise(&mut self, room_id: RoomId, game: &str, seats_max: u16, data: DataMap) {
        let (number, game) = (self.next_number(), self.shared_name(game));
        self.put_in(room_id, Row::promised(number, game, seats_max, data));
    }

    fn next_number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// The name of a game as all rows of it share it.
    fn shared_name(&mut self, game: &str) -> Arc<str> {
        if let Some((shared, _)) = self.by_game.get_key_value(game) {
            return shared.clone();
        }
        let shared: Arc<str> = game.into();
        self.by_game.insert(shared.clone(), Shelf::default());
        shared
    }

    /// Removes a room.
    pub fn remove(&mut self, room_id: &RoomId) {
        self.take_out(room_id);
    }

    /// Finds a seat for a user in a room that is wanted and `passes`, the best first, and reserves it; nothing if no game is
    /// named. Says whether there is one to [release](Self::release): a seat that is kept for the user counts as taken
    /// already.
    pub fn seek(
        &mut self,
        wanted: &Filter,
        user_id: &UserId,
        passes: impl Fn(&RoomId) -> bool,
    ) -> Option<(RoomId, bool)> {
        let game = wanted.game()?;
        let own = self.kept(game, user_id);
        // Who knocks is as good as there, for whoever wants to meet others, too.
        let suits = |room_id: &RoomId| {
            wanted.is_plain() || self.rows.get(room_id).is_some_and(|row| wanted.lets(&row.facts_expected()))
        };
        let found = self.open(game, user_id).find(|room_id| passes(room_id) && suits(room_id))?;
        let reserves = own != Some(found);
        if reserves {
            self.change(&found, |row| row.reserved = row.reserved.saturating_add(1));
        }
        Some((found, reserves))
    }

    /// Takes a reservation back.
    pub fn release(&mut self, room_id: &RoomId) {
        self.change(room_id, |row| row.reserved = row.reserved.saturating_sub(1));
    }

    /// Leads nobody to a room that does not answer, until it is [heard of](Self::heed) or [put](Self::put).
    pub fn shun(&mut self, room_id: &RoomId) {
        self.change(room_id, |row| row.is_shunned = true);
    }

    /// A room answers again.
    pub fn heed(&mut self, room_id: &RoomId) {
        if self.rows.get(room_id).is_some_and(|row| row.is_shunned) {
            self.change(room_id, |row| row.is_shunned = false);
        }
    }

    /// Changes what nobody is told of a room.
    fn change(&mut self, room_id: &RoomId, change: impl FnOnce(&mut Row)) {
        let Some(row) = self.rows.get_mut(room_id) else { return };
        let Some(shelf) = self.by_game.get_mut(&row.game) else { return };
        shelf.open.remove(&row.place(*room_id));
        change(row);
        if row.is_open() {
            shelf.open.insert(row.place(*room_id));
        }
    }

    fn put_in(&mut self, room_id: RoomId, row: Row) {
        if let Some(shelf) = self.by_game.get_mut(&row.game) {
            if row.is_listed() {
                self.by_age.insert(row.number, room_id);
                shelf.all.insert(row.number);
            }
            if row.is_open() {
                shelf.open.insert(row.place(room_id));
            }
        }
        self.away.extend(row.away.iter().map(|user_id| (user_id.clone(), room_id)));
        if row.is_listed() {
            self.note(room_id, &row, None);
        }
        self.rows.insert(room_id, row);
    }

    /// Takes a room from everywhere, and notes what was known of it.
    fn take_out(&mut self, room_id: &RoomId) -> Option<Row> {
        let row = self.rows.remove(room_id)?;
        if self.by_age.remove(&row.number).is_some() {
            self.note(*room_id, &row, Some(&row));
        }
        if let Some(shelf) = self.by_game.get_mut(&row.game) {
            shelf.all.remove(&row.number);
            shelf.open.remove(&row.place(*room_id));
        }
        for user_id in &row.away {
            self.away.remove(&(user_id.clone(), *room_id));
        }
        Some(row)
    }

    /// Notes what was known of a room that is listed, or was.
    fn note(&mut self, room_id: RoomId, row: &Row, listed: Option<&Row>) {
        self.version += 1;
        // What was known before the first of several changes is known still.
        self.changes.entry(room_id).or_insert_with(|| {
            let before = listed.map(|row| row.summary(room_id));
            Change { game: row.game.clone(), number: row.number, before }
        });
    }

    /// Rises with every change of what [`list`](Self::list) gives.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The rows that are listed, the newest first, and how many there are.
    fn listed(&self, game: Option<&str>) -> (Box<dyn Iterator<Item = (&RoomId, &Row)> + '_>, usize) {
        let row = |number: &u64| self.rows.get_key_value(self.by_age.get(number)?);
        match game.map(|game| self.by_game.get(game)) {
            None => (Box::new(self.by_age.keys().rev().filter_map(row)), self.by_age.len()),
            Some(Some(shelf)) => (Box::new(shelf.all.iter().rev().filter_map(row)), shelf.all.len()),
            Some(None) => (Box::new(std::iter::empty()), 0),
        }
    }

    /// The rows that are listed with numbers below one, the newest first.
    fn listed_below(&self, game: Option<&str>, below: u64) -> Box<dyn Iterator<Item = (&RoomId, &Row)> + '_> {
        let row = |number: &u64| self.rows.get_key_value(self.by_age.get(number)?);
        match game.map(|game| self.by_game.get(game)) {
            None => Box::new(self.by_age.range(..below).rev().filter_map(move |(number, _)| row(number))),
            Some(Some(shelf)) => Box::new(shelf.all.range(..below).rev().filter_map(row)),
            Some(None) => Box::new(std::iter::empty()),
        }
    }

    /// Rooms of a game where a user finds a seat: the one that is kept for them, if it is worth coming back to, then
    /// those with a free one, where most players are first, then the fullest, then the oldest. They may be full, or
    /// empty, by the time someone knocks.
    pub fn open(&self, game: &str, user_id: &UserId) -> impl Iterator<Item = RoomId> + '_ {
        let own = self.kept(game, user_id);
        let places = self.by_game.get(game).into_iter().flat_map(|shelf| &shelf.open);
        let open = places.map(|(.., room_id)| *room_id);
        own.into_iter().chain(open.filter(move |room_id| Some(*room_id) != own))
    }

    /// The room where a seat is kept for a user: one where somebody waits, or else the newest.
    fn kept(&self, game: &str, user_id: &UserId) -> Option<RoomId> {
        let first = (user_id.clone(), RoomId::from_bits(0));
        let rooms = self.away.range(first..).take_while(|(of, _)| of == user_id);
        let rows = rooms.filter_map(|(_, room_id)| self.rows.get_key_value(room_id));
        let worthwhile = rows.filter(|(_, row)| *row.game == *game && row.draws_back() && !row.is_shunned);
        let (best, _) = worthwhile.max_by_key(|(_, row)| (row.has_players(), row.number))?;
        Some(*best)
    }

    /// The newest rooms that pass, as they were when the changes were last taken: what they are changes of.
    #[must_use]
    pub fn published(&self, filter: &Filter) -> RoomList {
        let changed =
            || self.changes.iter().filter(|(_, change)| filter.game().is_none_or(|game| *game == *change.game));
        let before = changed().filter_map(|(_, change)| Some((change.number, change.before.as_ref()?)));
        let before = before.filter(|(_, summary)| filter.passes(summary));
        let before: Vec<(u64, RoomSummary)> = before.map(|(number, summary)| (number, summary.clone())).collect();
        let (rows, listed) = self.listed(filter.game());
        let same = rows.filter(|(room_id, row)| {
            (filter.is_plain() || filter.lets(&row.facts())) && !self.changes.contains_key(room_id)
        });
        let show = |(room_id, row): (&RoomId, &Row)| (row.number, row.summary(*room_id));
        let (mut rooms, total): (Vec<_>, _) = if filter.is_plain() {
            // All that are listed pass, and need not be looked at to be counted.
            let now = changed().filter(|(room_id, _)| self.rows.get(room_id).is_some_and(Row::is_listed));
            (same.take(ROOMS_LISTED_MAX).map(show).collect(), listed - now.count())
        } else {
            let (mut rooms, mut total) = (Vec::new(), 0);
            for row in same {
                total += 1;
                if total <= ROOMS_LISTED_MAX {
                    rooms.push(show(row));
                }
            }
            (rooms, total)
        };
        let total = total + before.len();
        rooms.extend(before);
        rooms.sort_unstable_by_key(|(number, _)| Reverse(*number));
        let rooms = rooms.into_iter().take(ROOMS_LISTED_MAX).map(|(_, summary)| summary).collect();
        RoomList { rooms, total: u32::try_from(total).unwrap_or(u32::MAX), next: None }
    }

    /// Takes what changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let changed = std::mem::take(&mut self.changes).into_iter().map(|(room_id, Change { before, .. })| {
            let listed = self.rows.get(&room_id).filter(|row| row.is_listed());
            Changed { room_id, before, now: listed.map(|row| row.summary(room_id)) }
        });
        Changes(changed.filter(|changed| changed.now != changed.before).collect())
    }

    /// Whether [`Listing::take_changes`] may give anything.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }
}

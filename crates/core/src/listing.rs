//! The rooms a lobby shows: a row for each, found by game, by free seats, and by what changed lately.
//!
//! Whoever is led to a room knocks there, which takes a while. Until the room has answered, the seat is reserved: it
//! counts as taken for everyone else who looks for one, and is shown to nobody.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use anteroom_protocol::limits::ROOMS_LISTED_MAX;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::result::RoomList;
use anteroom_protocol::message::{RoomState, RoomSummary};
use anteroom_protocol::{RoomId, UserId};
use serde::{Deserialize, Serialize};

/// Who of a room's members is there, and who may come back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// How many players have a connection.
    pub players: u16,
    /// How many spectators have one.
    pub spectators: u16,
    /// The players who have none, and whose seats are kept.
    pub away: Vec<UserId>,
}

impl Presence {
    fn is_anyone(&self) -> bool {
        self.players > 0 || self.spectators > 0
    }
}

/// What the lobby knows of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it shows.
    pub summary: RoomSummary,
    /// Who is there.
    pub presence: Presence,
}

impl Entry {
    /// Whether a room without anybody to meet is not shown.
    fn is_listed(&self) -> bool {
        self.presence.is_anyone()
    }

    /// Whether a player who is away had better come back: others wait here, or nobody else has a seat.
    fn draws_back(&self) -> bool {
        self.presence.players > 0 || self.summary.players == 1
    }
}

#[derive(Debug)]
struct Row {
    number: u64,
    entry: Entry,
    /// For how many who knock there a seat is reserved.
    reserved: u16,
    /// It was promised, and the room has not been heard of.
    is_promised: bool,
    /// It does not answer.
    is_shunned: bool,
}

impl Row {
    /// Whether a stranger who looks for a game may be led here: there is a seat, and not beside players who are all
    /// away. Beside someone who watches, a free table is as good as a new one.
    fn is_open(&self) -> bool {
        let Entry { summary, presence } = &self.entry;
        let is_free_table = summary.players == 0 && presence.spectators > 0;
        let taken = summary.players.saturating_add(self.reserved);
        !self.is_shunned && taken < summary.seats_max && (presence.players > 0 || is_free_table || self.is_promised)
    }

    /// In which order rooms are tried: where most players are, then the fullest, then the oldest. Who knocks is as good
    /// as there.
    fn place(&self) -> Place {
        let Entry { summary, presence } = &self.entry;
        let with_reserved = |players: u16| Reverse(players.saturating_add(self.reserved));
        (with_reserved(presence.players), with_reserved(summary.players), self.number, summary.room_id)
    }
}

type Place = (Reverse<u16>, Reverse<u16>, u64, RoomId);

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
    game: String,
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
    by_game: BTreeMap<String, Shelf>,
    /// Whose seats are kept in which rooms, listed or not.
    away: BTreeMap<UserId, BTreeSet<(u64, RoomId)>>,
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
        let (number, reserved) = match self.take_out(&entry.summary.room_id) {
            Some(Row { number, reserved, .. }) => (number, reserved),
            None => (self.next_number(&entry.summary), 0),
        };
        self.put_in(Row { number, entry, reserved, is_promised: false, is_shunned: false });
    }

    /// Adds a room that is being made, with a seat reserved for its maker. Others find seats there, too; it is listed
    /// when it is [put](Self::put).
    pub fn promise(&mut self, room_id: RoomId, game: &str, seats_max: u16) {
        let state = RoomState::Waiting;
        let (game, name) = (game.to_owned(), String::new());
        let summary = RoomSummary { room_id, game, name, players: 0, seats_max, spectators: 0, state, durable: false };
        let number = self.next_number(&summary);
        let entry = Entry { summary, presence: Presence::default() };
        self.put_in(Row { number, entry, reserved: 1, is_promised: true, is_shunned: false });
    }

    fn next_number(&mut self, summary: &RoomSummary) -> u64 {
        self.numbered += 1;
        self.note(self.numbered, summary, None);
        self.numbered
    }

    /// Removes a room.
    pub fn remove(&mut self, room_id: &RoomId) {
        self.take_out(room_id);
    }

    /// Finds a seat for a user in a room of a game that `passes`, the best first, and reserves it. Says whether there is
    /// one to [release](Self::release): a seat that is kept for the user counts as taken already.
    pub fn seek(&mut self, game: &str, user_id: &UserId, passes: impl Fn(&RoomId) -> bool) -> Option<(RoomId, bool)> {
        let own = self.kept(game, user_id);
        let found = self.open(game, user_id).find(passes)?;
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
        let Some(shelf) = self.by_game.get_mut(&row.entry.summary.game) else { return };
        shelf.open.remove(&row.place());
        change(row);
        if row.is_open() {
            shelf.open.insert(row.place());
        }
    }

    fn put_in(&mut self, row: Row) {
        let (number, room_id) = (row.number, row.entry.summary.room_id);
        let shelf = self.by_game.entry(row.entry.summary.game.clone()).or_default();
        if row.entry.is_listed() {
            self.by_age.insert(number, room_id);
            shelf.all.insert(number);
        }
        if row.is_open() {
            shelf.open.insert(row.place());
        }
        for user_id in &row.entry.presence.away {
            self.away.entry(user_id.clone()).or_default().insert((number, room_id));
        }
        self.rows.insert(room_id, row);
    }

    /// Takes a room from everywhere, and notes what was known of it.
    fn take_out(&mut self, room_id: &RoomId) -> Option<Row> {
        let row = self.rows.remove(room_id)?;
        let Row { number, entry: Entry { summary, presence }, .. } = &row;
        let was_listed = self.by_age.remove(number).is_some();
        self.note(*number, summary, was_listed.then_some(summary));
        if let Some(shelf) = self.by_game.get_mut(&summary.game) {
            shelf.all.remove(number);
            shelf.open.remove(&row.place());
        }
        for user_id in &presence.away {
            if let Some(places) = self.away.get_mut(user_id) {
                places.remove(&(*number, *room_id));
                if places.is_empty() {
                    self.away.remove(user_id);
                }
            }
        }
        Some(row)
    }

    fn note(&mut self, number: u64, summary: &RoomSummary, listed: Option<&RoomSummary>) {
        self.version += 1;
        // What was known before the first of several changes is known still.
        self.changes.entry(summary.room_id).or_insert_with(|| {
            let (game, before) = (summary.game.clone(), listed.cloned());
            Change { game, number, before }
        });
    }

    /// Rises with every change of what [`list`](Self::list) gives.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The newest rooms, of one game or of all.
    #[must_use]
    pub fn list(&self, game: Option<&str>) -> RoomList {
        let (rows, total) = self.listed(game);
        let rooms = rows.take(ROOMS_LISTED_MAX).map(|row| row.entry.summary.clone()).collect();
        RoomList { rooms, total: u32::try_from(total).unwrap_or(u32::MAX) }
    }

    /// The rows that are listed, the newest first, and how many there are.
    fn listed(&self, game: Option<&str>) -> (Box<dyn Iterator<Item = &Row> + '_>, usize) {
        let row = |number: &u64| self.rows.get(self.by_age.get(number)?);
        match game.map(|game| self.by_game.get(game)) {
            None => (Box::new(self.by_age.keys().rev().filter_map(row)), self.by_age.len()),
            Some(Some(shelf)) => (Box::new(shelf.all.iter().rev().filter_map(row)), shelf.all.len()),
            Some(None) => (Box::new(std::iter::empty()), 0),
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
        let rows = self.away.get(user_id)?.iter().filter_map(|(_, room_id)| self.rows.get(room_id));
        let worthwhile = rows.filter(|row| row.entry.summary.game == game && row.entry.draws_back() && !row.is_shunned);
        let best = worthwhile.max_by_key(|row| (row.entry.presence.players > 0, row.number))?;
        Some(best.entry.summary.room_id)
    }

    /// What [`list`](Self::list) gave when the changes were last taken: what they are changes of.
    #[must_use]
    pub fn published(&self, game: Option<&str>) -> RoomList {
        let changed = || {
            let changed = self.changes.iter();
            changed.filter(|(_, change)| game.is_none_or(|game| game == change.game))
        };
        let before = changed().filter_map(|(_, change)| Some((change.number, change.before.as_ref()?)));
        let now = changed().filter(|(room_id, _)| self.rows.get(room_id).is_some_and(|row| row.entry.is_listed()));
        let (rows, total) = self.listed(game);
        let total = total - now.count() + before.clone().count();
        let same = rows.filter(|row| !self.changes.contains_key(&row.entry.summary.room_id));
        let same = same.map(|row| (row.number, &row.entry.summary)).take(ROOMS_LISTED_MAX);
        let mut rooms: Vec<_> = same.chain(before).collect();
        rooms.sort_unstable_by_key(|(number, _)| Reverse(*number));
        let rooms = rooms.into_iter().take(ROOMS_LISTED_MAX).map(|(_, summary)| summary.clone()).collect();
        RoomList { rooms, total: u32::try_from(total).unwrap_or(u32::MAX) }
    }

    /// Takes what changed since the last call, for each filter: all rooms (`None`), and each game with a change.
    pub fn take_changes(&mut self) -> BTreeMap<Option<String>, RoomsChanged> {
        let mut by_filter: BTreeMap<Option<String>, RoomsChanged> = BTreeMap::new();
        for (room_id, Change { game, before, .. }) in std::mem::take(&mut self.changes) {
            let listed = self.rows.get(&room_id).filter(|row| row.entry.is_listed());
            let now = listed.map(|row| &row.entry.summary);
            if now == before.as_ref() {
                continue;
            }
            for filter in [None, Some(game)] {
                let changed = by_filter.entry(filter).or_default();
                match now {
                    Some(now) if before.is_some() => changed.updated.push(now.clone()),
                    Some(now) => changed.added.push(now.clone()),
                    None => changed.removed.push(room_id),
                }
            }
        }
        by_filter
    }

    /// Whether [`Listing::take_changes`] may give anything.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u8, game: &str, players: u16) -> RoomSummary {
        RoomSummary {
            room_id: RoomId::from_bits(id.into()),
            game: game.into(),
            name: format!("Room {id}"),
            players,
            seats_max: 2,
            spectators: 0,
            state: RoomState::Waiting,
            durable: false,
        }
    }

    /// A room whose players are all there.
    fn full_of(id: u8, game: &str, players: u16) -> Entry {
        here(row(id, game, players), players)
    }

    /// A room with so many players there, and one who watches.
    fn here(summary: RoomSummary, players: u16) -> Entry {
        Entry { summary, presence: Presence { players, spectators: 1, away: Vec::new() } }
    }

    /// A room with so many players there, and these away.
    fn without(summary: RoomSummary, players: u16, away: &[&str]) -> Entry {
        let away = away.iter().map(|user| user.parse().unwrap()).collect();
        Entry { summary, presence: Presence { players, spectators: 0, away } }
    }

    fn open(listing: &Listing, game: &str, user: &str) -> Vec<RoomId> {
        listing.open(game, &user.parse().unwrap()).collect()
    }

    fn id(id: u8) -> RoomId {
        RoomId::from_bits(id.into())
    }

    #[test]
    fn the_newest_rooms_are_listed_by_game() {
        let mut listing = Listing::new();
        for (number, game) in [(1, "a"), (2, "b"), (3, "a")] {
            listing.put(full_of(number, game, 0));
        }
        let listed = |game: Option<&str>| listing.list(game).rooms.iter().map(|room| room.room_id).collect::<Vec<_>>();
        assert_eq!(listed(None), [id(3), id(2), id(1)]);
        assert_eq!(listed(Some("a")), [id(3), id(1)]);
        assert_eq!(listing.list(Some("c")), RoomList { rooms: vec![], total: 0 });
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let mut listing = Listing::new();
        for bits in 0..600 {
            listing.put(here(RoomSummary { room_id: RoomId::from_bits(bits), ..row(0, "a", 0) }, 0));
        }
        let list = listing.list(None);
        assert_eq!((list.rooms.len(), list.total), (500, 600));
        assert_eq!(list.rooms[0].room_id, RoomId::from_bits(599));
    }

    #[test]
    fn open_rooms_are_the_fullest_that_have_a_seat() {
        let mut listing = Listing::new();
        for (number, players) in [(1, 0), (2, 1), (3, 2), (4, 1)] {
            listing.put(full_of(number, "a", players));
        }
        assert_eq!(open(&listing, "a", "eve"), [id(2), id(4), id(1)]);
        listing.put(full_of(2, "a", 2));
        listing.remove(&id(4));
        assert_eq!(open(&listing, "a", "eve"), [id(1)]);
        assert!(open(&listing, "b", "eve").is_empty());
    }

    #[test]
    fn nobody_is_led_to_players_who_are_all_away() {
        let big = |number, players| RoomSummary { seats_max: 8, ..row(number, "a", players) };
        let mut listing = Listing::new();
        listing.put(without(big(1, 5), 1, &["ada", "bob", "eve", "kay"]));
        listing.put(without(big(2, 2), 2, &[]));
        listing.put(without(big(3, 3), 1, &["wes", "lou"]));
        listing.put(without(big(4, 6), 0, &["a", "b", "c", "d", "e", "f"]));
        let watched = without(big(5, 1), 0, &["zoe"]);
        listing.put(Entry { presence: Presence { spectators: 1, ..watched.presence.clone() }, ..watched });
        assert_eq!(open(&listing, "a", "new"), [id(2), id(1), id(3)], "where most players are");
        let listed: Vec<_> = listing.list(None).rooms.iter().map(|room| room.room_id).collect();
        assert_eq!(listed, [id(5), id(3), id(2), id(1)], "somebody who watches is somebody");
        assert_eq!((listing.list(Some("a")).total, listing.len()), (4, 4));
        // Somebody comes back.
        listing.put(without(big(4, 6), 1, &["b", "c", "d", "e", "f"]));
        assert_eq!(open(&listing, "a", "new"), [id(2), id(4), id(1), id(3)]);
        assert_eq!(listing.list(None).rooms[1].room_id, id(4), "it is as old as it was");
    }

    #[test]
    fn a_user_is_led_back_to_where_they_are_missed() {
        let mut listing = Listing::new();
        listing.put(without(row(1, "a", 2), 1, &["ada"]));
        listing.put(without(row(2, "a", 1), 0, &["ada"]));
        listing.put(without(row(3, "a", 2), 0, &["ada", "bob"]));
        listing.put(without(row(4, "b", 2), 1, &["ada"]));
        listing.put(full_of(5, "a", 1));
        assert_eq!(open(&listing, "a", "ada"), [id(1), id(5)]);
        assert_eq!(open(&listing, "a", "bob"), [id(5)]);
        listing.put(full_of(1, "a", 2));
        assert_eq!(open(&listing, "a", "ada"), [id(2), id(5)], "nobody else sits there");
        listing.remove(&id(2));
        assert_eq!(open(&listing, "a", "ada"), [id(5)]);
        listing.put(without(RoomSummary { seats_max: 3, ..row(5, "a", 2) }, 1, &["ada"]));
        assert_eq!(open(&listing, "a", "ada"), [id(5)], "once, though it has a free seat as well");
        for number in [1, 3, 4, 5] {
            listing.remove(&id(number));
        }
        assert!(listing.away.is_empty() && listing.rows.is_empty() && listing.is_empty());
    }

    /// Where a user is led, and a seat reserved.
    fn seek(listing: &mut Listing, user: &str) -> Option<RoomId> {
        listing.seek("a", &user.parse().unwrap(), |_| true).map(|(room_id, _)| room_id)
    }

    #[test]
    fn who_looks_at_once_fills_the_rooms_there_are() {
        let mut listing = Listing::new();
        for number in [1, 2] {
            listing.put(full_of(number, "a", 1));
        }
        assert_eq!(seek(&mut listing, "x"), Some(id(1)));
        assert_eq!(seek(&mut listing, "y"), Some(id(2)), "the other seat is spoken for");
        assert_eq!(seek(&mut listing, "z"), None);
        assert_eq!(listing.list(None).rooms[0].players, 1, "nobody is shown who is not there");
        // One of them has turned away, the other sits down.
        listing.release(&id(1));
        listing.put(full_of(2, "a", 2));
        listing.release(&id(2));
        assert_eq!(seek(&mut listing, "z"), Some(id(1)));
        assert_eq!(seek(&mut listing, "z"), None);
    }

    #[test]
    fn a_room_where_most_players_knock_is_the_fullest() {
        let big = |number| without(RoomSummary { seats_max: 3, ..row(number, "a", 1) }, 1, &[]);
        let mut listing = Listing::new();
        listing.put(big(1));
        listing.put(big(2));
        let led: Vec<_> = ["x", "y", "z", "w"].iter().map(|user| seek(&mut listing, user).unwrap()).collect();
        assert_eq!(led, [id(1), id(1), id(2), id(2)]);
        // A seat of one's own is counted already.
        listing.put(without(RoomSummary { seats_max: 3, ..row(3, "a", 2) }, 1, &["ada"]));
        let own = listing.seek("a", &"ada".parse().unwrap(), |_| true);
        assert_eq!(own, Some((id(3), false)));
        assert_eq!(seek(&mut listing, "v"), Some(id(3)));
    }

    #[test]
    fn a_room_that_is_being_made_has_seats_for_others() {
        let mut listing = Listing::new();
        listing.promise(id(1), "a", 2);
        assert_eq!(listing.list(None), RoomList { rooms: vec![], total: 0 }, "it is not there yet");
        assert!(listing.take_changes().is_empty());
        assert_eq!(seek(&mut listing, "x"), Some(id(1)));
        assert_eq!(seek(&mut listing, "y"), None);
        listing.put(full_of(1, "a", 1));
        listing.release(&id(1));
        assert_eq!(seek(&mut listing, "y"), None, "x is still on the way");
        assert_eq!(listing.take_changes()[&None].added, [row(1, "a", 1)]);
        listing.release(&id(1));
        assert_eq!(seek(&mut listing, "y"), Some(id(1)));
        listing.promise(id(2), "a", 2);
        listing.remove(&id(2));
        listing.release(&id(2));
        assert_eq!(seek(&mut listing, "z"), None, "it was not made");
    }

    #[test]
    fn nobody_is_led_to_a_room_that_does_not_answer_until_it_does() {
        let mut listing = Listing::new();
        listing.put(full_of(1, "a", 1));
        listing.shun(&id(1));
        assert!(open(&listing, "a", "eve").is_empty());
        assert_eq!(listing.list(None).total, 1, "it is there");
        listing.heed(&id(1));
        assert_eq!(open(&listing, "a", "eve"), [id(1)]);
        listing.shun(&id(1));
        listing.put(full_of(1, "a", 1));
        assert_eq!(open(&listing, "a", "eve"), [id(1)], "somebody has come or gone there");
    }

    #[test]
    fn the_list_as_it_was_published_is_what_changes_are_changes_of() {
        let mut listing = Listing::new();
        for (number, game) in [(1, "a"), (2, "b"), (3, "a"), (4, "a")] {
            listing.put(full_of(number, game, 1));
        }
        assert_eq!(listing.published(None), RoomList { rooms: vec![], total: 0 });
        let filters = [None, Some("a"), Some("b"), Some("c")];
        let lists = |listing: &Listing| filters.map(|filter| listing.list(filter));
        let published = |listing: &Listing| filters.map(|filter| listing.published(filter));
        let before = lists(&listing);
        listing.take_changes();
        assert_eq!(published(&listing), before);
        listing.put(full_of(5, "a", 1));
        listing.put(full_of(1, "a", 2));
        listing.remove(&id(3));
        listing.put(without(row(4, "a", 1), 0, &["ada"]));
        assert_eq!(published(&listing), before);
        let now = lists(&listing);
        assert_ne!(now, before);
        listing.take_changes();
        assert_eq!(published(&listing), now);
        let version = listing.version();
        listing.promise(id(6), "a", 2);
        listing.put(without(row(4, "a", 1), 1, &[]));
        assert!(listing.version() > version);
        assert_eq!(published(&listing), now);
        for bits in 100..700 {
            listing.put(here(RoomSummary { room_id: RoomId::from_bits(bits), ..row(0, "a", 0) }, 0));
        }
        assert_eq!(published(&listing), now);
        listing.take_changes();
        (100..650).for_each(|bits| listing.remove(&RoomId::from_bits(bits)));
        let list = listing.published(Some("a"));
        assert_eq!((list.rooms.len(), list.total, list.rooms[499].room_id), (500, 603, RoomId::from_bits(200)));
    }

    #[test]
    fn changes_fold_into_what_a_subscriber_must_do() {
        let mut listing = Listing::new();
        listing.put(full_of(1, "a", 0));
        listing.put(full_of(1, "a", 1));
        listing.put(full_of(2, "b", 0));
        listing.remove(&id(2));
        let changes = listing.take_changes();
        assert_eq!(changes[&None], RoomsChanged { added: vec![row(1, "a", 1)], ..RoomsChanged::default() });
        assert_eq!(changes[&Some("a".into())], changes[&None]);
        assert!(!changes.contains_key(&Some("b".into())));
        listing.put(full_of(1, "a", 2));
        listing.remove(&id(1));
        assert_eq!(listing.take_changes()[&None].removed, [id(1)]);
        assert!(!listing.has_changes());
    }

    #[test]
    fn a_room_that_nobody_is_in_is_gone_for_subscribers_until_somebody_is() {
        let mut listing = Listing::new();
        let alone = || without(row(1, "a", 1), 1, &[]);
        let left = || without(row(1, "a", 1), 0, &["ada"]);
        listing.put(left());
        assert!(listing.take_changes().is_empty(), "nobody knew of it");
        listing.put(alone());
        assert_eq!(listing.take_changes()[&None].added, [row(1, "a", 1)]);
        listing.put(left());
        listing.put(alone());
        assert!(listing.take_changes().is_empty(), "it was away for a moment");
        listing.put(left());
        assert_eq!(listing.take_changes()[&Some("a".into())].removed, [id(1)]);
        listing.put(without(row(1, "a", 2), 0, &["ada", "bob"]));
        listing.remove(&id(1));
        assert!(listing.take_changes().is_empty(), "it was gone already");
        listing.put(alone());
        assert_eq!(listing.take_changes()[&None].added, [row(1, "a", 1)]);
        // Who is there changes, and nothing that anybody sees.
        let Entry { summary, presence } = alone();
        listing.put(Entry { summary, presence: Presence { spectators: 1, ..presence } });
        assert!(listing.take_changes().is_empty());
    }
}

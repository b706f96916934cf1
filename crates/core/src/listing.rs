//! The rooms a lobby shows: a row for each, found by game, by free seats, and by what changed lately.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use anteroom_protocol::RoomId;
use anteroom_protocol::limits::ROOMS_LISTED_MAX;
use anteroom_protocol::message::RoomSummary;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::result::RoomList;

#[derive(Debug)]
struct Row {
    number: u64,
    summary: RoomSummary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Updated,
    Removed,
}

/// The rooms of one game, by the numbers of their rows.
#[derive(Debug, Default)]
struct Shelf {
    all: BTreeSet<u64>,
    /// Those with free seats, the fullest first, then the oldest.
    open: BTreeSet<(Reverse<u16>, u64)>,
}

/// Every room of a lobby, with what changed since it was last asked.
#[derive(Debug, Default)]
pub struct Listing {
    rows: BTreeMap<RoomId, Row>,
    by_age: BTreeMap<u64, RoomId>,
    by_game: BTreeMap<String, Shelf>,
    changes: BTreeMap<RoomId, (Change, String)>,
    numbered: u64,
}

impl Listing {
    /// A lobby without rooms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rooms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a room, or replaces what is known of it.
    pub fn put(&mut self, summary: RoomSummary) {
        let room_id = summary.room_id;
        let number = match self.rows.remove(&room_id) {
            Some(row) => {
                self.take_off_shelf(&row);
                self.note(room_id, Change::Updated, &row.summary.game);
                row.number
            }
            None => {
                self.numbered += 1;
                self.note(room_id, Change::Added, &summary.game);
                self.numbered
            }
        };
        self.by_age.insert(number, room_id);
        let shelf = self.by_game.entry(summary.game.clone()).or_default();
        shelf.all.insert(number);
        if summary.players < summary.seats_max {
            shelf.open.insert((Reverse(summary.players), number));
        }
        self.rows.insert(room_id, Row { number, summary });
    }

    /// Removes a room.
    pub fn remove(&mut self, room_id: &RoomId) {
        if let Some(row) = self.rows.remove(room_id) {
            self.take_off_shelf(&row);
            self.note(*room_id, Change::Removed, &row.summary.game);
        }
    }

    fn take_off_shelf(&mut self, Row { number, summary }: &Row) {
        self.by_age.remove(number);
        if let Some(shelf) = self.by_game.get_mut(&summary.game) {
            shelf.all.remove(number);
            shelf.open.remove(&(Reverse(summary.players), *number));
            if shelf.all.is_empty() {
                self.by_game.remove(&summary.game);
            }
        }
    }

    fn note(&mut self, room_id: RoomId, change: Change, game: &str) {
        let known = self.changes.get(&room_id).map(|(change, _)| *change);
        let change = match (known, change) {
            // Nobody was told of it yet, so nobody needs to hear that it is gone.
            (Some(Change::Added), Change::Removed) => {
                self.changes.remove(&room_id);
                return;
            }
            (Some(Change::Added), Change::Updated) => Change::Added,
            (Some(Change::Removed), Change::Added) => Change::Updated,
            (_, change) => change,
        };
        self.changes.insert(room_id, (change, game.to_owned()));
    }

    /// The newest rooms, of one game or of all.
    #[must_use]
    pub fn list(&self, game: Option<&str>) -> RoomList {
        match game {
            None => self.list_of(self.by_age.keys().rev(), self.rows.len()),
            Some(game) => match self.by_game.get(game) {
                Some(shelf) => self.list_of(shelf.all.iter().rev(), shelf.all.len()),
                None => RoomList { rooms: Vec::new(), total: 0 },
            },
        }
    }

    fn list_of<'a>(&self, numbers: impl Iterator<Item = &'a u64>, total: usize) -> RoomList {
        let rows = numbers.filter_map(|number| self.rows.get(self.by_age.get(number)?));
        let rooms = rows.take(ROOMS_LISTED_MAX).map(|row| row.summary.clone()).collect();
        RoomList { rooms, total: u32::try_from(total).unwrap_or(u32::MAX) }
    }

    /// Rooms of a game with a free seat, the fullest first, then the oldest. They may be full by the time someone
    /// knocks.
    pub fn open(&self, game: &str) -> impl Iterator<Item = RoomId> + '_ {
        let places = self.by_game.get(game).into_iter().flat_map(|shelf| &shelf.open);
        places.filter_map(|(_, number)| self.by_age.get(number).copied())
    }

    /// Takes what changed since the last call, for each filter: all rooms (`None`), and each game with a change.
    pub fn take_changes(&mut self) -> BTreeMap<Option<String>, RoomsChanged> {
        let mut by_filter: BTreeMap<Option<String>, RoomsChanged> = BTreeMap::new();
        for (room_id, (change, game)) in std::mem::take(&mut self.changes) {
            for filter in [None, Some(game)] {
                let changed = by_filter.entry(filter).or_default();
                match (change, self.rows.get(&room_id)) {
                    (Change::Added, Some(row)) => changed.added.push(row.summary.clone()),
                    (Change::Updated, Some(row)) => changed.updated.push(row.summary.clone()),
                    (_, None) => changed.removed.push(room_id),
                    (Change::Removed, Some(_)) => {}
                }
            }
        }
        by_filter
    }

    /// Whether [`Listing::take_changes`] would give anything.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::message::RoomState;

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
        }
    }

    fn id(id: u8) -> RoomId {
        RoomId::from_bits(id.into())
    }

    #[test]
    fn the_newest_rooms_are_listed_by_game() {
        let mut listing = Listing::new();
        for (number, game) in [(1, "a"), (2, "b"), (3, "a")] {
            listing.put(row(number, game, 0));
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
            listing.put(RoomSummary { room_id: RoomId::from_bits(bits), ..row(0, "a", 0) });
        }
        let list = listing.list(None);
        assert_eq!((list.rooms.len(), list.total), (500, 600));
        assert_eq!(list.rooms[0].room_id, RoomId::from_bits(599));
    }

    #[test]
    fn open_rooms_are_the_fullest_that_have_a_seat() {
        let mut listing = Listing::new();
        for (number, players) in [(1, 0), (2, 1), (3, 2), (4, 1)] {
            listing.put(row(number, "a", players));
        }
        assert_eq!(listing.open("a").collect::<Vec<_>>(), [id(2), id(4), id(1)]);
        listing.put(row(2, "a", 2));
        listing.remove(&id(4));
        assert_eq!(listing.open("a").collect::<Vec<_>>(), [id(1)]);
        assert_eq!(listing.open("b").count(), 0);
    }

    #[test]
    fn changes_fold_into_what_a_subscriber_must_do() {
        let mut listing = Listing::new();
        listing.put(row(1, "a", 0));
        listing.put(row(1, "a", 1));
        listing.put(row(2, "b", 0));
        listing.remove(&id(2));
        let changes = listing.take_changes();
        assert_eq!(changes[&None], RoomsChanged { added: vec![row(1, "a", 1)], ..RoomsChanged::default() });
        assert_eq!(changes[&Some("a".into())], changes[&None]);
        assert!(!changes.contains_key(&Some("b".into())));
        listing.put(row(1, "a", 2));
        listing.remove(&id(1));
        assert_eq!(listing.take_changes()[&None].removed, [id(1)]);
        assert!(!listing.has_changes());
    }
}

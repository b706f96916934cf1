mod filters;
mod pages;

use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::result::RoomList;
use anteroom_protocol::message::{DataMap, RoomState};

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
        locked: false,
        has_password: false,
        created_at_ms: 0,
        data: DataMap::new(),
    }
}

/// A room whose players are all there.
fn full_of(id: u8, game: &str, players: u16) -> Entry {
    here(row(id, game, players), players)
}

/// A room with so many players there, and one who watches.
fn here(summary: RoomSummary, players: u16) -> Entry {
    Entry { summary, presence: Presence { players, spectators: 1, away: Vec::new(), hidden: false, shut: false } }
}

/// A room with so many players there, and these away.
fn without(summary: RoomSummary, players: u16, away: &[&str]) -> Entry {
    let away = away.iter().map(|user| user.parse().unwrap()).collect();
    Entry { summary, presence: Presence { players, spectators: 0, away, hidden: false, shut: false } }
}

fn open(listing: &Listing, game: &str, user: &str) -> Vec<RoomId> {
    listing.open(game, &user.parse().unwrap()).collect()
}

fn of(game: Option<&str>) -> Filter {
    Filter::of_game(game)
}

/// As many of the newest as there may be.
fn list(listing: &Listing, game: Option<&str>) -> RoomList {
    listing.list(&Query::newest(of(game)))
}

/// What changed, for all and for each game.
fn changes(listing: &mut Listing) -> impl Fn(Option<&str>) -> RoomsChanged + use<> {
    let changes = listing.take_changes();
    move |game| changes.of(&of(game))
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
    let listed = |game: Option<&str>| list(&listing, game).rooms.iter().map(|room| room.room_id).collect::<Vec<_>>();
    assert_eq!(listed(None), [id(3), id(2), id(1)]);
    assert_eq!(listed(Some("a")), [id(3), id(1)]);
    assert_eq!(list(&listing, Some("c")), RoomList { rooms: vec![], total: 0, next: None });
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let mut listing = Listing::new();
    for bits in 0..600 {
        listing.put(here(RoomSummary { room_id: RoomId::from_bits(bits), ..row(0, "a", 0) }, 0));
    }
    let list = list(&listing, None);
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
    let listed: Vec<_> = list(&listing, None).rooms.iter().map(|room| room.room_id).collect();
    assert_eq!(listed, [id(5), id(3), id(2), id(1)], "somebody who watches is somebody");
    assert_eq!((list(&listing, Some("a")).total, listing.len()), (4, 4));
    // Somebody comes back.
    listing.put(without(big(4, 6), 1, &["b", "c", "d", "e", "f"]));
    assert_eq!(open(&listing, "a", "new"), [id(2), id(4), id(1), id(3)]);
    assert_eq!(list(&listing, None).rooms[1].room_id, id(4), "it is as old as it was");
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
    listing.seek(&of(Some("a")), &user.parse().unwrap(), |_| true).map(|(room_id, _)| room_id)
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
    assert_eq!(list(&listing, None).rooms[0].players, 1, "nobody is shown who is not there");
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
    let own = listing.seek(&of(Some("a")), &"ada".parse().unwrap(), |_| true);
    assert_eq!(own, Some((id(3), false)));
    assert_eq!(seek(&mut listing, "v"), Some(id(3)));
}

#[test]
fn a_room_that_is_being_made_has_seats_for_others() {
    let mut listing = Listing::new();
    listing.promise(id(1), "a", 2, DataMap::new());
    assert_eq!(list(&listing, None), RoomList { rooms: vec![], total: 0, next: None }, "it is not there yet");
    assert!(listing.take_changes().is_empty());
    assert_eq!(seek(&mut listing, "x"), Some(id(1)));
    assert_eq!(seek(&mut listing, "y"), None);
    listing.put(full_of(1, "a", 1));
    listing.release(&id(1));
    assert_eq!(seek(&mut listing, "y"), None, "x is still on the way");
    assert_eq!(changes(&mut listing)(None).added, [row(1, "a", 1)]);
    listing.release(&id(1));
    assert_eq!(seek(&mut listing, "y"), Some(id(1)));
    listing.promise(id(2), "a", 2, DataMap::new());
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
    assert_eq!(list(&listing, None).total, 1, "it is there");
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
    assert_eq!(listing.published(&of(None)), RoomList { rooms: vec![], total: 0, next: None });
    let filters = [None, Some("a"), Some("b"), Some("c")];
    let lists = |listing: &Listing| filters.map(|filter| list(listing, filter));
    let published = |listing: &Listing| filters.map(|filter| listing.published(&of(filter)));
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
    listing.promise(id(6), "a", 2, DataMap::new());
    listing.put(without(row(4, "a", 1), 1, &[]));
    assert!(listing.version() > version);
    assert_eq!(published(&listing), now);
    for bits in 100..700 {
        listing.put(here(RoomSummary { room_id: RoomId::from_bits(bits), ..row(0, "a", 0) }, 0));
    }
    assert_eq!(published(&listing), now);
    listing.take_changes();
    (100..650).for_each(|bits| listing.remove(&RoomId::from_bits(bits)));
    let list = listing.published(&of(Some("a")));
    assert_eq!((list.rooms.len(), list.total, list.rooms[499].room_id), (500, 603, RoomId::from_bits(200)));
}

#[test]
fn changes_fold_into_what_a_subscriber_must_do() {
    let mut listing = Listing::new();
    listing.put(full_of(1, "a", 0));
    listing.put(full_of(1, "a", 1));
    listing.put(full_of(2, "b", 0));
    listing.remove(&id(2));
    let changes_of = changes(&mut listing);
    assert_eq!(changes_of(None), RoomsChanged { added: vec![row(1, "a", 1)], ..RoomsChanged::default() });
    assert_eq!(changes_of(Some("a")), changes_of(None));
    assert_eq!(changes_of(Some("b")), RoomsChanged::default());
    listing.put(full_of(1, "a", 2));
    listing.remove(&id(1));
    assert_eq!(changes(&mut listing)(None).removed, [id(1)]);
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
    assert_eq!(changes(&mut listing)(None).added, [row(1, "a", 1)]);
    listing.put(left());
    listing.put(alone());
    assert!(listing.take_changes().is_empty(), "it was away for a moment");
    listing.put(left());
    assert_eq!(changes(&mut listing)(Some("a")).removed, [id(1)]);
    listing.put(without(row(1, "a", 2), 0, &["ada", "bob"]));
    listing.remove(&id(1));
    assert!(listing.take_changes().is_empty(), "it was gone already");
    listing.put(alone());
    assert_eq!(changes(&mut listing)(None).added, [row(1, "a", 1)]);
    // Who is there changes, and nothing that anybody sees.
    let Entry { summary, presence } = alone();
    listing.put(Entry { summary, presence: Presence { spectators: 1, ..presence } });
    assert!(listing.take_changes().is_empty());
}

#[test]
fn a_room_that_is_hidden_is_gone_for_subscribers_once_and_was_never_there_if_it_always_was() {
    let hidden = |id| {
        let Entry { summary, presence } = full_of(id, "a", 1);
        Entry { summary, presence: Presence { hidden: true, shut: true, ..presence } }
    };
    let mut listing = Listing::new();
    listing.put(hidden(1));
    assert!(listing.take_changes().is_empty());
    listing.put(full_of(2, "a", 1));
    assert_eq!(changes(&mut listing)(None).added, [row(2, "a", 1)]);
    assert_eq!((list(&listing, None).total, listing.len()), (1, 1));
    listing.put(hidden(2));
    assert_eq!(changes(&mut listing)(None), RoomsChanged { removed: vec![id(2)], ..RoomsChanged::default() });
    listing.put(hidden(2));
    for number in [1, 2] {
        listing.remove(&id(number));
    }
    assert!(listing.take_changes().is_empty(), "nobody knew of them any more");
    // One that was listed and hidden before anybody was told was never there.
    listing.put(full_of(3, "a", 1));
    listing.put(hidden(3));
    assert!(listing.take_changes().is_empty());
    assert_eq!(listing.published(&of(None)).total, 0);
}

#[test]
fn nobody_is_led_to_a_room_that_is_shut_but_who_has_a_seat_there() {
    let mut listing = Listing::new();
    let Entry { summary, presence } = without(RoomSummary { seats_max: 4, ..row(1, "a", 2) }, 1, &["ada"]);
    listing.put(Entry { summary, presence: Presence { shut: true, hidden: true, ..presence } });
    assert!(open(&listing, "a", "eve").is_empty());
    assert_eq!(seek(&mut listing, "eve"), None);
    assert_eq!(seek(&mut listing, "ada"), Some(id(1)));
}

//! The lobby's list among many rooms in which nobody is, as those are that sleep.

use std::hint::black_box;

use anteroom_core::listing::{Entry, Filter, Listing, Presence, Query};
use anteroom_protocol::message::request::ListRooms;
use anteroom_protocol::message::{DataMap, RoomState, RoomSummary};
use anteroom_protocol::{Json, RoomId, UserId};

use crate::{Operation, Step};

/// How many rooms sleep.
const ASLEEP: u128 = 10_000;
/// How many are listed.
const LISTED: u128 = 500;
/// Rooms of which something is told, in one repetition.
const TOLD: u128 = 16;
/// How many different filters are watched.
const FILTERS: u32 = 16;

pub(crate) const ALL: &[Operation] = &[
    Operation { group: "listing", name: "list_500", repetitions: 16, messages: LISTED as u32, prepare: list },
    Operation {
        group: "listing",
        name: "list_filtered",
        repetitions: 16,
        messages: LISTED as u32,
        prepare: list_filtered,
    },
    Operation { group: "listing", name: "tell_16_filters", repetitions: 16, messages: FILTERS, prepare: tell_filters },
    Operation { group: "listing", name: "put_16_listed", repetitions: 64, messages: TOLD as u32, prepare: put_listed },
    Operation { group: "listing", name: "put_16_asleep", repetitions: 64, messages: TOLD as u32, prepare: put_asleep },
    Operation { group: "listing", name: "seek_and_release", repetitions: 256, messages: 1, prepare: seek },
];

fn list() -> Step {
    let (listing, query) = (filled(), Query::newest(Filter::default()));
    Box::new(move || drop(black_box(listing.list(&query))))
}

/// A page of those with a free seat, where most players are first.
fn list_filtered() -> Step {
    let asked = ListRooms {
        filter: Some(Json::new(&[("free_seats", ">", 0)]).expect("a filter")),
        sort: Some("-players".to_owned()),
        ..ListRooms::default()
    };
    let (listing, query) = (filled(), Query::parse(&asked, &|_, _| true).expect("a question"));
    Box::new(move || drop(black_box(listing.list(&query))))
}

/// What came of changes for those who watch with different filters.
fn tell_filters() -> Step {
    let mut listing = filled();
    (0..TOLD).for_each(|number| listing.put(entry(number, 2)));
    let changes = listing.take_changes();
    let filter = |seats: u32| Json::new(&[("free_seats", "<", seats)]).expect("a filter");
    let filters = (0..FILTERS).map(|seats| Filter::parse(None, Some(&filter(seats)), &|_, _| true).expect("a filter"));
    let filters: Vec<_> = filters.collect();
    Box::new(move || filters.iter().for_each(|filter| drop(black_box(changes.of(filter)))))
}

/// Somebody comes into rooms, and it is published.
fn put_listed() -> Step {
    let mut listing = filled();
    Box::new(move || {
        (0..TOLD).for_each(|number| listing.put(black_box(entry(number, 1))));
        drop(black_box(listing.take_changes()));
    })
}

/// Rooms wake and sleep without anybody in them.
fn put_asleep() -> Step {
    let mut listing = filled();
    Box::new(move || {
        (0..TOLD).for_each(|number| listing.put(black_box(entry(LISTED + number, 0))));
        drop(black_box(listing.take_changes()));
    })
}

/// Somebody looks for a seat, and is not taken.
fn seek() -> Step {
    let mut listing = filled();
    let (user, wanted) = (user(1), Filter::of_game(Some("tic_tac_toe")));
    Box::new(move || {
        let found = listing.seek(&wanted, &user, |_| true);
        let (room_id, is_reserved) = black_box(found).expect("there are free seats");
        assert!(is_reserved, "it is a stranger");
        listing.release(&room_id);
    })
}

fn filled() -> Listing {
    let mut listing = Listing::new();
    for number in 0..LISTED + ASLEEP {
        listing.put(entry(number, u16::from(number < LISTED)));
    }
    listing.take_changes();
    listing
}

/// A room with so many players there, and one away.
fn entry(number: u128, there: u16) -> Entry {
    let summary = RoomSummary {
        room_id: RoomId::from_bits(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3),
        game: "tic_tac_toe".into(),
        name: format!("Player {number}'s room"),
        players: 1 + there,
        seats_max: 4,
        spectators: 0,
        state: RoomState::Playing,
        durable: true,
        locked: false,
        has_password: false,
        created_at_ms: 0,
        data: DataMap::new(),
    };
    Entry {
        summary,
        presence: Presence { players: there, spectators: 0, away: vec![user(2 + number)], hidden: false, shut: false },
    }
}

fn user(number: u128) -> UserId {
    UserId::guest(number.wrapping_mul(0x0001_0003_0005_0007_0009_000b))
}

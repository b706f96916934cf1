//! The lobby's list among many rooms in which nobody is, as those are that sleep.

use std::hint::black_box;

use anteroom_core::listing::{Entry, Listing, Presence};
use anteroom_protocol::message::{DataMap, RoomState, RoomSummary};
use anteroom_protocol::{RoomId, UserId};

use crate::{Operation, Step};

/// How many rooms sleep.
const ASLEEP: u128 = 10_000;
/// How many are listed.
const LISTED: u128 = 500;
/// Rooms of which something is told, in one repetition.
const TOLD: u128 = 16;

pub(crate) const ALL: &[Operation] = &[
    Operation { group: "listing", name: "list_500", repetitions: 16, messages: LISTED as u32, prepare: list },
    Operation { group: "listing", name: "put_16_listed", repetitions: 64, messages: TOLD as u32, prepare: put_listed },
    Operation { group: "listing", name: "put_16_asleep", repetitions: 64, messages: TOLD as u32, prepare: put_asleep },
    Operation { group: "listing", name: "seek_and_release", repetitions: 256, messages: 1, prepare: seek },
];

fn list() -> Step {
    let listing = filled();
    Box::new(move || drop(black_box(listing.list(None))))
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
    let user = user(1);
    Box::new(move || {
        let found = listing.seek("tic_tac_toe", &user, |_| true);
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

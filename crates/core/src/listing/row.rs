//! One room as a lobby keeps it: small, since there is one for each room that sleeps, and of those there may be a million.

use std::cmp::Reverse;
use std::sync::Arc;

use anteroom_protocol::message::{DataMap, RoomState, RoomSummary};
use anteroom_protocol::{RoomId, UserId};

use super::Entry;
use super::value::Facts;

/// See the module. Its room's id is the key under which it is kept.
#[derive(Debug)]
pub(super) struct Row {
    /// Rises from room to room in the order in which they were made.
    pub(super) number: u64,
    /// All rooms of a game share its name.
    pub(super) game: Arc<str>,
    name: Box<str>,
    /// Who has a seat and no connection.
    pub(super) away: Box<[UserId]>,
    /// How many seats are taken, as it is shown.
    players: u16,
    /// How many are now.
    seated: u16,
    seats_max: u16,
    spectators: u16,
    players_there: u16,
    spectators_there: u16,
    /// For how many who knock there a seat is reserved.
    pub(super) reserved: u16,
    state: RoomState,
    durable: bool,
    locked: bool,
    has_password: bool,
    created_at_ms: u64,
    data: DataMap,
    /// It is in no list.
    hidden: bool,
    /// Nobody who looks for a game is led there.
    shut: bool,
    /// It was promised, and the room has not been heard of.
    pub(super) is_promised: bool,
    /// It does not answer.
    pub(super) is_shunned: bool,
}

/// In which order rooms are tried.
pub(super) type Place = (Reverse<u16>, Reverse<u16>, u64, RoomId);

impl Row {
    pub(super) fn new(number: u64, game: Arc<str>, entry: Entry) -> Self {
        let Entry { summary, presence } = entry;
        let seated = usize::from(presence.players) + presence.away.len();
        Self {
            number,
            game,
            name: summary.name.into(),
            away: presence.away.into(),
            players: summary.players,
            seated: u16::try_from(seated).unwrap_or(u16::MAX).max(summary.players),
            seats_max: summary.seats_max,
            spectators: summary.spectators,
            players_there: presence.players,
            spectators_there: presence.spectators,
            reserved: 0,
            state: summary.state,
            durable: summary.durable,
            locked: summary.locked,
            has_password: summary.has_password,
            created_at_ms: summary.created_at_ms,
            data: summary.data,
            hidden: presence.hidden,
            shut: presence.shut,
            is_promised: false,
            is_shunned: false,
        }
    }

    /// A room that is being made, with a seat reserved for its maker.
    pub(super) fn promised(number: u64, game: Arc<str>, seats_max: u16, data: DataMap) -> Self {
        Self {
            number,
            game,
            name: Box::default(),
            away: Box::default(),
            players: 0,
            seated: 0,
            seats_max,
            spectators: 0,
            players_there: 0,
            spectators_there: 0,
            reserved: 1,
            state: RoomState::Waiting,
            durable: false,
            locked: false,
            has_password: false,
            created_at_ms: 0,
            data,
            hidden: false,
            shut: false,
            is_promised: true,
            is_shunned: false,
        }
    }

    /// What is shown of it.
    pub(super) fn summary(&self, room_id: RoomId) -> RoomSummary {
        RoomSummary {
            room_id,
            game: (*self.game).into(),
            name: (*self.name).into(),
            players: self.players,
            seats_max: self.seats_max,
            spectators: self.spectators,
            state: self.state,
            durable: self.durable,
            locked: self.locked,
            has_password: self.has_password,
            created_at_ms: self.created_at_ms,
            data: self.data.clone(),
        }
    }

    /// What filters and orders look at.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            game: &self.game,
            name: &self.name,
            players: self.players,
            seats_max: self.seats_max,
            state: self.state,
            durable: self.durable,
            locked: self.locked,
            has_password: self.has_password,
            created_at_ms: self.created_at_ms,
            data: &self.data,
        }
    }

    /// The same as it will be when whoever knocks is in.
    pub(super) fn facts_expected(&self) -> Facts<'_> {
        Facts { players: self.players.saturating_add(self.reserved), ..self.facts() }
    }

    /// Whether there is anybody to meet; if not, it is not shown. Nor is one that is not for everybody's eyes.
    pub(super) fn is_listed(&self) -> bool {
        !self.hidden && (self.players_there > 0 || self.spectators_there > 0)
    }

    /// Whether others wait here.
    pub(super) fn has_players(&self) -> bool {
        self.players_there > 0
    }

    /// Whether a player who is away had better come back: others wait here, or nobody else has a seat.
    pub(super) fn draws_back(&self) -> bool {
        self.has_players() || self.players == 1
    }

    /// Whether a stranger who looks for a game may be led here: there is a seat, and not beside players who are all
    /// away. Beside someone who watches, a free table is as good as a new one.
    pub(super) fn is_open(&self) -> bool {
        let is_free_table = self.players == 0 && self.spectators_there > 0;
        let taken = self.seated.saturating_add(self.reserved);
        !self.is_shunned
            && !self.shut
            && taken < self.seats_max
            && (self.has_players() || is_free_table || self.is_promised)
    }

    /// In which order rooms are tried: where most players are, then the fullest, then the oldest. Who knocks is as good
    /// as there.
    pub(super) fn place(&self, room_id: RoomId) -> Place {
        let with_reserved = |players: u16| Reverse(players.saturating_add(self.reserved));
        (with_reserved(self.players_there), with_reserved(self.players), self.number, room_id)
    }
}

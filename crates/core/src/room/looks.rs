//! A room as it is seen from outside: by the lobby, by whoever runs it, in a report. Nothing here changes it, but for what it is
//! to keep and to count from its beginning on.

use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::{Member, RoomSummary, Visibility};
use anteroom_protocol::{Codec, Json, Payload, Tally, UserId};

use super::delay::Row;
use super::{GameFailure, Room};
use crate::game::{FlushMode, GameSnapshot, Kind, Seating, Viewer};
use crate::listing::{Entry, Presence};
use crate::time::Time;

impl Room {
    /// What a viewer sees, encoded.
    ///
    /// # Errors
    /// The game's view cannot be encoded.
    pub fn view(&self, viewer: Viewer, codec: Codec) -> Result<Payload, GameFailure> {
        Ok(self.game.view(viewer, &self.stage.seating, codec)?)
    }

    /// The game's whole state, its timers, and the room's randomness, each as a line of JSON.
    pub(crate) fn state(&self) -> Result<String, GameFailure> {
        let GameSnapshot { state, timers, .. } = self.game.snapshot()?;
        let (timers, rng) = (Json::new(&timers)?, Json::new(&self.stage.rng)?);
        Ok([state.text(), timers.text(), rng.text()].join("\n"))
    }

    /// The room's row in the lobby.
    #[must_use]
    pub fn summary(&self) -> RoomSummary {
        let Row { name, state, players, seats_max, spectators, locked, has_password, data } = self.row();
        RoomSummary {
            room_id: self.stage.room_id,
            game: self.kind.name.to_owned(),
            name,
            players,
            seats_max,
            spectators: u16::try_from(spectators).unwrap_or(u16::MAX),
            state,
            durable: self.durable,
            locked,
            has_password,
            created_at_ms: self.record.created_at.as_millis(),
            data,
        }
    }

    /// What the lobby knows of the room.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry { summary: self.summary(), presence: self.presence() }
    }

    pub(super) fn presence(&self) -> Presence {
        let (there, away): (Vec<_>, Vec<_>) = self.stage.seating.taken().partition(|(_, who)| who.connected);
        let count = |many: usize| u16::try_from(many).unwrap_or(u16::MAX);
        let away = away.into_iter().map(|(_, who)| who.user_id.clone()).collect();
        let hidden = self.record.visibility != Visibility::Public;
        let closed = self.record.locked || self.record.password.is_some() || self.refuses_late();
        // Seats that are reserved are nobody else's, though the row has them as free.
        let shut = hidden || closed || self.seats_free() == 0;
        Presence { players: count(there.len()), spectators: self.spectators_here, away, hidden, shut }
    }

    /// The kind of game that is played in it.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// When its owner is to let it handle what came, and flush.
    #[must_use]
    pub fn flush_mode(&self) -> FlushMode {
        self.flush_mode
    }

    pub(super) fn players(&self) -> u16 {
        u16::try_from(self.stage.seating.len()).unwrap_or(u16::MAX)
    }

    /// Keeps a log of every turn, for a replay. For a room to which nothing has happened yet.
    #[must_use]
    pub fn logged(self) -> Self {
        Self { keeps_log: true, ..self }
    }

    /// Counts what it says in a tally of many rooms as well. For a room that has not flushed yet.
    #[must_use]
    pub fn counted(mut self, total: &Tally) -> Self {
        self.stage.said.tally = Tally::within(total);
        self
    }

    /// Bytes of what the room has said and some member's lane still keeps. What several of them keep counts once.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.stage.said.tally.bytes()
    }

    /// The players and seats, for those who look from outside.
    #[must_use]
    pub fn seating(&self) -> &Seating {
        &self.stage.seating
    }

    /// Whether a user has a seat, or one is kept for them.
    #[must_use]
    pub fn has_seat_for(&self, user_id: &UserId) -> bool {
        self.stage.seating.of_user(user_id).is_some() || self.is_reserved_for(user_id)
    }

    /// Why it was closed to everyone in it; none if it was not, or ended because nobody was left.
    #[must_use]
    pub fn ending(&self) -> Option<ClosedReason> {
        self.ending
    }

    /// Everyone who is in it and known by name, as others see them.
    #[must_use]
    pub fn people_shown(&self) -> Vec<Member> {
        self.member_list(None)
    }

    /// Whether everybody finds it, and nobody is asked for a password.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.record.visibility == Visibility::Public && self.record.password.is_none()
    }

    /// Its time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.stage.now
    }

    /// Whether what happens in it is recorded.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.record.recorded
    }

    /// Whether it outlives the server.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// Where the room's randomness began last, for a report.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The last inputs, oldest first, for a report. One line each, without control characters.
    pub fn recent_inputs(&self) -> impl Iterator<Item = String> {
        self.recent.lines()
    }
}

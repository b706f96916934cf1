//! What a game leaves to its room: when a match begins, and what becomes of it while a player is away.

use std::time::Duration;

/// What begins a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// The game, by [`Context::begin`](super::Context::begin).
    #[default]
    Game,
    /// Every seat is taken, while the room waits. A game that wants another match says so by
    /// [`Context::wait`](super::Context::wait).
    Full,
    /// As many as a match needs are there, as many in each team, and all of them are ready, bots always. Also after a match.
    Ready,
}

/// What becomes of a match while one of its players is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Absence {
    /// After how long.
    pub after: Duration,
    /// What then.
    pub then: Then,
}

/// What happens when a player has been away for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// Nothing, until the seat is given up.
    #[default]
    Wait,
    /// A bot plays until they are back; nothing if the game [has none](super::Game::BOTS).
    Bot,
    /// The match stands still, and the others vote on going on without them: with a bot, or with a free seat.
    Vote,
    /// The match stands still until they are back, or their seat is given up.
    Pause,
}

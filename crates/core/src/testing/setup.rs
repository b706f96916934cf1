//! How a table is set up.

use std::time::Duration;

use anteroom_protocol::Json;
use serde::Serialize;

use crate::room::RoomPolicy;

/// How a table is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(super) options: Option<Json>,
    pub(super) seed: u64,
    pub(super) policy: RoomPolicy,
    pub(super) rebuilds: bool,
}

impl Default for Setup {
    /// The game's default options, seed 1, 60 seconds of grace, 64 spectators.
    fn default() -> Self {
        let policy = RoomPolicy { grace: Duration::from_secs(60), seat_kept: None, spectators_max: 64 };
        Self { options: None, seed: 1, policy, rebuilds: false }
    }
}

impl Setup {
    /// The game's options: anything that serializes to what the game reads them from.
    ///
    /// # Panics
    /// If they cannot be JSON.
    #[must_use]
    pub fn options(self, options: &impl Serialize) -> Self {
        Self { options: Some(Json::new(options).expect("options that can be JSON")), ..self }
    }

    /// Where the room's randomness begins.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// How long a seat is kept for a player who lost the connection.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { policy: RoomPolicy { grace, ..self.policy }, ..self }
    }

    /// Makes the room anew from its snapshot after everything that happens, as if the server had been restarted. The
    /// players must not notice.
    #[must_use]
    pub fn rebuilt(self) -> Self {
        Self { rebuilds: true, ..self }
    }

    /// The most spectators.
    #[must_use]
    pub fn spectators_max(self, spectators_max: u16) -> Self {
        Self { policy: RoomPolicy { spectators_max, ..self.policy }, ..self }
    }
}

//! What a room is made with, and what opens the door of one. Bounds are the server's to check.

use anteroom_protocol::Json;
use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::message::{Access, DataMap, OwnerPolicy, Role, Visibility};

/// What to create a room with, besides its game. What is not said is as the game has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewRoom {
    request: CreateRoom,
}

impl NewRoom {
    /// A room as the game has it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn request(self, game: &str) -> CreateRoom {
        CreateRoom { game: game.to_owned(), ..self.request }
    }

    /// With the name to show.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.request.name = Some(name.into());
        self
    }

    /// With the game's options.
    #[must_use]
    pub fn options(mut self, options: Json) -> Self {
        self.request.options = Some(options);
        self
    }

    /// Which outlives the server's process, or does not, where the game leaves the choice.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.request.durable = Some(durable);
        self
    }

    /// Which is recorded: what happens in it, under the names of those who do it.
    #[must_use]
    pub fn record(mut self, record: bool) -> Self {
        self.request.record = Some(record);
        self
    }

    /// Which is found by these.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.request.visibility = Some(visibility);
        self
    }

    /// With what others have to know to come in.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.request.password = Some(password.into());
        self
    }

    /// With so many seats.
    #[must_use]
    pub fn seats_max(mut self, seats: u16) -> Self {
        self.request.seats_max = Some(seats);
        self
    }

    /// With a key of data, and who may read it.
    #[must_use]
    pub fn data(mut self, key: impl Into<String>, value: Json, access: Access) -> Self {
        let key = key.into();
        self.request.access.get_or_insert_default().insert(key.clone(), access);
        self.request.data.get_or_insert_with(DataMap::new).insert(key, value);
        self
    }

    /// With those who watch behind by so many milliseconds.
    #[must_use]
    pub fn spectator_delay_ms(mut self, delay: u32) -> Self {
        self.request.spectator_delay_ms = Some(delay);
        self
    }

    /// With who owns it when its owner goes.
    #[must_use]
    pub fn owner_policy(mut self, policy: OwnerPolicy) -> Self {
        self.request.owner_policy = Some(policy);
        self
    }

    /// Which stays for so many milliseconds when nobody is in it.
    #[must_use]
    pub fn empty_ttl_ms(mut self, ttl: u64) -> Self {
        self.request.empty_ttl_ms = Some(ttl);
        self
    }

    /// Which closes after so many milliseconds in which nobody does anything.
    #[must_use]
    pub fn idle_ttl_ms(mut self, ttl: u64) -> Self {
        self.request.idle_ttl_ms = Some(ttl);
        self
    }

    /// Which closes after so many milliseconds in any case.
    #[must_use]
    pub fn lifetime_max_ms(mut self, lifetime: u64) -> Self {
        self.request.lifetime_max_ms = Some(lifetime);
        self
    }
}

/// How to come in, and what opens the door.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key {
    /// To play or to watch.
    pub role: Role,
    /// The room's password.
    pub password: Option<String>,
    /// The code of an invite.
    pub invite: Option<String>,
}

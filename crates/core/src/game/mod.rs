//! What a game is: the rules, as a state machine that a room runs.
//!
//! A game never sees a connection, a clock or a socket. It is told what players do and when, and answers through
//! its [`Context`]. It is deterministic in the seed, the options, and the commands with their times.

mod context;
mod durable;
mod hosted;
mod registry;
mod rules;
mod schema;
mod seating;
mod timers;

use std::time::Duration;

use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::message::OwnerPolicy;
use anteroom_protocol::{ErrorBody, ErrorCode, Json};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use context::Context;
pub(crate) use context::Stage;
pub use durable::Durable;
pub(crate) use hosted::{GameSnapshot, HostedGame};
pub use registry::{Kind, Registry, RegistryError};
pub use rules::{Absence, Start, Then};
pub use schema::Schemas;
pub use seating::{Occupant, Seating};
pub use timers::{TIMERS_MAX, TimerId};

use crate::rng::Rng;

/// What travels between a game and its players: serde gives the JSON shape, `JsonSchema` describes it, and bincode gives the
/// binary one.
pub trait Wire: Serialize + DeserializeOwned + JsonSchema + Encode + Decode<()> + Send {}
impl<T: Serialize + DeserializeOwned + JsonSchema + Encode + Decode<()> + Send> Wire for T {}

/// The rules of one kind of game. The value itself is the whole state, and its serde form the snapshot.
///
/// A snapshot is JSON, so maps need keys that can be strings, and numbers must be finite; what is skipped is lost.
/// [`assert_deterministic`](crate::testing::assert_deterministic) checks that a game goes on after a snapshot as before.
///
/// `Action` and `Event` are enums of struct variants with `#[serde(rename_all = "snake_case")]`: a variant's name is
/// the message's `type`, its fields the `data`. No collection in them may have elements of size zero.
///
/// What travels says how it is built: derive `JsonSchema` with `#[schemars(crate = "anteroom_core::schemars")]`.
pub trait Game: Serialize + DeserializeOwned + Send + 'static {
    /// What a room is created with; read from `create_room.options`, or from `{}` without. Their schema is what a form is made
    /// of.
    type Options: DeserializeOwned + JsonSchema;
    /// What players may do.
    type Action: Wire;
    /// What the game tells its members besides the view; [`Nothing`] if the view says it all.
    type Event: Wire;
    /// What one viewer sees of the state.
    type View: Wire;
    /// What the game can ask to be reminded of; [`Nothing`] if nothing.
    type Timer: Serialize + DeserializeOwned + Send;

    /// Names the kind in `create_room.game`: 1 to 32 lower-case letters, digits and underscores.
    const KIND: &'static str;
    /// Raised whenever a binary shape or the snapshot changes.
    const VERSION: u16;
    /// Whether everyone sees the same.
    const VIEWS: Views;
    /// The time between two calls of [`Game::tick`], in whole milliseconds (a part of one is dropped); none for games
    /// that only react.
    const TICK: Option<Duration> = None;
    /// Whether rooms outlive the server that runs them. What happens in one that does is stored before anybody sees it, which
    /// costs a write to the disk for each turn: right for games that are played in turns, and too slow for others.
    const DURABLE: Durable = Durable::Never;
    /// Whether [`Game::bot`] plays.
    const BOTS: bool = false;
    /// Whether players may come in while a match is being played.
    const LATE_JOIN: bool = true;
    /// What begins a match.
    const START: Start = Start::Game;
    /// The keys of a room's data that lists of rooms show and are filtered by. Everybody may read them.
    const SEARCHABLE: &'static [&'static str] = &[];
    /// Who owns a room when its owner goes, unless its creator says otherwise.
    const OWNER: OwnerPolicy = OwnerPolicy::Automatic;

    /// The places at the table.
    fn seats(options: &Self::Options) -> Seats;

    /// When a room tells its members what there is.
    fn flush(_options: &Self::Options) -> FlushMode {
        FlushMode::Immediate
    }

    /// What becomes of a match while one of its players is away.
    fn absence(_options: &Self::Options) -> Absence {
        Absence::default()
    }

    /// Sets the game up, with nobody seated yet.
    ///
    /// # Errors
    /// A [`Rejection`] if the options make no sense together; the room is not created.
    fn new(options: Self::Options, ctx: &mut Context<'_, Self>) -> Result<Self, Rejection>;

    /// A player took a seat.
    fn joined(&mut self, seat: Seat, ctx: &mut Context<'_, Self>);

    /// The player of a seat is gone for good. The seat is free when this returns; until then
    /// [`Context::player`] still says who it was.
    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>);

    /// The player of a seat lost the connection; the seat is kept for the grace time.
    fn disconnected(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {}

    /// The player of a seat is back.
    fn reconnected(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {}

    /// A player is ready for a match to begin, or is not any more.
    fn ready_changed(&mut self, _seat: Seat, _ready: bool, _ctx: &mut Context<'_, Self>) {}

    /// The room has another owner than before, or none. [`Context::owner`] says who, now as at any other time.
    fn owner_changed(&mut self, _ctx: &mut Context<'_, Self>) {}

    /// What [`Game::START`] asks for is there: a match begins. The room shows itself as playing already.
    fn start(&mut self, _ctx: &mut Context<'_, Self>) {}

    /// A player does something.
    ///
    /// # Errors
    /// A [`Rejection`] if the rules do not allow it. The game's own state and timers must be as before then; what it
    /// said and announced through the context is taken back by the room.
    fn act(&mut self, seat: Seat, action: Self::Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection>;

    /// Something asked for with [`Context::after`] is due.
    fn timer(&mut self, _timer: Self::Timer, _ctx: &mut Context<'_, Self>) {}

    /// [`Game::TICK`] has passed again.
    fn tick(&mut self, _ctx: &mut Context<'_, Self>) {}

    /// What a viewer sees. With [`Views::Shared`] the viewer must make no difference.
    ///
    /// A game keeps seats, never users: who has a seat, and under which name, is in the seating.
    fn view(&self, viewer: Viewer, seating: &Seating) -> Self::View;

    /// What a computer player in this seat does next, if anything. It sees what a player there would; its randomness is its
    /// own, so it cannot foresee the game's. Asked only if [`Game::BOTS`], some time after the game may have changed.
    fn bot(_view: &Self::View, _seat: Seat, _rng: &mut Rng) -> Option<Self::Action> {
        None
    }

    /// The state that a lower or higher [`Game::VERSION`] has stored, in the form that this one reads; `None` if that cannot
    /// be, and then the room is kept as it is, and nobody gets in. Timers are read as they were stored, and the randomness goes
    /// on where it was.
    fn migrate(_version: u16, _state: Json) -> Option<Json> {
        None
    }
}

/// A place at the table, counted from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode, JsonSchema,
)]
#[serde(transparent)]
#[bincode(crate = "anteroom_protocol::bincode")]
pub struct Seat(pub u16);

/// Whose eyes a view is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Viewer {
    /// The player of this seat.
    Seat(Seat),
    /// Anyone who only watches.
    Spectator,
}

/// Whether everyone sees the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// One view for all: encoded once per codec.
    Shared,
    /// Hidden information: one view per seat, and one for all spectators.
    PerSeat,
}

/// When a room handles what came, and tells its members what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlushMode {
    /// At once: what turn-based games want.
    #[default]
    Immediate,
    /// At most so often, in whole milliseconds from 1 to [`FLUSH_TICK_MAX`]: everything of that time in one message to
    /// each member. It costs a fraction of the processor's time where much happens, and half the tick on average.
    Tick(Duration),
}

/// The longest tick of [`FlushMode::Tick`].
pub const FLUSH_TICK_MAX: Duration = Duration::from_secs(1);

impl FlushMode {
    fn is_valid(self) -> bool {
        match self {
            Self::Immediate => true,
            Self::Tick(tick) => tick >= Duration::from_millis(1) && tick <= FLUSH_TICK_MAX,
        }
    }
}

/// The places a game has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seats {
    /// How many players a match needs.
    pub min: u16,
    /// How many there is room for; at most [`SEATS_MAX`].
    pub max: u16,
    /// How many teams the seats divide into; 1 if there are none.
    pub teams: u16,
    /// Whether others may watch.
    pub spectators: bool,
}

/// The most seats a game may have.
pub const SEATS_MAX: u16 = 1024;

impl Seats {
    /// A table for exactly this many, that others may watch.
    #[must_use]
    pub const fn exactly(players: u16) -> Self {
        Self { min: players, max: players, teams: 1, spectators: true }
    }
}

/// How a match ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The seats that won; none for a draw.
    pub winners: Vec<Seat>,
}

impl Outcome {
    /// Nobody won.
    #[must_use]
    pub fn draw() -> Self {
        Self::default()
    }

    /// One seat won.
    #[must_use]
    pub fn won_by(seat: Seat) -> Self {
        Self { winners: vec![seat] }
    }
}

/// The rules do not allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Rejection {
    /// What a program acts on.
    pub code: ErrorCode,
    /// A sentence for the player.
    pub message: String,
    /// What a program needs to know besides the code.
    pub details: Option<Json>,
}

impl Rejection {
    /// A refusal with one of the protocol's codes.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None }
    }

    /// Adds details: an object.
    #[must_use]
    pub fn with_details<T: Serialize + ?Sized>(self, details: &T) -> Self {
        Self { details: Json::new(details).ok(), ..self }
    }

    /// `not_your_turn`.
    #[must_use]
    pub fn not_your_turn() -> Self {
        Self::new(ErrorCode::NotYourTurn, "It is the other player's turn.")
    }

    /// `invalid_move`, with the reason.
    #[must_use]
    pub fn invalid_move(reason: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidMove, reason)
    }

    /// `not_playing`, with the reason.
    #[must_use]
    pub fn not_playing(reason: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotPlaying, reason)
    }
}

impl From<Rejection> for ErrorBody {
    fn from(rejection: Rejection) -> Self {
        let Rejection { code, message, details } = rejection;
        Self { details, ..Self::new(code, message) }
    }
}

/// The type of messages or timers that a game does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Nothing {}

impl Encode for Nothing {
    fn encode<E: anteroom_protocol::bincode::enc::Encoder>(
        &self,
        _encoder: &mut E,
    ) -> Result<(), anteroom_protocol::bincode::error::EncodeError> {
        match *self {}
    }
}

impl<C> Decode<C> for Nothing {
    fn decode<D: anteroom_protocol::bincode::de::Decoder<Context = C>>(
        _decoder: &mut D,
    ) -> Result<Self, anteroom_protocol::bincode::error::DecodeError> {
        Err(anteroom_protocol::bincode::error::DecodeError::Other("this game has no such messages"))
    }
}

//! The kinds of games a server knows.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_protocol::limits::TYPE_BYTES_MAX;
use anteroom_protocol::message::{OwnerPolicy, RESERVED_TYPES};
use anteroom_protocol::{Data, ErrorBody, ErrorCode, Json, variant};

use super::hosted::Hosted;
use super::{
    Absence, Durable, FLUSH_TICK_MAX, FlushMode, Game, GameSnapshot, HostedGame, SEATS_MAX, Schemas, Seats, Stage,
    Start, Views, Wire,
};

type Seated = fn(Option<&Json>) -> Result<Seats, ErrorBody>;
type Flushed = fn(Option<&Json>) -> Result<FlushMode, ErrorBody>;
type Absent = fn(Option<&Json>) -> Result<Absence, ErrorBody>;
type Create = fn(Option<&Json>, &mut Stage) -> Result<Box<dyn HostedGame>, ErrorBody>;
type Restore = fn(&GameSnapshot) -> Result<Box<dyn HostedGame>, String>;
type Migrate = fn(u16, Json) -> Option<Json>;

/// One kind of game, its types erased.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// The version of its binary shapes.
    pub version: u16,
    /// The time between its ticks, if it has any.
    pub tick: Option<Duration>,
    /// Whether its rooms outlive the server.
    pub durable: Durable,
    /// Whether it has bots.
    pub bots: bool,
    /// Whether players may come in while a match is being played.
    pub late_join: bool,
    pub(crate) views: Views,
    /// What begins a match.
    pub start: Start,
    /// The keys of a room's data that are in lists.
    pub searchable: &'static [&'static str],
    /// Who owns a room when its owner goes.
    pub owner: OwnerPolicy,
    schemas: fn() -> Schemas,
    seats: Seated,
    flush: Flushed,
    absence: Absent,
    create: Create,
    restore: Restore,
    migrate: Migrate,
    action: fn(&str, Data<'_>) -> Option<Json>,
}

impl Kind {
    /// The kind of a game.
    #[must_use]
    pub fn of<G: Game>() -> Self {
        Self {
            name: G::KIND,
            version: G::VERSION,
            tick: G::TICK,
            durable: G::DURABLE,
            bots: G::BOTS,
            late_join: G::LATE_JOIN,
            views: G::VIEWS,
            start: G::START,
            searchable: G::SEARCHABLE,
            owner: G::OWNER,
            schemas: Schemas::of::<G>,
            absence: |options| Ok(G::absence(&Hosted::<G>::options(options)?)),
            seats: |options| {
                let seats = G::seats(&Hosted::<G>::options(options)?);
                if seats.max == 0 || seats.max > SEATS_MAX || seats.min > seats.max {
                    let range = format!("{} can seat 1 to {SEATS_MAX} players.", G::KIND);
                    return Err(ErrorBody::new(ErrorCode::InvalidOptions, range));
                }
                Ok(seats)
            },
            flush: |options| {
                let flush = G::flush(&Hosted::<G>::options(options)?);
                if !flush.is_valid() {
                    let sentence = format!("{} flushes every 1 to {} ms.", G::KIND, FLUSH_TICK_MAX.as_millis());
                    return Err(ErrorBody::new(ErrorCode::InvalidOptions, sentence));
                }
                Ok(flush)
            },
            create: |options, stage| Ok(Box::new(Hosted::<G>::create(Hosted::<G>::options(options)?, stage)?)),
            restore: |snapshot| Ok(Box::new(Hosted::<G>::restore(snapshot)?)),
            migrate: G::migrate,
            action: |kind, data| Hosted::<G>::action(kind, data),
        }
    }

    /// The places a room with these options has.
    ///
    /// # Errors
    /// `invalid_options`.
    pub fn seats(&self, options: Option<&Json>) -> Result<Seats, ErrorBody> {
        (self.seats)(options)
    }

    /// When a room with these options tells its members what there is.
    ///
    /// # Errors
    /// `invalid_options`.
    pub fn flush(&self, options: Option<&Json>) -> Result<FlushMode, ErrorBody> {
        (self.flush)(options)
    }

    /// What becomes of a match in a room with these options while a player is away.
    ///
    /// # Errors
    /// `invalid_options`.
    pub fn absence(&self, options: Option<&Json>) -> Result<Absence, ErrorBody> {
        (self.absence)(options)
    }

    /// The JSON schemas of all that travels between it and its players.
    #[must_use]
    pub fn schemas(&self) -> Schemas {
        (self.schemas)()
    }

    /// The data of an action as JSON, whatever its codec; none if the game has no such action.
    pub(crate) fn action(&self, kind: &str, data: Data<'_>) -> Option<Json> {
        (self.action)(kind, data)
    }

    pub(crate) fn create(&self, options: Option<&Json>, stage: &mut Stage) -> Result<Box<dyn HostedGame>, ErrorBody> {
        (self.create)(options, stage)
    }

    pub(crate) fn restore(&self, snapshot: &GameSnapshot) -> Result<Box<dyn HostedGame>, String> {
        (self.restore)(snapshot)
    }

    pub(crate) fn migrate(&self, version: u16, state: Json) -> Option<Json> {
        (self.migrate)(version, state)
    }
}

/// A game cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The kind's name is not one.
    #[error("{0:?} cannot name a game: 1 to 32 lower-case letters, digits and underscores are needed")]
    InvalidKind(&'static str),
    /// Another game has that name.
    #[error("a game named {0:?} is registered already")]
    Duplicate(&'static str),
    /// An action or event has a name that it may not have.
    #[error("{kind} cannot use {name:?} as a message type: it is reserved, too long, or not in snake_case")]
    InvalidType {
        /// The game.
        kind: &'static str,
        /// The name.
        name: &'static str,
    },
    /// An action or event is not a struct variant, such as `Pass {}`.
    #[error("{kind} cannot use {name:?} as a message: it must be a struct variant, with braces even if it is empty")]
    NotAMessage {
        /// The game.
        kind: &'static str,
        /// The variant's name.
        name: &'static str,
    },
    /// Too many actions or events.
    #[error("{0} has more than 250 actions or events")]
    TooManyTypes(&'static str),
    /// The tick is too short to keep.
    #[error("{0} ticks more often than every millisecond")]
    TickTooShort(&'static str),
}

/// The games a server knows, by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Kind>,
}

impl Registry {
    /// A registry without games.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a key of a room's data is in lists: of a game, or if none is named of any.
    #[must_use]
    pub fn is_searchable(&self, game: Option<&str>, key: &str) -> bool {
        let mut kinds = self.kinds.values().filter(|kind| game.is_none_or(|game| game == kind.name));
        kinds.any(|kind| kind.searchable.contains(&key))
    }

    /// Adds a game.
    ///
    /// # Errors
    /// [`RegistryError`], if its names clash with others or with the protocol's.
    pub fn register<G: Game>(&mut self) -> Result<(), RegistryError> {
        if !is_snake_case(G::KIND, 32) {
            return Err(RegistryError::InvalidKind(G::KIND));
        }
        if G::TICK.is_some_and(|tick| tick < Duration::from_millis(1)) {
            return Err(RegistryError::TickTooShort(G::KIND));
        }
        check_types::<G::Action>(G::KIND, TYPE_BYTES_MAX - RESULT.len())?;
        check_types::<G::Event>(G::KIND, TYPE_BYTES_MAX)?;
        if self.kinds.contains_key(G::KIND) {
            return Err(RegistryError::Duplicate(G::KIND));
        }
        self.kinds.insert(G::KIND, Kind::of::<G>());
        Ok(())
    }

    /// The kind of that name.
    ///
    /// # Errors
    /// `game_not_found`, naming those there are.
    pub fn kind(&self, name: &str) -> Result<&Kind, ErrorBody> {
        self.kinds.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.names().collect();
            let name: String = name.chars().filter(|c| !c.is_control()).take(32).collect();
            let message = format!("There is no game {name:?} here; there is {}.", known.join(", "));
            ErrorBody::new(ErrorCode::GameNotFound, message)
        })
    }

    /// The names of all games, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.kinds.keys().copied()
    }
}

/// What the type of an answer ends in.
const RESULT: &str = "_result";

fn check_types<T: Wire>(kind: &'static str, bytes_max: usize) -> Result<(), RegistryError> {
    let names = variant::names::<T>();
    if names.len() > variant::VARIANTS_MAX {
        return Err(RegistryError::TooManyTypes(kind));
    }
    if let Some(name) = names.iter().find(|name| !is_snake_case(name, bytes_max) || is_reserved(name)) {
        return Err(RegistryError::InvalidType { kind, name });
    }
    match variant::not_a_message::<T>() {
        Some(name) => Err(RegistryError::NotAMessage { kind, name }),
        None => Ok(()),
    }
}

fn is_reserved(name: &str) -> bool {
    RESERVED_TYPES.contains(&name) || name.ends_with(RESULT)
}

fn is_snake_case(name: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

//! What of a room can be compared, and how: by keys that name it, values of a few sorts, and one order of them all.

use std::borrow::Cow;
use std::cmp::Ordering;

use anteroom_protocol::Json;
use anteroom_protocol::limits::DATA_KEY_BYTES_MAX;
use anteroom_protocol::message::{DataMap, RoomState, RoomSummary};

/// What stands in front of a key of a room's data.
const DATA: &str = "data.";

/// Something of a room that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Game,
    State,
    FreeSeats,
    Players,
    HasPassword,
    Locked,
    Durable,
    CreatedAtMs,
    Name,
    Data(Box<str>),
}

/// What values a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Text,
    Number,
    Flag,
    Any,
}

/// A value: what JSON has that is neither a list nor an object. Those of different sorts are never equal, and neither is
/// above the other.
#[derive(Debug, Clone)]
pub(super) enum Scalar<'a> {
    Nothing,
    Flag(bool),
    Number(f64),
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Flag(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
        }
    }

    pub(super) fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Nothing => Scalar::Nothing,
            Self::Flag(flag) => Scalar::Flag(flag),
            Self::Number(number) => Scalar::Number(number),
            Self::Text(text) => Scalar::Text(text.into_owned().into()),
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::Nothing => Ok(Json::default()),
            Self::Flag(flag) => Json::new(flag),
            // As it is written mostly.
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
                Json::new(&(*number as i64))
            }
            Self::Number(number) => Json::new(number),
            Self::Text(text) => Json::new(text),
        }
        .unwrap_or_default()
    }
}

impl Ord for Scalar<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Flag(one), Self::Flag(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.total_cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scalar<'_> {}

/// A value of JSON; nothing if it is a list or an object.
pub(super) fn scalar(json: &Json) -> Option<Scalar<'_>> {
    let number = |number: f64| if number == 0.0 { 0.0 } else { number };
    match json.text().as_bytes().first()? {
        b'"' => json.decode().ok().map(|text: String| Scalar::Text(text.into())),
        b't' | b'f' => json.decode().ok().map(Scalar::Flag),
        b'n' => Some(Scalar::Nothing),
        b'-' | b'0'..=b'9' => json.decode().ok().map(|value| Scalar::Number(number(value))),
        _ => None,
    }
}

/// What is known of a room, as it is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) game: &'a str,
    pub(super) name: &'a str,
    pub(super) players: u16,
    pub(super) seats_max: u16,
    pub(super) state: RoomState,
    pub(super) durable: bool,
    pub(super) locked: bool,
    pub(super) has_password: bool,
    pub(super) created_at_ms: u64,
    pub(super) data: &'a DataMap,
}

impl<'a> From<&'a RoomSummary> for Facts<'a> {
    fn from(summary: &'a RoomSummary) -> Self {
        Self {
            game: &summary.game,
            name: &summary.name,
            players: summary.players,
            seats_max: summary.seats_max,
            state: summary.state,
            durable: summary.durable,
            locked: summary.locked,
            has_password: summary.has_password,
            created_at_ms: summary.created_at_ms,
            data: &summary.data,
        }
    }
}

impl Key {
    /// The key of a name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "game" => Self::Game,
            "state" => Self::State,
            "free_seats" => Self::FreeSeats,
            "players" => Self::Players,
            "has_password" => Self::HasPassword,
            "locked" => Self::Locked,
            "durable" => Self::Durable,
            "created_at_ms" => Self::CreatedAtMs,
            "name" => Self::Name,
            _ => {
                let key = name.strip_prefix(DATA)?;
                let fits = !key.is_empty() && key.len() <= DATA_KEY_BYTES_MAX && !key.chars().any(char::is_control);
                Self::Data(fits.then(|| key.into())?)
            }
        })
    }

    pub(super) fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Game => "game",
            Self::State => "state",
            Self::FreeSeats => "free_seats",
            Self::Players => "players",
            Self::HasPassword => "has_password",
            Self::Locked => "locked",
            Self::Durable => "durable",
            Self::CreatedAtMs => "created_at_ms",
            Self::Name => "name",
            Self::Data(key) => return format!("{DATA}{key}").into(),
        }
        .into()
    }

    pub(super) fn sort(&self) -> Sort {
        match self {
            Self::Game | Self::State | Self::Name => Sort::Text,
            Self::FreeSeats | Self::Players | Self::CreatedAtMs => Sort::Number,
            Self::HasPassword | Self::Locked | Self::Durable => Sort::Flag,
            Self::Data(_) => Sort::Any,
        }
    }

    /// What a room has there.
    pub(super) fn value<'a>(&self, facts: &Facts<'a>) -> Scalar<'a> {
        match self {
            Self::Game => Scalar::Text(facts.game.into()),
            Self::Name => Scalar::Text(facts.name.into()),
            Self::State => Scalar::Text(state_name(facts.state).into()),
            Self::FreeSeats => Scalar::Number(facts.seats_max.saturating_sub(facts.players).into()),
            Self::Players => Scalar::Number(facts.players.into()),
            #[expect(clippy::cast_precision_loss, reason = "until then it is exact for 280,000 years")]
            Self::CreatedAtMs => Scalar::Number(facts.created_at_ms as f64),
            Self::HasPassword => Scalar::Flag(facts.has_password),
            Self::Locked => Scalar::Flag(facts.locked),
            Self::Durable => Scalar::Flag(facts.durable),
            Self::Data(key) => facts.data.get(&**key).and_then(scalar).unwrap_or(Scalar::Nothing),
        }
    }
}

fn state_name(state: RoomState) -> &'static str {
    match state {
        RoomState::Waiting => "waiting",
        RoomState::Playing => "playing",
        RoomState::Paused => "paused",
        RoomState::Finished => "finished",
    }
}

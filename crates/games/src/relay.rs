//! A room without rules: whatever a member sends is heard by all, the sender included.
//!
//! Good for games whose clients do the thinking, for chat, and for measuring. Knows nothing of what it carries.

use std::borrow::Cow;
use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::Nothing;
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{
    Context, Delivery, Durable, ErrorCode, FlushMode, Game, Json, Rejection, Seat, Seating, Seats, UserId, Viewer,
    Views,
};
use serde::{Deserialize, Serialize};

/// One relay room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relay {
    members_max: u16,
}

/// What a relay room is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub struct Options {
    /// Not counting those who only watch; 1 to 1024.
    #[schemars(title = "How many may be in it", range(min = 1, max = 1024))]
    pub members_max: u16,
    /// Whether what is said goes out at once, or together with everything else of the same tick.
    #[schemars(title = "What is said goes out")]
    pub flush: Flush,
    /// Makes a difference with [`Flush::Tick`] only; 1 to 1000.
    #[schemars(title = "The tick, in milliseconds", range(min = 1, max = 1000))]
    pub tick_ms: u16,
}

/// When what was said goes out; see [`FlushMode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(rename_all = "snake_case")]
pub enum Flush {
    /// At once.
    #[default]
    Immediate,
    /// Every [`Options::tick_ms`].
    Tick,
}

impl Default for Options {
    fn default() -> Self {
        Self { members_max: MEMBERS_MAX, flush: Flush::Immediate, tick_ms: TICK_MS }
    }
}

/// The tick of a room that names none: a frame of a screen.
pub const TICK_MS: u16 = 16;

/// The most members of one room.
pub const MEMBERS_MAX: u16 = 1024;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 64;

/// The longest payload, in bytes of its JSON text: what is said has to fit into a message to others.
pub const PAYLOAD_BYTES_MAX: usize = 512 << 10;

/// The key of a message that names none.
const KEY_DEFAULT: &str = "message";

/// What members do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Action {
    /// Says something to everyone.
    Send {
        /// Any JSON value of at most [`PAYLOAD_BYTES_MAX`] bytes.
        payload: Json,
        /// How it is delivered; reliably if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<DeliveryClass>,
        /// What the payload is the newest value of, unless it is reliable; at most [`KEY_BYTES_MAX`] bytes, shared by
        /// all who use the same one. `message` if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
}

/// How a message is delivered; see [`Delivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum DeliveryClass {
    /// Ordered, exactly once.
    #[default]
    Reliable,
    /// Only the newest value of a key counts.
    Latest,
    /// As a datagram, where there are any.
    Unreliable,
}

/// What members hear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Event {
    /// Somebody said something.
    Message {
        /// Who.
        from: UserId,
        /// What.
        payload: Json,
    },
}

/// What the room looks like. It never changes, so it is only seen on joining; who is there is in `members` and
/// `client_joined`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct View {
    /// How many may be in it, not counting those who only watch.
    pub members_max: u16,
}

impl Game for Relay {
    type Options = Options;
    type Action = Action;
    type Event = Event;
    type View = View;
    type Timer = Nothing;

    const KIND: &'static str = "relay";
    const VERSION: u16 = 1;
    const DURABLE: Durable = Durable::Choice(false);
    const VIEWS: Views = Views::Shared;
    const SEARCHABLE: &'static [&'static str] = &["language", "level", "map", "mode", "region"];

    fn seats(options: &Options) -> Seats {
        Seats { min: 1, max: options.members_max, teams: 1, spectators: true }
    }

    fn flush(options: &Options) -> FlushMode {
        match options.flush {
            Flush::Immediate => FlushMode::Immediate,
            Flush::Tick => FlushMode::Tick(Duration::from_millis(options.tick_ms.into())),
        }
    }

    fn new(options: Options, ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        ctx.begin();
        Ok(Self { members_max: options.members_max })
    }

    /// The room itself says who comes and goes.
    fn joined(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {}

    fn left(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {}

    fn act(&mut self, seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        let Action::Send { payload, delivery, key } = action;
        if payload.text().len() > PAYLOAD_BYTES_MAX {
            let refusal = format!("A payload may have at most {PAYLOAD_BYTES_MAX} bytes.");
            return Err(Rejection::new(ErrorCode::InvalidData, refusal));
        }
        let delivery = delivery_of(delivery.unwrap_or_default(), key)?;
        if let Some(from) = ctx.player(seat).map(|player| player.user_id.clone()) {
            ctx.broadcast_as(&Event::Message { from, payload }, &delivery);
        }
        Ok(())
    }

    fn view(&self, _viewer: Viewer, _seating: &Seating) -> View {
        View { members_max: self.members_max }
    }
}

fn delivery_of(class: DeliveryClass, key: Option<String>) -> Result<Delivery, Rejection> {
    let key = key.filter(|key| !key.is_empty()).map_or(Cow::Borrowed(KEY_DEFAULT), Cow::Owned);
    if key.len() > KEY_BYTES_MAX {
        let refusal = format!("A key may have at most {KEY_BYTES_MAX} bytes.");
        return Err(Rejection::new(ErrorCode::InvalidData, refusal));
    }
    Ok(match class {
        DeliveryClass::Reliable => Delivery::Reliable,
        DeliveryClass::Latest => Delivery::Latest { key },
        DeliveryClass::Unreliable => Delivery::Unreliable { key },
    })
}

//! A room without rules: what a member sends is heard by all, the sender included, or by those who are named; and values that
//! all share.
//!
//! Good for games whose clients do the thinking, with one of them as the host, for chat, and for measuring. Knows nothing of what
//! it carries.

mod messages;
mod values;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use anteroom_core::game::Nothing;
use anteroom_core::{
    Context, Delivery, Durable, ErrorCode, FlushMode, Game, Json, Rejection, Seat, Seating, Seats, UserId, Viewer,
    Views,
};
use serde::{Deserialize, Serialize};

pub use messages::{Action, DeliveryClass, Event, Flush, Host, Options, Recipients, TICK_MS, Value, View};
use values::Values;
pub use values::{KEYS_MAX, VALUE_BYTES_MAX, VALUE_DEPTH_MAX, VALUES_BYTES_MAX};

/// One relay room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relay {
    members_max: u16,
    /// The seats that are taken, by whoever is there for longest first.
    #[serde(default)]
    players: Vec<Seat>,
    #[serde(default)]
    host: Option<Seat>,
    #[serde(default)]
    values: Values,
}

/// The most members of one room.
pub const MEMBERS_MAX: u16 = 1024;

/// The longest key of what is said, in bytes.
pub const KEY_BYTES_MAX: usize = 64;

/// The longest key of a value, in bytes: one less than a key of the wire, where it stands behind [`VALUE_MARK`].
pub const VALUE_KEY_BYTES_MAX: usize = 63;

/// What the keys of values begin with on the wire, and those of what is said may not: a value would be lost behind it.
pub const VALUE_MARK: char = '=';

/// The longest payload, in bytes of its JSON text: what is said has to fit into a message to others.
pub const PAYLOAD_BYTES_MAX: usize = 512 << 10;

/// How many may be named at once.
pub const RECIPIENTS_MAX: usize = 64;

/// The key of a message that names none.
const KEY_DEFAULT: &str = "message";

fn invalid(refusal: impl Into<String>) -> Rejection {
    Rejection::new(ErrorCode::InvalidData, refusal)
}

impl Relay {
    fn send(&self, from: Seat, said: Said, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        let Said { payload, delivery, key, to } = said;
        if payload.text().len() > PAYLOAD_BYTES_MAX {
            return Err(invalid(format!("A payload may have at most {PAYLOAD_BYTES_MAX} bytes.")));
        }
        let delivery = delivery_of(delivery.unwrap_or_default(), key)?;
        let to = to.map(|to| self.seats_of(to, ctx)).transpose()?;
        let Some(from) = user(from, ctx) else { return Ok(()) };
        let message = Event::Message { from, payload };
        match to {
            None => ctx.broadcast_as(&message, &delivery),
            Some(seats) => seats.into_iter().for_each(|seat| ctx.send_as(seat, &message, &delivery)),
        }
        Ok(())
    }

    /// The seats of those who are named, each once.
    fn seats_of(&self, to: Recipients, ctx: &Context<'_, Self>) -> Result<Vec<Seat>, Rejection> {
        let refused = |refusal: String| Rejection::new(ErrorCode::Rejected, refusal);
        let users = match to {
            Recipients::Host(Host::Host) => {
                let host = self.host.ok_or_else(|| refused("There is no host just now.".into()))?;
                return Ok(vec![host]);
            }
            Recipients::Users(users) if users.is_empty() || users.len() > RECIPIENTS_MAX => {
                return Err(invalid(format!("Name 1 to {RECIPIENTS_MAX} players, or leave `to` out to reach all.")));
            }
            Recipients::Users(users) => users,
        };
        let mut named: BTreeSet<&UserId> = users.iter().collect();
        let there = ctx.players().filter(|(_, player)| named.remove(&player.user_id));
        let seats = there.map(|(seat, _)| seat).collect();
        match named.first() {
            Some(missing) => Err(refused(format!("{} does not play here.", missing.as_str()))),
            None => Ok(seats),
        }
    }

    fn set(
        &mut self,
        seat: Seat,
        (key, value, version): (String, Json, Option<u64>),
        ctx: &mut Context<'_, Self>,
    ) -> Result<(), Rejection> {
        if !(1..=VALUE_KEY_BYTES_MAX).contains(&key.len()) {
            return Err(invalid(format!("A value's key has 1 to {VALUE_KEY_BYTES_MAX} bytes.")));
        }
        let Some(from) = user(seat, ctx) else { return Ok(()) };
        if let Some(version) = self.values.set(&key, &value, version, seat)? {
            let delivery = Delivery::Latest { key: Cow::Owned(format!("{VALUE_MARK}{key}")) };
            ctx.broadcast_as(&Event::Value { key, value, version, from }, &delivery);
        }
        Ok(())
    }

    /// Sees to it that the room's owner is the host, or otherwise whoever is there for longest.
    fn settle_host(&mut self, ctx: &mut Context<'_, Self>) {
        let owner = ctx.owner().filter(|owner| self.players.contains(owner));
        let host = owner.or_else(|| self.players.first().copied());
        let before = std::mem::replace(&mut self.host, host);
        // The first player of an empty room is its host, as everybody sees who is there.
        if before.is_some() && before != host {
            let user_id = host.and_then(|host| user(host, ctx));
            ctx.broadcast(&Event::HostChanged { user_id });
        }
    }
}

/// What a member wants to be heard.
struct Said {
    payload: Json,
    delivery: Option<DeliveryClass>,
    key: Option<String>,
    to: Option<Recipients>,
}

fn user(seat: Seat, ctx: &Context<'_, Relay>) -> Option<UserId> {
    ctx.player(seat).map(|player| player.user_id.clone())
}

impl Game for Relay {
    type Options = Options;
    type Action = Action;
    type Event = Event;
    type View = View;
    type Timer = Nothing;

    const KIND: &'static str = "relay";
    const VERSION: u16 = 2;
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
        Ok(Self { members_max: options.members_max, players: Vec::new(), host: None, values: Values::default() })
    }

    /// The room itself says who comes and goes.
    fn joined(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        self.players.push(seat);
        // A room that an older version has stored knows only who comes from now on.
        if self.players.len() < ctx.players().count() {
            let known: BTreeSet<Seat> = self.players.iter().copied().collect();
            let others = ctx.players().map(|(seat, _)| seat).filter(|seat| !known.contains(seat));
            self.players.splice(0..0, others);
        }
        self.settle_host(ctx);
    }

    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        self.players.retain(|player| *player != seat);
        self.values.forget(seat);
        self.settle_host(ctx);
    }

    fn owner_changed(&mut self, ctx: &mut Context<'_, Self>) {
        self.settle_host(ctx);
    }

    fn act(&mut self, seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::Send { payload, delivery, key, to } => self.send(seat, Said { payload, delivery, key, to }, ctx),
            Action::Set { key, value, version } => self.set(seat, (key, value, version), ctx),
        }
    }

    fn view(&self, _viewer: Viewer, seating: &Seating) -> View {
        let user = |seat: Seat| seating.occupant(seat).map(|player| player.user_id.clone());
        let values = self.values.iter().map(|(key, kept)| {
            let values::Kept { value, version, from } = kept.clone();
            (key.clone(), Value { value, version, from: from.and_then(user) })
        });
        View { members_max: self.members_max, host: self.host.and_then(user), values: values.collect() }
    }

    /// Values and the host are new since.
    fn migrate(version: u16, state: Json) -> Option<Json> {
        (version == 1).then_some(state)
    }
}

fn delivery_of(class: DeliveryClass, key: Option<String>) -> Result<Delivery, Rejection> {
    let key = key.filter(|key| !key.is_empty()).map_or(Cow::Borrowed(KEY_DEFAULT), Cow::Owned);
    if key.len() > KEY_BYTES_MAX {
        return Err(invalid(format!("A key may have at most {KEY_BYTES_MAX} bytes.")));
    }
    if key.starts_with(VALUE_MARK) {
        return Err(invalid(format!("A key may not begin with {VALUE_MARK}: those are of values.")));
    }
    Ok(match class {
        DeliveryClass::Reliable => Delivery::Reliable,
        DeliveryClass::Latest => Delivery::Latest { key },
        DeliveryClass::Unreliable => Delivery::Unreliable { key },
    })
}

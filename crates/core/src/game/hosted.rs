//! The object-safe form of a game: what a room holds without knowing which game it is.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::variant::{self, VariantError};
use anteroom_protocol::{Codec, Data, ErrorBody, ErrorCode, Json, Payload};
use serde::{Deserialize, Serialize};

use super::timers::{TimerId, Timers};
use super::{Context, Game, Seat, Seating, Stage, Viewer};
use crate::rng::Rng;
use crate::time::Time;

/// A running game, its types erased. What it says is kept by the stage until the flush.
pub(crate) trait HostedGame: Send {
    /// See [`Game::joined`].
    fn joined(&mut self, seat: Seat, stage: &mut Stage);
    /// See [`Game::left`].
    fn left(&mut self, seat: Seat, stage: &mut Stage);
    /// See [`Game::disconnected`].
    fn disconnected(&mut self, seat: Seat, stage: &mut Stage);
    /// See [`Game::reconnected`].
    fn reconnected(&mut self, seat: Seat, stage: &mut Stage);
    /// See [`Game::ready_changed`].
    fn ready_changed(&mut self, seat: Seat, ready: bool, stage: &mut Stage);
    /// See [`Game::owner_changed`].
    fn owner_changed(&mut self, stage: &mut Stage);
    /// See [`Game::start`].
    fn start(&mut self, stage: &mut Stage);
    /// Lets a computer do something in a seat, if there is anything to do.
    ///
    /// # Errors
    /// What the game refuses with.
    fn act_as_bot(&mut self, seat: Seat, rng: &mut Rng, stage: &mut Stage) -> Option<Result<(), ErrorBody>>;
    /// Reads an action and does it.
    ///
    /// # Errors
    /// `unknown_type`, `invalid_data`, or what the game refuses with.
    fn act(&mut self, seat: Seat, kind: &str, data: Data<'_>, stage: &mut Stage) -> Result<(), ErrorBody>;
    /// When the next timer is due.
    fn next_timer(&self) -> Option<Time>;
    /// Gives the earliest timer that is due at the stage's time, if there is one.
    fn fire_timer(&mut self, stage: &mut Stage);
    /// See [`Game::tick`].
    fn tick(&mut self, stage: &mut Stage);
    /// What a viewer sees, encoded.
    ///
    /// # Errors
    /// [`InvalidData`] if the game's view refuses to be encoded.
    fn view(&self, viewer: Viewer, seating: &Seating, codec: Codec) -> Result<Payload, InvalidData>;
    /// The whole state, and the timers that are running.
    ///
    /// # Errors
    /// [`InvalidData`] if the game refuses to be serialized.
    fn snapshot(&self) -> Result<GameSnapshot, InvalidData>;
    /// Puts every timer off.
    fn put_off(&mut self, by: Duration);
}

/// A game as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GameSnapshot {
    pub(crate) state: Json,
    /// In the order they fall due.
    pub(crate) timers: Vec<(TimerId, Json)>,
    /// How many timers there ever were, and how many of them before timers were put off.
    timers_ever: (u64, u64),
}

pub(super) struct Hosted<G: Game> {
    game: G,
    timers: Timers<G::Timer>,
}

impl<G: Game> Hosted<G> {
    pub(super) fn options(options: Option<&Json>) -> Result<G::Options, ErrorBody> {
        let refusal = |why: &dyn fmt::Display| {
            ErrorBody::new(ErrorCode::InvalidOptions, format!("The options do not fit {}: {why}.", G::KIND))
        };
        match options {
            // serde would read the fields from an array as well, by position.
            Some(options) if !options.text().starts_with('{') => Err(refusal(&"an object is expected")),
            Some(options) => options.decode().map_err(|error| refusal(&error)),
            None => Json::empty_object().decode().map_err(|error| refusal(&error)),
        }
    }

    pub(super) fn create(options: G::Options, stage: &mut Stage) -> Result<Self, ErrorBody> {
        let mut timers = Timers::new();
        let game = G::new(options, &mut Context::new(stage, &mut timers))?;
        Ok(Self { game, timers })
    }

    /// The data of an action as JSON.
    pub(super) fn action(kind: &str, data: Data<'_>) -> Option<Json> {
        let action = variant::decode::<G::Action>(kind, data).ok()?;
        let mut text = Vec::new();
        variant::encode(Codec::Json, &action, &mut text).ok()?;
        Json::from_text(String::from_utf8(text).ok()?).ok()
    }

    /// The game of a snapshot.
    ///
    /// # Errors
    /// Why it cannot be one of this game.
    pub(super) fn restore(snapshot: &GameSnapshot) -> Result<Self, String> {
        let game = snapshot.state.decode().map_err(|error| format!("the state of {}: {error}", G::KIND))?;
        let mut timers = Vec::new();
        for (id, timer) in &snapshot.timers {
            timers.push((*id, timer.decode().map_err(|error| format!("a timer of {}: {error}", G::KIND))?));
        }
        let (ever, put_off) = snapshot.timers_ever;
        Ok(Self { game, timers: Timers::restore(timers, ever, put_off)? })
    }
}

impl<G: Game> HostedGame for Hosted<G> {
    fn joined(&mut self, seat: Seat, stage: &mut Stage) {
        self.game.joined(seat, &mut Context::new(stage, &mut self.timers));
    }

    fn left(&mut self, seat: Seat, stage: &mut Stage) {
        self.game.left(seat, &mut Context::new(stage, &mut self.timers));
    }

    fn disconnected(&mut self, seat: Seat, stage: &mut Stage) {
        self.game.disconnected(seat, &mut Context::new(stage, &mut self.timers));
    }

    fn reconnected(&mut self, seat: Seat, stage: &mut Stage) {
        self.game.reconnected(seat, &mut Context::new(stage, &mut self.timers));
    }

    fn ready_changed(&mut self, seat: Seat, ready: bool, stage: &mut Stage) {
        self.game.ready_changed(seat, ready, &mut Context::new(stage, &mut self.timers));
    }

    fn owner_changed(&mut self, stage: &mut Stage) {
        self.game.owner_changed(&mut Context::new(stage, &mut self.timers));
    }

    fn start(&mut self, stage: &mut Stage) {
        self.game.start(&mut Context::new(stage, &mut self.timers));
    }

    fn act_as_bot(&mut self, seat: Seat, rng: &mut Rng, stage: &mut Stage) -> Option<Result<(), ErrorBody>> {
        let action = G::bot(&self.game.view(Viewer::Seat(seat), &stage.seating), seat, rng)?;
        Some(self.game.act(seat, action, &mut Context::new(stage, &mut self.timers)).map_err(ErrorBody::from))
    }

    fn act(&mut self, seat: Seat, kind: &str, data: Data<'_>, stage: &mut Stage) -> Result<(), ErrorBody> {
        let action = variant::decode::<G::Action>(kind, data).map_err(|error| match error {
            VariantError::Unknown => unknown_action::<G>(kind),
            VariantError::Invalid(error) => {
                ErrorBody::new(ErrorCode::InvalidData, format!("The data does not fit `{kind}`: {error}."))
            }
        })?;
        Ok(self.game.act(seat, action, &mut Context::new(stage, &mut self.timers))?)
    }

    fn next_timer(&self) -> Option<Time> {
        self.timers.next()
    }

    fn fire_timer(&mut self, stage: &mut Stage) {
        if let Some(timer) = self.timers.pop_due(stage.now) {
            self.game.timer(timer, &mut Context::new(stage, &mut self.timers));
        }
    }

    fn tick(&mut self, stage: &mut Stage) {
        self.game.tick(&mut Context::new(stage, &mut self.timers));
    }

    fn view(&self, viewer: Viewer, seating: &Seating, codec: Codec) -> Result<Payload, InvalidData> {
        Payload::encode(codec, &self.game.view(viewer, seating))
    }

    fn snapshot(&self) -> Result<GameSnapshot, InvalidData> {
        let timers = self.timers.running().map(|(id, timer)| Ok((*id, Json::new(timer)?)));
        Ok(GameSnapshot {
            state: Json::new(&self.game)?,
            timers: timers.collect::<Result<_, InvalidData>>()?,
            timers_ever: self.timers.counts(),
        })
    }

    fn put_off(&mut self, by: Duration) {
        self.timers.put_off(by);
    }
}

fn unknown_action<G: Game>(kind: &str) -> ErrorBody {
    let known = variant::names::<G::Action>().join(", ");
    let message = match known.as_str() {
        "" => format!("{} has no action {kind:?}, nor any other.", G::KIND),
        known => format!("{} has no action {kind:?}; there is {known}.", G::KIND),
    };
    ErrorBody::new(ErrorCode::UnknownType, message).with_details(&BTreeMap::from([("type", kind)]))
}

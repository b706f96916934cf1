//! Which games can be registered.

use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::{Nothing, RegistryError, Wire};
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, ErrorCode, Game, Registry, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

use crate::rooms::probe::Open;

/// A game with only names.
trait Names: Send + 'static {
    type Action: Wire;
    type Event: Wire;
    const KIND: &'static str = "named";
    const TICK: Option<Duration> = None;
}

#[derive(Serialize, Deserialize)]
struct Named<N>(std::marker::PhantomData<fn() -> N>);

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
struct Options {}

impl<N: Names> Game for Named<N> {
    type Options = Options;
    type Action = N::Action;
    type Event = N::Event;
    type View = u8;
    type Timer = Nothing;
    const KIND: &'static str = N::KIND;
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::Shared;
    const TICK: Option<Duration> = N::TICK;

    fn seats(_: &Options) -> Seats {
        Seats::exactly(1)
    }

    fn new(_: Options, _: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self(std::marker::PhantomData))
    }

    fn joined(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn left(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn act(&mut self, _: Seat, _: N::Action, _: &mut Context<'_, Self>) -> Result<(), Rejection> {
        Ok(())
    }

    fn view(&self, _: Viewer, _: &Seating) -> u8 {
        0
    }
}

fn register<N: Names>() -> Result<(), RegistryError> {
    Registry::new().register::<Named<N>>()
}

macro_rules! named {
    ($name:ident, $action:ty, $event:ty $(, $constant:item)*) => {
        struct $name;
        impl Names for $name {
            type Action = $action;
            type Event = $event;
            $($constant)*
        }
    };
}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Good {
    MakeMove { row: u8 },
    Rematch {},
}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Reserved {
    Join {},
    GameState {},
}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Answer {
    MoveResult {},
}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Unit {
    Fine {},
    #[serde(rename = "bare")]
    Tuple(u8),
}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Spelling {
    #[serde(rename = "Make-Move")]
    MakeMove {},
}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Lengthy {
    #[serde(rename = "a_name_of_fifty_eight_bytes_that_leaves_no_room_for_an_answer_")]
    Name {},
}

const LONG: &str = "a_name_of_fifty_eight_bytes_that_leaves_no_room_for_an_answer_";

fn invalid(name: &'static str) -> Result<(), RegistryError> {
    Err(RegistryError::InvalidType { kind: "named", name })
}

#[test]
fn names_of_messages_must_be_free_and_short() {
    named!(Fine, Good, Good);
    assert_eq!(register::<Fine>(), Ok(()));
    named!(ReservedAction, Reserved, Nothing);
    assert_eq!(register::<ReservedAction>(), invalid("game_state"));
    named!(ReservedEvent, Nothing, Reserved);
    assert_eq!(register::<ReservedEvent>(), invalid("game_state"));
    named!(AnswerEvent, Nothing, Answer);
    assert_eq!(register::<AnswerEvent>(), invalid("move_result"));
    named!(Misspelt, Spelling, Nothing);
    assert_eq!(register::<Misspelt>(), invalid("Make-Move"));
    named!(LongAction, Lengthy, Nothing);
    assert_eq!(register::<LongAction>(), invalid(LONG));
    named!(LongEvent, Nothing, Lengthy);
    assert_eq!(register::<LongEvent>(), Ok(()));
}

#[test]
fn messages_must_be_struct_variants() {
    named!(UnitAction, Unit, Nothing);
    assert_eq!(register::<UnitAction>(), Err(RegistryError::NotAMessage { kind: "named", name: "bare" }));
}

#[test]
fn kinds_must_be_names_and_ticks_long_enough() {
    named!(Loud, Nothing, Nothing, const KIND: &'static str = "Loud";);
    assert_eq!(register::<Loud>(), Err(RegistryError::InvalidKind("Loud")));
    named!(Long, Nothing, Nothing, const KIND: &'static str = "a_name_of_thirty_three_characters";);
    assert!(matches!(register::<Long>(), Err(RegistryError::InvalidKind(_))));
    named!(Hasty, Nothing, Nothing, const TICK: Option<Duration> = Some(Duration::from_micros(999)););
    assert_eq!(register::<Hasty>(), Err(RegistryError::TickTooShort("named")));
}

#[test]
fn a_kind_is_registered_once_and_found_by_name() {
    let mut registry = Registry::new();
    registry.register::<Open>().unwrap();
    assert_eq!(registry.register::<Open>(), Err(RegistryError::Duplicate("probe")));
    named!(Fine, Good, Good);
    registry.register::<Named<Fine>>().unwrap();
    assert_eq!(registry.names().collect::<Vec<_>>(), ["named", "probe"]);
    assert_eq!(registry.kind("probe").map(|kind| (kind.name, kind.version)), Ok(("probe", 3)));
    let refusal = registry.kind("chess\n").unwrap_err();
    assert_eq!(refusal.code, ErrorCode::GameNotFound);
    assert_eq!(refusal.message, r#"There is no game "chess" here; there is named, probe."#);
}

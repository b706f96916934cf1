//! Recordings of a game that changes, and of one that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::{Kind, Nothing};
use anteroom_core::replay::{Ended, Ending, Player, Recorder, ReplayError, Step};
use anteroom_core::room::{Join, RoomPolicy, RoomSpec, Terms};
use anteroom_core::schemars::JsonSchema;
use anteroom_core::testing::Table;
use anteroom_core::{
    Command, Context, Flush, Game, Registry, Rejection, Room, Seat, Seating, Seats, Time, Viewer, Views,
};
use anteroom_protocol::message::Role;
use anteroom_protocol::{Codec, Data, LaneId, RoomId};
use serde::{Deserialize, Serialize};

/// Each tap counts so much.
#[derive(Serialize, Deserialize)]
struct Glass<const WORTH: u32, const VERSION: u16> {
    taps: u32,
    padding: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(crate = "anteroom_core::schemars")]
#[derive(Default)]
struct Options {
    padding: usize,
}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Action {
    Tap {},
    Drop {},
}

impl<const WORTH: u32, const VERSION: u16> Game for Glass<WORTH, VERSION> {
    type Options = Options;
    type Action = Action;
    type Event = Nothing;
    type View = u32;
    type Timer = Nothing;
    const KIND: &'static str = "glass";
    const VERSION: u16 = VERSION;
    const VIEWS: Views = Views::Shared;

    fn seats(_: &Options) -> Seats {
        Seats::exactly(2)
    }

    fn new(options: Options, _: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self { taps: 0, padding: "x".repeat(options.padding) })
    }

    fn joined(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn left(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn act(&mut self, _: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::Tap {} => self.taps += WORTH,
            Action::Drop {} => panic!("the glass is broken"),
        }
        ctx.publish(self);
        Ok(())
    }

    fn view(&self, _: Viewer, _: &Seating) -> u32 {
        self.taps
    }
}

fn games<const WORTH: u32, const VERSION: u16>() -> Registry {
    let mut games = Registry::new();
    games.register::<Glass<WORTH, VERSION>>().unwrap();
    games
}

/// A room in which somebody taps so often, as a server records it.
fn recorded(padding: usize, taps: u32) -> Vec<u8> {
    let spec = RoomSpec {
        room_id: RoomId::from_bits(7),
        name: "Glass".into(),
        options: Some(anteroom_core::Json::from_text(format!("{{\"padding\":{padding}}}")).unwrap()),
        seed: 3,
        policy: RoomPolicy { grace: Duration::from_secs(60), seat_kept: None, spectators_max: 8 },
        durable: false,
        terms: Terms { recorded: true, ..Terms::default() },
    };
    let mut room = Room::create(&Kind::of::<Glass<1, 1>>(), spec, Time::from_millis(1000)).unwrap().logged();
    let mut recorder = Recorder::begin("a test", room.snapshot_at_birth().unwrap());
    let mut flush = Flush::default();
    let join = Join {
        user_id: "ada".parse().unwrap(),
        username: "Ada".into(),
        role: Role::Player,
        lane: LaneId(1),
        codec: Codec::Json,
        answer: "join_room_result",
        reference: None,
        applied: 0,
        session_id: None,
        n: None,
        password: None,
        invite: None,
    };
    let member = room.join(Time::from_millis(1000), join, &mut flush).unwrap();
    for tap in 0..=taps {
        room.flush(&mut flush).unwrap();
        recorder.turn(&flush.log, &room);
        flush.clear();
        if tap < taps {
            let act = Command::Act { member, kind: "tap", data: Data::Json("{}"), reference: None, n: None };
            room.handle(Time::from_millis(1000 + u64::from(tap)), act, &mut flush);
        }
    }
    recorder.end(Ending::Closed, Some(&room));
    recorder.take()
}

fn end(games: &Registry, bytes: &[u8]) -> Result<(Ended, u64), ReplayError> {
    let mut player = Player::open(games, bytes)?;
    loop {
        if let Step::End(ended) = player.step()? {
            return Ok((ended, player.hashes()));
        }
    }
}

#[test]
fn a_state_that_differs_names_its_turn() {
    let small = recorded(0, 5);
    assert_eq!(end(&games::<1, 1>(), &small), Ok((Ended::Closed, 6)));
    // The first tap is the second turn.
    let differs = |turn| Err(ReplayError::Differs { turn, build: "a test".into() });
    assert_eq!(end(&games::<2, 1>(), &small), differs(2));
    // A large one is compared now and then, and at the end.
    let large = recorded(10_000, 70);
    assert_eq!(end(&games::<1, 1>(), &large), Ok((Ended::Closed, 3)));
    assert_eq!(end(&games::<2, 1>(), &large), differs(32));
    let shorter = recorded(10_000, 20);
    assert_eq!(end(&games::<2, 1>(), &shorter), differs(21));
}

#[test]
fn another_version_is_refused() {
    let error = end(&games::<1, 2>(), &recorded(0, 1)).unwrap_err();
    assert_eq!(error.to_string(), "the recording is of version 1 of glass; this is version 2");
}

/// What a test prints is not seen here, but where the file is is known.
fn left_by(test: &str, run: impl FnOnce() + Send + 'static) -> Vec<u8> {
    let path = std::env::temp_dir().join("anteroom-recordings").join(format!("glass-{test}.rec"));
    drop(std::fs::remove_file(&path));
    let thread = std::thread::Builder::new().name(test.into()).spawn(run).unwrap();
    assert!(thread.join().is_err(), "it does not panic");
    let bytes = std::fs::read(&path).unwrap();
    drop(std::fs::remove_file(&path));
    bytes
}

#[test]
fn a_test_that_panics_leaves_a_recording() {
    let bytes = left_by("asserts-in-vain", || {
        let mut table = Table::<Glass<1, 1>>::new();
        table.sit("ada");
        table.act("ada", Action::Tap {}).unwrap();
        assert_eq!(table.view(Viewer::Spectator), 2, "this is to fail");
    });
    assert_eq!(end(&games::<1, 1>(), &bytes), Ok((Ended::Stopped("The test panicked here.".into()), 0)));
}

#[test]
fn a_game_that_panics_in_a_test_leaves_what_led_to_it() {
    let bytes = left_by("breaks-the-glass", || {
        let mut table = Table::<Glass<1, 1>>::new();
        table.sit("ada");
        table.act("ada", Action::Tap {}).unwrap();
        let _ = table.act("ada", Action::Drop {});
    });
    let games = games::<1, 1>();
    let mut player = Player::open(&games, &bytes[..]).unwrap();
    let failing = loop {
        match player.step().unwrap() {
            Step::Turn(_) => {}
            Step::Failing(failing) => break failing,
            Step::End(ended) => panic!("{ended:?}"),
        }
    };
    assert_eq!(failing.events[0].kind, "drop");
    assert!(catch_unwind(AssertUnwindSafe(|| player.fail(&failing))).is_err(), "it fails again");
}

/// A table that is there when nothing is wrong leaves nothing.
#[test]
fn a_test_that_passes_leaves_nothing() {
    let path = std::env::temp_dir().join("anteroom-recordings/glass-passes.rec");
    let run = || {
        let mut table = Table::<Glass<1, 1>>::new();
        table.sit("ada");
    };
    std::thread::Builder::new().name("passes".into()).spawn(run).unwrap().join().unwrap();
    assert!(!path.exists());
}

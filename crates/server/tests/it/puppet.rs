//! A game that does as it is told: it fails, holds its room up, and notes in which order things happen.
//!
//! The tests at the top of the repository use this file, too. It knows no server and no client.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::Nothing;
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, FlushMode, Game, Registry, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// No game takes so long to do as it is told, on however busy a machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Which games are held, and which may go on.
static GATES: Mutex<(BTreeSet<u64>, BTreeSet<u64>)> = Mutex::new((BTreeSet::new(), BTreeSet::new()));
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// What was noted in all rooms, in order; a test has a thread of its own.
    pub(crate) static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Told of the next thing that is noted.
    pub(crate) static FIRST: RefCell<Option<mpsc::Sender<()>>> = const { RefCell::new(None) };
}

/// Holds a game until it is dropped, or opened.
pub(crate) struct Gate(pub(crate) u64);

impl Gate {
    /// Waits until the game is held.
    pub(crate) async fn held(&self) {
        let number = self.0;
        let waiting = tokio::task::spawn_blocking(move || {
            let gates = GATES.lock().unwrap();
            let waited = CHANGED.wait_timeout_while(gates, DEADLINE, |(held, _)| !held.contains(&number));
            assert!(!waited.unwrap().1.timed_out(), "the game does not do as it is told");
        });
        waiting.await.unwrap();
    }

    pub(crate) fn open(self) {}
}

impl Drop for Gate {
    fn drop(&mut self) {
        GATES.lock().unwrap().1.insert(self.0);
        CHANGED.notify_all();
    }
}

/// The state: what it was told in advance.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Puppet {
    panics: When,
    unencodable: bool,
}

/// When it panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    /// Only when asked to.
    #[default]
    Asked,
    /// When the room is made.
    Made,
    /// When the second player sits down.
    Joined,
    /// When a player leaves.
    Left,
}

/// How the room is made.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub(crate) struct Options {
    panics: When,
    /// None is immediate.
    tick_ms: u64,
}

/// What players do.
#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) enum Action {
    /// Says that all is well.
    Live {},
    /// Panics.
    Panic {},
    /// Publishes a view that has no encoding in JSON.
    Mumble {},
    /// Says something larger than any frame.
    Shout {},
    /// Keeps its room's task busy until a [`Gate`] is opened.
    Hold {
        /// The gate's number.
        gate: u64,
    },
    /// Writes this into the [`LOG`], and has a new view.
    Note {
        /// Whose doing it is.
        by: u8,
    },
}

/// What it says.
#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) enum Event {
    /// All is well.
    Alive {},
    /// Too much.
    Shouted {
        /// How much.
        words: String,
    },
}

/// What it looks like: a map whose keys are no strings, which JSON does not have.
#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) struct View {
    cells: BTreeMap<Option<(u8, u8)>, u8>,
}

impl Game for Puppet {
    type Options = Options;
    type Action = Action;
    type Event = Event;
    type View = View;
    type Timer = Nothing;

    const KIND: &'static str = "puppet";
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::Shared;

    fn seats(_options: &Options) -> Seats {
        Seats { min: 1, max: 1024, teams: 1, spectators: true }
    }

    fn flush(options: &Options) -> FlushMode {
        match options.tick_ms {
            0 => FlushMode::Immediate,
            ms => FlushMode::Tick(Duration::from_millis(ms)),
        }
    }

    fn new(options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        assert_ne!(options.panics, When::Made, "as asked, when made");
        Ok(Self { panics: options.panics, unencodable: false })
    }

    fn joined(&mut self, seat: Seat, _ctx: &mut Context<'_, Self>) {
        assert!(self.panics != When::Joined || seat == Seat(0), "as asked, when joined");
    }

    fn left(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {
        assert_ne!(self.panics, When::Left, "as asked, when left");
    }

    fn act(&mut self, _seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::Live {} => ctx.broadcast(&Event::Alive {}),
            Action::Panic {} => panic!("as asked, with a line\nbreak and \u{1b}[31mcolour"),
            Action::Mumble {} => {
                self.unencodable = true;
                ctx.publish(self);
            }
            Action::Shout {} => ctx.broadcast(&Event::Shouted { words: "a".repeat(2 << 20) }),
            Action::Hold { gate } => {
                let mut gates = GATES.lock().unwrap();
                gates.0.insert(gate);
                CHANGED.notify_all();
                drop(CHANGED.wait_while(gates, |(_, open)| !open.contains(&gate)).unwrap());
            }
            Action::Note { by } => {
                LOG.with_borrow_mut(|log| log.push(by));
                FIRST.take().map(|first| first.try_send(()));
                ctx.publish_latest(self);
            }
        }
        Ok(())
    }

    fn view(&self, _viewer: Viewer, _seating: &Seating) -> View {
        let cells = if self.unencodable { BTreeMap::from([(Some((1, 2)), 3)]) } else { BTreeMap::new() };
        View { cells }
    }
}

/// The games that come with the server, and the puppet.
pub(crate) fn with_puppet() -> Registry {
    let mut games = anteroom_games::registry().unwrap();
    games.register::<Puppet>().unwrap();
    games
}

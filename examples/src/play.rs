//! The whole program: find a table, show it, and pass on what the player wants.

use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anteroom_client::{Client, ClientError, Role, Room, RoomEnd, RoomEvent, SessionState, Transport, TransportChoice};
use clap::Parser;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::args::PlayArgs;
use crate::plain::Plain;
use crate::screen::Screen;
use crate::table::{Intent, Link, Setting, Table};
use crate::{TicTacToe, interrupted, printable};

/// How often the round trip is measured.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How often what depends on the time is drawn anew.
const REDRAW_EVERY: Duration = Duration::from_millis(200);
/// What a player moves through.
const TRANSPORTS: [(Transport, TransportChoice); 3] = [
    (Transport::Quic, TransportChoice::Quic),
    (Transport::WebTransport, TransportChoice::WebTransport),
    (Transport::WebSocket, TransportChoice::WebSocket),
];

/// Tic-tac-toe in a terminal.
///
/// Finds any room with a free seat, so two of these in two terminals meet. Arrow keys and Enter place a mark, or type
/// `row col`, counted from 0; `r` asks for a rematch, `t` plays on over another transport, `q` quits. Without a
/// terminal it reads lines: `1 2`, `rematch`, `transport`, `quit`. When the connection is lost the seat is kept for a
/// while, and the match goes on when it is back.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    play: PlayArgs,
}

/// Runs the program, over a transport unless the arguments name another one, from its arguments to its exit code: 0 when the player quits, 1 when something
/// goes wrong, 2 for arguments that make no sense.
#[must_use]
pub fn main(transport: TransportChoice) -> ExitCode {
    let Cli { play } = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("Cannot start: {error}")),
    };
    match runtime.block_on(run(transport, &play)) {
        Ok(sentence) => {
            // Whoever has stopped reading does not want to know.
            let _ = writeln!(io::stdout(), "{sentence}");
            ExitCode::SUCCESS
        }
        Err(sentence) => failed(&sentence),
    }
}

fn failed(sentence: &str) -> ExitCode {
    crate::complain(sentence);
    ExitCode::FAILURE
}

async fn run(transport: TransportChoice, args: &PlayArgs) -> Result<String, String> {
    let mut options = args.server.options(args.transport.unwrap_or(transport));
    options.session.name.clone_from(&args.name);
    options.session.software = Some(concat!("anteroom-examples/", env!("CARGO_PKG_VERSION")).to_owned());
    let client = Client::connect(options).await.map_err(|error| args.server.explain(&error))?;
    let outcome = match sit_down(&client, args).await {
        Ok(mut room) => play(&client, &mut room).await,
        Err(error) => Err(printable(&error.to_string())),
    };
    client.close().await;
    outcome
}

async fn sit_down(client: &Client, args: &PlayArgs) -> Result<Room<TicTacToe>, ClientError> {
    match (args.room, args.watch) {
        (Some(room_id), _) => client.join_room(room_id, Role::Player).await,
        (None, Some(room_id)) => client.join_room(room_id, Role::Spectator).await,
        (None, None) => client.quick_join().await,
    }
}

/// Where the table is shown.
enum Face {
    Screen(Screen),
    Plain(Plain),
}

impl Face {
    fn open(table: &Table) -> io::Result<Self> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Screen::open().map(Self::Screen);
        }
        Plain::open(table).map(Self::Plain)
    }

    fn show(&mut self, table: &Table) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.show(table, Instant::now()),
            Self::Plain(_) => Ok(()),
        }
    }

    fn say(&self, event: &RoomEvent<TicTacToe>, table: &Table) -> io::Result<()> {
        match self {
            Self::Screen(_) => Ok(()),
            Self::Plain(plain) => plain.say(event, table),
        }
    }

    /// Tells something that is not about the match.
    fn tell(&self, sentence: &str, table: &mut Table) -> Result<(), String> {
        match self {
            Self::Screen(_) => table.tell(sentence, Instant::now()),
            Self::Plain(plain) => plain.tell(sentence).map_err(said)?,
        }
        Ok(())
    }

    async fn intent(&mut self, table: &mut Table) -> Option<Intent> {
        match self {
            Self::Screen(screen) => screen.intent(table).await,
            Self::Plain(plain) => plain.intent(table).await,
        }
    }
}

/// What happens next.
enum Next {
    Event(Option<RoomEvent<TicTacToe>>),
    Intent(Option<Intent>),
    /// Something to tell the player.
    Told(String),
    Redraw,
    Interrupted,
}

/// Plays until the player quits or the room ends; says how in one sentence.
async fn play(client: &Client, room: &mut Room<TicTacToe>) -> Result<String, String> {
    let mut table = Table::new(Setting::of(client, room), Link::of(&client.state()));
    let mut states = client.state_changes();
    let mut moving = None;
    let mut face = Face::open(&table).map_err(said)?;
    let mut redraw = interval(REDRAW_EVERY);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = pin!(interrupted());
    let mut pings = pin!(ping(client));
    loop {
        table.rtt = client.rtt();
        face.show(&table).map_err(said)?;
        let next = tokio::select! {
            event = room.next() => Next::Event(event),
            intent = face.intent(&mut table) => Next::Intent(intent),
            _ = redraw.tick() => Next::Redraw,
            () = &mut interrupted => Next::Interrupted,
            () = &mut pings => Next::Redraw,
            Ok(()) = states.changed() => Next::Redraw,
            moved = settled(&mut moving) => match moved {
                Ok(()) => Next::Redraw,
                Err(error) => Next::Told(format!("The transport stays as it is: {error}.")),
            },
        };
        let state = states.borrow_and_update().clone();
        if let SessionState::Closed { why, .. } = state {
            // There is nothing that the player could mend.
            return over(RoomEnd::Session(why));
        }
        let link = Link::of(&state);
        if let Some(sentence) = link.told_since(&table.link) {
            face.tell(&sentence, &mut table)?;
        }
        table.link = link;
        match next {
            Next::Event(Some(RoomEvent::Closed(end))) => return over(end),
            Next::Event(None) => return over(RoomEnd::Left),
            Next::Event(Some(event)) => {
                table.on_event(&event, room.members(), Instant::now());
                face.say(&event, &table).map_err(said)?;
            }
            Next::Intent(Some(Intent::Act(action))) => {
                // What the game refuses comes back as an event; what ended meanwhile, too.
                if let Err(error) = room.send(&action).await {
                    table.reply(&error.to_string(), Instant::now());
                }
            }
            Next::Intent(Some(Intent::Move)) => {
                let choice = next_transport(client.transport());
                moving = Some(Box::pin(client.move_to(choice)));
            }
            Next::Told(sentence) => face.tell(&sentence, &mut table)?,
            Next::Intent(Some(Intent::Quit)) | Next::Interrupted => return over(RoomEnd::Left),
            Next::Intent(None) | Next::Redraw => {}
        }
    }
}

fn over(end: RoomEnd) -> Result<String, String> {
    match end {
        RoomEnd::Left => Ok("You left the room.".into()),
        end => Err(printable(&end.to_string())),
    }
}

fn said(error: io::Error) -> String {
    format!("Cannot write to the terminal: {error}")
}

fn next_transport(transport: Transport) -> TransportChoice {
    let place = TRANSPORTS.iter().position(|(known, _)| *known == transport).unwrap_or(0);
    TRANSPORTS[(place + 1) % TRANSPORTS.len()].1
}

/// Waits for a move to end; for ever if there is none.
async fn settled<T, F: Future<Output = T> + Unpin>(moving: &mut Option<F>) -> T {
    let Some(future) = moving else { return std::future::pending().await };
    let outcome = future.await;
    *moving = None;
    outcome
}

/// Measures the round trip now and then; the client keeps the figure.
async fn ping(client: &Client) {
    // One that is not answered is for the connection's state to tell.
    while !matches!(client.ping().await, Err(ClientError::Closed(_))) {
        sleep(PING_EVERY).await;
    }
    // The room's own end says why.
    std::future::pending().await
}

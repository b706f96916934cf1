//! Bots that play tic-tac-toe perfectly: one against you, or many against each other as a soak test.
//!
//! `cargo run --example bot` waits for an opponent. `-- --count 100 --games 20 --think-ms 0` plays 1,000 matches and
//! says how it went; the exit code is 1 if anything happened that should not.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anteroom_client::{Client, ClientError, Codec, ErrorBody, Role, Room, RoomEvent, RoomId, TransportChoice, UserId};
use anteroom_examples::args::ServerArgs;
use anteroom_examples::{TicTacToe, complain, interrupted, printable};
use anteroom_games::tic_tac_toe::{Action, Mark, Status, View, best_moves};
use clap::Parser;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How many bots connect at a time, so that a crowd does not run into its own timeouts.
const CONNECTING_MAX: usize = 32;
/// How long the reason for a refusal may take to arrive.
const EXPLAINED_WITHIN: Duration = Duration::from_secs(5);
/// How often many bots say how far they are: on a terminal, where one line is written over, and elsewhere.
const TOLD_EVERY: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];
/// How many of the unexpected things are shown in full.
const FAULTS_SHOWN: usize = 10;

/// Bots that play tic-tac-toe perfectly, against you or each other, and say how it went.
#[derive(Debug, Clone, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs,

    /// How many bots; they pair up as they find each other
    #[arg(long, default_value_t = 1)]
    count: u32,

    /// How many matches each of them plays; 0 for no end, until Ctrl-C
    #[arg(long, default_value_t = 0)]
    games: u32,

    /// automatic, quic, webtransport or websocket
    #[arg(long, default_value = "automatic")]
    transport: TransportChoice,

    /// json or bincode
    #[arg(long, default_value = "bincode", value_parser = codec)]
    codec: Codec,

    /// How long a bot thinks about each move, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 300)]
    think_ms: u64,

    /// The room to play in, instead of any with a free seat
    #[arg(long, value_name = "ID")]
    room: Option<RoomId>,
}

fn codec(text: &str) -> Result<Codec, &'static str> {
    Codec::ALL.into_iter().find(|codec| codec.to_string() == text).ok_or("json or bincode expected")
}

/// What one bot saw, or all of them together.
#[derive(Debug, Default)]
struct Tally {
    /// Matches that were played to their end, by each bot.
    played: u64,
    /// The same, but one of two bots counts once: for both of them, as X.
    wins: u64,
    draws: u64,
    losses: u64,
    walkovers: u64,
    sent: u64,
    received: u64,
    gaps: u64,
    faults: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.played += other.played;
        self.wins += other.wins;
        self.draws += other.draws;
        self.losses += other.losses;
        self.walkovers += other.walkovers;
        self.sent += other.sent;
        self.received += other.received;
        self.gaps += other.gaps;
        self.faults.extend(other.faults);
    }

    fn matches(&self) -> u64 {
        self.wins + self.draws + self.losses
    }

    /// Counts a match that was played to its end, as this player saw it.
    fn count(&mut self, view: &View, me: &UserId, all: &All) {
        self.played += 1;
        if all.counts(view, me) {
            match &view.winner {
                Some(winner) if winner == me => self.wins += 1,
                Some(_) => self.losses += 1,
                None => self.draws += 1,
            }
        }
    }

    fn fault(&mut self, what: impl fmt::Display) {
        self.faults.push(printable(&what.to_string()));
    }
}

/// What bots know of each other.
#[derive(Debug, Default)]
struct All {
    bots: Mutex<BTreeSet<UserId>>,
    matches: AtomicU64,
}

impl All {
    fn add(&self, bot: &UserId) {
        self.bots.lock().unwrap_or_else(PoisonError::into_inner).insert(bot.clone());
    }

    /// Whether this player's view of a match is the one that counts: the other one is no bot, or has O.
    fn counts(&self, view: &View, me: &UserId) -> bool {
        let (x, o) = (view.players.x.as_ref(), view.players.o.as_ref());
        let other = if x == Some(me) { o } else { x };
        let bots = self.bots.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = x == Some(me) || !other.is_some_and(|other| bots.contains(other));
        if counts {
            self.matches.fetch_add(1, Relaxed);
        }
        counts
    }
}

/// How far many bots are, on stderr.
#[derive(Debug)]
struct Progress {
    is_terminal: bool,
    /// How many matches there will be, if that is known: an end, and a partner for everyone.
    all: Option<u64>,
}

impl Progress {
    fn new(cli: &Cli) -> Self {
        let (count, games) = (u64::from(cli.count), u64::from(cli.games));
        Self {
            is_terminal: io::stderr().is_terminal(),
            all: (games > 0 && count % 2 == 0).then_some(count / 2 * games),
        }
    }

    fn every(&self) -> Duration {
        TOLD_EVERY[usize::from(!self.is_terminal)]
    }

    fn show(&self, matches: u64, seconds: f64) {
        let all = self.all.map_or_else(String::new, |all| format!(" of {all}"));
        let line = format!("{matches}{all} matches played, {seconds:.0} s");
        let (before, after) = if self.is_terminal { ("\r", "") } else { ("", "\n") };
        let mut stderr = io::stderr();
        let _ = write!(stderr, "{before}{line}{after}").and_then(|()| stderr.flush());
    }

    /// Leaves an empty line for what comes next.
    fn end(&self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r{}\r", " ".repeat(60));
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("Cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if cli.count > 1 && cli.count % 2 == 1 {
        complain("An odd number of bots: one of them waits for somebody else to play with.");
    }
    if cli.count > 1 {
        complain(&format!("{} bots come to {}.", cli.count, cli.server.server));
    }
    let started = Instant::now();
    let (tally, was_interrupted) = runtime.block_on(run(&cli));
    // Whoever has stopped reading still gets the exit code.
    let _ = writeln!(io::stdout(), "{}", summary(&cli, &tally, started.elapsed()));
    let played = u64::from(cli.count) * u64::from(cli.games);
    if !tally.faults.is_empty() || (!was_interrupted && tally.played != played) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Lets all bots play; says whether they were interrupted.
async fn run(cli: &Cli) -> (Tally, bool) {
    let (stop, stopped) = watch::channel(false);
    let connecting = Arc::new(Semaphore::new(CONNECTING_MAX));
    let (all, progress, started) = (Arc::new(All::default()), Progress::new(cli), Instant::now());
    let mut told = tokio::time::interval(progress.every());
    told.reset();
    let mut bots = JoinSet::new();
    for number in 1..=cli.count {
        let (cli, connecting, stopped, all) = (cli.clone(), connecting.clone(), stopped.clone(), all.clone());
        bots.spawn(Box::pin(async move {
            let mut bot = Bot { cli, connecting, tally: Tally::default(), stopped, all };
            if let Err(fault) = bot.run(number).await {
                bot.tally.fault(format_args!("bot {number}: {fault}"));
            }
            bot.tally
        }));
    }
    let mut tally = Tally::default();
    let mut was_interrupted = false;
    loop {
        if !tally.faults.is_empty() {
            // The opponent of a bot that is gone would wait for ever.
            stop.send_replace(true);
        }
        tokio::select! {
            ended = bots.join_next() => match ended {
                Some(Ok(one)) => tally.add(one),
                Some(Err(error)) => tally.fault(error),
                None => {
                    progress.end();
                    return (tally, was_interrupted);
                }
            },
            _ = told.tick(), if cli.count > 1 => {
                progress.show(all.matches.load(Relaxed), started.elapsed().as_secs_f64());
            }
            () = interrupted(), if !was_interrupted => {
                complain("Finishing; every bot leaves its room.");
                was_interrupted = true;
                stop.send_replace(true);
            }
        }
    }
}

fn summary(cli: &Cli, tally: &Tally, took: Duration) -> String {
    let rate = (tally.sent + tally.received) as f64 / took.as_secs_f64().max(1e-3);
    let Cli { count, transport, codec, .. } = cli;
    let Tally { wins, draws, losses, walkovers, sent, received, gaps, faults, .. } = tally;
    let mut lines = vec![
        format!("{count} bots over {transport} in {codec}, {:.1} s", took.as_secs_f64()),
        format!("matches   {}", tally.matches()),
        format!("results   {wins} won, {draws} drawn, {losses} lost, {walkovers} broken off"),
        format!("messages  {sent} sent, {received} received, {rate:.0} a second, {gaps} gaps"),
        format!("faults    {}", faults.len()),
    ];
    lines.extend(faults.iter().take(FAULTS_SHOWN).map(|fault| format!("          {fault}")));
    lines.join("\n")
}

/// Something that should not happen.
#[derive(Debug)]
struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        Self(error.to_string())
    }
}

struct Bot {
    cli: Cli,
    connecting: Arc<Semaphore>,
    tally: Tally,
    stopped: watch::Receiver<bool>,
    all: Arc<All>,
}

impl Bot {
    async fn run(&mut self, number: u32) -> Result<(), Fault> {
        let options = self.cli.server.options(self.cli.transport).codec(self.cli.codec).name(format!("Bot {number}"));
        let client = {
            let _permit = self.connecting.acquire().await.map_err(|error| Fault(error.to_string()))?;
            let connected = Client::connect(options).await;
            connected.map_err(|error| Fault(self.cli.server.explain(&error)))?
        };
        self.all.add(client.user_id());
        let played = Box::pin(self.play(&client)).await;
        client.close().await;
        played
    }

    async fn play(&mut self, client: &Client) -> Result<(), Fault> {
        let mut room = self.sit_down(client).await?;
        if self.cli.count == 1 {
            let _ = writeln!(io::stdout(), "Waiting in room {} as {}.", room.room_id(), printable(client.username()));
        }
        let mut last = Status::Waiting;
        let (mut answered, mut gaps) = (None, self.tally.gaps);
        while !*self.stopped.borrow() {
            let view = room.view().clone();
            if last == Status::Playing && view.status != Status::Playing {
                self.count(&view, client.user_id());
            }
            last = view.status;
            if self.cli.games > 0 && self.tally.played >= u64::from(self.cli.games) {
                break;
            }
            if gaps != self.tally.gaps {
                // What was done last may have been lost.
                (answered, gaps) = (None, self.tally.gaps);
            }
            // The first state repeats what joining brought; acting on it twice would be one move too many.
            if let Some(action) = next_action(&view, client.user_id())
                && answered.as_ref() != Some(&view)
            {
                answered = Some(view.clone());
                if let Err(refusal) = self.act(&room, action).await? {
                    self.explain(&mut room, &view, refusal).await?;
                    continue;
                }
            }
            if !self.next_state(&mut room).await? {
                break;
            }
        }
        self.tally.sent += 1;
        room.leave().await?;
        self.tally.received += 1;
        Ok(())
    }

    async fn sit_down(&mut self, client: &Client) -> Result<Room<TicTacToe>, Fault> {
        self.tally.sent += 1;
        let room = match self.cli.room {
            Some(room_id) => client.join_room(room_id, Role::Player).await?,
            None => client.quick_join().await?,
        };
        self.tally.received += 1;
        Ok(room)
    }

    fn count(&mut self, view: &View, me: &UserId) {
        match (view.status, &view.winner) {
            (Status::Won, Some(_)) if view.line.is_none() => self.tally.walkovers += 1,
            (Status::Draw, _) => self.tally.count(view, me, &self.all),
            (Status::Won, winner) => {
                self.tally.count(view, me, &self.all);
                if winner.as_ref() != Some(me) {
                    self.tally.fault("a bot that plays perfectly has lost");
                }
            }
            (Status::Waiting | Status::Playing, _) => self.tally.walkovers += 1,
        }
    }

    /// Does something; the game may refuse.
    async fn act(&mut self, room: &Room<TicTacToe>, action: Action) -> Result<Result<(), ErrorBody>, Fault> {
        sleep(Duration::from_millis(self.cli.think_ms)).await;
        self.tally.sent += 1;
        let done = match room.act(&action).await {
            Ok(()) => Ok(()),
            Err(ClientError::Server(error)) => Err(error),
            // The connection was lost. Whatever came of it, a state will show.
            Err(ClientError::OutcomeUnknown | ClientError::Timeout(_)) => return Ok(Ok(())),
            Err(error) => return Err(error.into()),
        };
        self.tally.received += 1;
        Ok(done)
    }

    /// A move may be refused because the opponent left while it was on its way, or another one sat down; it may even
    /// have become the first move of a new match. Then there is a newer state that says so.
    async fn explain(&mut self, room: &mut Room<TicTacToe>, acted_on: &View, refusal: ErrorBody) -> Result<(), Fault> {
        let newer = async {
            while room.view() == acted_on && self.next_state(room).await? {}
            Ok::<(), Fault>(())
        };
        timeout(EXPLAINED_WITHIN, newer).await.unwrap_or(Ok(()))?;
        if room.view() == acted_on && !*self.stopped.borrow() {
            return Err(Fault(format!("refused although nothing has changed: {refusal}")));
        }
        Ok(())
    }

    /// Waits for the next state; false if it is time to go.
    async fn next_state(&mut self, room: &mut Room<TicTacToe>) -> Result<bool, Fault> {
        loop {
            let event = tokio::select! {
                event = room.next() => event,
                _ = self.stopped.changed() => return Ok(false),
            };
            self.tally.received += 1;
            match event {
                Some(RoomEvent::State(_)) => return Ok(true),
                Some(
                    RoomEvent::Joined(_)
                    | RoomEvent::Left { .. }
                    | RoomEvent::Disconnected { .. }
                    | RoomEvent::Reconnected { .. }
                    | RoomEvent::RoomUpdated(_)
                    | RoomEvent::MemberUpdated(_)
                    | RoomEvent::System(_),
                ) => {}
                Some(RoomEvent::Gap { .. }) => self.tally.gaps += 1,
                Some(RoomEvent::Closed(end)) => return Err(Fault(format!("the room ended: {end}"))),
                Some(other) => return Err(Fault(format!("unexpected: {other:?}"))),
                None => return Ok(false),
            }
        }
    }
}

/// What a perfect player does now, if it is up to them.
fn next_action(view: &View, me: &UserId) -> Option<Action> {
    let mark = if view.players.x.as_ref() == Some(me) { Mark::X } else { Mark::O };
    match view.status {
        Status::Playing if view.current_turn.as_ref() == Some(me) => {
            let cell = *best_moves(&view.board, mark).first()?;
            Some(Action::MakeMove { row: cell.row().into(), col: cell.col().into() })
        }
        Status::Won | Status::Draw if !view.rematch_wanted.contains(me) => {
            let both = view.players.x.is_some() && view.players.o.is_some();
            both.then_some(Action::Rematch {})
        }
        _ => None,
    }
}

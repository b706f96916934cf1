//! Many sessions in rooms of four, on every transport and in both codecs, behind one relay that breaks in every way.
//!
//! Every step waits until what it broke is seen to be broken, and then until every session is connected again. The
//! storm goes on until each session was switched often enough.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anteroom_client::{Codec, ConnectError, ConnectOptions, Transport, TransportChoice};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Member, Session, Told, options};
use crate::fault::{Cut, Faults, Relay, Way};
use crate::server::TestServer;

/// How often each session is switched at least: loses its connection, or moves while everything goes on.
pub const SWITCHES_MIN: u64 = 3;

/// How many sit in a room: one on each transport, and one that chooses by itself.
const ROOM: usize = 4;
const CHOICES: [TransportChoice; ROOM] =
    [TransportChoice::Quic, TransportChoice::WebTransport, TransportChoice::WebSocket, TransportChoice::Automatic];
/// In which order sessions move, or the other way round.
const ROUND: [Transport; 3] = [Transport::Quic, Transport::WebTransport, Transport::WebSocket];
/// How many connect or move at a time.
const AT_ONCE: usize = 32;
/// How many words all sessions together say in a second, so that more of them need no faster machine.
const WORDS_PER_SECOND: usize = 400;
/// How long nothing may be heard before a connection counts as lost.
const SILENCE_MS: u64 = 5_000;
/// How long one fault lasts; shorter than the silence that ends a connection.
const FAULT: Duration = Duration::from_millis(700);
/// How long one step of the storm may take before it counts as hanging.
const STEP_MAX: Duration = Duration::from_secs(60);

/// What a storm did.
#[derive(Debug)]
pub struct Damage {
    /// How often a session was without a connection.
    pub losses: u64,
    /// How often a session was told to move, and did.
    pub moves: u64,
    /// How often both together befell the session that was spared the most.
    pub fewest_switches: u64,
    /// From what to what sessions were told to move.
    pub changes: BTreeSet<String>,
    /// Datagrams that the relay lost by chance, both ways.
    pub datagrams_lost: u64,
    /// Words that were heard from others.
    pub words: u64,
    /// How long it took.
    pub took: Duration,
}

/// See the module.
pub struct Storm {
    began: Instant,
    server: TestServer,
    relay: Relay,
    sessions: Vec<Arc<Session>>,
    members: Vec<Member>,
    changes: BTreeSet<String>,
}

impl Storm {
    /// Connects so many sessions, rounded up to whole rooms, and seats them, in fair weather.
    pub async fn gather(sessions: usize) -> Self {
        let began = Instant::now();
        let server = TestServer::with(|config| {
            config.times.silence_ms = SILENCE_MS;
            (config.times.websocket_ping_ms, config.times.quic_keep_alive_ms) = (1_000, 1_000);
        });
        let relay = Relay::start(server.addr(), 42).unwrap();
        let rooms = (0..sessions.div_ceil(ROOM)).map(|number| seat(ways(&server, &relay, number)));
        let (sessions, members) = each(rooms.collect()).await.into_iter().flatten().unzip();
        let storm = Self { began, server, relay, sessions, members, changes: BTreeSet::new() };
        storm.note("everybody is seated");
        storm
    }

    /// Lets everybody talk, breaks everything, and checks that everybody has heard everything.
    ///
    /// # Panics
    /// If anything is lost, doubled or out of order, a gap is told, a seat is lost, or a session does not come back.
    pub async fn rage(mut self) -> Damage {
        let (over, is_over) = watch::channel(false);
        let apart_ms = u32::try_from(self.sessions.len() * 1000 / WORDS_PER_SECOND).unwrap();
        let mut talking = JoinSet::new();
        for (seed, member) in (0..).zip(std::mem::take(&mut self.members)) {
            talking.spawn(Box::pin(member.talk(ROOM, apart_ms, is_over.clone(), seed)));
        }
        tokio::select! {
            () = Box::pin(self.break_everything()) => {}
            failed = talking.join_next() => panic!("{failed:?}"),
        }
        over.send_replace(true);
        self.note("nothing breaks any more");
        let hearing = async {
            let mut members = Vec::new();
            while let Some(member) = talking.join_next().await {
                members.push(member.unwrap());
            }
            members
        };
        let members = timeout(STEP_MAX, hearing).await.expect("everybody hears everything");
        self.note("everybody has heard everything");
        self.check(members).await
    }

    async fn check(self, mut members: Vec<Member>) -> Damage {
        // None is dropped before all are looked at: that would be leaving.
        for member in &mut members {
            member.everybody_is_there().await;
            member.hear_the_rest().await;
            assert!(!member.told.iter().any(|told| matches!(told, Told::Gone(_))), "{:?}", member.told);
        }
        for session in &self.sessions {
            assert!(session.carried_by().is_some());
            assert_eq!(*session.client().gaps().borrow(), 0, "{}", session.client().username());
        }
        let damage = Damage {
            losses: self.sum(Session::losses),
            moves: self.sum(Session::moves),
            fewest_switches: self.fewest_switches(),
            words: self.sum(Session::words),
            datagrams_lost: [Way::Up, Way::Down].map(|way| self.relay.udp.counts(way).lost).iter().sum(),
            changes: self.changes,
            took: self.began.elapsed(),
        };
        self.server.shutdown().await;
        damage
    }

    fn sum(&self, count: fn(&Session) -> u64) -> u64 {
        self.sessions.iter().map(|session| count(session)).sum()
    }

    fn fewest_switches(&self) -> u64 {
        self.sessions.iter().map(|session| session.losses() + session.moves()).min().unwrap_or_default()
    }

    fn note(&self, what: &str) {
        let (took, losses) = (self.began.elapsed().as_secs_f64(), self.sum(Session::losses));
        println!("{took:5.1} s, {losses} losses: {what}");
    }

    async fn break_everything(&mut self) {
        // Only now: a WebTransport handshake whose first packets are lost may fail for good, which a session that is
        // there takes as one failed attempt, while one that begins is told.
        self.relay.udp.set_all_faults(&Faults {
            loss: 0.03,
            duplicate: 0.03,
            reorder: 0.03,
            delay: Duration::from_millis(1)..=Duration::from_millis(5),
            ..Faults::default()
        });
        self.hold_up().await;
        self.cut(Cut::Reset, self.sessions.len() / ROOM).await;
        self.rebind().await;
        self.block_udp().await;
        self.move_all(false).await;
        self.cut(Cut::Finish, self.carried_by(Transport::WebSocket)).await;
        self.move_all_while_it_breaks().await;
        self.unplug().await;
        while self.fewest_switches() < SWITCHES_MIN {
            self.cut(Cut::Reset, self.carried_by(Transport::WebSocket)).await;
            self.move_all(false).await;
        }
    }

    /// Connections stand still in one direction, then in the other, then are slow.
    async fn hold_up(&self) {
        for way in [Way::Down, Way::Up] {
            self.relay.tcp.stall(way, true);
            sleep(FAULT).await;
            self.relay.tcp.stall(way, false);
        }
        self.relay.tcp.slow(NonZeroU32::new(20_000));
        sleep(FAULT).await;
        self.relay.tcp.slow(None);
        self.all_connected("standing still").await;
    }

    /// Cuts connections, of which there are so many at least.
    async fn cut(&self, cut: Cut, at_least: usize) {
        let before = self.relay.tcp.counts().connections;
        self.relay.tcp.cut(cut);
        let again = before + at_least as u64;
        until_in(STEP_MAX, "connections after a cut", || self.relay.tcp.counts().connections >= again).await;
        self.all_connected("a cut").await;
    }

    /// Everybody behind a router that forgets, twice, hears more afterwards.
    async fn rebind(&self) {
        for _ in 0..2 {
            let before: Vec<u64> = self.sessions.iter().map(|session| session.words()).collect();
            self.relay.udp.rebind().unwrap();
            until_in(STEP_MAX, "words after a rebind", || {
                self.sessions.iter().zip(&before).all(|(session, before)| session.words() > *before)
            })
            .await;
        }
        self.all_connected("rebinding").await;
    }

    /// Who chooses by itself goes over to WebSocket, and others wait.
    async fn block_udp(&self) {
        self.relay.block_udp(true);
        until_in(STEP_MAX, "UDP is left", || {
            let mut sessions = self.sessions.iter().zip(CHOICES.into_iter().cycle());
            sessions.all(|(session, choice)| match session.carried_by() {
                None => choice != TransportChoice::Automatic,
                Some(transport) => transport == Transport::WebSocket,
            })
        })
        .await;
        self.note("nobody uses UDP");
        self.relay.block_udp(false);
        self.all_connected("blocked UDP").await;
    }

    /// Everything stands still for everybody, and again, with connections cut meanwhile.
    async fn unplug(&self) {
        self.relay.unplug(true);
        sleep(FAULT).await;
        self.relay.unplug(false);
        self.all_connected("a pulled cable").await;
        self.relay.unplug(true);
        self.relay.tcp.cut(Cut::Reset);
        sleep(FAULT).await;
        self.relay.unplug(false);
        self.all_connected("a pulled cable and a cut").await;
    }

    async fn move_all(&mut self, backwards: bool) {
        let moved = timeout(STEP_MAX, Box::pin(self.moves(backwards))).await.expect("everybody moves");
        self.changes.extend(moved);
        self.all_connected("moving").await;
    }

    /// The same, while connections are cut and routers forget; who is thrown back moves all the same.
    async fn move_all_while_it_breaks(&mut self) {
        let breaking = async {
            for cut in [Cut::Reset, Cut::Finish, Cut::Reset] {
                sleep(FAULT).await;
                self.relay.tcp.cut(cut);
                self.relay.udp.rebind().unwrap();
            }
        };
        let both = async { tokio::join!(self.moves(true), breaking) };
        let (moved, ()) = timeout(STEP_MAX, Box::pin(both)).await.expect("everybody moves while it breaks");
        self.changes.extend(moved);
        self.all_connected("moving while it breaks").await;
    }

    /// Moves every session to another transport, in every second room the other way round; gives from what to what.
    async fn moves(&self, backwards: bool) -> Vec<String> {
        let moves = self.sessions.iter().enumerate().map(|(number, session)| {
            let session = session.clone();
            let backwards = backwards != (number / ROOM).is_multiple_of(2);
            async move { move_on(&session, backwards).await }
        });
        each(moves.collect()).await
    }

    fn carried_by(&self, transport: Transport) -> usize {
        self.sessions.iter().filter(|session| session.carried_by() == Some(transport)).count()
    }

    async fn all_connected(&self, after: &str) {
        until_in(STEP_MAX, after, || self.sessions.iter().all(|session| session.carried_by().is_some())).await;
        self.note(&format!("all are connected after {after}"));
    }
}

/// Does all of it, some at a time; gives what came of it in the same order.
async fn each<T: Send + 'static>(all: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut doing = JoinSet::new();
    for (number, one) in all.into_iter().enumerate() {
        let places = places.clone();
        doing.spawn(Box::pin(async move {
            let _place = places.acquire().await.unwrap();
            (number, one.await)
        }));
    }
    let mut done = doing.join_all().await;
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, one)| one).collect()
}

/// How the four of a room connect, each in the codec that its neighbour does not use.
fn ways(server: &TestServer, relay: &Relay, room: usize) -> [ConnectOptions; ROOM] {
    std::array::from_fn(|place| {
        let codec = Codec::ALL[(room + place + place / 2) % Codec::ALL.len()];
        options(server, relay.addr(), CHOICES[place], &format!("{place} in {room}")).codec(codec)
    })
}

/// Connects four and lets them sit down together.
async fn seat(ways: [ConnectOptions; ROOM]) -> Vec<(Arc<Session>, Member)> {
    let mut room: Vec<(Arc<Session>, Member)> = Vec::new();
    for way in ways {
        let session = Session::connect(way).await;
        let member = match room.first() {
            None => Member::host(&session).await,
            Some((_, host)) => Member::join(&session, host.room().room_id()).await,
        };
        room.push((session, member));
    }
    room
}

/// Moves a session to the next transport, as often as something comes in between.
async fn move_on(session: &Session, backwards: bool) -> String {
    loop {
        let Some(from) = session.carried_by() else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let place = ROUND.iter().position(|transport| *transport == from).unwrap();
        let to = CHOICES[(place + if backwards { 2 } else { 1 }) % ROUND.len()];
        match session.move_to(to).await {
            Ok(()) => return format!("{from} to {to}"),
            // The network broke meanwhile, as it is made to.
            Err(ConnectError::BrokenOff | ConnectError::Dial(_) | ConnectError::Lost(_) | ConnectError::Timeout(_)) => {
            }
            Err(error) => panic!("{}: to {to}: {error}", session.client().username()),
        }
    }
}

/// Waits until something is so.
///
/// # Panics
/// If it does not come to be.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    until_in(crate::DEADLINE, what, is_so).await;
}

async fn until_in(max: Duration, what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(max, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

//! A whole server and whole clients over a simulated network that breaks in every way, in virtual time.
//!
//! One number decides everything: what is said and when, what fails, and for how long. [`run`] plays one such story
//! and gives what happened as lines of text; the same number gives the same lines.

mod chaos;
mod guest;
mod hearing;
mod player;
mod reader;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use anteroom_client::dial::Dial;
use anteroom_client::{
    Client, Codec, ConnectError, ConnectOptions, Connection, Json, NewRoom, PathMemory, Role, Room, TransportChoice,
};
use anteroom_core::Rng;
use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_server::Server;
use anteroom_server::config::Config;
use anteroom_transport::simulation::{Network, certificate};
use anteroom_transport::{Address, Dialer, TransportConfig, Trust};
use tokio::time::{Instant, timeout};

use guest::Guest;
use player::{Player, RelayRoom};
use reader::Reader;

use crate::peer::{Peer, Via};

/// Where the server is.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7350);
/// In virtual time; no story is as long.
const DEADLINE: Duration = Duration::from_secs(3600);
/// How many players there are. One more only watches.
const PLAYERS: usize = 3;
/// How many messages each of them says.
const MESSAGES: u64 = 32;
/// How many others come and go meanwhile, and how often each.
const GUESTS: usize = 2;
const VISITS: u16 = 3;
/// The host of one who reads by fits and starts, and whose network does not break.
const READER: usize = 99;
/// In one of so many stories large things are said, and the server keeps little.
const HEAVY_IN: u64 = 8;

/// What happened in one story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Everything that was heard, and when.
    pub lines: Vec<String>,
    /// Stands for every packet: when, how long, with what fate.
    pub fingerprint: u64,
    /// How often a client was without a connection.
    pub losses: u64,
    /// How often a session moved while it went on.
    pub moves: u64,
}

/// Collects what happened.
#[derive(Debug, Clone)]
struct Notes {
    began: Instant,
    lines: Rc<RefCell<Vec<String>>>,
    losses: Rc<RefCell<u64>>,
    moves: Rc<RefCell<u64>>,
}

impl Notes {
    fn note(&self, who: &str, what: &str) {
        let at = self.began.elapsed().as_micros();
        self.lines.borrow_mut().push(format!("{at} {who}: {what}"));
    }
}

/// Plays the story of a seed, in a runtime of its own.
///
/// # Panics
/// If a message is lost, doubled or out of order, a gap goes untold or is told for nothing, a session ends, or the
/// story does not come to its end.
#[must_use]
pub fn run(seed: u64) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let story = Box::pin(play(seed));
        timeout(DEADLINE, story).await.unwrap_or_else(|_| panic!("seed {seed}: the story does not end"))
    })
}

async fn play(seed: u64) -> Story {
    let heavy = seed % HEAVY_IN == HEAVY_IN - 1;
    let mut rng = Rng::new(seed);
    let network = Network::new(rng.next_u64(), chaos::weather(&mut rng));
    let (server, root) = serve(&network, &mut rng, heavy);
    let notes = Notes { began: Instant::now(), lines: Rc::default(), losses: Rc::default(), moves: Rc::default() };

    let mut clients = Vec::new();
    for number in 0..=PLAYERS {
        clients.push(connect(&network, &root, at(number, chaos::UDP_PORT), &mut rng).await.unwrap());
    }
    let rooms = enter(&clients).await;
    let mut players: Vec<Player> = Vec::new();
    for (number, (client, room)) in clients.into_iter().zip(rooms).enumerate() {
        players.push(Player::new(number, client, room, Rng::new(rng.next_u64()), notes.clone(), heavy));
    }
    let room_id = players[0].room_id();
    let peer = dial_reader(&network, &root, &mut rng).await;
    let reader = Reader::enter(peer, &room_id, Rng::new(rng.next_u64()), notes.clone(), heavy).await;

    let hosts: Vec<IpAddr> = (0..=PLAYERS + GUESTS).map(host).collect();
    let breaking = chaos::run(&network, &hosts, Rng::new(rng.next_u64()));
    let users: Vec<String> = players[..PLAYERS].iter().map(|player| player.user_id()).collect();
    let playing = async {
        let mut parts: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        for player in &mut players {
            parts.push(Box::pin(player.play(&users)));
        }
        parts.push(Box::pin(reader.read(&users)));
        for number in PLAYERS + 1..=PLAYERS + GUESTS {
            let guest = Guest { number, rng: Rng::new(rng.next_u64()), notes: notes.clone() };
            parts.push(Box::pin(come_and_go(guest, &network, &root)));
        }
        in_turn(parts).await;
    };
    in_turn(vec![Box::pin(breaking), Box::pin(playing)]).await;

    players[0].is_left_alone().await;
    for player in players {
        player.close().await;
    }
    server.shutdown().await;
    let (losses, moves) = (*notes.losses.borrow(), *notes.moves.borrow());
    Story { lines: notes.lines.take(), fingerprint: network.fingerprint(), losses, moves }
}

/// Waits for all of them, looking at them in their order.
pub(crate) async fn in_turn(mut parts: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    std::future::poll_fn(|cx| {
        parts.retain_mut(|part| part.as_mut().poll(cx).is_pending());
        if parts.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn at(number: usize, port: u16) -> SocketAddr {
    SocketAddr::new(host(number), port)
}

fn host(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 1, u8::try_from(number).unwrap() + 1))
}

/// Takes a connection for lost after a shorter silence than usual, so that there is more to live through.
fn impatient() -> TransportConfig {
    TransportConfig {
        quic_keep_alive: Duration::from_secs(2),
        websocket_ping: Duration::from_secs(2),
        silence_max: Duration::from_secs(6),
        ..TransportConfig::default()
    }
}

/// A server at its address, and the root of its certificate.
fn serve(network: &Network, rng: &mut Rng, heavy: bool) -> (Server, Trust) {
    let (tls, root) = certificate(&[SERVER.ip()]);
    let mut config = Config::development();
    if heavy {
        (config.limits.lane_bytes_max, config.limits.kept_bytes_max) = (64 << 10, 24 << 10);
    }
    let server = Server::simulate(config, anteroom_games::registry().unwrap(), rng.next_u64()).unwrap();
    server.accept(network.listener(SERVER, &tls, impatient()).unwrap());
    let streams = network.stream_listener(SERVER).unwrap();
    let serving = server.clone();
    tokio::spawn(async move {
        loop {
            let (stream, serving) = (streams.accept().await, serving.clone());
            tokio::spawn(async move {
                if let Ok(upgraded) = stream.upgrade(impatient()).await {
                    serving.serve(upgraded.connection, Some(upgraded.codec.unwrap_or_default()));
                }
            });
        }
    });
    (server, Trust::Roots(vec![root]))
}

/// Dials from one host.
struct SimulatedDial {
    dialer: std::sync::Arc<Dialer>,
}

impl Dial for SimulatedDial {
    fn dial(
        &self,
        choice: TransportChoice,
        codec: Codec,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>> {
        let dialer = self.dialer.clone();
        Box::pin(async move {
            let address = Address { host: SERVER.ip().to_string(), port: SERVER.port() };
            Ok(match choice {
                TransportChoice::WebSocket => dialer.websocket(&format!("ws://{SERVER}/ws"), codec).await?,
                _ => dialer.quic(&address).await?,
            })
        })
    }
}

fn dialer(network: &Network, root: &Trust, addr: SocketAddr) -> Dialer {
    let config = TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..impatient() };
    network.dialer(addr, root.clone(), config)
}

async fn dial_reader(network: &Network, root: &Trust, rng: &mut Rng) -> Peer {
    let dialer = dialer(network, root, at(READER, chaos::UDP_PORT));
    let way = Reader::way(rng);
    let connection = match way.via {
        Via::WebSocket => dialer.websocket(&format!("ws://{SERVER}/ws"), way.codec).await,
        _ => dialer.quic(&Address { host: SERVER.ip().to_string(), port: SERVER.port() }).await,
    };
    Peer::over(connection.unwrap(), way)
}

/// One session after another, each from another port.
async fn come_and_go(mut guest: Guest, network: &Network, root: &Trust) {
    for visit in 0..VISITS {
        let mut rng = Rng::new(guest.rng.next_u64());
        match connect(network, root, at(guest.number, chaos::UDP_PORT + 1000 * visit), &mut rng).await {
            Ok(client) => guest.spend(client).await,
            Err(error) => guest.fails(&error),
        }
    }
}

async fn connect(network: &Network, root: &Trust, addr: SocketAddr, rng: &mut Rng) -> Result<Client, ConnectError> {
    let dialer = dialer(network, root, addr);
    let dial = SimulatedDial { dialer: std::sync::Arc::new(dialer) };
    let transport = match rng.below(3) {
        0 => TransportChoice::Automatic,
        1 => TransportChoice::Quic,
        _ => TransportChoice::WebSocket,
    };
    let mut options = ConnectOptions::new(transport, SERVER.to_string()).name(format!("On {}", addr.ip()));
    options.paths = PathMemory::new();
    options.connect_timeout = Duration::from_secs(120);
    options.session.codec = if rng.below(2) == 0 { Codec::Json } else { Codec::Bincode };
    options.session.request_timeout = Duration::from_secs(600);
    options.session.seed = Some(rng.next_u64());
    Client::with_dial(dial, options).await
}

/// The first makes a room, the others sit down in it, the last one watches.
async fn enter(clients: &[Client]) -> Vec<RelayRoom> {
    let options = Json::new(&serde_json::json!({"members_max": PLAYERS})).unwrap();
    let new = NewRoom::new().options(options);
    let made: Room<player::Relay> = clients[0].create_room(new).await.unwrap();
    let room_id = made.room_id();
    let mut rooms = vec![made];
    for (number, client) in clients.iter().enumerate().skip(1) {
        let role = if number < PLAYERS { Role::Player } else { Role::Spectator };
        rooms.push(client.join_room(room_id, role).await.unwrap());
    }
    rooms
}

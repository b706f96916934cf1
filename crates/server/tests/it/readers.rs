//! Clients that read slowly, or not at all, or let the server have few streams: who is closed for it, and who is not. In
//! virtual time, over a simulated network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{BatchBuilder, Codec, LaneId};
use anteroom_server::{Config, Server};
use anteroom_transport::simulation::{Conditions, Network, certificate};
use anteroom_transport::{Address, Closed, Connection, Event, TransportConfig, Trust, memory, tls, websocket};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7350);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1)), 5000);
/// More lists than a stream, TLS and the server's queue take at a time.
const LISTS: u64 = 4;
/// How many bytes a slow client reads in a second.
const SLOW_BYTES: u32 = 3800;

/// Both ends of a WebSocket, over TLS or not.
async fn websocket_pair(network: &Network, is_tls: bool) -> (Connection, Connection) {
    let (ours, theirs) = (client_config(), TransportConfig::default());
    if !is_tls {
        return network.websocket((CLIENT, ours), (SERVER, theirs));
    }
    let listener = network.stream_listener(SERVER).unwrap();
    let (near, far) = tokio::join!(network.connect(CLIENT, SERVER), listener.accept());
    let (server_tls, root) = certificate(&[SERVER.ip()]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client_tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let acceptor = TlsAcceptor::from(server_tls.tcp_config().unwrap());
    let connector = TlsConnector::from(Arc::new(client_tls));
    let (near, far) = tokio::join!(connector.connect(SERVER.ip().into(), near.unwrap()), tls::accept(&acceptor, far));
    let client = websocket::connected(near.unwrap(), Default::default(), SERVER, ours);
    (client, websocket::accept_tls(far.unwrap(), Default::default(), CLIENT, theirs))
}

fn client_config() -> TransportConfig {
    TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() }
}

struct Client {
    connection: Connection,
    unread: Vec<Value>,
}

impl Client {
    async fn enter(connection: Connection) -> Self {
        let mut client = Self { connection, unread: Vec::new() };
        client.say(&json!({"type": "handshake", "data": {"version": 1, "name": "Ada"}})).await;
        client.hear(|message| message["type"] == "handshake_accepted").await.unwrap();
        client
    }

    async fn say(&mut self, message: &Value) {
        let mut batch = BatchBuilder::new(Codec::Json);
        batch.push_encoded(message.to_string().as_bytes());
        self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await.unwrap();
        self.connection.flush().await.unwrap();
    }

    /// The first message that is wanted.
    async fn hear(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value, Closed> {
        loop {
            if let Some(place) = self.unread.iter().position(&wanted) {
                return Ok(self.unread.remove(place));
            }
            if let Event::Record { payload, .. } = self.connection.recv().await? {
                match serde_json::from_slice(&payload).unwrap() {
                    Value::Array(messages) => self.unread.extend(messages),
                    message => self.unread.push(message),
                }
            }
        }
    }

    async fn ask(&mut self, reference: u64, kind: &str, data: Value) -> Result<Value, Closed> {
        self.say(&json!({"type": kind, "ref": reference, "data": data})).await;
        self.hear(|message| message["ref"] == reference).await
    }
}

fn server() -> Server {
    let mut config = Config::default();
    config.auth.guests = true;
    config.limits.rooms_per_session_max = 1000;
    Server::simulate(config, anteroom_games::registry().unwrap(), 1).unwrap()
}

/// Somebody who keeps rooms open, whose list is long.
async fn with_many_rooms(server: &Server) -> Client {
    let (near, far) = memory::pair(TransportConfig::default(), 1);
    server.serve(far, None);
    let mut host = Client::enter(near).await;
    for number in 0..500 {
        let name = format!("{number} {}", "\u{1d54f}".repeat(28));
        let created = host.ask(number, "create_room", json!({"game": "relay", "name": name})).await.unwrap();
        assert_eq!(created["success"], true, "{created}");
    }
    host
}

/// Asks for lists, over TLS or not, and reads so many bytes of them in a second.
async fn asks_for_lists(is_tls: bool, pace: u32) -> (Network, Client) {
    let server = server();
    let host = with_many_rooms(&server).await;
    let network = Network::new(1, Conditions::default());
    let (near, far) = websocket_pair(&network, is_tls).await;
    server.serve(far, Some(Codec::Json));
    let mut client = Client::enter(near).await;
    network.pace_streams(CLIENT.ip(), Some(pace));
    for number in 1..=LISTS {
        client.say(&json!({"type": "list_rooms", "ref": number, "data": {"limit": 500}})).await;
    }
    // It keeps the rooms.
    tokio::spawn(async move {
        let mut host = host;
        while host.connection.recv().await.is_ok() {}
    });
    (network, client)
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_gets_everything() {
    for is_tls in [false, true] {
        let (_network, mut client) = asks_for_lists(is_tls, SLOW_BYTES).await;
        for number in 1..=LISTS {
            let list = client.hear(|message| message["ref"] == number).await.unwrap();
            assert!(list.to_string().len() > 100_000, "{}", list.to_string().len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_is_closed_after_twenty_seconds() {
    for is_tls in [false, true] {
        let (network, mut client) = asks_for_lists(is_tls, 0).await;
        sleep(Duration::from_secs(21)).await;
        network.pace_streams(CLIENT.ip(), None);
        let closed = client.hear(|message| message["type"] == "never").await.unwrap_err();
        assert!(matches!(closed, Closed::ByPeer { code: 4002, .. }), "{is_tls}: {closed}");
        assert!(client.unread.iter().any(|message| message["data"]["code"] == 4002), "{is_tls}: no goodbye");
    }
}

/// A client that lets the server have four streams is in five rooms.
#[tokio::test(start_paused = true)]
async fn who_lets_the_server_have_few_streams_is_in_more_rooms_later() {
    let server = server();
    let network = Network::new(1, Conditions::default());
    let (tls, root) = certificate(&[SERVER.ip()]);
    server.accept(network.listener(SERVER, &tls, TransportConfig::default()).unwrap());
    let config = TransportConfig { lanes_max: 0, ..client_config() };
    let dialer = network.dialer(CLIENT, Trust::Roots(vec![root]), config);
    let connection = dialer.quic(&Address { host: SERVER.ip().to_string(), port: SERVER.port() }).await.unwrap();
    let mut client = Client::enter(connection).await;
    let mut rooms = Vec::new();
    for number in 1..=4 {
        let created = client.ask(number, "create_room", json!({"game": "relay"})).await.unwrap();
        rooms.push(created["room_id"].as_str().unwrap().to_owned());
    }
    for number in 5..=6 {
        client.say(&json!({"type": "create_room", "ref": number, "data": {"game": "relay"}})).await;
    }
    // Much longer than anybody may read nothing.
    sleep(Duration::from_secs(60)).await;
    client.say(&json!({"type": "ping", "data": {"ts": 1}})).await;
    client.hear(|message| message["type"] == "pong").await.unwrap();
    assert!(client.unread.iter().all(|message| message["type"] != "create_room_result"), "{:?}", client.unread);
    for (room_id, number) in rooms.iter().zip(5_u64..) {
        client.say(&json!({"type": "leave_room", "room_id": room_id})).await;
        if number <= 6 {
            let created = client.hear(|message| message["ref"] == number).await.unwrap();
            assert_eq!(created["success"], true, "{created}");
        }
    }
}

//! The simulated network: what it does to connections, and that it does the same whenever it is given the same seed.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{Batch, BatchBuilder, Codec, LaneId};
use anteroom_transport::quic::Listener;
use anteroom_transport::simulation::{Conditions, Network, certificate};
use anteroom_transport::{
    Address, Closed, Connection, DialError, Dialer, Event, ServerTls, Transport, TransportConfig, Trust,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7350);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1)), 5000);
/// In virtual time; nothing that works comes near.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Runs a test in virtual time, which begins anew for each.
fn simulate<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { timeout(DEADLINE, Box::pin(test)).await.expect("the test hangs") })
}

fn rough() -> Conditions {
    Conditions {
        latency: Duration::from_millis(10)..=Duration::from_millis(40),
        loss: 0.1,
        duplicate: 0.1,
        reorder: 0.1,
        ..Conditions::default()
    }
}

fn client_config() -> TransportConfig {
    TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() }
}

fn address() -> Address {
    Address { host: SERVER.ip().to_string(), port: SERVER.port() }
}

fn serve(network: &Network) -> (Listener, Trust) {
    let (tls, root) = certificate(&[SERVER.ip()]);
    (network.listener(SERVER, &tls, TransportConfig::default()).unwrap(), Trust::Roots(vec![root]))
}

/// Both ends of a QUIC connection, and what must stay for more of them.
async fn quic_pair(network: &Network) -> (Connection, Connection, Listener, Dialer) {
    let (listener, trust) = serve(network);
    let dialer = network.dialer(CLIENT, trust, client_config());
    let dial = async {
        let mut client = dialer.quic(&address()).await.unwrap();
        client.send(LaneId::CONTROL, record("{}")).await.unwrap();
        client.flush().await.unwrap();
        client
    };
    let (client, mut server) =
        tokio::join!(dial, async { listener.accept().await.unwrap().establish().await.unwrap().connection });
    assert_eq!(next(&mut server).await, "{}");
    (client, server, listener, dialer)
}

fn websocket_pair(network: &Network) -> (Connection, Connection) {
    network.websocket((CLIENT, client_config()), (SERVER, TransportConfig::default()))
}

fn record(text: &str) -> Arc<Batch> {
    let mut builder = BatchBuilder::new(Codec::Json);
    builder.push_encoded(text.as_bytes());
    Arc::new(builder.finish())
}

/// The next record's text.
async fn next(connection: &mut Connection) -> String {
    loop {
        if let Event::Record { payload, .. } = connection.recv().await.unwrap() {
            return String::from_utf8(payload.to_vec()).unwrap();
        }
    }
}

async fn say(connection: &mut Connection, text: &str) {
    connection.send(LaneId::CONTROL, record(text)).await.unwrap();
    connection.flush().await.unwrap();
}

/// What happened, and when.
#[derive(Clone)]
struct Trace {
    began: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Trace {
    fn start() -> Self {
        Self { began: Instant::now(), lines: Arc::default() }
    }

    fn note(&self, who: &str, what: &dyn Debug) {
        self.lines.lock().unwrap().push(format!("{:?} {who}: {what:?}", self.began.elapsed()));
    }
}

const RECORDS: usize = 40;
const LANES: u32 = 3;

/// The server's part: numbered records on each lane, some of them large, datagrams between them, and every record of
/// the client's sent back.
async fn server_part(mut server: Connection, trace: Trace) -> Connection {
    for number in 0..RECORDS {
        for lane in 0..LANES {
            let width = if number % 8 == 0 { 3000 } else { 10 * number };
            server.send(LaneId(lane), record(&format!("[{number:width$}]"))).await.unwrap();
        }
        // Refused if the network is slow, which is part of the trace.
        trace.note("datagram", &server.send_datagram(LaneId(1), &[number as u8; 100]));
        sleep(Duration::from_millis(7)).await;
    }
    for _ in 0..RECORDS {
        let text = next(&mut server).await;
        trace.note("server", &text);
        server.send(LaneId::CONTROL, record(&text)).await.unwrap();
    }
    server.flush().await.unwrap();
    server
}

/// The client's part; gives the numbers received by lane.
async fn client_part(mut client: Connection, trace: Trace) -> (Connection, Vec<Vec<usize>>) {
    let mut received = vec![Vec::new(); LANES as usize];
    let mut sent = 0;
    let mut echoes = 0;
    while received.iter().map(Vec::len).sum::<usize>() < RECORDS * LANES as usize || echoes < RECORDS {
        if sent < RECORDS && client.try_send(LaneId::CONTROL, record(&format!("{{\"up\":{sent}}}"))).is_ok() {
            sent += 1;
        }
        let event = client.recv().await.unwrap();
        match &event {
            Event::Record { lane, payload, .. } if payload.starts_with(b"[") => {
                let text = std::str::from_utf8(payload).unwrap().trim_matches(['[', ']']).trim_start();
                received[lane.unwrap().0 as usize].push(text.parse().unwrap());
                trace.note("client", &(lane, payload.len(), text));
            }
            Event::Record { payload, .. } => {
                assert_eq!(payload, format!("{{\"up\":{echoes}}}").as_bytes());
                echoes += 1;
                trace.note("client", payload);
            }
            Event::Datagram { lane, payload } => trace.note("client", &(lane, payload)),
            event => trace.note("client", event),
        }
    }
    (client, received)
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    trace: Vec<String>,
    fingerprint: u64,
    round_trips: [Option<Duration>; 2],
}

fn exchange(seed: u64) -> Outcome {
    simulate(async {
        let network = Network::new(seed, rough());
        let trace = Trace::start();
        let (client, server, _listener, _dialer) = quic_pair(&network).await;
        trace.note("both", &"established");
        let server = tokio::spawn(server_part(server, trace.clone()));
        let (client, received) = client_part(client, trace.clone()).await;
        let server = server.await.unwrap();
        for lane in received {
            assert_eq!(lane, (0..RECORDS).collect::<Vec<_>>(), "seed {seed}");
        }
        let round_trips = [client.rtt(), server.rtt()];
        trace.note("both", &round_trips);
        let closing = async {
            let mut server = server;
            while server.recv().await.is_ok() {}
            trace.note("server", &server.recv().await);
        };
        tokio::join!(client.close(1000, "done"), closing);
        trace.note("both", &"closed");
        let counts = network.counts();
        assert!([counts.lost, counts.duplicated, counts.reordered].iter().all(|count| *count > 0), "{counts:?}");
        trace.note("network", &counts);
        let trace = trace.lines.lock().unwrap().clone();
        Outcome { trace, fingerprint: network.fingerprint(), round_trips }
    })
}

/// Everything arrives, however bad the network, and a seed decides when.
#[test]
fn the_same_seed_does_the_same() {
    let mut fingerprints = Vec::new();
    for seed in 0..20 {
        let (first, second) = (exchange(seed), exchange(seed));
        for (first, second) in first.trace.iter().zip(&second.trace) {
            assert_eq!(first, second, "seed {seed}");
        }
        assert_eq!(first, second, "seed {seed}");
        fingerprints.push(first.fingerprint);
    }
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 20);
}

/// What one run of a WebSocket's life leaves behind.
fn websocket_exchange(seed: u64) -> (Vec<String>, u64) {
    simulate(async {
        let network = Network::new(seed, rough());
        let trace = Trace::start();
        let (mut client, mut server) = websocket_pair(&network);
        let (up, down) = (trace.clone(), trace.clone());
        let server = tokio::spawn(async move {
            for number in 0..RECORDS {
                say(&mut server, &format!("[{number:2000}]")).await;
                up.note("server", &next(&mut server).await);
            }
        });
        for number in 0..RECORDS {
            let text = next(&mut client).await;
            assert_eq!(text.trim_matches(['[', ']']).trim_start(), number.to_string());
            down.note("client", &number);
            say(&mut client, &format!("{{\"up\":{number}}}")).await;
        }
        server.await.unwrap();
        let lines = trace.lines.lock().unwrap().clone();
        (lines, network.fingerprint())
    })
}

#[test]
fn a_websocket_does_the_same_with_the_same_seed() {
    for seed in 0..20 {
        assert_eq!(websocket_exchange(seed), websocket_exchange(seed), "seed {seed}");
    }
    assert_ne!(websocket_exchange(1), websocket_exchange(2));
}

#[test]
fn latency_is_as_asked() {
    simulate(async {
        let network = Network::new(1, Conditions::default());
        let (mut client, mut server, _listener, _dialer) = quic_pair(&network).await;
        let sent = Instant::now();
        say(&mut client, "[]").await;
        next(&mut server).await;
        // The clock ticks in milliseconds.
        assert!((20..=22).contains(&sent.elapsed().as_millis()), "{:?}", sent.elapsed());
        network.set_conditions(Conditions {
            latency: Duration::from_millis(300)..=Duration::from_millis(300),
            ..Conditions::default()
        });
        let sent = Instant::now();
        say(&mut client, "[]").await;
        next(&mut server).await;
        assert!((300..=302).contains(&sent.elapsed().as_millis()), "{:?}", sent.elapsed());
    });
}

#[test]
fn a_short_blackhole_is_survived_and_a_long_one_is_silence() {
    simulate(async {
        let network = Network::new(2, Conditions::default());
        let (mut client, mut server, _listener, _dialer) = quic_pair(&network).await;
        let (mut near, mut far) = websocket_pair(&network);
        network.blackhole(CLIENT.ip(), true);
        say(&mut client, "[1]").await;
        say(&mut near, "[2]").await;
        let silent = Duration::from_secs(10);
        assert!(timeout(silent, async { tokio::join!(next(&mut server), next(&mut far)) }).await.is_err());
        network.blackhole(CLIENT.ip(), false);
        let mut drive = tokio::spawn(async move {
            let closed = tokio::join!(async { client.recv().await }, async { near.recv().await });
            (closed, client, near)
        });
        assert_eq!(next(&mut server).await, "[1]");
        assert_eq!(next(&mut far).await, "[2]");

        network.blackhole(SERVER.ip(), true);
        let began = Instant::now();
        let (closed, ..) = (&mut drive).await.unwrap();
        assert_eq!(closed, (Err(Closed::Silence), Err(Closed::Silence)));
        assert_eq!(server.recv().await, Err(Closed::Silence));
        assert_eq!(far.recv().await, Err(Closed::Silence));
        assert!(began.elapsed() <= TransportConfig::default().silence_max + Duration::from_secs(25));
        assert!(network.counts().dropped > 0);
    });
}

#[test]
fn a_connection_follows_its_client_to_another_address() {
    simulate(async {
        let network = Network::new(3, rough());
        let (mut client, mut server, _listener, _dialer) = quic_pair(&network).await;
        assert_eq!(server.peer_addr(), Some(CLIENT));
        let moved = SocketAddr::new(Ipv4Addr::new(10, 9, 9, 9).into(), 6000);
        network.rebind(CLIENT, moved).unwrap();
        assert!(network.rebind(CLIENT, moved).is_err());
        assert!(network.rebind(moved, SERVER).is_err());
        say(&mut client, "[1]").await;
        assert_eq!(next(&mut server).await, "[1]");
        say(&mut server, "[2]").await;
        assert_eq!(next(&mut client).await, "[2]");
        assert_eq!(server.peer_addr(), Some(moved));
    });
}

#[test]
fn where_no_datagram_passes_streams_do() {
    simulate(async {
        let network = Network::new(4, Conditions::default());
        network.block_datagrams(CLIENT.ip(), true);
        let (_listener, trust) = serve(&network);
        let streams = network.stream_listener(SERVER).unwrap();
        let dialer = network.dialer(CLIENT, trust, client_config());
        let began = Instant::now();
        assert!(matches!(dialer.quic(&address()).await, Err(DialError::Timeout(_))));
        assert_eq!(began.elapsed(), client_config().establish_timeout);

        let url = format!("ws://{SERVER}/some/where?x=y");
        let (client, upgraded) = tokio::join!(dialer.websocket(&url, Codec::Bincode), async {
            streams.accept().await.upgrade(TransportConfig::default()).await.unwrap()
        });
        let (mut client, mut server) = (client.unwrap(), upgraded.connection);
        assert_eq!((upgraded.codec, &*upgraded.path), (Some(Codec::Bincode), "/some/where"));
        assert_eq!((client.transport(), client.peer_addr()), (Transport::WebSocket, Some(SERVER)));
        assert_eq!(server.peer_addr().unwrap().ip(), CLIENT.ip());
        say(&mut client, "[1]").await;
        assert_eq!(next(&mut server).await, "[1]");
    });
}

#[test]
fn a_stalled_stream_goes_on_and_a_cut_one_does_not() {
    simulate(async {
        let network = Network::new(5, Conditions::default());
        let (mut client, mut server) = websocket_pair(&network);
        let (mut other, _far) = network.websocket(
            (SocketAddr::new(Ipv4Addr::new(10, 0, 1, 2).into(), 1), client_config()),
            (SERVER, TransportConfig::default()),
        );
        network.stall_streams(CLIENT.ip(), true);
        let mut sent = 0;
        while timeout(Duration::from_secs(1), server.send(LaneId(1), record(&format!("[{sent:5000}]")))).await.is_ok() {
            sent += 1;
        }
        // No more than the stream and the queue hold.
        assert!((20..40).contains(&sent), "{sent}");
        let stalled = server.written_bytes();
        network.stall_streams(CLIENT.ip(), false);
        for number in 0..sent {
            tokio::select! {
                biased;
                text = next(&mut client) => {
                    assert_eq!(text.trim_matches(['[', ']']).trim_start(), number.to_string());
                }
                event = server.recv() => panic!("{event:?}"),
            }
        }
        assert!(server.written_bytes() > stalled);

        say(&mut server, "[\"on its way\"]").await;
        network.cut_streams(CLIENT.ip());
        assert!(matches!(client.recv().await, Err(Closed::Lost(_))));
        assert!(matches!(server.recv().await, Err(Closed::Lost(_))));
        assert!(timeout(Duration::from_secs(30), other.recv()).await.is_err());
    });
}

#[test]
fn streams_end_behind_what_was_written() {
    simulate(async {
        let network = Network::new(6, rough());
        assert!(network.connect(CLIENT, SERVER).await.is_err());
        let listener = network.stream_listener(SERVER).unwrap();
        assert!(network.stream_listener(SERVER).is_err());
        network.blackhole(SERVER.ip(), true);
        let connecting = network.connect(CLIENT, SERVER);
        tokio::pin!(connecting);
        assert!(timeout(Duration::from_secs(60), &mut connecting).await.is_err());
        network.blackhole(SERVER.ip(), false);
        let mut near = connecting.await.unwrap();
        let mut far = listener.accept().await;
        assert_eq!((near.local_addr(), far.peer_addr()), (CLIENT, CLIENT));
        near.write_all(&[7; 1000]).await.unwrap();
        drop(near);
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, [7; 1000]);
        assert_eq!(far.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_cannot_be_dialed_is_said() {
    simulate(async {
        let network = Network::new(7, Conditions::default());
        let (listener, trust) = serve(&network);
        let dialer = network.dialer(CLIENT, trust.clone(), client_config());
        let named = Address { host: "localhost".into(), port: SERVER.port() };
        assert!(matches!(dialer.quic(&named).await, Err(DialError::Resolve { .. })));
        let refused = dialer.websocket("ws://localhost:7350/ws", Codec::Json).await;
        assert!(matches!(refused, Err(DialError::Resolve { .. })));
        assert!(matches!(dialer.websocket(&format!("ws://{SERVER}/ws"), Codec::Json).await, Err(DialError::Io(_))));
        assert!(matches!(dialer.webtransport(&address()).await, Err(DialError::Unsupported(_))));
        assert!(network.listener(SERVER, &certificate(&[]).0, client_config()).is_err());

        // Two dialers do not share a socket.
        let accept = tokio::spawn(async move {
            while let Some(incoming) = listener.accept().await {
                let _ = incoming.establish().await;
            }
        });
        dialer.quic(&address()).await.unwrap();
        let second = network.dialer(CLIENT, trust, client_config());
        assert!(matches!(second.quic(&address()).await, Err(DialError::Io(_))));
        accept.abort();
    });
}

#[test]
fn only_the_roots_given_are_trusted_and_only_for_their_names() {
    simulate(async {
        let network = Network::new(8, Conditions::default());
        let elsewhere: IpAddr = Ipv4Addr::new(10, 0, 0, 2).into();
        let (tls, root) = certificate(&[elsewhere]);
        let other = rcgen::generate_simple_self_signed([SERVER.ip().to_string()]).unwrap();
        let other_tls = ServerTls { certificates: vec![other.cert.der().clone()], key: other.signing_key.into() };
        for (port, tls, roots, trusted) in [
            (1, &other_tls, vec![other.cert.der().clone()], true),
            (2, &other_tls, vec![root.clone(), other.cert.der().clone()], true),
            (3, &other_tls, vec![root.clone()], false),
            (4, &other_tls, vec![], false),
            (5, &other_tls, vec![b"not a certificate".to_vec().into()], false),
            (6, &tls, vec![root], false),
        ] {
            let addr = SocketAddr::new(SERVER.ip(), port);
            let listener = network.listener(addr, tls, TransportConfig::default()).unwrap();
            let accept = tokio::spawn(async move {
                let _ = listener.accept().await.unwrap().establish().await;
            });
            let dialer = network.dialer(SocketAddr::new(CLIENT.ip(), 0), Trust::Roots(roots), client_config());
            let dialed = dialer.quic(&Address { host: addr.ip().to_string(), port }).await;
            match dialed {
                Ok(_) => assert!(trusted, "port {port}"),
                Err(DialError::Handshake(_)) => assert!(!trusted, "port {port}"),
                Err(error) => panic!("{error:?}"),
            }
            accept.abort();
        }
    });
}

//! Peers that read slowly, and peers that do not read, over every transport, in virtual time: which of them it is shows in
//! what was written, however slow it is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{Batch, BatchBuilder, Codec, LaneId};
use anteroom_transport::quic::Listener;
use anteroom_transport::simulation::{Conditions, Network, Stream, certificate};
use anteroom_transport::{Address, Closed, Connection, Dialer, Event, TransportConfig, Trust, memory, tls, websocket};
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7350);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1)), 5000);
/// How many bytes a slow peer reads in a second, and how often it reads a record where those are small.
const SLOW_BYTES: u32 = 3800;
const PERIOD: Duration = Duration::from_millis(100);
/// For how long a server lets nothing be written.
const STALL: Duration = Duration::from_secs(20);
/// In virtual time.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Runs a test in virtual time, which begins anew for each.
fn simulate<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { timeout(DEADLINE, Box::pin(test)).await.expect("the test hangs") })
}

/// A server's, which does not ask whether anybody is there.
fn patient() -> TransportConfig {
    TransportConfig { silence_max: DEADLINE, websocket_ping: DEADLINE, ..TransportConfig::default() }
}

fn client_config() -> TransportConfig {
    TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() }
}

/// Both ends of a stream, the client's first.
async fn streams(network: &Network) -> (Stream, Stream) {
    let listener = network.stream_listener(SERVER).unwrap();
    let (near, far) = tokio::join!(network.connect(CLIENT, SERVER), listener.accept());
    (near.unwrap(), far)
}

fn websocket_pair(network: &Network, config: TransportConfig) -> (Connection, Connection) {
    network.websocket((CLIENT, client_config()), (SERVER, config))
}

async fn tls_pair(network: &Network, config: TransportConfig) -> (Connection, Connection) {
    let (near, far) = streams(network).await;
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
    let (near, far) = tokio::join!(connector.connect(SERVER.ip().into(), near), tls::accept(&acceptor, far));
    let client = websocket::connected(near.unwrap(), Bytes::new(), SERVER, client_config());
    (client, websocket::accept_tls(far.unwrap(), Bytes::new(), CLIENT, config))
}

/// Both ends of a QUIC connection, and what must stay for it.
async fn quic_pair(network: &Network) -> (Connection, Connection, Listener, Dialer) {
    let (tls, root) = certificate(&[SERVER.ip()]);
    let listener = network.listener(SERVER, &tls, TransportConfig::default()).unwrap();
    let dialer = network.dialer(CLIENT, Trust::Roots(vec![root]), client_config());
    let address = Address { host: SERVER.ip().to_string(), port: SERVER.port() };
    let dial = async {
        let mut client = dialer.quic(&address).await.unwrap();
        client.send(LaneId::CONTROL, record(2)).await.unwrap();
        client.flush().await.unwrap();
        client
    };
    let (client, server) =
        tokio::join!(dial, async { listener.accept().await.unwrap().establish().await.unwrap().connection });
    (client, server, listener, dialer)
}

/// A record of so many bytes.
fn record(bytes: usize) -> Arc<Batch> {
    let mut record = BatchBuilder::new(Codec::Json);
    record.push_encoded(format!("[{}]", " ".repeat(bytes - 2)).as_bytes());
    Arc::new(record.finish())
}

/// Writes everything, and gives the longest time in which nothing was while something waited.
async fn longest_pause(server: &mut Connection, records: &[Arc<Batch>]) -> Duration {
    let (mut longest, mut since, mut written) = (Duration::ZERO, Instant::now(), server.written_bytes());
    let mut records = records.iter();
    let mut record = records.next();
    loop {
        let step = async {
            while let Some(next) = record {
                server.send(LaneId::CONTROL, next.clone()).await.unwrap();
                record = records.next();
            }
            server.flush().await.unwrap();
        };
        let is_done = timeout(PERIOD, step).await.is_ok();
        if is_done || server.written_bytes() != written {
            longest = longest.max(since.elapsed());
            (since, written) = (Instant::now(), server.written_bytes());
        }
        assert_eq!(server.queued_bytes() == 0, is_done);
        if is_done {
            return longest;
        }
    }
}

/// Reads so many records, one in each period at most.
async fn read(client: &mut Connection, records: usize) {
    for _ in 0..records {
        while !matches!(client.recv().await.unwrap(), Event::Record { .. }) {}
        sleep(PERIOD).await;
    }
}

/// One record that is read slowly shows as progress all the while.
async fn is_seen_to_read(network: &Network, (mut client, mut server): (Connection, Connection)) {
    network.pace_streams(CLIENT.ip(), Some(SLOW_BYTES));
    let records = [record(400_000)];
    let (longest, ()) = tokio::join!(longest_pause(&mut server, &records), read(&mut client, 1));
    assert!(longest < Duration::from_secs(1), "nothing was seen for {longest:?}");
}

/// What is not read does not, and little is taken off the server's hands.
async fn is_seen_not_to_read(network: &Network, (_client, mut server): (Connection, Connection)) {
    network.pace_streams(CLIENT.ip(), Some(0));
    let records = vec![record(10_000); 100];
    assert!(timeout(STALL, longest_pause(&mut server, &records)).await.is_err());
    let (written, queued) = (server.written_bytes(), server.queued_bytes());
    assert!(queued > 0 && !server.has_room(LaneId::CONTROL));
    // What the stream takes, what may wait, and a record.
    let taken = written + queued as u64;
    assert!(taken < (64 << 10) + (64 << 10) + 20_000, "{written} and {queued}");
    assert!(timeout(STALL, server.flush()).await.is_err());
    assert_eq!((server.written_bytes(), server.queued_bytes()), (written, queued));
}

#[test]
fn slow_reading_shows_over_websocket() {
    simulate(async {
        let network = Network::new(1, Conditions::default());
        is_seen_to_read(&network, websocket_pair(&network, patient())).await;
    });
}

#[test]
fn slow_reading_shows_over_tls() {
    simulate(async {
        let network = Network::new(2, Conditions::default());
        is_seen_to_read(&network, tls_pair(&network, patient()).await).await;
    });
}

#[test]
fn not_reading_shows_over_websocket() {
    simulate(async {
        let network = Network::new(3, Conditions::default());
        is_seen_not_to_read(&network, websocket_pair(&network, patient())).await;
    });
}

#[test]
fn not_reading_shows_over_tls() {
    simulate(async {
        let network = Network::new(4, Conditions::default());
        is_seen_not_to_read(&network, tls_pair(&network, patient()).await).await;
    });
}

/// The server's ping waits behind what is read, for longer than anybody may be silent.
#[test]
fn who_reads_slowly_is_not_silent() {
    simulate(async {
        let network = Network::new(7, Conditions::default());
        is_seen_to_read(&network, websocket_pair(&network, TransportConfig::default())).await;
        is_seen_to_read(&network, tls_pair(&network, TransportConfig::default()).await).await;
    });
}

/// Who reads nothing is, though something was written all the time.
async fn is_silent(network: &Network, (_client, mut server): (Connection, Connection)) {
    network.pace_streams(CLIENT.ip(), Some(0));
    let began = Instant::now();
    let closed = loop {
        if let Err(closed) = server.send(LaneId::CONTROL, record(1000)).await {
            break closed;
        }
        sleep(PERIOD).await;
    };
    assert_eq!((closed, began.elapsed().as_secs()), (Closed::Silence, 60));
}

#[test]
fn who_reads_nothing_is_silent() {
    simulate(async {
        let network = Network::new(8, Conditions::default());
        is_silent(&network, websocket_pair(&network, TransportConfig::default())).await;
        network.pace_streams(CLIENT.ip(), None);
        is_silent(&network, tls_pair(&network, TransportConfig::default()).await).await;
    });
}

/// A client tells of what it has read in steps, an eighth of its window.
#[test]
fn slow_reading_shows_over_quic() {
    simulate(async {
        let (mut client, mut server, _listener, _dialer) = quic_pair(&Network::new(5, Conditions::default())).await;
        let records = vec![record(380); 2000];
        let (longest, ()) = tokio::join!(longest_pause(&mut server, &records), read(&mut client, records.len()));
        assert!(longest < STALL / 2, "nothing was seen for {longest:?}");
    });
}

#[test]
fn slow_reading_shows_in_memory() {
    simulate(async {
        let (mut client, mut server) = memory::pair(TransportConfig::default(), 6);
        let records = vec![record(380); 500];
        let (longest, ()) = tokio::join!(longest_pause(&mut server, &records), read(&mut client, records.len()));
        assert!(longest < Duration::from_secs(1), "nothing was seen for {longest:?}");
    });
}

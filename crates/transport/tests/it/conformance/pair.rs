//! Two connected ends on any transport, and what tests do with them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{Batch, BatchBuilder, Codec, LaneId};
use anteroom_transport::quic::Listener;
use anteroom_transport::{
    Address, Closed, Connection, Dialer, Established, Event, ServerTls, Transport, TransportConfig, Trust, memory, tls,
    websocket,
};
use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// No test takes as long when it works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn in_time<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, Box::pin(test)).await.expect("the test hangs")
}

pub(crate) fn server_config() -> TransportConfig {
    TransportConfig::default()
}

pub(crate) fn client_config() -> TransportConfig {
    TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() }
}

/// A certificate for 127.0.0.1 and localhost, valid for days from now, and its hash.
pub(crate) fn certificate(days: std::ops::Range<i64>) -> (ServerTls, [u8; 32]) {
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let day = |number: i64| {
        let seconds = (now + number * 86_400).cast_unsigned();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    (params.not_before, params.not_after) = (day(days.start), day(days.end));
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
    let tls = ServerTls { certificates: vec![certificate.der().clone()], key: key.into() };
    (tls, hash.as_ref().try_into().unwrap())
}

/// A listener on loopback, a dialer that trusts it, and where it is.
pub(crate) struct Server {
    pub(crate) listener: Listener,
    pub(crate) dialer: Dialer,
    pub(crate) address: Address,
    pub(crate) hash: [u8; 32],
}

impl Server {
    pub(crate) fn start(client: TransportConfig, server: TransportConfig) -> Self {
        let (tls, hash) = certificate(-1..12);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listener = Listener::bind(socket, tls, server).unwrap();
        let dialer = Dialer::new(Trust::CertificateHashes(vec![hash]), client);
        let address = Address { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        Self { listener, dialer, address, hash }
    }

    pub(crate) async fn establish(&self) -> Established {
        self.listener.accept().await.unwrap().establish().await.unwrap()
    }

    pub(crate) async fn quic(&self) -> (Connection, Connection) {
        let dial = async {
            let mut client = self.dialer.quic(&self.address).await.unwrap();
            // The server hears of the control stream with the first record.
            client.send(LaneId::CONTROL, record(b"{}")).await.unwrap();
            client.flush().await.unwrap();
            client
        };
        let (client, mut established) = tokio::join!(dial, self.establish());
        assert_eq!(established.connection.next_record().await.1, "{}");
        (client, established.connection)
    }

    pub(crate) async fn webtransport(&self) -> (Connection, Connection) {
        let (client, established) = tokio::join!(self.dialer.webtransport(&self.address), self.establish());
        (client.unwrap(), established.connection)
    }
}

/// Two ends of one connection.
pub(crate) async fn pair(transport: Transport) -> (Connection, Connection) {
    pair_with(transport, client_config(), server_config()).await
}

pub(crate) async fn pair_with(
    transport: Transport,
    client: TransportConfig,
    server: TransportConfig,
) -> (Connection, Connection) {
    match transport {
        Transport::Quic => Server::start(client, server).quic().await,
        Transport::WebTransport => Server::start(client, server).webtransport().await,
        Transport::WebSocket => websocket_pair(client, server).await,
        Transport::Memory => memory::pair(server, 7),
    }
}

async fn websocket_pair(client: TransportConfig, server: TransportConfig) -> (Connection, Connection) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let dialer = Dialer::new(Trust::CertificateHashes(Vec::new()), client);
    let (client, accepted) = tokio::join!(dialer.websocket(&url, Codec::Json), async {
        let (socket, peer) = listener.accept().await.unwrap();
        upgraded(socket, peer, server).await
    });
    (client.unwrap(), accepted)
}

/// Two ends of a `wss://` connection.
pub(crate) async fn tls_pair() -> (Connection, Connection) {
    let (tls, hash) = certificate(-1..12);
    let acceptor = TlsAcceptor::from(tls.tcp_config().unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("wss://{}/ws", listener.local_addr().unwrap());
    let dialer = Dialer::new(Trust::CertificateHashes(vec![hash]), client_config());
    let serve = Box::pin(async {
        let (socket, peer) = listener.accept().await.unwrap();
        websocket::tune(&socket).unwrap();
        let socket = tls::accept(&acceptor, socket).await.unwrap();
        let socket = tokio_tungstenite::accept_hdr_async(socket, subprotocol).await.unwrap();
        websocket::accept_tls(socket.into_inner(), Bytes::new(), peer, server_config())
    });
    let (client, accepted) = tokio::join!(dialer.websocket(&url, Codec::Bincode), serve);
    (client.unwrap(), accepted)
}

/// Answers the upgrade as an HTTP server would.
pub(crate) async fn upgraded(socket: TcpStream, peer: SocketAddr, config: TransportConfig) -> Connection {
    websocket::tune(&socket).unwrap();
    let socket = tokio_tungstenite::accept_hdr_async(socket, subprotocol).await.unwrap().into_inner();
    websocket::accept(socket, Bytes::new(), peer, config)
}

/// Agrees to the subprotocol that was asked for.
#[expect(clippy::result_large_err, reason = "tungstenite's signature")]
pub(crate) fn subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
        response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
    }
    Ok(response)
}

/// A record of exactly these bytes.
pub(crate) fn record(payload: &[u8]) -> Arc<Batch> {
    let mut builder = BatchBuilder::new(Codec::of_payload(payload));
    builder.push_encoded(payload);
    Arc::new(builder.finish())
}

/// A record that says where it belongs, filled up to a size.
pub(crate) fn numbered(lane: u32, number: usize, bytes: usize) -> Arc<Batch> {
    let text = format!("{{\"lane\":{lane},\"n\":{number}}}");
    record(&[text.as_bytes(), &b" ".repeat(bytes.saturating_sub(text.len()))].concat())
}

/// Sorts numbered records back by lane; checks that each came on the lane it says, if that is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted(pub(crate) BTreeMap<u32, Vec<usize>>);

impl Sorted {
    pub(crate) fn add(&mut self, lane: Option<LaneId>, payload: &[u8]) {
        let text = std::str::from_utf8(payload).unwrap().trim_end();
        let (said, number) =
            text.strip_prefix("{\"lane\":").unwrap().strip_suffix('}').unwrap().split_once(",\"n\":").unwrap();
        let said = said.parse().unwrap();
        assert!(lane.is_none_or(|lane| lane.0 == said), "{text} on lane {lane:?}");
        self.0.entry(said).or_default().push(number.parse().unwrap());
    }

    pub(crate) fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whether each lane has its numbers from 0 on, without a gap.
    pub(crate) fn assert_whole(&self) {
        for (lane, numbers) in &self.0 {
            assert!(numbers.iter().enumerate().all(|(place, number)| place == *number), "lane {lane}: {numbers:?}");
        }
    }
}

pub(crate) trait ConnectionExt {
    async fn next_record(&mut self) -> (Option<LaneId>, Bytes);
    /// Goes on until the end, and drops what comes before it.
    async fn until_closed(&mut self) -> Closed;
    /// Polls for an event once, which writes what can be written.
    async fn poke(&mut self) -> Option<Result<Event, Closed>>;
}

impl ConnectionExt for Connection {
    async fn next_record(&mut self) -> (Option<LaneId>, Bytes) {
        loop {
            if let Event::Record { lane, payload, .. } = self.recv().await.unwrap() {
                return (lane, payload);
            }
        }
    }

    async fn until_closed(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.recv().await {
                return closed;
            }
        }
    }

    async fn poke(&mut self) -> Option<Result<Event, Closed>> {
        let mut recv = pin!(self.recv());
        poll_fn(|cx| {
            Poll::Ready(match recv.as_mut().poll(cx) {
                Poll::Ready(event) => Some(event),
                Poll::Pending => None,
            })
        })
        .await
    }
}

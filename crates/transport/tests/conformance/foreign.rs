//! Peers that are not this crate: bare quinn, wtransport, tungstenite and bytes on TCP.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anteroom_protocol::record::{RecordReader, put_varint};
use anteroom_protocol::{Codec, LaneId};
use anteroom_transport::{Address, Closed, Connection, Dialer, Event, TransportConfig, Trust, websocket};
use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};
use wtransport::tls::Sha256Digest;
use wtransport::tls::client::ServerHashVerification;

use crate::pair::{ConnectionExt, Server, client_config, in_time, numbered, record, server_config};

/// A window that holds less than the server's queue.
const WINDOW: u32 = 16_000;

/// The settings of a client that trusts one certificate.
pub(crate) fn quinn_client(alpn: &[u8], hash: [u8; 32]) -> quinn::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerHashVerification::from_iter([Sha256Digest::new(hash)])))
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let mut transport = quinn::TransportConfig::default();
    transport.stream_receive_window(WINDOW.into());
    let mut client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    client.transport_config(Arc::new(transport));
    client
}

pub(crate) async fn quinn_connect(address: &Address, alpn: &[u8], hash: [u8; 32]) -> quinn::Connection {
    let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let addr = (Ipv4Addr::LOCALHOST, address.port).into();
    endpoint.connect_with(quinn_client(alpn, hash), addr, "localhost").unwrap().await.unwrap()
}

/// Fills lane 1, which nobody reads, then sends on lane 2 and control.
async fn fill_lane_one(server: &mut Connection) {
    for number in 0..15 {
        server.try_send(LaneId(1), numbered(1, number, 3000)).unwrap();
    }
    for number in 0..5 {
        server.try_send(LaneId(2), numbered(2, number, 1000)).unwrap();
        server.try_send(LaneId::CONTROL, numbered(0, number, 1000)).unwrap();
    }
}

/// Reads five records of lane `lane` from a stream that begins with its number, unless it is control.
async fn five_records(lane: u64, mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut reader = RecordReader::new(1 << 16);
    let mut number = if lane == 0 { Some(0) } else { None };
    let mut records = 0;
    while records < 5 {
        let mut buffer = [0; 4096];
        let len = stream.read(&mut buffer).await.unwrap();
        reader.push(&buffer[..len]);
        if number.is_none() {
            number = reader.next_varint();
        }
        while number.is_some() && reader.next_record().unwrap().is_some() {
            records += 1;
        }
    }
    assert_eq!(number, Some(lane));
}

#[tokio::test]
async fn a_lane_that_is_not_read_holds_up_no_other_on_quic() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let client = quinn_connect(&server.address, b"anteroom/1", server.hash).await;
        let (mut control_out, control_in) = client.open_bi().await.unwrap();
        control_out.write_all(b"\x02{}").await.unwrap();
        let mut connection = server.establish().await.connection;
        fill_lane_one(&mut connection).await;
        let driving = tokio::spawn(async move { connection.until_closed().await });
        let _unread = client.accept_uni().await.unwrap();
        let second = client.accept_uni().await.unwrap();
        tokio::join!(five_records(2, second), five_records(0, control_in));
        client.close(4000u32.into(), b"done");
        assert_eq!(driving.await.unwrap(), Closed::ByPeer { code: 4000, reason: "done".into() });
    })
    .await;
}

#[tokio::test]
async fn a_lane_that_is_not_read_holds_up_no_other_on_webtransport() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let config = wtransport::ClientConfig::builder()
            .with_bind_address((Ipv4Addr::LOCALHOST, 0).into())
            .build_with_quic_config(quinn_client(b"h3", server.hash));
        let endpoint = wtransport::Endpoint::client(config).unwrap();
        let dial = async {
            let client = endpoint.connect(format!("https://{}/wt", server.address)).await.unwrap();
            let control = client.open_bi().await.unwrap().await.unwrap();
            (client, control)
        };
        let ((client, (_control_out, control_in)), established) = tokio::join!(dial, server.establish());
        let mut connection = established.connection;
        fill_lane_one(&mut connection).await;
        let driving = tokio::spawn(async move { connection.until_closed().await });
        let _unread = client.accept_uni().await.unwrap();
        let second = client.accept_uni().await.unwrap();
        tokio::join!(five_records(2, second), five_records(0, control_in));
        client.close(wtransport::VarInt::from_u32(4000), b"done");
        assert_eq!(driving.await.unwrap(), Closed::ByPeer { code: 4000, reason: "done".into() });
    })
    .await;
}

#[tokio::test]
async fn a_lane_the_peer_stops_is_dropped_alone() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let client = quinn_connect(&server.address, b"anteroom/1", server.hash).await;
        let (mut control_out, mut control_in) = client.open_bi().await.unwrap();
        control_out.write_all(b"\x02{}").await.unwrap();
        let mut connection = server.establish().await.connection;
        connection.send(LaneId(1), record(b"{}")).await.unwrap();
        connection.flush().await.unwrap();
        client.accept_uni().await.unwrap().stop(1u32.into()).unwrap();
        // What says that the stop has arrived.
        control_out.write_all(b"\x02[]").await.unwrap();
        while connection.next_record().await.1 != "[]" {}
        for _ in 0..100 {
            connection.send(LaneId(1), numbered(1, 0, 3000)).await.unwrap();
        }
        connection.send(LaneId::CONTROL, record(b"{\"a\":1}")).await.unwrap();
        connection.flush().await.unwrap();
        let mut read = [0; 8];
        control_in.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"\x07{\"a\":1}");
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_names_no_lane_is_malformed() {
    let (tls, hash) = crate::pair::certificate(-1..12);
    in_time(async {
        for number in [0, u64::from(u32::MAX) + 1] {
            let mut tls = tls.tcp_config().unwrap().as_ref().clone();
            tls.alpn_protocols = vec![b"anteroom/1".to_vec()];
            let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
            let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
            let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let address = Address { host: "127.0.0.1".into(), port: endpoint.local_addr().unwrap().port() };
            let dialer = Dialer::new(Trust::CertificateHashes(vec![hash]), client_config());
            let serve = async { endpoint.accept().await.unwrap().await.unwrap() };
            let (client, served) = tokio::join!(dialer.quic(&address), serve);
            let mut stream = served.open_uni().await.unwrap();
            let mut bytes = Vec::new();
            put_varint(number, &mut bytes);
            stream.write_all(&bytes).await.unwrap();
            assert!(matches!(client.unwrap().until_closed().await, Closed::Malformed(_)), "{number}");
        }
    })
    .await;
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

async fn raw_websocket(config: TransportConfig) -> (TcpStream, Connection) {
    let (near, far) = tcp_pair().await;
    let peer = far.peer_addr().unwrap();
    (near, websocket::accept(far, Bytes::new(), peer, config))
}

#[tokio::test]
async fn tungstenite_is_understood() {
    use futures_lite::{SinkExt, StreamExt};
    in_time(async {
        let (near, mut server) = raw_websocket(server_config()).await;
        let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let serving = tokio::spawn(async move {
            for (expected, bytes) in [(Codec::Json, 5), (Codec::Bincode, 300), (Codec::Bincode, 60_000)] {
                let Ok(Event::Record { codec, payload, .. }) = server.recv().await else { panic!("no record") };
                assert_eq!((codec, payload.len()), (expected, bytes));
                server.send(LaneId(3), record(&payload)).await.unwrap();
            }
            server.until_closed().await
        });
        client.send(Message::text("[\"ä\"]")).await.unwrap_err();
        let _ = serving;
        let _ = client.next().await;
    })
    .await;
}

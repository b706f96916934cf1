//! Peers that are not this crate: bare quinn, wtransport, web-transport-quinn, tungstenite and bytes on TCP.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::record::{RecordReader, put_varint};
use anteroom_protocol::{Codec, LaneId};
use anteroom_transport::{Address, Closed, Connection, Dialer, Event, TransportConfig, Trust, websocket};
use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocket};
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{SessionError, WebTransportError};
use wtransport::proto::session::SessionRequest;
use wtransport::proto::settings::Settings;
use wtransport::tls::Sha256Digest;
use wtransport::tls::client::ServerHashVerification;

use super::pair::{ConnectionExt, Server, client_config, in_time, numbered, record, server_config};

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

/// A client of bare quinn with its control stream, and the server's end.
async fn bare_quic(server: &Server) -> ((quinn::Connection, quinn::SendStream, quinn::RecvStream), Connection) {
    let dial = async {
        let client = quinn_connect(&server.address, b"anteroom/1", server.hash).await;
        let (mut send, recv) = client.open_bi().await.unwrap();
        send.write_all(b"\x02{}").await.unwrap();
        (client, send, recv)
    };
    let (client, established) = tokio::join!(dial, server.establish());
    (client, established.connection)
}

/// Sends on lane 1, which nobody reads, until it takes no more, then on lane 2 and control.
fn fill_lane_one(server: &mut Connection) {
    let refused = (0..1000).find(|number| server.try_send(LaneId(1), numbered(1, *number, 3000)).is_err());
    assert!(refused.is_some() && !server.has_room(LaneId(1)) && server.has_room(LaneId(2)));
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
        let ((client, _control_out, control_in), mut connection) = bare_quic(&server).await;
        fill_lane_one(&mut connection);
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
async fn a_client_may_stop_a_lane_that_is_over() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let ((client, _control_out, control_in), mut connection) = bare_quic(&server).await;
        assert_eq!(connection.next_record().await.1, "{}");
        // More than the client has room for.
        connection.try_send(LaneId(1), numbered(1, 0, 60_000)).unwrap();
        connection.end_lane(LaneId(1));
        let stopping = async {
            let mut lane = client.accept_uni().await.unwrap();
            lane.stop(0u32.into()).unwrap();
        };
        tokio::select! {
            () = stopping => {}
            event = connection.recv() => panic!("{event:?}"),
        }
        connection.flush().await.unwrap();
        for number in 0..5 {
            connection.try_send(LaneId::CONTROL, numbered(0, number, 1000)).unwrap();
        }
        connection.flush().await.unwrap();
        five_records(0, control_in).await;
        assert!(connection.poke().await.is_none());
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
        fill_lane_one(&mut connection);
        let driving = tokio::spawn(async move { connection.until_closed().await });
        let _unread = client.accept_uni().await.unwrap();
        let second = client.accept_uni().await.unwrap();
        tokio::join!(five_records(2, second), five_records(0, control_in));
        client.close(wtransport::VarInt::from_u32(4000), b"done");
        assert_eq!(driving.await.unwrap(), Closed::ByPeer { code: 4000, reason: "done".into() });
    })
    .await;
}

/// The session of a second library, from its request to either side's close.
#[tokio::test]
async fn web_transport_quinn_is_understood() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        for who_closes in ["the server", "the client"] {
            let dial = async {
                let client = quinn_connect(&server.address, b"h3", server.hash).await;
                let url: url::Url = format!("https://{}/wt", server.address).parse().unwrap();
                let session = web_transport_quinn::Session::connect(client, ConnectRequest::new(url)).await.unwrap();
                let (mut control_out, control_in) = session.open_bi().await.unwrap();
                control_out.write_all(b"\x02{}").await.unwrap();
                (session, control_out, control_in)
            };
            let ((session, _control_out, mut control_in), established) = tokio::join!(dial, server.establish());
            let mut connection = established.connection;
            assert_eq!(connection.next_record().await.1, "{}");
            connection.send(LaneId::CONTROL, record(b"[1]")).await.unwrap();
            connection.send(LaneId(7), record(b"[2]")).await.unwrap();
            connection.send_datagram(LaneId(7), b"down").unwrap();
            connection.flush().await.unwrap();
            let mut bytes = [0; 4];
            control_in.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"\x03[1]");
            let mut lane = session.accept_uni().await.unwrap();
            let mut bytes = [0; 5];
            lane.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"\x07\x03[2]");
            assert_eq!(session.read_datagram().await.unwrap(), "\x07down");
            session.send_datagram("\x07up".into()).unwrap();
            let datagram = Event::Datagram { lane: LaneId(7), payload: "up".into() };
            assert_eq!(connection.recv().await.unwrap(), datagram);
            if who_closes == "the server" {
                let (closed, ()) = tokio::join!(session.closed(), connection.close(4000, "done"));
                let SessionError::WebTransportError(WebTransportError::Closed(code, reason)) = closed else {
                    panic!("{closed:?}");
                };
                assert_eq!((code, &*reason), (4000, "done"));
            } else {
                session.close(4001, b"bye");
                assert_eq!(connection.until_closed().await, Closed::ByPeer { code: 4001, reason: "bye".into() });
            }
        }
    })
    .await;
}

/// A browser closes a session with a capsule on its CONNECT stream, not with QUIC's own close.
#[tokio::test]
async fn a_session_is_closed_by_its_capsule() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let browser = async {
            let client = quinn_connect(&server.address, b"h3", server.hash).await;
            let mut settings = vec![0];
            let offered = Settings::builder().enable_webtransport().enable_h3_datagrams().build();
            offered.generate_frame().write(&mut settings).unwrap();
            let mut settings_stream = client.open_uni().await.unwrap();
            settings_stream.write_all(&settings).await.unwrap();
            let mut request = Vec::new();
            let url = format!("https://{}/wt", server.address);
            SessionRequest::new(url).unwrap().headers().generate_frame().write(&mut request).unwrap();
            let (mut session, mut answer) = client.open_bi().await.unwrap();
            session.write_all(&request).await.unwrap();
            assert!(answer.read_chunk(100, true).await.unwrap().is_some());
            let (mut control, mut control_in) = client.open_bi().await.unwrap();
            // The kind of stream, the session it belongs to, and a record.
            control.write_all(b"\x40\x41\x00\x02{}").await.unwrap();
            assert!(control_in.read_chunk(100, true).await.unwrap().is_some());
            // A DATA frame, in it the capsule: kind, length, code, reason.
            session.write_all(b"\x00\x0a\x68\x43\x07\x00\x00\x0f\xa0bye").await.unwrap();
            session.finish().unwrap();
            client.closed().await
        };
        let serve = async {
            let mut connection = server.establish().await.connection;
            assert_eq!(connection.next_record().await.1, "{}");
            connection.send(LaneId::CONTROL, record(b"{}")).await.unwrap();
            assert_eq!(connection.until_closed().await, Closed::ByPeer { code: 4000, reason: "bye".into() });
        };
        tokio::join!(Box::pin(browser), Box::pin(serve));
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_silent() {
    in_time(async {
        let config = TransportConfig {
            silence_max: Duration::from_secs(2),
            quic_keep_alive: Duration::from_secs(60),
            ..server_config()
        };
        let server = Server::start(client_config(), config);
        let (_client, mut raw) = bare_quic(&server).await;
        let (_client, mut session) = server.webtransport().await;
        let ended = tokio::join!(raw.until_closed(), session.until_closed());
        assert_eq!(ended, (Closed::Silence, Closed::Silence));
    })
    .await;
}

/// What it does not get would be missing without a word.
#[tokio::test]
async fn a_client_that_stops_a_lane_loses_the_connection() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let ((client, mut control_out, _control_in), mut connection) = bare_quic(&server).await;
        connection.send(LaneId(1), record(b"{}")).await.unwrap();
        connection.flush().await.unwrap();
        client.accept_uni().await.unwrap().stop(1u32.into()).unwrap();
        // What says that the stop has arrived. Until there is more to say on the lane, nothing is missing.
        control_out.write_all(b"\x02[]").await.unwrap();
        while connection.next_record().await.1 != "[]" {}
        connection.try_send(LaneId(1), numbered(1, 0, 3000)).unwrap();
        assert_eq!(connection.until_closed().await, Closed::Lost("the peer stopped a lane's stream".into()));
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_names_no_lane_is_malformed() {
    let (tls, hash) = super::pair::certificate(-1..12);
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
    in_time(async {
        let (near, mut server) = raw_websocket(server_config()).await;
        let client = blocking(near, |stream| {
            let mut client = WebSocket::from_raw_socket(stream, Role::Client, None);
            let payloads = [Message::text("[\"ä\"]"), Message::binary(vec![5; 300]), Message::binary(vec![5; 60_000])];
            for payload in payloads {
                client.send(Message::Ping(Bytes::from_static(b"hello"))).unwrap();
                client.send(payload.clone()).unwrap();
                assert_eq!(client.read().unwrap(), Message::Pong(Bytes::from_static(b"hello")));
                assert_eq!(client.read().unwrap(), payload);
            }
            client.close(Some(CloseFrame { code: 4001.into(), reason: "enough".into() })).unwrap();
            let Message::Close(Some(answer)) = client.read().unwrap() else { panic!("no close frame") };
            assert_eq!(u16::from(answer.code), 4001);
        });
        for (expected, bytes) in [(Codec::Json, 6), (Codec::Bincode, 300), (Codec::Bincode, 60_000)] {
            let Ok(Event::Record { codec, payload, .. }) = server.recv().await else { panic!("no record") };
            assert_eq!((codec, payload.len()), (expected, bytes));
            server.send(LaneId(3), record(&payload)).await.unwrap();
        }
        assert_eq!(server.until_closed().await, Closed::ByPeer { code: 4001, reason: "enough".into() });
        // Whoever has nothing more to say just drops it, and the close frame is answered.
        drop(server);
        client.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn tungstenite_reads_a_close_in_full() {
    in_time(async {
        let (near, server) = raw_websocket(server_config()).await;
        let client = blocking(near, |stream| {
            let mut client = WebSocket::from_raw_socket(stream, Role::Client, None);
            let Message::Close(Some(close)) = client.read().unwrap() else { panic!("no close frame") };
            // The server ends the stream when it has the answer, and cleanly.
            assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
            close
        });
        server.close(4000, "see you").await;
        let close = client.await.unwrap();
        assert_eq!((u16::from(close.code), close.reason.as_str()), (4000, "see you"));
    })
    .await;
}

/// A server may speak in the packet that answers the upgrade.
#[tokio::test]
async fn what_comes_with_the_upgrade_is_not_lost() {
    in_time(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let serve = async {
            let mut socket = listener.accept().await.unwrap().0;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let header = |name: &str| {
                let line = request.lines().find(|line| line.to_lowercase().starts_with(name)).unwrap();
                line.split_once(": ").unwrap().1.to_owned()
            };
            let mut answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
                derive_accept_key(header("sec-websocket-key").as_bytes()),
                header("sec-websocket-protocol"),
            )
            .into_bytes();
            answer.extend_from_slice(record(b"{\"early\":1}").websocket_frame());
            socket.write_all(&answer).await.unwrap();
            socket
        };
        let dialer = Dialer::new(Trust::CertificateHashes(Vec::new()), client_config());
        let (client, _socket) = tokio::join!(dialer.websocket(&url, Codec::Json), serve);
        assert_eq!(client.unwrap().next_record().await.1, "{\"early\":1}");
    })
    .await;
}

/// What the peer breaks, and a code that it reads all the same, although it goes on sending.
#[tokio::test]
async fn a_peer_that_breaks_the_rules_reads_why() {
    let too_large = [&[0x82, 0xff][..], &(8_u64 << 20).to_be_bytes(), &[0; 4], &vec![0; 300_000]].concat();
    let not_utf8 = [0x81, 0x81, 0, 0, 0, 0, 0xff];
    for (bytes, code) in
        [(&too_large[..], 4502), (&not_utf8, 4501), (&[0x81, 0x00], 4501), (&[0xc1, 0x80, 0, 0, 0, 0], 4501)]
    {
        in_time(async {
            let (mut near, mut server) = raw_websocket(server_config()).await;
            let serving = async {
                let closed = server.until_closed().await;
                match code {
                    4502 => assert_eq!(closed, Closed::TooLarge { len: 8 << 20, max: 64 << 10 }),
                    _ => assert!(matches!(closed, Closed::Malformed(_)), "{closed}"),
                }
                server.close(code, "why").await;
            };
            let breaking = async move {
                near.write_all(bytes).await.unwrap();
                let mut read = Vec::new();
                near.read_to_end(&mut read).await.unwrap();
                read
            };
            let ((), read) = tokio::join!(serving, breaking);
            assert_eq!(read, [&[0x88, 5][..], &code.to_be_bytes(), b"why"].concat());
        })
        .await;
    }
}

/// Runs a blocking client beside the test.
fn blocking<T: Send + 'static>(
    stream: TcpStream,
    client: impl FnOnce(std::net::TcpStream) -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    tokio::task::spawn_blocking(move || client(stream))
}

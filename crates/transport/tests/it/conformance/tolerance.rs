//! What a server of HTTP/3 meets from peers that keep the rules and use their freedom, and from one that does not: our own
//! sessions beside those of wtransport and web-transport-quinn, asked by a client that speaks for itself.
//!
//! The table is why there are sessions of our own. It is also beside the dependency, in the workspace's `Cargo.toml`: where
//! a release of either changes a row, this fails, and both are to be looked at again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anteroom_protocol::LaneId;
use anteroom_transport::Event;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{ConnectionError, ReadError, ReadExactError};

use super::foreign::quinn_client;
use super::http::{headers, session};
use super::pair::{Server, certificate, client_config, in_time, record, server_config};

/// QPACK_DECOMPRESSION_FAILED (RFC 9204, section 6).
const DECOMPRESSION_FAILED: u64 = 0x200;
/// A control stream with settings for every draft, so that nobody misses one.
const SETTINGS: &[u8] = b"\x00\x04\x12\x33\x01\x08\x01\xab\x60\x37\x42\x01\xc0\x00\x00\x00\xc6\x71\x70\x6a\x01";

/// What a client says besides what a session needs.
struct Row {
    what: &'static str,
    /// Streams in one direction, before the control stream.
    early: &'static [&'static [u8]],
    on_control: &'static [u8],
    request: Vec<u8>,
    /// The same streams, once the session stands.
    late: &'static [&'static [u8]],
    on_session: &'static [u8],
    expected: Outcome,
    /// Who does as expected: ours, wtransport, web-transport-quinn.
    right: [bool; 3],
}

fn rows() -> Vec<Row> {
    let plain = |what, right| Row {
        what,
        early: &[],
        on_control: b"",
        request: session("/wt"),
        late: &[],
        on_session: b"",
        expected: Outcome::GoesOn,
        right,
    };
    // An index that is 63 and no more, with more bytes than any number has (RFC 7541, section 5.1).
    let overlong = [&b"\x00\x00\xff"[..], &[0x80; 16], b"\x00"].concat();
    // The types of GREASE (RFC 9114, sections 6.2.3 and 7.2.8) are those that nobody may know.
    vec![
        plain("nothing strange", [true, true, true]),
        Row { on_control: b"\x21\x03abc", ..plain("an unknown frame on the control stream", [true, true, true]) },
        Row {
            request: [b"\x21\x03abc", &session("/wt")[..]].concat(),
            ..plain("an unknown frame before the request", [true, true, true])
        },
        Row { on_session: b"\x21\x03abc", ..plain("an unknown frame on the session's stream", [true, true, true]) },
        Row {
            early: &[b"\x21abc", b"\x40\x40abc"],
            ..plain("GREASE streams before the settings", [true, true, false])
        },
        Row { late: &[b"\x21abc", b"\x40\x40abc"], ..plain("GREASE streams later", [true, true, true]) },
        // With the one instruction that is allowed without a table: its capacity is 0.
        Row { early: &[b"\x02\x20", b"\x03"], ..plain("QPACK streams before the settings", [true, true, false]) },
        Row { late: &[b"\x02\x20", b"\x03"], ..plain("QPACK streams later", [true, true, true]) },
        // RFC 9218, section 7.2.
        Row { on_control: b"\x80\x0f\x07\x00\x04\x00u=1", ..plain("PRIORITY_UPDATE", [true, false, true]) },
        Row {
            request: headers(&overlong),
            expected: Outcome::Ends(DECOMPRESSION_FAILED),
            ..plain("an overlong QPACK integer", [true, false, false])
        },
    ]
}

/// How a server takes a row.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The session goes on after all of it.
    GoesOn,
    /// The connection ends with this code.
    Ends(u64),
    /// A stream ends, and nothing else does.
    GivesUp,
}

async fn outcome((addr, hash): (SocketAddr, [u8; 32]), row: &Row) -> Outcome {
    let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let client = endpoint.connect_with(quinn_client(b"h3", hash), addr, "localhost").unwrap().await.unwrap();
    match talk(&client, row).await {
        Ok(()) => Outcome::GoesOn,
        Err(ReadExactError::FinishedEarly(_) | ReadExactError::ReadError(ReadError::Reset(_))) => Outcome::GivesUp,
        Err(_) => match client.closed().await {
            ConnectionError::ApplicationClosed(close) => Outcome::Ends(close.error_code.into_inner()),
            other => panic!("{}: {other:?}", row.what),
        },
    }
}

/// Says all of a row, and has a record echoed before and after. What cannot be written is told by what is read next.
async fn talk(client: &quinn::Connection, row: &Row) -> Result<(), ReadExactError> {
    let lost = |error| ReadExactError::ReadError(ReadError::ConnectionLost(error));
    let mut streams = Vec::new();
    for bytes in row.early.iter().copied().chain([&[SETTINGS, row.on_control].concat()[..]]) {
        let mut stream = client.open_uni().await.map_err(lost)?;
        let _ = stream.write_all(bytes).await;
        streams.push(stream);
    }
    let (mut connect, mut answer) = client.open_bi().await.map_err(lost)?;
    let _ = connect.write_all(&row.request).await;
    answer.read_exact(&mut [0; 3]).await?;
    let (mut send, mut recv) = client.open_bi().await.map_err(lost)?;
    let _ = send.write_all(b"\x40\x41\x00\x02{}").await;
    recv.read_exact(&mut [0; 3]).await?;
    for bytes in row.late {
        let mut stream = client.open_uni().await.map_err(lost)?;
        let _ = stream.write_all(bytes).await;
        streams.push(stream);
    }
    let _ = connect.write_all(row.on_session).await;
    for _ in 0..2 {
        let _ = send.write_all(b"\x02{}").await;
        recv.read_exact(&mut [0; 3]).await?;
    }
    Ok(())
}

fn ours() -> (SocketAddr, [u8; 32]) {
    let server = Server::start(client_config(), server_config());
    let found = (server.listener.local_addr().unwrap(), server.hash);
    tokio::spawn(async move {
        while let Some(incoming) = server.listener.accept().await {
            let Ok(established) = incoming.establish().await else { continue };
            let mut connection = established.connection;
            while let Ok(event) = connection.recv().await {
                let Event::Record { payload, .. } = event else { continue };
                let _ = connection.send(LaneId::CONTROL, record(&payload)).await;
            }
        }
    });
    found
}

fn wtransport() -> (SocketAddr, [u8; 32]) {
    let (config, hash) = quinn_server();
    let config = wtransport::ServerConfig::builder()
        .with_bind_address((Ipv4Addr::LOCALHOST, 0).into())
        .build_with_quic_config(config);
    let endpoint = wtransport::Endpoint::server(config).unwrap();
    let addr = endpoint.local_addr().unwrap();
    let serve = async |incoming: wtransport::endpoint::IncomingSession| {
        let session = incoming.await.ok()?.accept().await.ok()?;
        let (mut send, mut recv) = session.accept_bi().await.ok()?;
        let mut bytes = [0; 3];
        while recv.read_exact(&mut bytes).await.is_ok() {
            send.write_all(&bytes).await.ok()?;
        }
        session.closed().await;
        Some(())
    };
    tokio::spawn(async move {
        loop {
            let incoming = endpoint.accept().await;
            // It may panic.
            tokio::spawn(async move { serve(incoming).await });
        }
    });
    (addr, hash)
}

fn web_transport_quinn() -> (SocketAddr, [u8; 32]) {
    let (config, hash) = quinn_server();
    let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let addr = endpoint.local_addr().unwrap();
    let serve = async |incoming: quinn::Incoming| {
        let request = web_transport_quinn::Request::accept(incoming.await.ok()?).await.ok()?;
        let session = request.ok().await.ok()?;
        let (mut send, mut recv) = session.accept_bi().await.ok()?;
        let mut bytes = [0; 3];
        while recv.read_exact(&mut bytes).await.is_ok() {
            send.write_all(&bytes).await.ok()?;
        }
        session.closed().await;
        Some(())
    };
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            serve(incoming).await;
        }
    });
    (addr, hash)
}

/// The settings of a bare server of HTTP/3, and its certificate's hash.
fn quinn_server() -> (quinn::ServerConfig, [u8; 32]) {
    let (tls, hash) = certificate(-1..12);
    let mut tls = tls.tcp_config().unwrap().as_ref().clone();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicServerConfig::try_from(tls).unwrap();
    (quinn::ServerConfig::with_crypto(Arc::new(crypto)), hash)
}

#[tokio::test]
async fn what_a_peer_may_say_ends_no_session_and_what_it_may_not_say_has_its_number() {
    in_time(async {
        let servers = [("ours", ours()), ("wtransport", wtransport()), ("web-transport-quinn", web_transport_quinn())];
        for row in rows() {
            for ((name, server), right) in servers.into_iter().zip(row.right) {
                let outcome = outcome(server, &row).await;
                assert_eq!(outcome == row.expected, right, "{}, {name}: {outcome:x?}", row.what);
            }
        }
    })
    .await;
}

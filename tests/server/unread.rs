//! Whoever is closed while it still writes reads why: a client that writes all that it has before it reads anything, as
//! many do, and that has far more than anybody here will read.

use std::io::Write;
use std::sync::Arc;

use anteroom_server::config::TcpTls;
use anteroom_tests::frame::{BINARY, CONTINUATION, LAST, TEXT, close, frame, ping, text};
use anteroom_tests::in_time;
use anteroom_tests::server::TestServer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use wtransport::tls::Sha256Digest;
use wtransport::tls::client::ServerHashVerification;

/// More than the system keeps for anyone on the way.
const LOTS: usize = 5 << 20;

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection, by TLS where the server asks for it.
async fn connect(server: &TestServer, tls: TcpTls) -> Box<dyn Io> {
    let stream = in_time("a connection", TcpStream::connect(server.addr())).await.unwrap();
    if tls == TcpTls::Off {
        return Box::new(stream);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(ServerHashVerification::from_iter([Sha256Digest::new(server.hash())]));
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = "localhost".try_into().unwrap();
    Box::new(in_time("TLS", connector.connect(name, stream)).await.unwrap())
}

/// What a server says from the answer to the upgrade on.
struct Heard {
    /// The messages, one by one.
    messages: Vec<Value>,
    /// The close frame.
    close: (u16, String),
}

impl Heard {
    /// None if the close frame is not there yet.
    fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut messages = Vec::new();
        loop {
            let [first, second, rest @ ..] = bytes else { return None };
            let (len, rest) = match (second, rest) {
                (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
                (0..126, _) => (usize::from(*second), rest),
                (126, _) => return None,
                _ => panic!("a frame that begins with {bytes:x?}"),
            };
            let (payload, behind) = rest.split_at_checked(len)?;
            bytes = behind;
            match first {
                0x81 => match serde_json::from_slice(payload).unwrap() {
                    Value::Array(batch) => messages.extend(batch),
                    message => messages.push(message),
                },
                0x88 => {
                    assert!(bytes.is_empty(), "something behind the close frame: {bytes:x?}");
                    let code = u16::from_be_bytes(payload[..2].try_into().unwrap());
                    return Some(Self { messages, close: (code, String::from_utf8(payload[2..].to_vec()).unwrap()) });
                }
                0x89 | 0x8a => {}
                _ => panic!("a frame that begins with {first:x}"),
            }
        }
    }
}

/// Sends everything, then reads everything. Both must be possible.
async fn write_then_read(mut stream: Box<dyn Io>, sent: &[u8], what: &str) -> Vec<u8> {
    let written = in_time(what, async { stream.write_all(sent).await.and(stream.flush().await) });
    written.await.unwrap_or_else(|error| panic!("{what}: while writing: {error}"));
    let mut heard = Vec::new();
    let read = in_time(what, stream.read_to_end(&mut heard));
    read.await.unwrap_or_else(|error| panic!("{what}: behind {} bytes: {error}", heard.len()));
    heard
}

/// The same on a WebSocket, whose close frame is answered.
async fn write_then_hear(mut stream: Box<dyn Io>, sent: &[u8], what: &str) -> Heard {
    let written = in_time(what, async { stream.write_all(sent).await.and(stream.flush().await) });
    written.await.unwrap_or_else(|error| panic!("{what}: while writing: {error}"));
    let mut bytes = Vec::new();
    let heard = loop {
        if let Some(heard) = Heard::read(&bytes) {
            break heard;
        }
        let read = in_time(what, stream.read_buf(&mut bytes)).await;
        let read = read.unwrap_or_else(|error| panic!("{what}: behind {} bytes: {error}", bytes.len()));
        assert_ne!(read, 0, "{what}: no close frame behind {} bytes", bytes.len());
    };
    let behind = write_then_read(stream, &close(heard.close.0, ""), what).await;
    assert!(behind.is_empty(), "{what}: something behind the close frame: {behind:x?}");
    heard
}

/// A WebSocket of a page of this origin, if there is one.
async fn upgrade(server: &TestServer, tls: TcpTls, origin: &str) -> Box<dyn Io> {
    let mut stream = connect(server, tls).await;
    let origin = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{origin}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(in_time("the upgrade", stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A server with and without TLS.
fn servers() -> [(TestServer, TcpTls); 2] {
    [TcpTls::Off, TcpTls::On].map(|tls| {
        let server = TestServer::in_production(|config| {
            config.auth.guests = true;
            config.tls.tcp = tls;
        });
        (server, tls)
    })
}

fn handshake() -> Vec<u8> {
    text(r#"{"type":"handshake","data":{"version":1}}"#)
}

/// Many messages that are right, and mean nothing.
fn lots_of_messages() -> Vec<u8> {
    text(format!("{:1000}", "[]")).repeat(LOTS / 1000)
}

/// One message of 5 MB that nobody takes, in parts of so many bytes.
fn too_large(part: usize) -> Vec<u8> {
    let count = LOTS / part;
    let first = |place| if place == 0 { TEXT } else { CONTINUATION };
    let last = |place| if place + 1 == count { LAST } else { 0 };
    (0..count).flat_map(|place| frame(first(place) | last(place), vec![b' '; part])).collect()
}

/// The client must hear the code in a `goodbye` and in the close frame.
async fn told(origin: &str, code: u16, name: &str, sent: Vec<u8>) {
    for (server, tls) in servers() {
        let what = format!("{name}, TLS {tls:?}");
        let stream = upgrade(&server, tls, origin).await;
        let Heard { messages, close } = write_then_hear(stream, &sent, &what).await;
        let goodbye = messages.last().unwrap_or_else(|| panic!("{what}: no goodbye"));
        assert_eq!(goodbye["type"], "goodbye", "{what}");
        assert_eq!(goodbye["data"]["code"], code, "{what}");
        assert_eq!(close, (code, goodbye["data"]["reason"].as_str().unwrap().to_owned()), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_told_4502() {
    for part in [LOTS, 60_000, 1024] {
        let sent = [handshake(), too_large(part)].concat();
        told("", 4502, &format!("5 MB in parts of {part}"), sent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_close_is_told_over_what_is_not_read() {
    let bad_token = json!({"type": "handshake", "data": {"version": 1, "token": "nonsense"}}).to_string();
    let old = json!({"type": "handshake", "data": {"version": 0}}).to_string();
    for (code, name, sent) in [
        (4500, "another version", vec![text(old)]),
        (4501, "no JSON", vec![handshake(), text("nonsense")]),
        (4501, "a reserved bit", vec![handshake(), frame(LAST | 0x40 | TEXT, "[]")]),
        (4503, "no handshake", vec![text(r#"{"type":"ping"}"#)]),
        (4505, "a bad token", vec![text(bad_token)]),
        (4507, "binary", vec![handshake(), frame(LAST | BINARY, "[]")]),
        (4005, "a flood of pings", vec![handshake(), ping("p").repeat(5000)]),
        (4005, "a flood of empty parts", vec![handshake(), frame(TEXT, "[]"), frame(CONTINUATION, "").repeat(5000)]),
    ] {
        told("", code, name, [sent.concat(), lots_of_messages()].concat()).await;
    }
    told("https://evil.test", 4506, "a foreign origin", [handshake(), lots_of_messages()].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_frame_and_a_goodbye_are_answered_over_what_follows_them() {
    let goodbye = text(r#"{"type":"goodbye","data":{"code":1000}}"#);
    for (server, tls) in servers() {
        for (code, last) in [(4000, close(4000, "enough")), (1000, goodbye.clone())] {
            let stream = upgrade(&server, tls, "").await;
            let sent = [handshake(), last, lots_of_messages()].concat();
            let heard = write_then_hear(stream, &sent, &format!("{code}, TLS {tls:?}")).await;
            assert_eq!((heard.close, heard.messages.len()), ((code, String::new()), 1), "{code}, TLS {tls:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shuts_down_says_so_to_who_is_writing() {
    for (server, tls) in servers() {
        let mut stream = upgrade(&server, tls, "").await;
        // More than fits between the two, so the server has read some of it.
        let before = [handshake(), lots_of_messages()].concat();
        in_time("writing", stream.write_all(&before)).await.unwrap();
        let behind = lots_of_messages();
        let (heard, ()) = tokio::join!(write_then_hear(stream, &behind, "the shutdown"), server.shutdown());
        assert_eq!(heard.close.0, 4000, "{tls:?}");
        assert_eq!(heard.messages.last().unwrap()["data"]["code"], 4000, "{tls:?}");
    }
}

/// An answer of HTTP is read as well, by who has sent a body that nobody asked for.
#[tokio::test(flavor = "multi_thread")]
async fn answers_of_http_are_read_over_bodies() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let length = format!("Content-Length: {LOTS}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let body = vec![b'x'; LOTS];
    let chunks = [format!("{LOTS:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    for (server, tls) in servers() {
        for (status, line, headers, body) in [
            (405, "POST /ws", length.clone(), &body),
            (405, "POST /ws", chunked.to_owned(), &chunks),
            (405, "POST /healthz", length.clone(), &body),
            (404, "POST /nothing", length.clone(), &body),
            (200, "GET /healthz", length.clone(), &body),
            (426, "GET /ws", length.clone(), &body),
            (400, "GET /ws", format!("{upgrade}{length}"), &body),
            (400, "GET /ws", format!("{upgrade}{chunked}"), &chunks),
            (404, "POST /nothing", format!("{upgrade}{length}"), &body),
            (431, "GET /ws", format!("X: {}\r\n", "x".repeat(40_000)), &body),
        ] {
            let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
            let sent = [head.as_bytes(), body].concat();
            let what = format!("{line}, TLS {tls:?}, {:.100}", headers.trim_end());
            let stream = connect(&server, tls).await;
            let heard = String::from_utf8(write_then_read(stream, &sent, &what).await).unwrap();
            assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {heard}");
        }
    }
}

/// Who comes when there is no place for another connection hears it. On one thread the server does not find the connection
/// before the request is there as well.
#[tokio::test]
async fn the_answer_to_one_connection_too_many_is_read() {
    let server = TestServer::with(|config| config.limits.connections_max = 1);
    let _first = upgrade(&server, TcpTls::Off, "").await;
    let mut stream = std::net::TcpStream::connect(server.addr()).unwrap();
    stream.write_all(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = Box::new(TcpStream::from_std(stream).unwrap());
    let heard = String::from_utf8(write_then_read(stream, b"", "one too many").await).unwrap();
    assert!(heard.starts_with("HTTP/1.1 503 "), "{heard}");
}

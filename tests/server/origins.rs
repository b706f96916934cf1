//! The doorstep: which pages may connect, over WebSocket and WebTransport alike, and which requests are none.

use std::net::SocketAddr;
use std::pin::Pin;

use anteroom_protocol::record::RecordReader;
use anteroom_server::config::Config;
use anteroom_tests::bare::Bare;
use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::http::{self, get};
use anteroom_tests::in_time;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use serde_json::{Value, json};
use wtransport::config::{DnsLookupFuture, DnsResolver};
use wtransport::endpoint::ConnectOptions;
use wtransport::error::ConnectionError;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Endpoint};

/// The code a page of this origin is refused with over WebSocket, and whether `goodbye` said the same; none if it is
/// let in.
async fn over_websocket(server: &TestServer, origin: Option<&str>) -> Option<(u16, String)> {
    over_websocket_at(server, &server.addr().to_string(), origin).await
}

/// The same of a server that is asked for by this host.
async fn over_websocket_at(server: &TestServer, host: &str, origin: Option<&str>) -> Option<(u16, String)> {
    let headers: Vec<(&str, &str)> =
        origin.map(|origin| ("Origin", origin)).into_iter().chain([("Host", host)]).collect();
    let mut bare = Bare::connect(server.addr(), &headers).await;
    let first = bare.try_handshake().await;
    if first.is_some() {
        return None;
    }
    let (close, goodbye) = bare.end().await;
    assert_eq!(goodbye.unwrap_or_else(|| close.clone()), close);
    Some(close)
}

/// The same over WebTransport.
async fn over_webtransport(server: &TestServer, origin: Option<&str>) -> Option<(u16, String)> {
    over_webtransport_at(server, &format!("https://{}/wt", server.addr()), origin).await
}

/// Whatever the name, it is the server under test.
#[derive(Debug)]
struct Rebound(SocketAddr);

impl DnsResolver for Rebound {
    fn resolve(&self, _host: &str) -> Pin<Box<dyn DnsLookupFuture>> {
        let addr = self.0;
        Box::pin(async move { Ok(Some(addr)) })
    }
}

async fn over_webtransport_at(server: &TestServer, url: &str, origin: Option<&str>) -> Option<(u16, String)> {
    let config = ClientConfig::builder()
        .with_bind_default()
        .with_server_certificate_hashes([Sha256Digest::new(server.hash())])
        .dns_resolver(Rebound(server.udp_addr()))
        .build();
    let endpoint = Endpoint::client(config).unwrap();
    let mut options = ConnectOptions::builder(url);
    if let Some(origin) = origin {
        options = options.add_header("origin", origin);
    }
    let connection = in_time("a session", endpoint.connect(options.build())).await.unwrap();
    let heard = in_time("a first message", first_message(&connection)).await;
    if heard.as_ref().is_some_and(|message| message["type"] == "handshake_accepted") {
        return None;
    }
    // This library closes QUIC by itself as soon as it reads how the session was closed, and tells only streams.
    let Err(ConnectionError::ApplicationClosed(close)) = in_time("the end", connection.accept_uni()).await else {
        panic!("closed without a code")
    };
    let code = u16::try_from(close.code().into_inner()).unwrap();
    let reason = String::from_utf8(close.reason().to_vec()).unwrap();
    if let Some(goodbye) = heard {
        assert_eq!(goodbye["type"], "goodbye");
        assert_eq!(goodbye["data"], json!({"code": code, "reason": reason}));
    }
    Some((code, reason))
}

/// Shakes hands and reads what comes back; none if the connection is closed before.
async fn first_message(connection: &wtransport::Connection) -> Option<Value> {
    let (mut send, mut receive) = connection.open_bi().await.ok()?.await.ok()?;
    let handshake = br#"{"type":"handshake","data":{"version":1}}"#;
    let mut record = vec![u8::try_from(handshake.len()).unwrap()];
    record.extend_from_slice(handshake);
    send.write_all(&record).await.ok()?;
    let mut reader = RecordReader::new(1 << 20);
    let mut buffer = [0; 4096];
    loop {
        let read = receive.read(&mut buffer).await.ok()??;
        reader.push(&buffer[..read]);
        if let Some(payload) = reader.next_record().unwrap() {
            return serde_json::from_slice(&payload).ok();
        }
    }
}

async fn assert_allowed(server: &TestServer, origins: &[Option<&str>]) {
    for origin in origins {
        assert_eq!(over_websocket(server, *origin).await, None, "{origin:?} over WebSocket");
        assert_eq!(over_webtransport(server, *origin).await, None, "{origin:?} over WebTransport");
    }
}

async fn assert_refused(server: &TestServer, origins: &[&str]) {
    for origin in origins {
        for refused in [over_websocket(server, Some(origin)).await, over_webtransport(server, Some(origin)).await] {
            let (code, reason) = refused.unwrap_or_else(|| panic!("{origin:?} was let in"));
            assert_eq!(code, 4506, "{origin:?}");
            assert_sentence(&reason);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_server_lets_pages_of_this_machine_in_and_no_others() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    let own = format!("http://{}", server.addr());
    let allowed =
        [None, Some(&*own), Some("http://localhost:5173"), Some("https://127.0.0.1"), Some("http://[::1]:8080")];
    assert_allowed(&server, &allowed).await;
    assert_refused(
        &server,
        &[
            "null",
            "https://evil.test",
            "http://localhost.evil.test",
            "http://127.0.0.1.evil.test",
            "http://evil.test:7350",
            "http://10.0.0.1",
            "http://0.0.0.0:7350",
            "file://",
            "chrome-extension://localhost",
            "localhost",
            "http://localhost@evil.test",
            "nonsense",
        ],
    )
    .await;
    bystanders.assert_undisturbed(&server).await;
}

fn listed(config: &mut Config) {
    config.origins.allowed = ["https://play.example.com", "https://*.example.org", "https://game.example.net:8443"]
        .map(str::to_owned)
        .into();
    config.auth.guests = true;
}

const LISTED_ALLOWED: [Option<&str>; 6] = [
    None,
    Some("https://play.example.com"),
    Some("https://PLAY.EXAMPLE.COM:443"),
    Some("https://a.example.org"),
    Some("https://a.b.example.org"),
    Some("https://game.example.net:8443"),
];

const LISTED_REFUSED: [&str; 17] = [
    "null",
    "http://play.example.com",
    "https://play.example.com:8443",
    "https://game.example.net",
    "https://play.example.com.evil.test",
    "https://evilplay.example.com",
    "https://example.com",
    "https://play.example.com.",
    "https://example.org",
    "https://evilexample.org",
    "https://.example.org",
    "https://a.example.org.evil.test",
    "https://evil.test#.example.org",
    "https://play.example.com@evil.test",
    "http://localhost:5173",
    "http://127.0.0.1",
    "wss://play.example.com",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_production_server_lets_the_listed_origins_in_and_no_others() {
    let server = TestServer::in_production(listed);
    let mut bystanders = Bystanders::meet(&server).await;
    assert_allowed(&server, &LISTED_ALLOWED).await;
    assert_refused(&server, &LISTED_REFUSED).await;
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_server_with_a_list_keeps_to_it() {
    let server = TestServer::with(listed);
    assert_allowed(&server, &LISTED_ALLOWED).await;
    assert_refused(&server, &LISTED_REFUSED).await;
}

/// Pages in the shells of apps have schemes of their own.
#[tokio::test(flavor = "multi_thread")]
async fn shells_of_apps_can_be_listed() {
    let shells = [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "http://tauri.localhost",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://01234567-89ab-cdef-0123-456789abcdef",
    ];
    let server = TestServer::in_production(|config| {
        config.origins.allowed = shells.map(str::to_owned).into();
        config.auth.guests = true;
    });
    assert_allowed(&server, &shells.map(Some)).await;
    let others =
        ["http://localhost", "https://localhost", "capacitor://localhost:80", "chrome-extension://other", "null"];
    assert_refused(&server, &others).await;
    // Nobody listed is let in by a development server, other than pages of this machine.
    assert_refused(&TestServer::start(), &["capacitor://localhost", "tauri://localhost"]).await;
}

/// The page that the server itself hands out may connect to it, where nobody else can have its name.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_s_own_origin_is_allowed_where_its_certificate_names_it() {
    let names = ["play.example.com", "*.games.example", "127.0.0.1"];
    let server = TestServer::in_production_at(&names, |config| config.auth.guests = true);
    let port = server.addr().port();
    for (host, origin, is_own) in [
        ("play.example.com", "play.example.com", true),
        ("PLAY.example.com.", "play.example.com", true),
        ("one.games.example", "one.games.example", true),
        ("127.0.0.1", "127.0.0.1", true),
        ("games.example", "games.example", false),
        ("a.b.games.example", "a.b.games.example", false),
        // A name that was made to point here after its page was loaded.
        ("evil.test", "evil.test", false),
        ("play.example.com", "evil.test", false),
        ("evil.test", "play.example.com", false),
    ] {
        let (host, origin) = (format!("{host}:{port}"), format!("https://{origin}:{port}"));
        let url = format!("https://{}/wt", host.replace(".:", ":"));
        for refused in [
            over_websocket_at(&server, &host, Some(&origin)).await,
            over_webtransport_at(&server, &url, Some(&origin)).await,
        ] {
            assert_eq!(refused.map(|(code, _)| code), (!is_own).then_some(4506), "{origin} at {host}");
        }
    }
    // Other servers at the same name, and pages that anyone on the way may have written.
    let own = format!("https://127.0.0.1:{port}");
    assert_allowed(&server, &[Some(&own)]).await;
    let others = [format!("http://127.0.0.1:{port}"), "https://127.0.0.1".into(), "https://127.0.0.1:1".into()];
    assert_refused(&server, &others.each_ref().map(|origin| &**origin)).await;
    let answer = get(server.addr(), "/api/certificate", &[&format!("Origin: {own}")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some(&*own));
}

/// Behind a proxy the server is asked for by names that its pages know nothing of.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_s_own_origin_is_the_configured_one() {
    let server = TestServer::in_production(|config| {
        config.public_url = Some("https://play.example.com:8443/game".into());
        config.auth.guests = true;
    });
    let port = server.addr().port();
    for (origin, is_own) in [
        ("https://play.example.com:8443", true),
        ("https://PLAY.example.com:8443", true),
        ("https://play.example.com", false),
        ("http://play.example.com:8443", false),
        ("https://inside:8443", false),
    ] {
        for refused in [
            over_websocket_at(&server, "inside:7350", Some(origin)).await,
            over_webtransport_at(&server, &format!("https://play.example.com:{port}/game/wt"), Some(origin)).await,
            over_webtransport_at(&server, &format!("https://inside:{port}/wt"), Some(origin)).await,
        ] {
            assert_eq!(refused.map(|(code, _)| code), (!is_own).then_some(4506), "{origin}");
        }
    }
}

/// Its pages come over TCP, so it is that port which tells them from others of the same machine.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_s_own_origin_has_the_port_of_tcp_on_a_udp_socket_elsewhere_too() {
    let server = TestServer::in_production(|config| {
        config.listen_udp = Some("127.0.0.1:0".into());
        config.auth.guests = true;
    });
    let (tcp, udp) = (server.addr(), server.udp_addr());
    for (port, is_own) in [(tcp.port(), true), (udp.port(), false)] {
        let origin = format!("https://127.0.0.1:{port}");
        let refused = over_webtransport_at(&server, &format!("https://{udp}/wt"), Some(&origin)).await;
        assert_eq!(refused.map(|(code, _)| code), (!is_own).then_some(4506), "{origin}");
        assert_eq!(over_websocket(&server, Some(&origin)).await.is_none(), is_own, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_production_server_without_a_list_lets_no_page_in() {
    let server = TestServer::in_production(|config| config.auth.guests = true);
    assert_allowed(&server, &[None]).await;
    assert_refused(&server, &["null", "https://play.example.com", "http://127.0.0.1", "http://localhost:7350"]).await;
}

/// A WebSocket request that is right.
const UPGRADE: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// The same with one header changed, or left out if the new one is empty.
fn upgrade_with<'a>(name: &str, changed: &'a str) -> Vec<&'a str> {
    let mut headers: Vec<&str> =
        UPGRADE.into_iter().filter(|header| !header.starts_with(&format!("{name}:"))).collect();
    headers.extend((!changed.is_empty()).then_some(changed));
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_that_are_none_are_refused_with_a_status_and_a_sentence() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for (status, headers) in [
        (426, vec![]),
        (426, upgrade_with("Connection", "Connection: close")),
        (426, upgrade_with("Upgrade", "Upgrade: h2c")),
        (426, upgrade_with("Upgrade", "")),
        (426, upgrade_with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8")),
        (426, upgrade_with("Sec-WebSocket-Version", "")),
        (400, upgrade_with("Sec-WebSocket-Key", "")),
        (400, upgrade_with("Sec-WebSocket-Key", "Sec-WebSocket-Key: short")),
        (400, upgrade_with("Sec-WebSocket-Key", "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==")),
        (400, upgrade_with("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: chat")),
        (400, upgrade_with("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: anteroom.v2.json, mqtt")),
    ] {
        let answer = get(server.addr(), "/ws", &headers).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        assert_sentence(answer.body.trim_end());
    }
    let wrong_version = get(server.addr(), "/ws", &upgrade_with("Sec-WebSocket-Version", "")).await;
    assert!(wrong_version.head.contains("sec-websocket-version: 13"), "{wrong_version:?}");
    let post = http::raw(
        server.addr(),
        b"POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(post.await.status, 405);
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_known_subprotocol_is_chosen_and_no_extension() {
    let server = TestServer::start();
    for (offer, chosen) in [
        ("anteroom.v1.json", "anteroom.v1.json"),
        ("anteroom.v1.bincode", "anteroom.v1.bincode"),
        ("mqtt, anteroom.v1.bincode, anteroom.v1.json", "anteroom.v1.bincode"),
    ] {
        let mut request = format!("GET /ws HTTP/1.1\r\nHost: {}\r\nSec-WebSocket-Protocol: {offer}\r\n", server.addr());
        for header in UPGRADE {
            request += &format!("{header}\r\n");
        }
        request += "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
        let answer = http::raw(server.addr(), request.as_bytes()).await;
        assert_eq!(answer.status, 101, "{answer:?}");
        assert!(answer.head.contains(&format!("sec-websocket-protocol: {chosen}")), "{answer:?}");
        assert!(answer.head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer:?}");
        assert!(!answer.head.contains("extensions"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_server_answers_to_its_own_machine_s_names_only() {
    let server = TestServer::start();
    let port = server.addr().port();
    // Names are the same in capitals, and with the dot that ends them all.
    for host in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "LocalHost", "localhost.", "LOCALHOST."] {
        for header in [format!("Host: {host}"), format!("Host: {host}:{port}"), format!("Host: {host}:1")] {
            assert_eq!(get(server.addr(), "/healthz", &[&header]).await.status, 200, "{header}");
        }
    }
    for host in ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1", "[::2]", "localhost.evil"] {
        let header = format!("Host: {host}");
        for path in ["/healthz", "/", "/sdk/anteroom.js", "/api/certificate", "/nothing"] {
            let answer = get(server.addr(), path, &[&header]).await;
            assert_eq!(answer.status, 421, "{host:?} {path}: {answer:?}");
            assert_sentence(answer.body.trim_end());
        }
        let mut upgrade = UPGRADE.to_vec();
        upgrade.push(&header);
        assert_eq!(get(server.addr(), "/ws", &upgrade).await.status, 421, "{host:?}");
    }
    let production = TestServer::in_production(|_| ());
    for host in ["play.example.com", "PLAY.example.com.", "game_server:7350", "localhost", "[2001:db8::1]"] {
        assert_eq!(get(production.addr(), "/healthz", &[&format!("Host: {host}")]).await.status, 200, "{host}");
    }
}

/// RFC 9112, section 3.2.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_host() {
    let hosts = [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nhost: play.example.com\r\n",
        "Host:\r\n",
        "Host: two words\r\n",
        "Host: localhost:7350:1\r\n",
        "Host: localhost:65536\r\n",
        "Host: localhost, localhost\r\n",
        "Host: me@localhost\r\n",
        "Host: localhost/\r\n",
        "Host: http://localhost\r\n",
        "Host: ::1\r\n",
        "Host: .\r\n",
        "Host: localhost..\r\n",
        "Host: l\u{f6}calhost\r\n",
    ];
    for server in [TestServer::start(), TestServer::in_production(|_| ())] {
        for host in hosts {
            for path in ["/healthz", "/api/certificate", "/ws", "/nothing"] {
                let request = format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
                let answer = http::raw(server.addr(), request.as_bytes()).await;
                assert_eq!(answer.status, 400, "{host:?} {path}: {answer:?}");
                assert_sentence(answer.body.trim_end());
            }
            let old = http::raw(server.addr(), format!("GET /healthz HTTP/1.0\r\n{host}\r\n").as_bytes()).await;
            // HTTP/1.0 has no need to name one, and the checks of some balancers do not.
            assert_eq!(old.status, if host.is_empty() { 200 } else { 400 }, "{host:?}: {old:?}");
        }
    }
}

/// RFC 9112, section 3.2.2: what stands in the request line counts, whatever `Host` says.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_of_an_absolute_target_counts() {
    let server = TestServer::start();
    let asked = async |target: &str, host: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        http::raw(server.addr(), request.as_bytes()).await.status
    };
    assert_eq!(asked("http://evil.example/healthz", "127.0.0.1").await, 421);
    assert_eq!(asked("http://localhost/healthz", "evil.example").await, 200);
    assert_eq!(asked("http://LOCALHOST.:7350/healthz", "localhost").await, 200);
    assert_eq!(asked("http://me@localhost/healthz", "localhost").await, 400);
    assert_eq!(asked("ftp://localhost/healthz", "localhost").await, 400);
    assert_eq!(asked("http://localhost/healthz", "two words").await, 400);
    assert_eq!(asked("evil.example:443", "localhost").await, 400);
    assert_eq!(asked("*", "localhost").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none_are_refused_and_hurt_nobody() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    let headers: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (request, statuses) in [
        ("\u{16}\u{3}\u{1}\0\u{5}hello".to_owned(), &[400, 0][..]),
        ("nonsense\r\n\r\n".to_owned(), &[400, 0]),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), &[400]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[400, 0]),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"), &[431]),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(40_000)), &[431]),
        (format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(40_000)), &[414, 431]),
    ] {
        let request = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let answer = http::raw(server.addr(), request.as_bytes()).await;
        assert!(statuses.contains(&answer.status), "{:?}: {answer:?}", &request[..request.len().min(60)]);
    }
    // Something that is no TLS, and no QUIC either.
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for datagram in [&[0xc0; 1200][..], &[0xff; 1200], b"hello", &[0; 3]] {
        socket.send_to(datagram, server.addr()).await.unwrap();
    }
    let mut peer = Peer::enter(&server, Way::json(Via::WebTransport), "Ada").await;
    peer.ask("ping", json!({})).await;
    bystanders.assert_undisturbed(&server).await;
}

//! `anteroom serve`: what it refuses to start without, and a server with a certificate of `anteroom cert`.

use std::path::Path;

use anteroom_protocol::Codec;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Running, anteroom, anteroom_with, command};
use anteroom_tests::server::{address, dialer, scratch};
use anteroom_tests::{certificates, token};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Makes a certificate and gives its hash.
async fn make_certificate(folder: &Path) -> [u8; 32] {
    let made = anteroom_with(&["cert", "--out", folder.to_str().unwrap()]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.contains("13 days"), "{made:?}");
    let line = made.stdout.lines().find_map(|line| line.strip_prefix("SHA-256: ")).unwrap();
    STANDARD.decode(line).unwrap().try_into().unwrap()
}

/// Writes a configuration with these paths, and everything else that serving needs.
fn configure(folder: &Path, more: &str) -> String {
    let folder_name = folder.display();
    std::fs::write(folder.join("token.key"), format!("{}\n", token::KEY)).unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[tls]\ncertificate = \"{folder_name}/certificate.pem\"\nkey = \"{folder_name}/key.pem\"\n\
         [auth]\ntoken_key_file = \"{folder_name}/token.key\"\n{more}"
    );
    let file = folder.join("anteroom.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Puts keys in front of a configuration.
fn prepend(config: &str, keys: &str) {
    let text = std::fs::read_to_string(config).unwrap();
    std::fs::write(config, format!("{keys}{text}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cert_writes_a_pair_that_only_its_owner_can_read() {
    let folder = scratch("cert").join("new");
    let hash = make_certificate(&folder).await;
    let chain = std::fs::read_to_string(folder.join("certificate.pem")).unwrap();
    assert!(chain.starts_with("-----BEGIN CERTIFICATE-----"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // A second one replaces it.
    assert_ne!(make_certificate(&folder).await, hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_over_tls_everywhere_with_a_certificate_pinned_by_its_hash() {
    let folder = scratch("serve");
    let hash = make_certificate(&folder).await;
    let config = configure(&folder, "[origins]\nallowed = [\"https://play.example.com\"]\n");
    prepend(&config, "demo = true\n");
    let checked = anteroom_with(&["config", "check", &config]).await;
    assert_eq!((checked.code, checked.stdout.lines().count()), (Some(0), 1), "{checked:?}");
    let mut server = Running::start(command(anteroom(), &["serve", "--config", &config]));
    let addr = server.listening().await;
    let dialer = dialer(&[hash]);

    let published = https_get(&folder, addr, "/api/certificate").await;
    let (_, published) = published.split_once("\r\n\r\n").unwrap();
    let certificate: Value = serde_json::from_str(published).unwrap();
    assert_eq!(certificate["hashes"][0]["value"], json!(STANDARD.encode(hash)));
    assert_eq!(certificate["hashes"][0]["algorithm"], "sha-256");
    assert_eq!(certificate["webtransport_url"], format!("https://{addr}/wt"));

    // The page is allowed to connect over TLS, and over nothing else.
    let page = https_get(&folder, addr, "/").await;
    let connect = format!("connect-src 'self' wss://{addr} https://{addr}\r\n");
    assert!(page.contains(&connect) && page.contains("<!doctype html>"), "{page}");
    // Its origin is the server's own, which the certificate names, and is not listed.
    for (origin, is_allowed) in [
        (format!("https://{addr}"), true),
        ("https://play.example.com".into(), true),
        (format!("http://{addr}"), false),
        (format!("https://localhost:{}", addr.port()), false),
    ] {
        let header = format!("Origin: {origin}");
        let answer = https_get_with(&folder, addr, "/api/certificate", &["--header", &header]).await;
        let is_named = answer.contains(&format!("access-control-allow-origin: {origin}\r\n"));
        assert_eq!(is_named, is_allowed, "{origin}: {answer}");
    }

    let mut peers = Vec::new();
    for way in Way::all() {
        let mut peer = match way.via {
            Via::WebSocket => {
                let connection = dialer.websocket(&format!("wss://{addr}/ws"), way.codec).await.unwrap();
                Peer::over(connection, way)
            }
            _ => Peer::dial_to(&dialer, &address(addr), way).await,
        };
        let user_id = format!("user of {way:?}");
        peer.handshake(json!({"version": 1, "token": token::of(&user_id)})).await;
        assert_eq!(peer.user_id, user_id);
        peers.push(peer);
    }
    let room_id = peers[0].create("relay", json!({})).await;
    for peer in &mut peers[1..] {
        peer.join(&room_id, "player").await;
    }
    let said = peers[0].ask_in(&room_id, "send", json!({"payload": "all"})).await;
    assert_eq!(said.success, Some(true));
    for peer in &mut peers {
        assert_eq!(peer.find("message").await.data["payload"], "all");
    }
    // Without TLS there is nothing, without a token nobody gets in, and another certificate is not trusted.
    assert!(dialer.websocket(&format!("ws://{addr}/ws"), Codec::Json).await.is_err());
    let mut guest = Peer::dial_to(&dialer, &address(addr), Way::json(Via::Quic)).await;
    guest.json(&json!({"type": "handshake", "data": {"version": 1, "name": "Guest"}})).await;
    guest.refused(4505).await;
    let distrustful = anteroom_tests::server::dialer(&[[7; 32]]);
    assert!(distrustful.quic(&address(addr)).await.is_err());
    assert!(distrustful.webtransport(&address(addr)).await.is_err());
    assert!(distrustful.websocket(&format!("wss://{addr}/ws"), Codec::Json).await.is_err());

    server.signal("TERM").await;
    for peer in peers {
        peer.refused(4000).await;
    }
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, format!("listening on {addr}"), "nothing else goes to stdout");
}

/// Asks a server with TLS, trusting its certificate; the answer is the head and what follows.
async fn https_get(folder: &Path, addr: std::net::SocketAddr, path: &str) -> String {
    https_get_with(folder, addr, path, &[]).await
}

async fn https_get_with(folder: &Path, addr: std::net::SocketAddr, path: &str, more: &[&str]) -> String {
    let mut curl = command("curl", &["--silent", "--show-error", "--include", "--cacert"]);
    curl.arg(folder.join("certificate.pem")).args(more).arg(format!("https://127.0.0.1:{}{path}", addr.port()));
    let answer = anteroom_tests::program::run(curl).await;
    assert_eq!(answer.code, Some(0), "{answer:?}");
    answer.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn it_refuses_to_start_without_what_it_needs() {
    let folder = scratch("refuse");
    make_certificate(&folder).await;
    let whole = std::fs::read_to_string(configure(&folder, "")).unwrap();
    let without = |names: &[&str]| {
        let kept: Vec<&str> = whole.lines().filter(|line| !names.iter().any(|name| line.starts_with(name))).collect();
        kept.join("\n")
    };
    let other = scratch("another");
    make_certificate(&other).await;
    std::fs::write(folder.join("short.key"), "short").unwrap();
    std::fs::write(folder.join("empty.pem"), "nothing").unwrap();
    let f = folder.display().to_string();
    for (text, code, said) in [
        (without(&["certificate", "key"]), 2, "serving needs a certificate"),
        (without(&["token_key_file"]), 2, "serving needs a key to check tokens with"),
        (without(&["key"]), 2, "needs both `certificate` and `key`"),
        (
            whole.replace(&format!("{f}/certificate.pem"), "/nowhere/c.pem"),
            2,
            "cannot read the certificate /nowhere/c.pem",
        ),
        (whole.replace(&format!("{f}/key.pem"), "/nowhere/k.pem"), 2, "cannot read the private key /nowhere/k.pem"),
        (whole.replace(&format!("{f}/certificate.pem"), &format!("{f}/empty.pem")), 2, "cannot read the certificate"),
        (whole.replace(&format!("{f}/key.pem"), &format!("{f}/empty.pem")), 2, "cannot read the private key"),
        (
            whole.replace(&format!("{f}/key.pem"), &format!("{}/key.pem", other.display())),
            2,
            "check that the key belongs to it",
        ),
        (whole.replace(&format!("{f}/token.key"), "/nowhere/t.key"), 2, "cannot read the token key /nowhere/t.key"),
        (whole.replace(&format!("{f}/token.key"), &format!("{f}/short.key")), 2, "less than 32 bytes"),
    ] {
        let file = folder.join("wrong.toml");
        std::fs::write(&file, &text).unwrap();
        let ended = anteroom_with(&["serve", "--config", file.to_str().unwrap()]).await;
        assert_eq!(ended.code, Some(code), "{said}: {ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "one sentence: {ended:?}");
        assert_eq!(ended.stdout, "", "nothing listened: {ended:?}");
    }
    // Guests do not make up for a key.
    let guests = without(&["token_key_file"]) + "\nguests = true\n";
    std::fs::write(folder.join("guests.toml"), guests).unwrap();
    let ended = anteroom_with(&["serve", "--config", folder.join("guests.toml").to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

/// WebSocket may have another certificate in front of it, and a clock may be wrong until the network is there.
#[tokio::test(flavor = "multi_thread")]
async fn it_starts_with_a_certificate_that_has_expired_and_says_so() {
    let folder = scratch("expired");
    certificates::write(&folder, certificates::EXPIRED);
    let config = configure(&folder, "");
    let mut server = Running::start(command(anteroom(), &["serve", "--config", &config]));
    server.listening().await;
    server.signal("TERM").await;
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let first: Value = serde_json::from_str(ended.stderr.lines().next().unwrap()).unwrap();
    let sentence = format!("the certificate {}/certificate.pem has expired", folder.display());
    assert!(first["level"] == "ERROR" && first["message"].as_str().unwrap().starts_with(&sentence), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_and_the_flag_go_over_the_file() {
    let folder = scratch("environment");
    let hash = make_certificate(&folder).await;
    let config = configure(&folder, "guests = false\n[limits]\nrooms_per_session_max = 3\n");
    let mut serve = command(anteroom(), &["serve", "--config", &config, "--listen", "localhost:0"]);
    serve
        .env("ANTEROOM_AUTH__GUESTS", "true")
        .env("ANTEROOM_LIMITS__ROOMS_PER_SESSION_MAX", "5")
        .env("ANTEROOM_LISTEN", "0.0.0.0:1");
    let mut server = Running::start(serve);
    let addr = server.listening().await;
    assert!(addr.ip().is_loopback());
    let mut guest = Peer::dial_to(&dialer(&[hash]), &address(addr), Way::json(Via::WebTransport)).await;
    let accepted = guest.handshake(json!({"version": 1, "name": "Guest"})).await;
    assert_eq!(accepted["limits"]["rooms_max"], json!(5));
    guest.leave().await;
    server.signal("TERM").await;
    assert_eq!(server.end().await.code, Some(0));
}

/// Behind a proxy TCP speaks no TLS, and QUIC does all the same.
#[tokio::test(flavor = "multi_thread")]
async fn tcp_without_tls_is_for_proxies() {
    let folder = scratch("proxy");
    let hash = make_certificate(&folder).await;
    let config = configure(&folder, "");
    let text = std::fs::read_to_string(&config).unwrap().replace("[auth]", "tcp = \"off\"\n[auth]");
    std::fs::write(&config, text).unwrap();
    let mut server = Running::start(command(anteroom(), &["serve", "--config", &config]));
    let addr = server.listening().await;
    for way in Way::JSON {
        let mut peer = Peer::dial_to(&dialer(&[hash]), &address(addr), way).await;
        peer.handshake(json!({"version": 1, "token": token::of("ada")})).await;
        peer.leave().await;
    }
    server.signal("TERM").await;
    assert_eq!(server.end().await.code, Some(0));
}

/// TCP inside, where the proxy is, and UDP outside, which a proxy does not pass on.
#[tokio::test(flavor = "multi_thread")]
async fn udp_may_listen_elsewhere() {
    let folder = scratch("udp");
    let hash = make_certificate(&folder).await;
    let config = configure(&folder, "");
    let text = std::fs::read_to_string(&config).unwrap().replace("[auth]", "tcp = \"off\"\n[auth]");
    std::fs::write(&config, text).unwrap();
    prepend(&config, "listen_udp = \"127.0.0.1:0\"\npublic_url = \"https://play.example.com:8443/game\"\n");
    let mut server = Running::start(command(anteroom(), &["serve", "--config", &config]));
    let addr = server.listening().await;
    let udp: std::net::SocketAddr = server.line_with("UDP on ").await.parse().unwrap();
    assert_ne!(udp, addr);
    let published: Value =
        serde_json::from_str(&anteroom_tests::http::get(addr, "/game/api/certificate", &[]).await.body).unwrap();
    assert_eq!(published["webtransport_url"], "https://play.example.com:8443/game/wt");
    let dialer = dialer(&[hash]);
    for (way, addr) in Way::JSON.into_iter().zip([udp, udp, addr]) {
        let mut peer = Peer::dial_to(&dialer, &address(addr), way).await;
        peer.handshake(json!({"version": 1, "token": token::of("ada")})).await;
        peer.leave().await;
    }
    assert!(dialer.quic(&address(addr)).await.is_err(), "there is no UDP where TCP is");
    server.signal("TERM").await;
    let ended = server.end().await;
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("listening on {addr}\nUDP on {udp}")));
}

/// Bytes on a TLS port that are not TLS end that connection alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_is_hung_up_on() {
    let folder = scratch("no-tls");
    let hash = make_certificate(&folder).await;
    let config = configure(&folder, "");
    let mut server = Running::start(command(anteroom(), &["serve", "--config", &config]));
    let addr = server.listening().await;
    for bytes in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &[0; 100], &[0x16, 3, 1, 0xff, 0xff, 1, 2, 3]] {
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        drop(anteroom_tests::in_time("the end", stream.read_to_end(&mut answer)).await);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    let mut peer = Peer::dial_to(&dialer(&[hash]), &address(addr), Way::json(Via::Quic)).await;
    peer.handshake(json!({"version": 1, "token": token::of("ada")})).await;
    server.signal("TERM").await;
    peer.refused(4000).await;
    assert_eq!(server.end().await.code, Some(0));
}

//! The page, what it loads, and what it asks for first: what is handed out, to whom, and what it may do.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use anteroom_server::config::TcpTls;
use anteroom_tests::http::{Answer, get, request};
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::server::{TestServer, address, dialer};
use anteroom_tests::words::assert_sentence;
use anteroom_web::ASSETS;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A directive of an answer's Content-Security-Policy, as the set of its sources.
#[track_caller]
fn allowed(answer: &Answer, directive: &str) -> BTreeSet<String> {
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("no policy: {}", answer.head));
    let mut directives = policy.split(';').map(|directive| directive.split_whitespace());
    let found = directives.find_map(|mut words| (words.next() == Some(directive)).then_some(words));
    found.unwrap_or_else(|| panic!("no {directive}: {policy}")).map(str::to_owned).collect()
}

fn set(sources: &[&str]) -> BTreeSet<String> {
    sources.iter().map(|source| (*source).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_there_as_what_it_is() {
    let server = TestServer::start();
    for asset in ASSETS {
        let answer = get(server.addr(), asset.path, &[]).await;
        assert_eq!((answer.status, &*answer.body), (200, &*asset.content()), "{}", asset.path);
        for (name, value) in [
            ("content-type", Some(asset.content_type)),
            ("content-length", Some(&*asset.content().len().to_string())),
            ("content-encoding", None),
            ("x-content-type-options", Some("nosniff")),
            ("referrer-policy", Some("no-referrer")),
            ("cache-control", Some("no-cache")),
            ("vary", Some("accept-encoding")),
        ] {
            assert_eq!(answer.header(name), value, "{} {name}", asset.path);
        }
    }
    let page = get(server.addr(), "/", &[]).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.contains("Anteroom"));
    let script = get(server.addr(), "/sdk/anteroom.js", &[]).await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    let icon = get(server.addr(), "/favicon.ico", &[]).await;
    assert_eq!(icon.header("content-type"), Some("image/svg+xml; charset=utf-8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is() {
    let server = TestServer::start();
    let health = get(server.addr(), "/healthz", &[]).await;
    assert_eq!((health.status, health.body.trim()), (200, "ok"));
    for path in [
        "/nothing",
        "/api",
        "/../etc/passwd",
        "/wt",
        "/ws/x",
        "/watch",
        "/index.html",
        "/demo",
        "/demo/",
        "/demo/index.html",
        "/demo/nothing.js",
        "/demo/../sdk/anteroom.js",
        "/demo/%2e%2e/sdk/anteroom.js",
        "/demo//demo.js",
        "/sdk/",
        "/sdk/ANTEROOM.js",
        "/sdk/anteroom.js/",
        "//",
    ] {
        let answer = get(server.addr(), path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_sentence(answer.body.trim_end());
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    // A query is the page's own business.
    for path in ["/?", "/?room=0123456789&watch", "/demo/demo.js?v=1"] {
        assert_eq!(get(server.addr(), path, &[]).await.status, 200, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(request(server.addr(), method, "/", &["Content-Length: 0"]).await.status, 405, "{method}");
    }
}

/// The page is there to try a server out. What serves players says what it is, and hands out the SDK.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_off_in_production_unless_it_is_asked_for() {
    let host = "Host: play.example.com";
    let server = TestServer::in_production(|_| ());
    for asset in ASSETS {
        let answer = get(server.addr(), asset.path, &[host]).await;
        let expected = if asset.is_for_everyone() { 200 } else { 404 };
        assert_eq!(answer.status, expected, "{}", asset.path);
        if expected == 404 {
            assert_sentence(answer.body.trim_end());
            assert_eq!(answer.header("content-security-policy"), None);
        }
    }
    let root = get(server.addr(), "/", &[host]).await;
    assert!(root.body.contains("Anteroom") && root.body.contains("/ws"), "{root:?}");
    for server in
        [TestServer::in_production(|config| config.demo = true), TestServer::with(|config| config.demo = true)]
    {
        assert_eq!(get(server.addr(), "/", &["Host: localhost"]).await.status, 200);
    }
    let without = TestServer::with(|config| config.demo = false);
    assert_eq!(get(without.addr(), "/", &[]).await.status, 404);
}

/// A proxy in front may take the prefix off, or hand it on.
#[tokio::test(flavor = "multi_thread")]
async fn everything_is_behind_the_prefix_as_well() {
    let server = TestServer::with(|config| config.public_url = Some("https://play.example.com/a/game/".into()));
    for prefix in ["", "/a/game"] {
        for path in ["/", "/?room=0123456789", "/sdk/anteroom.js", "/demo/demo.js", "/healthz", "/api/certificate"] {
            let answer = get(server.addr(), &format!("{prefix}{path}"), &[]).await;
            assert_eq!(answer.status, 200, "{prefix}{path}");
            assert_eq!(answer.body, get(server.addr(), path, &[]).await.body, "{prefix}{path}");
        }
        assert_eq!(get(server.addr(), &format!("{prefix}/ws"), &[]).await.status, 426, "{prefix}");
        assert_eq!(get(server.addr(), &format!("{prefix}/nothing"), &[]).await.status, 404, "{prefix}");
    }
    let addr = server.addr();
    let target = format!("GET http://{addr}/a/game/healthz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    assert_eq!(anteroom_tests::http::raw(addr, target.as_bytes()).await.status, 200);
    // Relative addresses in a page are relative to where its last slash is.
    for (path, location) in [("/a/game", "/a/game/"), ("/a/game?room=0123456789", "/a/game/?room=0123456789")] {
        let answer = get(server.addr(), path, &[]).await;
        assert_eq!((answer.status, answer.header("location")), (307, Some(location)), "{path}");
    }
    for path in ["/a", "/a/", "/a/gamer", "/a/gamer/healthz", "/a/game/a/game/healthz", "/a/game//healthz", "/A/game/"]
    {
        assert_eq!(get(server.addr(), path, &[]).await.status, 404, "{path}");
    }
    let dialer = server.dialer();
    for url in [format!("ws://{}/a/game/ws", server.addr()), format!("ws://{}/ws", server.addr())] {
        let connection = dialer.websocket(&url, anteroom_protocol::Codec::Json).await.unwrap();
        let mut peer = Peer::over(connection, Way::json(Via::WebSocket));
        peer.handshake(json!({"version": 1, "name": "Ada"})).await;
        peer.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_says_what_get_says_and_sends_nothing() {
    let server = TestServer::start();
    let without_date = |answer: &Answer| -> Vec<String> {
        answer.head.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect()
    };
    for path in ["/", "/sdk/anteroom.js", "/favicon.ico", "/nothing"] {
        for encoding in ["Accept-Encoding: gzip", "Accept-Encoding: identity"] {
            let head = request(server.addr(), "HEAD", path, &[encoding]).await;
            let full = get(server.addr(), path, &[encoding]).await;
            assert_eq!(without_date(&head), without_date(&full), "{path}");
            assert!(head.bytes.is_empty() && !full.bytes.is_empty(), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_compressed_for_those_who_can_read_it() {
    let server = TestServer::start();
    for asset in ASSETS {
        let answer = get(server.addr(), asset.path, &["Accept-Encoding: gzip"]).await;
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{}", asset.path);
        assert_eq!(answer.header("content-type"), Some(asset.content_type));
        assert_eq!(answer.header("content-length"), Some(&*answer.bytes.len().to_string()));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*answer.bytes).read_to_string(&mut text).unwrap();
        assert_eq!(text, asset.content(), "{}", asset.path);
        if asset.content().len() > 1000 {
            assert!(answer.bytes.len() < asset.content().len() * 2 / 3, "{}: {} bytes", asset.path, answer.bytes.len());
        }
    }
}

/// What a page pays for the SDK, in bytes.
const SDK_MAX: usize = 16 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_is_small() {
    let server = TestServer::start();
    let answer = get(server.addr(), "/sdk/anteroom.js", &["Accept-Encoding: gzip"]).await;
    assert!(answer.bytes.len() < SDK_MAX, "{} bytes", answer.bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_of_nothing_is_a_no() {
    let server = TestServer::start();
    for (accepted, compressed) in [
        ("gzip", true),
        ("GZIP", true),
        ("x-gzip", true),
        ("gzip, deflate, br, zstd", true),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
        ("gzip;q=0.001", true),
        ("gzip ; Q=1", true),
        ("*", true),
        ("*;q=0.5", true),
        ("deflate, *", true),
        ("", false),
        ("identity", false),
        ("br", false),
        ("gzipped", false),
        ("not-gzip", false),
        ("gzip;q=0", false),
        ("gzip;q=0.0", false),
        ("gzip; q=0.000", false),
        ("gzip ;q=0", false),
        ("*;q=1, gzip;q=0", false),
        ("gzip;q=0, *;q=1", false),
        ("*;q=0", false),
        ("gzip;q=", false),
        ("gzip;q=-1", false),
        ("gzip;q=NaN", false),
        ("gzip;", false),
        (";q=1", false),
    ] {
        let answer = get(server.addr(), "/", &[&format!("Accept-Encoding: {accepted}")]).await;
        assert_eq!(answer.header("content-encoding") == Some("gzip"), compressed, "{accepted:?}");
    }
    let twice = ["Accept-Encoding: br", "Accept-Encoding: gzip"];
    assert_eq!(get(server.addr(), "/", &twice).await.header("content-encoding"), Some("gzip"));
}

/// An entity tag as it was sent; the head of an answer is in lower case.
async fn tag(server: &TestServer, path: &str, encoding: &str) -> String {
    let encoding = format!("Accept-Encoding: {encoding}");
    let mut curl = anteroom_tests::program::command("curl", &["--silent", "--head", "--header", &encoding]);
    curl.arg(format!("http://{}{path}", server.addr()));
    let head = anteroom_tests::program::run(curl).await.stdout;
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or_else(|| panic!("no tag: {head}"));
    assert!(tag.len() > 10 && tag.starts_with('"') && tag.ends_with('"'), "a strong one: {tag}");
    tag.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_has_already_is_not_sent_again() {
    let server = TestServer::start();
    let mut tags = BTreeSet::new();
    for asset in ASSETS.iter().filter(|asset| asset.path != "/favicon.ico") {
        for encoding in ["gzip", "identity"] {
            let tag = tag(&server, asset.path, encoding).await;
            let accept = format!("Accept-Encoding: {encoding}");
            for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".into()] {
                let none_match = format!("If-None-Match: {known}");
                let full = get(server.addr(), asset.path, &[&accept]).await;
                let answer = get(server.addr(), asset.path, &[&accept, &none_match]).await;
                assert_eq!((answer.status, answer.bytes.len()), (304, 0), "{} {known}", asset.path);
                // What the browser keeps goes on under the rules of today.
                for name in ["etag", "cache-control", "vary", "content-security-policy", "access-control-allow-origin"]
                {
                    assert_eq!(answer.header(name), full.header(name), "{} {name}", asset.path);
                }
            }
            assert!(tags.insert(tag), "{}: each form of each file has a tag of its own", asset.path);
        }
    }
    let page = tag(&server, "/", "identity").await;
    for unknown in ["\"other\"", "W/\"other\"", "", "nonsense", page.trim_matches('"')] {
        let answer = get(server.addr(), "/", &[&format!("If-None-Match: {unknown}")]).await;
        assert_eq!(answer.status, 200, "{unknown}");
    }
    // Bytes that are compressed are not those that are not.
    let answer = get(server.addr(), "/", &[&format!("If-None-Match: {page}"), "Accept-Encoding: gzip"]).await;
    assert_eq!(answer.status, 200);
    // Another server of the same program says the same.
    assert_eq!(tag(&TestServer::start(), "/", "identity").await, page);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sdk_may_be_loaded_by_other_pages() {
    let server = TestServer::start();
    for asset in ASSETS {
        let answer = get(server.addr(), asset.path, &["Origin: https://play.example.com"]).await;
        let is_sdk = asset.path.starts_with("/sdk/");
        let expected = if is_sdk { (Some("*"), Some("cross-origin")) } else { (None, Some("same-origin")) };
        let headers = ["access-control-allow-origin", "cross-origin-resource-policy"].map(|name| answer.header(name));
        assert_eq!((headers[0], headers[1]), expected, "{}", asset.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_may_do_what_it_needs_and_no_more() {
    let server = TestServer::start();
    let port = server.addr().port();
    let page = get(server.addr(), "/", &[&format!("Host: localhost:{port}")]).await;
    for (directive, sources) in [
        ("default-src", &["'none'"][..]),
        ("script-src", &["'self'"]),
        ("style-src", &["'self'"]),
        ("img-src", &["'self'", "data:"]),
        ("base-uri", &["'none'"]),
        ("form-action", &["'none'"]),
        ("frame-ancestors", &["'none'"]),
        ("require-trusted-types-for", &["'script'"]),
    ] {
        assert_eq!(allowed(&page, directive), set(sources), "{directive}");
    }
    assert!(!page.head.contains("unsafe"), "{}", page.head);
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));

    // It connects to where it is from, and to the address that the API names.
    for host in ["localhost", "127.0.0.1", "127.8.9.1"] {
        let host_line = format!("Host: {host}:{port}");
        let page = get(server.addr(), "/", &[&host_line]).await;
        let certificate: Value =
            serde_json::from_str(&get(server.addr(), "/api/certificate", &[&host_line]).await.body).unwrap();
        let webtransport = certificate["webtransport_url"].as_str().unwrap().strip_suffix("/wt").unwrap();
        let expected = set(&["'self'", &format!("ws://{host}:{port}"), webtransport]);
        assert_eq!(allowed(&page, "connect-src"), expected, "{host}");
    }
    // A policy has no way to name an IPv6 address; 'self' covers it.
    let page = get(server.addr(), "/", &[&format!("Host: [::1]:{port}")]).await;
    assert_eq!(allowed(&page, "connect-src"), set(&["'self'"]));
}

/// Behind a proxy it is the proxy that decides whether the page comes over TLS; `serve.rs` has a server that does.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_behind_a_proxy_connects_either_way() {
    let server = TestServer::in_production(|config| {
        config.tls.tcp = TcpTls::Off;
        config.demo = true;
    });
    for host in ["play.example.com", "play.example.com:8443", "203.0.113.7"] {
        let page = get(server.addr(), "/", &[&format!("Host: {host}")]).await;
        let expected = ["'self'", &format!("wss://{host}"), &format!("ws://{host}"), &format!("https://{host}")];
        assert_eq!(allowed(&page, "connect-src"), set(&expected), "{host}");
        assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
    }
}

/// What comes from outside gets into a header only if it is a host.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_none_gets_no_page() {
    let server = TestServer::in_production(|config| config.demo = true);
    for host in [
        "",
        "*",
        "*:*",
        "*.example.com",
        "example.com;script-src * 'unsafe-inline'",
        "example.com; script-src *",
        "example.com *",
        "example.com, example.org",
        "example.com\t*",
        "'unsafe-inline'",
        "https://example.com",
        "example.com/path",
        "user@example.com",
        "example.com:443:443",
        "example.com:99999",
        "example.com:+443",
        "example.com:*",
        "[::1",
        "[::1]*",
        "[*]",
        "ex\u{e4}mple.com",
        "ex%61mple.com",
        "exa_mple.com\"",
    ] {
        let page = get(server.addr(), "/", &[&format!("Host: {host}")]).await;
        assert_eq!((page.status, page.header("content-security-policy")), (400, None), "{host:?}");
        assert_sentence(page.body.trim_end());
    }
    let none = anteroom_tests::http::raw(server.addr(), b"GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(allowed(&none, "connect-src"), set(&["'self'"]));
}

/// The address that the API names for WebTransport; none if it names none.
async fn published(server: &TestServer, host: &str) -> Option<String> {
    let answer = get(server.addr(), "/api/certificate", &[&format!("Host: {host}")]).await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(!body["hashes"].as_array().unwrap().is_empty(), "{host}");
    body["webtransport_url"].as_str().map(str::to_owned)
}

/// The port that somebody asked for may be another one than the server's own: a container's is mapped.
#[tokio::test(flavor = "multi_thread")]
async fn webtransport_is_where_the_server_was_asked_for() {
    let server = TestServer::in_production(|_| ());
    let port = server.addr().port();
    for (host, url) in [
        ("play.example.com:8443", Some("https://play.example.com:8443/wt")),
        ("play.example.com", Some("https://play.example.com/wt")),
        ("play.example.com:", Some("https://play.example.com/wt")),
        ("PLAY.example.com.:8443", Some("https://play.example.com:8443/wt")),
        ("game_server:7350", Some("https://game_server:7350/wt")),
        ("203.0.113.7:1", Some("https://203.0.113.7:1/wt")),
        ("[2001:db8::1]:7350", Some("https://[2001:db8::1]:7350/wt")),
        // Here a proxy stands in front. It is what asks for this machine, and not the page.
        (&*format!("127.0.0.1:{port}"), None),
        ("localhost", None),
        ("[::1]:7350", None),
    ] {
        assert_eq!(published(&server, host).await.as_deref(), url, "{host}");
    }
    let none = anteroom_tests::http::raw(server.addr(), b"GET /api/certificate HTTP/1.0\r\n\r\n").await;
    let none: Value = serde_json::from_str(&none.body).unwrap();
    assert_eq!(none["webtransport_url"], Value::Null);
    assert!(none["hashes"][0]["value"].is_string());
}

/// The development server is on the same machine as its pages, whichever port they came through.
#[tokio::test(flavor = "multi_thread")]
async fn webtransport_in_development_is_on_the_server_s_own_port() {
    let server = TestServer::start();
    let port = server.addr().port();
    for (host, name) in [
        (format!("localhost:{port}"), "127.0.0.1"),
        ("LOCALHOST.:5173".into(), "127.0.0.1"),
        ("localhost".into(), "127.0.0.1"),
        ("127.8.9.1:5173".into(), "127.8.9.1"),
    ] {
        assert_eq!(published(&server, &host).await, Some(format!("https://{name}:{port}/wt")), "{host}");
    }
}

/// What is configured goes over what was asked for: a proxy in front may say anything.
#[tokio::test(flavor = "multi_thread")]
async fn webtransport_is_at_the_configured_address() {
    for (public_url, url) in [
        ("https://play.example.com", "https://play.example.com/wt"),
        ("https://play.example.com:8443/", "https://play.example.com:8443/wt"),
        ("https://play.example.com/game", "https://play.example.com/game/wt"),
        ("http://192.0.2.1:7350", "https://192.0.2.1:7350/wt"),
    ] {
        let server = TestServer::in_production(|config| {
            config.public_url = Some(public_url.into());
            config.demo = true;
        });
        for host in [&*server.addr().to_string(), "localhost", "inside:7350"] {
            assert_eq!(published(&server, host).await.as_deref(), Some(url), "{public_url} {host}");
        }
        let page = get(server.addr(), "/", &["Host: inside:7350"]).await;
        let origin = url.split_inclusive('/').take(3).collect::<String>();
        let connect = allowed(&page, "connect-src");
        assert!(connect.contains(origin.trim_end_matches('/')), "{public_url}: {connect:?}");
        let socket = public_url.replacen("http", "ws", 1);
        let socket = socket.split_inclusive('/').take(3).collect::<String>();
        assert!(connect.contains(socket.trim_end_matches('/')), "{public_url}: {connect:?}");
    }
}

/// A UDP socket of its own has a number of its own: that of TCP says nothing about it.
#[tokio::test(flavor = "multi_thread")]
async fn a_udp_socket_of_its_own_is_published_with_its_own_port() {
    let listens = |config: &mut anteroom_server::Config| config.listen_udp = Some("127.0.0.1:0".into());
    let server = TestServer::in_production(|config| {
        listens(config);
        config.auth.guests = true;
    });
    let port = server.udp_addr().port();
    assert_ne!(port, server.addr().port());
    for host in ["play.example.com", "play.example.com:8443"] {
        assert_eq!(published(&server, host).await, Some(format!("https://play.example.com:{port}/wt")), "{host}");
    }
    let mut ada = Peer::dial_to(server.dialer(), &address(server.udp_addr()), Way::json(Via::WebTransport)).await;
    ada.handshake(json!({"version": 1, "name": "Ada"})).await;
    let room_id = ada.create("relay", json!({})).await;
    let mut bob = Peer::enter(&server, Way::json(Via::WebSocket), "Bob").await;
    bob.join(&room_id, "player").await;

    let development = TestServer::with(listens);
    let own = format!("https://127.0.0.1:{}/wt", development.udp_addr().port());
    assert_eq!(published(&development, &development.addr().to_string()).await, Some(own));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_published_for_allowed_origins() {
    let server = TestServer::with(|config| config.origins.allowed = vec!["https://play.example.com".into()]);
    let answer = get(server.addr(), "/api/certificate", &["Origin: https://play.example.com"]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://play.example.com"));
    assert_eq!(answer.header("vary"), Some("origin"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let not_after = body["hashes"][0]["not_after_ms"].clone();
    let hash = STANDARD.encode(server.hash());
    let expected = json!({"webtransport_url": format!("https://{}/wt", server.addr()),
        "hashes": [{"algorithm": "sha-256", "value": hash, "not_after_ms": not_after}]});
    assert_eq!(body, expected);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let days = (u128::from(not_after.as_u64().unwrap()) - now) / (24 * 3600 * 1000);
    assert_eq!(days, 12, "a bit less than 13 days are left");
    for origin in ["https://evil.test", "null", "http://play.example.com", "https://play.example.com.evil.test"] {
        let foreign = get(server.addr(), "/api/certificate", &[&format!("Origin: {origin}")]).await;
        assert_eq!(foreign.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(foreign.header("vary"), Some("origin"), "{origin}");
    }
}

/// The published hashes as they are used for dialing.
async fn hashes(server: &TestServer) -> Vec<[u8; 32]> {
    let body: Value = serde_json::from_str(&get(server.addr(), "/api/certificate", &[]).await.body).unwrap();
    let value = |hash: &Value| STANDARD.decode(hash["value"].as_str().unwrap()).unwrap().try_into().unwrap();
    body["hashes"].as_array().unwrap().iter().map(value).collect()
}

/// Whoever was connected stays, and whoever comes back learns the new hash where it found the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_while_people_play() {
    let server = TestServer::start();
    let way = Way::json(Via::WebTransport);
    let first = hashes(&server).await;
    assert_eq!(first, [server.hash()]);
    let mut ada = Peer::enter(&server, way, "Ada").await;
    let room_id = ada.create("relay", json!({})).await;

    server.renew_certificate();
    let second = hashes(&server).await;
    assert_eq!((second.len(), second[1]), (2, first[0]), "the old one is published beside the new one");
    assert_eq!(second[0], server.hash());
    assert_ne!(second[0], first[0]);
    assert!(dialer(&first).webtransport(&server.address()).await.is_err(), "the old one is no longer shown");
    let mut bob = Peer::dial_to(&dialer(&second), &server.address(), way).await;
    bob.handshake(json!({"version": 1, "name": "Bob"})).await;
    bob.join(&room_id, "player").await;
    let said = ada.ask_in(&room_id, "send", json!({"payload": "still here"})).await;
    assert_eq!(said.success, Some(true));
    assert_eq!(bob.find("message").await.data["payload"], "still here");

    server.renew_certificate();
    let third = hashes(&server).await;
    assert_eq!((third.len(), third[1]), (2, second[0]), "the first one is forgotten");
}

//! The demo in a real browser, on networks that fail: what the page does about it by itself.

use std::net::SocketAddr;

use anteroom_server::config::Config;
use anteroom_tests::browser::{self, Browser};
use anteroom_tests::fault::Relay;
use anteroom_tests::server::TestServer;
use anteroom_tests::{amount, in_time};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What people behind such a firewall are promised.
const LOBBY_WITHIN_MS: u64 = 3_000;
/// When connections count as lost where that is to happen soon, and how long seats are kept where that is to end.
const SILENCE_MS: u64 = 2_000;
const GRACE_MS: u64 = 10_000;
/// How many things befall the players, at least.
const TROUBLES: usize = 20;

/// A server, and a way to it that can fail. Pages are told WebTransport at the address that they came by and at the
/// server's own port, so this way differs in the address only.
struct Network {
    server: TestServer,
    relay: Relay,
}

impl Network {
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::with(change);
        let front = SocketAddr::new([127, 0, 0, 2].into(), server.addr().port());
        let relay = Relay::start_at(front, server.addr(), 1).unwrap();
        Self { server, relay }
    }

    /// Waits until the server has had enough of somebody who says nothing.
    async fn hears_silence(&self) {
        let mut silent = TcpStream::connect(self.server.addr()).await.unwrap();
        let key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
        let upgrade = format!(
            "GET /ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n{key}\r\n\r\n",
            self.server.addr()
        );
        silent.write_all(upgrade.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        // A reset is an end as well.
        drop(in_time("the end of a silent connection", silent.read_to_end(&mut heard)).await);
        assert!(heard.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&heard));
    }

    /// Tells a story about pages at `url`, which is right at the server, and at `relay`.
    async fn tell(&self, browser: Browser, name: &str, more: Value) -> Option<Value> {
        let mut about = json!({
            "url": format!("http://{}", self.server.addr()),
            "relay": format!("http://{}", self.relay.addr()),
        });
        about.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let act = async |ask: &Value| match ask["ask"].as_str() {
            // One is as long as the limit, two are longer.
            Some("silence") => {
                self.hears_silence().await;
                self.hears_silence().await;
                json!(null)
            }
            _ => browser::relayed(&self.relay, ask),
        };
        browser::tell_in(browser, name, &about, act).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_blocked_the_page_plays_over_websocket_until_it_is_open() {
    where_udp_is_blocked(Browser::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_blocked_the_page_plays_over_websocket_until_it_is_open_in_firefox() {
    where_udp_is_blocked(Browser::Firefox).await;
}

async fn where_udp_is_blocked(browser: Browser) {
    let network = Network::with(|_| ());
    let Some(told) = network.tell(browser, "udp_blocked.mjs", json!({})).await else { return };
    let ms = told["ms"].as_u64().unwrap();
    println!("in the lobby after {ms} ms");
    assert!(ms <= LOBBY_WITHIN_MS, "in the lobby after {ms} ms");
}

/// Lost connections are noticed soon, and seats are kept for as long as a test may take, or for this long.
fn notices_soon(config: &mut Config, grace_ms: u64) {
    config.times.websocket_ping_ms = 500;
    config.times.quic_keep_alive_ms = 500;
    config.times.silence_ms = SILENCE_MS;
    config.times.grace_ms = grace_ms;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_goes_on_whatever_becomes_of_the_connection() {
    a_match_goes_on(Browser::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_goes_on_whatever_becomes_of_the_connection_in_firefox() {
    a_match_goes_on(Browser::Firefox).await;
}

async fn a_match_goes_on(browser: Browser) {
    let network = Network::with(|config| notices_soon(config, 60_000));
    network.tell(browser, "cuts.mjs", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_slept_is_back_in_its_seat_or_told_why_not() {
    let network = Network::with(|config| notices_soon(config, GRACE_MS));
    network.tell(Browser::Chromium, "tabs.mjs", json!({"grace_ms": GRACE_MS, "silence_ms": SILENCE_MS})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_where_nothing_answers_is_told_and_can_try_again() {
    let network = Network::with(|_| ());
    network.tell(Browser::Chromium, "no_answer.mjs", json!({})).await;
}

/// `ANTEROOM_SEED=N` tells another story than the usual one.
#[tokio::test(flavor = "multi_thread")]
async fn no_move_is_lost_or_doubled_through_twenty_switches_cuts_and_reloads() {
    let seed = amount::seed();
    println!("ANTEROOM_SEED={seed}");
    let network = Network::with(|_| ());
    let Some(told) = network.tell(Browser::Chromium, "storm.mjs", json!({"seed": seed, "troubles": TROUBLES})).await
    else {
        return;
    };
    println!("{told}");
    assert!(told["befell"].as_array().unwrap().len() >= TROUBLES, "{told}");
}

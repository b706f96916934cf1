//! What the demo looks like, on a desktop and on phones, and whether everybody can use it.

use std::net::SocketAddr;

use anteroom_server::config::{StoreKind, StoreSection};
use anteroom_tests::browser::{self, Browser};
use anteroom_tests::fault::Relay;
use anteroom_tests::server::{TestServer, scratch};
use anteroom_tests::{amount, program};
use serde_json::json;

use crate::parlor::with_parlor;

/// Pictures of all views are left in `target/tests/screenshots`.
#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_fine_on_a_desktop_and_on_phones_light_and_dark() {
    every_view_is_fine(Browser::Chromium, "tests/screenshots").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_fine_in_wide_and_narrow_windows_light_and_dark_in_firefox() {
    every_view_is_fine(Browser::Firefox, "tests/screenshots/firefox").await;
}

async fn every_view_is_fine(browser: Browser, folder: &str) {
    let server = TestServer::with_games(with_parlor(), |config| {
        config.times.websocket_ping_ms = 500;
        config.times.quic_keep_alive_ms = 500;
        config.times.silence_ms = 2_000;
        config.store = StoreSection { kind: StoreKind::Sqlite, path: Some(scratch("views")), resume_key_file: None };
    });
    let front = SocketAddr::new([127, 0, 0, 2].into(), server.addr().port());
    let relay = Relay::start_at(front, server.addr(), 1).unwrap();
    let folder = program::target().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let about = json!({
        "url": format!("http://{}", server.addr()),
        "relay": format!("http://{}", relay.addr()),
        "folder": folder.to_str().unwrap(),
        "all": amount::every_look(),
    });
    let told = browser::tell_in(browser, "views.mjs", &about, async |ask| browser::relayed(&relay, ask)).await;
    if let Some(told) = told {
        println!("{} pictures in {}", told["views"], folder.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_is_enough() {
    let server = TestServer::start();
    let about = json!({"url": format!("http://{}", server.addr())});
    browser::tell("keyboard.mjs", &about, browser::nothing).await;
}

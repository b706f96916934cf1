//! The pages of the games in real browsers: each is played to its end.

use anteroom_tests::browser;
use anteroom_tests::program;
use anteroom_tests::server::TestServer;
use serde_json::{Value, json};

/// Pictures of the pages are left in `target/tests/screenshots`.
async fn tell(story: &str) {
    tell_with(story, json!({})).await;
}

async fn tell_with(story: &str, more: Value) {
    let folder = program::target().join("tests/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let server = TestServer::start();
    let mut about = json!({"url": format!("http://{}", server.addr()), "folder": folder.to_str().unwrap()});
    about.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    browser::tell(story, &about, browser::nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_and_a_bot_play_dice_to_its_end() {
    tell("dice.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_and_a_bot_play_owe_drahn_to_its_end() {
    tell("owe_drahn.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whiteboard_needs_no_line_of_server_code() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/browser/whiteboard.html");
    let lines = std::fs::read_to_string(file).unwrap().lines().count();
    assert!(lines < 120, "{lines} lines");
    tell_with("whiteboard.mjs", json!({"file": file})).await;
}

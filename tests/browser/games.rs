//! The pages of the games in real browsers: each is played to its end.

use anteroom_tests::browser;
use anteroom_tests::program;
use anteroom_tests::server::TestServer;
use serde_json::json;

/// Pictures of the pages are left in `target/tests/screenshots`.
async fn tell(story: &str) {
    let folder = program::target().join("tests/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let server = TestServer::start();
    let about = json!({"url": format!("http://{}", server.addr()), "folder": folder.to_str().unwrap()});
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

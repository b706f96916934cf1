//! The demo in real Chromium, as a page among others: it is left, stands under a path, and says what its buttons do.

use anteroom_tests::browser;
use anteroom_tests::server::TestServer;
use serde_json::json;

async fn tell(story: &str) {
    let server = TestServer::start();
    let about = json!({"url": format!("http://{}", server.addr())});
    browser::tell(story, &about, browser::nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_left_and_gone_back_to_is_on_webtransport_again() {
    tell("left.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_plays_under_a_path_that_a_proxy_takes_off() {
    tell("prefix.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buttons_say_what_comes_of_them() {
    tell("levers.mjs").await;
}

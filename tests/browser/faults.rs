//! The demo in a real browser when something is wrong: every time a sentence, and a way on.

use anteroom_tests::program::{self, Running, anteroom, command};
use anteroom_tests::server::{TestServer, scratch};
use anteroom_tests::{browser, token};
use serde_json::{Value, json};

/// Tells a story about a development server, a process of its own that is killed, stopped and started again.
async fn tell_of_a_process(story: &str, arguments: &[&str], more: Value) {
    let start = |listen: &str| Running::start(command(anteroom(), &[&["--listen", listen], arguments].concat()));
    let mut server = start("127.0.0.1:0");
    let addr = server.listening().await;
    let mut server = Some(server);
    let act = async |ask: &Value| {
        match ask["ask"].as_str() {
            Some("start") => {
                let mut again = start(&addr.to_string());
                assert_eq!(again.listening().await, addr);
                server = Some(again);
            }
            Some(how @ ("kill" | "stop")) => {
                let running = server.take().unwrap();
                running.signal(if how == "kill" { "KILL" } else { "TERM" }).await;
                running.end().await;
            }
            _ => panic!("nobody can do this here: {ask}"),
        }
        json!(null)
    };
    let mut about = json!({"url": format!("http://{addr}")});
    about.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    browser::tell(story, &about, act).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_and_comes_back() {
    tell_of_a_process("server_gone.mjs", &[], json!({})).await;
}

/// Pictures of the pages that wait are left in `target/tests/screenshots`.
#[tokio::test(flavor = "multi_thread")]
async fn a_match_goes_on_after_the_server_was_killed() {
    let data = scratch("kept");
    let folder = program::target().join("tests/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let arguments = ["--data", data.to_str().unwrap()];
    tell_of_a_process("restart.mjs", &arguments, json!({"folder": folder.to_str().unwrap()})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dice_and_owe_drahn_go_on_after_the_server_was_killed() {
    let data = scratch("kept-games");
    tell_of_a_process("killed_games.mjs", &["--data", data.to_str().unwrap()], json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_match_is_played_again_turn_by_turn() {
    let folder = program::target().join("tests/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let data = scratch("recorded");
    let more = json!({"folder": folder.to_str().unwrap()});
    tell_of_a_process("replay.mjs", &["--data", data.to_str().unwrap()], more).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_the_certificate_is_wrong() {
    let server = TestServer::start();
    let act = async |ask: &Value| {
        assert_eq!(ask["ask"], "renew");
        server.renew_certificate();
        json!(null)
    };
    browser::tell("certificates.mjs", &json!({"url": format!("http://{}", server.addr())}), act).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_browsers_and_odd_input_get_a_game_or_a_sentence() {
    let server = TestServer::start();
    let guarded = TestServer::with(|config| config.auth.token_key = Some(token::KEY.into()));
    let about = json!({
        "url": format!("http://{}", server.addr()),
        "guarded": format!("http://{}", guarded.addr()),
    });
    browser::tell("odd_pages.mjs", &about, browser::nothing).await;
}

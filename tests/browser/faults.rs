//! The demo in a real browser when something is wrong: every time a sentence, and a way on.

use anteroom_tests::program::{Running, anteroom, command};
use anteroom_tests::server::TestServer;
use anteroom_tests::{browser, token};
use serde_json::{Value, json};

/// A development server as a process of its own.
fn start(listen: &str) -> Running {
    Running::start(command(anteroom(), &["--listen", listen]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_and_comes_back() {
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
    browser::tell("server_gone.mjs", &json!({"url": format!("http://{addr}")}), act).await;
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

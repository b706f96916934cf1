//! Tokens that change while a program runs.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::future::ready;
use std::sync::{Arc, Mutex};

use anteroom_client::{Client, ConnectError, ConnectOptions, SessionEnd, Token, TransportChoice};
use anteroom_protocol::CloseCode;
use anteroom_tests::server::TestServer;
use anteroom_tests::{in_time, token};
use serde_json::json;

const NEXT_KEY: &str = "another secret of at least 32 bytes, for later";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_back_with_a_new_token_after_the_server_was_started_anew() {
    let server = TestServer::in_production(|_| ());
    let addr = server.addr();
    let current = Arc::new(Mutex::new(token::of("ada")));
    let asked = current.clone();
    let options = ConnectOptions::new(TransportChoice::WebSocket, format!("ws://{addr}/ws"));
    let knows = options.clone().token(Token::with(move || ready(Ok::<_, String>(asked.lock().unwrap().clone()))));
    let fixed = options.token(token::of("ada"));
    let client = in_time("a session", Client::connect(knows.clone())).await.unwrap();
    server.shutdown().await;

    let server = TestServer::in_production(|config| {
        config.listen = addr.to_string();
        config.auth.token_key = Some(NEXT_KEY.into());
    });
    let end = in_time("the end of the old session", client.ended()).await;
    assert_eq!(end, SessionEnd::Unknown);
    // What was good before is not any more.
    let refused = in_time("an answer", Client::connect(fixed)).await.unwrap_err();
    assert!(
        matches!(refused, ConnectError::Refused { code, .. } if code == CloseCode::Unauthorized.number()),
        "{refused:?}"
    );
    *current.lock().unwrap() = token::sign_with(
        jsonwebtoken::Algorithm::HS256,
        NEXT_KEY,
        &json!({"sub": "ada", "name": "ada", "exp": token::FAR}),
    );
    let client = in_time("a session", Client::connect(knows)).await.unwrap();
    assert_eq!(client.user_id().as_str(), "ada");
    client.close().await;
    server.shutdown().await;
}

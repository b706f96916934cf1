//! Tokens that change while a program runs.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anteroom_client::{Client, ConnectError, ConnectOptions, SessionEnd, Token, TransportChoice};
use anteroom_protocol::CloseCode;
use anteroom_tests::server::TestServer;
use anteroom_tests::{in_time, token};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

const NEXT_KEY: &str = "another secret of at least 32 bytes, for later";

/// One address for whichever server there is: a port that a test has given back may be another's by now.
async fn balancer(target: Arc<Mutex<SocketAddr>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let target = *target.lock().unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut near, &mut TcpStream::connect(target).await?).await });
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_back_with_a_new_token_after_the_server_was_started_anew() {
    let server = TestServer::in_production(|_| ());
    let target = Arc::new(Mutex::new(server.addr()));
    let addr = balancer(target.clone()).await;
    let current = Arc::new(Mutex::new(token::of("ada")));
    let asked = current.clone();
    let options = ConnectOptions::new(TransportChoice::WebSocket, format!("ws://{addr}/ws"));
    let knows = options.clone().token(Token::with(move || ready(Ok::<_, String>(asked.lock().unwrap().clone()))));
    let fixed = options.token(token::of("ada"));
    let client = in_time("a session", Client::connect(knows.clone())).await.unwrap();
    server.shutdown().await;

    let server = TestServer::in_production(|config| config.auth.token_key = Some(NEXT_KEY.into()));
    *target.lock().unwrap() = server.addr();
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

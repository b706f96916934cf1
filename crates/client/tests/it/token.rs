//! Tokens that are asked for, with a scripted server, in virtual time.

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anteroom_client::{Client, Codec, ConnectError, ConnectOptions, SessionEnd, Token, TokenError, TransportChoice};
use anteroom_protocol::LaneId;
use anteroom_transport::{TransportConfig, memory};
use tokio::time::{Instant, timeout};

use crate::support::{self, Dials, Peer, dialing, options, wanted};

/// The first token, the second, and so on.
fn counted() -> Token {
    let asked = Arc::new(AtomicU32::new(0));
    Token::with(move || {
        let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Ok::<_, std::io::Error>(format!("token {number}")) }
    })
}

fn with(token: Token) -> ConnectOptions {
    dialing(TransportChoice::Quic, Codec::Json).token(token)
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_at_each_handshake_and_not_to_go_on() {
    let options = with(counted());
    let (dials, mut asked) = Dials::new();
    let (client, mut peer) = tokio::join!(Client::with_dial(dials, options.clone()), async {
        let mut peer = wanted(&mut asked).await.accept(1);
        let first = peer.handshake().await;
        assert_eq!(first.token.as_deref(), Some("token 1"));
        peer.cut();
        let mut peer = wanted(&mut asked).await.accept(2);
        let second = peer.handshake().await;
        assert_eq!(second.token.as_deref(), Some("token 2"));
        assert_eq!(first.nonce, second.nonce, "it is the same session");
        peer.accept(Codec::Json).await;
        peer
    });
    let client = client.unwrap();
    peer.cut();
    peer = wanted(&mut asked).await.accept(3);
    peer.reconnect(Codec::Json).await;
    peer.go_on("token-1", &[]).await;
    peer.open(0, None, 1, 0, false).await;
    support::connected(&client).await;
    // The server is started anew, and knows nothing.
    peer.cut();
    let mut peer = wanted(&mut asked).await.accept(4);
    peer.reconnect(Codec::Json).await;
    let unknown = r#"{"type":"reconnect_result","success":false,"error":{"code":"session_unknown","message":"No.","retryable":false}}"#;
    peer.raw(LaneId::CONTROL, Codec::Json, unknown.as_bytes()).await;
    assert_eq!(timeout(support::LONG, client.ended()).await.unwrap(), SessionEnd::Unknown);
    let (dials, mut asked) = Dials::new();
    let (client, ()) = tokio::join!(Client::with_dial(dials, options), async {
        let mut peer = wanted(&mut asked).await.accept(5);
        assert_eq!(peer.handshake().await.token.as_deref(), Some("token 3"));
        peer.accept(Codec::Json).await;
    });
    assert!(client.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_had_is_told_before_anyone_is_asked_to_connect() {
    let (dials, mut asked) = Dials::new();
    let refuses = Token::with(|| ready(Err::<String, _>("the studio is closed")));
    let error = Client::with_dial(dials, with(refuses)).await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Token(TokenError::Failed(why)) if why.to_string() == "the studio is closed")
    );
    assert!(error.to_string().contains("the studio is closed") && !error.nobody_answers(), "{error}");
    assert!(asked.recv().await.is_none());

    let (dials, mut asked) = Dials::new();
    let before = Instant::now();
    let silent = Token::with(pending::<Result<String, String>>);
    let error = Client::with_dial(dials, with(silent)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Token(TokenError::Timeout)), "{error:?}");
    assert!(!error.nobody_answers());
    assert_eq!(before.elapsed(), Duration::from_secs(10));
    assert!(asked.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_session_over_a_given_connection_asks_as_well() {
    for (token, said) in [(counted(), Some("token 1")), (Token::with(pending::<Result<String, String>>), None)] {
        let (near, far) = memory::pair(TransportConfig::default(), 1);
        let options = anteroom_client::SessionOptions { token: Some(token), ..options(Codec::Json) };
        let (client, ()) = tokio::join!(Client::over(near, options), async {
            let mut peer = Peer::new(far);
            if said.is_some() {
                assert_eq!(peer.handshake().await.token.as_deref(), said);
                peer.accept(Codec::Json).await;
            }
        });
        match client {
            Ok(_) => assert!(said.is_some()),
            Err(error) => assert!(matches!(error, ConnectError::Token(TokenError::Timeout)), "{error:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_dropped_asks_no_further() {
    let asking = Arc::new(());
    let held = asking.clone();
    let token = Token::with(move || {
        let held = held.clone();
        async move {
            pending::<()>().await;
            drop(held);
            Ok::<_, String>(String::new())
        }
    });
    let options = with(token);
    let (dials, _asked) = Dials::new();
    let attempt = Client::with_dial(dials, options.clone());
    assert!(timeout(Duration::from_secs(1), attempt).await.is_err());
    // The options have one still, and nobody else.
    assert_eq!(Arc::strong_count(&asking), 2);
    drop(options);
    assert_eq!(Arc::strong_count(&asking), 1);
}

#[test]
fn a_token_is_not_shown() {
    let options = dialing(TransportChoice::Quic, Codec::Json);
    for options in [options.clone().token("secret".to_owned()), options.token("secret")] {
        assert!(!format!("{options:?}").contains("secret"));
    }
}

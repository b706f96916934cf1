//! A connection whose task panics is lost as any other: its session hears of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anteroom_protocol::Codec;
use anteroom_server::Server;
use anteroom_transport::{Connection, TransportConfig, websocket};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::Instant;

use crate::player::{Player, patient, send, server};

/// A stream that panics when it is read, from some moment on.
struct Faulty {
    stream: DuplexStream,
    panics: Arc<AtomicBool>,
}

impl AsyncRead for Faulty {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        assert!(!self.panics.load(Ordering::Relaxed), "this stream is faulty");
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection to the server, and what makes its task there panic when something comes on it.
fn connect(server: &Server) -> (Connection, Arc<AtomicBool>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let panics = Arc::new(AtomicBool::new(false));
    let peer = ([127, 0, 0, 1], 1).into();
    let far = Faulty { stream: far, panics: panics.clone() };
    server.serve(websocket::accept(far, Bytes::new(), peer, TransportConfig::default()), Some(Codec::Json));
    let near = websocket::connected(near, Bytes::new(), peer, TransportConfig::default());
    (near, panics)
}

/// Bob, and Ada whose connection has just failed, in a room; and what her handshake said.
async fn bob_beside_ada_who_fails(server: &Server) -> (Player, String, Value) {
    let mut bob = Player::enter(server).await;
    let room_id = bob.create("relay", json!({})).await;
    let (near, panics) = connect(server);
    let mut ada = Player::shake_hands(near, json!({"version": 1, "resume": true})).await;
    ada.join(&room_id, "player").await;
    bob.hear("client_joined").await;
    panics.store(true, Ordering::Relaxed);
    ada.say(&[send(&room_id, 0, &json!(1))]).await;
    assert!(ada.connection.recv().await.is_err(), "the connection ends");
    (bob, room_id, ada.session)
}

#[tokio::test(start_paused = true)]
async fn a_seat_is_free_when_the_grace_time_is_over() {
    let server = server(patient());
    let (mut bob, _, accepted) = bob_beside_ada_who_fails(&server).await;
    let began = Instant::now();
    assert_eq!(bob.hear("client_disconnected").await["data"]["user_id"], accepted["user_id"]);
    assert_eq!(bob.hear("client_left").await["data"]["reason"], "timed_out");
    let grace = Duration::from_millis(accepted["grace_ms"].as_u64().unwrap());
    assert!(began.elapsed().abs_diff(grace) < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_with_another_connection() {
    let server = server(patient());
    let (mut bob, room_id, accepted) = bob_beside_ada_who_fails(&server).await;
    bob.hear("client_disconnected").await;
    let (near, _) = connect(&server);
    let mut ada = Player::go_on_over(near, &accepted).await;
    bob.hear("client_reconnected").await;
    bob.say(&[send(&room_id, 0, &json!("hello"))]).await;
    assert_eq!(ada.hear("message").await["data"]["payload"], "hello");
}

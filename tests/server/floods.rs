//! Control frames and parts without payload, which say nothing: what gathers while a line stands still passes, and a
//! flood ends the connection, not the session.

use anteroom_tests::bare::Bare;
use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// What may come at once, as the document says.
const CONTROL_FRAMES_AT_ONCE: usize = 1000;
/// How many parts without payload a message may have.
const EMPTY_PARTS: usize = 1024;

fn control(number: usize) -> Message {
    let payload = number.to_string().into();
    if number.is_multiple_of(2) { Message::Ping(payload) } else { Message::Pong(payload) }
}

fn part(kind: Data, payload: &str, is_last: bool) -> Message {
    Message::Frame(Frame::message(payload.to_owned(), OpCode::Data(kind), is_last))
}

/// A client that resumes, and what it was told about its session.
async fn enter(server: &TestServer) -> (Bare, Value) {
    let mut bare = Bare::connect(server.addr(), &[]).await;
    bare.send(&json!({"type": "handshake", "data": {"version": 1, "name": "Ada", "resume": true}})).await;
    let accepted = bare.until("handshake_accepted").await;
    (bare, accepted["data"].clone())
}

/// The connection ends with 4005, and the session goes on on another one.
async fn assert_flooded(server: &TestServer, bare: Bare, accepted: &Value) {
    let (close, goodbye) = bare.end().await;
    assert_eq!(close.0, 4005);
    assert_sentence(&close.1);
    assert_eq!(goodbye, Some(close));
    let mut bare = Bare::connect(server.addr(), &[]).await;
    let (session_id, token) = (&accepted["session_id"], &accepted["resume_token"]);
    let data = json!({"session_id": session_id, "resume_token": token, "attempt": 1, "received": {}});
    bare.send(&json!({"type": "reconnect", "data": data})).await;
    assert_eq!(bare.until("reconnect_result").await["success"], true);
    bare.send(&json!({"type": "ping", "data": {"ts": "still there?"}})).await;
    assert_eq!(bare.until("pong").await["data"]["ts"], "still there?");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gathered_while_the_line_stood_still_passes() {
    let server = TestServer::start();
    let (mut bare, _) = enter(&server).await;
    for number in 0..CONTROL_FRAMES_AT_ONCE {
        bare.frame(control(number)).await;
    }
    bare.send(&json!({"type": "ping", "data": {"ts": 1}})).await;
    assert_eq!(bare.until("pong").await["data"]["ts"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_control_frames_ends_the_connection_alone() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for parity in [0, 1] {
        let (mut bare, accepted) = enter(&server).await;
        // They take less time than in which as many again are allowed.
        for number in 0..5 * CONTROL_FRAMES_AT_ONCE {
            bare.frame(control(2 * number + parity)).await;
        }
        assert_flooded(&server, bare, &accepted).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_many_small_parts_passes() {
    let server = TestServer::start();
    let (mut bare, _) = enter(&server).await;
    let text = format!("{:6000}", r#"{"type":"ping","data":{"ts":1}}"#);
    bare.frame(part(Data::Text, "", false)).await;
    for (place, _) in text.char_indices() {
        bare.frame(part(Data::Continue, &text[place..=place], false)).await;
    }
    for _ in 2..EMPTY_PARTS {
        bare.frame(part(Data::Continue, "", false)).await;
    }
    bare.frame(part(Data::Continue, "", true)).await;
    assert_eq!(bare.until("pong").await["data"]["ts"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_parts_without_payload_ends_the_connection_alone() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    let (mut bare, accepted) = enter(&server).await;
    bare.frame(part(Data::Text, "{", false)).await;
    for _ in 0..=EMPTY_PARTS {
        bare.frame(part(Data::Continue, "", false)).await;
    }
    assert_flooded(&server, bare, &accepted).await;
    bystanders.assert_undisturbed(&server).await;
}

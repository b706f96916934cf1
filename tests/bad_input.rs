//! What ends a connection: each with its own code and a sentence, on every transport and in both codecs, and without
//! anybody else noticing.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use anteroom_protocol::{Codec, Header, envelope};
use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::message::write;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::server::TestServer;
use anteroom_tests::token;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

/// A session of this kind sends a payload, and the connection must end with the code.
async fn session_sends(server: &TestServer, way: Way, codec: Codec, payload: &[u8], code: u16) -> String {
    let mut peer = Peer::enter(server, way, "Mallory").await;
    peer.bytes(codec, payload).await;
    peer.refused(code).await.reason
}

/// A connection without a session sends a payload, and must end with the code.
async fn stranger_sends(server: &TestServer, way: Way, codec: Codec, payload: &[u8], code: u16) -> String {
    let mut peer = Peer::dial(server, way).await;
    peer.bytes(codec, payload).await;
    peer.refused(code).await.reason
}

fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(r#"{{"type":"ping","data":{{"ts":{open}{close}}}}}"#)
}

fn ping() -> Vec<u8> {
    write(Codec::Bincode, &json!({"type": "ping"}))
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_closes_with_4501() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    let batch = format!("[{}]", [r#"{"type":"ping"}"#; 257].join(","));
    let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(65));
    let long_ref = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(65));
    let deep = nested(63);
    for way in Way::JSON {
        for payload in [
            "{",
            "[",
            "{}",
            "[1]",
            "[[]]",
            r#"{"type":"ping"} {"type":"ping"}"#,
            r#"{"no":"type"}"#,
            r#"{"type":1}"#,
            r#"{"type":""}"#,
            r#"{"type":null}"#,
            r#"{"type":"ping","type":"ping"}"#,
            r#"{"type":"ping","ref":{}}"#,
            r#"{"type":"ping","n":-1}"#,
            r#"{"type":"ping","room_id":7}"#,
            r#"{"type":"ping","success":"yes"}"#,
            r#"{"type":"ping","data":{}"#,
            r#"{"type":"pi\ng"#,
            &batch,
            &long,
            &long_ref,
            &deep,
        ] {
            session_sends(&server, way, Codec::Json, payload.as_bytes(), 4501).await;
        }
        session_sends(&server, way, Codec::Json, b"{\"type\":\"p\xffng\"}", 4501).await;
        bystanders.assert_undisturbed(&server).await;
    }
    // Only a WebSocket says by itself that it is text.
    for payload in ["", "nonsense", "7", "null", "\"ping\"", "\u{feff}{}"] {
        session_sends(&server, Way::json(Via::WebSocket), Codec::Json, payload.as_bytes(), 4501).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_binary_closes_with_4501() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    let whole = ping();
    let mut left_over = whole.clone();
    left_over.push(0);
    let mut many = whole.repeat(257);
    let huge_length = [&[253][..], &[0xff; 8], b"ping"].concat();
    for way in Way::BINARY {
        for payload in [
            &[][..],
            &[0],
            &[4],
            b"\x04pin",
            b"\x04p\xffng\x00\x00\x00\x00\x00\x00\x00",
            b"\x04ping\x07\x00\x00\x00\x00\x00\x00",
            &whole[..whole.len() - 1],
            &left_over,
            &many,
            &huge_length,
        ] {
            session_sends(&server, way, Codec::Bincode, payload, 4501).await;
        }
        bystanders.assert_undisturbed(&server).await;
    }
    // As many as there may be in one batch are answered.
    many.truncate(whole.len() * 256);
    for way in Way::BINARY {
        let mut peer = Peer::enter(&server, way, "Ada").await;
        peer.bytes(Codec::Bincode, &many).await;
        for _ in 0..256 {
            peer.expect("pong").await;
        }
        peer.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_front_of_a_malformed_message_counts() {
    let server = TestServer::start();
    let one = |reference: u64| write(Codec::Bincode, &json!({"type": "ping", "ref": reference}));
    for way in Way::BINARY {
        let mut peer = Peer::enter(&server, way, "Ada").await;
        peer.bytes(Codec::Bincode, &[one(1), one(2), vec![0]].concat()).await;
        let end = peer.refused(4501).await;
        assert_eq!(end.rest.iter().filter(|message| message.kind == "pong").count(), 2, "{way:?}");
    }
    for way in Way::JSON {
        let mut peer = Peer::enter(&server, way, "Ada").await;
        peer.bytes(Codec::Json, br#"[{"type":"ping"},{"type":"ping"},{"type":""}]"#).await;
        let end = peer.refused(4501).await;
        assert_eq!(end.rest.iter().filter(|message| message.kind == "pong").count(), 2, "{way:?}");
        let mut peer = Peer::enter(&server, way, "Ada").await;
        peer.bytes(Codec::Json, br#"[{"type":"ping"},{"type":"ping"},{"type":]"#).await;
        assert_eq!(peer.refused(4501).await.rest, [], "{way:?}: JSON that does not parse counts for nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_that_is_no_handshake_closes_the_connection() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        for kind in ["ping", "join_room", "create_room", "make_move", "ack", "nothing"] {
            let message = json!({"type": kind, "ref": 1, "data": {}}).to_string();
            stranger_sends(&server, way, Codec::Json, message.as_bytes(), 4503).await;
        }
        stranger_sends(&server, way, Codec::Json, b"[{\"type\":\"ping\"},{\"type\":\"handshake\"}]", 4503).await;
        stranger_sends(&server, way, Codec::Json, b"{\"type\":", 4501).await;
        // A WebSocket knows its codec from the upgrade on, so binary is the wrong kind of frame there.
        let binary = if way.via == Via::WebSocket { 4507 } else { 4501 };
        stranger_sends(&server, way, Codec::Bincode, &ping(), binary).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_closes_with_4500() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        for data in [json!({"version": 2}), json!({"version": 0}), json!({}), json!({"version": 2, "name": "\n"})] {
            let handshake = json!({"type": "handshake", "data": data}).to_string();
            stranger_sends(&server, way, Codec::Json, handshake.as_bytes(), 4500).await;
        }
    }
    bystanders.assert_undisturbed(&server).await;
}

async fn token_is_refused(server: &TestServer, way: Way, token: &Value) {
    let handshake = json!({"type": "handshake", "data": {"version": 1, "token": token}}).to_string();
    let reason = stranger_sends(server, way, Codec::Json, handshake.as_bytes(), 4505).await;
    assert!(reason.contains("token"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_close_with_4505() {
    let server = TestServer::in_production(|_| ());
    let forged = token::sign_with(Algorithm::HS256, "another secret of 32 bytes, or more!", &claims());
    let tampered = {
        let good = token::of("ada");
        let (head, tail) = good.split_at(good.rfind('.').unwrap() - 2);
        format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..])
    };
    let bad = [
        Value::Null,
        json!(""),
        json!("nonsense"),
        json!("a.b.c"),
        json!(forged),
        json!(tampered),
        json!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZGEiLCJleHAiOjQwMDAwMDAwMDB9."),
        json!(token::sign_with(Algorithm::HS512, token::KEY, &claims())),
        json!(token::sign(&json!({"sub": "ada", "exp": 1}))),
        json!(token::sign(&json!({"sub": "ada"}))),
        json!(token::sign(&json!({"exp": token::FAR}))),
        json!(token::sign(&json!({"sub": "", "exp": token::FAR}))),
        json!(token::sign(&json!({"sub": 7, "exp": token::FAR}))),
        json!(token::sign(&json!({"sub": "ada", "exp": "4000000000"}))),
        json!(token::sign(&json!({"sub": "ada", "exp": token::FAR, "nbf": token::FAR}))),
        json!(token::sign(&json!({"sub": "x".repeat(65), "exp": token::FAR}))),
        json!(token::sign(&json!({"sub": "ada", "exp": token::FAR, "pad": "x".repeat(5000)}))),
    ];
    for way in Way::all() {
        for token in &bad {
            token_is_refused(&server, way, token).await;
        }
        let mut peer = Peer::enter_as(&server, way, "ada").await;
        assert_eq!(peer.user_id, "ada");
        peer.ask("ping", json!({})).await;
        peer.leave().await;
    }
}

fn claims() -> Value {
    json!({"sub": "ada", "exp": token::FAR})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_refused_where_there_is_no_key_for_it() {
    let server = TestServer::start();
    for way in Way::all() {
        token_is_refused(&server, way, &json!(token::of("ada"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_above_the_limit_closes_with_4502() {
    let server = TestServer::with(|config| config.limits.message_bytes_max = 4096);
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        for length in [4097, 70_000, 300_000] {
            let mut peer = Peer::enter(&server, way, "Mallory").await;
            // The server does not wait for what it will not read, so not all of it may go out.
            drop(peer.try_bytes(way.codec, &padded(way.codec, length)).await);
            peer.refused(4502).await;
        }
        let mut peer = Peer::enter(&server, way, "Ada").await;
        peer.bytes(way.codec, &padded(way.codec, 4096)).await;
        let answer = peer.next().await;
        assert_eq!(answer.code(), "unknown_type", "{way:?}: exactly as large as allowed: {answer:?}");
        peer.leave().await;
        // Before the handshake, too.
        let mut stranger = Peer::dial(&server, way).await;
        drop(stranger.try_bytes(Codec::Json, &padded(Codec::Json, 4097)).await);
        stranger.refused(4502).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

/// A message of an unknown type with exactly this many bytes.
fn padded(codec: Codec, length: usize) -> Vec<u8> {
    let with = |filler: usize| {
        let mut out = Vec::new();
        let filler = "x".repeat(filler);
        envelope::encode(codec, &Header::new("pad"), &filler, &mut out).unwrap();
        out
    };
    let short = with(length - 100).len();
    let message = with(length - 100 + (length - short));
    assert_eq!(message.len(), length);
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn text_in_a_binary_session_closes_with_4507() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::BINARY {
        for payload in [r#"{"type":"ping"}"#, r#"[{"type":"list_rooms"}]"#] {
            session_sends(&server, way, Codec::Json, payload.as_bytes(), 4507).await;
        }
        // What is JSON in every session is not meant by that.
        let mut peer = Peer::enter(&server, way, "Ada").await;
        peer.json(&json!({"type": "handshake", "ref": "h", "data": {"version": 1}})).await;
        assert_eq!(peer.next().await.code(), "already_authenticated");
        peer.leave().await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_in_a_json_session_closes_with_4507() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::JSON {
        for payload in [&ping()[..], &[0xff; 20], b" {\"type\":\"ping\"}"] {
            session_sends(&server, way, Codec::Bincode, payload, 4507).await;
        }
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_handshake_ends_with_4504() {
    let server = TestServer::with(|config| config.times.handshake_ms = 300);
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        // An empty batch means nothing, but shows a QUIC server the stream; a refused handshake wins no time.
        let mut silent = Peer::dial(&server, way).await;
        silent.bytes(Codec::Json, b"[]").await;
        let mut wrong = Peer::dial(&server, way).await;
        wrong.json(&json!({"type": "handshake", "data": {"version": 1, "name": "\n"}})).await;
        let (silent, wrong) = tokio::join!(silent.refused(4504), wrong.refused(4504));
        assert_eq!((silent.rest.len(), wrong.rest.len()), (0, 1));
    }
    bystanders.assert_undisturbed(&server).await;
}

//! What ends a connection: each with its own code and a sentence, on every transport and in both codecs, and without
//! anybody else noticing.

use anteroom_protocol::envelope::Ref;
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

/// Arrays in each other, so many levels deep.
fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
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
    let deep_field = format!(r#"{{"type":"ping","more":{}}}"#, nested(64));
    let deep_error = format!(r#"{{"type":"ping","error":{}}}"#, nested(64));
    let deep_ref = format!(r#"{{"type":"ping","ref":{}}}"#, nested(64));
    let deep_batch = nested(30_000);
    let deep_and_open = "[".repeat(60_000);
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
            &deep_field,
            &deep_error,
            &deep_ref,
            &deep_batch,
            &deep_and_open,
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
async fn data_that_nests_too_deeply_is_refused_and_nothing_else() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::JSON {
        let mut peer = Peer::dial(&server, way).await;
        // One level is the envelope's.
        for depth in [64, 30_000] {
            let deep = nested(depth);
            for (kind, data) in [
                ("handshake", format!(r#"{{"version":1,"more":{deep}}}"#)),
                ("handshake", deep.clone()),
                (
                    "reconnect",
                    format!(r#"{{"session_id":"{}","resume_token":"","attempt":1,"more":{deep}}}"#, "0".repeat(26)),
                ),
                ("reconnect", format!(r#"{{"session_id":"","more":{deep}}}"#)),
            ] {
                let envelope = format!(r#"{{"type":"{kind}","ref":"r","data":{data}}}"#);
                peer.bytes(Codec::Json, envelope.as_bytes()).await;
                let refused = peer.expect(&format!("{kind}_result")).await;
                assert_eq!((refused.code(), refused.reference), ("invalid_data", Some(json!("r"))), "{way:?} {kind}");
            }
        }
        peer.handshake(json!({"version": 1, "name": "Ada"})).await;
        let room_id = peer.create("relay", json!({})).await;
        for depth in [64, 30_000] {
            let deep = nested(depth);
            for (kind, data, code) in [
                ("ping", format!(r#"{{"ts":{deep}}}"#), "invalid_data"),
                ("ping", deep.clone(), "invalid_data"),
                ("list_rooms", format!(r#"{{"more":{deep}}}"#), "invalid_data"),
                ("create_room", format!(r#"{{"game":"relay","options":{deep}}}"#), "invalid_data"),
                ("join_room", deep.clone(), "invalid_data"),
                ("leave_room", deep.clone(), "invalid_data"),
                ("ack", deep.clone(), "invalid_data"),
                ("resume", deep.clone(), "invalid_data"),
                ("nothing", deep.clone(), "unknown_type"),
            ] {
                // In a batch it disturbs nothing that stands beside it.
                let ping = |reference| format!(r#"{{"type":"ping","ref":{reference}}}"#);
                let envelope = format!(r#"{{"type":"{kind}","ref":2,"data":{data}}}"#);
                let batch = format!("[{},{envelope},{}]", ping(1), ping(3));
                for payload in [envelope, batch] {
                    let is_batch = payload.starts_with('[');
                    peer.bytes(Codec::Json, payload.as_bytes()).await;
                    let refused = peer.find(&format!("{kind}_result")).await;
                    assert_eq!((refused.code(), refused.reference), (code, Some(json!(2))), "{way:?} {kind}");
                    assert_eq!(refused.error.unwrap().details.unwrap().text(), format!(r#"{{"type":"{kind}"}}"#));
                    for reference in if is_batch { &[1, 3][..] } else { &[] } {
                        assert_eq!(peer.find("pong").await.reference, Some(json!(reference)));
                    }
                }
            }
            // A room refuses it on its own lane, as any data that does not fit; the number is taken.
            let send =
                format!(r#"{{"type":"send","ref":4,"n":{depth},"room_id":"{room_id}","data":{{"payload":{deep}}}}}"#);
            peer.bytes(Codec::Json, send.as_bytes()).await;
            let refused = peer.find("send_result").await;
            assert_eq!((refused.code(), refused.room_id), ("invalid_data", Some(room_id.clone())), "{way:?}");
            peer.bytes(Codec::Json, send.replace(&deep, "1").as_bytes()).await;
            let rest = peer.all_so_far().await;
            assert!(
                rest.iter().all(|message| message.kind == "ack"),
                "{way:?}: it was taken, so it is dropped: {rest:?}"
            );
        }
        // As deep as may be, and what only looks deep.
        for more in [nested(62), format!("\"{}\"", "[".repeat(1000))] {
            let ping = format!(r#"{{"type":"list_rooms","ref":5,"data":{{"more":{more}}}}}"#);
            for payload in [ping.clone(), format!("[{ping}]")] {
                peer.bytes(Codec::Json, payload.as_bytes()).await;
                assert_eq!(peer.find("list_rooms_result").await.success, Some(true), "{way:?}");
            }
        }
        peer.leave().await;
    }
    for way in Way::BINARY {
        let mut peer = Peer::enter(&server, way, "Ada").await;
        // Fields that are JSON are the only ones that can nest.
        for depth in [33, 30_000] {
            let mut ping = Vec::new();
            let reference = Ref::from(7);
            let header = Header { reference: Some(&reference), ..Header::new("ping") };
            envelope::encode(Codec::Bincode, &header, &nested(depth), &mut ping).unwrap();
            peer.bytes(Codec::Bincode, &ping).await;
            let refused = peer.expect("ping_result").await;
            assert_eq!((refused.code(), refused.reference), ("invalid_data", Some(json!(7))), "{way:?}");
            assert!(refused.error.unwrap().message.contains("nests too deeply"), "{way:?}");
        }
        peer.leave().await;
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

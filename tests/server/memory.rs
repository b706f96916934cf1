//! What all sessions together keep has a bound: those that are furthest behind lose what waits and are told so, then
//! those that were left end, and who keeps up notices nothing.

use std::time::Duration;

use anteroom_protocol::{Codec, LaneId};
use anteroom_server::Server;
use anteroom_server::config::Config;
use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::resuming::Resuming;
use anteroom_tests::server::TestServer;
use anteroom_transport::{TransportConfig, memory};
use serde_json::{Value, json};
use tokio::time::sleep;

/// The least that a server may be told to keep to.
const RETAINED_BYTES_MAX: u64 = 16 << 20;

/// How often somebody asks for all rooms at once.
const LISTS: usize = 14;

/// As long a list as there is.
fn all() -> Value {
    json!({"limit": 500})
}

fn server() -> Server {
    let mut config = Config { listen: "127.0.0.1:0".into(), ..Config::development() };
    config.limits.retained_bytes_max = RETAINED_BYTES_MAX;
    config.limits.rooms_per_session_max = 1000;
    Server::simulate(config, anteroom_games::registry().unwrap(), 1).unwrap()
}

/// Somebody with a connection in memory.
fn dial(server: &Server) -> Peer {
    let (near, far) = memory::pair(TransportConfig { inbound_bytes_max: 1 << 20, ..TransportConfig::default() }, 1);
    server.serve(far, None);
    Peer::over(near, Way::json(Via::Quic))
}

/// What it takes to go on with a session.
struct Ticket {
    session_id: Value,
    resume_token: Value,
    received: Value,
}

/// Somebody whose session outlives the connection.
async fn enter(server: &Server) -> (Peer, Ticket) {
    let mut peer = dial(server);
    let accepted = peer.handshake(json!({"version": 1, "resume": true})).await;
    let [session_id, resume_token] = ["session_id", "resume_token"].map(|name| accepted[name].clone());
    (peer, Ticket { session_id, resume_token, received: json!({}) })
}

/// Goes on with a session. The answer, and where control goes on, if it does.
async fn go_on(server: &Server, ticket: &Ticket) -> (Peer, Result<Message, String>) {
    let Ticket { session_id, resume_token, received } = ticket;
    let mut peer = dial(server);
    let data = json!({"session_id": session_id, "resume_token": resume_token, "attempt": 1, "received": received});
    peer.json(&json!({"type": "reconnect", "ref": 1, "data": data})).await;
    let answer = peer.until("an answer", |message| message.kind == "reconnect_result").await;
    if answer.success != Some(true) {
        return (peer, Err(answer.code().to_owned()));
    }
    let opened = peer.until("control", |message| message.kind == "lane" && message.data["lane"] == 0).await;
    (peer, Ok(opened))
}

/// Makes a long list of rooms.
async fn with_a_long_list(server: &Server) -> Peer {
    let (mut host, _) = enter(server).await;
    make_rooms(&mut host).await;
    host
}

async fn make_rooms(host: &mut Peer) {
    for place in 0..200 {
        let name = format!("{place} {}", "ü".repeat(28));
        assert_eq!(host.ask("create_room", json!({"game": "relay", "name": name})).await.success, Some(true));
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_furthest_behind_loses_what_waits_and_who_keeps_up_nothing() {
    let server = server();
    let _host = with_a_long_list(&server).await;
    let (mut ada, mut ada_s) = enter(&server).await;
    let room_id = ada.create("relay", json!({})).await;
    let (mut left, mut list_bytes) = (Vec::new(), 0);
    for number in 1..=40 {
        // Somebody asks for much, reads none of it, and goes.
        let (mut gone, ticket) = enter(&server).await;
        let list = json!({"type": "list_rooms", "data": all()}).to_string();
        gone.bytes(Codec::Json, format!("[{}]", vec![list; LISTS].join(",")).as_bytes()).await;
        // Whoever asks for so much at once may be the one who is furthest behind, before any of it is written.
        let first = |message: &Message| ["list_rooms_result", "session_state"].contains(&message.kind.as_str());
        let first = gone.until("a list, or a gap", first).await;
        if first.kind == "list_rooms_result" {
            list_bytes = first.data.to_string().len();
        }
        drop(gone);
        left.push(ticket);
        // Somebody else plays on, and acknowledges.
        let said = ada.ask_in(&room_id, "send", json!({"payload": number})).await;
        assert_eq!(said.success, Some(true));
        sleep(Duration::from_millis(100)).await;
    }
    ada.json(&json!({"type": "ack", "data": {"1": 60}})).await;
    assert!(!ada.unread().iter().any(|message| message.kind == "lane"), "a gap on a connection that is read");
    drop(ada);
    ada_s.received = json!({"0": 0, "1": 60});
    let (mut ada, control) = go_on(&server, &ada_s).await;
    assert_eq!(control.unwrap().data["gap"], false);
    let lane = ada.until("the room", |message| message.kind == "lane" && message.data["lane"] == 1).await;
    assert_eq!(lane.data["gap"], false);

    let mut whole = 0;
    for ticket in &left {
        let (mut peer, control) = go_on(&server, ticket).await;
        // There is memory for their sessions, if not for all that they asked for.
        let gap = control.unwrap().data["gap"].as_bool().unwrap();
        whole += usize::from(!gap);
        peer.find(if gap { "session_state" } else { "list_rooms_result" }).await;
        drop(peer);
    }
    let (each, most) = (LISTS * list_bytes, RETAINED_BYTES_MAX as usize);
    assert!(whole * each <= most && whole * each > most / 2, "{whole} kept {each} bytes");
}

/// What connections hold cannot be dropped with a gap. It is taken from those who do not read it.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_closed_before_those_who_are_away_pay_for_it() {
    let server = TestServer::with(|config| {
        config.limits.retained_bytes_max = RETAINED_BYTES_MAX;
        config.limits.rooms_per_session_max = 1000;
    });
    let way = Way::json(Via::WebSocket);
    let mut host = Peer::enter(&server, way, "Host").await;
    make_rooms(&mut host).await;
    let room_id = host.create("relay", json!({})).await;
    let mut away = Vec::new();
    for _ in 0..20 {
        let mut gone = Resuming::enter(&server, way, "Gone").await;
        gone.cut();
        away.push(gone);
    }
    let asked = format!("[{}]", vec![json!({"type": "list_rooms", "data": all()}).to_string(); 4].join(","));
    let mut stalled = Vec::new();
    for _ in 0..250 {
        let mut peer = Peer::dial_narrow(&server, way).await;
        peer.handshake(json!({"version": 1})).await;
        peer.join(&room_id, "player").await;
        peer.bytes(Codec::Json, asked.as_bytes()).await;
        stalled.push(peer);
    }
    host.until("somebody is closed", |message| message.kind == "client_disconnected").await;
    for gone in &mut away {
        gone.reconnect(&server, Via::WebSocket).await;
    }
}

/// Those who watch the list are counted as well.
#[tokio::test(start_paused = true)]
async fn no_way_to_ask_for_much_is_left_out() {
    for (kind, data) in [("list_rooms", all()), ("subscribe_rooms", json!({}))] {
        let server = server();
        let _host = with_a_long_list(&server).await;
        let mut left = Vec::new();
        for _ in 0..40 {
            let (mut gone, ticket) = enter(&server).await;
            let asked = json!({"type": kind, "data": data}).to_string();
            gone.bytes(Codec::Json, format!("[{}]", vec![asked; LISTS].join(",")).as_bytes()).await;
            gone.find(&format!("{kind}_result")).await;
            drop(gone);
            left.push(ticket);
            sleep(Duration::from_millis(100)).await;
        }
        let mut gaps = 0;
        for ticket in &left {
            let (peer, control) = go_on(&server, ticket).await;
            gaps += usize::from(control.is_ok_and(|opened| opened.data["gap"] == true));
            drop(peer);
        }
        assert!((5..40).contains(&gaps), "{kind}: {gaps} lost something");
    }
}

/// Whoever asks to be answered all the time, and does not read, is not read from any more.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_pongs_waits_for_itself() {
    let server = server();
    let (mut ada, _) = enter(&server).await;
    let ping = json!({"type": "ping", "data": {"ts": "x".repeat(50)}}).to_string();
    let pings = format!("[{}]", vec![ping; 256].join(","));
    let mut sent = 0;
    // Nothing is read: sooner or later nothing more is taken.
    while tokio::time::timeout(Duration::from_secs(5), ada.bytes(Codec::Json, pings.as_bytes())).await.is_ok() {
        sent += 1;
        assert!(sent < 200, "{sent} times 256 pings were taken");
    }
    for _ in 0..100 {
        ada.find("pong").await;
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_were_left_end_the_oldest_first() {
    let server = server();
    let mut left = Vec::new();
    for _ in 0..6000 {
        let (peer, ticket) = enter(&server).await;
        drop(peer);
        left.push(ticket);
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_secs(5)).await;
    let mut ends = Vec::new();
    for ticket in left.iter().step_by(10) {
        ends.push(go_on(&server, ticket).await.1.map(|opened| opened.data["gap"].clone()));
    }
    let lived = ends.iter().position(Result::is_ok).unwrap();
    assert!((50..400).contains(&lived), "{lived}");
    assert!(ends[..lived].iter().all(|end| *end == Err("session_unknown".into())));
    assert!(ends[lived..].iter().all(|end| *end == Ok(json!(false))), "nothing of theirs was lost");
}

/// A datagram may overtake what was sent before it, so its number, if somebody gives it one, says nothing.
#[tokio::test(start_paused = true)]
async fn a_number_in_a_datagram_makes_nothing_that_follows_an_old_message() {
    let server = server();
    let (mut ada, _) = enter(&server).await;
    let room_id = ada.create("relay", json!({})).await;
    let send = |n: u64| json!({"type": "send", "n": n, "room_id": room_id, "data": {"payload": n}});
    ada.connection().send_datagram(LaneId(1), send(9).to_string().as_bytes()).unwrap();
    ada.until("the datagram's word", |message| message.data["payload"] == json!(9)).await;
    ada.json(&send(1)).await;
    ada.until("the word behind it", |message| message.data["payload"] == json!(1)).await;
    let ack = ada.find("ack").await;
    assert_eq!(ack.data, json!({"1": 1}));
}

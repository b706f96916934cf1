//! A server in a program of somebody else's: what the program adds, and what it cannot take away.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anteroom_core::game::Outcome;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_server::axum::Router;
use anteroom_server::axum::extract::State;
use anteroom_server::axum::routing::{MethodRouter, get, post};
use anteroom_server::{Config, Hooks, Mode, RoomFacts, Server, ServerBuilder, SessionFacts};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::parlor::with_parlor;
use crate::player::Player;

fn builder(demo: bool) -> ServerBuilder {
    let config = Config { listen: "127.0.0.1:0".into(), demo, ..Config::development() };
    Server::builder(config, Mode::Development { on_network: false }).games(anteroom_games::registry().unwrap())
}

/// The whole answer to a request.
async fn ask(server: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(server).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

fn says<S: Clone + Send + Sync + 'static>(words: &'static str) -> MethodRouter<S> {
    get(move || async move { words })
}

#[tokio::test]
async fn routes_are_answered_beside_those_of_the_server() {
    let first = Router::new()
        .route("/news", says("the first news"))
        .route("/score", post(|State(score): State<u32>| async move { score.to_string() }))
        .route("/healthz", says("theirs"))
        .route("/sdk/anteroom.js", says("theirs"))
        .route("/", says("their page"))
        .with_state(42);
    let second = Router::new().route("/news", says("the second news")).route("/more/{*path}", says("more"));
    let server = builder(false).routes(first).routes(second).start().unwrap();
    for (request, status, ends_with) in [
        ("GET /news", 200, "the first news"),
        ("GET /more/a/b", 200, "more"),
        ("POST /score", 200, "42"),
        ("GET /score", 405, ""),
        ("GET /", 200, "their page"),
        ("GET /healthz", 200, "ok\n"),
        ("GET /ws", 426, "send an upgrade.\n"),
        ("GET /elsewhere", 404, "There is nothing here.\n"),
    ] {
        let answer = ask(server.local_addr(), request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.ends_with(ends_with), "{request}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{request}: {answer}");
    }
    let sdk = ask(server.local_addr(), "GET /sdk/anteroom.js").await;
    assert!(sdk.contains("content-type: text/javascript") && !sdk.ends_with("theirs"), "{sdk}");
    server.shutdown().await;
}

#[tokio::test]
async fn what_can_be_played_is_told_with_the_schema_of_its_options() {
    let server = builder(false).games(with_parlor()).start().unwrap();
    let answer = ask(server.local_addr(), "GET /api/games").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    let games: Value = serde_json::from_str(body).unwrap();
    let names: Vec<&str> = games["games"].as_array().unwrap().iter().filter_map(|game| game["game"].as_str()).collect();
    assert_eq!(names, ["dice", "owe_drahn", "parlor", "relay", "tic_tac_toe"]);
    let (parlor, relay) = (&games["games"][2], &games["games"][3]);
    assert_eq!(relay["seats"], json!({"min": 1, "max": 1024, "teams": 1}));
    // Nothing is kept by this server.
    assert_eq!(
        (&relay["bots"], &relay["durable"], &relay["spectators"]),
        (&json!(false), &json!("never"), &json!(true))
    );
    assert_eq!((&parlor["bots"], &parlor["start"]), (&json!(true), &json!("ready")));
    assert_eq!(relay["late_join"], json!(true));
    assert_eq!(relay["start"], json!("game"));
    assert_eq!(parlor["searchable"], json!(["mode"]));
    assert!(relay["version"].is_u64(), "{relay}");
    let members_max = &relay["options"]["properties"]["members_max"];
    assert_eq!(
        (&members_max["default"], &members_max["minimum"], &members_max["maximum"]),
        (&json!(1024), &json!(1), &json!(1024))
    );
    assert_eq!(members_max["title"], "How many may be in it");
    server.shutdown().await;
}

#[tokio::test]
async fn what_a_game_says_and_hears_is_told_as_schemas() {
    let server = builder(false).games(with_parlor()).start().unwrap();
    for game in ["dice", "owe_drahn", "parlor", "relay", "tic_tac_toe"] {
        let answer = ask(server.local_addr(), &format!("GET /api/games/{game}/schema")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("content-type: application/json"), "{head}");
        let schema: Value = serde_json::from_str(body).unwrap();
        assert_eq!(schema["game"], game);
        for part in ["options", "view"] {
            assert_eq!(schema[part]["$schema"], "https://json-schema.org/draft/2020-12/schema", "{game} {part}");
        }
        assert!(schema["version"].is_u64() && schema["events"].is_object(), "{game}");
        assert!(schema["actions"].as_object().unwrap().values().all(|action| action["type"] == "object"), "{game}");
    }
    let long = "x".repeat(2000);
    for game in ["chess", "Dice", "dice%2F", "%00", "..", long.as_str()] {
        let answer = ask(server.local_addr(), &format!("GET /api/games/{game}/schema")).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{game}: {answer}");
    }
    let answer = ask(server.local_addr(), "GET /api/games/chess/schema").await;
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["error"]["code"], "game_not_found");
    assert!(ask(server.local_addr(), "POST /api/games/dice/schema").await.starts_with("HTTP/1.1 405 "));
    server.shutdown().await;
}

#[tokio::test]
async fn the_page_at_the_top_is_the_demo_where_there_is_one_and_a_sentence_where_there_is_none() {
    let theirs = Router::new().route("/", says("their page"));
    let server = builder(true).routes(theirs).start().unwrap();
    assert!(ask(server.local_addr(), "GET /").await.contains("<html"));
    server.shutdown().await;
    let server = builder(false).start().unwrap();
    let answer = ask(server.local_addr(), "GET /").await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("it has no page of its own"), "{answer}");
    server.shutdown().await;
}

/// Passes on what it is told.
struct Teller(SyncSender<String>);

impl Teller {
    fn tell(&self, words: String) {
        self.0.try_send(words).unwrap();
    }
}

impl Hooks for Teller {
    fn session_began(&self, session: &SessionFacts<'_>) {
        self.tell(format!("{} began, guest: {}", session.username, session.is_guest));
    }

    fn session_ended(&self, session: &SessionFacts<'_>, why: &str) {
        self.tell(format!("{} ended: {why}", session.username));
    }

    fn room_opened(&self, room: &RoomFacts<'_>) {
        self.tell(format!("{} opened: {}", room.name, room.game));
    }

    fn match_ended(&self, room: &RoomFacts<'_>, outcome: &Outcome) {
        self.tell(format!("match in {}: {:?}", room.name, outcome.winners));
    }

    fn room_closed(&self, room: &RoomFacts<'_>, reason: Option<ClosedReason>) {
        self.tell(format!("{} closed: {reason:?}", room.name));
    }
}

/// What was told, as far as it has been.
fn told(teller: &Receiver<String>) -> Vec<String> {
    teller.try_iter().collect()
}

async fn request(player: &mut Player, reference: u64, kind: &str, room_id: &Value, data: Value) {
    let message = match room_id {
        Value::Null => json!({"type": kind, "ref": reference, "data": data}),
        room_id => json!({"type": kind, "ref": reference, "room_id": room_id, "data": data}),
    };
    player.say(&[message]).await;
    let answer = player.answer(reference).await;
    assert_eq!(answer["success"], true, "{answer}");
}

#[tokio::test]
async fn hooks_are_told_of_sessions_rooms_and_matches() {
    let (sender, teller) = sync_channel(100);
    let server = builder(false).hooks(Teller(sender)).start().unwrap();
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    assert_eq!(told(&teller), ["Ada began, guest: true", "Bob began, guest: true"]);

    ada.say(&[json!({"type": "create_room", "ref": 1, "data": {"game": "tic_tac_toe", "name": "The den"}})]).await;
    let room_id = ada.answer(1).await["room_id"].clone();
    assert_eq!(told(&teller), ["The den opened: tic_tac_toe"]);
    request(&mut bob, 1, "join_room", &Value::Null, json!({"room_id": room_id})).await;
    // The first row is X's, which is seat 0's.
    for (turn, (row, col)) in [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)].into_iter().enumerate() {
        let player = if turn % 2 == 0 { &mut ada } else { &mut bob };
        request(player, 10 + turn as u64, "make_move", &room_id, json!({"row": row, "col": col})).await;
    }
    // Told at about the same time as the players, so that this one is behind another message of the room.
    request(&mut bob, 20, "rematch", &room_id, json!({})).await;
    assert_eq!(told(&teller), ["match in The den: [Seat(0)]"]);

    request(&mut bob, 30, "leave_room", &room_id, json!({})).await;
    server.shutdown().await;
    let rest = told(&teller);
    assert_eq!(rest[0], "The den closed: Some(ShuttingDown)");
    assert!(rest[1..].iter().all(|words| words.contains(" ended: ")) && rest.len() == 3, "{rest:?}");
}

/// Fails whenever it is told something.
struct Broken;

impl Hooks for Broken {
    fn session_began(&self, session: &SessionFacts<'_>) {
        panic!("a hook that fails for {}", session.username);
    }

    fn room_opened(&self, room: &RoomFacts<'_>) {
        panic!("a hook that fails for {}", room.name);
    }
}

#[tokio::test]
async fn a_hook_that_panics_harms_nobody() {
    let server = builder(false).hooks(Broken).start().unwrap();
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    request(&mut ada, 1, "create_room", &Value::Null, json!({"game": "tic_tac_toe"})).await;
    server.shutdown().await;
}

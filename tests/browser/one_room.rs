//! One room, four ways in: raw QUIC, native WebTransport, Chromium over WebTransport, and a bare WebSocket program.

use anteroom_client::{Client, ConnectOptions, Game, NoEvents, Room, RoomEvent, TransportChoice};
use anteroom_games::tic_tac_toe::{Action, View};
use anteroom_protocol::Codec;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::LeftReason;
use anteroom_tests::bare::Bare;
use anteroom_tests::browser::Browser;
use anteroom_tests::server::TestServer;
use anteroom_tests::{browser, in_time};
use serde_json::{Value, json};

#[derive(Debug, PartialEq)]
struct TicTacToe;

impl Game for TicTacToe {
    const KIND: &'static str = "tic_tac_toe";
    const VERSION: u16 = 2;
    type Action = Action;
    type Event = NoEvents;
    type View = View;
}

/// A player in a terminal, so to speak: the native client, and the states it has seen.
struct Player {
    client: Client,
    room: Room<TicTacToe>,
    states: Vec<Value>,
}

impl Player {
    async fn connect(server: &TestServer, transport: TransportChoice, codec: Codec, name: &str) -> Client {
        let options = ConnectOptions::new(transport, server.addr().to_string()).name(name).codec(codec);
        in_time("a client", Client::connect(options)).await.unwrap()
    }

    fn new(client: Client, room: Room<TicTacToe>) -> Self {
        let states = vec![json!(room.view())];
        Self { client, room, states }
    }

    async fn event(&mut self) -> RoomEvent<TicTacToe> {
        let event = in_time("an event", self.room.next()).await.unwrap();
        if let RoomEvent::State(view) = &event {
            self.states.push(json!(view));
        }
        event
    }

    /// Waits until this many others watch, then begins the record of states anew with the present one.
    async fn sees_watchers(&mut self, count: usize) {
        while self.room.members().iter().filter(|member| member.role == Role::Spectator).count() < count {
            self.event().await;
        }
        self.states = vec![json!(self.room.view())];
    }

    async fn sees_states(&mut self, count: usize) {
        while self.states.len() < count {
            self.event().await;
        }
    }

    /// What others do besides playing: where the match stands is no part of it.
    async fn hears_of_others(&mut self) -> RoomEvent<TicTacToe> {
        loop {
            match self.event().await {
                RoomEvent::RoomUpdated(_) => {}
                event => return event,
            }
        }
    }

    async fn plays(&mut self, row: i32, col: i32) {
        self.room.act(&Action::MakeMove { row, col }).await.unwrap();
    }
}

/// How long the place of a page is kept that was closed.
const GRACE_MS: u64 = 1_000;
/// X takes the left column.
const FIRST_MATCH: [(i32, i32); 5] = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)];
/// Nobody wins.
const SECOND_MATCH: [(i32, i32); 9] = [(1, 1), (0, 0), (0, 1), (2, 1), (0, 2), (2, 0), (1, 0), (1, 2), (2, 2)];
/// The first state, a match, two wishes for a rematch (of which the second begins it), and another match.
const STATES: usize = 1 + FIRST_MATCH.len() + 2 + SECOND_MATCH.len();

#[tokio::test(flavor = "multi_thread")]
async fn four_clients_see_the_same_states_in_one_room() {
    let server = TestServer::with(|config| config.times.grace_ms = GRACE_MS);
    let quic = Player::connect(&server, TransportChoice::Quic, Codec::Bincode, "Quinn").await;
    let webtransport = Player::connect(&server, TransportChoice::WebTransport, Codec::Json, "Wanda").await;
    let room = in_time("a room", quic.create_room::<TicTacToe>(Default::default())).await.unwrap();
    let room_id = room.room_id().to_string();
    let mut x = Player::new(quic, room);
    let room = in_time("a seat", webtransport.join_room(x.room.room_id(), Role::Player)).await.unwrap();
    let mut o = Player::new(webtransport, room);

    let url = format!("http://{}", server.addr());
    let Some(mut chromium) = browser::or_skip(browser::script(Browser::Chromium, "watch.mjs", &[&url, &room_id]))
    else {
        return;
    };
    assert_eq!(chromium.json().await, json!({"watching": true}));
    let mut bare = Bare::enter(server.addr(), "Wes").await;
    bare.send(&json!({"type": "join_room", "ref": 1, "data": {"room_id": room_id, "as": "spectator"}})).await;
    let joined = bare.until("join_room_result").await;
    let mut seen = vec![joined["data"]["view"].clone()];
    tokio::join!(x.sees_watchers(2), o.sees_watchers(2));
    assert_eq!(x.states[0]["status"], "playing");

    play(&mut [&mut x, &mut o], &FIRST_MATCH).await;
    x.room.act(&Action::Rematch {}).await.unwrap();
    o.room.act(&Action::Rematch {}).await.unwrap();
    // The sides are swapped: who was O begins.
    play(&mut [&mut o, &mut x], &SECOND_MATCH).await;

    tokio::join!(x.sees_states(STATES), o.sees_states(STATES));
    while seen.len() < STATES {
        seen.push(bare.until("game_state").await["data"].take());
    }
    chromium.say(&format!("states {STATES}")).await;
    let mut page = chromium.json().await;
    assert_eq!(page["complaints"], json!([]));
    assert_eq!(page["transport"], "webtransport");
    assert_eq!(page["states"].take(), json!(x.states), "Chromium and QUIC");
    assert_eq!(o.states, x.states, "native WebTransport and QUIC");
    assert_eq!(seen, x.states, "bare WebSocket and QUIC");
    assert_story(&x.states, &user_id(&x), &user_id(&o));

    // A page that is closed has lost its connection; it has not said goodbye, so its place is kept for a while.
    chromium.say("close").await;
    assert_eq!(chromium.json().await, json!({"closed": true}));
    let lost = x.hears_of_others().await;
    let is_watcher = |name: &str| name == "Chrome";
    assert!(matches!(&lost, RoomEvent::Disconnected { username, .. } if is_watcher(username)), "{lost:?}");
    let left = x.hears_of_others().await;
    let RoomEvent::Left { username, reason: LeftReason::Disconnected, .. } = &left else { panic!("{left:?}") };
    assert!(is_watcher(username), "{left:?}");
    chromium.hush();
    assert_eq!(chromium.end().await.code, Some(0));
    x.client.close().await;
    o.client.close().await;
    server.shutdown().await;
}

fn user_id(player: &Player) -> String {
    player.client.user_id().to_string()
}

/// The players in turn make these moves.
async fn play(players: &mut [&mut Player; 2], moves: &[(i32, i32)]) {
    for (number, (row, col)) in moves.iter().enumerate() {
        players[number % 2].plays(*row, *col).await;
    }
}

/// Checks that the states are those of the two matches.
fn assert_story(states: &[Value], first: &str, second: &str) {
    let column = |name: &str| states.iter().map(|state| state[name].clone()).collect::<Vec<_>>();
    let statuses: Vec<Value> =
        [&["playing"; 5][..], &["won"; 2], &["playing"; 9], &["draw"]].concat().into_iter().map(Value::from).collect();
    assert_eq!(column("status"), statuses);
    assert_eq!(states[5]["winner"], first);
    assert_eq!(states[5]["line"], json!([[0, 0], [1, 0], [2, 0]]));
    assert_eq!(states[6]["rematch_wanted"], json!([first]));
    assert_eq!(states[0]["players"], json!({"X": first, "O": second}));
    assert_eq!(states[7]["players"], json!({"X": second, "O": first}));
    assert_eq!(states[7]["board"], json!([[null, null, null], [null, null, null], [null, null, null]]));
    let counts: Vec<usize> = states.iter().map(marks).collect();
    assert_eq!(counts, [0, 1, 2, 3, 4, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

/// How many marks are on the board.
fn marks(state: &Value) -> usize {
    let rows = state["board"].as_array().unwrap();
    rows.iter().flat_map(|row| row.as_array().unwrap()).filter(|mark| !mark.is_null()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_foreign_origin_is_told_4506_in_chromium() {
    a_page_of_a_foreign_origin_is_told_4506(Browser::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_foreign_origin_is_told_4506_in_firefox() {
    a_page_of_a_foreign_origin_is_told_4506(Browser::Firefox).await;
}

async fn a_page_of_a_foreign_origin_is_told_4506(browser: Browser) {
    // The page is of this machine, which a development server would let in without a list.
    let server = TestServer::with(|config| config.origins.allowed = vec!["https://play.example.com".into()]);
    let script = browser::script(browser, "foreign.mjs", &[&server.addr().to_string()]);
    let Some(mut page) = browser::or_skip(script) else { return };
    let said = page.json().await;
    for transport in ["websocket", "webtransport", "closed"] {
        assert_eq!(said[transport]["code"], json!(4506), "{said}");
        assert_eq!(said[transport]["reason"], json!("Pages of this origin may not connect here."), "{said}");
    }
    page.hush();
    assert_eq!(page.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_page_that_does_not_read_is_told_4501_in_chromium() {
    a_busy_page_that_does_not_read_is_told_4501(Browser::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_page_that_does_not_read_is_told_4501_in_firefox() {
    a_busy_page_that_does_not_read_is_told_4501(Browser::Firefox).await;
}

/// What a page has not read when its session closes is lost to it, but for why: that it is given the time to read.
async fn a_busy_page_that_does_not_read_is_told_4501(browser: Browser) {
    const SESSIONS: usize = 20;
    let server = TestServer::start();
    let script = browser::script(browser, "nonsense.mjs", &[&server.addr().to_string(), &SESSIONS.to_string()]);
    let Some(mut page) = browser::or_skip(script) else { return };
    let said = page.json().await;
    assert_eq!(said.as_array().map(Vec::len), Some(SESSIONS), "{said}");
    for told in said.as_array().unwrap() {
        assert_eq!(told["code"], json!(4501), "{said}");
        assert!(told["reason"].as_str().unwrap().starts_with("The message cannot be read: "), "{said}");
    }
    page.hush();
    assert_eq!(page.end().await.code, Some(0));
}

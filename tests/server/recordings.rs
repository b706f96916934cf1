//! Rooms that are recorded: what is in the file, what is not, and who may see it.

use std::fs;
use std::path::{Path, PathBuf};

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::{Durable, Nothing};
use anteroom_core::replay::{Ended, Header, Player, Step};
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, Game, Registry, Rejection, Seat, Seating, Seats, Viewer, Views};
use anteroom_server::config::{Config, StoreKind};
use anteroom_tests::http::{self, Answer};
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::server::{TestServer, scratch};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Breaks when it is dropped.
#[derive(Serialize, Deserialize)]
struct Glass {
    taps: u32,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
struct Options {}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Action {
    Tap {},
    Drop {},
}

impl Game for Glass {
    type Options = Options;
    type Action = Action;
    type Event = Nothing;
    type View = u32;
    type Timer = Nothing;
    const KIND: &'static str = "glass";
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::Shared;
    const DURABLE: Durable = Durable::Choice(false);

    fn seats(_: &Options) -> Seats {
        Seats { min: 1, ..Seats::exactly(4) }
    }

    fn new(_: Options, _: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self { taps: 0 })
    }

    fn joined(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn left(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn act(&mut self, _: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::Tap {} => self.taps += 1,
            Action::Drop {} => panic!("the glass is broken after {} taps", self.taps),
        }
        ctx.publish(self);
        Ok(())
    }

    fn view(&self, _: Viewer, _: &Seating) -> u32 {
        self.taps
    }
}

fn games() -> Registry {
    let mut games = anteroom_games::registry().unwrap();
    games.register::<Glass>().unwrap();
    games
}

fn server(folder: &Path, change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::with_games(games(), |config| {
        config.recordings.folder = Some(folder.to_owned());
        change(config);
    })
}

fn ways() -> [Way; 2] {
    [Way::json(Via::WebSocket), Way::binary(Via::WebSocket)]
}

/// The files in a folder, by their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Plays a recording to its end: who did what, the last view, and how it ends.
fn play(path: &Path) -> (Vec<String>, String, Ended) {
    let games = games();
    let mut player = Player::open(&games, fs::File::open(path).unwrap()).unwrap();
    let (mut said, mut view) = (Vec::new(), String::new());
    loop {
        match player.step().unwrap() {
            Step::Turn(frame) => {
                view = frame.view.text().to_owned();
                said.extend(frame.events.into_iter().map(|event| event.kind));
            }
            Step::Failing(failing) => {
                said.extend(failing.events.iter().map(|event| event.kind.clone()));
                let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| player.fail(&failing)));
                assert!(!matches!(again, Ok(Ok(()))), "it does not fail again");
            }
            Step::End(ended) => return (said, view, ended),
        }
    }
}

async fn get(server: &TestServer, path: &str) -> (u16, Value) {
    let Answer { status, body, .. } = http::get(server.addr(), path, &[]).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}

async fn record(peer: &mut Peer, more: Value) -> String {
    let mut data = json!({"game": "glass", "record": true});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = peer.ask("create_room", data).await;
    assert_eq!((made.success, &made.data["recorded"]), (Some(true), &json!(true)), "{made:?}");
    made.data["room_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_recorded_where_it_is_asked_for_and_those_who_come_are_told() {
    let folder = scratch("recorded");
    let server = server(&folder, |_| ());
    let [mut ada, mut bob] =
        [Peer::enter(&server, ways()[0], "Ada").await, Peer::enter(&server, ways()[1], "Bob").await];
    let room_id = record(&mut ada, json!({})).await;
    let there = bob.join(&room_id, "player").await;
    assert_eq!(there["recorded"], true, "{there}");
    for _ in 0..3 {
        assert_eq!(ada.ask_in(&room_id, "tap", json!({})).await.success, Some(true));
        assert_eq!(bob.ask_in(&room_id, "tap", json!({})).await.success, Some(true));
    }
    let (status, listed) = get(&server, "/api/recordings").await;
    let row = listed["recordings"][0].clone();
    assert_eq!((status, &row["game"], &row["room_name"]), (200, &json!("glass"), &json!("Ada's room")), "{listed}");
    let path = format!("/api/recordings/{}", row["name"].as_str().unwrap());
    let (status, shown) = get(&server, &path).await;
    assert_eq!((status, &shown["ended"], &shown["verified"]), (200, &json!("running"), &json!(true)), "{shown}");
    ada.ask_in(&room_id, "leave_room", json!({})).await;
    bob.ask_in(&room_id, "leave_room", json!({})).await;
    let (_, shown) = get(&server, &path).await;
    assert_eq!((&shown["format"], &shown["room_id"], &shown["ended"]), (&json!(1), &json!(room_id), &json!("closed")));
    let frames = shown["frames"].as_array().unwrap();
    let tapped = frames.iter().find(|frame| frame["events"][0]["type"] == "tap").unwrap();
    assert_eq!((&tapped["view"], &tapped["members"][1]["username"]), (&json!(1), &json!("Bob")), "{tapped}");
    let players: Vec<_> = shown["players"].as_array().unwrap().iter().map(|seated| &seated["username"]).collect();
    assert_eq!(players, ["Ada", "Bob"], "{shown}");
    server.shutdown().await;
    let (said, view, ended) = play(&files(&folder)[0]);
    assert_eq!((said.iter().filter(|what| *what == "tap").count(), &*view, ended), (6, "6", Ended::Closed), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_unasked() {
    let folder = scratch("unasked");
    let server = server(&folder, |_| ());
    let mut ada = Peer::enter(&server, ways()[0], "Ada").await;
    for data in [json!({"game": "glass"}), json!({"game": "glass", "record": false})] {
        let made = ada.ask("create_room", data).await;
        assert_eq!(made.data["recorded"], false, "{made:?}");
    }
    for wrong in [json!("yes"), json!(1), json!([])] {
        let refused = ada.ask("create_room", json!({"game": "glass", "record": wrong})).await;
        assert_eq!(refused.code(), "invalid_data", "{refused:?}");
    }
    assert_eq!(get(&server, "/api/recordings").await, (200, json!({"recordings": []})));
    server.shutdown().await;
    assert!(files(&folder).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_folder_records_nothing() {
    let server = TestServer::start();
    let mut ada = Peer::enter(&server, ways()[0], "Ada").await;
    let refused = ada.ask("create_room", json!({"game": "relay", "record": true})).await;
    assert_eq!(refused.code(), "invalid_options", "{refused:?}");
    assert_eq!(get(&server, "/api/recordings").await, (200, json!({"recordings": []})));
}

/// Whoever makes it, and however.
#[tokio::test(flavor = "multi_thread")]
async fn all_rooms_of_a_game_are_recorded_if_it_is_configured_so() {
    let folder = scratch("all");
    let server = server(&folder, |config| config.recordings.games = vec!["glass".into()]);
    let mut ada = Peer::enter(&server, ways()[0], "Ada").await;
    for (request, data) in [
        ("create_room", json!({"game": "glass", "record": false})),
        ("join_room", json!({"game": "glass", "quick": true})),
        ("create_room", json!({"game": "glass"})),
    ] {
        let made = ada.ask(request, data).await;
        assert_eq!((made.success, &made.data["recorded"]), (Some(true), &json!(true)), "{made:?}");
    }
    let made = ada.ask("create_room", json!({"game": "relay"})).await;
    assert_eq!(made.data["recorded"], false, "{made:?}");
    server.shutdown().await;
    let games: Vec<_> =
        files(&folder).iter().map(|path| Header::read(fs::File::open(path).unwrap()).unwrap().game).collect();
    assert!(games.len() >= 2 && games.iter().all(|game| game == "glass"), "{games:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_lets_somebody_in_is_in_a_recording() {
    let folder = scratch("secrets");
    let server = server(&folder, |_| ());
    for way in ways() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let mut bob = Peer::enter(&server, way, "Bob").await;
        let mut eve = Peer::enter(&server, way, "Eve").await;
        let private = json!({"visibility": "private", "password": "swordfish-1", "spectator_delay_ms": 1000});
        let room_id = record(&mut ada, private).await;
        let invited = ada.ask_in(&room_id, "create_invite", json!({})).await;
        let code = invited.data["code"].as_str().unwrap().to_owned();
        let joined = bob.ask("join_room", json!({"room_id": room_id, "invite": code, "password": "swordfish-1"})).await;
        assert_eq!(joined.success, Some(true), "{joined:?}");
        let changed = json!({"password": "swordfish-2", "visibility": "unlisted", "name": "The cellar"});
        assert_eq!(ada.ask_in(&room_id, "update_room", changed).await.success, Some(true));
        let refused = ada.ask_in(&room_id, "update_room", json!({"password": "swordfish-3", "name": ""})).await;
        assert_eq!(refused.success, Some(false), "{refused:?}");
        let refused = ada.ask_in(&room_id, "update_room", json!({"password": "swordfish-4", "locked": 7})).await;
        assert_eq!(refused.success, Some(false), "{refused:?}");
        let joined =
            eve.ask("join_room", json!({"room_id": room_id, "password": "swordfish-2", "as": "spectator"})).await;
        assert_eq!(joined.success, Some(true), "{joined:?}");
        let refused = eve.ask("join_room", json!({"room_id": room_id, "password": "swordfish-5"})).await;
        drop(refused);
        ada.ask_in(&room_id, "tap", json!({})).await;
        for peer in [&mut eve, &mut bob, &mut ada] {
            peer.ask_in(&room_id, "leave_room", json!({})).await;
        }
        get(&server, "/api/recordings").await;
        let path = files(&folder).into_iter().find(|path| path.to_string_lossy().contains(&room_id)).unwrap();
        assert!(path.to_string_lossy().ends_with(".private.rec"), "{path:?}");
        let bytes = fs::read(&path).unwrap();
        for secret in ["swordfish", "argon2", &code] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{way:?}: {secret}");
        }
        // And it comes out as it did without them.
        let (said, view, ended) = play(&path);
        assert_eq!((&*view, ended), ("1", Ended::Closed), "{way:?}: {said:?}");
        for what in ["create_invite", "update_room", "join"] {
            assert!(said.iter().any(|said| said == what), "{way:?}: {what} in {said:?}");
        }
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_fails_leaves_what_led_to_it() {
    for (durable, recorded) in [(false, true), (true, true), (true, false)] {
        let data = scratch("failing");
        let server = TestServer::with_games(games(), |config| {
            config.store.kind = StoreKind::Sqlite;
            config.store.path = Some(data.clone());
        });
        let mut ada = Peer::enter(&server, ways()[0], "Ada").await;
        let mut bob = Peer::enter(&server, ways()[1], "Bob").await;
        let made = ada.ask("create_room", json!({"game": "glass", "durable": durable, "record": recorded})).await;
        assert_eq!(made.success, Some(true), "{made:?}");
        let room_id = made.data["room_id"].as_str().unwrap().to_owned();
        bob.join(&room_id, "player").await;
        for _ in 0..5 {
            ada.ask_in(&room_id, "tap", json!({})).await;
        }
        bob.send(&json!({"type": "drop", "room_id": room_id, "data": {}})).await;
        assert_eq!(ada.find("room_closed").await.data["reason"], "game_failed");
        server.shutdown().await;
        let files = files(&data.join("recordings"));
        assert_eq!(files.len(), 1, "durable {durable}, recorded {recorded}: {files:?}");
        let (said, view, ended) = play(&files[0]);
        assert_eq!((said.last().map(String::as_str), &*view), (Some("drop"), "5"), "durable {durable}: {said:?}");
        assert_eq!(ended, Ended::Failed("the glass is broken after 5 taps".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_recorded_beside_each_other() {
    let folder = scratch("two");
    let server = server(&folder, |_| ());
    let mut players = Vec::new();
    for name in ["Ada", "Bob"] {
        let mut peer = Peer::enter(&server, ways()[0], name).await;
        let room_id = record(&mut peer, json!({ "name": name })).await;
        players.push((peer, room_id));
    }
    for turn in 0..20 {
        let (peer, room_id) = &mut players[turn % 2];
        peer.ask_in(room_id, "tap", json!({})).await;
    }
    for (mut peer, room_id) in players {
        peer.ask_in(&room_id, "leave_room", json!({})).await;
    }
    server.shutdown().await;
    let files = files(&folder);
    assert_eq!(files.len(), 2);
    for path in files {
        let (said, view, ended) = play(&path);
        assert_eq!((said.iter().filter(|what| *what == "tap").count(), &*view, ended), (10, "10", Ended::Closed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_ends_where_it_is_large_enough_and_the_room_goes_on() {
    let folder = scratch("large");
    let server = server(&folder, |config| config.recordings.bytes_max = 64 << 10);
    let mut ada = Peer::enter(&server, ways()[0], "Ada").await;
    let room_id = record(&mut ada, json!({})).await;
    for _ in 0..70 {
        ada.ask_in(&room_id, "tap", json!({"padding": "x".repeat(1000)})).await;
    }
    assert_eq!(ada.ask_in(&room_id, "tap", json!({})).await.success, Some(true));
    server.shutdown().await;
    let path = files(&folder).remove(0);
    let (said, _, ended) = play(&path);
    assert!(said.len() < 72, "{}", said.len());
    assert_eq!(ended, Ended::Stopped("It was as large as it may be.".into()));
    let bytes = fs::metadata(&path).unwrap().len();
    assert!((64 << 10..72 << 10).contains(&bytes), "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_ends_the_recording_and_not_the_room() {
    let folder = scratch("unwritable");
    let place = folder.join("recordings");
    fs::write(&place, "a file").unwrap();
    let server = server(&place, |_| ());
    let mut ada = Peer::enter(&server, ways()[0], "Ada").await;
    let room_id = record(&mut ada, json!({})).await;
    for _ in 0..10 {
        assert_eq!(ada.ask_in(&room_id, "tap", json!({})).await.success, Some(true));
    }
    server.shutdown().await;
    assert_eq!(fs::read(&place).unwrap(), b"a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_recordings_make_space() {
    let folder = scratch("space");
    let server = server(&folder, |config| config.recordings.files_max = 3);
    let mut ada = Peer::enter(&server, ways()[0], "Ada").await;
    let mut rooms = Vec::new();
    for _ in 0..5 {
        let room_id = record(&mut ada, json!({})).await;
        ada.ask_in(&room_id, "leave_room", json!({})).await;
        rooms.push(room_id);
        get(&server, "/api/recordings").await;
    }
    server.shutdown().await;
    let left = files(&folder);
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.iter().any(|path| path.to_string_lossy().contains(&rooms[4])), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_leads_to_no_other_file() {
    let folder = scratch("names");
    fs::write(folder.join("secret.rec"), "what nobody is to read").unwrap();
    let inner = folder.join("recordings");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("broken.rec"), "no recording").unwrap();
    fs::write(inner.join("notes.txt"), "no recording").unwrap();
    let server = server(&inner, |_| ());
    for name in [
        "../secret.rec",
        "..%2fsecret.rec",
        "%2e%2e%2fsecret.rec",
        "..%5csecret.rec",
        "notes.txt",
        "none.rec",
        "%00.rec",
        ".",
    ] {
        let (status, body) = get(&server, &format!("/api/recordings/{name}")).await;
        assert_eq!(status, 404, "{name}: {body}");
        assert!(!body.to_string().contains("nobody"), "{name}: {body}");
    }
    let (status, body) = get(&server, "/api/recordings/broken.rec").await;
    assert_eq!((status, &body["error"]["code"]), (422, &json!("invalid_data")), "{body}");
    assert_eq!(get(&server, "/api/recordings").await.1, json!({"recordings": []}));
    server.shutdown().await;
}

/// In production nobody sees any; if they are public, those of rooms that were public, when they are over.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_see_only_what_was_public_and_is_over() {
    for public in [false, true] {
        let folder = scratch("public");
        let server = TestServer::in_production(|config| {
            config.auth.guests = true;
            config.recordings.folder = Some(folder.clone());
            config.recordings.public = public;
        });
        let mut ada = Peer::enter(&server, ways()[0], "Ada").await;
        let mut rooms = Vec::new();
        for more in
            [json!({}), json!({"visibility": "unlisted"}), json!({"password": "swordfish"}), json!({}), json!({})]
        {
            let mut data = json!({"game": "relay", "record": true});
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let made = ada.ask("create_room", data).await;
            assert_eq!(made.success, Some(true), "{made:?}");
            rooms.push(made.data["room_id"].as_str().unwrap().to_owned());
        }
        // One becomes private for a while, and one goes on.
        ada.ask_in(&rooms[3], "update_room", json!({"visibility": "private"})).await;
        ada.ask_in(&rooms[3], "update_room", json!({"visibility": "public"})).await;
        for room_id in &rooms[..4] {
            ada.ask_in(room_id, "leave_room", json!({})).await;
        }
        let (status, listed) = get(&server, "/api/recordings").await;
        if public {
            let names: Vec<&str> =
                listed["recordings"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
            assert!(names.len() == 1 && names[0].contains(&rooms[0]), "{listed}");
        } else {
            assert_eq!((status, &listed["error"]["code"]), (404, &json!("not_found")), "{listed}");
        }
        for path in files(&folder) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let (status, _) = get(&server, &format!("/api/recordings/{name}")).await;
            assert_eq!(status, if public && name.contains(&rooms[0]) { 200 } else { 404 }, "{name}");
        }
        server.shutdown().await;
    }
}

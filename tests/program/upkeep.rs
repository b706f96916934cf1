//! `anteroom store`: the same questions to a server that runs, and to what one has left.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Ended, Running, anteroom, command, run};
use anteroom_tests::server::{address, dialer, published_hash, scratch};
use anteroom_tests::token;
use serde_json::{Value, json};

/// Ids and names that nothing else has in it.
const ADA: (&str, &str) = ("user:ada-51c9", "Ada Xylander");
const BOB: (&str, &str) = ("user:bob-93e7", "Bob Quandt");

fn start(folder: &Path) -> Running {
    start_with(folder, &[])
}

fn start_with(folder: &Path, variables: &[(&str, &str)]) -> Running {
    let mut server = command(anteroom(), &["--listen", "127.0.0.1:0", "--data", "data"]);
    server.current_dir(folder).env("ANTEROOM_AUTH__TOKEN_KEY", token::KEY).envs(variables.iter().copied());
    Running::start(server)
}

/// Asks about the store in the folder.
async fn store(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = command(anteroom(), &[&["store"], arguments, &["--data", "data"]].concat());
    command.current_dir(folder);
    run(command).await
}

#[track_caller]
fn good(ended: &Ended) -> &str {
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    &ended.stdout
}

async fn enter(addr: SocketAddr, (user_id, name): (&str, &str)) -> Peer {
    let dialer = dialer(&[published_hash(addr).await]);
    let mut peer = Peer::dial_to(&dialer, &address(addr), Way::json(Via::WebSocket)).await;
    let token = token::sign(&json!({"sub": user_id, "name": name, "exp": token::FAR}));
    peer.handshake(json!({"version": 1, "token": token})).await;
    peer
}

/// Two who play in a room that is kept, and one move.
async fn play(addr: SocketAddr) -> (Peer, Peer, String) {
    let (mut ada, mut bob) = (enter(addr, ADA).await, enter(addr, BOB).await);
    let room_id = ada.create("tic_tac_toe", json!({})).await;
    bob.join(&room_id, "player").await;
    let moved = ada.ask_in(&room_id, "make_move", json!({"row": 1, "col": 1})).await;
    assert_eq!(moved.success, Some(true), "{moved:?}");
    for (player, text) in [(&mut ada, "Good luck"), (&mut bob, "Thanks")] {
        let said = player.ask_in(&room_id, "chat", json!({ "text": text })).await;
        assert_eq!(said.success, Some(true), "{said:?}");
    }
    (ada, bob, room_id)
}

/// Every file of a store that is or was the database, as it is on the disk.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder.join("data")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Where the bytes of a user's id or name are.
fn traces(folder: &Path, (user_id, name): (&str, &str)) -> Vec<PathBuf> {
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let with = files(folder).into_iter().filter(|(_, bytes)| has(bytes, user_id) || has(bytes, name));
    with.map(|(path, _)| path).collect()
}

async fn exported(folder: &Path, (user_id, _): (&str, &str)) -> Value {
    serde_json::from_str(good(&store(folder, &["export", user_id]).await)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_asked_about_its_store_and_what_it_left_answers_the_same() {
    let folder = scratch("asked");
    let mut server = start(&folder);
    let addr = server.listening().await;
    let (ada, bob, room_id) = play(addr).await;
    let (mut exports, mut server) = (Vec::new(), Some(server));
    for is_running in [true, false] {
        if !is_running && let Some(server) = server.take() {
            // Its socket is left behind, and leads nowhere.
            server.signal("KILL").await;
            // Until it is gone its socket may still be connected to.
            server.end().await;
            assert!(folder.join("data/control").exists());
        }
        let checked = store(&folder, &["check"]).await;
        assert!(good(&checked).starts_with("data: 1 rooms (0 suspended)"), "{checked:?}");
        exports.push(exported(&folder, ADA).await);
        assert!(good(&store(&folder, &["vacuum"]).await).contains("data"));
        let copy = format!("copy-{is_running}/anteroom.db");
        fs::create_dir(folder.join(format!("copy-{is_running}"))).unwrap();
        good(&store(&folder, &["backup", &copy]).await);
        // It is a store, with all that was in the other.
        let mut of_copy = command(anteroom(), &["store", "export", ADA.0, "--data", &format!("copy-{is_running}")]);
        of_copy.current_dir(&folder);
        let of_copy: Value = serde_json::from_str(good(&run(of_copy).await)).unwrap();
        assert_eq!(of_copy["rooms"], exports[0]["rooms"], "{is_running}");
        let again = store(&folder, &["backup", &copy]).await;
        assert_eq!(again.code, Some(2), "{again:?}");
        assert!(again.stderr.contains("is there already"), "{again:?}");
    }
    let [live, left] = &exports[..] else { unreachable!() };
    assert_eq!((&live["rooms"], &live["user"]), (&left["rooms"], &left["user"]));
    for export in &exports {
        assert_eq!((&export["user_id"], &export["user"]["username"]), (&json!(ADA.0), &json!(ADA.1)));
        assert_eq!((&export["sessions"][0]["username"], &export["sessions"][1]), (&json!(ADA.1), &Value::Null));
        assert_eq!(export["sessions"][0]["nonce"], Value::Null, "a secret");
        let room = &export["rooms"][0];
        assert_eq!((&room["room_id"], &room["game"]), (&json!(room_id), &json!("tic_tac_toe")));
        assert!(room["snapshot"].to_string().contains(r#""seat":0"#), "{room:#}");
        assert_eq!(room["snapshot"]["record"].get("password"), None, "a secret");
        assert_eq!((&export["chat"][0]["message"]["text"], &export["chat"][1]), (&json!("Good luck"), &Value::Null));
        assert!(!export.to_string().contains(BOB.0), "another's: {export:#}");
    }
    drop((ada, bob));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_erased_leaves_no_byte() {
    let folder = scratch("erased");
    let mut server = start(&folder);
    let addr = server.listening().await;
    let (mut ada, mut bob, room_id) = play(addr).await;
    // A room that ada is not in any more, and that has her name.
    let named = ada.create("tic_tac_toe", json!({})).await;
    bob.join(&named, "player").await;
    ada.ask_in(&named, "leave_room", json!({})).await;
    assert!(!traces(&folder, ADA).is_empty() && !traces(&folder, BOB).is_empty());

    // While they play: she is out, he hears it, and stays.
    let erased = store(&folder, &["erase", ADA.0]).await;
    assert!(good(&erased).contains("is forgotten: 1 session and 2 rooms"), "{erased:?}");
    ada.refused(4505).await;
    let left = bob.until("that she left", |message| message.kind == "client_left" && message.data["user_id"] == ADA.0);
    assert_eq!(left.await.data["username"], ADA.1);
    assert_eq!(traces(&folder, ADA), Vec::<PathBuf>::new());
    assert!(!traces(&folder, BOB).is_empty());
    let export = exported(&folder, ADA).await;
    assert_eq!(export, json!({"user_id": ADA.0, "user": null, "sessions": [], "rooms": [], "chat": []}));
    let history = bob.ask_in(&room_id, "chat_history", json!({})).await;
    let texts: Vec<_> = history.data["messages"].as_array().into_iter().flatten().map(|said| &said["text"]).collect();
    assert_eq!(texts, ["Thanks"], "{history:?}");
    let mut carl = enter(addr, ("user:carl", "Carl")).await;
    carl.join(&room_id, "player").await;
    let again = store(&folder, &["erase", ADA.0]).await;
    assert!(good(&again).contains("Nothing was stored"), "{again:?}");
    server.signal("KILL").await;
    server.end().await;

    // What is left behind is no other.
    let erased = store(&folder, &["erase", BOB.0]).await;
    assert!(good(&erased).contains("is forgotten: 1 session and 2 rooms"), "{erased:?}");
    assert_eq!(traces(&folder, BOB), Vec::<PathBuf>::new());
    assert!(good(&store(&folder, &["check"]).await).contains("all in order"));
    // The room goes on with whoever is left.
    let mut server = start(&folder);
    let addr = server.listening().await;
    let mut dora = enter(addr, ("user:dora", "Dora")).await;
    let joined = dora.join(&room_id, "player").await;
    assert!(joined.to_string().contains("user:carl"), "{joined}");
}

/// Rooms that are only in the store are woken for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_erased_in_a_room_that_sleeps() {
    let folder = scratch("asleep");
    let mut server = start_with(&folder, &[("ANTEROOM_TIMES__GRACE_MS", "50")]);
    let addr = server.listening().await;
    let (ada, bob, room_id) = play(addr).await;
    ada.hang_up().await;
    bob.hang_up().await;
    for user in [ADA, BOB] {
        let gone = async { while exported(&folder, user).await["sessions"] != json!([]) {} };
        anteroom_tests::in_time("the end of the session", gone).await;
    }
    server.signal("TERM").await;
    assert_eq!(server.end().await.code, Some(0));

    let mut server = start(&folder);
    let addr = server.listening().await;
    assert!(!traces(&folder, ADA).is_empty());
    let erased = store(&folder, &["erase", ADA.0]).await;
    assert!(good(&erased).contains("is forgotten: 0 sessions and 1 room"), "{erased:?}");
    assert_eq!(traces(&folder, ADA), Vec::<PathBuf>::new());
    // His seat is his still, and hers is free.
    let joined = enter(addr, BOB).await.join(&room_id, "player").await;
    assert_eq!(joined["seat"], 1, "{joined}");
    assert_eq!(joined["members"].as_array().map(Vec::len), Some(1), "{joined}");
    server.signal("TERM").await;
    let ended = server.end().await;
    assert!(ended.stderr.contains("\"asleep\":1"), "it slept: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_said_in_a_sentence() {
    let folder = scratch("unanswered");
    fs::create_dir(folder.join("data")).unwrap();
    let refused = async |arguments: &[&str], code, said: &str| {
        let ended = store(&folder, arguments).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(code), ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with("anteroom: ") && ended.stderr.contains(said), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    };
    refused(&["check"], 2, "there is no store in data").await;
    fs::write(folder.join("data/anteroom.db"), [7; 8192]).unwrap();
    refused(&["check"], 1, "is not a database").await;
    refused(&["erase", "ada"], 1, "is not a database").await;
    fs::remove_file(folder.join("data/anteroom.db")).unwrap();
    let mut server = start(&folder);
    server.listening().await;
    refused(&["backup", "nowhere/copy.db"], 1, "nowhere").await;
    // A server that nobody can ask, such as one whose socket somebody has removed.
    fs::remove_file(folder.join("data/control")).unwrap();
    refused(&["vacuum"], 1, "a server has data and cannot be asked; stop it first").await;
}

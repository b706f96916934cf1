//! Recordings as the program keeps and plays them: across a kill, and when somebody is erased.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Ended, Running, anteroom, command, run};
use anteroom_tests::server::{address, dialer, published_hash, scratch};
use anteroom_tests::token;
use serde_json::{Value, json};

fn start(folder: &Path) -> Running {
    let mut server = command(anteroom(), &["--listen", "127.0.0.1:0", "--data", "data"]);
    server.current_dir(folder).env("ANTEROOM_AUTH__TOKEN_KEY", token::KEY);
    Running::start(server)
}

async fn ended(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = command(anteroom(), arguments);
    command.current_dir(folder);
    run(command).await
}

async fn replay(path: &Path, more: &[&str]) -> Ended {
    run(command(anteroom(), &[&["replay", path.to_str().unwrap()], more].concat())).await
}

async fn enter(addr: SocketAddr, user_id: &str) -> Peer {
    let dialer = dialer(&[published_hash(addr).await]);
    let mut peer = Peer::dial_to(&dialer, &address(addr), Way::json(Via::WebSocket)).await;
    let token = token::sign(&json!({"sub": user_id, "name": user_id, "exp": token::FAR}));
    peer.handshake(json!({"version": 1, "token": token})).await;
    peer
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder.join("data/recordings")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn made(peer: &mut Peer, game: &str) -> String {
    let made = peer.ask("create_room", json!({"game": game, "record": true})).await;
    assert_eq!(made.success, Some(true), "{made:?}");
    made.data["room_id"].as_str().unwrap().to_owned()
}

async fn place(peer: &mut Peer, room_id: &str, row: i32, col: i32) {
    let moved = peer.ask_in(room_id, "make_move", json!({"row": row, "col": col})).await;
    assert_eq!(moved.success, Some(true), "{moved:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_recorded_across_a_kill_and_played_by_the_program() {
    let folder = scratch("recordings");
    let mut server = start(&folder);
    let addr = server.listening().await;
    let (mut ada, mut bob) = (enter(addr, "user:ada").await, enter(addr, "user:bob").await);
    let room_id = made(&mut ada, "tic_tac_toe").await;
    bob.join(&room_id, "player").await;
    place(&mut ada, &room_id, 0, 0).await;
    place(&mut bob, &room_id, 1, 1).await;
    // What is written is written by another thread, and the list comes after it.
    anteroom_tests::http::get(addr, "/api/recordings", &[]).await;
    server.signal("KILL").await;
    server.end().await;
    let mut server = start(&folder);
    let addr = server.listening().await;
    let (mut ada, mut bob) = (enter(addr, "user:ada").await, enter(addr, "user:bob").await);
    let there = ada.join(&room_id, "player").await;
    assert_eq!((&there["recorded"], &there["view"]["board"][1][1]), (&json!(true), &json!("O")), "{there}");
    bob.join(&room_id, "player").await;
    place(&mut ada, &room_id, 0, 1).await;
    place(&mut bob, &room_id, 2, 2).await;
    place(&mut ada, &room_id, 0, 2).await;
    ada.ask_in(&room_id, "leave_room", json!({})).await;
    bob.ask_in(&room_id, "leave_room", json!({})).await;
    server.signal("TERM").await;
    assert_eq!(server.end().await.code, Some(0));
    let [second, first] = <[PathBuf; 2]>::try_from(recordings(&folder)).unwrap();
    // Where the server was killed there is no end.
    let cut = replay(&first, &["--json"]).await;
    assert_eq!(cut.code, Some(1), "{cut:?}");
    assert!(cut.stderr.contains("is cut short behind turn"), "{cut:?}");
    let shown: Value = serde_json::from_str(&cut.stdout).unwrap();
    assert_eq!((&shown["ended"], &shown["verified"]), (&json!("cut"), &json!(true)));
    assert_eq!(shown["frames"].as_array().unwrap().last().unwrap()["view"]["board"][1][1], "O", "{shown}");
    // What came after is in the next one.
    let whole = replay(&second, &["--json"]).await;
    assert_eq!((whole.code, &*whole.stderr), (Some(0), ""), "{whole:?}");
    let shown: Value = serde_json::from_str(&whole.stdout).unwrap();
    let frames = shown["frames"].as_array().unwrap();
    assert_eq!((&frames[0]["turn"], &frames[0]["view"]["board"][1][1]), (&json!(0), &json!("O")), "{shown}");
    let won = frames.iter().find(|frame| frame["view"]["status"] == "won").unwrap();
    assert_eq!(won["events"][0], json!({"type": "make_move", "user_id": "user:ada", "data": {"row": 0, "col": 2}}));
    let told = replay(&second, &[]).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("  user:ada: make_move {\"row\":0,\"col\":2}\n"), "{told:?}");
    assert!(told.stdout.ends_with("All of them came out as they did.\n"), "{told:?}");
    let turn = won["turn"].to_string();
    let at = replay(&second, &["--json", "--at", &turn]).await;
    assert_eq!(serde_json::from_str::<Value>(&at.stdout).unwrap()["view"], won["view"], "{at:?}");
    let beyond = replay(&second, &["--at", "9999"]).await;
    assert_eq!((beyond.code, &*beyond.stdout), (Some(1), ""), "{beyond:?}");
    // One byte is another.
    let mut bytes = fs::read(&second).unwrap();
    let late = bytes.len() - 100;
    bytes[late] ^= 1;
    let changed = folder.join("changed.rec");
    fs::write(&changed, bytes).unwrap();
    let changed = replay(&changed, &[]).await;
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(changed.stderr.contains("The recording is damaged behind turn"), "{changed:?}");
    let none = replay(&folder.join("data/anteroom.db"), &["--json"]).await;
    assert_eq!((none.code, &*none.stdout), (Some(1), ""), "{none:?}");
    assert!(none.stderr.contains("this is no recording of a room"), "{none:?}");
    let missing = replay(&folder.join("missing.rec"), &[]).await;
    assert_eq!(missing.code, Some(1), "{missing:?}");
}

/// With the server that has the folder, and without one.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_in_no_recording() {
    let folder = scratch("erased");
    let mut server = start(&folder);
    let addr = server.listening().await;
    let (mut ada, mut bob) = (enter(addr, "user:ada-51c9").await, enter(addr, "user:bob-93e7").await);
    let over = made(&mut ada, "relay").await;
    ada.ask_in(&over, "leave_room", json!({})).await;
    let together = made(&mut bob, "relay").await;
    ada.join(&together, "player").await;
    let alone = made(&mut bob, "relay").await;
    anteroom_tests::http::get(addr, "/api/recordings", &[]).await;
    assert_eq!(recordings(&folder).len(), 3);
    let erased = ended(&folder, &["store", "erase", "user:ada-51c9", "--data", "data"]).await;
    assert_eq!(erased.code, Some(0), "{erased:?}");
    assert!(erased.stdout.contains("2 recordings of rooms that they were in: deleted\n"), "{erased:?}");
    // The room goes on, and is recorded from here on.
    let said = bob.ask_in(&together, "send", json!({"payload": "still here"})).await;
    assert_eq!(said.success, Some(true), "{said:?}");
    bob.ask_in(&together, "send", json!({"payload": "and now"})).await;
    bob.ask_in(&alone, "send", json!({"payload": "alone"})).await;
    anteroom_tests::http::get(addr, "/api/recordings", &[]).await;
    let left = recordings(&folder);
    assert_eq!(left.len(), 2, "{left:?}");
    for path in &left {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(13).any(|window| window == b"user:ada-51c9"), "{path:?}");
    }
    server.signal("TERM").await;
    server.end().await;
    for path in &left {
        let played = replay(path, &[]).await;
        assert_eq!(played.code, Some(0), "{played:?}");
    }
    let erased = ended(&folder, &["store", "erase", "user:bob-93e7", "--data", "data"]).await;
    assert!(erased.stdout.contains("2 recordings of rooms that they were in: deleted\n"), "{erased:?}");
    assert!(recordings(&folder).is_empty());
}

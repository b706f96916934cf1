//! A store that is in trouble while the program runs, or before it starts: it neither dies nor lies, says so, and goes on when
//! the trouble is over.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::Path;

use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Ended, Running, anteroom, command, installed};
use anteroom_tests::server::{address, dialer, published_hash, scratch};
use anteroom_tests::token;
use serde_json::json;

const WAY: Way = Way::json(Via::WebSocket);
/// How much the files of a store may grow in the test of a full disk, in the 512 bytes or the KiB that a shell counts in.
const BLOCKS: u32 = 300;

/// A server that serves users with tokens from this folder, as a shell runs it after something else.
fn start(data: &Path, first: &str) -> Running {
    let script = format!("{first} exec \"$0\" --listen 127.0.0.1:0 --data \"$1\" --log info");
    let mut shell = command("sh", &["-c", &script]);
    shell.arg(anteroom()).arg(data).env("ANTEROOM_AUTH__TOKEN_KEY", token::KEY);
    // So that one session can fill a disk.
    shell.env("ANTEROOM_LIMITS__ROOMS_PER_SESSION_MAX", "1000");
    Running::start(shell)
}

async fn enter(addr: SocketAddr, user_id: &str) -> Peer {
    let dialer = dialer(&[published_hash(addr).await]);
    let mut peer = Peer::dial_to(&dialer, &address(addr), WAY).await;
    peer.handshake(json!({"version": 1, "token": token::of(user_id)})).await;
    peer
}

async fn stop(server: Running) -> Ended {
    server.signal("TERM").await;
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// Makes a durable room.
async fn make(peer: &mut Peer) -> Message {
    peer.ask("create_room", json!({"game": "tic_tac_toe"})).await
}

/// Looks into rooms: all are there.
async fn look_into(rooms: &BTreeSet<String>, addr: SocketAddr) {
    let mut watcher = enter(addr, "watcher").await;
    for room_id in rooms {
        let watched = watcher.ask("join_room", json!({"room_id": room_id, "as": "spectator"})).await;
        assert_eq!(watched.success, Some(true), "{watched:?}");
        assert_eq!(watched.data["members"][0]["user_id"], "ada", "{watched:?}");
    }
    watcher.leave().await;
}

/// Asks for durable rooms until the server says that it cannot store any. Gives those that it has made meanwhile.
async fn make_until_refused(peer: &mut Peer) -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    loop {
        let answer = make(peer).await;
        match &answer.error {
            None => made.insert(answer.room_id.unwrap()),
            Some(error) if answer.code() == "storage_unavailable" => {
                assert!(error.retryable, "{error:?}");
                return made;
            }
            // What was taken before anybody knew is given up after a while.
            Some(error) => {
                assert!(error.retryable, "{error:?}");
                continue;
            }
        };
    }
}

/// What does not concern the store goes on.
async fn check_the_rest(peer: &mut Peer) {
    peer.all_so_far().await;
    let made = peer.ask("create_room", json!({"game": "relay", "durable": false})).await;
    let room_id = made.room_id.clone().unwrap_or_else(|| panic!("{made:?}"));
    assert_eq!(peer.ask_in(&room_id, "send", json!({"payload": 1})).await.success, Some(true));
    assert_eq!(peer.ask_in(&room_id, "leave_room", json!({})).await.success, Some(true));
}

/// A server on a disk that has no more space than a few rooms take.
fn start_on_a_small_disk(data: &Path) -> Running {
    start(data, &format!("trap '' XFSZ; ulimit -S -f {BLOCKS};"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_waited_for() {
    if let Err(why) = installed("prlimit") {
        return println!("skipped: {why}");
    }
    let data = scratch("full");
    let mut server = start_on_a_small_disk(&data);
    let addr = server.listening().await;
    let mut ada = enter(addr, "ada").await;
    let mut made = make_until_refused(&mut ada).await;
    assert!(!made.is_empty(), "there was space for some");
    check_the_rest(&mut ada).await;
    let grown = command("prlimit", &["--pid", &server.id().to_string(), "--fsize=unlimited:"]).status().await;
    assert!(grown.unwrap().success());
    // It notices by itself.
    let late = loop {
        let answer = make(&mut ada).await;
        if answer.error.is_none() {
            break answer;
        }
        assert!(answer.error.as_ref().unwrap().retryable, "{answer:?}");
    };
    made.insert(late.room_id.unwrap());
    look_into(&made, addr).await;
    let ended = stop(server).await;
    assert!(ended.stderr.contains("WARN") || ended.stderr.contains("ERROR"), "it says so: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let mut server = start(&data, "");
    let addr = server.listening().await;
    look_into(&made, addr).await;
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_on_a_full_disk_has_what_was_answered() {
    let data = scratch("killed-full");
    let mut server = start_on_a_small_disk(&data);
    let addr = server.listening().await;
    let mut ada = enter(addr, "ada").await;
    let made = make_until_refused(&mut ada).await;
    server.signal("KILL").await;
    server.end().await;
    let mut server = start(&data, "");
    let addr = server.listening().await;
    look_into(&made, addr).await;
    assert!(make(&mut enter(addr, "bob").await).await.error.is_none());
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_deleted_under_it_is_missed_and_the_rest_goes_on() {
    let data = scratch("deleted");
    let mut server = start(&data, "");
    let addr = server.listening().await;
    let mut ada = enter(addr, "ada").await;
    assert!(make(&mut ada).await.error.is_none());
    fs::remove_dir_all(&data).unwrap();
    let made = make_until_refused(&mut ada).await;
    assert!(made.is_empty(), "stored where nothing is: {made:?}");
    check_the_rest(&mut ada).await;
    // There is nothing to wait for, so it ends.
    server.signal("TERM").await;
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

/// Writes four bytes into the head of a database.
fn write_at(database: &Path, place: u64, number: u32) {
    let mut file = OpenOptions::new().write(true).open(database).unwrap();
    file.seek(SeekFrom::Start(place)).unwrap();
    file.write_all(&number.to_be_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_understood_is_refused_and_left_as_it_is() {
    // The places of `user_version` and `application_id` in the head of a database, as SQLite documents them.
    let newer = |database: &Path| write_at(database, 60, 9999);
    let other = |database: &Path| write_at(database, 68, 0x1234_5678);
    let half = |database: &Path| {
        let len = fs::metadata(database).unwrap().len();
        OpenOptions::new().write(true).open(database).unwrap().set_len(len / 2).unwrap();
    };
    for (name, spoil, said) in [
        ("newer", &newer as &dyn Fn(&Path), "use the newer program"),
        ("other", &other, "belongs to another program"),
        ("half", &half, "damaged"),
    ] {
        let data = scratch(name);
        let mut server = start(&data, "");
        let addr = server.listening().await;
        let mut ada = enter(addr, "ada").await;
        assert!(make(&mut ada).await.error.is_none());
        stop(server).await;
        let database = data.join("anteroom.db");
        spoil(&database);
        let before = fs::read(&database).unwrap();
        let refused = start(&data, "").end().await;
        assert_eq!(refused.code, Some(2), "{name}: {refused:?}");
        let last = refused.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("anteroom: ") && last.contains(said), "{name}: {refused:?}");
        assert!(fs::read(&database).unwrap() == before, "{name}: it was written");
    }
}

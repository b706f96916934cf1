//! The examples as people run them: against each other, without a terminal.

use std::process::Stdio;

use anteroom_tests::http;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Ended, Running, command, example, run};
use anteroom_tests::server::{TestServer, address, dialer};
use serde_json::{Value, json};

/// Starts an example that reads lines.
fn start(name: &str, server: &TestServer, more: &[&str]) -> Running {
    let addr = server.addr().to_string();
    let mut command = command(example(name), &["--server", &addr]);
    command.args(more).stdin(Stdio::piped());
    Running::start(command)
}

/// Both players and the spectator see this row of the board.
async fn everyone_sees(row: &str, programs: &mut [&mut Running]) {
    for program in programs {
        program.line_with(row).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_terminals_play_over_two_transports_and_a_third_watches() {
    let server = TestServer::start();
    let mut quic = start("native_quic", &server, &["--name", "Quinn", "--transport", "quic"]);
    let seated = quic.line_with("You play in").await;
    assert!(seated.contains("over QUIC") && seated.contains("as Quinn"), "{seated}");
    let mut webtransport = start("webtransport_native", &server, &["--name", "Wanda"]);
    let seated = webtransport.line_with("You play in").await;
    assert!(seated.contains("over WebTransport") && seated.contains("as Wanda"), "{seated}");
    let mut watcher = start("spectator_ws", &server, &[]);
    watcher.line_with("Watching").await;

    let (x, o, w) = (&mut quic, &mut webtransport, &mut watcher);
    for (by_x, (said, row)) in [
        (true, ("0 0", "0 X . .")),
        (false, ("1 0", "1 O . .")),
        (true, ("0 1", "0 X X .")),
        (false, ("1 1", "1 O O .")),
        (true, ("0 2", "0 X X X")),
    ] {
        if by_x {
            x.say(said).await
        } else {
            o.say(said).await
        }
        x.line_with(row).await;
        o.line_with(row).await;
    }
    let heard = async |program: &mut Running, words: &str| loop {
        let line = program.line().await.unwrap_or_else(|| panic!("ended before {words:?}"));
        if line.contains(words) {
            break;
        }
    };
    // The spectator says it in its own words, and once.
    heard(w, "Quinn").await;
    x.say("nonsense").await;
    heard(x, "Type a row and a column").await;
    x.say("rematch").await;
    o.say("rematch").await;
    everyone_sees("0 . . .", &mut [x, o]).await;
    // The sides are swapped.
    o.say("2 2").await;
    everyone_sees("2 . . X", &mut [x, o]).await;
    x.say("quit").await;
    heard(o, "left").await;
    o.say("quit").await;
    for program in [quic, webtransport, watcher] {
        let Ended { code, stderr, .. } = program.end().await;
        assert_eq!((code, &*stderr), (Some(0), ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_play_their_matches_and_go() {
    let server = TestServer::start();
    for (transport, codec) in [("quic", "bincode"), ("webtransport", "json"), ("websocket", "bincode")] {
        let addr = server.addr().to_string();
        let arguments = ["--server", &addr, "--count", "4", "--games", "2", "--think-ms", "0"];
        let mut bots = command(example("bot"), &arguments);
        bots.args(["--transport", transport, "--codec", codec]);
        let ended = run(bots).await;
        assert_eq!(ended.code, Some(0), "{transport}: {ended:?}");
    }
}

/// The load is measured in rooms of the relay, and a program with other games has none.
#[tokio::test(flavor = "multi_thread")]
async fn bench_of_a_server_with_other_games_says_so_before_it_starts_anything() {
    for (workload, is_possible) in
        [("broadcast", false), ("game", false), ("churn", false), ("lobby", false), ("idle", true)]
    {
        let times = ["--seconds", "0.1", "--warm-up", "0"];
        let mut bench = command(example("rock_paper_scissors"), &["bench", workload]);
        bench.args(times);
        let ended = run(bench).await;
        if is_possible {
            assert_eq!(ended.code, Some(0), "{workload}: {ended:?}");
            continue;
        }
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{workload}: {ended:?}");
        let sentence = format!(
            "anteroom: `bench {workload}` measures rooms of the game relay, which this program does not have; name a \
             server that does with --server HOST:PORT\n"
        );
        assert_eq!(ended.stderr, sentence);
    }
}

/// Ctrl-C goes to everyone in `bot 2>&1 | tee log`, and `tee` is the first to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_bot_leaves_its_room_though_nobody_hears_of_it() {
    let server = TestServer::start();
    let (nobody, writer) = std::io::pipe().unwrap();
    drop(nobody);
    let mut bot = command(example("bot"), &["--server", &server.addr().to_string()]);
    bot.stderr(writer);
    let mut bot = Running::start(bot);
    bot.line_with("Waiting in room").await;
    bot.signal("INT").await;
    assert_eq!(bot.end().await.code, Some(0));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_is_a_perfect_opponent_in_a_room_one_names() {
    // Building it may take longer than a connection that nobody reads from lives.
    drop(example("bot"));
    let server = TestServer::start();
    let mut ada = Peer::enter(&server, Way::json(Via::WebSocket), "Ada").await;
    let room_id = ada.create("tic_tac_toe", json!({})).await;
    let mut bot = start("bot", &server, &["--room", &room_id, "--games", "1", "--think-ms", "0"]);
    // The first free cell each time: against a perfect player that is no way to win.
    let last = loop {
        let state = ada
            .until("one's turn", |message| {
                message.kind == "game_state" && message.data["current_turn"] != Value::Null
                    || message.data["status"] == "won"
                    || message.data["status"] == "draw"
            })
            .await
            .data;
        if state["status"] != "playing" {
            break state;
        }
        if state["current_turn"] == json!(ada.user_id) {
            let cells = (0..3).flat_map(|row| (0..3).map(move |col| (row, col)));
            let (row, col) =
                cells.into_iter().find(|(row, col): &(usize, usize)| state["board"][*row][*col].is_null()).unwrap();
            let moved = ada.ask_in(&room_id, "make_move", json!({"row": row, "col": col})).await;
            assert_eq!(moved.success, Some(true));
        }
    };
    assert_ne!(last["winner"], json!(ada.user_id), "{last}");
    bot.hush();
    assert_eq!(bot.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_game_of_one_s_own_hides_what_is_hidden() {
    let mut server = Running::start(command(example("rock_paper_scissors"), &["--listen", "127.0.0.1:0"]));
    let addr = server.listening().await;
    let certificate: Value = serde_json::from_str(&http::get(addr, "/api/certificate", &[]).await.body).unwrap();
    let hash = {
        use base64::Engine;
        let value = certificate["hashes"][0]["value"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD.decode(value).unwrap().try_into().unwrap()
    };
    let dialer = dialer(&[hash]);
    let mut peers = Vec::new();
    for via in [Via::Quic, Via::WebSocket] {
        let mut peer = Peer::dial_to(&dialer, &address(addr), Way::json(via)).await;
        peer.handshake(json!({"version": 1})).await;
        peers.push(peer);
    }
    let room_id = peers[0].create("rock_paper_scissors", json!({})).await;
    peers[1].join(&room_id, "player").await;
    let chosen = peers[0].ask_in(&room_id, "choose", json!({"hand": "rock"})).await;
    assert_eq!(chosen.success, Some(true), "{chosen:?}");
    let state = peers[1].until("the choice", |message| message.data["have_chosen"] == json!([true, false])).await;
    assert!(!state.data.to_string().contains("rock"), "{state:?}");
    let chosen = peers[1].ask_in(&room_id, "choose", json!({"hand": "paper"})).await;
    assert_eq!(chosen.success, Some(true), "{chosen:?}");
    for peer in &mut peers {
        let state = peer.until("the result", |message| message.data["last"] == json!(["rock", "paper"])).await;
        assert_eq!(state.data["score"], json!([0, 1]));
    }
    server.signal("TERM").await;
    for peer in peers {
        peer.refused(4000).await;
    }
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_they_say_so_and_what_to_do() {
    let nobody = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().to_string()
    };
    for name in ["native_quic", "webtransport_native", "spectator_ws"] {
        let ended = run(command(example(name), &["--server", &nobody])).await;
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        assert!(ended.stderr.contains("cargo run --release"), "{name}: {ended:?}");
    }
}

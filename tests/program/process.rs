//! The program as people run it: what it prints, how it ends, and what it writes into its log.

use std::process::Stdio;

use anteroom_tests::bare::Bare;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Running, anteroom, anteroom_with, command, run};
use anteroom_tests::server::{address, dialer, published_hash, scratch};
use anteroom_tests::{http, token};
use serde_json::{Value, json};

/// A development server on a free port.
fn start(more: &[&str]) -> Running {
    let mut arguments = vec!["--listen", "127.0.0.1:0"];
    arguments.extend(more);
    Running::start(command(anteroom(), &arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_it_listens_and_how_to_play() {
    let mut server = start(&[]);
    let addr = server.listening().await;
    assert!(addr.ip().is_loopback());
    assert_eq!(http::get(addr, "/healthz", &[]).await.status, 200);
    let mut bare = Bare::enter(addr, "Ada").await;
    bare.send(&json!({"type": "ping"})).await;
    bare.until("pong").await;
    server.signal("TERM").await;
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let place = |start: &str| lines.iter().position(|line| line.trim_start().starts_with(start));
    assert!(place("Play:") < place("cargo run"), "the page comes first: {}", ended.stdout);
    for line in &lines {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    for words in [
        "this machine only",
        &format!("listening on {addr}"),
        &format!("  Play:  http://{addr}/\n"),
        &format!("https://{addr}/wt"),
        &format!("ws://{addr}/ws"),
        &format!("cargo run --release --example native_quic -- --server {addr}"),
        "tic_tac_toe",
        "Ctrl-C",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_ends_it_with_3() {
    let mut server = start(&[]);
    let addr = server.listening().await.to_string();
    let second = anteroom_with(&["--listen", &addr]).await;
    assert_eq!(second.code, Some(3), "{second:?}");
    assert!(second.stderr.contains(&format!("port {addr} is taken")), "{second:?}");
    assert!(second.stderr.contains("--listen"), "says what to do: {second:?}");
    assert_eq!(second.stdout, "");
    // A port that is taken for UDP only is as bad.
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = udp.local_addr().unwrap().to_string();
    assert_eq!(anteroom_with(&["--listen", &addr]).await.code, Some(3));
    server.signal("INT").await;
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_it_with_2_and_a_sentence() {
    for (arguments, said) in [
        (&["--nonsense"][..], "unexpected argument"),
        (&["nonsense"], "unrecognized subcommand"),
        (&["serve"], "--config"),
        (&["serve", "--config", "/nowhere/anteroom.toml"], "cannot read the configuration /nowhere/anteroom.toml"),
        (&["config"], "Usage"),
        (&["--listen", "nonsense"], "is not HOST:PORT"),
        (&["--listen", "localhost:nonsense"], "is not HOST:PORT"),
        (&["--listen-udp", "nonsense"], "--listen-udp \"nonsense\" is not HOST:PORT"),
        (&["--listen", "127.0.0.1:0", "--listen-udp", "0.0.0.0:0"], "`listen_udp` is not this machine alone"),
        (&["--listen", "0.0.0.0:0"], "--danger-dev-on-network"),
        (&["--log", "=,=", "--listen", "127.0.0.1:0"], "is not a log filter"),
        (&["--store", "redis"], "invalid value 'redis'"),
        (&["store"], "Usage"),
        (&["store", "backup"], "<FILE>"),
        (&["store", "export", ""], "1 to 64 bytes"),
        (&["store", "check", "--data", "x", "--config", "y"], "cannot be used with"),
        (&["store", "check", "--data", "/nowhere"], "there is no store in /nowhere"),
        (&["store", "check", "--config", "/nowhere/anteroom.toml"], "cannot read the configuration"),
        (&["completions", "nonsense"], "invalid value"),
        (&["cert", "ünï.example", "--out", "/nowhere"], "cannot make a certificate"),
        // What only servers take is taken by nobody else, and a server's belongs behind its command.
        (&["--danger-dev-on-network", "config", "check"], "--danger-dev-on-network"),
        (&["--ends-with-stdin", "serve", "--config", "x"], "--ends-with-stdin"),
        (&["--listen", "127.0.0.1:0", "serve", "--config", "x"], "--listen"),
        (&["config", "check", "--listen", "127.0.0.1:0"], "unexpected argument '--listen'"),
        (&["config", "check", "--log", "debug"], "unexpected argument '--log'"),
        (&["cert", "--listen", "127.0.0.1:0"], "unexpected argument '--listen'"),
        (&["completions", "bash", "--log", "debug"], "unexpected argument '--log'"),
        (&["bench", "idle", "--listen", "127.0.0.1:0"], "unexpected argument '--listen'"),
    ] {
        let ended = anteroom_with(arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {ended:?}");
    }
    let mut with_variable = command(anteroom(), &["--listen", "127.0.0.1:0"]);
    with_variable.env("ANTEROOM_LIMITS__ROOM_MAX", "1");
    let ended = run(with_variable).await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("ANTEROOM_LIMITS__ROOM_MAX: there is no key `room_max`; did you mean `rooms_max`?"),
        "{ended:?}"
    );
    let elsewhere = anteroom_with(&["--listen", "203.0.113.1:7350", "--danger-dev-on-network"]).await;
    assert_eq!(elsewhere.code, Some(1), "an address that is not this machine's: {elsewhere:?}");
    assert!(elsewhere.stderr.contains("cannot listen on 203.0.113.1:7350"), "{elsewhere:?}");
}

/// Kubernetes sets these in every container beside a Service named `anteroom`; the project's tests set the others.
#[tokio::test(flavor = "multi_thread")]
async fn variables_of_others_do_not_keep_it_from_starting() {
    let mut command = command(anteroom(), &["--listen", "127.0.0.1:0"]);
    for (name, value) in [
        ("ANTEROOM_SERVICE_HOST", "10.0.0.1"),
        ("ANTEROOM_SERVICE_PORT", "7350"),
        ("ANTEROOM_SERVICE_PORT_HTTP", "7350"),
        ("ANTEROOM_PORT", "tcp://10.0.0.1:7350"),
        ("ANTEROOM_PORT_7350_TCP", "tcp://10.0.0.1:7350"),
        ("ANTEROOM_PORT_7350_TCP_PROTO", "tcp"),
        ("ANTEROOM_PORT_7350_TCP_PORT", "7350"),
        ("ANTEROOM_PORT_7350_TCP_ADDR", "10.0.0.1"),
        ("ANTEROOM_BIN", "target/release/anteroom"),
        ("ANTEROOM_EXAMPLES", "target/release/examples"),
        ("ANTEROOM_SEEDS", "0..200"),
        ("ANTEROOM_SESSIONS", "1000"),
        ("ANTEROOM_BLESS", "1"),
        // A slip of one's own is no reason not to start either, but is worth a line.
        ("ANTEROOM_LISTE", "127.0.0.1:1"),
    ] {
        command.env(name, value);
    }
    let mut server = Running::start(command);
    let addr = server.listening().await;
    assert_eq!(http::get(addr, "/healthz", &[]).await.status, 200);
    server.signal("TERM").await;
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let log = assert_json_log(&ended.stderr);
    let warned: Vec<&Value> = log.iter().filter(|entry| entry["level"] == "WARN").collect();
    let [warned] = &*warned else { panic!("{warned:?}") };
    assert_eq!(warned["message"], "the variable ANTEROOM_LISTE sets nothing; did you mean ANTEROOM_LISTEN?");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_fits_a_terminal_and_says_how_to_begin() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["serve", "--help"],
        &["cert", "--help"],
        &["config", "--help"],
        &["config", "check", "--help"],
        &["token", "--help"],
        &["token", "mint", "--help"],
        &["token", "inspect", "--help"],
        &["store", "--help"],
        &["store", "check", "--help"],
        &["store", "backup", "--help"],
        &["store", "vacuum", "--help"],
        &["store", "export", "--help"],
        &["store", "erase", "--help"],
        &["bench", "--help"],
        &["bench", "broadcast", "--help"],
        &["bench", "lobby", "-h"],
        &["completions", "--help"],
    ] {
        let mut narrow = command(anteroom(), arguments);
        narrow.env("COLUMNS", "80");
        let help = run(narrow).await;
        assert_eq!((help.code, &*help.stderr), (Some(0), ""), "{arguments:?}");
        for line in help.stdout.lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {} columns: {line}", line.chars().count());
        }
        assert!(!help.stdout.contains('\u{1b}'), "colours without a terminal: {arguments:?}");
        // `-h` and `--help` of the program itself come first.
        let serves = matches!(arguments[0], "-h" | "--help" | "serve");
        for option in ["--listen", "--log", "--store"] {
            assert_eq!(help.stdout.contains(&format!("{option} <")), serves, "{arguments:?}: {option}");
        }
    }
    let help = anteroom_with(&["--help"]).await.stdout;
    for words in [
        "serve",
        "cert",
        "config",
        "token",
        "store",
        "bench",
        "completions",
        "--listen",
        "--log",
        "--data",
        "--store",
        "native_quic",
        "ANTEROOM_",
        "Exit codes",
    ] {
        assert!(help.contains(words), "{words}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_names_the_crate_the_protocol_and_the_commit() {
    let version = anteroom_with(&["--version"]).await;
    assert_eq!(version.code, Some(0));
    let line = version.stdout.trim();
    let expected = format!("anteroom {} (protocol {}, commit ", env!("CARGO_PKG_VERSION"), anteroom_protocol::VERSION);
    let commit = line.strip_prefix(&expected).and_then(|rest| rest.strip_suffix(')'));
    let commit = commit.unwrap_or_else(|| panic!("{line}"));
    assert!(commit == "unknown" || commit.chars().all(|c| c.is_ascii_hexdigit()), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_what_the_shells_read() {
    for (shell, checker) in
        [("bash", &["bash", "-n"][..]), ("zsh", &["zsh", "-n"]), ("fish", &["fish", "--no-execute"])]
    {
        let completions = anteroom_with(&["completions", shell]).await;
        assert_eq!((completions.code, &*completions.stderr), (Some(0), ""), "{shell}");
        for word in ["serve", "completions", "danger-dev-on-network"] {
            assert!(completions.stdout.contains(word), "{shell}: {word}");
        }
        // A shell that is here says whether it can read them.
        let file = scratch("completions").join(shell);
        std::fs::write(&file, completions.stdout).unwrap();
        let mut check = command(checker[0], &checker[1..]);
        check.arg(&file);
        if let Ok(output) = check.output().await {
            assert!(output.status.success(), "{shell}: {output:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_everyone_hear_goodbye() {
    for signal in ["TERM", "INT"] {
        let mut server = start(&[]);
        let addr = server.listening().await;
        let dialer = dialer(&[published_hash(addr).await]);
        let mut peers = Vec::new();
        for via in Via::ALL {
            let mut peer = Peer::dial_to(&dialer, &address(addr), Way::json(via)).await;
            peer.handshake(json!({"version": 1})).await;
            peer.create("relay", json!({})).await;
            peers.push(peer);
        }
        server.signal(signal).await;
        for peer in peers {
            let way = peer.way;
            let end = peer.refused(4000).await;
            assert_eq!(end.rest.last().map(|message| &*message.kind), Some("room_closed"), "{way:?}");
        }
        let ended = server.end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("shutting down"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut command = command(anteroom(), &["--listen", "127.0.0.1:0"]);
    // Long enough that only the second signal can end it before the test gives up.
    command.env("ANTEROOM_TIMES__SHUTDOWN_MS", "600000").env("ANTEROOM_LIMITS__OUTBOX_BYTES_MAX", "67108864");
    let mut server = Running::start(command);
    let addr = server.listening().await;
    // A client that does not read holds the shutdown up.
    let mut sleeper = Bare::enter(addr, "Sleeper").await;
    sleeper.send(&json!({"type": "create_room", "data": {"game": "relay"}})).await;
    let room_id = sleeper.until("create_room_result").await["room_id"].as_str().unwrap().to_owned();
    let send = json!({"type": "send", "room_id": room_id, "data": {"payload": "z".repeat(60_000)}});
    for _ in 0..300 {
        sleeper.send(&send).await;
    }
    server.signal("TERM").await;
    // The first signal is heard when nobody is let in any more.
    while tokio::net::TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.signal("TERM").await;
    let ended = server.end().await;
    assert!(ended.code == Some(1) || ended.code == Some(0), "{ended:?}");
    if ended.code == Some(1) {
        assert!(ended.stderr.contains("second signal"), "{ended:?}");
    }
}

/// `localhost` is what people type, in whatever letters, and one address of this machine.
#[tokio::test(flavor = "multi_thread")]
async fn localhost_is_understood_on_the_command_line() {
    let mut server = Running::start(command(anteroom(), &["--listen", "LocalHost:0", "--listen-udp", "localhost:0"]));
    let addr = server.listening().await;
    assert_eq!(addr.ip(), std::net::Ipv4Addr::LOCALHOST);
    let udp: std::net::SocketAddr = server.line_with("UDP on ").await.parse().unwrap();
    assert_eq!(udp.ip(), addr.ip());
    let certificate: Value = serde_json::from_str(&http::get(addr, "/api/certificate", &[]).await.body).unwrap();
    assert_eq!(certificate["webtransport_url"], format!("https://{udp}/wt"));
    let mut ada =
        Peer::dial_to(&dialer(&[published_hash(addr).await]), &address(udp), Way::json(Via::WebTransport)).await;
    ada.handshake(json!({"version": 1})).await;
    ada.leave().await;
    server.signal("TERM").await;
    let ended = server.end().await;
    assert!(ended.stdout.contains(&format!("  WebTransport   https://{udp}/wt\n")), "{}", ended.stdout);
    assert!(ended.stdout.contains(&format!("  QUIC           {udp}, ")), "{}", ended.stdout);
    assert!(ended.stdout.contains(&format!("  WebSocket      ws://{addr}/ws\n")), "{}", ended.stdout);
}

/// Every line of a log is one JSON object with a level and a message.
#[track_caller]
fn assert_json_log(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(
                entry["timestamp"].is_string() && entry["level"].is_string() && entry["message"].is_string(),
                "{line}"
            );
            entry
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_a_line_of_json_for_each_beginning_and_end() {
    let mut server = start(&[]);
    let addr = server.listening().await;
    let mut ada = Bare::enter(addr, "Ada").await;
    ada.send(&json!({"type": "create_room", "data": {"game": "tic_tac_toe"}})).await;
    let room_id = ada.until("create_room_result").await["room_id"].as_str().unwrap().to_owned();
    for _ in 0..50 {
        ada.send(&json!({"type": "ping"})).await;
        ada.until("pong").await;
    }
    ada.send(&json!({"type": "goodbye"})).await;
    assert_eq!(ada.end().await.0.0, 1000);
    server.signal("TERM").await;
    let log = assert_json_log(&server.end().await.stderr);
    let said: Vec<&str> = log.iter().map(|entry| entry["message"].as_str().unwrap()).collect();
    let shutting_down = said.iter().position(|message| message.starts_with("shutting down")).unwrap();
    let mut before: Vec<&str> = said[..shutting_down].to_vec();
    before.sort_unstable();
    // Nothing for a single message. The end of the room may come a moment after the signal.
    let mut all = before.clone();
    all.extend(&said[shutting_down + 1..]);
    all.sort_unstable();
    let kept = "nothing is kept: rooms and sessions end with the server";
    assert_eq!(all, [kept, "room closed", "room opened", "session began", "session ended"], "{log:?}");
    assert!(log.iter().any(|entry| entry["room_id"] == json!(room_id) && entry["game"] == "tic_tac_toe"));
    let began = log.iter().find(|entry| entry["message"] == "session began").unwrap();
    assert_eq!((&began["transport"], &began["codec"]), (&json!("WebSocket"), &json!("json")));
}

/// Nothing that a client sends makes a line of the log look like two, or colours it.
#[tokio::test(flavor = "multi_thread")]
async fn what_clients_send_does_not_break_the_log() {
    const EVIL: [&str; 6] = [
        "\n{\"level\":\"ERROR\",\"message\":\"forged\"}",
        "\r\nforged",
        "\u{1b}[31mred",
        "\u{9b}31m",
        "\u{202e}kcab",
        "\u{2028}line",
    ];
    let mut server = start(&["--log", "trace"]);
    let addr = server.listening().await;
    for evil in EVIL {
        let mut bare = Bare::connect(addr, &[]).await;
        for data in [
            json!({"version": 1, "name": evil}),
            json!({"version": 1, "name": "Ada", "client": evil, "nonce": evil, "schema": evil}),
        ] {
            bare.send(&json!({"type": "handshake", "data": data})).await;
            bare.next().await;
        }
        for (kind, data) in [
            (evil, json!({})),
            ("create_room", json!({"game": evil})),
            ("create_room", json!({"game": "relay", "name": evil})),
            ("join_room", json!({"room_id": evil})),
            ("list_rooms", json!({"game": evil})),
        ] {
            bare.send(&json!({"type": kind, "ref": 1, "data": data})).await;
            bare.next().await;
        }
        // A reason of the client's own, and an origin.
        bare.send(&json!({"type": "goodbye", "data": {"code": 1000, "reason": evil}})).await;
        bare.end().await;
        http::get(addr, "/healthz", &[&format!("X-Evil: {}", evil.replace(['\r', '\n'], " "))]).await;
        let refused = Bare::connect(addr, &[("Origin", "https://evil.test/\u{fc}[31m")]).await;
        assert_eq!(refused.end().await.0.0, 4506);
    }
    server.signal("TERM").await;
    let log = server.end().await.stderr;
    for entry in assert_json_log(&log) {
        assert_ne!(entry["message"], "forged");
    }
    let raw: Vec<&str> = log.lines().filter(|line| line.chars().any(char::is_control)).collect();
    assert!(raw.is_empty(), "control characters in the log: {raw:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_no_key_comes_into_the_log() {
    const CANARY: &str = "canary-0123456789-0123456789-0123456789";
    let mut command = command(anteroom(), &["--listen", "127.0.0.1:0", "--log", "trace"]);
    command.env("ANTEROOM_AUTH__TOKEN_KEY", CANARY);
    let mut server = Running::start(command);
    let addr = server.listening().await;
    let claims = json!({"sub": "ada", "name": "Ada", "exp": token::FAR});
    let good = token::sign_with(jsonwebtoken::Algorithm::HS256, CANARY, &claims);
    let bad = format!("{}canary", &good[..good.len() - 6]);
    let dialer = dialer(&[published_hash(addr).await]);
    let mut resume_tokens = Vec::new();
    for via in Via::ALL {
        let mut peer = Peer::dial_to(&dialer, &address(addr), Way::json(via)).await;
        let accepted = peer.handshake(json!({"version": 1, "token": good})).await;
        resume_tokens.push(accepted["resume_token"].as_str().unwrap().to_owned());
        peer.leave().await;
        for wrong in [&bad, "canary.canary.canary"] {
            let mut peer = Peer::dial_to(&dialer, &address(addr), Way::json(via)).await;
            peer.json(&json!({"type": "handshake", "data": {"version": 1, "token": wrong}})).await;
            peer.refused(4505).await;
        }
        let mut peer = Peer::dial_to(&dialer, &address(addr), Way::json(via)).await;
        peer.json(&json!({"type": "handshake", "data": {"version": 1, "token": ["canary"]}})).await;
        peer.next().await;
        peer.json(&json!({"type": "reconnect", "data": {"session_id": "x", "resume_token": "canary", "attempt": 1}}))
            .await;
        peer.next().await;
    }
    server.signal("TERM").await;
    let ended = server.end().await;
    assert!(ended.stderr.contains("session began"));
    for output in [&ended.stdout, &ended.stderr] {
        assert!(!output.contains("canary"), "{output}");
        for part in good.split('.').chain(resume_tokens.iter().map(|token| &**token)) {
            assert!(!output.contains(part), "{part}: {output}");
        }
    }
}

/// On a terminal the log is for people, in colours unless `NO_COLOR` says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_the_log_is_for_people() {
    for (no_color, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        // `script` of util-linux gives the program a terminal.
        let line = format!("{} --listen 127.0.0.1:0", anteroom().display());
        let mut command = command("script", &["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        command.stdin(Stdio::piped());
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        if std::process::Command::new("script").arg("--version").output().is_err() {
            eprintln!("not tested: there is no `script` here");
            return;
        }
        let mut server = Running::start(command);
        let addr = server.listening().await;
        let mut ada = Bare::enter(addr, "Ada").await;
        ada.send(&json!({"type": "ping"})).await;
        ada.until("pong").await;
        let line = loop {
            let line = server.line().await.unwrap();
            if line.contains("session began") {
                break line;
            }
        };
        assert!(!line.contains("{\"timestamp\""), "{line}");
        assert!(line.contains("INFO"), "{line}");
        assert_eq!(line.contains('\u{1b}'), coloured, "NO_COLOR={no_color:?}: {line:?}");
        drop(ada);
        server.say("\u{3}").await;
        server.end().await;
    }
}

//! stdout and stderr that are closed, or that nobody reads: what is said is lost then, and nothing else is.

use std::io::{BufRead, BufReader, PipeReader};
use std::net::SocketAddr;
use std::process::Stdio;

use anteroom_protocol::Codec;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Ended, anteroom, command};
use anteroom_tests::server::{address, dialer, published_hash, scratch};
use anteroom_tests::{http, in_time, token};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// A development server with both outputs in one pipe, as in `anteroom 2>&1 | tee log`.
struct Piped {
    child: Child,
    addr: SocketAddr,
    reader: BufReader<PipeReader>,
}

impl Piped {
    fn start(more: &[&str]) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = command(anteroom(), &["--listen", "127.0.0.1:0"]);
        command.args(more).stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = command.spawn().unwrap();
        drop(command);
        let mut reader = BufReader::new(reader);
        let (mut addr, mut line) = (None, String::new());
        while !line.starts_with("Stop with") {
            line.clear();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0, "it ends before it listens");
            addr = addr.or_else(|| line.trim().strip_prefix("listening on ")?.parse().ok());
        }
        Self { child, addr: addr.unwrap(), reader }
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
    }

    async fn code(&mut self) -> Option<i32> {
        in_time("the program's end", self.child.wait()).await.unwrap().code()
    }

    /// A guest on every transport.
    async fn guests(&self) -> Vec<Peer> {
        let dialer = dialer(&[published_hash(self.addr).await]);
        let mut guests = Vec::new();
        for via in Via::ALL {
            let mut guest = Peer::dial_to(&dialer, &address(self.addr), Way::json(via)).await;
            guest.handshake(json!({"version": 1})).await;
            guests.push(guest);
        }
        guests
    }
}

/// Ctrl-C goes to everyone in the pipeline, and `tee` is the first to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_reader_is_gone_ends_nothing() {
    let mut server = Piped::start(&[]);
    let (nobody, _) = std::io::pipe().unwrap();
    drop(std::mem::replace(&mut server.reader, BufReader::new(nobody)));
    let guests = server.guests().await;
    for mut guest in server.guests().await {
        guest.json(&json!({"type": "ping"})).await;
        guest.expect("pong").await;
        guest.leave().await;
    }
    assert_eq!(http::get(server.addr, "/healthz", &[]).await.status, 200);
    server.signal("INT").await;
    for guest in guests {
        guest.refused(4000).await;
    }
    assert_eq!(server.code().await, Some(0));
}

/// Waits for a program's end, with its outputs where the command has them.
async fn ended(mut command: Command) -> Ended {
    let child = command.spawn().unwrap();
    drop(command);
    let output = in_time("the program's end", child.wait_with_output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Has the server log some megabytes: at this level QUIC says something of every packet.
async fn chatter(server: &Piped) {
    const SAID: usize = 100;
    let dialer = dialer(&[published_hash(server.addr).await]);
    let mut talker = Peer::dial_to(&dialer, &address(server.addr), Way::json(Via::Quic)).await;
    talker.handshake(json!({"version": 1})).await;
    let room_id = talker.create("relay", json!({})).await;
    let message = json!({"type": "send", "room_id": room_id, "data": {"payload": "z".repeat(60_000)}}).to_string();
    for _ in 0..SAID {
        talker.bytes(Codec::Json, message.as_bytes()).await;
        talker.find("message").await;
    }
    talker.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_nothing_up() {
    let mut server = Piped::start(&["--log", "trace"]);
    chatter(&server).await;
    let mut guests = server.guests().await;
    for guest in &mut guests {
        guest.json(&json!({"type": "ping"})).await;
        guest.expect("pong").await;
    }
    assert_eq!(http::get(server.addr, "/healthz", &[]).await.status, 200);
    server.signal("TERM").await;
    for guest in guests {
        guest.refused(4000).await;
    }
    assert_eq!(server.code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_the_log_was_lost_is_counted_when_somebody_reads_again() {
    let mut server = Piped::start(&["--log", "trace"]);
    chatter(&server).await;
    let (nobody, _) = std::io::pipe().unwrap();
    let mut reader = std::mem::replace(&mut server.reader, BufReader::new(nobody));
    let (flows, is_flowing) = tokio::sync::oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut log, mut flows, mut start) = (String::new(), Some(flows), 0);
        while reader.read_line(&mut log).unwrap() > 0 {
            if log[start..].contains("lines of the log were lost") {
                flows.take().into_iter().for_each(|flows| _ = flows.send(()));
            }
            start = log.len();
        }
        log
    });
    // Until then what is said may be lost as well.
    in_time("word of what was lost", is_flowing).await.unwrap();
    server.signal("TERM").await;
    assert_eq!(server.code().await, Some(0));
    let log = in_time("the log's end", reading).await.unwrap();
    let entries = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("half a line: {line}")));
    let entries: Vec<Value> = entries.collect();
    let said = |words: &str| {
        let says = |entry: &&Value| entry["message"].as_str().is_some_and(|message| message.starts_with(words));
        entries.iter().filter(says).collect::<Vec<_>>()
    };
    let lost = said("lines of the log were lost");
    assert!(!lost.is_empty() && lost.iter().all(|entry| entry["lines"].as_u64() > Some(0)), "{lost:?}");
    assert_eq!(said("shutting down").len(), 1);
}

/// What commands say, with nobody to hear it, as in `anteroom completions bash | head -c0`.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reader_is_gone_does_its_work_and_says_nothing_of_it() {
    let folder = scratch("nobody-reads");
    let certs = folder.join("certs");
    let text = "[tls]\ncertificate = \"certs/certificate.pem\"\nkey = \"certs/key.pem\"\n";
    std::fs::write(folder.join("anteroom.toml"), text).unwrap();
    let token = token::of("ada");
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["completions", "bash"],
        &["cert", "--out", certs.to_str().unwrap()],
        &["config", "check"],
        &["token", "mint", "--sub", "ada"],
        &["token", "inspect", &token],
        &["bench", "idle", "--sessions", "1", "--seconds", "0.1", "--warm-up", "0"],
    ] {
        for closed in [&["stdout"][..], &["stderr"], &["stdout", "stderr"]] {
            let mut command = command(anteroom(), arguments);
            command.current_dir(&folder).env("ANTEROOM_AUTH__TOKEN_KEY", token::KEY);
            for output in closed {
                let (_, writer) = std::io::pipe().unwrap();
                if *output == "stdout" {
                    command.stdout(writer)
                } else {
                    command.stderr(writer)
                };
            }
            let ended = ended(command).await;
            assert_eq!(ended.code, Some(0), "{arguments:?} without {closed:?}: {ended:?}");
            assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {ended:?}");
        }
    }
    // The exit code is said in any case.
    for (arguments, code) in [(&["--nonsense"][..], 2), (&["config", "check", "none.toml"], 2), (&["cert", "a b"], 2)] {
        let (_, writer) = std::io::pipe().unwrap();
        let mut command = command(anteroom(), arguments);
        command.current_dir(&folder).stderr(writer);
        assert_eq!(ended(command).await.code, Some(code), "{arguments:?}");
    }
}

/// A full disk is not a reader who has heard enough.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_ends_a_command_with_1() {
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    for arguments in [&["completions", "bash"][..], &["token", "mint", "--sub", "ada"]] {
        let mut command = command(anteroom(), arguments);
        command.env("ANTEROOM_AUTH__TOKEN_KEY", token::KEY).stdout(full());
        let ended = ended(command).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with("anteroom: cannot write to stdout: "), "{arguments:?}: {ended:?}");
    }
    // A server has more to do than to say where it is.
    let mut server = command(anteroom(), &["--listen", "127.0.0.1:0", "--ends-with-stdin"]);
    server.stdout(full()).stderr(full()).stdin(Stdio::piped());
    let mut server = server.spawn().unwrap();
    drop(server.stdin.take());
    assert_eq!(in_time("the end", server.wait()).await.unwrap().code(), Some(0));
}

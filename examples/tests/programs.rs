//! The example programs as they are run, against a real server: lines in, lines out, exit codes.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

use std::env::consts::EXE_SUFFIX;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anteroom_server::{Config, Mode, Server};
use tokio::runtime::{Builder, Runtime};

/// Long enough for any machine; reaching it means that nothing will come.
const LONG: Duration = Duration::from_secs(30);

/// A server beside the test, which waits for other processes.
struct Running {
    runtime: Runtime,
    server: Server,
    address: String,
}

impl Running {
    fn start() -> Self {
        let mut config = Config { listen: "127.0.0.1:0".into(), ..Config::default() };
        config.auth.guests = true;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mode = Mode::Development { on_network: false };
        let server = {
            let _inside = runtime.enter();
            Server::start(config, mode, anteroom_games::registry().unwrap()).unwrap()
        };
        let address = server.local_addr().to_string();
        Self { runtime, server, address }
    }

    fn stop(self) {
        self.runtime.block_on(self.server.shutdown());
    }
}

/// Carries TCP connections to a server, until they are cut.
struct Relay {
    address: String,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// Ends with the test's process.
    fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, server) = (listener.local_addr().unwrap().to_string(), server.to_owned());
        let open: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = open.clone();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(&server).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    // Ends with the connection.
                    thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
                }
                kept.lock().unwrap().extend([near, far]);
            }
        });
        Self { address, open }
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Examples lie beside the directory of the tests.
fn program(name: &str) -> Command {
    let tests = PathBuf::from(std::env::current_exe().unwrap().parent().unwrap());
    let path = tests.parent().unwrap().join("examples").join(format!("{name}{EXE_SUFFIX}"));
    assert!(path.exists(), "{} is not built; run cargo build --examples", path.display());
    let mut command = Command::new(path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that reads and writes lines. It does not outlive the test.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Program {
    fn start(name: &str, server: &str, args: &[&str]) -> Self {
        let mut child = program(name).args(["--server", server]).args(args).spawn().unwrap();
        let input = child.stdin.take();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::sync_channel(1024);
        thread::spawn(move || {
            // Ends with the program, or with the test.
            out.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Self { child, input, lines }
    }

    /// Reads up to a line with this text, and gives all that was read.
    fn until(&mut self, text: &str) -> Vec<String> {
        let deadline = Instant::now() + LONG;
        let mut read = Vec::new();
        while !read.last().is_some_and(|line: &String| line.contains(text)) {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => read.push(line),
                Err(_) => panic!("{text} did not come after {read:#?}"),
            }
        }
        read
    }

    fn line(&mut self, line: &str) {
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for the end, and gives the exit code and what was said on stderr.
    fn end(mut self) -> (i32, String) {
        // Its output ends with it, whoever reads what is left.
        let deadline = Instant::now() + LONG;
        while self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < deadline, "it does not end");
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program whose end is in its own hands.
fn output(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Lets two play until `x` has the top row.
fn x_wins(x: &mut Program, o: &mut Program) {
    for moves in [["0 0", "1 0"], ["0 1", "1 1"]] {
        for (player, place) in [(&mut *x, moves[0]), (&mut *o, moves[1])] {
            player.until("Your turn.");
            player.line(place);
        }
    }
    x.until("Your turn.");
    x.line("0 2");
    x.until("You win!");
}

#[test]
fn two_terminals_play_and_a_third_watches() {
    let server = Running::start();
    let address = server.address.clone();
    let mut ada = Program::start("native_quic", &address, &["--name", "Ada", "--transport", "quic"]);
    let first = ada.until("Waiting for a second player.");
    assert!(first[0].contains("over QUIC as Ada."), "{first:#?}");
    let mut bob = Program::start("webtransport_native", &address, &["--name", "Bob"]);
    bob.until("over WebTransport as Bob.");
    let mut watcher = Program::start("spectator_ws", &address, &[]);
    watcher.until("Watching Ada's room");

    ada.until("Your turn.");
    ada.line("nonsense");
    ada.until("such as: 1 2");
    ada.line("rematch");
    ada.until("There can be a rematch once a match is over.");
    ada.line("9 9");
    ada.until("is not on the board");
    ada.line("2 2");
    bob.until("Your turn.");
    bob.line("2 2");
    bob.until("taken already");
    bob.line("2 1");
    let seen = watcher.until("Ada (X) against Bob (O): Ada moves.");
    assert!(seen.iter().any(|line| line.contains("Ada (X) against Bob (O)")));
    watcher.until("  . O X");

    // The rest of this match: X takes the diagonal.
    ada.until("Your turn.");
    ada.line("0 0");
    bob.until("Your turn.");
    bob.line("0 1");
    ada.until("Your turn.");
    ada.line("1 1");
    ada.until("You win!");
    bob.until("Ada wins. Press r for a rematch");
    watcher.until("Ada wins.");

    ada.line("rematch");
    bob.until("Ada wants a rematch");
    bob.line("r");
    x_wins(&mut bob, &mut ada);
    watcher.until("Bob wins.");

    ada.line("quit");
    assert_eq!(ada.end(), (0, String::new()));
    bob.until("Ada left.");
    // The end of the input is as good as a word.
    drop(bob.input.take());
    assert_eq!(bob.end(), (0, String::new()));
    watcher.until("The players have gone.");
    assert_eq!(watcher.end(), (0, String::new()));
    server.stop();
}

#[test]
fn a_match_goes_on_over_every_transport_and_through_a_lost_connection() {
    let server = Running::start();
    let address = server.address.clone();
    let relay = Relay::start(&address);
    let mut ada = Program::start("native_quic", &address, &["--name", "Ada", "--transport", "websocket"]);
    ada.until("over WebSocket as Ada.");
    let mut bob = Program::start("webtransport_native", &relay.address, &["--name", "Bob", "--transport", "websocket"]);
    bob.until("over WebSocket as Bob.");
    let moves = [("0 0", "1 0"), ("0 1", "1 1")];
    for (transport, (x, o)) in ["QUIC", "WebTransport"].into_iter().zip(moves) {
        ada.until("Your turn.");
        ada.line("transport");
        ada.line(x);
        ada.until(&format!("The match goes on over {transport}."));
        bob.until("Your turn.");
        relay.cut();
        bob.until("The connection is lost; your seat is kept meanwhile.");
        bob.line(o);
        bob.until("Connected again, over WebSocket.");
    }
    ada.until("Your turn.");
    ada.line("0 2");
    ada.until("You win!");
    bob.until("Ada wins.");
    for player in [ada, bob] {
        let mut player = player;
        player.line("quit");
        assert_eq!(player.end(), (0, String::new()));
    }
    server.stop();
}

#[test]
fn a_server_that_stops_is_told_as_the_reason() {
    let server = Running::start();
    let address = server.address.clone();
    let mut player = Program::start("native_quic", &address, &[]);
    player.until("Waiting for a second player.");
    server.stop();
    let (code, said) = player.end();
    assert_eq!(code, 1);
    assert!(said.contains("shutting down"), "{said}");
}

#[test]
fn bots_play_to_a_draw_over_every_transport() {
    let server = Running::start();
    let address = server.address.clone();
    for transport in ["automatic", "quic", "webtransport", "websocket"] {
        for codec in ["json", "bincode"] {
            let mut bots = program("bot");
            bots.args(["--server", &address, "--count", "4", "--games", "3", "--think-ms", "0"]);
            bots.args(["--transport", transport, "--codec", codec]);
            let (code, stdout, stderr) = output(bots);
            assert_eq!(code, 0, "{transport} {codec}: {stdout}{stderr}");
            // Two bots, one match.
            assert!(stdout.contains("matches   6\n") && stdout.contains(" 6 drawn, 0 lost"), "{stdout}");
            assert!(stdout.contains("faults    0"), "{stdout}");
            assert!(stderr.starts_with(&format!("4 bots come to {address}.\n")), "{stderr}");
        }
    }
    server.stop();
}

/// Bots that take their time say how far they are.
#[test]
fn bots_say_how_far_they_are() {
    let server = Running::start();
    let mut bots = program("bot");
    bots.args(["--server", &server.address, "--count", "4", "--games", "2", "--think-ms", "250"]);
    let (code, stdout, stderr) = output(bots);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let told = stderr.lines().find(|line| line.contains(" of 4 matches played, "));
    assert!(told.is_some_and(|line| line.starts_with(|c: char| c.is_ascii_digit())), "{stderr}");
    server.stop();
}

#[test]
fn without_a_server_each_says_what_to_do() {
    // The port was free a moment ago, and is not given out again so soon.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for name in ["native_quic", "webtransport_native", "spectator_ws", "bot"] {
        let mut command = program(name);
        command.args(["--server", &free]);
        let (code, stdout, stderr) = output(command);
        assert_eq!(code, 1, "{name}");
        let sentence = format!("No Anteroom server answers at {free}. Start one with `cargo run --release`.");
        assert!(stdout.contains(&sentence) || stderr.contains(&sentence), "{name}: {stdout}{stderr}");
    }
}

#[test]
fn a_room_that_is_not_there_is_said_to_be_so() {
    let server = Running::start();
    let address = server.address.clone();
    for args in [["--room", "0000000000"], ["--watch", "0000000000"]] {
        let mut command = program("native_quic");
        command.args(["--server", &address]).args(args);
        let (code, _, stderr) = output(command);
        assert_eq!((code, stderr.lines().count()), (1, 1), "{stderr}");
        assert!(stderr.to_lowercase().contains("room"), "{stderr}");
    }
    let mut command = program("native_quic");
    command.args(["--room", "nonsense"]);
    assert_eq!(output(command).0, 2);
    server.stop();
}

//! `anteroom bench` as people run it: every workload on every transport, and every way in which it can go wrong.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Longer than anything here takes, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(180);

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anteroom"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANTEROOM_") {
            command.env_remove(name);
        }
    }
    command
}

fn bench(arguments: &[&str]) -> Ended {
    let mut all = vec!["bench"];
    all.extend(arguments);
    ended(Running(command(&all).spawn().unwrap()))
}

/// Waits for the end, and reads what was said.
fn ended(mut running: Running) -> Ended {
    let (mut stdout, mut stderr) = (running.0.stdout.take().unwrap(), running.0.stderr.take());
    let (done, wait) = mpsc::sync_channel(1);
    let errors = thread::spawn(move || {
        let mut text = String::new();
        if let Some(stderr) = &mut stderr {
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    });
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        done.send(()).unwrap();
        text
    });
    wait.recv_timeout(DEADLINE).expect("it ends in time");
    let code = running.0.wait().unwrap().code();
    Ended { code, stdout: reader.join().unwrap(), stderr: errors.join().unwrap() }
}

/// A development server, and where it listens.
fn server(variables: &[(&str, &str)]) -> (Running, String) {
    let mut command = command(&["--listen", "127.0.0.1:0", "--store", "memory", "--log", "error"]);
    command.envs(variables.iter().copied());
    let mut running = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let listening = lines.find_map(|line| Some(line.unwrap().strip_prefix("listening on ")?.to_owned())).unwrap();
    // What else it says is read, so that it can say it.
    thread::spawn(move || lines.for_each(drop));
    (running, listening)
}

/// Reads until the generator says what it does.
fn wait_for(stage: &str, running: &mut Running) -> BufReader<ChildStderr> {
    let mut stderr = BufReader::new(running.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with(stage) {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ends before {stage}");
    }
    stderr
}

const SHORT: [&str; 4] = ["--seconds", "1", "--warm-up", "0.2"];

/// Runs a workload over every transport and gives each result.
fn over_all(workload: &[&str], mut check: impl FnMut(&str, &Value)) {
    for (transport, codec) in [
        ("websocket", "json"),
        ("websocket", "bincode"),
        ("webtransport", "json"),
        ("quic", "json"),
        ("quic", "bincode"),
    ] {
        let mut arguments = workload.to_vec();
        arguments.extend(SHORT);
        arguments.extend(["--json", "--transport", transport, "--codec", codec]);
        let ended = bench(&arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["ok"], true);
        assert_eq!((&report["transport"], &report["codec"]), (&transport.into(), &codec.into()));
        assert_eq!(report["workload"], workload[0]);
        assert!(report["pid"].is_number() || cfg!(not(target_os = "linux")));
        check(transport, &report);
    }
}

fn figure(report: &Value, key: &str) -> f64 {
    report["figures"][key].as_f64().unwrap_or_else(|| panic!("{key} in {report:#}"))
}

/// Quantiles in order. On a machine that stands still for a second there may be none.
fn timed(times: &Value) {
    let quantiles: Vec<f64> =
        ["p50", "p90", "p99", "p99.9", "max"].iter().filter_map(|name| times[name].as_f64()).collect();
    assert_eq!(quantiles.is_empty(), times["count"] == 0, "{times}");
    assert!(quantiles.iter().all(|quantile| *quantile > 0.0) && quantiles.is_sorted(), "{times}");
}

/// Everything that was sent came to everybody, once and in order.
fn all_came(report: &Value, members: f64) {
    assert!(figure(report, "sent") > 0.0);
    assert_eq!(figure(report, "delivered"), figure(report, "sent") * members);
    for wrong in ["lost", "duplicated", "out_of_order"] {
        assert_eq!(figure(report, wrong), 0.0, "{wrong}");
    }
    timed(&report["times_ms"]["latency"]);
}

#[test]
fn broadcast_delivers_everything_on_every_transport() {
    over_all(&["broadcast", "--rooms", "3", "--members", "4"], |_, report| {
        all_came(report, 4.0);
        assert!(report["times_ms"]["latency"]["meaning"].as_str().unwrap().contains("closed loop"));
        if cfg!(target_os = "linux") && figure(report, "deliveries_per_second") > 0.0 {
            assert!(figure(report, "cpu_us_per_delivery") > 0.0);
            assert!(figure(report, "deliveries_per_cpu_second") > 0.0);
            assert!(figure(report, "bytes_down_per_delivery") > 62.0, "at least the body");
        }
        assert!(!report["course"]["samples"].as_array().unwrap().is_empty());
    });
}

#[test]
fn broadcast_at_a_fixed_rate_counts_from_when_a_message_was_due() {
    over_all(&["broadcast", "--rooms", "3", "--members", "4", "--rate", "2000", "--threads", "2"], |_, report| {
        all_came(report, 4.0);
        let meaning = report["times_ms"]["latency"]["meaning"].as_str().unwrap();
        assert!(meaning.contains("due") && meaning.contains("coordinated omission"), "{meaning}");
    });
}

#[test]
fn game_delivers_everything_on_every_transport() {
    over_all(&["game", "--rooms", "2", "--members", "3", "--hz", "30"], |_, report| all_came(report, 3.0));
}

#[test]
fn idle_weighs_sessions_on_every_transport() {
    over_all(&["idle", "--sessions", "40"], |_, report| {
        assert_eq!(figure(report, "sessions"), 40.0);
        if cfg!(target_os = "linux") {
            assert!(figure(report, "resident_kib_per_session") > 0.0);
        }
    });
}

#[test]
fn connect_shakes_hands_on_every_transport() {
    over_all(&["connect", "--sessions", "4"], |_, report| {
        assert!(figure(report, "handshakes") > 0.0);
        timed(&report["times_ms"]["handshake"]);
    });
}

#[test]
fn churn_resumes_on_every_transport() {
    over_all(&["churn", "--sessions", "5"], |_, report| {
        assert!(figure(report, "cycles") > 0.0);
        assert_eq!(figure(report, "errors"), 0.0);
        for times in ["cycle", "join", "reconnect"] {
            timed(&report["times_ms"][times]);
        }
    });
}

#[test]
fn lobby_shows_every_room_to_every_subscriber() {
    over_all(&["lobby", "--sessions", "5", "--rooms-per-second", "10"], |_, report| {
        assert!(figure(report, "rooms") > 0.0);
        assert_eq!((figure(report, "lost"), figure(report, "duplicated")), (0.0, 0.0));
    });
}

#[test]
fn a_server_that_runs_is_measured_and_left_running() {
    let (mut running, address) = server(&[]);
    let pid = running.0.id().to_string();
    let arguments = [&["broadcast", "--rooms", "1", "--members", "2", "--server", &address][..], &SHORT].concat();
    let without = bench(&arguments);
    assert_eq!(without.code, Some(0), "{}", without.stderr);
    let cpu = without.stdout.lines().find(|line| line.contains("CPU per delivery")).unwrap();
    assert!(cpu.trim_end().ends_with("- us"), "nothing is known of its process: {cpu}");
    assert!(without.stdout.lines().all(|line| line.chars().count() <= 80), "{}", without.stdout);
    let with = bench(&[&arguments[..], &["--pid", &pid]].concat());
    assert_eq!(with.code, Some(0), "{}", with.stderr);
    if cfg!(target_os = "linux") {
        let cpu = with.stdout.lines().find(|line| line.contains("CPU per delivery")).unwrap();
        assert!(!cpu.contains("- us"), "{cpu}");
    }
    assert!(running.0.try_wait().unwrap().is_none(), "it runs still");
}

#[test]
fn the_report_is_a_page_of_its_own() {
    let file = std::env::temp_dir().join(format!("anteroom-bench-{}.html", std::process::id()));
    let arguments = ["broadcast", "--rooms", "1", "--members", "2", "--report", file.to_str().unwrap()];
    let ended = bench(&[&arguments[..], &SHORT].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let page = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert_eq!(page.matches("<svg viewBox").count(), 2, "latencies, and the rate over time");
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("anteroom bench broadcast --rooms 1"));
}

#[test]
fn the_help_fits_a_terminal_and_names_units_and_defaults() {
    for (workload, said) in [
        (&[][..], &["broadcast", "lobby", "exit code is 1"][..]),
        (
            &["broadcast"],
            &["--rate <PER_SECOND>", "[default: 100]", "closed loop", "count from when a message was due"],
        ),
        (&["game"], &["--tick-ms <MS>", "[default: 16]", "milliseconds"]),
        (&["idle"], &["--sessions <COUNT>", "[default: 1000]"]),
        (&["connect"], &["--transport", "[default: websocket]"]),
        (&["churn"], &["--seconds <SECONDS>", "[default: 10]"]),
        (&["lobby"], &["--rooms-per-second"]),
    ] {
        let arguments = [&["bench"], workload, &["--help"]].concat();
        let mut help = command(&arguments);
        help.env("COLUMNS", "80");
        let help = ended(Running(help.spawn().unwrap()));
        assert_eq!((help.code, &*help.stderr), (Some(0), ""), "{workload:?}");
        for line in help.stdout.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        let text = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in said {
            assert!(text.contains(words), "{workload:?}: {words}: {}", help.stdout);
        }
        for foreign in ["--listen", "--log", "ends-with-stdin"] {
            assert!(!help.stdout.contains(foreign), "{workload:?}: {foreign}");
        }
    }
}

#[test]
fn wrong_options_end_it_with_2_and_a_sentence() {
    for (arguments, said) in [
        (&[][..], "Usage"),
        (&["nonsense"], "unrecognized subcommand"),
        (&["broadcast", "--rooms", "0"], "not a whole number from 1"),
        (&["broadcast", "--members", "1025"], "--members is at most 1024"),
        (&["broadcast", "--rooms", "100000", "--members", "100"], "--rooms times --members"),
        (&["broadcast", "--rate", "-1"], "unexpected argument"),
        (&["broadcast", "--rate", "0"], "not a number above 0"),
        (&["broadcast", "--seconds", "nan"], "not a number above 0"),
        (&["broadcast", "--seconds", "7300"], "at most 7200"),
        (&["broadcast", "--transport", "pigeon"], "invalid value"),
        (&["broadcast", "--codec", "xml"], "invalid value"),
        (&["broadcast", "--hz", "20"], "unexpected argument"),
        (&["game", "--tick-ms", "1001"], "is not in 0..=1000"),
        (&["idle", "--sessions", "x"], "not a whole number"),
        (&["broadcast", "--pid", "1"], "--server"),
        (&["broadcast", "--server", "nonsense"], "is not HOST:PORT"),
        (&["broadcast", "--server", "127.0.0.1:1", "--tls", "--transport", "quic"], "--tls is for WebSocket"),
        (&["broadcast", "--server", "127.0.0.1:1", "--cert-hash", "abc"], "not a SHA-256"),
        (&["--listen", "127.0.0.1:0", "broadcast"], "unexpected argument '--listen'"),
        (&["broadcast", "--report", "/nowhere/report.html"], "cannot write /nowhere/report.html"),
    ] {
        let ended = bench(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

/// One sentence on stderr, behind the lines that tell how far it was.
fn failed_saying(ended: &Ended, said: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.starts_with("anteroom: "), "{}", ended.stderr);
    assert!(said.iter().any(|said| last.contains(said)), "{said:?}: {last}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for transport in ["websocket", "webtransport", "quic"] {
        for workload in ["broadcast", "idle", "connect", "churn", "lobby"] {
            let ended = bench(&[workload, "--server", &free, "--transport", transport]);
            failed_saying(&ended, &[&format!("cannot reach {free}: Connection refused")]);
        }
    }
    let ended = bench(&["idle", "--server", "nowhere.invalid:1"]);
    failed_saying(&ended, &["cannot reach nowhere.invalid:1"]);
    let no_process = bench(&["broadcast", "--server", &free, "--pid", "4194304"]);
    failed_saying(&no_process, &["cannot read what process 4194304 uses"]);
}

#[test]
fn a_server_that_refuses_is_quoted() {
    let (_running, address) = server(&[("ANTEROOM_LIMITS__SESSIONS_MAX", "1")]);
    for transport in ["websocket", "quic"] {
        let ended = bench(&["idle", "--sessions", "3", "--server", &address, "--transport", transport]);
        failed_saying(&ended, &["the server closed the connection: 4004"]);
    }
    let (_running, address) = server(&[("ANTEROOM_LIMITS__ROOMS_MAX", "1")]);
    let ended = bench(&["broadcast", "--rooms", "2", "--members", "1", "--server", &address]);
    failed_saying(&ended, &["the server refuses create_room: "]);
    let ended = bench(&["idle", "--sessions", "1", "--server", &address, "--token", "forged"]);
    failed_saying(&ended, &["the server closed the connection: 4505"]);
}

#[test]
fn a_server_that_dies_meanwhile_ends_the_run() {
    for workload in ["broadcast", "idle", "churn", "lobby"] {
        let (mut victim, address) = server(&[]);
        let arguments = ["bench", workload, "--server", &address, "--seconds", "600"];
        let mut running = Running(command(&arguments).spawn().unwrap());
        let mut rest = wait_for("measuring", &mut running);
        victim.0.kill().unwrap();
        let mut ended = ended(running);
        rest.read_to_string(&mut ended.stderr).unwrap();
        let said = ["the server hung up", "the connection was lost", "cannot reach"];
        failed_saying(&ended, &said);
    }
}

/// The processes that a process has started.
#[cfg(target_os = "linux")]
fn children(pid: u32) -> Vec<u32> {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let parent = |pid: u32| stat(pid)?.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok();
    let processes = std::fs::read_dir("/proc").unwrap();
    let processes = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|process| parent(*process) == Some(pid)).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn its_own_server_that_dies_is_said_whatever_the_transport() {
    for transport in ["websocket", "quic"] {
        let arguments = ["bench", "broadcast", "--rooms", "2", "--members", "2", "--seconds", "600"];
        let arguments = [&arguments[..], &["--transport", transport]].concat();
        let mut running = Running(command(&arguments).spawn().unwrap());
        let mut rest = wait_for("measuring", &mut running);
        let server = children(running.0.id());
        assert_eq!(server.len(), 1);
        signal("KILL", server[0]);
        let mut ended = ended(running);
        rest.read_to_string(&mut ended.stderr).unwrap();
        failed_saying(&ended, &["the server ended while it was measured"]);
    }
}

#[cfg(target_os = "linux")]
fn signal(name: &str, pid: u32) {
    let killed = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(killed.success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_it_at_once_and_leaves_no_server_behind() {
    for name in ["INT", "TERM", "KILL"] {
        let mut running = Running(command(&["bench", "broadcast", "--seconds", "600"]).spawn().unwrap());
        let _rest = wait_for("measuring", &mut running);
        let server = children(running.0.id())[0];
        signal(name, running.0.id());
        assert_eq!(running.0.wait().unwrap().code(), None, "a signal ends it");
        let begin = std::time::Instant::now();
        while std::path::Path::new(&format!("/proc/{server}/cmdline")).exists()
            && !std::fs::read(format!("/proc/{server}/cmdline")).unwrap_or_default().is_empty()
        {
            assert!(begin.elapsed() < DEADLINE, "{name}: the server is still there");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

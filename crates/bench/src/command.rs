//! `anteroom bench`: finds or starts a server, does a workload to it, and tells what came of it.

use std::fs::OpenOptions;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use anteroom_protocol::Json;
use anteroom_transport::{Transport, Trust};

use crate::error::BenchError;
use crate::job::Job;
use crate::options::{Arguments, Carrier, ServerOptions, Time, Workload};
use crate::own::{Needs, OwnServer};
use crate::plan::{Load, MEMBERS_MAX, Target};
use crate::progress::Progress;
use crate::report::{Findings, Report};
use crate::way::Way;
use crate::{certificate, churn, connect, html, idle, json, lobby, machine, rooms, table};

/// Members of a room for `churn`, with who stays.
const VISITED: usize = 8;

/// Does what was asked for, and prints what came of it.
///
/// This very program is started as the server to measure, unless the arguments name one; `plays` says which games it
/// has. `print` writes to stdout.
///
/// # Errors
/// [`BenchError::Usage`] for options that make no sense; [`BenchError::Failed`] if nothing could be measured, or what
/// was measured was not right.
pub fn main(
    arguments: &Arguments,
    plays: impl Fn(&str) -> bool,
    print: impl FnOnce(&str) -> io::Result<()>,
) -> Result<(), BenchError> {
    let workload = &arguments.workload;
    let (time, options, written) = workload.common();
    check(workload, time)?;
    if options.server.is_none() && workload.has_rooms() && !plays("relay") {
        return Err(BenchError::usage(format_args!(
            "`bench {}` measures rooms of the game relay, which this program does not have; name a server that does with \
             --server HOST:PORT",
            workload.name()
        )));
    }
    if let Some(file) = &written.report {
        writable(file)?;
    }
    // The generator may be moved to some of the cores below.
    let machine = machine::description();
    machine::allow_connections(needs(workload).sessions)?;
    let mut own = match &options.server {
        Some(_) => None,
        None => Some(OwnServer::start(needs(workload))?),
    };
    let (target, way) = find(options, own.as_ref())?;
    let measured = measure(workload, time, options, (target, way.clone()));
    let findings = match (measured, own.as_mut().and_then(OwnServer::ended)) {
        (Err(_), Some(ended)) => return Err(BenchError::failed(ended)),
        (measured, _) => measured?,
    };
    let report = report(workload, options, &target, own.as_ref(), (machine, findings));
    drop(own);
    let text = if written.json { format!("{:#}\n", json::json(&report)) } else { table::table(&report) };
    print(&text).map_err(|error| BenchError::failed(format_args!("cannot write to stdout: {error}")))?;
    if let Some(file) = &written.report {
        std::fs::write(file, html::page(&report)).map_err(|error| BenchError::failed(unwritable(file, &error)))?;
    }
    match report.findings.failures.first() {
        Some(failure) => Err(BenchError::failed(failure.trim_end_matches('.'))),
        None => Ok(()),
    }
}

/// Refuses a file that could not be written after the run, and leaves what is in it.
fn writable(file: &Path) -> Result<(), BenchError> {
    let is_new = !file.exists();
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(file);
    opened.map_err(|error| BenchError::usage(unwritable(file, &error)))?;
    if is_new {
        // A run that fails leaves no empty page behind.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

fn unwritable(file: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", file.display())
}

/// Refuses what would only fail later.
fn check(workload: &Workload, time: Time) -> Result<(), BenchError> {
    if time.seconds + time.warm_up > 7200.0 {
        return Err(BenchError::usage("--seconds and --warm-up together are at most 7200"));
    }
    match workload {
        Workload::Broadcast { size, .. } | Workload::Game { size, .. } if size.members > MEMBERS_MAX => {
            Err(BenchError::usage(format_args!("--members is at most {MEMBERS_MAX}, the most that a room takes")))
        }
        Workload::Broadcast { size, .. } | Workload::Game { size, .. } if size.rooms * size.members > 1_000_000 => {
            Err(BenchError::usage("--rooms times --members is at most 1000000"))
        }
        _ => Ok(()),
    }
}

fn needs(workload: &Workload) -> Needs {
    match workload {
        Workload::Broadcast { size, .. } | Workload::Game { size, .. } => {
            Needs { sessions: size.rooms * size.members, rooms: size.rooms, rooms_of_session: 1 }
        }
        Workload::Churn { sessions, .. } => {
            let rooms = sessions.div_ceil((*sessions).min(VISITED - 1));
            Needs { sessions: rooms * VISITED, rooms, rooms_of_session: 1 }
        }
        Workload::Lobby { sessions, rooms_per_second, .. } => {
            let rooms = *rooms_per_second as usize + 16;
            Needs { sessions: sessions + 1, rooms, rooms_of_session: rooms }
        }
        // Each connection that ends overlaps with the next.
        Workload::Connect { sessions, .. } => Needs { sessions: sessions * 2, rooms: 1, rooms_of_session: 1 },
        Workload::Idle { sessions, .. } => Needs { sessions: *sessions, rooms: 1, rooms_of_session: 1 },
    }
}

/// Where the server is, and how to get there.
fn find(options: &ServerOptions, own: Option<&OwnServer>) -> Result<(Target, Way), BenchError> {
    let (server, addr, pid) = match (&options.server, own) {
        (Some(server), _) => (server.clone(), resolve(server)?, options.pid),
        (None, Some(own)) => (own.addr.to_string(), own.addr, Some(own.pid())),
        (None, None) => return Err(BenchError::usage("there is no server to measure")),
    };
    if options.tls && options.transport != Carrier::Websocket {
        return Err(BenchError::usage("--tls is for WebSocket; the other transports always speak TLS"));
    }
    let host = server.rsplit_once(':').map_or(&*server, |(host, _)| host);
    let plain = options.transport == Carrier::Websocket && !options.tls;
    let way = Way {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        server,
        addr,
        transport: options.transport.transport(),
        tls: options.tls,
        codec: options.codec.codec(),
        token: options.token.clone(),
        // A WebSocket without TLS asks for no certificate, and for no list of the system's.
        trust: if plain { Trust::Roots(Vec::new()) } else { certificate::trust(&options.cert_hash, addr)? },
    };
    Ok((Target { addr, pid }, way))
}

fn resolve(server: &str) -> Result<SocketAddr, BenchError> {
    let port = server.rsplit_once(':').map(|(host, port)| (host.is_empty(), port.parse::<u16>()));
    if !matches!(port, Some((false, Ok(1..)))) {
        return Err(BenchError::usage(format_args!("--server {server} is not HOST:PORT")));
    }
    let found = server.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| BenchError::failed(format_args!("cannot reach {server}: no address found for that host")))
}

fn measure(
    workload: &Workload,
    time: Time,
    options: &ServerOptions,
    (target, way): (Target, Way),
) -> Result<Findings, BenchError> {
    let mut progress = Progress::new();
    let mut job = Job {
        target,
        way,
        threads: options.threads,
        warm_up: Duration::from_secs_f64(time.warm_up),
        measured: Duration::from_secs_f64(time.seconds),
        watch: &mut |live| progress.show(live),
    };
    match workload {
        Workload::Broadcast { size, rate, .. } => {
            let load = rate.map_or(Load::Closed, Load::Deliveries);
            rooms::run(&mut job, (size.rooms, size.members), load, None)
        }
        Workload::Game { size, hz, tick_ms, .. } => {
            let load = Load::Hertz(*hz);
            rooms::run(&mut job, (size.rooms, size.members), load, tick(*tick_ms)?)
        }
        Workload::Idle { sessions, .. } => idle::run(&mut job, *sessions),
        Workload::Connect { sessions, .. } => connect::run(&mut job, *sessions),
        Workload::Churn { sessions, .. } => churn::run(&mut job, *sessions),
        Workload::Lobby { sessions, rooms_per_second, .. } => lobby::run(&mut job, *sessions, *rooms_per_second),
    }
}

/// What a room with a tick is created with.
fn tick(tick_ms: u32) -> Result<Option<Json>, BenchError> {
    if tick_ms == 0 {
        return Ok(None);
    }
    let options = Json::from_text(format!(r#"{{"flush":"tick","tick_ms":{tick_ms}}}"#));
    options.map(Some).map_err(BenchError::failed)
}

fn report(
    workload: &Workload,
    options: &ServerOptions,
    target: &Target,
    own: Option<&OwnServer>,
    (machine, findings): (String, Findings),
) -> Report {
    let (transport, codec) = (options.transport.transport(), options.codec.name());
    let tls = if transport == Transport::WebSocket && options.tls { " with TLS" } else { "" };
    let what = match workload {
        Workload::Broadcast { size, rate, .. } => {
            let load = rate.map_or("closed loop".to_owned(), |rate| format!("{rate} deliveries/s"));
            format!("{} rooms of {} members, {load}", size.rooms, size.members)
        }
        Workload::Game { size, hz, tick_ms, .. } => {
            let tick = if *tick_ms == 0 { "no tick".to_owned() } else { format!("{tick_ms} ms tick") };
            format!("{} rooms of {} members, {hz} Hz each, {tick}", size.rooms, size.members)
        }
        Workload::Idle { sessions, .. } => format!("{sessions} idle sessions"),
        Workload::Connect { sessions, .. } => format!("{sessions} handshakes at a time"),
        Workload::Churn { sessions, .. } => format!("{sessions} players who come and go"),
        Workload::Lobby { sessions, rooms_per_second, .. } => {
            format!("{sessions} subscribers of the room list, {rooms_per_second} new rooms/s")
        }
    };
    let place = match (own, &options.server) {
        (Some(own), _) => {
            format!("a server of its own{}", own.cores.as_ref().map_or(String::new(), |at| format!(", {at}")))
        }
        (None, Some(server)) => format!("the server at {server}"),
        (None, None) => String::new(),
    };
    Report {
        workload: workload.name(),
        command: command_line(),
        machine,
        subject: format!("{what}; {transport}{tls}, {codec}; {place}."),
        transport: options.transport.name(),
        codec,
        server: options.server.clone().unwrap_or_else(|| target.addr.to_string()),
        pid: target.pid,
        findings,
    }
}

/// What was typed, without secrets.
fn command_line() -> String {
    let mut secret = false;
    let shown = std::env::args().skip(1).map(|argument| {
        let hidden = std::mem::replace(&mut secret, argument == "--token");
        match (hidden, argument.split_once('=')) {
            (true, _) => "...".to_owned(),
            (false, Some(("--token", _))) => "--token=...".to_owned(),
            _ => argument,
        }
    });
    let mut words = vec!["anteroom".to_owned()];
    words.extend(shown);
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_by_host_and_port() {
        assert_eq!(resolve("127.0.0.1:80").unwrap(), "127.0.0.1:80".parse().unwrap());
        assert_eq!(resolve("[::1]:80").unwrap(), "[::1]:80".parse().unwrap());
        for wrong in ["", "localhost", ":80", "localhost:", "localhost:0", "localhost:65536", "localhost:x"] {
            assert!(matches!(resolve(wrong), Err(BenchError::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn a_tick_becomes_an_option_of_the_room() {
        assert!(tick(0).unwrap().is_none());
        assert_eq!(tick(16).unwrap().unwrap().text(), r#"{"flush":"tick","tick_ms":16}"#);
    }
}

//! The servers that are measured: child processes on a core of their own, ended when dropped.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anteroom_protocol::Codec;
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use wtransport::tls::{Sha256Digest, Sha256DigestFmt};

use crate::machine::SERVER_CORE;

/// A server, and how it is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Subject {
    Websocket,
    WebsocketResume,
    AxumRoom,
    Limit,
    LimitTick,
    QuicJson,
    QuicResume,
    QuicBincode,
    WebtransportJson,
    WebtransportBincode,
    BareSessions,
}

impl Subject {
    /// Those that take part in broadcasts, neighbours being compared with each other.
    pub(crate) const BROADCAST: [Self; 10] = [
        Self::Websocket,
        Self::WebsocketResume,
        Self::AxumRoom,
        Self::Limit,
        Self::LimitTick,
        Self::QuicJson,
        Self::QuicResume,
        Self::QuicBincode,
        Self::WebtransportJson,
        Self::WebtransportBincode,
    ];
    /// Those whose idle sessions are weighed.
    pub(crate) const IDLE: [Self; 6] = [
        Self::Websocket,
        Self::WebsocketResume,
        Self::AxumRoom,
        Self::QuicJson,
        Self::WebtransportJson,
        Self::BareSessions,
    ];

    /// The same with sessions that ask to be resumed, and acknowledge.
    pub(crate) fn resumed(self) -> Option<Self> {
        match self {
            Self::Websocket => Some(Self::WebsocketResume),
            Self::QuicJson => Some(Self::QuicResume),
            _ => None,
        }
    }

    /// Whether its sessions ask to be resumed.
    pub(crate) fn resumes(self) -> bool {
        matches!(self, Self::WebsocketResume | Self::QuicResume)
    }

    /// The codec of its sessions.
    pub(crate) fn codec(self) -> Codec {
        match self {
            Self::QuicBincode | Self::WebtransportBincode => Codec::Bincode,
            _ => Codec::Json,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Websocket => "Anteroom, WebSocket, JSON",
            Self::WebsocketResume => "Anteroom, WebSocket, JSON, resume",
            Self::AxumRoom => "axum + broadcast channel",
            Self::Limit => "limit",
            Self::LimitTick => "limit, 16 ms tick",
            Self::QuicJson => "Anteroom, QUIC, JSON",
            Self::QuicResume => "Anteroom, QUIC, JSON, resume",
            Self::QuicBincode => "Anteroom, QUIC, bincode",
            Self::WebtransportJson => "Anteroom, WebTransport, JSON",
            Self::WebtransportBincode => "Anteroom, WebTransport, bincode",
            Self::BareSessions => "bare wtransport session",
        })
    }
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Kept open: a server whose output goes nowhere may end.
    _stdout: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
    /// The hash of the certificate, if the server says it at the start.
    pub(crate) certificate: Option<Sha256Digest>,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Builds the program that is shipped, as it is shipped, and says where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--release", "-p", "anteroom-server"]).status()?;
    ensure!(built.success(), "cargo build failed");
    Ok(std::env::current_exe()?.with_file_name("anteroom"))
}

/// Starts a server on any free port and waits until it listens.
pub(crate) fn start(subject: Subject, anteroom: &Path) -> Result<Server> {
    let own = std::env::current_exe()?;
    let (program, arguments): (&Path, &[&str]) = match subject {
        Subject::AxumRoom => (&own, &["axum-room"]),
        Subject::Limit => (&own, &["limit"]),
        Subject::LimitTick => (&own, &["limit", "--tick-ms", "16"]),
        Subject::BareSessions => (&own, &["bare-sessions"]),
        _ => (anteroom, &["--listen", "127.0.0.1:0", "--log", "error"]),
    };
    // `taskset` becomes the program it starts, so the process id is the server's.
    let mut child = Command::new("taskset")
        .args(["-c", SERVER_CORE])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the server")?;
    let mut stdout = BufReader::new(child.stdout.take().context("the server has no output")?);
    let mut line = String::new();
    let mut certificate = None;
    loop {
        line.clear();
        ensure!(stdout.read_line(&mut line)? > 0, "the server ended before it listened");
        if let Some(hash) = line.trim().strip_prefix("certificate ") {
            certificate = Some(Sha256Digest::from_str_fmt(hash, Sha256DigestFmt::DottedHex)?);
        }
        if let Some(addr) = line.trim().strip_prefix("listening on ") {
            let addr = addr.parse()?;
            eprintln!("      process {} on {addr}", child.id());
            return Ok(Server { child, _stdout: stdout, addr, certificate });
        }
    }
}

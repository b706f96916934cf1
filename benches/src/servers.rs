//! The servers that are measured: child processes on a core of their own, ended when dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::{fmt, fs};

use anteroom_bench::Target;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use wtransport::tls::{Sha256Digest, Sha256DigestFmt};

use crate::machine::{FOLDER, SERVER_CORE};

/// A server, and how it is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Subject {
    /// Anteroom over WebSocket.
    Anteroom,
    /// Anteroom over WebSocket, with sessions that do not ask to be resumed.
    Unresumed,
    /// Anteroom over QUIC.
    Quic,
    /// Anteroom over WebTransport.
    Webtransport,
    /// Frames and writes, and nothing else.
    Limit,
    /// tokio-tungstenite with a queue for each client.
    Tungstenite,
    /// axum with a broadcast channel for each room.
    Axum,
    /// `ws` on Node.js.
    NodeWs,
    /// Colyseus on Node.js.
    Colyseus,
    /// Socket.IO on Node.js.
    SocketIo,
    /// quinn alone.
    BareQuinn,
    /// wtransport alone.
    BareSessions,
}

impl Subject {
    /// Whether it is the program that is shipped.
    pub(crate) fn is_anteroom(self) -> bool {
        matches!(self, Self::Anteroom | Self::Unresumed | Self::Quic | Self::Webtransport)
    }

    /// What runs on Node.js: the module that has to be installed, and the program.
    fn node(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::NodeWs => Some(("ws", "node-ws.js")),
            Self::Colyseus => Some(("@colyseus/core", "colyseus.js")),
            Self::SocketIo => Some(("socket.io", "socketio.js")),
            _ => None,
        }
    }

    /// Why it cannot take part, if it cannot.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let (module, _) = self.node()?;
        let runs = Command::new("node").arg("--version").output().is_ok_and(|done| done.status.success());
        if !runs {
            return Some("there is no Node.js here");
        }
        let installed = peers().join("node_modules").join(module).join("package.json").exists();
        (!installed).then_some("its package could not be installed")
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anteroom => "Anteroom",
            Self::Unresumed => "Anteroom, without resume",
            Self::Quic => "Anteroom, QUIC",
            Self::Webtransport => "Anteroom, WebTransport",
            Self::Limit => "limit",
            Self::Tungstenite => "tokio-tungstenite",
            Self::Axum => "axum + broadcast channel",
            Self::NodeWs => "node ws",
            Self::Colyseus => "Colyseus",
            Self::SocketIo => "Socket.IO",
            Self::BareQuinn => "bare quinn",
            Self::BareSessions => "bare wtransport session",
        })
    }
}

/// One row of the tables: a server, perhaps with settings that the row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Contender {
    pub(crate) subject: Subject,
    pub(crate) variant: Option<Variant>,
}

impl Contender {
    pub(crate) fn plain(subject: Subject) -> Self {
        Self { subject, variant: None }
    }

    /// What Anteroom is told for a load; what the row is about goes over it.
    fn environment(&self, needs: Needs) -> impl Iterator<Item = (&str, &str)> {
        let of_row = self.variant.iter().flat_map(|variant| &variant.environment);
        needs.settings.iter().copied().chain(of_row.map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variant {
            None => self.subject.fmt(f),
            Some(variant) => write!(f, "{}, {}", self.subject, variant.name),
        }
    }
}

/// Anteroom with some environment, to be compared with itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Variant {
    name: String,
    environment: Vec<(String, String)>,
}

impl FromStr for Variant {
    type Err = String;

    /// `NAME=KEY=VALUE,KEY=VALUE...`
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not of the form NAME=KEY=VALUE,KEY=VALUE");
        let (name, settings) = text.split_once('=').ok_or_else(wrong)?;
        let setting = |setting: &str| {
            let (key, value) = setting.split_once('=').filter(|(key, _)| !key.is_empty())?;
            Some((key.to_owned(), value.to_owned()))
        };
        let environment = settings.split(',').map(setting).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        if name.is_empty() { Err(wrong()) } else { Ok(Self { name: name.to_owned(), environment }) }
    }
}

/// How servers are started, besides what a row is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Starting {
    /// The program that is shipped.
    pub(crate) anteroom: PathBuf,
    /// Further arguments for it.
    pub(crate) arguments: Vec<String>,
}

/// What a load asks of a server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// How often it writes; after each turn without. Rooms of Anteroom are created with it.
    pub(crate) tick_ms: Option<u64>,
    /// What Anteroom is told by environment.
    pub(crate) settings: &'static [(&'static str, &'static str)],
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Kept open: a server whose output goes nowhere may end.
    _stdout: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
    /// The hash of the certificate, if the server says it at the start.
    pub(crate) certificate_hash: Option<Sha256Digest>,
    /// Its certificate and its configuration, where it needs such.
    folder: Option<PathBuf>,
    /// The certificate in DER, if the server says it at the start.
    pub(crate) certificate: Option<Vec<u8>>,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its certificate in PEM, where it was given one.
    pub(crate) fn certificate_file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("certificate.pem"))
    }

    /// As the generator sees it.
    pub(crate) fn target(&self) -> Target {
        Target { addr: self.addr, pid: Some(self.pid()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(folder) = &self.folder {
            drop(fs::remove_dir_all(folder));
        }
    }
}

/// Builds the program that is shipped, as it is shipped, and says where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built =
        Command::new(cargo).args(["build", "--release", "-p", "anteroom-server"]).current_dir(FOLDER).status()?;
    ensure!(built.success(), "cargo build failed");
    Ok(std::env::current_exe()?.with_file_name("anteroom"))
}

impl Starting {
    /// Starts a server on any free port of core 0, and waits until it listens.
    pub(crate) fn start(&self, contender: &Contender, needs: Needs) -> Result<Server> {
        // `taskset` becomes the program it starts, so the process id is the server's.
        let mut command = Command::new("taskset");
        command.args(["-c", SERVER_CORE]);
        self.program(&mut command, contender, needs)?;
        listening(command)
    }

    /// Starts Anteroom as it serves players, with TLS on TCP and a certificate of its own.
    pub(crate) fn start_secure(&self, contender: &Contender, needs: Needs) -> Result<Server> {
        let folder = std::env::temp_dir().join(format!("anteroom-compare-{}", std::process::id()));
        let made = Command::new(&self.anteroom).args(["cert", "--out"]).arg(&folder).output()?;
        ensure!(made.status.success(), "no certificate: {}", String::from_utf8_lossy(&made.stderr).trim());
        let config = folder.join("empty.toml");
        fs::write(&config, "")?;
        let mut command = Command::new("taskset");
        command.args(["-c", SERVER_CORE]).arg(&self.anteroom).args(["serve", "--config"]).arg(config);
        command.args(LISTEN).args(&self.arguments);
        command.env("ANTEROOM_TLS__CERTIFICATE", folder.join("certificate.pem"));
        command.env("ANTEROOM_TLS__KEY", folder.join("key.pem"));
        command.env("ANTEROOM_AUTH__TOKEN_KEY", "nobody here has a token of any kind");
        command.env("ANTEROOM_AUTH__GUESTS", "true");
        command.envs(contender.environment(needs));
        let mut server = listening(command)?;
        server.folder = Some(folder);
        Ok(server)
    }

    fn program(&self, command: &mut Command, contender: &Contender, needs: Needs) -> Result<()> {
        let subject = contender.subject;
        if subject.is_anteroom() {
            command.arg(&self.anteroom).args(LISTEN).args(keeps_nothing(&self.anteroom)?).args(&self.arguments);
            command.envs(contender.environment(needs));
            return Ok(());
        }
        if let Some((_, program)) = subject.node() {
            command.env("NODE_ENV", "production").args([Path::new("node"), &peers().join(program)]);
            return Ok(());
        }
        let tick_ms = needs.tick_ms.unwrap_or_default().to_string();
        // This program is the servers of this crate, too.
        command.arg(std::env::current_exe()?);
        match subject {
            Subject::Limit => command.args(["limit", "--tick-ms", &tick_ms]),
            Subject::BareQuinn => command.args(["bare-quinn", "--tick-ms", &tick_ms]),
            Subject::Tungstenite => command.arg("tungstenite-room"),
            Subject::Axum => command.arg("axum-room"),
            Subject::BareSessions => command.arg("bare-sessions"),
            other => bail!("{other} is no program"),
        };
        Ok(())
    }
}

/// What lets a thousand members of one room have a message each under way, and all acknowledgements, too.
pub(crate) const CROWDED: &[(&str, &str)] = &[
    ("ANTEROOM_LIMITS__KEPT_BYTES_MAX", "16777216"),
    ("ANTEROOM_LIMITS__LANE_BYTES_MAX", "16777216"),
    ("ANTEROOM_LIMITS__ROOM_BYTES_MAX", "2147483647"),
];

/// Any free port of this machine, and only errors in the log.
const LISTEN: [&str; 4] = ["--listen", "127.0.0.1:0", "--log", "error"];

/// How the development server is told to leave nothing behind in the folder; one that keeps nothing anyway does not know it.
fn keeps_nothing(anteroom: &Path) -> Result<&'static [&'static str]> {
    let help = Command::new(anteroom).arg("--help").output().context("cannot run anteroom")?;
    let has_stores = memchr::memmem::find(&help.stdout, b"--store").is_some();
    Ok(if has_stores { &["--store", "memory"] } else { &[] })
}

/// Where the peers on Node.js are.
fn peers() -> PathBuf {
    Path::new(FOLDER).join("peers")
}

fn listening(mut command: Command) -> Result<Server> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start the server")?;
    let stdout = child.stdout.take().context("the server has no output")?;
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server {
        child,
        _stdout: BufReader::new(stdout),
        addr,
        certificate_hash: None,
        folder: None,
        certificate: None,
    };
    let mut line = String::new();
    loop {
        line.clear();
        ensure!(server._stdout.read_line(&mut line)? > 0, "the server ended before it listened");
        let line = line.trim();
        if let Some(hash) = line.strip_prefix("certificate ") {
            server.certificate_hash = Some(Sha256Digest::from_str_fmt(hash, Sha256DigestFmt::DottedHex)?);
        }
        if let Some(certificate) = line.strip_prefix("certificate-der ") {
            server.certificate = Some(STANDARD.decode(certificate)?);
        }
        if let Some(addr) = line.strip_prefix("listening on ") {
            server.addr = addr.parse()?;
            return Ok(server);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_a_name_and_settings() {
        let variant: Variant = "shards=ANTEROOM_A__B=2,C=x=y".parse().unwrap();
        assert_eq!(variant.name, "shards");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(variant.environment, [pair("ANTEROOM_A__B", "2"), pair("C", "x=y")]);
        let contender = Contender { subject: Subject::Anteroom, variant: Some(variant) };
        assert_eq!(contender.to_string(), "Anteroom, shards");
        for wrong in ["", "name", "name=KEY", "=KEY=1", "name==1"] {
            assert!(wrong.parse::<Variant>().is_err(), "{wrong}");
        }
    }
}

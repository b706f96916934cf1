//! What a person types behind `anteroom bench`.

use std::path::PathBuf;

use anteroom_protocol::Codec;
use anteroom_transport::Transport;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::certificate::parse_hash;

const AFTER_HELP: &str = "\
Without --server it starts a server of its own, on a core of its own where
there are two and `taskset` is installed, and ends it afterwards. The figures
of two runs on one machine can be compared; those of two machines cannot.

  anteroom bench broadcast --rooms 100 --members 10
  anteroom bench game --hz 20 --tick-ms 16 --report game.html
  anteroom bench idle --sessions 10000 --transport webtransport

Every member checks that each message of each other member comes once and in
order; when one does not, the exit code is 1. Exit codes: 0 ok, 1 failed,
2 wrong usage.";

/// The arguments of `anteroom bench`.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    #[command(subcommand)]
    pub(crate) workload: Workload,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Workload {
    /// Rooms whose members all hear each other, as fast as it goes or at a fixed rate.
    ///
    /// Every member sends 62 bytes of JSON, and all members of its room hear them, the sender included. Without --rate
    /// each member keeps one message under way (a closed loop). With it, all together cause so many deliveries a
    /// second, and latencies count from when a message was due: if the server, or this program, stands still, what
    /// was due meanwhile has waited (corrected for coordinated omission).
    Broadcast {
        #[command(flatten)]
        size: Size,
        /// Deliveries a second, over all rooms [default: a closed loop].
        #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
        rate: Option<f64>,
        #[command(flatten)]
        time: Time,
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        output: Output,
    },
    /// Rooms as a game has them: each member acts so many times a second, the room tells all members.
    ///
    /// With a tick, a room gathers what happens and tells it together, so a latency of half a tick is what is to be
    /// expected. Latencies count from when an action was due.
    Game {
        #[command(flatten)]
        size: Size,
        /// Actions of each member a second.
        #[arg(long, value_name = "PER_SECOND", value_parser = positive, default_value = "20")]
        hz: f64,
        /// How often a room tells what happened, in milliseconds; 0 for at once.
        #[arg(long, value_name = "MS", default_value = "16", value_parser = clap::value_parser!(u32).range(0..=1000))]
        tick_ms: u32,
        #[command(flatten)]
        time: Time,
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        output: Output,
    },
    /// Sessions that do nothing: the memory of each.
    ///
    /// Opens the sessions, lets them settle for the warm-up, and reads by how much the server's process has grown.
    Idle {
        /// How many sessions.
        #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count)]
        sessions: usize,
        #[command(flatten)]
        time: Time,
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        output: Output,
    },
    /// Handshakes: how many a second, and the CPU of each.
    Connect {
        /// How many connections are made at a time.
        #[arg(long, value_name = "COUNT", default_value = "16", value_parser = count)]
        sessions: usize,
        #[command(flatten)]
        time: Time,
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        output: Output,
    },
    /// Players who join a room, leave it, lose the connection and resume, over and over.
    ///
    /// In each room one player stays, and up to seven come and go.
    Churn {
        /// How many players come and go.
        #[arg(long, value_name = "COUNT", default_value = "70", value_parser = count)]
        sessions: usize,
        #[command(flatten)]
        time: Time,
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        output: Output,
    },
    /// A list of rooms that many watch while rooms come and go.
    Lobby {
        /// How many sessions watch the list.
        #[arg(long, value_name = "COUNT", default_value = "200", value_parser = count)]
        sessions: usize,
        /// Rooms made a second; each is there for half a second.
        #[arg(long, value_name = "PER_SECOND", value_parser = positive, default_value = "20")]
        rooms_per_second: f64,
        #[command(flatten)]
        time: Time,
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Size {
    /// How many rooms.
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = count)]
    pub(crate) rooms: usize,
    /// Members of each room, at most 1024.
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = count)]
    pub(crate) members: usize,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Time {
    /// How long to measure, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = positive)]
    pub(crate) seconds: f64,
    /// How long to go on before that, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = not_negative)]
    pub(crate) warm_up: f64,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerOptions {
    /// An Anteroom server that runs [default: start one].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) server: Option<String>,
    /// The process of that server, to read its CPU and memory (Linux).
    #[arg(long, requires = "server")]
    pub(crate) pid: Option<u32>,
    /// What carries the sessions.
    #[arg(long, value_enum, default_value = "websocket")]
    pub(crate) transport: Carrier,
    /// What the messages are written in.
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) codec: Language,
    /// WebSocket over TLS (wss), as servers in public speak it.
    #[arg(long, requires = "server")]
    pub(crate) tls: bool,
    /// The SHA-256 of a certificate to trust, in base64 or hexadecimal; may be repeated [default: what a server on this
    /// machine publishes, else what the system trusts].
    #[arg(long, value_name = "SHA256", value_parser = parse_hash, requires = "server")]
    pub(crate) cert_hash: Vec<[u8; 32]>,
    /// A token (JWT) for a server that lets no guests in.
    #[arg(long, requires = "server")]
    pub(crate) token: Option<String>,
    /// Threads of the generator [default: 1].
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = count, hide_default_value = true)]
    pub(crate) threads: usize,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Print the result as JSON, and nothing else, on stdout.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the result with plots into an HTML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// What carries the sessions, by the name it has on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Carrier {
    Websocket,
    Webtransport,
    Quic,
}

impl Carrier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Webtransport => "webtransport",
            Self::Quic => "quic",
        }
    }

    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::Websocket => Transport::WebSocket,
            Self::Webtransport => Transport::WebTransport,
            Self::Quic => Transport::Quic,
        }
    }
}

/// What the messages are written in, by the name it has on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Json,
    Bincode,
}

impl Language {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Bincode => "bincode",
        }
    }

    pub(crate) fn codec(self) -> Codec {
        match self {
            Self::Json => Codec::Json,
            Self::Bincode => Codec::Bincode,
        }
    }
}

impl Workload {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Broadcast { .. } => "broadcast",
            Self::Game { .. } => "game",
            Self::Idle { .. } => "idle",
            Self::Connect { .. } => "connect",
            Self::Churn { .. } => "churn",
            Self::Lobby { .. } => "lobby",
        }
    }

    /// Whether it is done in rooms, which are of the game `relay`.
    pub(crate) fn has_rooms(&self) -> bool {
        !matches!(self, Self::Idle { .. } | Self::Connect { .. })
    }

    /// The options that all workloads have.
    pub(crate) fn common(&self) -> (Time, &ServerOptions, &Output) {
        match self {
            Self::Broadcast { time, server, output, .. }
            | Self::Game { time, server, output, .. }
            | Self::Idle { time, server, output, .. }
            | Self::Connect { time, server, output, .. }
            | Self::Churn { time, server, output, .. }
            | Self::Lobby { time, server, output, .. } => (*time, server, output),
        }
    }
}

/// As many as a machine has addresses for, and more.
const COUNT_MAX: usize = 1_000_000;
const NUMBER_MAX: f64 = 1e9;

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=COUNT_MAX) => Ok(count),
        _ => Err(format!("not a whole number from 1 to {COUNT_MAX}")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    not_negative(text).ok().filter(|number| *number >= 0.001).ok_or_else(|| "not a number above 0".to_owned())
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=NUMBER_MAX).contains(number));
    number.ok_or_else(|| "not a number from 0 up".to_owned())
}

//! The command line: what a person types, and what the program says back.
//!
//! Exit codes: 0 all is well, 1 something failed while running, 2 wrong usage or configuration, 3 the port is taken.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anteroom_core::game::Registry;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::sync::oneshot;

use crate::app::{Mode, Server, StartError};
use crate::bench::{self, BenchError};
use crate::config::{self, Config, ConfigError};
use crate::{certificate, log};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (protocol 1, commit ", env!("BUILD_COMMIT"), ")");

const AFTER_HELP: &str = "\
Without a command this starts the development server: on this machine only,
guests welcome, with a certificate made on the spot. Open the page it prints,
or play from two terminals:

  cargo run --release --example native_quic

Every setting is also an environment variable: ANTEROOM_LIMITS__ROOMS_MAX=100
sets rooms_max in [limits]. Exit codes: 0 ok, 1 failed while running, 2 wrong
usage or configuration, 3 port taken.";

/// The game lobby server: rooms and games over WebTransport, QUIC and WebSocket.
#[derive(Debug, Parser)]
#[command(name = "anteroom", version = VERSION, after_help = AFTER_HELP, max_term_width = 80)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    common: Common,

    /// Let other machines reach the development server, with guests and without a token.
    #[arg(long)]
    danger_dev_on_network: bool,

    /// End when stdin does: whoever holds the other end of it does not leave this server behind.
    #[arg(long, hide = true)]
    ends_with_stdin: bool,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Where to listen, TCP and UDP alike; port 0 takes one that is free for both, localhost is 127.0.0.1
    /// [default: 127.0.0.1:7350].
    #[arg(long, value_name = "HOST:PORT", global = true)]
    listen: Option<String>,

    /// Where to listen for UDP (QUIC, WebTransport), if that is elsewhere than for TCP.
    #[arg(long, value_name = "HOST:PORT", global = true)]
    listen_udp: Option<String>,

    /// What to log to stderr: error, warn, info, debug, trace, or a list such as info,anteroom_server=debug.
    #[arg(long, value_name = "FILTER", env = "ANTEROOM_LOG", default_value = "info", global = true)]
    log: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve players, as a configuration file says.
    Serve {
        /// The configuration; deploy/anteroom.toml is one with every key explained.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make a certificate that browsers accept by its hash for 13 days: P-256, into certs/.
    Cert {
        /// The host names and addresses it is for.
        #[arg(value_name = "HOST", default_values = ["localhost", "127.0.0.1", "::1"])]
        hosts: Vec<String>,
        /// The folder to put certificate.pem and key.pem into.
        #[arg(long, value_name = "FOLDER", default_value = "certs")]
        out: PathBuf,
    },
    /// Look at the configuration without serving.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Measure a server: how much it carries, how fast, at what cost.
    Bench(bench::Arguments),
    /// Print completions for a shell.
    Completions {
        /// Which one.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say what is wrong in a configuration file, or what serving still needs.
    Check {
        /// The file.
        #[arg(value_name = "FILE", default_value = "anteroom.toml")]
        file: PathBuf,
    },
}

/// Why the program ends badly, and with which exit code.
#[derive(Debug)]
struct Failure(u8, String);

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match error {
            StartError::Config(_) | StartError::Certificate(_) => 2,
            StartError::PortInUse(_) => 3,
            StartError::Listen(..) => 1,
        };
        Self(code, error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self(2, error.to_string())
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let code = if matches!(error, BenchError::Usage(_)) { 2 } else { 1 };
        Self(code, error.to_string())
    }
}

/// Reads the command line and does what it says, with these games to serve.
#[must_use]
pub fn main(games: Registry) -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments, games) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, sentence)) => {
            eprintln!("anteroom: {sentence}");
            ExitCode::from(code)
        }
    }
}

fn run(arguments: Arguments, games: Registry) -> Result<(), Failure> {
    let Arguments { command, common, danger_dev_on_network, ends_with_stdin } = arguments;
    if ends_with_stdin && command.is_some() {
        return Err(Failure(2, "--ends-with-stdin is for the development server, which has no command".into()));
    }
    if danger_dev_on_network && command.is_some() {
        return Err(Failure(2, "--danger-dev-on-network is for the development server, which has no command".into()));
    }
    match command {
        None => {
            let config = configured(&Config::development(), None, &common)?;
            let stdin = ends_with_stdin.then(end_of_stdin);
            start(config, Mode::Development { on_network: danger_dev_on_network }, games, &common, stdin)
        }
        Some(Command::Serve { config }) => {
            let config = configured(&Config::default(), Some(config), &common)?;
            start(config, Mode::Production, games, &common, None)
        }
        Some(Command::Cert { hosts, out }) => make_certificate(&hosts, &out),
        Some(Command::Config { command: ConfigCommand::Check { file } }) => check(file, &common),
        Some(Command::Bench(arguments)) => Ok(bench::main(&arguments)?),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Arguments::command(), "anteroom", &mut io::stdout());
            Ok(())
        }
    }
}

fn configured(base: &Config, file: Option<PathBuf>, common: &Common) -> Result<Config, Failure> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut config = config::load(base, file.as_deref(), variables)?;
    if let Some(listen) = &common.listen {
        config.listen = config::typed_addr(listen);
        config.listen_addr().map_err(|why| Failure(2, format!("--listen {why}")))?;
    }
    if let Some(listen) = &common.listen_udp {
        config.listen_udp = Some(config::typed_addr(listen));
        config.listen_udp_addr().map_err(|why| Failure(2, format!("--listen-udp {why}")))?;
    }
    Ok(config)
}

fn check(file: PathBuf, common: &Common) -> Result<(), Failure> {
    let config = configured(&Config::default(), Some(file.clone()), common)?;
    say(format_args!("{} is fine; it would listen on {}\n", file.display(), config.listen))?;
    match config.check_production() {
        Ok(()) => Ok(()),
        Err(missing) => say(format_args!("But {missing}\n")),
    }
}

fn make_certificate(hosts: &[String], out: &std::path::Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure(1, format!("cannot write into {}: {error}", out.display()));
    let made = certificate::make(hosts).map_err(|error| Failure(2, error.to_string()))?;
    let (Some((certificate, key)), Some(pinned)) = (made.pem, made.pinned) else {
        return Err(Failure(1, "the certificate has no PEM form".into()));
    };
    std::fs::create_dir_all(out).map_err(|error| failed(&error))?;
    std::fs::write(out.join("certificate.pem"), certificate).map_err(|error| failed(&error))?;
    write_secret(&out.join("key.pem"), &key).map_err(|error| failed(&error))?;
    let out = out.display();
    say(format_args!(
        "{out}/certificate.pem and {out}/key.pem are for {}, valid for 13 days.\nSHA-256: {}\n",
        hosts.join(", "),
        pinned.value
    ))
}

/// Writes a file that only its owner can read.
fn write_secret(path: &std::path::Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn say(words: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_fmt(words).and_then(|()| stdout.flush()).map_err(|error| Failure(1, format!("cannot write: {error}")))
}

/// Comes when stdin ends: a pipe is closed with the process that holds it, however that ends.
fn end_of_stdin() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        // Nothing is expected to be said, and an error is an end as well.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = ended.send(());
    });
    end
}

fn start(
    config: Config,
    mode: Mode,
    games: Registry,
    common: &Common,
    stdin: Option<oneshot::Receiver<()>>,
) -> Result<(), Failure> {
    log::start(&common.log).map_err(|error| Failure(2, error.to_string()))?;
    let runtime = runtime().map_err(|error| Failure(1, format!("cannot start the runtime: {error}")))?;
    let served = runtime.block_on(async {
        tokio::select! {
            biased;
            served = serve(config, mode, games) => served,
            () = ended(stdin) => Ok(()),
        }
    });
    // Tasks that did not end in time do not keep the program from ending.
    runtime.shutdown_background();
    served
}

/// How many tasks a thread runs before it looks for input again.
///
/// A room flushes when everybody who has something to say has said it. tokio's default of 61 cuts into that: of a
/// thousand connections with input a few rooms' worth is handled, those rooms flush, and go in front of all others the
/// next time. With this many, all of the input is handled before any of it is answered: under full load the slowest
/// hundredth of messages takes twice the median instead of eighty times. A thread that has run out of tasks does not
/// wait for the number.
const TASKS_BETWEEN_POLLS: u32 = 1024;

/// The runtime that a server is made for. One of your own works as well; under full load it is less fair to rooms unless
/// it is configured like this one.
///
/// # Errors
/// What the operating system says.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().event_interval(TASKS_BETWEEN_POLLS).build()
}

/// Waits for the end of stdin, if that is one to wait for.
async fn ended(stdin: Option<oneshot::Receiver<()>>) {
    match stdin {
        // The thread that watches it says so, or is gone.
        Some(end) => drop(end.await),
        None => std::future::pending().await,
    }
}

async fn serve(config: Config, mode: Mode, games: Registry) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(|error| Failure(1, format!("cannot listen for signals: {error}")))?;
    let kinds = games.names().collect::<Vec<_>>().join(", ");
    let server = Server::start(config, mode, games)?;
    announce(&server, mode, &kinds)?;
    signals.next().await;
    tracing::info!("shutting down; a second signal ends the program at once");
    tokio::select! {
        () = server.shutdown() => Ok(()),
        () = signals.next() => Err(Failure(1, "stopped at once by a second signal".into())),
    }
}

fn announce(server: &Server, mode: Mode, kinds: &str) -> Result<(), Failure> {
    let (listening, udp) = (server.local_addr(), server.udp_addr());
    let elsewhere = if udp == listening { String::new() } else { format!("UDP on {udp}\n") };
    if mode == Mode::Production {
        return say(format_args!("listening on {listening}\n{elsewhere}"));
    }
    let (address, udp) = (reachable(listening), reachable(udp));
    let option = if address == SocketAddr::from(([127, 0, 0, 1], anteroom_protocol::DEFAULT_PORT)) {
        String::new()
    } else {
        format!(" -- --server {address}")
    };
    let who = match mode {
        Mode::Development { on_network: true } => "ANY machine that reaches this one",
        _ => "this machine only",
    };
    let page = if server.has_demo() {
        format!("  Play:  http://{address}/\n\nOpen it in two tabs, or play from a second terminal:")
    } else {
        "Play from two terminals:".to_owned()
    };
    say(format_args!(
        "Anteroom {} - development server, for {who}
listening on {listening}
{elsewhere}
{page}

  cargo run --release --example native_quic{option}

For programs of your own:

  WebTransport   https://{udp}/wt
  WebSocket      ws://{address}/ws
  QUIC           {udp}, ALPN anteroom/1
  Games          {kinds}

Stop with Ctrl-C.
",
        env!("CARGO_PKG_VERSION"),
    ))
}

/// Where this machine reaches itself: a server that listens on every address is not at all of zeros.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// SIGINT and SIGTERM, or Ctrl-C where there are no signals.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        // A console that cannot be watched never stops the server.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_server_on_every_address_is_reached_at_its_own_machine_s() {
        for (listening, reached) in [
            ("0.0.0.0:7350", "127.0.0.1:7350"),
            ("[::]:1", "[::1]:1"),
            ("127.0.0.1:7350", "127.0.0.1:7350"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()), reached.parse().unwrap());
        }
    }

    /// `cargo run` hands what the build script sets to the program, too, which reads `ANTEROOM_*` as configuration.
    #[test]
    fn the_build_sets_nothing_that_is_read_as_configuration() {
        assert!(!include_str!("../build.rs").contains("rustc-env=ANTEROOM_"));
    }
}

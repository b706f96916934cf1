//! The command line: what a person types, and what the program says back.
//!
//! Exit codes: 0 all is well, 1 something failed while running, 2 wrong usage or configuration, 3 the port is taken.

mod replay;
mod serving;
mod store;
mod token;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[cfg(feature = "bench")]
use anteroom_bench::BenchError;
use anteroom_core::game::Registry;
use anteroom_protocol::UserId;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::sync::oneshot;

use crate::app::{Mode, Server, StartError};
use crate::config::{self, Config, ConfigError, StoreKind, StoreSection};
use crate::{certificate, listen, output};

pub use serving::runtime;
use store::StoreCommand;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (protocol 1, commit ", env!("BUILD_COMMIT"), ")");

/// Where the development server keeps its data, below the folder that it is started in.
const DATA: &str = ".anteroom";

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
#[command(
    name = "anteroom",
    version = VERSION,
    after_help = AFTER_HELP,
    max_term_width = 80,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    server: ServerOptions,

    /// Let other machines reach the development server, with guests and without a token.
    #[arg(long)]
    danger_dev_on_network: bool,

    /// End when stdin does: whoever holds the other end of it does not leave this server behind.
    #[arg(long, hide = true)]
    ends_with_stdin: bool,
}

/// What both commands that serve take.
#[derive(Debug, clap::Args)]
struct ServerOptions {
    /// Where to listen, TCP and UDP alike; port 0 takes one that is free for both, localhost is 127.0.0.1
    /// [default: 127.0.0.1:7350].
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// Where to listen for UDP (QUIC, WebTransport), if that is elsewhere than for TCP.
    #[arg(long, value_name = "HOST:PORT")]
    listen_udp: Option<String>,

    /// The folder to keep rooms and sessions in, so that they outlive the server [default: .anteroom, or store.path of
    /// the configuration].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// What keeps them: sqlite, in that folder, or memory, which keeps nothing
    /// [default: sqlite, or store.kind of the configuration].
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    store: Option<StoreKind>,

    /// What to log to stderr: error, warn, info, debug, trace, or a list such as info,anteroom_server=debug.
    #[arg(long, value_name = "FILTER", env = "ANTEROOM_LOG", default_value = "info")]
    log: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve players, as a configuration file says.
    Serve {
        /// The configuration; deploy/anteroom.toml is one with every key explained.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        server: ServerOptions,
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
    /// Sign a player's token, or say what is wrong with one.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Look after what is stored: check, back up, compact; export or erase one user.
    ///
    /// While a server runs in the folder, it is asked to do it; otherwise it is done right here.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Play a recording of a room: who did what, when, and what it led to. If it does not come out as it did, or ends too soon,
    /// the exit code is 1.
    Replay(replay::ReplayCommand),
    /// Measure a server: how much it carries, how fast, at what cost.
    #[cfg(feature = "bench")]
    Bench(anteroom_bench::Arguments),
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

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Sign a token for one player with the configured key, and print it.
    ///
    /// A backend signs tokens itself; the README has how in a few lines. These are to try a server out.
    Mint {
        /// The player's id: 1 to 64 bytes. Whoever comes with it is this player.
        #[arg(long, value_name = "ID", value_parser = token::user_id)]
        sub: UserId,
        /// The name that others see [default: the client's choice, or the id].
        #[arg(long, value_parser = token::name)]
        name: Option<String>,
        /// How long it is good for: 90s, 15m, 12h or 7d.
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = token::ttl)]
        ttl: Duration,
        #[command(flatten)]
        config: ConfigOption,
    },
    /// Say what is in a token, and whether the server would let its bearer in. If not, the exit code is 1.
    Inspect {
        /// The token, or - to read it from stdin.
        token: String,
        #[command(flatten)]
        config: ConfigOption,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigOption {
    /// The configuration that names the key [default: anteroom.toml, where there is one]; ANTEROOM_AUTH__TOKEN_KEY_FILE or
    /// ANTEROOM_AUTH__TOKEN_KEY go over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why the program ends badly, and with which exit code.
#[derive(Debug)]
struct Failure(u8, String);

impl Failure {
    /// All that keeps a server from starting, if anything does.
    fn of_all(sentences: impl IntoIterator<Item = String>) -> Result<(), Self> {
        let sentences: Vec<String> = sentences.into_iter().collect();
        if sentences.is_empty() { Ok(()) } else { Err(Self(2, sentences.join("\n"))) }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match error {
            StartError::Config(_) | StartError::Certificate(_) | StartError::Store(_) => 2,
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

#[cfg(feature = "bench")]
impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let code = if matches!(error, BenchError::Usage(_)) { 2 } else { 1 };
        Self(code, error.to_string())
    }
}

/// Reads the command line and does what it says, with these games to serve.
#[must_use]
pub fn main(games: Registry) -> ExitCode {
    let _flushed = output::Flushed;
    match run(Arguments::parse(), games) {
        Ok(code) => code,
        Err(Failure(code, sentences)) => {
            sentences.lines().for_each(output::complain);
            ExitCode::from(code)
        }
    }
}

fn run(arguments: Arguments, games: Registry) -> Result<ExitCode, Failure> {
    let Arguments { command, server, danger_dev_on_network, ends_with_stdin } = arguments;
    match command {
        None => {
            let base = Config { store: StoreSection::in_folder(DATA), ..Config::development() };
            let configured = configured(&base, None, Some(&server))?;
            let mode = Mode::Development { on_network: danger_dev_on_network };
            serving::start(configured, mode, games, &server.log, ends_with_stdin.then(end_of_stdin))?;
        }
        Some(Command::Serve { config, server }) => {
            let configured = configured(&Config::default(), Some(&config), Some(&server))?;
            serving::start(configured, Mode::Production, games, &server.log, None)?;
        }
        Some(Command::Cert { hosts, out }) => make_certificate(&hosts, &out)?,
        Some(Command::Config { command: ConfigCommand::Check { file } }) => check(&file)?,
        Some(Command::Token { command: TokenCommand::Mint { sub, name, ttl, config } }) => {
            say(&format!("{}\n", token::mint(&key_of(&config)?.0, &sub, name, ttl)?))?;
        }
        Some(Command::Token { command: TokenCommand::Inspect { token, config } }) => {
            let (key, config) = key_of(&config)?;
            let seen = token::inspect(&token::read(token)?, &key, config.auth.guests);
            say(&seen.words)?;
            return Ok(if seen.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Some(Command::Store { command }) => return store::run(command, games),
        Some(Command::Replay(command)) => return replay::run(&command, &games),
        #[cfg(feature = "bench")]
        Some(Command::Bench(arguments)) => {
            anteroom_bench::main(&arguments, |game| games.names().any(|name| name == game), output::print)?;
        }
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "anteroom", &mut script);
            say(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is configured, and what to say about it once there is a log.
struct Configured {
    config: Config,
    remarks: Vec<String>,
}

fn configured(base: &Config, file: Option<&Path>, typed: Option<&ServerOptions>) -> Result<Configured, Failure> {
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let remarks = config::remarks(variables.iter().map(|(name, _)| &**name));
    let mut config = config::load(base, file, variables)?;
    if let Some(listen) = typed.and_then(|typed| typed.listen.as_deref()) {
        config.listen = listen::typed_addr(listen);
        config.listen_addr().map_err(|why| Failure(2, format!("--listen {why}")))?;
    }
    if let Some(listen) = typed.and_then(|typed| typed.listen_udp.as_deref()) {
        config.listen_udp = Some(listen::typed_addr(listen));
        config.listen_udp_addr().map_err(|why| Failure(2, format!("--listen-udp {why}")))?;
    }
    if let Some(data) = typed.and_then(|typed| typed.data.as_deref()) {
        config.store.kind = StoreKind::Sqlite;
        config.store.path = Some(data.to_owned());
    }
    if let Some(kind) = typed.and_then(|typed| typed.store) {
        config.store.kind = kind;
    }
    Ok(Configured { config, remarks })
}

fn check(file: &Path) -> Result<(), Failure> {
    let Configured { config, remarks } = configured(&Config::default(), Some(file), None)?;
    remarks.iter().for_each(|remark| output::complain(remark));
    let wrong = Server::check(&config, Mode::Production).into_iter().map(|error| error.to_string());
    Failure::of_all(wrong.chain(config.tls.certificate.as_deref().and_then(certificate::out_of_date)))?;
    say(&format!("{} is fine; it would listen on {}\n", file.display(), config.listen))
}

/// The key that tokens are signed with.
fn key_of(ConfigOption { config: file }: &ConfigOption) -> Result<(Vec<u8>, Config), Failure> {
    let usual = Path::new("anteroom.toml");
    let file = file.as_deref().or_else(|| usual.exists().then_some(usual));
    let Configured { config, remarks } = configured(&Config::default(), file, None)?;
    remarks.iter().for_each(|remark| output::complain(remark));
    config.validate()?;
    let key = config.auth.token_key()?.ok_or_else(|| {
        let sentence = match file {
            Some(file) => format!("{} names no key: set auth.token_key_file", file.display()),
            None => "there is no key; name the configuration with --config FILE".into(),
        };
        Failure(2, sentence)
    })?;
    Ok((key, config))
}

fn make_certificate(hosts: &[String], out: &Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure(1, format!("cannot write into {}: {error}", out.display()));
    let made = certificate::make(hosts).map_err(|error| Failure(2, error.to_string()))?;
    let (Some((certificate, key)), Some(pinned)) = (made.pem, made.pinned) else {
        return Err(Failure(1, "the certificate has no PEM form".into()));
    };
    std::fs::create_dir_all(out).map_err(|error| failed(&error))?;
    std::fs::write(out.join("certificate.pem"), certificate).map_err(|error| failed(&error))?;
    write_secret(&out.join("key.pem"), &key).map_err(|error| failed(&error))?;
    let (out, hosts) = (out.display(), hosts.join(", "));
    say(&format!(
        "{out}/certificate.pem and {out}/key.pem are valid for 13 days,\nfor {hosts}.\nSHA-256: {}\n",
        pinned.value
    ))
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn say(words: &str) -> Result<(), Failure> {
    output::print(words).map_err(|error| Failure(1, format!("cannot write to stdout: {error}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    /// `cargo run` hands what the build script sets to the program, too, which reads `ANTEROOM_*` as configuration.
    #[test]
    fn the_build_sets_nothing_that_is_read_as_configuration() {
        assert!(!include_str!("../build.rs").contains("rustc-env=ANTEROOM_"));
    }
}

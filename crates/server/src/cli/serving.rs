//! A server, from its start to the signal that ends it.

use std::io;
use std::net::SocketAddr;

use anteroom_core::game::Registry;
use tokio::sync::oneshot;

use super::{Configured, Failure};
use crate::app::{Mode, Server};
use crate::config::Config;
use crate::listen::reachable;
use crate::{log, output};

/// Serves until a signal comes, or stdin ends if `stdin` says when.
pub(super) fn start(
    Configured { config, remarks }: Configured,
    mode: Mode,
    games: Registry,
    filter: &str,
    stdin: Option<oneshot::Receiver<()>>,
) -> Result<(), Failure> {
    log::start(filter).map_err(|error| Failure(2, error.to_string()))?;
    remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
    Failure::of_all(Server::check(&config, mode).iter().map(ToString::to_string))?;
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
/// next time: under full load the slowest hundredth of messages takes twenty-five times the median. With this many it takes
/// twice the median, as with more; and a room beside one of a thousand waits less than with more. A thread that has run out
/// of tasks does not wait for the number.
const TASKS_BETWEEN_POLLS: u32 = 256;

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
    let words = announcement(&server, mode, &kinds);
    // Beside everything else: a reader who does not read holds nothing up, and one who is gone need not know.
    drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = output::print(&words) {
            tracing::warn!(%error, "cannot say on stdout where the server listens");
        }
    }));
    signals.next().await;
    tracing::info!("shutting down; a second signal ends the program at once");
    tokio::select! {
        () = server.shutdown() => Ok(()),
        () = signals.next() => Err(Failure(1, "stopped at once by a second signal".into())),
    }
}

fn announcement(server: &Server, mode: Mode, kinds: &str) -> String {
    let (listening, udp) = (server.local_addr(), server.udp_addr());
    let elsewhere = if udp == listening { String::new() } else { format!("UDP on {udp}\n") };
    if mode == Mode::Production {
        return format!("listening on {listening}\n{elsewhere}");
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
    let data = server.data();
    let page = if server.has_demo() {
        format!("  Play:  http://{address}/\n\nOpen it in two tabs, or play from a second terminal:")
    } else {
        "Play from two terminals:".to_owned()
    };
    format!(
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
  Data           {data}

Stop with Ctrl-C.
",
        env!("CARGO_PKG_VERSION"),
    )
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

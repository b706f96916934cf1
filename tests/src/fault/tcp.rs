//! The half for byte streams. Each connection to it is one to the server.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use super::Way;
use super::worker::Worker;

/// How many connections there are at a time; further ones are turned away.
const CONNECTIONS_MAX: usize = 4096;
/// How much is read at once, and held until it is written.
const BUFFER_BYTES: usize = 16 << 10;
/// How long the ends of a finished connection may take to finish it too.
const FINISH_MAX: Duration = Duration::from_secs(5);
/// How long the server may take to take a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// In how many parts a slow connection's second is cut.
const PARTS_PER_SECOND: usize = 20;

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// By a reset: both ends get an error.
    Reset,
    /// As if each end had finished: both read to the end of what passed.
    Finish,
}

/// What passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Connections taken, and made to the server.
    pub connections: u64,
    /// Connections turned away.
    pub refused: u64,
    /// Bytes handed on to the server.
    pub up_bytes: u64,
    /// Bytes handed on to clients.
    pub down_bytes: u64,
}

/// Relays connections to one server.
#[derive(Debug)]
pub struct TcpRelay {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _worker: Worker,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Everything that waits looks again.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    up_stalled: bool,
    down_stalled: bool,
    bytes_per_second: Option<NonZeroU32>,
    refusing: bool,
    /// How often everything was cut, and how the last time.
    cuts: u64,
    cut: Option<Cut>,
    counts: TcpCounts,
}

impl TcpRelay {
    /// A relay in front of a server, at the same IP address and a free port.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        Self::serve(std::net::TcpListener::bind((server.ip(), 0))?, server)
    }

    pub(super) fn serve(listener: std::net::TcpListener, server: SocketAddr) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let shared = Arc::<Shared>::default();
        let worker = Worker::start("tcp relay")?;
        let in_worker = worker.enter();
        tokio::spawn(shared.clone().accept(TcpListener::from_std(listener)?, server));
        drop(in_worker);
        Ok(Self { addr, shared, _worker: worker })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether nothing passes in one direction. Once this returns no further byte does; what was sent waits, first
    /// here and then with its sender, and so do ends and resets. New connections wait for the way up.
    pub fn stall(&self, way: Way, on: bool) {
        self.shared.change(|state| match way {
            Way::Up => state.up_stalled = on,
            Way::Down => state.down_stalled = on,
        });
    }

    /// How many bytes pass in a second, on each connection in each direction; `None` for as many as there are.
    pub fn slow(&self, bytes_per_second: Option<NonZeroU32>) {
        self.shared.change(|state| state.bytes_per_second = bytes_per_second);
    }

    /// Ends every connection there is. Once this returns no further byte passes on them.
    pub fn cut(&self, cut: Cut) {
        self.shared.change(|state| {
            state.cuts += 1;
            state.cut = Some(cut);
        });
    }

    /// Whether new connections are turned away: they are reset as soon as they are there.
    pub fn refuse(&self, on: bool) {
        self.shared.change(|state| state.refusing = on);
    }

    /// What passed so far.
    #[must_use]
    pub fn counts(&self) -> TcpCounts {
        self.shared.lock().counts
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code below panics between two consistent states.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_waiters();
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, server: SocketAddr) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // An error concerns a client that is gone already, or wants for descriptors, which come back.
            let Ok((client, _)) = listener.accept().await else {
                sleep(Duration::from_millis(10)).await;
                continue;
            };
            let State { cuts, refusing, .. } = *self.lock();
            let Some(place) = places.clone().try_acquire_owned().ok().filter(|_| !refusing) else {
                self.turn_away(&client);
                continue;
            };
            let shared = self.clone();
            tokio::spawn(async move {
                shared.until(|state| !state.up_stalled).await;
                match timeout(CONNECT_MAX, TcpStream::connect(server)).await {
                    Ok(Ok(server)) => shared.relay(client, server, cuts).await,
                    _ => shared.turn_away(&client),
                }
                drop(place);
            });
        }
    }

    /// Waits until the state is as it should be.
    async fn until(&self, as_wanted: impl Fn(&State) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Nothing is missed between the look and the wait.
            changed.as_mut().enable();
            if as_wanted(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Resets a connection, once it is dropped.
    fn turn_away(&self, client: &TcpStream) {
        self.lock().counts.refused += 1;
        reset(client);
    }

    async fn relay(&self, mut client: TcpStream, mut server: TcpStream, cuts: u64) {
        self.lock().counts.connections += 1;
        // Fails only for a connection that is gone.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Pump { shared: self, way: Way::Up, from: from_client, to: to_server, cuts };
        let down = Pump { shared: self, way: Way::Down, from: from_server, to: to_client, cuts };
        match tokio::try_join!(up.run(), down.run()) {
            Ok(_) => {}
            Err(Ended::Cut(Cut::Finish)) => {
                let both = async { tokio::join!(finish(&mut client), finish(&mut server)) };
                // Who does not finish in time is reset.
                let _ = timeout(FINISH_MAX, both).await;
            }
            // Whatever befell one end befalls the other.
            Err(Ended::Cut(Cut::Reset) | Ended::Broken) => {
                reset(&client);
                reset(&server);
            }
        }
    }
}

/// Lets a connection be reset when it is dropped.
fn reset(stream: &TcpStream) {
    // Fails only for a connection that is gone.
    let _ = stream.set_zero_linger();
}

/// Sends nothing more, and reads to the end, since unread bytes would make it a reset.
async fn finish(stream: &mut TcpStream) {
    if stream.shutdown().await.is_ok() {
        let _ = copy(stream, &mut sink()).await;
    }
}

/// Why a connection does not end as its ends wish.
enum Ended {
    Cut(Cut),
    Broken,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// One direction of one connection.
struct Pump<'a> {
    shared: &'a Shared,
    way: Way,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    /// How often everything had been cut before this connection.
    cuts: u64,
}

impl Pump<'_> {
    /// Hands on what comes, and the end of it.
    async fn run(mut self) -> Result<(), Ended> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let len = self.read(&mut buffer).await?;
            if len == 0 {
                break;
            }
            let mut rest = &buffer[..len];
            while !rest.is_empty() {
                let (written, pause) = self.write(rest).await?;
                rest = &rest[written..];
                self.unless_cut(sleep(pause)).await?;
            }
        }
        self.open().await?;
        self.to.shutdown().await?;
        Ok(())
    }

    async fn read(&self, buffer: &mut [u8]) -> Result<usize, Ended> {
        loop {
            self.unless_cut(self.from.as_ref().readable()).await??;
            match self.from.try_read(buffer) {
                Ok(len) => return Ok(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    // That it broke is news too, which passes like any other.
                    self.open().await?;
                    return Err(Ended::Broken);
                }
            }
        }
    }

    /// Writes some of it when it may pass; gives how much, and how long to pause then.
    async fn write(&self, bytes: &[u8]) -> Result<(usize, Duration), Ended> {
        loop {
            self.open().await?;
            self.unless_cut(self.to.as_ref().writable()).await??;
            // Held while writing, so that nothing passes any more once somebody has said so.
            let mut state = self.shared.lock();
            if !self.passes(&state)? {
                continue;
            }
            let rate = state.bytes_per_second.map(|rate| rate.get() as usize);
            let part = rate.map_or(bytes.len(), |rate| bytes.len().min(rate.div_ceil(PARTS_PER_SECOND)));
            match self.to.try_write(&bytes[..part]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    let written = written?;
                    *state.bytes(self.way) += written as u64;
                    let pause = rate.map(|rate| Duration::from_secs(1).mul_f64(written as f64 / rate as f64));
                    return Ok((written, pause.unwrap_or_default()));
                }
            }
        }
    }

    /// Waits until this direction is not stalled.
    async fn open(&self) -> Result<(), Ended> {
        self.shared.until(|state| !matches!(self.passes(state), Ok(false))).await;
        self.passes(&self.shared.lock()).map(drop)
    }

    /// Waits for something, unless the connection is cut before.
    async fn unless_cut<T>(&self, happening: impl Future<Output = T>) -> Result<T, Ended> {
        let mut happening = pin!(happening);
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            self.passes(&self.shared.lock())?;
            tokio::select! {
                happened = &mut happening => return Ok(happened),
                () = changed => {}
            }
        }
    }

    /// Whether anything passes just now; an error if all is over.
    fn passes(&self, state: &State) -> Result<bool, Ended> {
        if let Some(cut) = state.cut.filter(|_| state.cuts > self.cuts) {
            return Err(Ended::Cut(cut));
        }
        Ok(match self.way {
            Way::Up => !state.up_stalled,
            Way::Down => !state.down_stalled,
        })
    }
}

impl State {
    fn bytes(&mut self, way: Way) -> &mut u64 {
        match way {
            Way::Up => &mut self.counts.up_bytes,
            Way::Down => &mut self.counts.down_bytes,
        }
    }
}

//! The half for datagrams. Each client has a socket of its own towards the server, as behind a router.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::random::Random;
use super::worker::Worker;
use super::{Faults, Way};

/// How many clients have a socket at a time. One more takes the place of who was quiet for the longest.
const CLIENTS_MAX: usize = 4096;
/// How many datagrams wait for their time; further ones are dropped.
const WAITING_MAX: usize = 16_384;
/// The largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// How many datagrams met which fate in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UdpCounts {
    /// Taken from the sender.
    pub received: u64,
    /// Handed on, copies included.
    pub sent: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Copied by chance.
    pub duplicated: u64,
    /// Held back by chance.
    pub reordered: u64,
    /// Swallowed by a blackhole, or too many for the relay or a socket.
    pub dropped: u64,
}

/// Relays datagrams between any number of clients and one server.
#[derive(Debug)]
pub struct UdpRelay {
    addr: SocketAddr,
    shared: Arc<Shared>,
    worker: Worker,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    /// Where clients send to. This and all other sockets here send as they are; tokio's handles of them receive,
    /// and would not send before they have seen that they can.
    front: UdpSocket,
    state: Mutex<State>,
    /// Something waits for an earlier time than all before.
    hurry: Notify,
}

#[derive(Debug)]
struct State {
    up: Direction,
    down: Direction,
    blackhole: bool,
    clients: BTreeMap<SocketAddr, Client>,
    /// By their time, then as they came.
    waiting: BTreeMap<(Instant, u64), Datagram>,
    last_number: u64,
}

#[derive(Debug)]
struct Direction {
    faults: Faults,
    random: Random,
    counts: UdpCounts,
}

impl Direction {
    fn new(seed: u64) -> Self {
        Self { faults: Faults::default(), random: Random::new(seed), counts: UdpCounts::default() }
    }
}

/// What stands for a client before the server.
#[derive(Debug)]
struct Client {
    /// Tells it from one before or after it with the same address.
    number: u64,
    socket: Arc<UdpSocket>,
    answers: AbortHandle,
    heard: Instant,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

#[derive(Debug, Clone)]
struct Datagram {
    to: To,
    payload: Vec<u8>,
}

#[derive(Debug, Clone)]
enum To {
    /// From a client's socket, which knows the server.
    Server(Arc<UdpSocket>),
    Client(SocketAddr),
}

impl To {
    fn way(&self) -> Way {
        match self {
            Self::Server(_) => Way::Up,
            Self::Client(_) => Way::Down,
        }
    }
}

impl UdpRelay {
    /// A relay in front of a server, at the same IP address and a free port.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(server: SocketAddr, seed: u64) -> io::Result<Self> {
        Self::serve(UdpSocket::bind((server.ip(), 0))?, server, seed)
    }

    pub(super) fn serve(front: UdpSocket, server: SocketAddr, seed: u64) -> io::Result<Self> {
        let addr = front.local_addr()?;
        let worker = Worker::start("udp relay")?;
        let in_worker = worker.enter();
        let receiver = receiver(&front)?;
        let shared = Arc::new(Shared::new(front, server, seed));
        tokio::spawn(shared.clone().take_from_clients(receiver));
        tokio::spawn(shared.clone().send_in_time());
        drop(in_worker);
        Ok(Self { addr, shared, worker })
    }

    /// Where clients send to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Other faults in one direction, for what comes from now on.
    pub fn set_faults(&self, way: Way, faults: Faults) {
        self.shared.lock().direction(way).faults = faults;
    }

    /// Other faults in both directions.
    pub fn set_all_faults(&self, faults: &Faults) {
        let mut state = self.shared.lock();
        state.up.faults = faults.clone();
        state.down.faults = faults.clone();
    }

    /// Whether everything is swallowed, in both directions. Once this returns nothing passes, not even what waited.
    pub fn blackhole(&self, on: bool) {
        self.shared.lock().blackhole = on;
    }

    /// Gives each client another port before the server, which sees it move. Answers to the old port are lost.
    ///
    /// # Errors
    /// What the operating system says; some clients have moved then.
    pub fn rebind(&self) -> io::Result<()> {
        let _in_worker = self.worker.enter();
        let mut state = self.shared.lock();
        let addrs: Vec<_> = state.clients.keys().copied().collect();
        for addr in addrs {
            self.shared.open_socket(&mut state, addr)?;
        }
        Ok(())
    }

    /// What became of the datagrams of one direction so far.
    #[must_use]
    pub fn counts(&self, way: Way) -> UdpCounts {
        self.shared.lock().direction(way).counts
    }

    /// From how many ports datagrams have come so far; the relay forgets the quiet ones only when there are very many.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.shared.lock().clients.len()
    }
}

/// The receiving side of a socket, which belongs to the runtime entered. Neither side blocks from now on.
fn receiver(socket: &UdpSocket) -> io::Result<tokio::net::UdpSocket> {
    socket.set_nonblocking(true)?;
    tokio::net::UdpSocket::from_std(socket.try_clone()?)
}

impl Shared {
    fn new(front: UdpSocket, server: SocketAddr, seed: u64) -> Self {
        let state = State {
            up: Direction::new(seed),
            down: Direction::new(!seed),
            blackhole: false,
            clients: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last_number: 0,
        };
        Self { server, front, state: Mutex::new(state), hurry: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code below panics between two consistent states.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take_from_clients(self: Arc<Self>, receiver: tokio::net::UdpSocket) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            // An error concerns an earlier datagram, whose receiver is gone.
            let Ok((len, from)) = receiver.recv_from(&mut buffer).await else { continue };
            let mut state = self.lock();
            // One without a socket is as good as lost.
            if let Ok(socket) = self.socket_of(&mut state, from) {
                self.pass(&mut state, To::Server(socket), &buffer[..len]);
            }
        }
    }

    /// The socket that stands for a client, made on its first datagram.
    fn socket_of(self: &Arc<Self>, state: &mut State, addr: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        if let Some(client) = state.clients.get_mut(&addr) {
            client.heard = Instant::now();
            return Ok(client.socket.clone());
        }
        if state.clients.len() == CLIENTS_MAX {
            let quiet = state.clients.iter().min_by_key(|(_, client)| client.heard).map(|(addr, _)| *addr);
            quiet.and_then(|addr| state.clients.remove(&addr));
        }
        self.open_socket(state, addr)
    }

    /// Opens a socket for a client in the place of any before, and takes the answers that come there. Needs the
    /// relay's thread.
    fn open_socket(self: &Arc<Self>, state: &mut State, addr: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        let local: IpAddr = match self.server.ip() {
            server if server.is_loopback() => server,
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((local, 0))?;
        socket.connect(self.server)?;
        let number = state.number();
        let answers = tokio::spawn(self.clone().take_answers(receiver(&socket)?, addr, number)).abort_handle();
        let socket = Arc::new(socket);
        state.clients.insert(addr, Client { number, socket: socket.clone(), answers, heard: Instant::now() });
        Ok(socket)
    }

    async fn take_answers(self: Arc<Self>, receiver: tokio::net::UdpSocket, addr: SocketAddr, number: u64) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            // An error tells of a server that is not there, now.
            let Ok(len) = receiver.recv(&mut buffer).await else { continue };
            let mut state = self.lock();
            // Aborting takes effect a moment later than it is asked for.
            if state.clients.get(&addr).is_none_or(|client| client.number != number) {
                return;
            }
            self.pass(&mut state, To::Client(addr), &buffer[..len]);
        }
    }

    /// Draws a datagram's fate.
    fn pass(&self, state: &mut State, to: To, payload: &[u8]) {
        let blackhole = state.blackhole;
        let direction = state.direction(to.way());
        direction.counts.received += 1;
        let lost = direction.random.chance(direction.faults.loss);
        let copied = direction.random.chance(direction.faults.duplicate);
        if blackhole {
            direction.counts.dropped += 1;
            return;
        }
        if lost {
            direction.counts.lost += 1;
            return;
        }
        let datagram = Datagram { to, payload: payload.to_vec() };
        if copied {
            direction.counts.duplicated += 1;
            self.carry(state, datagram.clone());
        }
        self.carry(state, datagram);
    }

    fn carry(&self, state: &mut State, datagram: Datagram) {
        let Direction { faults, random, counts } = state.direction(datagram.to.way());
        let mut delay = random.between(&faults.delay);
        if random.chance(faults.reorder) {
            counts.reordered += 1;
            delay += faults.hold;
        }
        if delay.is_zero() {
            self.send(state, &datagram);
            return;
        }
        if state.waiting.len() == WAITING_MAX {
            state.direction(datagram.to.way()).counts.dropped += 1;
            return;
        }
        let at = Instant::now() + delay;
        if state.waiting.first_key_value().is_none_or(|((first, _), _)| at < *first) {
            self.hurry.notify_one();
        }
        let number = state.number();
        state.waiting.insert((at, number), datagram);
    }

    fn send(&self, state: &mut State, datagram: &Datagram) {
        let sent = match &datagram.to {
            _ if state.blackhole => false,
            To::Server(socket) => socket.send(&datagram.payload).is_ok(),
            To::Client(addr) => self.front.send_to(&datagram.payload, addr).is_ok(),
        };
        let counts = &mut state.direction(datagram.to.way()).counts;
        if sent {
            counts.sent += 1;
        } else {
            counts.dropped += 1;
        }
    }

    async fn send_in_time(self: Arc<Self>) {
        loop {
            let hurried = self.hurry.notified();
            match self.send_due() {
                Some(next) => {
                    tokio::select! {
                        () = sleep_until(next) => {}
                        () = hurried => {}
                    }
                }
                None => hurried.await,
            }
        }
    }

    /// Sends what it is time for; gives when to look again.
    fn send_due(&self) -> Option<Instant> {
        let mut state = self.lock();
        loop {
            let first = state.waiting.first_entry()?;
            let (at, _) = *first.key();
            if at > Instant::now() {
                return Some(at);
            }
            let datagram = first.remove();
            self.send(&mut state, &datagram);
        }
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn direction(&mut self, way: Way) -> &mut Direction {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

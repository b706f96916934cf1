//! The fault relay does what its faults say, and nothing else.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use anteroom_tests::fault::{Cut, Faults, Relay, TcpRelay, UdpRelay, Way};
use anteroom_tests::in_time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// How long to look for what must not come. Too short an interval hides a fault; it never makes one up.
const A_WHILE: Duration = Duration::from_millis(100);

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    in_time(what, async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// A client and a server with a relay between them.
struct Udp {
    relay: UdpRelay,
    client: UdpSocket,
    server: UdpSocket,
}

impl Udp {
    async fn start(seed: u64) -> Self {
        let server = UdpSocket::bind(LOOPBACK).await.unwrap();
        let relay = UdpRelay::start(server.local_addr().unwrap(), seed).unwrap();
        let client = UdpSocket::bind(LOOPBACK).await.unwrap();
        client.connect(relay.addr()).await.unwrap();
        Self { relay, client, server }
    }

    /// Sends numbered datagrams up, each when the relay has taken the one before.
    async fn send_up(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let before = self.relay.counts(Way::Up).received;
            self.client.send(&number.to_be_bytes()).await.unwrap();
            until("the relay takes a datagram", || self.relay.counts(Way::Up).received > before).await;
        }
    }

    /// What the server gets next, and from where.
    async fn next_up(&self) -> (u32, SocketAddr) {
        let mut bytes = [0; 4];
        let (_, from) = in_time("a datagram up", self.server.recv_from(&mut bytes)).await.unwrap();
        (u32::from_be_bytes(bytes), from)
    }

    /// So many of them.
    async fn take_up(&self, count: u64) -> Vec<u32> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            numbers.push(self.next_up().await.0);
        }
        numbers
    }

    async fn nothing_up(&self) -> bool {
        timeout(A_WHILE, self.server.recv_from(&mut [0; 4])).await.is_err()
    }

    /// There and back.
    async fn echo(&self, number: u32) -> SocketAddr {
        self.send_up(number..number + 1).await;
        let (got, from) = self.next_up().await;
        assert_eq!(got, number);
        self.server.send_to(&number.to_be_bytes(), from).await.unwrap();
        let mut bytes = [0; 4];
        in_time("a datagram down", self.client.recv(&mut bytes)).await.unwrap();
        assert_eq!(u32::from_be_bytes(bytes), number);
        from
    }
}

#[tokio::test]
async fn datagrams_pass_as_they_are() {
    let udp = Udp::start(1).await;
    let mut ports: Vec<_> = Vec::new();
    for number in 0..50 {
        ports.push(udp.echo(number).await);
    }
    ports.dedup();
    assert_eq!(ports.len(), 1);
    for way in [Way::Up, Way::Down] {
        let counts = udp.relay.counts(way);
        assert_eq!((counts.received, counts.sent, counts.lost, counts.duplicated, counts.dropped), (50, 50, 0, 0, 0));
    }
    udp.send_up(50..150).await;
    assert_eq!(udp.take_up(100).await, (50..150).collect::<Vec<_>>());
    assert!(udp.nothing_up().await);
}

#[tokio::test]
async fn clients_get_their_own_answers() {
    let udp = Udp::start(2).await;
    let other = UdpSocket::bind(LOOPBACK).await.unwrap();
    other.connect(udp.relay.addr()).await.unwrap();
    let first = udp.echo(1).await;
    other.send(&2_u32.to_be_bytes()).await.unwrap();
    let (number, second) = udp.next_up().await;
    assert_eq!(number, 2);
    assert_ne!(first, second);
    udp.server.send_to(b"2222", second).await.unwrap();
    udp.server.send_to(b"1111", first).await.unwrap();
    let mut bytes = [0; 4];
    in_time("an answer", udp.client.recv(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"1111");
    in_time("an answer", other.recv(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"2222");
}

#[tokio::test]
async fn loss_is_of_one_direction_and_as_likely_as_asked() {
    let udp = Udp::start(3).await;
    udp.relay.set_faults(Way::Up, Faults { loss: 0.3, ..Faults::default() });
    for hundred in 0..10 {
        let before = udp.relay.counts(Way::Up).sent;
        udp.send_up(hundred * 100..hundred * 100 + 100).await;
        // No more at once than a socket holds.
        udp.take_up(udp.relay.counts(Way::Up).sent - before).await;
    }
    let counts = udp.relay.counts(Way::Up);
    assert!((200..400).contains(&counts.lost), "{counts:?}");
    assert_eq!((counts.received, counts.sent + counts.lost), (1000, 1000));
    assert!(udp.nothing_up().await);
    udp.relay.set_faults(Way::Up, Faults::default());
    for number in 0..50 {
        udp.echo(number).await;
    }
    assert_eq!(udp.relay.counts(Way::Up).lost, counts.lost);
    assert_eq!(udp.relay.counts(Way::Down).lost, 0);
    udp.relay.set_faults(Way::Down, Faults { loss: 1.0, ..Faults::default() });
    udp.send_up(7..8).await;
    let (_, from) = udp.next_up().await;
    udp.server.send_to(b"lost", from).await.unwrap();
    until("an answer is lost", || udp.relay.counts(Way::Down).lost == 1).await;
}

#[tokio::test]
async fn the_same_seed_loses_the_same() {
    let mut lost = Vec::new();
    for seed in [4, 4, 5] {
        let udp = Udp::start(seed).await;
        let faults = Faults { loss: 0.5, duplicate: 0.2, ..Faults::default() };
        udp.relay.set_all_faults(&faults);
        udp.send_up(0..100).await;
        let sent = udp.relay.counts(Way::Up).sent;
        lost.push(udp.take_up(sent).await);
    }
    assert_eq!(lost[0], lost[1]);
    assert_ne!(lost[0], lost[2]);
}

#[tokio::test]
async fn duplicates_come_twice() {
    let udp = Udp::start(6).await;
    udp.relay.set_faults(Way::Up, Faults { duplicate: 1.0, ..Faults::default() });
    udp.send_up(0..20).await;
    assert_eq!(udp.take_up(40).await, (0..20).flat_map(|number| [number, number]).collect::<Vec<_>>());
    assert_eq!(udp.relay.counts(Way::Up).duplicated, 20);
}

#[tokio::test]
async fn a_delay_is_never_shorter_than_asked() {
    let udp = Udp::start(7).await;
    let delay = Duration::from_millis(40);
    let faults = Faults { delay: delay..=delay + Duration::from_millis(20), ..Faults::default() };
    udp.relay.set_all_faults(&faults);
    for number in 0..5 {
        let sent = Instant::now();
        udp.echo(number).await;
        assert!(sent.elapsed() >= 2 * delay);
    }
}

#[tokio::test]
async fn what_is_held_back_is_overtaken() {
    let udp = Udp::start(8).await;
    // Longer than sending everything takes.
    let hold = Duration::from_secs(2);
    udp.relay.set_faults(Way::Up, Faults { reorder: 0.3, hold, ..Faults::default() });
    udp.send_up(0..100).await;
    let numbers = udp.take_up(100).await;
    let held = udp.relay.counts(Way::Up).reordered;
    assert!((10..60).contains(&held), "{held}");
    assert!(!numbers.is_sorted());
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_blackhole_swallows_everything() {
    let udp = Udp::start(9).await;
    let from = udp.echo(0).await;
    udp.relay.set_faults(Way::Up, Faults { delay: A_WHILE..=A_WHILE, ..Faults::default() });
    // Still under way when the hole opens.
    udp.send_up(1..2).await;
    udp.relay.blackhole(true);
    udp.send_up(2..3).await;
    udp.server.send_to(b"gone", from).await.unwrap();
    until("everything is dropped", || {
        (udp.relay.counts(Way::Up).dropped, udp.relay.counts(Way::Down).dropped) == (2, 1)
    })
    .await;
    assert!(udp.nothing_up().await);
    udp.relay.blackhole(false);
    assert_eq!(udp.echo(3).await, from);
}

#[tokio::test]
async fn a_rebind_moves_clients_to_another_port() {
    let udp = Udp::start(10).await;
    let old = udp.echo(0).await;
    udp.relay.rebind().unwrap();
    udp.server.send_to(b"lost", old).await.unwrap();
    let new = udp.echo(1).await;
    assert_ne!(old, new);
    // Nothing came by the old way.
    assert_eq!(udp.relay.counts(Way::Down).received, 2);
}

/// A client's connection to a server with a relay between them, and both ends.
struct Tcp {
    relay: TcpRelay,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

impl Tcp {
    async fn start() -> Self {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let relay = TcpRelay::start(listener.local_addr().unwrap()).unwrap();
        let (client, server) = connect(relay.addr(), &listener).await;
        Self { relay, listener, client, server }
    }
}

async fn connect(relay: SocketAddr, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let both = async { tokio::join!(TcpStream::connect(relay), listener.accept()) };
    let (client, accepted) = in_time("a connection", both).await;
    (client.unwrap(), accepted.unwrap().0)
}

/// Sends bytes from one end, and sees them come out of the other.
async fn passes(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    let both = async { tokio::join!(from.write_all(bytes), to.read_exact(&mut got)) };
    let (sent, received) = in_time("bytes", both).await;
    sent.unwrap();
    received.unwrap();
    assert_eq!(got, bytes);
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(A_WHILE, stream.read(&mut [0])).await.is_err()
}

#[tokio::test]
async fn bytes_pass_as_they_are_and_so_does_the_end() {
    let Tcp { relay, mut client, mut server, .. } = Tcp::start().await;
    let bytes: Vec<u8> = (0..300_000).map(|number: u32| (number * 7) as u8).collect();
    passes(&mut client, &mut server, &bytes).await;
    passes(&mut server, &mut client, &bytes).await;
    client.shutdown().await.unwrap();
    assert_eq!(in_time("the end", server.read(&mut [0])).await.unwrap(), 0);
    // One half may end before the other.
    passes(&mut server, &mut client, b"late").await;
    drop(server);
    assert_eq!(in_time("the end", client.read(&mut [0])).await.unwrap(), 0);
    let counts = relay.counts();
    assert_eq!((counts.connections, counts.refused), (1, 0));
    assert_eq!((counts.up_bytes, counts.down_bytes), (300_000, 300_004));
}

#[tokio::test]
async fn a_stall_holds_one_direction_up() {
    let Tcp { relay, mut client, mut server, listener } = Tcp::start().await;
    relay.stall(Way::Up, true);
    client.write_all(b"held").await.unwrap();
    assert!(is_silent(&mut server).await);
    passes(&mut server, &mut client, b"free").await;
    // Somebody new does not reach the server either.
    let newcomer = TcpStream::connect(relay.addr()).await.unwrap();
    assert!(timeout(A_WHILE, listener.accept()).await.is_err());
    drop(newcomer);
    relay.stall(Way::Up, false);
    let mut got = [0; 4];
    in_time("what was held", server.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"held");

    relay.stall(Way::Down, true);
    // More than the relay and the kernel hold, so that the sender has to wait.
    let sending = tokio::spawn(async move {
        let bytes = vec![5; 32 << 20];
        server.write_all(&bytes).await.unwrap();
        server
    });
    assert!(is_silent(&mut client).await);
    assert!(!sending.is_finished());
    relay.stall(Way::Down, false);
    let mut left = 32 << 20;
    let mut buffer = vec![0; 1 << 20];
    let fives = vec![5; 1 << 20];
    while left > 0 {
        let len = in_time("what was held", client.read(&mut buffer)).await.unwrap();
        assert!(len > 0 && buffer[..len] == fives[..len]);
        left -= len;
    }
    sending.await.unwrap();
}

/// An end that is on its way is held up as well.
#[tokio::test]
async fn a_stall_holds_resets_up() {
    let Tcp { relay, client, mut server, .. } = Tcp::start().await;
    relay.stall(Way::Up, true);
    client.set_zero_linger().unwrap();
    drop(client);
    assert!(is_silent(&mut server).await);
    relay.stall(Way::Up, false);
    let error = in_time("the reset", server.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn slow_is_slow() {
    let Tcp { relay, mut client, mut server, .. } = Tcp::start().await;
    relay.slow(NonZeroU32::new(40_000));
    let began = Instant::now();
    passes(&mut client, &mut server, &[1; 20_000]).await;
    // The last of its twenty parts a second is not waited for.
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    relay.slow(None);
    passes(&mut server, &mut client, &[1; 10 << 20]).await;
}

#[tokio::test]
async fn a_cut_ends_every_connection_and_no_later_one() {
    for cut in [Cut::Reset, Cut::Finish] {
        let Tcp { relay, client, server, listener } = Tcp::start().await;
        let mut pairs = vec![(client, server)];
        for _ in 0..10 {
            pairs.push(connect(relay.addr(), &listener).await);
        }
        // Neither what is held nor a slow pace keeps a connection alive.
        relay.slow(NonZeroU32::new(1));
        pairs[0].0.write_all(b"never arrives").await.unwrap();
        relay.stall(Way::Up, true);
        relay.cut(cut);
        for (client, server) in &mut pairs {
            for end in [client, server] {
                let mut rest = Vec::new();
                let read = in_time("the end", end.read_to_end(&mut rest)).await;
                match cut {
                    Cut::Reset => assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset),
                    Cut::Finish => assert!(read.unwrap() <= 1),
                }
            }
        }
        relay.slow(None);
        relay.stall(Way::Up, false);
        let (mut client, mut server) = connect(relay.addr(), &listener).await;
        passes(&mut client, &mut server, b"hello").await;
    }
}

#[tokio::test]
async fn newcomers_are_turned_away_and_nobody_else() {
    let Tcp { relay, mut client, mut server, listener } = Tcp::start().await;
    relay.refuse(true);
    // The reset may be there before connecting has returned.
    if let Ok(mut newcomer) = TcpStream::connect(relay.addr()).await {
        assert!(in_time("the reset", newcomer.read(&mut [0])).await.is_err());
    }
    until("one is refused", || relay.counts().refused == 1).await;
    passes(&mut client, &mut server, b"still here").await;
    relay.refuse(false);
    connect(relay.addr(), &listener).await;
    // Nor is anybody kept whom the server does not take.
    drop(listener);
    if let Ok(mut newcomer) = TcpStream::connect(relay.addr()).await {
        assert!(in_time("the reset", newcomer.read(&mut [0])).await.is_err());
    }
    assert_eq!(relay.counts().connections, 2);
}

#[tokio::test]
async fn both_halves_share_a_number_and_udp_can_be_blocked_alone() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let udp = UdpSocket::bind(addr).await.unwrap();
    let relay = Relay::start(addr, 11).unwrap();
    assert_eq!((relay.udp.addr(), relay.tcp.addr()), (relay.addr(), relay.addr()));
    let (mut client, mut server) = connect(relay.addr(), &listener).await;
    let sender = UdpSocket::bind(LOOPBACK).await.unwrap();
    sender.connect(relay.addr()).await.unwrap();
    let mut bytes = [0; 4];
    sender.send(b"one.").await.unwrap();
    in_time("a datagram", udp.recv(&mut bytes)).await.unwrap();

    relay.block_udp(true);
    sender.send(b"lost").await.unwrap();
    until("it is dropped", || relay.udp.counts(Way::Up).dropped == 1).await;
    passes(&mut client, &mut server, b"tcp").await;
    relay.block_udp(false);

    relay.unplug(true);
    sender.send(b"lost").await.unwrap();
    client.write_all(b"held").await.unwrap();
    server.write_all(b"held").await.unwrap();
    until("it is dropped", || relay.udp.counts(Way::Up).dropped == 2).await;
    assert!(is_silent(&mut server).await && is_silent(&mut client).await);
    relay.unplug(false);
    for end in [&mut client, &mut server] {
        in_time("what was held", end.read_exact(&mut bytes)).await.unwrap();
    }
    sender.send(b"two.").await.unwrap();
    in_time("a datagram", udp.recv(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"two.");
}

#[tokio::test]
async fn dropping_it_ends_everything() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let server_addr = listener.local_addr().unwrap();
    let relay = Relay::start(server_addr, 12).unwrap();
    let addr = relay.addr();
    let (mut client, mut server) = connect(addr, &listener).await;
    drop(relay);
    for end in [&mut client, &mut server] {
        // An end or a reset, whichever the kernel makes of it.
        let read = in_time("the end", end.read(&mut [0])).await;
        assert!(matches!(read, Ok(0) | Err(_)));
    }
    drop((client, server));
    let again = Relay::start_at(addr, server_addr, 13).unwrap();
    assert_eq!(again.addr(), addr);
    assert!(Relay::start_at(addr, server_addr, 14).is_err());
}

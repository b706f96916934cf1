//! The link as it is, where it can be made: as root, with TUN devices.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::network::{self, Network, SERVER, ip_program};
use super::relay::Quality;

const DELAY: Duration = Duration::from_millis(5);
/// Nothing here takes as long, however busy the machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// CAP_NET_ADMIN and CAP_SYS_ADMIN.
const CAPABILITIES: u64 = 1 << 12 | 1 << 21;

/// Whether this process may make links. Says so if it may not.
fn may() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let tun = std::fs::File::options().read(true).write(true).open("/dev/net/tun").is_ok();
    let may = effective & CAPABILITIES == CAPABILITIES && tun && Command::new(ip_program()).arg("-V").output().is_ok();
    if !may {
        eprintln!("SKIPPED: without root, /dev/net/tun and `ip` there is no lossy link to try");
    }
    may
}

fn named(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A socket in each namespace, both connected; the server's first.
fn datagrams(network: &Network) -> (UdpSocket, UdpSocket) {
    let bound = network.server.run(|| Ok(UdpSocket::bind((SERVER, 0))?)).blocking_recv().unwrap().unwrap();
    let at = bound.local_addr().unwrap();
    let bind = move || {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(at)?;
        Ok(socket)
    };
    let player = network.players.run(bind).blocking_recv().unwrap().unwrap();
    bound.set_read_timeout(Some(DEADLINE)).unwrap();
    (bound, player)
}

fn number(socket: &UdpSocket) -> u8 {
    let mut datagram = [0; 16];
    assert_eq!(socket.recv(&mut datagram).unwrap(), 1);
    datagram[0]
}

#[test]
fn a_link_delays_what_it_does_not_lose() {
    if !may() {
        return;
    }
    let network = Network::make(Quality { delay: DELAY, seed: 1 }, &[]).unwrap();
    let names = [&network.server, &network.players].map(|namespace| named(namespace.name()));
    assert!(names.iter().all(|name| name.exists()));

    let (server, player) = datagrams(&network);
    for sent in 0..50 {
        let at = Instant::now();
        player.send(&[sent]).unwrap();
        assert_eq!(number(&server), sent);
        assert!(at.elapsed() >= DELAY, "{:?}", at.elapsed());
    }

    network.relay.lose(1.0);
    for lost in 100..110 {
        player.send(&[lost]).unwrap();
    }
    wait_until("ten lost datagrams", || network.relay.traffic().up.udp.lost == 10);
    network.relay.lose(0.0);
    player.send(&[200]).unwrap();
    assert_eq!(number(&server), 200);
    drop(network);
    assert!(!names.iter().any(|name| name.exists()), "{names:?}");
}

#[test]
fn tcp_gets_through_a_link_that_loses_its_segments() {
    if !may() {
        return;
    }
    let network = Network::make(Quality { delay: DELAY, seed: 1 }, &[]).unwrap();
    let listener = network.server.run(|| Ok(TcpListener::bind((SERVER, 0))?)).blocking_recv().unwrap().unwrap();
    let at = listener.local_addr().unwrap();
    let mut player = network.players.run(move || Ok(TcpStream::connect(at)?)).blocking_recv().unwrap().unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();

    network.relay.lose(0.05);
    let said: Vec<u8> = (0..200_000_u32).map(|place| (place % 251) as u8).collect();
    let saying = said.clone();
    let saying = std::thread::spawn(move || player.write_all(&saying));
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).unwrap();
    saying.join().unwrap().unwrap();
    assert!(heard == said, "{} of {} bytes", heard.len(), said.len());
    let up = network.relay.traffic().up;
    assert!(up.tcp.lost > 0 && up.tcp.refused == 0, "{up:?}");
}

#[test]
fn what_a_killed_run_left_behind_is_removed() {
    if !may() {
        return;
    }
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let name = format!("anteroom-loss-{}-server", gone.id());
    assert!(Command::new(ip_program()).args(["netns", "add", &name]).status().unwrap().success());
    // Another test of this kind may be the one that removes it.
    network::clear().unwrap();
    assert!(!named(&name).exists());
}

//! Stands between clients and a server on loopback and counts what passes, in both directions.
//!
//! It changes nothing. What it reads at once counts as one packet; headers of IP, UDP and TCP are added for each,
//! as they are without options. TCP's own acknowledgements are not seen.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::spawn_local;

/// What IP and UDP, or IP and TCP, put in front of a packet.
const UDP_HEADERS: u64 = 28;
const TCP_HEADERS: u64 = 40;
/// Clients that are passed on; more are ignored.
const CLIENTS_MAX: usize = 64;
const PACKET_BYTES_MAX: usize = 64 << 10;

/// What went in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) packets: u64,
    /// Headers included.
    pub(crate) bytes: u64,
}

/// What has passed so far: to the server, and from it.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) up: Cell<Traffic>,
    pub(crate) down: Cell<Traffic>,
}

/// Where one direction is counted.
#[derive(Clone)]
struct Counter {
    passed: Rc<Passed>,
    is_up: bool,
    headers: u64,
}

impl Counter {
    fn note(&self, bytes: usize) {
        let cell = if self.is_up { &self.passed.up } else { &self.passed.down };
        let Traffic { packets, bytes: before } = cell.get();
        cell.set(Traffic { packets: packets + 1, bytes: before + bytes as u64 + self.headers });
    }
}

fn counters(passed: &Rc<Passed>, headers: u64) -> (Counter, Counter) {
    let counter = |is_up| Counter { passed: passed.clone(), is_up, headers };
    (counter(true), counter(false))
}

/// Passes datagrams on to a server; where to send them. Its tasks end with the local set it is called in.
pub(crate) async fn udp(server: SocketAddr, passed: &Rc<Passed>) -> Result<SocketAddr> {
    let socket = Rc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let addr = socket.local_addr()?;
    spawn_local(pass_datagrams(socket, server, counters(passed, UDP_HEADERS)));
    Ok(addr)
}

async fn pass_datagrams(socket: Rc<UdpSocket>, server: SocketAddr, (up, down): (Counter, Counter)) -> Result<()> {
    let mut clients: BTreeMap<SocketAddr, Rc<UdpSocket>> = BTreeMap::new();
    let mut space = vec![0; PACKET_BYTES_MAX];
    loop {
        let (read, client) = socket.recv_from(&mut space).await?;
        if !clients.contains_key(&client) {
            if clients.len() == CLIENTS_MAX {
                continue;
            }
            let onward = Rc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
            onward.connect(server).await?;
            spawn_local(pass_back(onward.clone(), socket.clone(), client, down.clone()));
            clients.insert(client, onward);
        }
        up.note(read);
        clients[&client].send(&space[..read]).await?;
    }
}

async fn pass_back(from: Rc<UdpSocket>, to: Rc<UdpSocket>, client: SocketAddr, counter: Counter) -> Result<()> {
    let mut space = vec![0; PACKET_BYTES_MAX];
    loop {
        let read = from.recv(&mut space).await?;
        counter.note(read);
        to.send_to(&space[..read], client).await?;
    }
}

/// Passes TCP connections on to a server; where to connect to. Its tasks end with the local set it is called in.
pub(crate) async fn tcp(server: SocketAddr, passed: &Rc<Passed>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    spawn_local(pass_connections(listener, server, counters(passed, TCP_HEADERS)));
    Ok(addr)
}

async fn pass_connections(listener: TcpListener, server: SocketAddr, (up, down): (Counter, Counter)) -> Result<()> {
    for _ in 0..CLIENTS_MAX {
        let (client, _) = listener.accept().await?;
        let onward = TcpStream::connect(server).await?;
        client.set_nodelay(true)?;
        onward.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), onward.into_split());
        spawn_local(pass_bytes(from_client, to_server, up.clone()));
        spawn_local(pass_bytes(from_server, to_client, down.clone()));
    }
    Ok(())
}

async fn pass_bytes(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counter: Counter) -> Result<()> {
    let mut space = vec![0; PACKET_BYTES_MAX];
    loop {
        let read = from.read(&mut space).await?;
        if read == 0 {
            return Ok(to.shutdown().await?);
        }
        counter.note(read);
        to.write_all(&space[..read]).await?;
    }
}

//! Simulated UDP, in the shape that quinn wants its sockets in.
//!
//! The fate of a datagram is drawn when it is sent. It then waits in its receiver's inbox for its time.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Network;
use super::state::{Fate, State};

/// What an Ethernet frame holds, less the headers of IP and UDP. Larger datagrams are dropped.
const DATAGRAM_BYTES_MAX: usize = 1472;
/// How many datagrams may be under way to a socket; further ones are dropped.
const INBOX_MAX: usize = 4096;

/// Where a socket's datagrams wait, by their time and then as they were sent.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) addr: SocketAddr,
    arrivals: BTreeMap<(Instant, u64), Datagram>,
    timer: Option<Pin<Box<Sleep>>>,
    receiver: Option<Waker>,
}

#[derive(Debug, Clone)]
struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    payload: Bytes,
}

impl State {
    fn send(&mut self, number: u64, to: SocketAddr, payload: &[u8]) {
        let Some(from) = self.inboxes.get(&number).map(|inbox| inbox.addr) else { return };
        self.counts.sent += 1;
        let lost = self.random.chance(self.conditions.loss);
        let copied = self.random.chance(self.conditions.duplicate);
        if lost {
            self.counts.lost += 1;
            self.note(from, to, payload.len(), Fate::Lost);
            return;
        }
        let datagram = Datagram { from, to, payload: Bytes::copy_from_slice(payload) };
        if copied {
            self.counts.duplicated += 1;
            self.carry(datagram.clone());
        }
        self.carry(datagram);
    }

    fn carry(&mut self, datagram: Datagram) {
        let mut delay = self.latency();
        let held = self.random.chance(self.conditions.reorder);
        let hold = self.random.between(&self.conditions.reorder_delay);
        if held {
            self.counts.reordered += 1;
            delay += hold;
        }
        let Datagram { from, to, ref payload } = datagram;
        let len = payload.len();
        let sequence = self.number();
        let arrived = self.udp.get(&to).copied();
        let inbox = arrived.and_then(|number| self.inboxes.get_mut(&number));
        let passes = len <= DATAGRAM_BYTES_MAX && self.paths.pass_datagrams(from.ip(), to.ip());
        match inbox.filter(|inbox| passes && inbox.arrivals.len() < INBOX_MAX) {
            Some(inbox) => {
                inbox.arrivals.insert((Instant::now() + delay, sequence), datagram);
                wake(&mut inbox.receiver);
                self.note(from, to, len, Fate::Delayed(delay));
            }
            None => {
                self.counts.dropped += 1;
                self.note(from, to, len, Fate::Dropped);
            }
        }
    }

    /// Hands over what has arrived by now; ready with at least one.
    fn poll_receive(
        &mut self,
        number: u64,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let Some(inbox) = self.inboxes.get_mut(&number) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            let now = Instant::now();
            let mut count = 0;
            while count < buffers.len().min(meta.len())
                && let Some(first) = inbox.arrivals.first_entry().filter(|first| first.key().0 <= now)
            {
                let Datagram { from, to, payload } = first.remove();
                // Meanwhile the path may have closed, or the address gone elsewhere.
                if to != inbox.addr || !self.paths.pass_datagrams(from.ip(), to.ip()) {
                    self.counts.dropped += 1;
                    continue;
                }
                buffers[count][..payload.len()].copy_from_slice(&payload);
                meta[count] =
                    RecvMeta { addr: from, len: payload.len(), stride: payload.len(), ecn: None, dst_ip: None };
                count += 1;
            }
            if count > 0 {
                self.counts.delivered += count as u64;
                return Poll::Ready(Ok(count));
            }
            ready!(inbox.poll_arrival(cx));
        }
    }
}

impl Inbox {
    /// Ready when it is time for the first datagram.
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.receiver = Some(cx.waker().clone());
        match self.arrivals.first_key_value() {
            Some((&(at, _), _)) => poll_at(&mut self.timer, at, cx),
            None => Poll::Pending,
        }
    }
}

/// Waits for a time with a timer that is kept for the next.
pub(super) fn poll_at(timer: &mut Option<Pin<Box<Sleep>>>, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
    if timer.deadline() != at {
        timer.as_mut().reset(at);
    }
    timer.as_mut().poll(cx)
}

pub(super) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// A UDP socket. Its address is free again when it is dropped.
pub(super) struct Socket {
    network: Network,
    number: u64,
    local_addr: SocketAddr,
}

impl Socket {
    pub(super) fn bind(network: &Network, addr: SocketAddr) -> io::Result<Self> {
        let mut state = network.lock();
        let addr = state.pick(addr, |state, addr| state.udp.contains_key(&addr))?;
        let number = state.number();
        state.udp.insert(addr, number);
        state.inboxes.insert(number, Inbox { addr, arrivals: BTreeMap::new(), timer: None, receiver: None });
        drop(state);
        Ok(Self { network: network.clone(), number, local_addr: addr })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut state = self.network.lock();
        if let Some(inbox) = state.inboxes.remove(&self.number) {
            state.udp.remove(&inbox.addr);
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.network.lock().send(self.number, transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.network.lock().poll_receive(self.number, cx, buffers, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local_addr)
    }

    /// So that QUIC looks for the largest datagram that passes, as it does on real networks.
    fn may_fragment(&self) -> bool {
        false
    }
}

/// The network takes everything, and drops what is too much.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

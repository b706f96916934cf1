//! Byte streams in the place of TCP: in order, whole, and as slow as the network makes them.
//!
//! What TCP does about loss is done by its outcome: what was lost comes later, and holds up what was sent after it.

mod listener;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

pub(super) use self::listener::Backlog;
pub use self::listener::{StreamListener, Upgraded};
use super::Network;
use super::datagrams::{poll_at, wake};
use super::state::{Fate, State};

/// How many bytes may be under way, or wait for the reader, before the writer has to.
const PIPE_BYTES_MAX: usize = 64 << 10;
/// How long it takes to notice that something was lost; twice as long each time it is lost again.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(200);
/// How often in a second a reader with a pace reads.
const READS_PER_SECOND: u32 = 10;
/// How often the same bytes may be lost.
const RETRANSMITS_MAX: u32 = 6;

/// Both directions of a stream, the client's first.
#[derive(Debug)]
pub(super) struct Route {
    addrs: [SocketAddr; 2],
    pipes: [Pipe; 2],
    /// Which ends are there still.
    held: [bool; 2],
    reset: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    chunks: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// When the last of it arrives; nothing overtakes it.
    last_at: Option<Instant>,
    /// When a reader with a pace may read again.
    paced_until: Option<Instant>,
    /// When the reader learns that nothing more comes.
    ends_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

impl Route {
    fn new(addrs: [SocketAddr; 2]) -> Self {
        Self { addrs, pipes: [Pipe::default(), Pipe::default()], held: [true; 2], reset: false }
    }

    fn wake(&mut self) {
        self.pipes.iter_mut().for_each(Pipe::wake);
    }

    fn cut(&mut self) {
        self.reset = true;
        self.wake();
    }
}

impl State {
    pub(super) fn cut_streams(&mut self, host: IpAddr) {
        let routes = self.streams.values_mut();
        routes.filter(|route| route.addrs.iter().any(|addr| addr.ip() == host)).for_each(Route::cut);
    }

    pub(super) fn wake_streams(&mut self) {
        self.streams.values_mut().for_each(Route::wake);
    }

    /// How long it takes until bytes sent now arrive, all losses included.
    fn stream_delay(&mut self) -> Duration {
        let mut delay = self.latency();
        let mut wait = RETRANSMIT_AFTER;
        for _ in 0..RETRANSMITS_MAX {
            if !self.random.chance(self.conditions.loss) {
                break;
            }
            delay += wait;
            wait *= 2;
        }
        delay
    }

    /// Ready when there is room for some bytes; says for how many.
    fn poll_room(&mut self, Side { number, end }: Side, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let route = self.streams.get_mut(&number).filter(|route| !route.reset);
        let Some(Route { pipes, held, .. }) = route else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let gone_at = pipes[1 - end].ends_at.filter(|_| !held[1 - end]);
        if pipes[end].ends_at.is_some() || gone_at.is_some_and(|at| at <= Instant::now()) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let pipe = &mut pipes[end];
        if pipe.bytes == PIPE_BYTES_MAX {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(PIPE_BYTES_MAX - pipe.bytes))
    }

    fn write(&mut self, Side { number, end }: Side, bytes: &[u8]) {
        let delay = self.stream_delay();
        let Some(route) = self.streams.get_mut(&number) else { return };
        let (from, to) = (route.addrs[end], route.addrs[1 - end]);
        // What nobody reads any more is not kept.
        if route.held[1 - end] && !bytes.is_empty() {
            let pipe = &mut route.pipes[end];
            let at = Instant::now() + delay;
            let at = pipe.last_at.map_or(at, |last| at.max(last));
            pipe.last_at = Some(at);
            pipe.bytes += bytes.len();
            pipe.chunks.push_back((at, Bytes::copy_from_slice(bytes)));
            wake(&mut pipe.reader);
        }
        self.note(from, to, bytes.len(), Fate::Delayed(delay));
    }

    fn poll_read(
        &mut self,
        Side { number, end }: Side,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let route = self.streams.get_mut(&number).filter(|route| !route.reset);
        let Some(Route { addrs, pipes, .. }) = route else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let pipe = &mut pipes[1 - end];
        pipe.reader = Some(cx.waker().clone());
        let pace = self.paths.paces.get(&addrs[end].ip()).copied();
        if !self.paths.pass_streams(addrs[0].ip(), addrs[1].ip()) || pace == Some(0) {
            return Poll::Pending;
        }
        if let Some(until) = pipe.paced_until.filter(|until| pace.is_some() && *until > Instant::now()) {
            ready!(poll_at(&mut pipe.timer, until, cx));
        }
        loop {
            let next = pipe.chunks.front().map(|(at, _)| *at).or(pipe.ends_at);
            let Some(at) = next else { return Poll::Pending };
            if at > Instant::now() {
                ready!(poll_at(&mut pipe.timer, at, cx));
                continue;
            }
            let Some((_, chunk)) = pipe.chunks.front_mut() else { return Poll::Ready(Ok(())) };
            let mut len = chunk.len().min(out.remaining());
            if let Some(pace) = pace {
                len = len.min((pace / READS_PER_SECOND).max(1) as usize);
                pipe.paced_until = Some(Instant::now() + Duration::from_secs(1) * len as u32 / pace);
            }
            out.put_slice(&chunk[..len]);
            chunk.advance(len);
            if chunk.is_empty() {
                pipe.chunks.pop_front();
            }
            pipe.bytes -= len;
            wake(&mut pipe.writer);
            return Poll::Ready(Ok(()));
        }
    }

    /// Lets the other end know, behind everything sent, that nothing more comes.
    fn shut_down(&mut self, Side { number, end }: Side) {
        let delay = self.stream_delay();
        let Some(route) = self.streams.get_mut(&number) else { return };
        let pipe = &mut route.pipes[end];
        if pipe.ends_at.is_none() {
            let at = Instant::now() + delay;
            pipe.ends_at = Some(pipe.last_at.map_or(at, |last| at.max(last)));
            wake(&mut pipe.reader);
            let (from, to) = (route.addrs[end], route.addrs[1 - end]);
            self.note(from, to, 0, Fate::Delayed(delay));
        }
    }

    fn let_go(&mut self, Side { number, end }: Side) {
        self.shut_down(Side { number, end });
        let Some(route) = self.streams.get_mut(&number) else { return };
        route.held[end] = false;
        let unread = &mut route.pipes[1 - end];
        unread.chunks = VecDeque::new();
        unread.bytes = 0;
        unread.wake();
        if route.held == [false; 2] {
            self.streams.remove(&number);
        }
    }
}

/// One end of a stream.
#[derive(Debug, Clone, Copy)]
struct Side {
    number: u64,
    /// 0 for the client.
    end: usize,
}

/// One end of a simulated stream. Dropping it ends it for the other, behind what was written.
pub struct Stream {
    network: Network,
    side: Side,
    local_addr: SocketAddr,
    peer_addr: SocketAddr,
}

impl Stream {
    /// Both ends, the client's first.
    pub(super) fn pair(network: &Network, client: SocketAddr, server: SocketAddr) -> (Self, Self) {
        let mut state = network.lock();
        let number = state.number();
        state.streams.insert(number, Route::new([client, server]));
        drop(state);
        let stream = |end, local_addr, peer_addr| Self {
            network: network.clone(),
            side: Side { number, end },
            local_addr,
            peer_addr,
        };
        (stream(0, client, server), stream(1, server, client))
    }

    /// Where this end is.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where the other end is.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer_addr
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.network.lock().let_go(self.side);
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("local", &self.local_addr).field("peer", &self.peer_addr).finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.network.lock().poll_read(self.side, cx, out)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.network.lock();
        let len = bytes.len().min(ready!(state.poll_room(self.side, cx))?);
        state.write(self.side, &bytes[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network.lock().shut_down(self.side);
        Poll::Ready(Ok(()))
    }
}

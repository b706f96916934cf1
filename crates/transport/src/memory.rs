//! Two connected ends in one process: the same promises as the network, without one.
//!
//! What the network may do is done on purpose: lanes overtake each other, in an order drawn from a seed, so that
//! nothing above relies on an order between them. Time is tokio's, so it can be paused.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anteroom_protocol::record::VARINT_BYTES_MAX;
use anteroom_protocol::{Batch, Codec, LaneId};
use bytes::Bytes;
use tokio::time::Instant;

use crate::config::TransportConfig;
use crate::connection::{Connection, Event};
use crate::error::{Closed, DatagramRefused};
use crate::link::{Driver, Link};
use crate::liveness::{Liveness, Tick};
use crate::random::Random;

/// As much as fits a QUIC packet on most networks.
const DATAGRAM_BYTES_MAX: usize = 1200 - VARINT_BYTES_MAX;
/// Further datagrams replace the oldest.
const DATAGRAMS_MAX: usize = 64;

/// A client's end and a server's, connected. The seed fixes in which order lanes overtake each other.
///
/// Each end must be polled at least every [`silence_max`](TransportConfig::silence_max) for the other to see it
/// alive; [`quic_keep_alive`](TransportConfig::quic_keep_alive) is how often it then shows that.
#[must_use]
pub fn pair(config: TransportConfig, seed: u64) -> (Connection, Connection) {
    let up = Arc::new(Pipe::new(seed, config.write_queue_bytes_max));
    let down = Arc::new(Pipe::new(!seed, config.write_queue_bytes_max));
    let client = Memory::new(true, up.clone(), down.clone(), &config);
    let server = Memory::new(false, down, up, &config);
    let connection = |driver| Connection::Memory(Box::new(Link::new(driver, config.write_queue_bytes_max)));
    (connection(client), connection(server))
}

/// One direction.
struct Pipe {
    bytes_max: usize,
    state: Mutex<State>,
}

struct State {
    /// Each not empty; records in order.
    lanes: Vec<(LaneId, VecDeque<Item>)>,
    datagrams: VecDeque<(LaneId, Bytes)>,
    bytes: usize,
    random: Random,
    heard_at: Instant,
    /// Set by the writer, and found by the reader behind everything else.
    end: Option<Closed>,
    /// The reader is gone.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

enum Item {
    Record(Arc<Batch>),
    End,
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Record(batch) => batch.payload().len(),
            Self::End => 0,
        }
    }
}

impl Pipe {
    fn new(seed: u64, bytes_max: usize) -> Self {
        let state = State {
            lanes: Vec::new(),
            datagrams: VecDeque::new(),
            bytes: 0,
            random: Random::new(seed),
            heard_at: Instant::now(),
            end: None,
            broken: false,
            reader: None,
            writer: None,
        };
        Self { bytes_max, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code below panics between two consistent states.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, lane: LaneId, item: Item) {
        self.bytes += item.bytes();
        match self.lanes.iter_mut().find(|(id, _)| *id == lane) {
            Some((_, items)) => items.push_back(item),
            None => self.lanes.push((lane, VecDeque::from([item]))),
        }
        self.touch();
    }

    fn touch(&mut self) {
        self.heard_at = Instant::now();
        wake(&mut self.reader);
    }

    fn take(&mut self) -> Option<(LaneId, Item)> {
        if self.lanes.is_empty() {
            return None;
        }
        let place = self.random.below(self.lanes.len() as u64) as usize;
        let (lane, items) = &mut self.lanes[place];
        let (lane, item) = (*lane, items.pop_front()?);
        if items.is_empty() {
            self.lanes.swap_remove(place);
        }
        self.bytes -= item.bytes();
        wake(&mut self.writer);
        Some((lane, item))
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The driver of [`Connection::Memory`].
pub struct Memory {
    client: bool,
    /// Lanes sent on and not ended.
    open: BTreeSet<LaneId>,
    queue: VecDeque<(LaneId, Item)>,
    queued_bytes: usize,
    written_bytes: u64,
    inbound_bytes_max: usize,
    liveness: Liveness,
    out: Arc<Pipe>,
    inn: Arc<Pipe>,
}

impl Memory {
    fn new(client: bool, out: Arc<Pipe>, inn: Arc<Pipe>, config: &TransportConfig) -> Self {
        Self {
            client,
            open: BTreeSet::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            written_bytes: 0,
            inbound_bytes_max: config.inbound_bytes_max,
            liveness: Liveness::new(config.silence_max, Some(config.quic_keep_alive)),
            out,
            inn,
        }
    }

    /// A client has one stream, as on QUIC.
    fn lane(&self, lane: LaneId) -> LaneId {
        if self.client { LaneId::CONTROL } else { lane }
    }

    pub(crate) fn close(self, code: u16, reason: &str) {
        self.out.lock().end = Some(Closed::by_peer(code.into(), reason.as_bytes()));
    }

    fn event(&self, lane: LaneId, item: Item) -> Result<Event, Closed> {
        let Item::Record(batch) = item else { return Ok(Event::LaneEnded { lane }) };
        let payload = batch.payload();
        if payload.len() > self.inbound_bytes_max {
            return Err(Closed::TooLarge { len: payload.len() as u64, max: self.inbound_bytes_max });
        }
        let payload = Bytes::copy_from_slice(payload);
        Ok(Event::Record { lane: Some(lane), codec: Codec::of_payload(&payload), payload })
    }
}

impl Driver for Memory {
    fn queue(&mut self, lane: LaneId, batch: Arc<Batch>) {
        let lane = self.lane(lane);
        self.open.insert(lane);
        self.queued_bytes += batch.payload().len();
        self.queue.push_back((lane, Item::Record(batch)));
    }

    fn has_room(&self, _lane: LaneId, bytes_max: usize) -> bool {
        self.queued_bytes < bytes_max
    }

    fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if self.queue.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut pipe = self.out.lock();
        if pipe.broken {
            return Poll::Ready(Err(Closed::Lost("the other end is gone".into())));
        }
        while pipe.bytes < self.out.bytes_max {
            let Some((lane, item)) = self.queue.pop_front() else { return Poll::Ready(Ok(())) };
            self.queued_bytes -= item.bytes();
            self.written_bytes += item.bytes() as u64;
            pipe.put(lane, item);
        }
        pipe.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        let mut pipe = self.inn.lock();
        if let Some((lane, payload)) = pipe.datagrams.pop_front() {
            return Poll::Ready(Ok(Event::Datagram { lane, payload }));
        }
        if let Some((lane, item)) = pipe.take() {
            drop(pipe);
            return Poll::Ready(self.event(lane, item));
        }
        if let Some(end) = &pipe.end {
            return Poll::Ready(Err(end.clone()));
        }
        pipe.reader = Some(cx.waker().clone());
        self.liveness.heard_at(pipe.heard_at);
        drop(pipe);
        while let Poll::Ready(tick) = self.liveness.poll(cx) {
            match tick {
                Tick::Beat => self.out.lock().touch(),
                Tick::Silence => return Poll::Ready(Err(Closed::Silence)),
            }
        }
        Poll::Pending
    }

    fn send_datagram(&mut self, lane: LaneId, payload: &[u8]) -> Result<(), DatagramRefused> {
        if payload.len() > DATAGRAM_BYTES_MAX {
            return Err(DatagramRefused::TooLarge { len: payload.len(), max: DATAGRAM_BYTES_MAX });
        }
        let mut pipe = self.out.lock();
        if pipe.broken {
            return Err(DatagramRefused::Closed);
        }
        if pipe.datagrams.len() == DATAGRAMS_MAX {
            pipe.datagrams.pop_front();
        }
        pipe.datagrams.push_back((lane, Bytes::copy_from_slice(payload)));
        pipe.touch();
        Ok(())
    }

    fn max_datagram_size(&self) -> Option<usize> {
        Some(DATAGRAM_BYTES_MAX)
    }

    fn end_lane(&mut self, lane: LaneId) {
        let lane = self.lane(lane);
        if self.open.remove(&lane) {
            self.queue.push_back((lane, Item::End));
        }
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    fn rtt(&self) -> Option<Duration> {
        None
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut inn = self.inn.lock();
        inn.broken = true;
        wake(&mut inn.writer);
        drop(inn);
        let mut out = self.out.lock();
        out.end.get_or_insert(Closed::Lost("the other end is gone".into()));
        wake(&mut out.reader);
    }
}

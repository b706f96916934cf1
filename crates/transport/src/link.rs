//! What all transports have in common: one driver under a queue bound, an event kept back while only writing was
//! asked for, and an end that stays the same once it is known.
//!
//! Everything is polled and keeps its state here, so that dropping a future of [`Connection`](crate::Connection)
//! loses nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anteroom_protocol::{Batch, LaneId};

use crate::connection::Event;
use crate::error::{Closed, DatagramRefused};

/// One transport's half of a [`Link`]. Polling registers the caller's waker for whatever it waits for.
pub(crate) trait Driver: Send {
    /// Puts a whole record behind what is queued on the lane.
    fn queue(&mut self, lane: LaneId, batch: Arc<Batch>);
    /// Whether a lane takes a record when fewer bytes than these may wait: on this lane where lanes have streams of
    /// their own, on all of them elsewhere.
    fn has_room(&self, lane: LaneId, bytes_max: usize) -> bool;
    /// How many bytes of records wait for the peer to read, at least those not handed to the layer below, on all lanes
    /// together.
    fn queued_bytes(&self) -> usize;
    /// How many bytes of records were handed to the layer below since the beginning. Never falls.
    fn written_bytes(&self) -> u64;
    /// Hands on what is queued; ready when nothing is left. An error is final.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>>;
    /// What the peer sent. An error is final, and comes after everything that arrived before it.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>>;
    /// See [`Connection::send_datagram`](crate::Connection::send_datagram).
    fn send_datagram(&mut self, lane: LaneId, payload: &[u8]) -> Result<(), DatagramRefused>;
    /// See [`Connection::max_datagram_size`](crate::Connection::max_datagram_size).
    fn max_datagram_size(&self) -> Option<usize>;
    /// See [`Connection::end_lane`](crate::Connection::end_lane).
    fn end_lane(&mut self, lane: LaneId);
    /// See [`Connection::peer_addr`](crate::Connection::peer_addr).
    fn peer_addr(&self) -> Option<SocketAddr>;
    /// See [`Connection::rtt`](crate::Connection::rtt).
    fn rtt(&self) -> Option<Duration>;
}

/// A driver and what is the same around each of them. Not nameable outside this crate; used through
/// [`Connection`](crate::Connection).
pub struct Link<D: ?Sized> {
    write_queue_bytes_max: usize,
    /// An event that came while only writing was asked for.
    kept: Option<Event>,
    closed: Option<Closed>,
    /// Lanes whose sender waits for room.
    refused: Vec<LaneId>,
    pub(crate) driver: D,
}

impl<D> Link<D> {
    pub(crate) fn new(driver: D, write_queue_bytes_max: usize) -> Self {
        Self { write_queue_bytes_max, kept: None, closed: None, refused: Vec::new(), driver }
    }
}

impl Link<dyn Driver> {
    pub(crate) fn has_room(&self, lane: LaneId) -> bool {
        self.driver.has_room(lane, self.write_queue_bytes_max)
    }

    pub(crate) fn try_send(&mut self, lane: LaneId, batch: Arc<Batch>) -> Result<(), Arc<Batch>> {
        if !self.has_room(lane) {
            self.want_room(lane);
            return Err(batch);
        }
        self.driver.queue(lane, batch);
        Ok(())
    }

    pub(crate) fn want_room(&mut self, lane: LaneId) {
        if !self.refused.contains(&lane) {
            self.refused.push(lane);
        }
    }

    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        match self.kept.take() {
            Some(event) => Poll::Ready(Ok(event)),
            None => self.poll_event(cx),
        }
    }

    /// Ready when a record can be queued on the lane.
    pub(crate) fn poll_room(&mut self, lane: LaneId, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        match self.poll_flush(cx) {
            Poll::Pending if self.has_room(lane) => Poll::Ready(Ok(())),
            other => other,
        }
    }

    /// Ready when nothing is queued. Keeps at most one event back, and reads no further then.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if let Some(closed) = &self.closed {
            return Poll::Ready(Err(closed.clone()));
        }
        if self.kept.is_none() {
            match self.poll_event(cx) {
                Poll::Ready(Ok(event)) => self.kept = Some(event),
                Poll::Ready(Err(closed)) => return Poll::Ready(Err(closed)),
                Poll::Pending => {}
            }
        }
        // What arrived before the end is still to be read, so this is not the end yet.
        self.driver.poll_write(cx)
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        if let Some(closed) = &self.closed {
            return Poll::Ready(Err(closed.clone()));
        }
        let write = self.driver.poll_write(cx);
        if let Some(event) = self.writable() {
            return Poll::Ready(Ok(event));
        }
        match (self.driver.poll_read(cx), write) {
            (Poll::Ready(Ok(event)), _) => Poll::Ready(Ok(event)),
            // What the peer said before it went says more than the failure to write to it.
            (Poll::Ready(Err(closed)), _) | (Poll::Pending, Poll::Ready(Err(closed))) => {
                Poll::Ready(Err(self.end(closed)))
            }
            (Poll::Pending, _) => self.write_answers(cx),
        }
    }

    /// Reading may have queued an answer, such as a pong, that nothing else would write.
    fn write_answers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        if let Poll::Ready(Err(closed)) = self.driver.poll_write(cx) {
            return Poll::Ready(Err(self.end(closed)));
        }
        self.writable().map_or(Poll::Pending, |event| Poll::Ready(Ok(event)))
    }

    fn writable(&mut self) -> Option<Event> {
        let place = self.refused.iter().position(|lane| self.has_room(*lane))?;
        self.refused.swap_remove(place);
        Some(Event::Writable)
    }

    fn end(&mut self, closed: Closed) -> Closed {
        self.closed = Some(closed.clone());
        closed
    }
}

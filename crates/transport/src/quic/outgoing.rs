//! The writing half: one stream for each lane, each with its own queue, so that a stream the peer does not read
//! holds up no other, nor does a lane for which the peer allows no stream.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use anteroom_protocol::record::{put_varint, varint};
use anteroom_protocol::{Batch, LaneId};
use bytes::Bytes;
use quinn::WriteError;

use super::session::{Sending, Session, Waiting, closed};
use crate::error::Closed;

/// Records up to this size are copied, header and all; larger ones are shared with everyone they go to, also while
/// they wait for the peer's acknowledgement.
const COPY_BYTES_MAX: usize = 1024;
/// Control goes before rooms.
const CONTROL_PRIORITY: i32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

pub(super) struct Outgoing {
    side: Side,
    /// What each lane's stream begins with, before the lane's number.
    prefix: Vec<u8>,
    control: Lane,
    /// Those sent on and not ended, in the order in which they were first sent on.
    lanes: Vec<(LaneId, Lane)>,
    /// The stream of the first lane that has none.
    opening: Option<Waiting<Sending>>,
    /// Finished streams whose end the peer has not acknowledged.
    finishing: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    turn: usize,
    written_bytes: u64,
}

struct Lane {
    stream: Option<Sending>,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    ended: bool,
    /// The peer wants nothing more from it, or it is finished.
    deaf: bool,
}

impl Lane {
    fn new(stream: Option<Sending>) -> Self {
        Self { stream, queue: VecDeque::new(), queued_bytes: 0, ended: false, deaf: false }
    }
}

/// Lets QUIC share a batch's payload.
struct Payload(Arc<Batch>);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.0.payload()
    }
}

impl Outgoing {
    pub(super) fn new(side: Side, mut control: Sending, prefix: Vec<u8>) -> Self {
        // Fails only on a stream that is closed; writing to it tells.
        let _ = control.quic().set_priority(CONTROL_PRIORITY);
        Self {
            side,
            prefix,
            control: Lane::new(Some(control)),
            lanes: Vec::new(),
            opening: None,
            finishing: Vec::new(),
            turn: 0,
            written_bytes: 0,
        }
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    /// Whether fewer than so many bytes wait on a lane; clients have one for everything. Lanes that are new do not
    /// gather behind those for which the peer allows no stream.
    pub(super) fn has_room(&self, id: LaneId, bytes_max: usize) -> bool {
        if self.side == Side::Client || id == LaneId::CONTROL {
            return self.control.queued_bytes < bytes_max;
        }
        match self.lanes.iter().find(|(other, lane)| *other == id && !lane.ended) {
            Some((_, lane)) => lane.queued_bytes < bytes_max,
            None => self.opening.is_none(),
        }
    }

    /// How many bytes wait on all lanes that have a stream, or would get one at once.
    pub(super) fn queued_bytes(&self) -> usize {
        let may_go = |lane: &&Lane| lane.stream.is_some() || self.opening.is_none();
        let lanes = self.lanes.iter().map(|(_, lane)| lane).filter(may_go);
        self.control.queued_bytes + lanes.map(|lane| lane.queued_bytes).sum::<usize>()
    }

    /// How many bytes QUIC has taken since the beginning.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Whether nothing waits on any lane.
    pub(super) fn is_empty(&self) -> bool {
        self.control.queued_bytes == 0 && self.lanes.iter().all(|(_, lane)| lane.queued_bytes == 0)
    }

    pub(super) fn record(&mut self, id: LaneId, batch: Arc<Batch>) {
        let (header, header_len) = varint(batch.payload().len() as u64);
        let header = &header[..header_len];
        let (lane, preamble) = self.lane(id);
        if lane.deaf || lane.ended {
            return;
        }
        let before = lane.queue.len();
        lane.queue.extend(preamble);
        if batch.payload().len() <= COPY_BYTES_MAX {
            lane.queue.push_back([header, batch.payload()].concat().into());
        } else {
            lane.queue.push_back(Bytes::copy_from_slice(header));
            lane.queue.push_back(Bytes::from_owner(Payload(batch)));
        }
        lane.queued_bytes += lane.queue.iter().skip(before).map(Bytes::len).sum::<usize>();
    }

    /// The lane, and what a new one's stream begins with.
    fn lane(&mut self, id: LaneId) -> (&mut Lane, Option<Bytes>) {
        if self.side == Side::Client || id == LaneId::CONTROL {
            return (&mut self.control, None);
        }
        let (place, preamble) = match self.lanes.iter().position(|(other, lane)| *other == id && !lane.ended) {
            Some(place) => (place, None),
            None => {
                let mut preamble = self.prefix.clone();
                put_varint(id.0.into(), &mut preamble);
                self.lanes.push((id, Lane::new(None)));
                (self.lanes.len() - 1, Some(preamble.into()))
            }
        };
        (&mut self.lanes[place].1, preamble)
    }

    pub(super) fn end(&mut self, id: LaneId) {
        if self.side == Side::Client || id == LaneId::CONTROL {
            self.control.ended = true;
        } else if let Some((_, lane)) = self.lanes.iter_mut().find(|(other, _)| *other == id) {
            lane.ended = true;
        }
    }

    /// Ready when everything is handed to QUIC.
    pub(super) fn poll_write(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.poll_open(session, cx)?;
        let Self { control, lanes, finishing, written_bytes, .. } = self;
        // What a stream that was stopped does not take would be missing without a word; elsewhere it can be sent again.
        if control.poll_write(written_bytes, cx)?.is_ready() && control.deaf && !control.ended {
            return Poll::Ready(Err(Closed::Lost("the peer stopped the control stream".into())));
        }
        let count = lanes.len();
        for place in 0..count {
            let lane = &mut lanes[(place + self.turn) % count].1;
            // Which of them wait is seen from the bytes left.
            let _ = lane.poll_write(written_bytes, cx)?;
            if lane.deaf && !lane.ended {
                return Poll::Ready(Err(Closed::Lost("the peer stopped a lane's stream".into())));
            }
        }
        self.turn = self.turn.wrapping_add(1);
        let done = |lane: &Lane| lane.ended && lane.queue.is_empty();
        if done(control) && !control.deaf {
            finishing.extend(control.finish());
        }
        lanes.retain_mut(|(_, lane)| {
            let finished = done(lane) && (lane.deaf || lane.stream.is_some());
            if finished {
                finishing.extend(lane.finish());
            }
            !finished
        });
        finishing.retain_mut(|acknowledged| acknowledged.as_mut().poll(cx).is_pending());
        if self.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Gives lanes their streams, one after another.
    fn poll_open(&mut self, session: &Session, cx: &mut Context<'_>) -> Result<(), Closed> {
        while let Some((_, lane)) = self.lanes.iter_mut().find(|(_, lane)| lane.stream.is_none()) {
            let opening = self.opening.get_or_insert_with(|| session.open());
            let Poll::Ready(stream) = opening.as_mut().poll(cx) else { break };
            self.opening = None;
            lane.stream = Some(stream?);
        }
        Ok(())
    }

    /// Finishes every stream and waits until the peer has acknowledged all of them.
    pub(super) async fn settle(mut self) {
        let lanes = self.lanes.iter_mut().map(|(_, lane)| lane);
        self.finishing.extend(lanes.chain([&mut self.control]).filter_map(Lane::finish));
        for acknowledged in std::mem::take(&mut self.finishing) {
            acknowledged.await;
        }
    }
}

/// A client that is dropped has not finished what it wrote: QUIC would finish its control stream, which says just that.
impl Drop for Outgoing {
    fn drop(&mut self) {
        if let (Side::Client, Some(stream)) = (self.side, &mut self.control.stream) {
            // Fails on a stream that was finished, which is as well.
            let _ = stream.quic().reset(0_u32.into());
        }
    }
}

impl Lane {
    /// Ready when nothing is queued. Adds what QUIC takes to `written_bytes`.
    fn poll_write(&mut self, written_bytes: &mut u64, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        while !self.queue.is_empty() {
            let written = pin!(stream.quic().write_chunks(self.queue.make_contiguous())).poll(cx);
            let written = match written {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(written)) => written,
                Poll::Ready(Err(WriteError::ConnectionLost(error))) => return Poll::Ready(Err(closed(error))),
                Poll::Ready(Err(_)) => {
                    self.queued_bytes = 0;
                    self.queue = VecDeque::new();
                    self.deaf = true;
                    break;
                }
            };
            self.queued_bytes -= written.bytes;
            *written_bytes += written.bytes as u64;
            self.queue.drain(..written.chunks);
        }
        Poll::Ready(Ok(()))
    }

    /// Finishes the stream; completes when the peer has all of it, or never will.
    fn finish(&mut self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        self.deaf = true;
        let stream = self.stream.as_mut()?.quic();
        // Fails when it was finished before, or the peer stopped it.
        let _ = stream.finish();
        let acknowledged = stream.stopped();
        Some(Box::pin(async move {
            // Whatever the outcome, there is nothing more to wait for.
            let _ = acknowledged.await;
        }))
    }
}

//! The reading half: records off every stream in turn, and datagrams in between.

use std::pin::pin;
use std::task::{Context, Poll, ready};

use anteroom_protocol::record::{RecordReader, read_datagram};
use anteroom_protocol::{Codec, LaneId};
use bytes::Bytes;
use quinn::ReadError;

use super::outgoing::Side;
use super::session::{Receiving, Session, Waiting};
use crate::connection::Event;
use crate::error::Closed;

/// How much is taken off a stream at once.
const READ_BYTES: usize = 16 << 10;

pub(super) struct Incoming {
    record_bytes_max: usize,
    lanes: Vec<Lane>,
    /// Clients only: the server's next stream.
    accepting: Option<Waiting<Receiving>>,
    datagram: Waiting<Bytes>,
    /// The connection's end, once the datagrams have told.
    end: Option<Closed>,
    turn: usize,
}

struct Lane {
    /// Not known before the stream has said it.
    id: Option<LaneId>,
    stream: Receiving,
    reader: RecordReader,
}

enum Read {
    Record(LaneId, Bytes),
    Ended(Option<LaneId>),
    /// The connection has ended; the datagrams tell why.
    Lost,
}

impl Incoming {
    pub(super) fn new(side: Side, session: &Session, control: Receiving, record_bytes_max: usize) -> Self {
        let reader = RecordReader::new(record_bytes_max);
        Self {
            record_bytes_max,
            lanes: vec![Lane { id: Some(LaneId::CONTROL), stream: control, reader }],
            accepting: (side == Side::Client).then(|| session.accept()),
            datagram: session.datagram(),
            end: None,
            turn: 0,
        }
    }

    /// Puts what has been read off the control stream already before the rest of it.
    pub(super) fn begin_with(&mut self, early: &[u8]) {
        if let Some(control) = self.lanes.first_mut() {
            control.reader.push(early);
        }
    }

    pub(super) fn poll_read(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        self.poll_accept(session, cx);
        self.turn = self.turn.wrapping_add(1);
        // Neither records nor datagrams keep the other waiting.
        if self.turn.is_multiple_of(2)
            && let Poll::Ready(Ok(event)) = self.poll_datagram(session, cx)
        {
            return Poll::Ready(Ok(event));
        }
        if let Poll::Ready(event) = self.poll_lanes(cx) {
            return Poll::Ready(event);
        }
        self.poll_datagram(session, cx)
    }

    /// The connection's end. Datagrams that have not been read are lost to it.
    pub(super) fn poll_end(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            if let Err(closed) = ready!(self.poll_datagram(session, cx)) {
                return Poll::Ready(closed);
            }
        }
    }

    fn poll_accept(&mut self, session: &Session, cx: &mut Context<'_>) {
        while let Some(accepting) = &mut self.accepting {
            match accepting.as_mut().poll(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(stream)) => {
                    self.lanes.push(Lane { id: None, stream, reader: RecordReader::new(self.record_bytes_max) });
                    self.accepting = Some(session.accept());
                }
                Poll::Ready(Err(_)) => self.accepting = None,
            }
        }
    }

    fn poll_lanes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        let mut left = self.lanes.len();
        let mut place = self.turn;
        while left > 0 {
            left -= 1;
            place = (place + 1) % self.lanes.len();
            match self.lanes[place].poll_read(cx)? {
                Poll::Pending => {}
                Poll::Ready(Read::Record(lane, payload)) => {
                    let codec = Codec::of_payload(&payload);
                    return Poll::Ready(Ok(Event::Record { lane: Some(lane), codec, payload }));
                }
                Poll::Ready(read) => {
                    self.lanes.remove(place);
                    if let Read::Ended(Some(lane)) = read {
                        return Poll::Ready(Ok(Event::LaneEnded { lane }));
                    }
                    if self.lanes.is_empty() {
                        break;
                    }
                    // The next one has moved here.
                    place = (place + self.lanes.len() - 1) % self.lanes.len();
                }
            }
        }
        Poll::Pending
    }

    fn poll_datagram(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        if let Some(end) = &self.end {
            return Poll::Ready(Err(end.clone()));
        }
        loop {
            match ready!(self.datagram.as_mut().poll(cx)) {
                Ok(datagram) => {
                    self.datagram = session.datagram();
                    // One that names no lane is dropped, as the network might have done.
                    if let Some((lane, payload)) = read_datagram(datagram) {
                        return Poll::Ready(Ok(Event::Datagram { lane, payload }));
                    }
                }
                Err(closed) => {
                    self.end = Some(closed.clone());
                    return Poll::Ready(Err(closed));
                }
            }
        }
    }
}

impl Lane {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Read, Closed>> {
        loop {
            if let Some(id) = self.id()?
                && let Some(payload) = self.reader.next_record()?
            {
                return Poll::Ready(Ok(Read::Record(id, payload)));
            }
            match ready!(pin!(self.stream.quic().read_chunk(READ_BYTES, true)).poll(cx)) {
                Ok(Some(chunk)) => self.reader.push(&chunk.bytes),
                Err(ReadError::ConnectionLost(_)) => return Poll::Ready(Ok(Read::Lost)),
                // Whoever means to go finishes the stream.
                Err(ReadError::Reset(_)) if self.id == Some(LaneId::CONTROL) => {
                    return Poll::Ready(Err(Closed::Lost("the peer gave the control stream up".into())));
                }
                // A record that is not whole is not a record.
                Ok(None) | Err(_) => return Poll::Ready(Ok(Read::Ended(self.id))),
            }
        }
    }

    fn id(&mut self) -> Result<Option<LaneId>, Closed> {
        if self.id.is_none() {
            self.id = match self.reader.next_varint().map(u32::try_from) {
                None => None,
                Some(Ok(number @ 1..)) => Some(LaneId(number)),
                Some(_) => return Err(Closed::Malformed("a stream names a lane that cannot be".into())),
            };
        }
        Ok(self.id)
    }
}

//! How what is on the lanes gets onto a connection: from whoever put it there, where the connection takes it at once, or
//! by the connection's task.
//!
//! All of it happens under the session's lock, so lanes stay in order whoever writes.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Waker;

use anteroom_core::Time;
use anteroom_core::lanes::{ConnectionId, Lanes, Write};
use anteroom_protocol::{CloseCode, LaneId};
use anteroom_transport::websocket::{Direct, Opening};
use anteroom_transport::{Connection, DatagramRefused};

use super::{Over, State};

/// What came of writing.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Lanes that wait for a snapshot.
    pub(crate) wanted: Vec<LaneId>,
    /// Whether more may wait than the connection has room for.
    pub(crate) is_full: bool,
    /// Whether anything was written at all.
    pub(crate) some: bool,
}

/// One connection of a session, and how it is reached.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) id: ConnectionId,
    pub(super) over: Arc<Over>,
    /// Its task, once that waits for something to do.
    pub(super) waker: Option<Waker>,
    /// Where whoever puts something on a lane writes it at once, as long as the connection takes it.
    pub(super) direct: Option<Direct>,
}

impl Pipe {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    pub(super) fn end(self, code: CloseCode) {
        // It ends once: it is taken from the session for it.
        let _ = self.over.code.set(code);
        self.wake();
    }
}

impl State {
    /// Writes what was just put on a lane, if the connection takes it from here; else tells its task.
    pub(super) fn write_one(&mut self, now: Time, lane: LaneId) {
        let Self { lanes, pipes, .. } = self;
        let Some((pipe, mut opening)) = opening(lanes, pipes) else { return self.wake() };
        let is_done = match lanes.next_on(now, pipe.id, lane) {
            Some(Write::Record(_, batch)) => opening.write(&batch) && lanes.is_idle(lane),
            // Asking takes waiting.
            Some(Write::Snapshot(lane)) => {
                lanes.ask_again(lane);
                false
            }
            Some(Write::LaneEnded(_)) => true,
            Some(Write::Datagram(..)) | None => false,
        };
        if !is_done {
            pipe.wake();
        }
    }

    /// The same with all that waits.
    pub(super) fn write_all(&mut self, now: Time) {
        let Self { lanes, pipes, .. } = self;
        let Some((pipe, mut opening)) = opening(lanes, pipes) else { return self.wake() };
        loop {
            match lanes.next(now, pipe.id, |_| false) {
                None => return,
                Some(Write::Record(_, batch)) if opening.write(&batch) => {}
                Some(Write::Record(..)) => break,
                // There are no datagrams next to a direct writer.
                Some(Write::Datagram(..)) => {}
                // Asking takes waiting.
                Some(Write::Snapshot(lane)) => {
                    lanes.ask_again(lane);
                    break;
                }
                Some(Write::LaneEnded(_)) => {}
            }
        }
        pipe.wake();
    }

    fn pipe(&self, id: ConnectionId) -> Option<&Pipe> {
        self.pipes.iter().find(|pipe| pipe.id == id)
    }

    /// Tells whoever writes that there is something.
    pub(super) fn wake(&self) {
        if let Some(pipe) = self.lanes.attached().and_then(|id| self.pipe(id)) {
            pipe.wake();
        }
    }

    /// Moves what waits into a connection. Nobody else writes meanwhile, so lanes stay in order.
    pub(super) fn write_on(&mut self, now: Time, id: ConnectionId, connection: &mut Connection) -> Written {
        let mut written = Written::default();
        loop {
            let full = RefCell::new(Vec::new());
            let is_full = |lane| {
                let is_full = !connection.has_room(lane);
                if is_full {
                    full.borrow_mut().push(lane);
                }
                is_full
            };
            let write = self.lanes.next(now, id, is_full);
            for lane in full.into_inner() {
                written.is_full = true;
                connection.want_room(lane);
            }
            match write {
                Some(Write::Record(lane, batch)) => {
                    // The lane has let go of it.
                    connection.queue(lane, batch);
                    written.some = true;
                }
                Some(Write::Datagram(lane, key, message)) => {
                    let sent = connection.send_datagram(lane, message.payload());
                    // What does not fit goes the way it goes where there are no datagrams; others may be lost.
                    if let Err(DatagramRefused::TooLarge { .. }) = sent {
                        self.lanes.put_back(now, lane, key, message);
                    }
                }
                Some(Write::Snapshot(lane)) => written.wanted.push(lane),
                Some(Write::LaneEnded(lane)) => {
                    connection.end_lane(lane);
                    written.some = true;
                }
                None => return written,
            }
        }
    }
}

/// The right to write on the connection that carries the lanes, if it takes what is written from here.
fn opening<'a>(lanes: &Lanes, pipes: &'a [Pipe]) -> Option<(&'a Pipe, Opening<'a>)> {
    let attached = lanes.attached()?;
    let pipe = pipes.iter().find(|pipe| pipe.id == attached)?;
    let direct = pipe.direct.as_ref().filter(|_| !lanes.is_beyond_hope())?;
    Some((pipe, direct.open()?))
}

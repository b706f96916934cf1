//! One connection: what comes on it goes to its session, and what the session has to say is written on it.
//!
//! One task owns the connection. It is the only place that closes it, once, with one code. The session outlives it:
//! a connection that is lost leaves its session waiting for another one.
//!
//! Futures of what is rare are boxed where they are awaited: a task is as large as the largest thing it ever does, and
//! most connections do nothing.

mod alarm;
mod ending;
mod handshake;
mod incoming;
mod own;
mod resume;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anteroom_protocol::message::Message;
use anteroom_protocol::message::resume::Ack;
use anteroom_protocol::{Batch, CloseCode, Codec, Header, LaneId};
use anteroom_transport::{Closed, Connection, Event};
use tokio::time::Instant;

use crate::carrier::{Attended, Place, Written};
use crate::lifecycle::Lifecycle;
use crate::panics::caught;
use crate::parts::Parts;
use crate::services::Services;
use crate::session::{Membership, Session};
use crate::settings::Settings;
use crate::slice::Slice;
use alarm::Alarm;
use ending::{End, closed_end};
use own::Own;

/// How a connection came in.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The origin of the page, if a browser sent one.
    pub(crate) origin: Option<String>,
    /// The host, and perhaps a port, that a browser has asked for to get a page.
    pub(crate) authority: Option<String>,
    /// The codec that a WebSocket asked for; elsewhere the handshake says.
    pub(crate) codec: Option<Codec>,
}

/// The session of a connection, and the connection's place on it.
#[derive(Debug, Clone)]
struct Carried {
    session: Arc<Session>,
    place: Place,
    /// Whether a message has come since the handshake: the client has its token.
    is_proven: bool,
}

/// See the module.
struct ConnectionTask {
    services: Arc<Services>,
    lifecycle: Arc<Lifecycle>,
    settings: Arc<Settings>,
    connection: Connection,
    arrival: Arrival,
    carried: Option<Carried>,
    /// What concerns this connection alone, and goes before what is on the lanes.
    own: Own,
    stalled: Option<Stall>,
    alarm: Alarm,
    /// Whether others may write on it.
    is_open: bool,
    /// How many events came since it was last attended to.
    unattended: u8,
    /// What it does before others get their turn.
    slice: Slice,
}

/// What there is to do for a connection.
enum Turn {
    /// To handle what came.
    Event(Result<Event, Closed>),
    /// To ask rooms for snapshots on these lanes.
    Ask(Vec<LaneId>),
}

/// How many events in a row are handled before what waits to be written is.
const UNATTENDED_MAX: u8 = 16;

/// Something waits to be written, and nothing is.
#[derive(Debug, Clone, Copy)]
struct Stall {
    written_bytes: u64,
    deadline: Instant,
}

/// Runs a connection from its first byte to its last. `permit` is dropped with it.
pub(crate) async fn run<P>(parts: Parts, connection: Connection, arrival: Arrival, permit: P) {
    parts.lifecycle.restored.cancelled().await;
    Box::pin(carry(parts, connection, arrival)).await;
    drop(permit);
}

async fn carry(parts: Parts, connection: Connection, arrival: Arrival) {
    let Parts { services, lifecycle, settings } = parts;
    let mut task = ConnectionTask {
        services,
        lifecycle,
        settings,
        connection,
        arrival,
        carried: None,
        own: Own::default(),
        stalled: None,
        alarm: Alarm::default(),
        is_open: false,
        unattended: 0,
        slice: Slice::counted(),
    };
    let Arrival { origin, authority, .. } = &task.arrival;
    let end = if task.services.origins.allow(origin.as_deref(), authority.as_deref()) {
        caught(task.converse()).await.unwrap_or_else(End::Failed)
    } else {
        tracing::info!(origin, "origin refused");
        End::from(CloseCode::OriginRefused)
    };
    let (carried, sessions) = (task.carried.clone(), task.services.sessions.clone());
    if let Err(why) = caught(Box::pin(task.finish(end))).await {
        tracing::error!(why, "the end of a connection failed");
        // Whatever else, the session has to know that the connection is gone.
        if let Some(Carried { session, place, .. }) = carried {
            sessions.away(&session, place.id);
        }
    }
}

impl ConnectionTask {
    /// Reads and writes until there is a reason to stop.
    async fn converse(&mut self) -> End {
        let deadline = Instant::now() + self.settings.connection.handshake_max;
        // Boxed, so that a session does not carry the state of its beginning around for the rest of its life.
        match Box::pin(self.take_turns(Some(deadline))).await {
            Some(end) => end,
            None => {
                // It was set for the handshake.
                self.alarm = Alarm::default();
                self.take_turns(None).await.unwrap_or(End::Goodbye)
            }
        }
    }

    /// Reads and writes in turn; gives the reason to stop, or nothing if there is a session before the deadline.
    async fn take_turns(&mut self, deadline: Option<Instant>) -> Option<End> {
        let lifecycle = self.lifecycle.clone();
        let mut shutdown = pin!(lifecycle.shutdown.begun());
        let mut hears_of_shutdown = false;
        loop {
            let turn = poll_fn(|cx| {
                // Polled once, it wakes this task; that it has come is cheaper to see elsewhere.
                if !std::mem::replace(&mut hears_of_shutdown, true) {
                    let _ = shutdown.as_mut().poll(cx);
                }
                self.poll_turn(deadline, cx)
            });
            let done = match turn.await {
                Ok(Turn::Event(event)) => self.on_event(event).await,
                Ok(Turn::Ask(lanes)) => {
                    self.ask_for_snapshots(lanes);
                    Ok(())
                }
                Err(end) => Err(end),
            };
            if let Err(end) = done {
                return Some(end);
            }
            if deadline.is_some() && self.carried.is_some() {
                return None;
            }
            self.slice.give_way().await;
        }
    }

    /// Waits for something to do, or a reason to stop. What comes is read first, since mostly it is what there is; but
    /// nothing is kept waiting by it.
    fn poll_turn(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<Result<Turn, End>> {
        if self.lifecycle.shutdown.has_begun() {
            return Poll::Ready(Err(CloseCode::ShuttingDown.into()));
        }
        if self.unattended < UNATTENDED_MAX
            && let Poll::Ready(event) = self.poll_event(cx)
        {
            self.unattended += 1;
            return Poll::Ready(Ok(Turn::Event(event)));
        }
        let now = Instant::now();
        let Attended { written, ack_at, wants_topics, .. } = self.attend(deadline, now, cx)?;
        if wants_topics {
            self.catch_up();
            cx.waker().wake_by_ref();
        }
        if !written.wanted.is_empty() {
            return Poll::Ready(Ok(Turn::Ask(written.wanted)));
        }
        let skipped = std::mem::take(&mut self.unattended) == UNATTENDED_MAX;
        if (written.some || skipped)
            && let Poll::Ready(event) = self.poll_event(cx)
        {
            return Poll::Ready(Ok(Turn::Event(event)));
        }
        let stalled_at = self.watch_progress(now)?;
        if let Some(at) = [ack_at, stalled_at].into_iter().flatten().min() {
            self.alarm.set(at, now, cx);
        }
        self.slice.begin();
        Poll::Pending
    }

    /// Reads what comes, unless too much waits of what is said for it.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        if !self.own.is_much() {
            return self.connection.poll_recv(cx);
        }
        match self.connection.poll_flush(cx) {
            Poll::Ready(Err(closed)) => Poll::Ready(Err(closed)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Does what is due: writes, acknowledges, and finds reasons to stop. Gives what was written, and when there is
    /// something to do again.
    fn attend(&mut self, deadline: Option<Instant>, now: Instant, cx: &mut Context<'_>) -> Result<Attended, End> {
        let own = self.own.write(&mut self.connection);
        let Some(Carried { session, place, .. }) = &self.carried else {
            // Only while nothing is being handled: what has begun is not cut short.
            let is_late = deadline.is_some_and(|deadline| deadline <= now);
            let waits = Attended { written: own, ack_at: deadline, ..Attended::default() };
            return if is_late { Err(CloseCode::HandshakeTimeout.into()) } else { Ok(waits) };
        };
        let opens = !own.is_full && !std::mem::replace(&mut self.is_open, true);
        let mut attended = session.carrier.attend(place.id, now, &mut self.connection, cx.waker(), opens);
        if let Some(code) = place.over.code() {
            return Err(End::Displaced(code));
        }
        if attended.has_overflowed {
            return Err(CloseCode::SlowConsumer.into());
        }
        attended.written.some |= own.some;
        let counts = std::mem::take(&mut attended.ack);
        if !counts.is_empty() {
            let codec = session.codec;
            self.say(Batch::one(codec, &Header::new(Ack::TYPE), &Ack { counts }));
            attended.written.some |= self.own.write(&mut self.connection).some;
        }
        Ok(attended)
    }

    /// Gives up a connection on which something waits for the client to read, and nothing is written for too long.
    fn watch_progress(&mut self, now: Instant) -> Result<Option<Instant>, End> {
        if self.connection.queued_bytes() == 0 {
            self.stalled = None;
            return Ok(None);
        }
        let written_bytes = self.connection.written_bytes();
        let stall = self
            .stalled
            .filter(|stall| stall.written_bytes == written_bytes)
            .unwrap_or_else(|| Stall { written_bytes, deadline: now + self.settings.connection.stall_max });
        self.stalled = Some(stall);
        if stall.deadline <= now { Err(CloseCode::SlowConsumer.into()) } else { Ok(Some(stall.deadline)) }
    }

    async fn on_event(&mut self, event: Result<Event, Closed>) -> Result<(), End> {
        self.slice.spend(0);
        match event {
            Ok(Event::Record { codec, payload, .. }) => {
                self.slice.spend_more(payload.len());
                self.on_payload(codec, payload).await
            }
            Ok(Event::Datagram { lane, payload }) => {
                self.slice.spend_more(payload.len());
                self.on_datagram(lane, &payload).await
            }
            Ok(Event::LaneEnded { lane: LaneId::CONTROL }) => Err(End::Finished),
            Ok(_) => Ok(()),
            Err(closed) => Err(closed_end(closed)),
        }
    }

    /// Gives the client what it watches anew: it was behind, and has read what there was.
    fn catch_up(&self) {
        let Some(Carried { session, .. }) = &self.carried else { return };
        for topic in session.carrier.wanted_topics() {
            let lobby = &self.services.lobby;
            if topic == lobby.topic.name
                && let Err(error) = lobby.catch_up(&session.carrier)
            {
                tracing::error!(?error, "a list could not be given anew");
            }
        }
    }

    /// Asks rooms for the snapshots that lanes wait for. The connection does not wait for a room whose mailbox is full.
    fn ask_for_snapshots(&self, lanes: Vec<LaneId>) {
        let Some(Carried { session, .. }) = self.carried.clone() else { return };
        for lane in lanes {
            // Of a room that has not let the session in yet it is asked again when it has, and one that was left ends the
            // lane with its last message.
            if let Some(Membership { room, member, .. }) = session.membership(lane) {
                room.ask_for_snapshot(member, session.carrier.presence());
            }
        }
    }

    /// Moves what waits into the connection, as far as it has room.
    fn write(&mut self) -> Written {
        let own = self.own.write(&mut self.connection);
        let Some(Carried { session, place, .. }) = &self.carried else { return own };
        let mut written = session.carrier.write_on(place.id, &mut self.connection);
        written.is_full |= own.is_full;
        written
    }
}

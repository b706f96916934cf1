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
mod limits;
mod own;
mod resume;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::resume::Ack;
use anteroom_protocol::message::table::SessionRequest;
use anteroom_protocol::message::{Message, Request, RequestKind};
use anteroom_protocol::{Batch, CloseCode, Codec, Envelope, ErrorBody, Header, LaneId};
use anteroom_transport::{Closed, Connection, Event};
use bytes::Bytes;
use tokio::time::Instant;

use crate::carrier::{Attended, Place, Written};
use crate::lifecycle::Lifecycle;
use crate::panics::caught;
use crate::parts::Parts;
use crate::permission::{self, Channel};
use crate::requests::answer::Refused;
use crate::requests::{Answer, Call, Stop};
use crate::services::Services;
use crate::session::{Membership, Session};
use crate::settings::Settings;
use crate::slice::Slice;
use alarm::Alarm;
use ending::{End, closed_end, malformed};
pub(crate) use limits::ConnectionLimits;
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
    Box::pin(carry(parts, connection, arrival)).await;
    drop(permit);
}

async fn carry(parts: Parts, connection: Connection, arrival: Arrival) {
    let Parts { services, lifecycle, settings } = parts;
    let mut pipe = ConnectionTask {
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
    let Arrival { origin, authority, .. } = &pipe.arrival;
    let end = if pipe.services.origins.allow(origin.as_deref(), authority.as_deref()) {
        caught(pipe.converse()).await.unwrap_or_else(End::Failed)
    } else {
        tracing::info!(origin, "origin refused");
        End::from(CloseCode::OriginRefused)
    };
    let (carried, sessions) = (pipe.carried.clone(), pipe.services.sessions.clone());
    if let Err(why) = caught(Box::pin(pipe.finish(end))).await {
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
                tracing::error!(%error, "a list could not be encoded");
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

    async fn on_payload(&mut self, codec: Codec, payload: Bytes) -> Result<(), End> {
        let is_text = codec == Codec::Json;
        match self.carried.as_ref().map(|carried| carried.session.codec) {
            Some(agreed) if agreed == codec => {}
            // Handshakes and goodbyes are JSON in every codec.
            _ if is_text => return Box::pin(self.on_handshake_codec(&payload)).await,
            None if self.arrival.codec.is_none() => return Err(malformed("the first message must be JSON")),
            _ => return Err(CloseCode::WrongFrameKind.into()),
        }
        let messages = decode_batch(codec, &payload).map_err(malformed)?;
        for message in messages {
            let message = message.map_err(malformed)?;
            self.on_message(&payload, &message)?;
            self.slice.spend(0);
            self.slice.give_way().await;
        }
        Ok(())
    }

    fn on_message(&mut self, payload: &Bytes, message: &Envelope<'_>) -> Result<(), End> {
        if let Some(Carried { session, place, is_proven }) = &mut self.carried {
            if let Some(code) = place.over.code() {
                // What still comes on a connection that was displaced concerns nobody.
                return Err(End::Displaced(code));
            }
            if !std::mem::replace(is_proven, true) {
                session.carrier.heard(place.id);
            }
        }
        self.pass_on(payload, message, Channel::InTurn)
    }

    /// Asks whether a message of the session is allowed, has it handled, and says what there is to say.
    fn pass_on(&mut self, payload: &Bytes, message: &Envelope<'_>, channel: Channel<'_>) -> Result<(), End> {
        let Some(Carried { session, place, .. }) = &self.carried else { return Ok(()) };
        let kind = RequestKind::of(message);
        let call = Call {
            services: &self.services,
            lifecycle: &self.lifecycle,
            session,
            connection: place.id,
            payload,
            message,
        };
        let outcome = match permission::allow(kind, message, channel) {
            Ok(()) => call.handle(kind),
            Err(stop) => call.refuse(kind, stop),
        };
        match outcome {
            Ok(Answer::Later) | Err(Stop::Ignore) => return Ok(()),
            Ok(Answer::Connection(batch)) => {
                self.say(Ok(batch));
                return Ok(());
            }
            Ok(Answer::Control(batch)) => self.put(Ok(batch)),
            Ok(Answer::Said(bytes)) => self.slice.spend_more(bytes),
            Err(Stop::Refuse(error)) => self.refuse(message, error),
            Err(Stop::Close(code)) => return Err(code.into()),
            Err(Stop::Goodbye) => return Err(End::Goodbye),
        }
        // A batch may ask for more than anyone can be given.
        let is_beyond_hope = self.carried.as_ref().is_some_and(|carried| carried.session.carrier.is_beyond_hope());
        if is_beyond_hope { Err(CloseCode::SlowConsumer.into()) } else { Ok(()) }
    }

    /// Reads JSON where the session has not agreed on it: before the handshake, or in a binary session.
    async fn on_handshake_codec(&mut self, payload: &Bytes) -> Result<(), End> {
        for message in decode_batch(Codec::Json, payload).map_err(malformed)? {
            let message = message.map_err(malformed)?;
            match self.carried.as_ref().map(|carried| carried.session.codec) {
                // Something followed the handshake in the same batch.
                Some(Codec::Json) => self.on_message(payload, &message)?,
                Some(Codec::Bincode) => self.on_opening(&message, Channel::Json)?,
                None => self.on_opening(&message, Channel::NoSession)?,
            }
            self.slice.spend(0);
            self.slice.give_way().await;
        }
        Ok(())
    }

    /// Does what begins a session, or goes on with one, and what ends a connection however it is said.
    fn on_opening(&mut self, message: &Envelope<'_>, channel: Channel<'_>) -> Result<(), End> {
        let kind = RequestKind::of(message);
        let allowed = permission::allow(kind, message, channel);
        match allowed.map(|()| Request::parse(kind, message)) {
            Ok(Ok(Request::Session(SessionRequest::Handshake(handshake)))) => self.on_handshake(&handshake, message),
            Ok(Ok(Request::Session(SessionRequest::Reconnect(reconnect)))) => self.on_reconnect(reconnect, message),
            Ok(Err(error)) if kind == RequestKind::Reconnect => {
                self.refuse_unreadable_reconnect(message, &error);
                Ok(())
            }
            Ok(Err(error)) => {
                self.refuse_unreadable_handshake(message, &error);
                Ok(())
            }
            // Besides, only a goodbye is allowed here.
            Ok(Ok(_)) | Err(Stop::Goodbye) => Err(End::Goodbye),
            Err(Stop::Refuse(error)) => {
                self.refuse(message, error);
                Ok(())
            }
            Err(Stop::Close(code)) => Err(code.into()),
            Err(Stop::Ignore) => Ok(()),
        }
    }

    /// Hands player input that came as a datagram to the room whose lane it names. A datagram may overtake what gives
    /// it a meaning, or come too late; one that means nothing is dropped, as the network might have done.
    async fn on_datagram(&mut self, lane: LaneId, payload: &Bytes) -> Result<(), End> {
        let Some(Carried { session, .. }) = &self.carried else { return Ok(()) };
        let Some(membership) = session.membership(lane) else { return Ok(()) };
        let (codec, room_id) = (session.codec, *membership.room.room_id());
        if Codec::of_payload(payload) != codec {
            return Ok(());
        }
        for message in decode_batch(codec, payload).map_err(malformed)? {
            // What may overtake others moves no mark past them.
            let message = Envelope { n: None, ..message.map_err(malformed)? };
            self.pass_on(payload, &message, Channel::Datagram(room_id.as_str()))?;
            self.slice.spend(0);
            self.slice.give_way().await;
        }
        Ok(())
    }

    /// Refuses a message on the control lane: as the request's result if it can be told, else as `error`.
    fn refuse(&mut self, message: &Envelope<'_>, error: ErrorBody) {
        let codec = self.carried.as_ref().map_or(Codec::Json, |carried| carried.session.codec);
        let Envelope { kind, room_id, n, reference, .. } = message;
        let refused = Refused { kind, room_id: room_id.as_deref(), n: *n };
        self.put(refused.answer(codec, reference.as_ref(), error));
    }

    /// Puts an answer on the control lane; before there is one, on the connection alone.
    fn put(&mut self, batch: Result<Batch, InvalidData>) {
        match (batch, &self.carried) {
            (Ok(batch), Some(Carried { session, .. })) => {
                self.slice.spend_more(batch.payload().len());
                session.put_control(batch);
            }
            (batch, None) => self.say(batch),
            (Err(error), _) => tracing::error!(%error, "an answer could not be encoded"),
        }
    }

    /// Says something that concerns this connection alone, and does not count.
    fn say(&mut self, batch: Result<Batch, InvalidData>) {
        match batch {
            Ok(batch) => {
                self.slice.spend_more(batch.payload().len());
                self.own.say(batch);
            }
            Err(error) => tracing::error!(%error, "an answer could not be encoded"),
        }
    }
}

//! One session: an authenticated client and its connection.
//!
//! One task owns the connection. It reads what the client sends and hands it on, and writes what has gathered in
//! the [`Outbox`]. It is the only place that closes a connection, once, with one code.

mod handshake;
mod router;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anteroom_core::flush::Outgoing;
use anteroom_core::room::MemberId;
use anteroom_protocol::envelope::{Empty, Ref, decode_batch};
use anteroom_protocol::limits::TYPE_BYTES_MAX;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::Goodbye;
use anteroom_protocol::{Batch, CloseCode, Codec, Envelope, ErrorBody, Header, LaneId, SessionId};
use anteroom_transport::{Closed, Connection, DatagramRefused, Event};
use bytes::Bytes;
use tokio::time::{sleep, timeout_at};

use crate::identity::Identity;
use crate::outbox::{Next, Outbox};
use crate::rooms::RoomHandle;
use crate::shared::Shared;
use router::Route;

/// How a connection came in.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The origin of the page, if a browser sent one.
    pub(crate) origin: Option<String>,
    /// The codec that a WebSocket asked for; elsewhere the handshake says.
    pub(crate) codec: Option<Codec>,
}

/// Why a session's loop ends.
#[derive(Debug)]
enum End {
    /// We close, and say why.
    Close(CloseCode, String),
    /// The client said goodbye: it gives its seats up.
    Goodbye,
    /// The connection is gone.
    Lost(Closed),
}

impl From<CloseCode> for End {
    fn from(code: CloseCode) -> Self {
        Self::Close(code, code.sentence().to_owned())
    }
}

/// How far a session's loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Established,
    Ended,
}

/// A room this session is in.
#[derive(Debug)]
struct Membership {
    room: RoomHandle,
    lane: LaneId,
    member: MemberId,
}

/// What a session is once the handshake is done.
#[derive(Debug)]
struct Established {
    id: SessionId,
    identity: Identity,
    codec: Codec,
    rooms: Vec<Membership>,
    last_lane: LaneId,
    subscribed: bool,
}

struct Session {
    shared: Arc<Shared>,
    connection: Connection,
    arrival: Arrival,
    outbox: Arc<Outbox>,
    /// The next batch of each lane that the connection has no room for.
    held_back: Vec<(LaneId, Arc<Batch>)>,
    established: Option<Established>,
}

/// Runs a session from its first byte to its last.
pub(crate) async fn run(shared: Arc<Shared>, connection: Connection, arrival: Arrival) {
    let outbox = Outbox::new(shared.config.limits.outbox_bytes_max as usize, connection.max_datagram_size());
    let mut session = Session { shared, connection, arrival, outbox, held_back: Vec::new(), established: None };
    let end = if session.shared.origins.allow(session.arrival.origin.as_deref()) {
        session.converse().await
    } else {
        tracing::info!(origin = session.arrival.origin, "origin refused");
        End::from(CloseCode::OriginRefused)
    };
    session.finish(end).await;
}

impl Session {
    /// Reads and writes until there is a reason to stop.
    async fn converse(&mut self) -> End {
        let deadline = sleep(Duration::from_millis(self.shared.config.times.handshake_ms));
        // Boxed, so that a session does not carry the state of its beginning around for the rest of its life.
        match Box::pin(self.take_turns(Until::Established, deadline)).await {
            Some(end) => end,
            None => self.take_turns(Until::Ended, std::future::pending()).await.unwrap_or(End::Goodbye),
        }
    }

    /// Reads and writes in turn; gives the reason to stop, or nothing if it came as far as it was to.
    async fn take_turns(&mut self, until: Until, deadline: impl Future<Output = ()>) -> Option<End> {
        let mut deadline = pin!(deadline);
        let shared = self.shared.clone();
        let mut shutdown = pin!(shared.shutdown.cancelled());
        loop {
            self.write();
            if self.outbox.has_overflowed() {
                return Some(CloseCode::SlowConsumer.into());
            }
            let event = tokio::select! {
                event = self.connection.recv() => event,
                () = self.outbox.filled() => continue,
                () = &mut shutdown => return Some(CloseCode::ShuttingDown.into()),
                // Only while nothing is being handled: what has begun is not cut short.
                () = &mut deadline => return Some(CloseCode::HandshakeTimeout.into()),
            };
            let handled = match event {
                Ok(Event::Record { codec, payload, .. }) => self.on_payload(codec, payload).await,
                Ok(Event::Datagram { lane, payload }) => self.on_datagram(lane, &payload),
                // The client will say no more; what is on its way to it still gets there.
                Ok(Event::LaneEnded { lane: LaneId::CONTROL }) => Err(End::Goodbye),
                Ok(_) => Ok(()),
                Err(closed) => Err(closed_end(closed)),
            };
            if let Err(end) = handled {
                return Some(end);
            }
            if until == Until::Established && self.established.is_some() {
                return None;
            }
        }
    }

    /// Moves what waits into the connection, as far as it has room.
    fn write(&mut self) {
        for (lane, batch) in std::mem::take(&mut self.held_back) {
            self.send(lane, batch);
        }
        while let Some(next) = self.outbox.next(|lane| self.held_back.iter().any(|(held, _)| *held == lane)) {
            match next {
                Next::Record(lane, batch) => self.send(lane, batch),
                Next::Datagram(lane, key, message) => {
                    let sent = self.connection.send_datagram(lane, message.payload());
                    // What does not fit goes the way it goes where there are no datagrams; others may be lost.
                    if let Err(DatagramRefused::TooLarge { .. }) = sent {
                        self.outbox.put(lane, Outgoing::Latest { key, message });
                    }
                }
                Next::LaneEnded(lane) => {
                    self.connection.end_lane(lane);
                    if let Some(established) = &mut self.established {
                        established.rooms.retain(|membership| membership.lane != lane);
                    }
                }
            }
        }
    }

    fn send(&mut self, lane: LaneId, batch: Arc<Batch>) {
        if let Err(batch) = self.connection.try_send(lane, batch) {
            self.held_back.push((lane, batch));
        }
    }

    /// Moves everything that waits into the connection, as it gets room, and out of it.
    async fn write_all(&mut self) {
        loop {
            self.write();
            let was_all = self.held_back.is_empty();
            if self.connection.flush().await.is_err() || was_all {
                return;
            }
        }
    }

    async fn on_payload(&mut self, codec: Codec, payload: Bytes) -> Result<(), End> {
        let is_text = codec == Codec::Json;
        match self.established.as_ref().map(|established| established.codec) {
            Some(agreed) if agreed == codec => {}
            // Handshakes and goodbyes are JSON in every codec.
            _ if is_text => return self.on_ceremony(&payload).await,
            None if self.arrival.codec.is_none() => return Err(malformed("the first message must be JSON")),
            _ => return Err(CloseCode::WrongFrameKind.into()),
        }
        let messages = decode_batch(codec, &payload).map_err(malformed)?;
        for message in messages {
            let message = message.map_err(malformed)?;
            self.on_message(&payload, &message).await?;
        }
        Ok(())
    }

    async fn on_message(&mut self, payload: &Bytes, message: &Envelope<'_>) -> Result<(), End> {
        let routed = match self.route(payload, message)? {
            // Waiting for a room is rare, so its state is not part of every session.
            Route::AskRoom => Box::pin(self.ask_room(message)).await,
            Route::Done(done) => done,
        };
        if let Err(error) = routed {
            self.refuse(message, error);
        }
        // A batch may ask for more than anyone can be given.
        if self.outbox.is_beyond_hope() { Err(CloseCode::SlowConsumer.into()) } else { Ok(()) }
    }

    /// Reads JSON where the session has not agreed on it: before the handshake, or in a binary session.
    async fn on_ceremony(&mut self, payload: &Bytes) -> Result<(), End> {
        for message in decode_batch(Codec::Json, payload).map_err(malformed)? {
            let message = message.map_err(malformed)?;
            if self.established.as_ref().is_some_and(|established| established.codec == Codec::Json) {
                // Something followed the handshake in the same batch.
                self.on_message(payload, &message).await?;
                continue;
            }
            match (message.kind.as_ref(), &self.established) {
                ("goodbye", _) => return Err(End::Goodbye),
                ("handshake", None) => self.on_handshake(&message)?,
                ("reconnect", None) => self.on_reconnect(&message),
                (_, None) => return Err(CloseCode::HandshakeRequired.into()),
                ("handshake" | "reconnect", Some(_)) => self.refuse_second_handshake(&message),
                _ => return Err(CloseCode::WrongFrameKind.into()),
            }
        }
        Ok(())
    }

    /// Hands player input that came as a datagram to the room whose lane it names. A datagram may overtake what gives
    /// it a meaning, or come too late; one that means nothing is dropped, as the network might have done.
    fn on_datagram(&mut self, lane: LaneId, payload: &Bytes) -> Result<(), End> {
        let Some(established) = &self.established else { return Ok(()) };
        let Some(membership) = established.rooms.iter().find(|membership| membership.lane == lane) else {
            return Ok(());
        };
        let (codec, room_id) = (established.codec, membership.room.room_id);
        if Codec::of_payload(payload) != codec {
            return Ok(());
        }
        for message in decode_batch(codec, payload).map_err(malformed)? {
            let message = message.map_err(malformed)?;
            if message.room_id.as_deref() == Some(room_id.as_str())
                && let Route::Done(Err(error)) = self.route(payload, &message)?
            {
                self.refuse(&message, error);
            }
        }
        Ok(())
    }

    /// Answers a request on the control lane.
    fn answer<T: anteroom_protocol::Body>(&self, codec: Codec, kind: &str, reference: Option<&Ref>, data: &T) {
        let header = Header { reference, success: Some(true), ..Header::new(kind) };
        self.put(Batch::one(codec, &header, data));
    }

    /// Refuses a message on the control lane: as the request's result if it can be told, else as `error`.
    fn refuse(&self, message: &Envelope<'_>, error: ErrorBody) {
        let codec = self.established.as_ref().map_or(Codec::Json, |established| established.codec);
        let error = match (&error.details, &message.room_id) {
            (Some(_), _) => error,
            (None, Some(room_id)) => error.with_details(&Refusal { kind: &message.kind, room_id: Some(room_id) }),
            (None, None) => error.with_details(&Refusal { kind: &message.kind, room_id: None }),
        };
        let result;
        let kind = match message.reference {
            // Where the answer's type would be too long for one, it is that of any failure.
            Some(_) if message.kind.len() + RESULT.len() <= TYPE_BYTES_MAX => {
                result = format!("{}{RESULT}", message.kind);
                &result
            }
            _ => "error",
        };
        let reference = message.reference.as_ref();
        let header = Header { reference, success: Some(false), error: Some(&error), ..Header::new(kind) };
        self.put(Batch::one(codec, &header, &Empty {}));
    }

    fn put(&self, batch: Result<Batch, anteroom_protocol::codec::InvalidData>) {
        match batch {
            Ok(batch) => self.outbox.put_control(batch),
            Err(error) => tracing::error!(%error, "an answer could not be encoded"),
        }
    }

    /// Tells the rooms, then the client, and closes.
    async fn finish(mut self, end: End) {
        if let Some(established) = self.established.take() {
            if established.subscribed {
                self.shared.lobby.unsubscribe(established.id);
            }
            for Membership { room, member, .. } in established.rooms {
                match end {
                    // One that is over needs no telling.
                    End::Goodbye => drop(room.leave(member, None).await),
                    End::Close(..) | End::Lost(_) => room.disconnect(member).await,
                }
            }
            let why = match &end {
                End::Close(code, _) => code.to_string(),
                End::Goodbye => "goodbye".to_owned(),
                End::Lost(closed) => closed.to_string(),
            };
            tracing::info!(session_id = %established.id, user_id = %established.identity.user_id, why, "session ended");
        }
        match end {
            End::Close(code, reason) => {
                if let (CloseCode::ShuttingDown, Some(deadline)) = (code, self.shared.shutdown_deadline.get()) {
                    // Who has not read it all by then does not get the rest.
                    drop(timeout_at(*deadline, self.write_all()).await);
                }
                self.write();
                let goodbye = Goodbye { code: code.number(), reason: reason.clone() };
                if let Ok(batch) = Batch::one(Codec::Json, &Header::new(Goodbye::TYPE), &goodbye) {
                    // A client that does not read learns the code from the transport alone.
                    drop(self.connection.try_send(LaneId::CONTROL, Arc::new(batch)));
                }
                self.connection.close(code.number(), &reason).await;
            }
            End::Goodbye => {
                self.write();
                self.connection.close(NORMAL_CLOSURE, "").await;
            }
            End::Lost(_) => {}
        }
    }
}

/// What the type of an answer ends in.
const RESULT: &str = "_result";

/// RFC 6455, section 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

#[derive(serde::Serialize)]
struct Refusal<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a str>,
}

fn malformed(why: impl std::fmt::Display) -> End {
    let reason = format!("The message cannot be read: {why}.");
    End::Close(CloseCode::Malformed, anteroom_protocol::code::close_reason(&reason).to_owned())
}

fn closed_end(closed: Closed) -> End {
    match closed {
        Closed::TooLarge { .. } => CloseCode::MessageTooLarge.into(),
        Closed::Malformed(why) => malformed(why),
        Closed::Silence => CloseCode::Silence.into(),
        closed => End::Lost(closed),
    }
}

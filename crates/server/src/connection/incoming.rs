//! What comes on a connection: read, permitted or not, and passed on to whoever handles it.
//!
//! What a request does is not known here; see [`requests`](crate::requests).

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::table::SessionRequest;
use anteroom_protocol::message::{Request, RequestKind};
use anteroom_protocol::{Batch, CloseCode, Codec, Envelope, ErrorBody, LaneId};
use bytes::Bytes;

use super::ending::{End, malformed};
use super::{Carried, ConnectionTask};
use crate::permission::{self, Channel};
use crate::requests::answer::Refused;
use crate::requests::{Answer, Call, Stop};

impl ConnectionTask {
    pub(super) async fn on_payload(&mut self, codec: Codec, payload: Bytes) -> Result<(), End> {
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
    pub(super) async fn on_datagram(&mut self, lane: LaneId, payload: &Bytes) -> Result<(), End> {
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
    pub(super) fn refuse(&mut self, message: &Envelope<'_>, error: ErrorBody) {
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
    pub(super) fn say(&mut self, batch: Result<Batch, InvalidData>) {
        match batch {
            Ok(batch) => {
                self.slice.spend_more(batch.payload().len());
                self.own.say(batch);
            }
            Err(error) => tracing::error!(%error, "an answer could not be encoded"),
        }
    }
}

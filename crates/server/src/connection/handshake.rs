//! The beginning of a session.

use std::sync::Arc;

use anteroom_protocol::code::floor_char_boundary;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::message::request::Handshake;
use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::message::schema;
use anteroom_protocol::{Batch, Json};
use anteroom_protocol::{CloseCode, Codec, Envelope, ErrorBody, ErrorCode, Header, SessionId, VERSION};

use super::ending::End;
use super::{Carried, ConnectionTask};
use crate::carrier::{Beginning, Place};
use crate::identity::{Identity, Refused, Unauthorized};
use crate::session::Session;

/// The longest nonce of a handshake, in bytes.
const NONCE_BYTES_MAX: usize = 64;
/// The longest name of a client's software that is logged, in bytes.
const CLIENT_BYTES_MAX: usize = 64;

impl ConnectionTask {
    pub(super) fn on_handshake(&mut self, handshake: &Handshake, message: &Envelope<'_>) -> Result<(), End> {
        if handshake.version != VERSION {
            return Err(CloseCode::ProtocolVersion.into());
        }
        if handshake.nonce.as_ref().is_some_and(|nonce| nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX) {
            let words = "A nonce has 1 to 64 bytes.";
            self.refuse(message, ErrorBody::new(ErrorCode::InvalidData, words));
            return Ok(());
        }
        let identity = match self.services.authority.identify(handshake, &self.services.randomness) {
            Ok(identity) => identity,
            Err(Refused::Unauthorized(Unauthorized { told, why })) => {
                tracing::info!(
                    why,
                    transport = %self.connection.transport(),
                    peer = self.connection.peer_addr().map(tracing::field::display),
                    "handshake refused"
                );
                return Err(End::Close(CloseCode::Unauthorized, told.to_owned()));
            }
            Err(Refused::Again(error)) => {
                self.refuse(message, error);
                return Ok(());
            }
        };
        let codec = agreed_codec(self.arrival.codec, handshake);
        let (session, token) = match self.restart(handshake, &identity, codec) {
            Some(restarted) => restarted,
            None => (self.begin(handshake, identity, codec)?, 0),
        };
        let limits = self.services.sessions.limits();
        let accepted = HandshakeAccepted {
            session_id: session.id,
            resume_token: self.services.sessions.token(session.id, token),
            user_id: session.identity.user_id.clone(),
            username: session.identity.username.clone(),
            codec,
            limits: limits.told,
            grace_ms: limits.grace_ms(),
            server_time_ms: self.services.clock.server_time_ms(),
        };
        let header = Header { reference: message.reference.as_ref(), ..Header::new(HandshakeAccepted::TYPE) };
        self.say(json_only(&header, &accepted));
        Ok(())
    }

    /// Refuses a `handshake` that cannot be read.
    pub(super) fn refuse_unreadable_handshake(&mut self, message: &Envelope<'_>, error: &InvalidData) {
        let words = format!("The handshake's data does not fit: {error}.");
        self.refuse(message, ErrorBody::new(ErrorCode::InvalidData, words));
    }

    /// From here on this connection is the session's, and whatever becomes of it, the session hears of it.
    pub(super) fn carry(&mut self, session: Arc<Session>, place: Place) {
        self.carried = Some(Carried { session, place, is_proven: false });
    }

    /// Finds the session of a handshake that was answered before: its answer was lost.
    fn restart(&mut self, handshake: &Handshake, identity: &Identity, codec: Codec) -> Option<(Arc<Session>, u64)> {
        let session = self.services.sessions.find_by_nonce(handshake.nonce.as_deref()?)?;
        if session.codec != codec || !session.identity.is_same_player(identity) {
            return None;
        }
        let (accepted, place) = self.services.sessions.restart(&session, self.connection.max_datagram_size())?;
        self.carry(session.clone(), place);
        Some((session, accepted.token))
    }

    fn begin(&mut self, handshake: &Handshake, identity: Identity, codec: Codec) -> Result<Arc<Session>, End> {
        let services = &self.services;
        let limits = services.sessions.limits();
        let beginning = Beginning {
            id: SessionId::from_bits(services.randomness.bits()),
            codec,
            keeps: handshake.resume,
            bounds: limits.bounds,
            outbox_bytes_max: limits.outbox_bytes_max,
            datagram_bytes_max: self.connection.max_datagram_size(),
            budget: services.budget.clone(),
        };
        let begun = services.sessions.begin(identity, handshake.nonce.as_deref(), beginning);
        let (session, place) = begun.ok_or(CloseCode::Busy)?;
        let of_user = services.sessions.of_user(&session.identity.user_id).len();
        self.carry(session.clone(), place);
        let client = handshake.client.as_deref().map(printable).unwrap_or_default();
        tracing::info!(
            session_id = %session.id,
            user_id = %session.identity.user_id,
            of_user,
            transport = %self.connection.transport(),
            %codec,
            client = &client[..floor_char_boundary(&client, CLIENT_BYTES_MAX)],
            peer = self.connection.peer_addr().map(tracing::field::display),
            "session began"
        );
        Ok(session)
    }
}

/// A text without what a terminal that shows the log could take for a command.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(CLIENT_BYTES_MAX).collect()
}

/// A batch whose data has a JSON shape only.
pub(super) fn json_only<T: serde::Serialize>(header: &Header<'_>, data: &T) -> Result<Batch, InvalidData> {
    Batch::one(Codec::Json, header, &Json::new(data)?)
}

/// WebSocket names the codec in the upgrade, the others in the handshake; who has other binary shapes gets JSON.
fn agreed_codec(asked_in_upgrade: Option<Codec>, handshake: &Handshake) -> Codec {
    let asked = asked_in_upgrade.or(handshake.codec).unwrap_or_default();
    let shapes_differ = handshake.schema.as_deref().is_some_and(|name| !schema::is_served(name));
    if shapes_differ { Codec::Json } else { asked }
}

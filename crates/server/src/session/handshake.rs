//! The beginning of a session.

use anteroom_protocol::code::floor_char_boundary;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::message::request::Handshake;
use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::{Batch, Json};
use anteroom_protocol::{CloseCode, Codec, Envelope, ErrorBody, ErrorCode, Header, LaneId, SCHEMA, SessionId, VERSION};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{End, Established, Session};
use crate::identity::Refused;
use crate::random;

/// Bytes of a resume token's HMAC that travel.
const TOKEN_BYTES: usize = 24;
/// The longest name of a client's software that is logged, in bytes.
const CLIENT_BYTES_MAX: usize = 64;

impl Session {
    pub(super) fn on_handshake(&mut self, message: &Envelope<'_>) -> Result<(), End> {
        // These messages are never in binary, so their types need no binary shape.
        let anteroom_protocol::Data::Json(text) = message.data else { return Err(CloseCode::HandshakeRequired.into()) };
        // serde would read a struct from an array, too.
        let object = if text.starts_with('{') { text } else { "null" };
        let handshake: Handshake = match serde_json::from_str(object) {
            Ok(handshake) => handshake,
            Err(error) => {
                let words = format!("The handshake's data does not fit: {}.", InvalidData::from(error));
                self.refuse(message, ErrorBody::new(ErrorCode::InvalidData, words));
                return Ok(());
            }
        };
        if handshake.version != VERSION {
            return Err(CloseCode::ProtocolVersion.into());
        }
        let identity = match self.shared.authority.identify(&handshake) {
            Ok(identity) => identity,
            Err(Refused::Unauthorized(why)) => return Err(End::Close(CloseCode::Unauthorized, why.to_owned())),
            Err(Refused::Again(error)) => {
                self.refuse(message, error);
                return Ok(());
            }
        };
        let id = SessionId::from_bits(random::bits());
        let codec = agreed_codec(self.arrival.codec, &handshake);
        let accepted = HandshakeAccepted {
            session_id: id,
            resume_token: resume_token(&self.shared.resume_key, id, 0),
            user_id: identity.user_id.clone(),
            username: identity.username.clone(),
            codec,
            limits: self.shared.config.session_limits(),
            grace_ms: self.shared.config.times.grace_ms,
            server_time_ms: self.shared.clock.server_time_ms(),
        };
        let client = handshake.client.as_deref().map(printable).unwrap_or_default();
        tracing::info!(
            session_id = %id,
            user_id = %identity.user_id,
            transport = %self.connection.transport(),
            %codec,
            client = &client[..floor_char_boundary(&client, CLIENT_BYTES_MAX)],
            peer = self.connection.peer_addr().map(tracing::field::display),
            "session began"
        );
        let header = Header { reference: message.reference.as_ref(), ..Header::new("handshake_accepted") };
        self.put(json_only(&header, &accepted));
        let established =
            Established { id, identity, codec, rooms: Vec::new(), last_lane: LaneId::CONTROL, subscribed: false };
        self.established = Some(established);
        Ok(())
    }

    /// Sessions do not outlive their connections here, so there is none to go on with.
    pub(super) fn on_reconnect(&self, message: &Envelope<'_>) {
        let error = ErrorBody::new(ErrorCode::SessionUnknown, "That session is not known here; begin a new one.");
        let header = Header {
            reference: message.reference.as_ref(),
            success: Some(false),
            error: Some(&error),
            ..Header::new("reconnect_result")
        };
        self.put(json_only(&header, &serde_json::Map::new()));
    }

    pub(super) fn refuse_second_handshake(&self, message: &Envelope<'_>) {
        let sentence = "This connection has a session already.";
        self.refuse(message, ErrorBody::new(ErrorCode::AlreadyAuthenticated, sentence));
    }
}

/// A text without what a terminal that shows the log could take for a command.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(CLIENT_BYTES_MAX).collect()
}

/// A batch whose data has a JSON shape only.
fn json_only<T: serde::Serialize>(header: &Header<'_>, data: &T) -> Result<Batch, InvalidData> {
    Batch::one(Codec::Json, header, &Json::new(data)?)
}

/// WebSocket names the codec in the upgrade, the others in the handshake; who has other binary shapes gets JSON.
fn agreed_codec(asked_in_upgrade: Option<Codec>, handshake: &Handshake) -> Codec {
    let asked = asked_in_upgrade.or(handshake.codec).unwrap_or_default();
    let shapes_differ = handshake.schema.as_ref().is_some_and(|schema| schema != SCHEMA);
    if shapes_differ { Codec::Json } else { asked }
}

/// The `k`-th token of a session: nobody can guess it, and nothing but `k` needs to be remembered.
fn resume_token(key: &hmac::Key, session: SessionId, k: u64) -> String {
    let mut message = session.as_str().as_bytes().to_vec();
    message.extend_from_slice(&k.to_be_bytes());
    let tag = hmac::sign(key, &message);
    URL_SAFE_NO_PAD.encode(&tag.as_ref()[..TOKEN_BYTES])
}

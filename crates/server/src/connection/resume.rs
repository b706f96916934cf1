//! Going on with a session that another connection carried.

use anteroom_core::lanes::{Carrying, Claim, NotMoving, Refused};
use anteroom_protocol::message::resume::{Ack, Reconnect, Reconnected, Resume};
use anteroom_protocol::{CloseCode, Data, Envelope, ErrorBody, ErrorCode, Header, SessionId};
use serde::Deserialize;

use super::ending::{End, end_session};
use super::handshake::json_only;
use super::router::read;
use super::{Carried, ConnectionTask};
use crate::session::Departure;

impl ConnectionTask {
    pub(super) async fn on_reconnect(&mut self, message: &Envelope<'_>) -> Result<(), End> {
        let reconnect: Reconnect = match message.data.decode_json() {
            Ok(reconnect) => reconnect,
            Err(_) if names_no_session(message.data) => {
                self.refuse_reconnect(message, unknown());
                return Ok(());
            }
            Err(error) => {
                let words = format!("The reconnect's data does not fit: {error}.");
                self.refuse_reconnect(message, ErrorBody::new(ErrorCode::InvalidData, words));
                return Ok(());
            }
        };
        let sessions = self.shared.sessions.clone();
        let found = sessions.find(reconnect.session_id);
        // Whoever cannot prove a session is told the same as if there were none.
        let proven = found.and_then(|session| {
            let token = sessions.read_token(session.id, &reconnect.resume_token)?;
            Some((session, token))
        });
        let Some((session, token)) = proven else {
            self.refuse_reconnect(message, unknown());
            return Ok(());
        };
        if self.arrival.codec.is_some_and(|codec| codec != session.codec) {
            let words = format!("The session speaks {}; ask for it when connecting.", session.codec);
            self.refuse_reconnect(message, ErrorBody::new(ErrorCode::InvalidData, words));
            return Ok(());
        }
        let Reconnect { attempt, received, fresh, .. } = reconnect;
        let carrying = match received {
            _ if fresh => Carrying::Fresh,
            Some(received) => Carrying::Received(received),
            None => Carrying::Live,
        };
        let claim = Claim { token, attempt, carrying };
        match session.reconnect(&claim, self.connection.max_datagram_size()) {
            Ok((accepted, place)) => {
                self.carry(session.clone(), place);
                tracing::debug!(session_id = %session.id, transport = %self.connection.transport(), "session resumed");
                let answer = Reconnected {
                    resume_token: sessions.token(session.id, accepted.token),
                    lanes: accepted.lanes,
                    last_n: accepted.last_n,
                };
                let reference = message.reference.as_ref();
                let header = Header { reference, success: Some(true), ..Header::new(Reconnected::TYPE) };
                self.say(json_only(&header, &answer));
                Ok(())
            }
            Err(Refused::Unknown) => {
                self.refuse_reconnect(message, unknown());
                Ok(())
            }
            Err(Refused::Superseded) => Err(CloseCode::Superseded.into()),
            Err(Refused::Count(_)) => Err(CloseCode::BadAck.into()),
            Err(Refused::TokenReused) => {
                let code = CloseCode::TokenReused;
                tracing::warn!(session_id = %session.id, user_id = %session.identity.user_id, "resume token used twice");
                end_session(&self.shared, &session, Departure::Abandoned, Some(code), &code.to_string()).await;
                Err(code.into())
            }
        }
    }

    /// The connection stays open, for one handshake.
    fn refuse_reconnect(&mut self, message: &Envelope<'_>, error: ErrorBody) {
        let reference = message.reference.as_ref();
        let header = Header { reference, success: Some(false), error: Some(&error), ..Header::new(Reconnected::TYPE) };
        self.say(json_only(&header, &serde_json::Map::new()));
    }

    /// Lets the lanes of a live move come over to this connection.
    pub(super) fn resume(&mut self, message: &Envelope<'_>) -> Result<Result<(), ErrorBody>, End> {
        let Some(Carried { session, place, .. }) = &self.carried else { return Ok(Ok(())) };
        let Resume { received } = match read(message.data) {
            Ok(resume) => resume,
            Err(error) => return Ok(Err(error)),
        };
        match session.resume(place.id, &received) {
            Ok(()) => Ok(Ok(())),
            Err(NotMoving::NotAsked) => Ok(Err(ErrorBody::new(
                ErrorCode::InvalidData,
                "There is nothing to resume: no session is moving to this connection.",
            ))),
            Err(NotMoving::Count(_)) => Err(CloseCode::BadAck.into()),
        }
    }

    /// Takes an acknowledgement.
    pub(super) fn on_ack(&mut self, message: &Envelope<'_>) -> Result<Result<(), ErrorBody>, End> {
        let Some(Carried { session, .. }) = &self.carried else { return Ok(Ok(())) };
        match read::<Ack>(message.data) {
            Ok(Ack { counts }) => session.acknowledge(&counts).map(Ok).map_err(|_| CloseCode::BadAck.into()),
            Err(error) => Ok(Err(error)),
        }
    }
}

/// Whether the data is in order but for a session id that none has.
fn names_no_session(data: Data<'_>) -> bool {
    #[derive(Deserialize)]
    struct Named {
        session_id: String,
    }
    data.decode_json::<Named>().is_ok_and(|named| named.session_id.parse::<SessionId>().is_err())
}

fn unknown() -> ErrorBody {
    ErrorBody::new(ErrorCode::SessionUnknown, "That session is not known here; begin a new one.")
}

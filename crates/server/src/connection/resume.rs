//! Going on with a session that another connection carried.

use anteroom_core::lanes::{Carrying, Claim, Refused};
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::message::resume::{Reconnect, Reconnected};
use anteroom_protocol::{CloseCode, Data, Envelope, ErrorBody, ErrorCode, Header, SessionId};
use serde::Deserialize;

use super::ConnectionTask;
use super::ending::End;
use super::handshake::json_only;

impl ConnectionTask {
    pub(super) fn on_reconnect(&mut self, reconnect: Reconnect, message: &Envelope<'_>) -> Result<(), End> {
        let sessions = self.services.sessions.clone();
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
        match sessions.back(&session, &claim, self.connection.max_datagram_size()) {
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
            Err(Refused::TokenReused) => Err(CloseCode::TokenReused.into()),
        }
    }

    /// Refuses a `reconnect` that cannot be read.
    pub(super) fn refuse_unreadable_reconnect(&mut self, message: &Envelope<'_>, error: &InvalidData) {
        let error = if names_no_session(message.data) {
            unknown()
        } else {
            ErrorBody::new(ErrorCode::InvalidData, format!("The reconnect's data does not fit: {error}."))
        };
        self.refuse_reconnect(message, error);
    }

    /// The connection stays open, for one handshake.
    fn refuse_reconnect(&mut self, message: &Envelope<'_>, error: ErrorBody) {
        let reference = message.reference.as_ref();
        let header = Header { reference, success: Some(false), error: Some(&error), ..Header::new(Reconnected::TYPE) };
        self.say(json_only(&header, &serde_json::Map::new()));
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

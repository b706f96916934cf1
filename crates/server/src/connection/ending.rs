//! The end of a connection: what becomes of its session, and what the client is told.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::code::close_reason;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::Goodbye;
use anteroom_protocol::{Batch, CloseCode, Codec, Header, LaneId};
use anteroom_transport::{Closed, Transport};
use tokio::time::{timeout, timeout_at};

use super::{Carried, ConnectionTask};
use crate::carrier::Written;
use crate::session::Departure;

/// How long an end waits until it is stored. A store that fails for longer gets it when it is back.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// RFC 6455, section 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// We close, and say why.
    Close(CloseCode, String),
    /// The session goes on elsewhere, or was ended from elsewhere.
    Displaced(CloseCode),
    /// The client said goodbye: it gives its seats up.
    Goodbye,
    /// The client has finished its control stream. So does a browser, for a page that it leaves or loads anew.
    Finished,
    /// The connection is gone.
    Lost(Closed),
    /// We have made a mistake, and this is what the panic said. Nothing of the connection can be relied on any more.
    Failed(String),
}

impl From<CloseCode> for End {
    fn from(code: CloseCode) -> Self {
        Self::Close(code, code.sentence().to_owned())
    }
}

impl End {
    /// Whether the connection is closed because of what came on it, whatever it meant. The player is not to blame for
    /// that.
    fn is_fault(&self) -> bool {
        use CloseCode::{Flooded, Malformed, MessageTooLarge, WrongFrameKind};
        matches!(self, Self::Close(Malformed | MessageTooLarge | WrongFrameKind | Flooded, _))
    }

    fn why(&self) -> String {
        match self {
            Self::Close(code, _) | Self::Displaced(code) => code.to_string(),
            Self::Goodbye => "goodbye".to_owned(),
            Self::Finished => "the client has finished".to_owned(),
            Self::Lost(closed) => closed.to_string(),
            Self::Failed(why) => why.clone(),
        }
    }
}

pub(super) fn malformed(why: impl std::fmt::Display) -> End {
    let reason = format!("The message cannot be read: {why}.");
    End::Close(CloseCode::Malformed, close_reason(&reason).to_owned())
}

pub(super) fn closed_end(closed: Closed) -> End {
    match closed {
        Closed::TooLarge { .. } => CloseCode::MessageTooLarge.into(),
        Closed::Malformed(why) => malformed(why),
        Closed::Flooded(_) => CloseCode::Flooded.into(),
        Closed::Silence => CloseCode::Silence.into(),
        closed => End::Lost(closed),
    }
}

impl ConnectionTask {
    /// Tells the session, then the client, and closes.
    pub(super) async fn finish(mut self, mut end: End) {
        let carried = self.carried.clone();
        if let End::Failed(why) = &end {
            let session_id = carried.as_ref().map(|carried| tracing::field::display(carried.session.id));
            tracing::error!(session_id, why, "a connection failed");
        }
        // What came in front of a close frame, or of a fault, was handled, and is answered as far as the connection takes it.
        let is_answered = self.connection.transport() == Transport::WebSocket;
        if end.is_fault() || is_answered && matches!(end, End::Lost(Closed::ByPeer { .. })) {
            self.write();
        }
        if let Some(carried) = self.carried.take() {
            self.leave(carried, &mut end);
        }
        let was_stored = |carried: &Carried| carried.session.carrier.has_ended() && carried.session.is_kept();
        if carried.as_ref().is_some_and(was_stored) || matches!(end, End::Close(CloseCode::TokenReused, _)) {
            // Whoever hears that the session has ended does not find it again after a restart.
            drop(timeout(SETTLE_MAX, self.services.sessions.settled()).await);
        }
        match end {
            End::Close(code, reason) => {
                if let (CloseCode::ShuttingDown, Some(deadline)) = (code, self.lifecycle.shutdown.deadline()) {
                    if self.services.sessions.last() {
                        // Whoever hears it finds everything again.
                        drop(timeout_at(deadline, self.lifecycle.kept.cancelled()).await);
                    }
                    // Who has not read it all by then does not get the rest.
                    drop(timeout_at(deadline, self.write_all()).await);
                }
                self.close(code, &reason).await;
            }
            End::Displaced(code) => self.close(code, code.sentence()).await,
            // The client will say no more; what is on its way to it still gets there.
            End::Goodbye | End::Finished => {
                self.write();
                self.connection.close(NORMAL_CLOSURE, "").await;
            }
            End::Lost(Closed::ByPeer { code, reason }) if is_answered => self.connection.close(code, &reason).await,
            End::Lost(_) | End::Failed(_) => {}
        }
        if let Some(Carried { session, place, .. }) = carried {
            // What a room still says to a session that has ended here must not gather.
            session.lost(place.id);
        }
    }

    /// Takes the connection from its session, or ends the session with it.
    fn leave(&mut self, carried: Carried, end: &mut End) {
        let Carried { session, place, .. } = &carried;
        let sessions = self.services.sessions.clone();
        if place.over.code().is_some() {
            // Whatever came on it since, the session is no longer its own to end; but nothing may gather for it.
            session.lost(place.id);
            return;
        }
        let is_too_often = end.is_fault() && !session.carrier.outlives_fault(place.id, self.fault_forgotten());
        match end {
            End::Displaced(_) => return,
            End::Goodbye if session.carrier.is_attached(place.id) => {
                sessions.end(session, Departure::Goodbye, None, "goodbye");
            }
            End::Close(code, _) if ends_session(*code, sessions.last()) => {
                sessions.end(session, Departure::Abandoned, Some(*code), &code.to_string());
            }
            End::Close(code, reason) if is_too_often => {
                *reason = third_reason(*code);
                let why = format!("{code}, for the third time in a row");
                sessions.end(session, Departure::Abandoned, Some(*code), &why);
            }
            // A connection that carries nothing yet ends alone, also by a goodbye.
            End::Goodbye | End::Finished | End::Close(..) | End::Lost(_) | End::Failed(_) => {
                if !sessions.away(session, place.id) {
                    return;
                }
                tracing::debug!(session_id = %session.id, why = end.why(), "connection lost");
                if !end.is_fault() && !session.is_worth_keeping() {
                    sessions.end(session, Departure::Expired, None, "connection lost");
                }
                return;
            }
        }
        // What is on the lanes still goes out.
        self.carried = Some(carried);
    }

    /// How long a fault counts: longer than a session can be without a connection, so that it counts on the next one.
    fn fault_forgotten(&self) -> Duration {
        self.services.sessions.limits().grace.saturating_mul(2)
    }

    /// Moves everything that waits into the connection, as it gets room, and out of it.
    async fn write_all(&mut self) {
        loop {
            let Written { is_full, .. } = self.write();
            if self.connection.flush().await.is_err() || !is_full {
                return;
            }
        }
    }

    async fn close(mut self, code: CloseCode, reason: &str) {
        self.write();
        let goodbye = Goodbye { code: code.number(), reason: reason.to_owned() };
        if let Ok(batch) = Batch::one(Codec::Json, &Header::new(Goodbye::TYPE), &goodbye) {
            // A client that does not read learns the code from the transport alone.
            self.connection.queue(LaneId::CONTROL, Arc::new(batch));
        }
        self.connection.close(code.number(), reason).await;
    }
}

/// Whether a connection of a session that we close for this reason takes the session along, where sessions outlive the server
/// or not. The protocol has the whole
/// list, which is short: a retired token ends the session where it is found, and so does the end of the grace time.
fn ends_session(code: CloseCode, sessions_last: bool) -> bool {
    match code {
        CloseCode::ShuttingDown => !sessions_last,
        code => code == CloseCode::BadAck,
    }
}

/// What is said when a fault ends the session. What was wrong in detail was said twice.
fn third_reason(code: CloseCode) -> String {
    format!("{} The third in a row ends the session.", code.sentence())
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::code::CLOSE_REASON_BYTES_MAX;

    use super::*;

    /// The numbers of the codes of which this is true.
    fn which(is: impl Fn(CloseCode) -> bool) -> Vec<u16> {
        CloseCode::ALL.iter().filter(|code| is(**code)).map(|code| code.number()).collect()
    }

    /// Whoever adds a code decides it here, and in the protocol's list of what ends a session.
    #[test]
    fn few_closes_take_the_session_along() {
        assert_eq!(which(|code| ends_session(code, false)), [4000, 4511]);
        assert_eq!(which(|code| ends_session(code, true)), [4511]);
        assert_eq!(which(|code| End::from(code).is_fault()), [4005, 4501, 4502, 4507]);
    }

    #[test]
    fn the_reason_of_a_third_fault_fits_into_a_close_frame() {
        for code in CloseCode::ALL.iter().filter(|code| End::from(**code).is_fault()) {
            assert!(third_reason(*code).len() <= CLOSE_REASON_BYTES_MAX, "{code}");
        }
    }
}

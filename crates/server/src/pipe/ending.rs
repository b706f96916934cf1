//! The end of a connection: what becomes of its session, and what the client is told.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::Goodbye;
use anteroom_protocol::{Batch, CloseCode, Codec, Header, LaneId};
use anteroom_transport::Closed;
use tokio::time::timeout_at;

use super::{Carried, Pipe};
use crate::session::{Departure, Session, Written};
use crate::shared::Shared;

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
}

impl From<CloseCode> for End {
    fn from(code: CloseCode) -> Self {
        Self::Close(code, code.sentence().to_owned())
    }
}

impl End {
    fn why(&self) -> String {
        match self {
            Self::Close(code, _) | Self::Displaced(code) => code.to_string(),
            Self::Goodbye => "goodbye".to_owned(),
            Self::Finished => "the client has finished".to_owned(),
            Self::Lost(closed) => closed.to_string(),
        }
    }
}

pub(super) fn malformed(why: impl std::fmt::Display) -> End {
    let reason = format!("The message cannot be read: {why}.");
    End::Close(CloseCode::Malformed, anteroom_protocol::code::close_reason(&reason).to_owned())
}

pub(super) fn closed_end(closed: Closed) -> End {
    match closed {
        Closed::TooLarge { .. } => CloseCode::MessageTooLarge.into(),
        Closed::Malformed(why) => malformed(why),
        Closed::Silence => CloseCode::Silence.into(),
        closed => End::Lost(closed),
    }
}

impl Pipe {
    /// Tells the rooms, then the client, and closes. Gives the session if it waits for another connection now.
    pub(super) async fn finish(mut self, end: End) -> Option<Arc<Session>> {
        let carried = self.carried.clone();
        let waiting = match self.carried.take() {
            Some(carried) => self.leave(carried, &end).await,
            None => None,
        };
        match end {
            End::Close(code, reason) => {
                if let (CloseCode::ShuttingDown, Some(deadline)) = (code, self.shared.shutdown_deadline.get()) {
                    // Who has not read it all by then does not get the rest.
                    drop(timeout_at(*deadline, self.write_all()).await);
                }
                self.close(code, &reason).await;
            }
            End::Displaced(code) => self.close(code, code.sentence()).await,
            // The client will say no more; what is on its way to it still gets there.
            End::Goodbye | End::Finished => {
                self.write();
                self.connection.close(NORMAL_CLOSURE, "").await;
            }
            End::Lost(_) => {}
        }
        if let Some(Carried { session, place, .. }) = carried {
            // What a room still says to a session that has ended here must not gather.
            session.lost(place.id);
        }
        waiting
    }

    /// Takes the connection from its session, or ends the session with it.
    async fn leave(&mut self, carried: Carried, end: &End) -> Option<Arc<Session>> {
        let Carried { session, place, .. } = &carried;
        if place.pipe.over().is_some() {
            // Whatever came on it since, the session is no longer its own to end; but nothing may gather for it.
            session.lost(place.id);
            return None;
        }
        let is_attached = session.is_attached(place.id);
        match end {
            End::Displaced(_) => return None,
            End::Goodbye if is_attached => {
                end_session(&self.shared, session, Departure::Goodbye, None, "goodbye").await;
            }
            End::Close(code, _) if ends_session(*code) && (is_attached || !is_unreadable(*code)) => {
                end_session(&self.shared, session, Departure::Abandoned, Some(*code), &code.to_string()).await;
            }
            // A connection that carries nothing yet ends alone, by a goodbye or by what cannot be read.
            End::Goodbye | End::Finished | End::Close(..) | End::Lost(_) => {
                if !session.lost(place.id) {
                    return None;
                }
                tracing::debug!(session_id = %session.id, why = end.why(), "connection lost");
                if !session.is_worth_keeping() {
                    end_session(&self.shared, session, Departure::Expired, None, "connection lost").await;
                    return None;
                }
                session.tell_rooms().await;
                return Some(session.clone());
            }
        }
        // What is on the lanes still goes out.
        self.carried = Some(carried);
        None
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
            drop(self.connection.try_send(LaneId::CONTROL, Arc::new(batch)));
        }
        self.connection.close(code.number(), reason).await;
    }
}

/// Whether a connection that we close for this reason takes its session along.
fn ends_session(code: CloseCode) -> bool {
    code == CloseCode::ShuttingDown || !CloseCode::reconnect_may_help(code.number())
}

/// Whether the connection is closed because of the bytes that came on it, whatever they meant.
fn is_unreadable(code: CloseCode) -> bool {
    matches!(code, CloseCode::Malformed | CloseCode::MessageTooLarge | CloseCode::WrongFrameKind)
}

/// Keeps a session that has no connection for the grace time, and ends it then.
pub(super) async fn wait_for_return(shared: &Shared, session: &Session) {
    let grace = Duration::from_millis(shared.config.times.grace_ms);
    let given_up = tokio::select! {
        biased;
        () = shared.shutdown.begun() => true,
        given_up = session.is_given_up(grace) => given_up,
    };
    if given_up {
        end_session(shared, session, Departure::Expired, None, "nobody came back").await;
    }
}

/// Ends a session everywhere, if nobody else does.
pub(super) async fn end_session(
    shared: &Shared,
    session: &Session,
    departure: Departure,
    code: Option<CloseCode>,
    why: &str,
) {
    if session.end(departure, code).await {
        shared.sessions.remove(session.id);
        shared.lobby.unsubscribe(session.id);
        tracing::info!(session_id = %session.id, user_id = %session.identity.user_id, why, "session ended");
    }
}

//! The connections of a session: how one comes, takes the lanes over, and is lost.

use std::sync::Arc;

use anteroom_core::lanes::{Accepted, Claim, ConnectionId, NotMoving, Refused};
use anteroom_protocol::CloseCode;
use anteroom_protocol::message::resume::Counts;
use tokio::time::Instant;

use super::{Carrier, Held, Place, Presence, State};

impl Carrier {
    /// Goes on with the lanes on a new connection.
    ///
    /// # Errors
    /// [`Refused`]; [`Refused::Unknown`] too if the session has ended.
    pub(crate) fn reconnect(
        &self,
        claim: &Claim,
        datagram_bytes_max: Option<usize>,
    ) -> Result<(Accepted, Place), Refused> {
        let mut state = self.lock();
        if state.ended {
            return Err(Refused::Unknown);
        }
        let now = self.clock.now();
        state.look_at_applied(now);
        let accepted = state.lanes.reconnect(claim, datagram_bytes_max)?;
        let place = self.placed(&mut state, &accepted);
        Ok((accepted, place))
    }

    /// Begins again on a new connection, for a client that has not heard of the session; `None` if it has ended.
    pub(crate) fn restart(&self, datagram_bytes_max: Option<usize>) -> Option<(Accepted, Place)> {
        let mut state = self.lock();
        if state.ended {
            return None;
        }
        let now = self.clock.now();
        state.look_at_applied(now);
        let accepted = state.lanes.restart(datagram_bytes_max);
        let place = self.placed(&mut state, &accepted);
        Some((accepted, place))
    }

    fn placed(&self, state: &mut State, accepted: &Accepted) -> Place {
        for id in &accepted.displaced {
            state.end_pipe(*id, CloseCode::Superseded);
        }
        let place = Place { id: accepted.connection, over: Arc::default() };
        state.pipes.push(place.pipe());
        state.held = Held::default();
        state.away_since = None;
        state.note_presence(Presence { connection: accepted.connection, is_away: false });
        self.changed.notify_waiters();
        place
    }

    /// Lets the lanes of a live move come over.
    ///
    /// # Errors
    /// [`NotMoving`].
    pub(crate) fn resume(&self, id: ConnectionId, received: &Counts) -> Result<(), NotMoving> {
        let mut state = self.lock();
        let now = self.clock.now();
        state.look_at_applied(now);
        if let Some(before) = state.lanes.resume(id, received)? {
            state.end_pipe(before, CloseCode::Move);
        }
        Ok(())
    }

    /// A connection is gone. Since when nobody is connected, if it was the last one.
    pub(crate) fn lost(&self, id: ConnectionId) -> Option<Instant> {
        let mut state = self.lock();
        if state.lanes.attached() == Some(id) {
            state.held = Held::default();
        }
        state.lanes.lost(id);
        state.pipes.retain(|pipe| pipe.id != id);
        if state.lanes.is_connected() || state.ended {
            return None;
        }
        let connection = state.presence.connection.max(id);
        state.note_presence(Presence { connection, is_away: true });
        Some(*state.away_since.get_or_insert_with(Instant::now))
    }

    /// Whether the client is there, as it was noted last.
    pub(crate) fn presence(&self) -> Presence {
        self.lock().presence
    }

    /// Waits until the client is there; `false` if the session has ended. Cancel-safe.
    pub(crate) async fn is_there(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on no change goes unnoticed.
            changed.as_mut().enable();
            let is_connected = {
                let state = self.lock();
                if state.ended {
                    return false;
                }
                state.lanes.is_connected()
            };
            if is_connected {
                return true;
            }
            changed.await;
        }
    }
}

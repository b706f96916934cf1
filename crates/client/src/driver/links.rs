//! Which connections the session has, wants and has lost.
//!
//! There is one that is written on, while the session moves the one before it, and at most one in the making.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::code::close_reason;
use anteroom_protocol::message::request::Goodbye;
use anteroom_protocol::{Batch, CloseCode, Codec, Header, LaneId};
use anteroom_transport::{Closed, Connection, Transport};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::pipe::{Approach, Pipe};
use crate::backoff::Backoff;
use crate::error::{ConnectError, SessionEnd};
use crate::options::TransportChoice;
use crate::race::{Dialing, Route};
use crate::session::ConnectionId;
use crate::session::opening::NORMAL_CLOSURE;

/// See the module.
pub(crate) struct Links {
    pub(super) current: Option<Pipe>,
    /// What the session moves away from, and until when it may still bring something once everything has moved.
    pub(super) old: Option<Pipe>,
    pub(super) old_until: Option<Instant>,
    pub(super) approach: Option<Approach>,
    /// A connection that would be better than the current one.
    pub(super) better: Option<Dialing>,
    /// When to try for one.
    pub(super) upgrade_at: Option<Instant>,
    pub(super) route: Option<Route>,
    pub(super) backoff: Backoff,
    pub(super) down: Option<Down>,
    pub(super) moving: Option<Moving>,
    /// When the current connection is given up unless the session goes on there.
    pub(super) attach_by: Option<Instant>,
    pub(super) attached_at: Instant,
    pipes: u64,
}

/// A hundred years.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The connection is lost.
pub(super) struct Down {
    pub(super) since: Instant,
    /// How long the server keeps the seats, while it is there.
    pub(super) grace: Duration,
    /// How long it is waited for beyond that: for a server that was away the grace time begins when it is back.
    pub(super) away_max: Duration,
    pub(super) lost: Closed,
    pub(super) attempt: u32,
    pub(super) next_try: Instant,
    /// Why there will be no other one unless the program asks for it.
    pub(super) closed: Option<SessionEnd>,
}

impl Down {
    /// When the session is given up.
    pub(super) fn until(&self) -> Instant {
        // A server that closes a connection is there.
        let away_max = if self.closed.is_some() { Duration::ZERO } else { self.away_max };
        // Whoever waits for ever names a time that no clock has.
        self.since + self.grace.min(FAR) + away_max.min(FAR)
    }
}

/// The session is on its way to another connection, or shall be.
pub(super) struct Moving {
    pub(super) from: Transport,
    pub(super) to: TransportChoice,
    /// What was chosen before, if the move was asked for.
    pub(super) before: Option<TransportChoice>,
    pub(super) done: Option<oneshot::Sender<Result<(), ConnectError>>>,
}

impl Links {
    pub(crate) fn new(connection: Connection, better: Option<Dialing>, route: Option<Route>, seed: u64) -> Self {
        let now = Instant::now();
        let upgrade_at = route.as_ref().and_then(|route| route.upgrade_at(connection.transport(), now));
        Self {
            current: Some(Pipe::new(ConnectionId(0), connection)),
            old: None,
            old_until: None,
            approach: None,
            better,
            upgrade_at,
            route,
            backoff: Backoff::new(seed),
            down: None,
            moving: None,
            attach_by: None,
            attached_at: now,
            pipes: 0,
        }
    }

    /// What carries the session, or would.
    pub(crate) fn transport(&self) -> Transport {
        self.current.as_ref().map_or(Transport::Memory, |pipe| pipe.connection.transport())
    }

    /// Whether more can be written at once; what cannot be written at all waits elsewhere.
    pub(super) fn is_idle(&self) -> bool {
        self.current.as_ref().is_none_or(Pipe::is_idle)
    }

    /// Whether a move can begin.
    pub(super) fn is_settled(&self) -> bool {
        self.old.is_none() && self.attach_by.is_none()
    }

    pub(super) fn is_old(&self, pipe: ConnectionId) -> bool {
        self.old.as_ref().is_some_and(|old| old.id == pipe)
    }

    pub(super) fn is_current(&self, pipe: ConnectionId) -> bool {
        self.current.as_ref().is_some_and(|current| current.id == pipe)
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.current.as_ref().and_then(|pipe| pipe.connection.rtt())
    }

    pub(super) fn send(&mut self, batch: Arc<Batch>) {
        if let Some(pipe) = &mut self.current {
            pipe.send(batch);
        }
    }

    pub(super) fn send_unreliable(&mut self, lane: LaneId, batch: Batch) {
        if let Some(pipe) = &mut self.current {
            pipe.send_unreliable(lane, batch);
        }
    }

    pub(super) fn write(&mut self) {
        [&mut self.current, &mut self.old].into_iter().flatten().for_each(Pipe::write);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let down = self.down.as_ref();
        let next_try = down.filter(|_| self.is_idle_down()).map(|down| down.next_try);
        let upgrade = self.upgrade_at.filter(|_| self.is_free());
        let over = down.filter(|_| self.is_alone()).map(Down::until);
        [next_try, upgrade, over, self.attach_by, self.old_until].into_iter().flatten().min()
    }

    /// Whether the connection is lost, and another is to be made but is not in the making.
    pub(super) fn is_idle_down(&self) -> bool {
        self.down.as_ref().is_some_and(|down| down.closed.is_none())
            && self.approach.is_none()
            && self.current.is_none()
    }

    /// Whether the connection is lost, and no other one is made.
    pub(super) fn is_closed(&self) -> bool {
        self.down.as_ref().is_some_and(|down| down.closed.is_some())
    }

    /// Whether the connection is lost and no server has been asked on another. One that was asked knows better than this
    /// side when the grace time is over: it may have noticed the loss later.
    pub(super) fn is_alone(&self) -> bool {
        self.current.is_none() && !matches!(self.approach, Some(Approach::Introducing(_)))
    }

    /// Whether the session has a connection and nothing is being done about another.
    pub(super) fn is_free(&self) -> bool {
        self.down.is_none() && self.approach.is_none() && self.better.is_none() && self.is_settled()
    }

    pub(super) fn next_pipe(&mut self, connection: Connection) -> Pipe {
        self.pipes += 1;
        Pipe::new(ConnectionId(self.pipes), connection)
    }

    /// Tells a move how it ended; one that failed leaves everything as it was.
    pub(super) fn end_move(&mut self, outcome: Result<(), ConnectError>) {
        let Some(moving) = self.moving.take() else { return };
        if let (Err(_), Some(before), Some(route)) = (&outcome, moving.before, &mut self.route) {
            route.choice = before;
        }
        if let Some(done) = moving.done {
            // Whoever asked may not wait any more.
            drop(done.send(outcome));
        }
    }

    /// Closes what there is, telling the server why.
    pub(super) async fn close(self, end: &SessionEnd) {
        let Some(mut pipe) = self.current else { return };
        let (code, reason) = match end {
            SessionEnd::Malformed(why) => (CloseCode::Malformed.number(), close_reason(why).to_owned()),
            SessionEnd::Lost(Closed::TooLarge { .. }) => close_code(CloseCode::MessageTooLarge),
            SessionEnd::Lost(Closed::Malformed(_)) => close_code(CloseCode::Malformed),
            SessionEnd::Lost(Closed::Silence) => close_code(CloseCode::Silence),
            SessionEnd::Lost(_) => return,
            _ => (NORMAL_CLOSURE, String::new()),
        };
        if !matches!(end, SessionEnd::ByServer { .. }) {
            let goodbye = Goodbye { code, reason: reason.clone() };
            if let Ok(batch) = Batch::one(Codec::Json, &Header::new("goodbye"), &goodbye) {
                // A server that does not read learns the code from the transport alone.
                pipe.send(Arc::new(batch));
            }
        }
        pipe.connection.close(code, &reason).await;
    }
}

fn close_code(code: CloseCode) -> (u16, String) {
    (code.number(), code.sentence().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_ever_does() {
        let now = Instant::now();
        let (grace, away_max) = (Duration::from_secs(60), Duration::MAX);
        let down = Down { since: now, grace, away_max, lost: Closed::Silence, attempt: 0, next_try: now, closed: None };
        assert!(down.until() > now + FAR);
    }
}

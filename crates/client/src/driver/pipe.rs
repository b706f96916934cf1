//! One connection of the session, and the making of one.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use anteroom_protocol::message::resume::Reconnect;
use anteroom_protocol::{Batch, LaneId};
use anteroom_transport::{Closed, Connection, DatagramRefused, Event};
use tokio::time::{Instant, sleep_until};

use crate::error::ConnectError;
use crate::handshake::{Arrived, Refusal, introduce};
use crate::race::{Dialing, Route, Won};
use crate::session::ConnectionId;

/// A connection that carries the session.
pub(super) struct Pipe {
    pub(super) id: ConnectionId,
    pub(super) connection: Connection,
    /// What the connection has no room for. Bounded by what the server lets wait for acknowledgement.
    unsent: VecDeque<Arc<Batch>>,
}

impl Pipe {
    pub(super) fn new(id: ConnectionId, connection: Connection) -> Self {
        Self { id, connection, unsent: VecDeque::new() }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.unsent.is_empty()
    }

    pub(super) fn send(&mut self, batch: Arc<Batch>) {
        self.unsent.push_back(batch);
        self.write();
    }

    pub(super) fn write(&mut self) {
        while let Some(batch) = self.unsent.pop_front() {
            if let Err(batch) = self.connection.try_send(LaneId::CONTROL, batch) {
                self.unsent.push_front(batch);
                return;
            }
        }
    }

    pub(super) fn send_unreliable(&mut self, lane: LaneId, batch: Batch) {
        match self.connection.send_datagram(lane, batch.payload()) {
            Err(DatagramRefused::Unsupported | DatagramRefused::TooLarge { .. }) if self.is_idle() => {
                self.send(Arc::new(batch));
            }
            Err(refused) => tracing::trace!(%refused, "an unreliable message is lost"),
            Ok(()) => {}
        }
    }
}

/// What comes next on a pipe; never anything if there is none. Cancel-safe.
pub(super) async fn recv(pipe: &mut Option<Pipe>) -> (ConnectionId, Result<Event, Closed>) {
    match pipe {
        Some(pipe) => (pipe.id, pipe.connection.recv().await),
        None => pending().await,
    }
}

/// Waits until a time; for ever without one.
pub(super) async fn deadline(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// A connection in the making, for a session that goes on.
pub(super) enum Approach {
    /// Nothing is said on it before it stands.
    Dialing(Pin<Box<dyn Future<Output = Result<Won, ConnectError>> + Send>>),
    /// It stands, and the server is asked to go on.
    Introducing(Pin<Box<dyn Future<Output = Result<Arrived, Refusal>> + Send>>),
}

impl Approach {
    pub(super) fn dialing(route: &Route) -> Self {
        let route = route.clone();
        Self::Dialing(Box::pin(async move { route.stand().await }))
    }

    pub(super) fn introducing(connection: Connection, reconnect: Reconnect) -> Self {
        Self::Introducing(Box::pin(introduce(connection, reconnect)))
    }
}

/// How far an [`Approach`] has come.
pub(super) enum Step {
    Dialed(Result<Won, ConnectError>),
    Introduced(Box<Result<Arrived, Refusal>>),
}

/// Waits for the next step; for ever without an approach. Cancel-safe: the approach goes on where it was.
pub(super) async fn advance(approach: &mut Option<Approach>) -> Step {
    let step = match approach {
        Some(Approach::Dialing(dialing)) => Step::Dialed(dialing.await),
        Some(Approach::Introducing(introducing)) => Step::Introduced(Box::new(introducing.await)),
        None => pending().await,
    };
    *approach = None;
    step
}

/// Waits for a connection that is being made beside the one there is. Cancel-safe.
pub(super) async fn arrival(dialing: &mut Option<Dialing>) -> Result<Connection, ConnectError> {
    let dialed = match dialing {
        Some(dialing) => dialing.await,
        None => pending().await,
    };
    *dialing = None;
    dialed
}

//! Going on with a session on another connection: who may, which connection wins, and where each lane goes on.
//!
//! Tokens are numbered. The server stores the number of the newest one that the client is known to have; one more
//! may have been offered. Offering it twice is harmless, and using one that is retired shows that somebody copied it. What is
//! stored may be behind, and nobody else can make a token: one that was proven genuine, and is above all that are known, is the
//! newest.

use anteroom_protocol::LaneId;
use anteroom_protocol::lane::CountNotSent;
use anteroom_protocol::message::resume::{Counts, LaneOfRoom};

use super::{ConnectionId, Lanes, SessionBounds};

/// What a client presents to go on with its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The number of the token. That it is genuine was checked.
    pub token: u64,
    /// Rises with every claim that the client makes.
    pub attempt: u64,
    /// How the lanes come over.
    pub carrying: Carrying,
}

/// How the lanes come over to a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrying {
    /// At once, behind what has been received on each.
    Received(Counts),
    /// At once, each with a snapshot.
    Fresh,
    /// When the client says so, by [`Lanes::resume`].
    Live,
}

/// The session goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The new connection.
    pub connection: ConnectionId,
    /// The number of the token to answer with.
    pub token: u64,
    /// The rooms' lanes that go on.
    pub lanes: Vec<LaneOfRoom>,
    /// The highest `n` that has arrived.
    pub last_n: u64,
    /// Connections that are over now.
    pub displaced: Vec<ConnectionId>,
}

/// Why a claim is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such session, or not any more. Not said here.
    #[error("there is no such session")]
    Unknown,
    /// A newer attempt was accepted. This connection is over, and nothing else.
    #[error("a newer attempt was accepted")]
    Superseded,
    /// Somebody has a copy of a token: the session is over.
    #[error("a retired token was used again")]
    TokenReused,
    /// The client claims to have more than was sent. This connection is over, and nothing else.
    #[error(transparent)]
    Count(#[from] CountNotSent),
}

/// Why the lanes do not come over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMoving {
    /// This connection did not ask for it.
    #[error("there is nothing to resume on this connection")]
    NotAsked,
    /// The client claims to have more than was sent.
    #[error(transparent)]
    Count(#[from] CountNotSent),
}

/// Which token and which attempt is the newest.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// The newest token that the client is known to have.
    newest: u64,
    /// The next one was offered, on this connection last.
    offered: Option<ConnectionId>,
    /// Newer ones rise: a client that begins anew counts its attempts anew, in a round of their own.
    round: u64,
    attempt: Option<u64>,
}

impl Proof {
    /// What was known when the session was kept.
    pub(super) fn restored(newest: u64, round: u64, attempt: Option<u64>) -> Self {
        Self { newest, offered: None, round, attempt }
    }

    /// What has to be known to go on: the newest token, and the newest round and attempt.
    pub(super) fn kept(&self) -> (u64, u64, Option<u64>) {
        (self.newest, self.round, self.attempt)
    }

    /// The client begins anew, and nothing proves anything that comes late on a connection of before.
    fn begin_round(&mut self) {
        *self = Self { newest: self.newest, offered: None, round: self.round + 1, attempt: None };
    }

    fn check(&self, claim: &Claim) -> Result<(), Refused> {
        if self.attempt.is_some_and(|attempt| claim.attempt <= attempt) {
            return Err(Refused::Superseded);
        }
        if claim.token < self.newest {
            return Err(Refused::TokenReused);
        }
        Ok(())
    }

    /// Accepts a claim; gives the number of the token to answer with.
    fn accept(&mut self, claim: &Claim, connection: ConnectionId) -> u64 {
        // Who presents the token that was offered has it, and any above it was offered before something was forgotten.
        self.newest = claim.token;
        self.attempt = Some(claim.attempt);
        self.offered = Some(connection);
        self.newest + 1
    }

    fn heard(&mut self, connection: ConnectionId) {
        if self.offered == Some(connection) {
            self.newest += 1;
            self.offered = None;
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Attachment {
    id: ConnectionId,
    datagram_bytes_max: Option<usize>,
}

/// The connections of a session.
#[derive(Debug, Default)]
pub(super) struct Connections {
    attached: Option<Attachment>,
    moving: Option<Attachment>,
    made: u64,
}

impl Connections {
    pub(super) fn first(&mut self, datagram_bytes_max: Option<usize>) -> ConnectionId {
        let connection = self.make(datagram_bytes_max);
        self.attached = Some(connection);
        connection.id
    }

    fn make(&mut self, datagram_bytes_max: Option<usize>) -> Attachment {
        self.made += 1;
        Attachment { id: ConnectionId(self.made), datagram_bytes_max }
    }

    pub(super) fn attached(&self) -> Option<ConnectionId> {
        self.attached.map(|connection| connection.id)
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        [self.attached, self.moving].into_iter().flatten().any(|connection| connection.id == id)
    }

    pub(super) fn datagram_bytes_max(&self) -> Option<usize> {
        self.attached.and_then(|connection| connection.datagram_bytes_max)
    }
}

impl Lanes {
    /// Goes on with the session on a new connection.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed. After [`Refused::TokenReused`] the caller ends the session.
    pub fn reconnect(&mut self, claim: &Claim, datagram_bytes_max: Option<usize>) -> Result<Accepted, Refused> {
        self.proof.check(claim)?;
        if let Carrying::Received(counts) = &claim.carrying {
            self.check(counts)?;
        }
        let connection = self.carrying.make(datagram_bytes_max);
        let token = self.proof.accept(claim, connection.id);
        let mut displaced: Vec<ConnectionId> =
            self.carrying.moving.take().map(|connection| connection.id).into_iter().collect();
        match &claim.carrying {
            Carrying::Live => self.carrying.moving = Some(connection),
            Carrying::Received(counts) => displaced.extend(self.attach(connection, Some(counts))),
            Carrying::Fresh => displaced.extend(self.attach(connection, None)),
        }
        Ok(Accepted { connection: connection.id, token, lanes: self.lanes(), last_n: self.last_n, displaced })
    }

    /// Begins again on a new connection, for a client that has heard nothing of the session: its first answer was
    /// lost. Whoever has heard of it gets snapshots. The client has no token but the newest, which is told here.
    pub fn restart(&mut self, datagram_bytes_max: Option<usize>) -> Accepted {
        let connection = self.carrying.make(datagram_bytes_max);
        let mut displaced: Vec<ConnectionId> =
            self.carrying.moving.take().map(|connection| connection.id).into_iter().collect();
        let unheard = self.lanes().is_empty() && self.control.out.is_whole();
        displaced.extend(self.attach(connection, unheard.then_some(&Counts::new())));
        if unheard {
            self.control.out.skip_opening();
        }
        self.proof.begin_round();
        let token = self.proof.newest;
        Accepted { connection: connection.id, token, lanes: self.lanes(), last_n: self.last_n, displaced }
    }

    /// Lets the lanes of a live move come over. Gives the connection that they come from, if it is still there.
    ///
    /// # Errors
    /// [`NotMoving`]; nothing changed.
    pub fn resume(&mut self, connection: ConnectionId, received: &Counts) -> Result<Option<ConnectionId>, NotMoving> {
        let Some(moving) = self.carrying.moving.filter(|moving| moving.id == connection) else {
            return Err(NotMoving::NotAsked);
        };
        self.check(received)?;
        self.carrying.moving = None;
        Ok(self.attach(moving, Some(received)))
    }

    /// Notes that a message came on a connection: the client has the token that was offered there.
    pub fn heard(&mut self, connection: ConnectionId) {
        self.proof.heard(connection);
    }

    /// A connection is gone. What the lanes have to say waits for another.
    pub fn lost(&mut self, connection: ConnectionId) {
        if self.carrying.moving.is_some_and(|moving| moving.id == connection) {
            self.carrying.moving = None;
        }
        if self.carrying.attached() == Some(connection) {
            self.carrying.attached = None;
            let SessionBounds { control, room } = self.bounds;
            self.control.out.detach(&control);
            self.control.out.trim(self.bounds.room.waiting_bytes_max);
            self.end_overflow();
            self.forget_refusals();
            for (_, lane) in &mut self.rooms {
                lane.out.detach(&room);
                lane.datagrams.clear();
            }
        }
    }

    /// What was put on the control lane since it overflowed is lost, so the rest is, too.
    fn end_overflow(&mut self) {
        if std::mem::take(&mut self.overflowed) {
            self.control.out.start_gap();
        }
    }

    /// Whether the client is there: on the connection that carries the lanes, or on one that they will move to.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.carrying.attached.is_some() || self.carrying.moving.is_some()
    }

    fn check(&self, received: &Counts) -> Result<(), CountNotSent> {
        received.iter().try_for_each(|(id, count)| self.lane(*id).map_or(Ok(()), |lane| lane.out.check(*count)))
    }

    /// Has what was taken acknowledged with the next that is written, where no announcement does it.
    fn acknowledge_soon(&mut self) {
        let lanes = self.rooms.iter().map(|(_, lane)| lane).chain([&self.control]);
        if lanes.into_iter().any(|lane| lane.marks.applied() > lane.told) {
            self.ack.note(0, 0);
        }
    }

    /// Attaches every lane, behind what was received or with a snapshot. Gives the connection it was on.
    fn attach(&mut self, connection: Attachment, received: Option<&Counts>) -> Option<ConnectionId> {
        let before = self.carrying.attached.replace(connection).map(|connection| connection.id);
        self.end_overflow();
        self.catching_up = true;
        let count = |id: LaneId| received.map(|counts| counts.get(&id).copied().unwrap_or(0));
        // The counts were checked.
        let _ = self.control.out.attach(count(LaneId::CONTROL), true);
        self.forget_refusals();
        self.control.take_ack();
        for (id, lane) in &mut self.rooms {
            let known = lane.out.is_known();
            let _ = lane.out.attach(if known { count(*id) } else { Some(0) }, known);
            lane.datagrams.clear();
            lane.finished = false;
            if known {
                lane.take_ack();
            } else {
                // No announcement says what was taken, and nobody knows whether the last acknowledgement arrived.
                lane.told = 0;
            }
        }
        // Each announcement says what was taken.
        self.ack.reset();
        self.acknowledge_soon();
        self.rooms.retain(|(_, lane)| !(lane.ended && lane.out.is_received()));
        before
    }
}

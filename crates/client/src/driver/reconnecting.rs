//! Losing connections, making others, and going on there: what the task does with its [`Links`](super::Links).

use std::time::Duration;

use anteroom_protocol::CloseCode;
use anteroom_transport::{Closed, Connection, Transport};
use tokio::time::Instant;

use super::links::{Down, Moving};
use super::pipe::{Approach, Pipe, Step};
use super::{Driver, TAIL_MAX};
use crate::error::{ConnectError, RoomEnd, SessionEnd};
use crate::handshake::{Arrived, Refusal, is_programs_fault};
use crate::options::TransportChoice;
use crate::race::{Route, Won};
use crate::session::opening::Held;
use crate::session::{ConnectionId, EndedLane};
use crate::shared::Move;
use crate::state::SessionState;

/// How long it may take from the answer to `reconnect` until the session goes on there.
const ATTACHED_WITHIN: Duration = Duration::from_secs(10);
/// A connection that lives for so long was worth being made.
const LASTING: Duration = Duration::from_secs(5);

impl Driver {
    /// Says how the session is connected, if that has changed.
    pub(super) fn tell_state(&self) {
        let state = self.state();
        self.shared.state.send_if_modified(|told| {
            let changes = *told != state;
            *told = state;
            changes
        });
    }

    fn state(&self) -> SessionState {
        if let Some(down) = &self.links.down {
            let Down { since, attempt, next_try, .. } = *down;
            let until = down.until();
            return match down.closed.clone() {
                Some(why) => SessionState::Closed { why, until },
                None => SessionState::Reconnecting { attempt, next_try, since, until, why: down.lost.clone() },
            };
        }
        let is_dialing = matches!(self.links.approach, Some(Approach::Dialing(_)));
        match &self.links.moving {
            Some(Moving { from, to, .. }) if !is_dialing => SessionState::Moving { from: *from, to: *to },
            _ => SessionState::Connected { transport: self.shared.link().transport },
        }
    }

    pub(super) fn on_link_deadline(&mut self) -> Result<(), SessionEnd> {
        let now = Instant::now();
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Some(down) = self.links.down.as_ref().filter(|down| down.until() <= now && self.links.is_alone()) {
            let over = || SessionEnd::Unreachable { after: down.grace + down.away_max, lost: down.lost.clone() };
            return Err(down.closed.clone().unwrap_or_else(over));
        }
        if is_past(self.links.attach_by) {
            return self.lose(Closed::Lost("the server does not go on".into()));
        }
        if is_past(self.links.old_until) {
            self.retire();
        }
        if self.links.is_idle_down() && is_past(self.links.down.as_ref().map(|down| down.next_try)) {
            self.links.approach = self.links.route.as_ref().map(Approach::dialing);
        }
        if self.links.is_free() && is_past(self.links.upgrade_at.take_if(|at| *at <= now)) {
            self.links.better = self.links.route.as_ref().map(Route::try_quic);
        }
        Ok(())
    }

    /// The current connection is of no use any more. The session goes on on another one, if that can be.
    pub(super) fn lose(&mut self, closed: Closed) -> Result<(), SessionEnd> {
        let lost = match Refusal::of(closed) {
            Refusal::End(SessionEnd::ByServer { code, reason })
                if is_programs_fault(code) && self.links.route.is_some() =>
            {
                self.stay_closed(code, reason);
                return Ok(());
            }
            // The server would send the same again.
            Refusal::Again(closed @ (Closed::TooLarge { .. } | Closed::Malformed(_))) => return Err(closed.into()),
            Refusal::Again(lost) if self.links.route.is_some() => lost,
            Refusal::Again(Closed::ByPeer { code, reason }) => return Err(SessionEnd::by_server(code, reason)),
            Refusal::Again(closed) => return Err(closed.into()),
            Refusal::End(end) => return Err(end),
        };
        let now = Instant::now();
        self.let_go(&lost, now);
        self.go_down(lost, now);
        Ok(())
    }

    /// The server has closed the connection for what this program sent. What that was is not known, so nothing of it is
    /// sent again.
    fn stay_closed(&mut self, code: u16, reason: String) {
        let now = Instant::now();
        let lost = Closed::ByPeer { code, reason: reason.clone() };
        self.let_go(&lost, now);
        self.go_down(lost, now);
        if let Some(down) = &mut self.links.down {
            down.closed = Some(SessionEnd::ByServer { code, reason });
        }
        // Before anybody hears of it: who finds their request failed finds out why.
        self.tell_state();
        let unanswered = self.session.give_up();
        self.unanswered(unanswered);
    }

    /// Gives up every connection there is, and what is in the making.
    fn let_go(&mut self, lost: &Closed, now: Instant) {
        tracing::debug!(session_id = %self.shared.accepted.session_id, %lost, "connection lost");
        self.retire();
        if let Some(pipe) = self.links.current.take() {
            self.session.lost(pipe.id);
            self.note_broken(&pipe, lost, now);
        }
        let links = &mut self.links;
        (links.approach, links.better, links.upgrade_at, links.attach_by) = (None, None, None, None);
        links.end_move(Err(ConnectError::BrokenOff));
    }

    fn note_broken(&self, pipe: &Pipe, lost: &Closed, now: Instant) {
        let broke = matches!(lost, Closed::Lost(_) | Closed::Silence) && self.links.attach_by.is_none();
        if let Some(route) = self.links.route.as_ref().filter(|_| broke) {
            route.note_broken(pipe.connection.transport(), now);
        }
    }

    /// Begins to look for another connection, or goes on with that.
    fn go_down(&mut self, lost: Closed, now: Instant) {
        let (grace, away_max) = (Duration::from_millis(self.shared.accepted.grace_ms), self.away_max);
        let links = &mut self.links;
        if links.down.is_none() && now.duration_since(links.attached_at) >= LASTING {
            links.backoff.reset();
        }
        let floods = matches!(lost, Closed::ByPeer { code, .. } if code == CloseCode::Flooded.number());
        let next_try = now + if floods { links.backoff.next_after_pause() } else { links.backoff.next() };
        let nothing = Down { since: now, grace, away_max, lost, attempt: 0, next_try, closed: None };
        let down = links.down.get_or_insert(nothing);
        down.attempt = down.attempt.saturating_add(1);
        down.next_try = next_try;
    }

    /// Lets go of the connection that the session has moved away from.
    pub(super) fn retire(&mut self) {
        self.links.old_until = None;
        if let Some(old) = self.links.old.take() {
            self.session.lost(old.id);
            self.settle();
        }
    }

    pub(super) fn on_move(&mut self, wish: Move) {
        let Move { choice, done } = wish;
        let Some(route) = &mut self.links.route else {
            // Whoever asked may not wait any more.
            return drop(done.send(Err(ConnectError::NoDial)));
        };
        if choice.is_none() && self.links.current.is_some() {
            return drop(done.send(Ok(())));
        }
        let choice = choice.unwrap_or(route.choice);
        if let Some(down) = &mut self.links.down {
            (down.closed, down.next_try) = (None, Instant::now());
        }
        let before = std::mem::replace(&mut route.choice, choice);
        let before = self.links.moving.as_ref().and_then(|moving| moving.before).unwrap_or(before);
        self.links.end_move(Err(ConnectError::BrokenOff));
        let from = self.shared.link().transport;
        self.links.moving = Some(Moving { from, to: choice, before: Some(before), done: Some(done) });
        if let Some(route) = &mut self.links.route {
            route.choice = choice;
            self.links.better = None;
            self.links.approach = Some(Approach::dialing(route));
        }
    }

    pub(super) fn on_better(&mut self, dialed: Result<Connection, ConnectError>) {
        let now = Instant::now();
        let transport = self.shared.link().transport;
        match dialed {
            Ok(connection) if self.links.approach.is_none() => {
                let to = TransportChoice::Quic;
                self.links.moving = Some(Moving { from: transport, to, before: None, done: None });
                self.introduce(connection);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "no QUIC to move to");
                if let Some(route) = &self.links.route {
                    route.note_blocked(now);
                }
                self.plan_upgrade(transport, now);
            }
        }
    }

    /// Asks the server to go on with the session on a connection.
    fn introduce(&mut self, mut connection: Connection) {
        connection.allow_rooms(self.shared.accepted.limits.rooms_max);
        self.links.approach = Some(Approach::introducing(connection, self.session.reconnect()));
    }

    fn plan_upgrade(&mut self, transport: Transport, now: Instant) {
        self.links.upgrade_at = self.links.route.as_ref().and_then(|route| route.upgrade_at(transport, now));
    }

    pub(super) fn on_step(&mut self, step: Step) -> Result<(), SessionEnd> {
        match step {
            Step::Dialed(Ok(Won { connection, better })) => {
                self.links.better = better;
                self.introduce(connection);
                Ok(())
            }
            Step::Dialed(Err(error)) => self.failed(Closed::Lost(error.to_string().into()), error),
            Step::Introduced(introduced) => match *introduced {
                Ok(arrived) => self.go_on(arrived),
                Err(Refusal::Again(closed)) => self.failed(closed.clone(), ConnectError::Lost(closed)),
                Err(Refusal::End(SessionEnd::ByServer { code, reason }))
                    if self.links.down.is_some() && is_programs_fault(code) =>
                {
                    self.stay_closed(code, reason);
                    Ok(())
                }
                Err(Refusal::End(end)) if self.links.down.is_some() => Err(end),
                Err(Refusal::End(end)) => self.failed(Closed::Lost(end.to_string().into()), ConnectError::Ended(end)),
            },
        }
    }

    /// A connection did not come to be. Without any the session tries again, else it stays where it is.
    fn failed(&mut self, lost: Closed, error: ConnectError) -> Result<(), SessionEnd> {
        tracing::debug!(%error, "no other connection");
        if self.links.down.is_some() {
            self.links.better = None;
            self.go_down(lost, Instant::now());
            return Ok(());
        }
        self.links.end_move(Err(error));
        self.plan_upgrade(self.shared.link().transport, Instant::now());
        Ok(())
    }

    /// The server is ready on a new connection.
    fn go_on(&mut self, arrived: Arrived) -> Result<(), SessionEnd> {
        let Arrived { connection, result, held } = arrived;
        let pipe = self.links.next_pipe(connection);
        let id = pipe.id;
        self.links.attach_by = Some(Instant::now() + ATTACHED_WITHIN);
        if self.links.down.is_some() {
            self.links.current = Some(pipe);
            for ended in self.session.reconnected(id, result) {
                self.gone(ended);
            }
        } else {
            let resume = self.session.resume(id, result);
            self.links.old = self.links.current.replace(pipe);
            self.say(&resume);
        }
        for record in held {
            self.on_held(id, &record)?;
        }
        Ok(())
    }

    fn on_held(&mut self, pipe: ConnectionId, record: &Held) -> Result<(), SessionEnd> {
        let Held { lane, codec, payload, taken } = record;
        match self.on_record(pipe, *lane, *codec, payload, *taken) {
            Ok(()) => Ok(()),
            Err(Refusal::End(end)) => Err(end),
            Err(Refusal::Again(closed)) => self.lose(closed),
        }
    }

    /// A room ended unseen.
    fn gone(&mut self, ended: EndedLane) {
        self.unclaimed.remove(&ended.lane);
        if let Some(entry) = self.rooms.remove(&ended.lane) {
            entry.end(RoomEnd::Gone);
        }
        self.unanswered(ended.unanswered);
    }

    /// The session itself goes on on the current connection.
    pub(super) fn attached(&mut self) {
        let Some(pipe) = &self.links.current else { return };
        let (transport, now) = (pipe.connection.transport(), Instant::now());
        if self.links.attach_by.take().is_some() {
            self.shared.note_link(transport);
            self.links.down = None;
            self.links.attached_at = now;
            self.plan_upgrade(transport, now);
        }
    }

    /// Ends a move once everything has come over.
    pub(super) fn settle(&mut self) {
        let is_over = self.links.old.is_none() || self.session.has_moved();
        if !is_over || self.links.attach_by.is_some() || self.links.approach.is_some() || self.links.down.is_some() {
            return;
        }
        self.links.end_move(Ok(()));
        if self.links.old.is_some() {
            // The server closes it; one that does not has had its time.
            self.links.old_until.get_or_insert(Instant::now() + TAIL_MAX);
        }
    }
}

//! The task that owns a session's connections: it writes what the handles hand over, takes apart what comes, and
//! makes another connection when one is lost or a better one is to be had.
//!
//! It never waits for a handle: answers go to whoever still waits, what happens in a room into its bounded inbox. What
//! it does depends on nothing but what it is told and when, so a simulated session can be repeated.

mod dispatch;
mod entering;
mod links;
mod listing;
mod pipe;
mod reconnecting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::lane::Upstream;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::{Goodbye, SubscribeRooms};
use anteroom_protocol::{Batch, Body, ErrorBody, ErrorCode, Header, LaneId, RoomId};
use anteroom_transport::{Closed, Connection, Event};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::links::Links;
use self::listing::Lobby;
use self::pipe::{Step, deadline, recv};
use crate::draft::Draft;
use crate::error::{ConnectError, RoomEnd, SessionEnd};
use crate::handshake::Refusal;
use crate::inbox::Inbox;
use crate::options::SessionOptions;
use crate::session::{ConnectionId, Session};
use crate::shared::{Answer, Command, Inlets, Move, Shared};
use crate::state::SessionState;

/// How long the rest of the rooms' lanes may take to arrive after the server's goodbye.
const TAIL_MAX: Duration = Duration::from_secs(2);

/// A membership, as the task knows it.
#[derive(Debug)]
struct RoomEntry {
    room_id: RoomId,
    /// None if the handle is gone, and the room is being left.
    inbox: Option<Arc<Inbox>>,
}

/// See the module.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    session: Session,
    inlets: Inlets,
    /// Resolves when the client says goodbye, or is dropped.
    stop: oneshot::Receiver<()>,
    links: Links,
    rooms: BTreeMap<LaneId, RoomEntry>,
    lobby: Option<Lobby>,
    /// What the client, or this task itself, subscribes to just now.
    subscribing: Option<(u64, SubscribeRooms)>,
    /// Requests that lead into a room, and which, if they name it.
    entering: BTreeMap<u64, Option<RoomId>>,
    /// Rooms that this session is in, while it is not known who has asked for them.
    unclaimed: BTreeMap<LaneId, RoomId>,
    /// What the server's goodbye said.
    goodbye: Option<Goodbye>,
    started: Instant,
    away_max: Duration,
}

/// What happens next.
enum Next {
    Stop,
    Deadline,
    Move(Move),
    Command(Command),
    Departed,
    Event(ConnectionId, Result<Event, Closed>),
    Step(Step),
    Better(Result<Connection, ConnectError>),
    Unreliable(Draft),
}

impl Driver {
    /// Takes over a session that has just begun. Without a route it ends with its connection.
    pub(crate) fn new(
        shared: Arc<Shared>,
        inlets: Inlets,
        stop: oneshot::Receiver<()>,
        links: Links,
        options: &SessionOptions,
    ) -> Self {
        let session = Session::new(&shared.accepted, options.resume, ConnectionId(0));
        Self {
            shared,
            session,
            inlets,
            stop,
            links,
            rooms: BTreeMap::new(),
            lobby: None,
            subscribing: None,
            entering: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            goodbye: None,
            started: Instant::now(),
            away_max: options.away_max,
        }
    }

    /// Runs until the session ends, and closes the connection.
    pub(crate) async fn run(mut self) {
        let end = self.converse().await;
        tracing::debug!(session_id = %self.shared.accepted.session_id, %end, "session ended");
        // In this order, whoever finds the way in closed, or a request abandoned, also finds out why.
        self.shared.state.send_replace(SessionState::Ended(end.clone()));
        self.inlets.close();
        self.shared.abandon_pending();
        for entry in std::mem::take(&mut self.rooms).into_values() {
            entry.end(RoomEnd::Session(end.clone()));
        }
        self.lobby = None;
        self.links.close(&end).await;
    }

    async fn converse(&mut self) -> SessionEnd {
        loop {
            let next = self.next().await;
            if let Err(end) = self.on_next(next).await {
                return end;
            }
            self.tell_state();
        }
    }

    /// Waits for what happens next. Commands come before events: the server's limits bound them, so they starve
    /// nothing.
    async fn next(&mut self) -> Next {
        let at = self.deadline();
        let takes = self.session.has_room() && self.links.is_idle() && !self.links.is_closed();
        let moves = self.links.is_settled();
        let upgrades = moves && self.links.approach.is_none() && self.session.is_attached();
        let Self { links, inlets, stop, shared, .. } = self;
        tokio::select! {
            biased;
            _ = stop => Next::Stop,
            () = deadline(at) => Next::Deadline,
            Some(wish) = inlets.moves.recv(), if moves => Next::Move(wish),
            Some(command) = inlets.commands.recv(), if takes => Next::Command(command),
            () = shared.departed.notified(), if takes => Next::Departed,
            (id, event) = recv(&mut links.old) => Next::Event(id, event),
            (id, event) = recv(&mut links.current) => Next::Event(id, event),
            step = pipe::advance(&mut links.approach) => Next::Step(step),
            dialed = pipe::arrival(&mut links.better), if upgrades => Next::Better(dialed),
            Some(draft) = inlets.unreliable.recv() => Next::Unreliable(draft),
        }
    }

    async fn on_next(&mut self, next: Next) -> Result<(), SessionEnd> {
        match next {
            Next::Stop => return Err(SessionEnd::ByClient),
            Next::Deadline => return self.on_deadline(),
            Next::Move(wish) => self.on_move(wish),
            Next::Command(command) => self.on_command(command),
            Next::Departed => self.leave_departed(),
            Next::Event(pipe, event) => self.on_event(pipe, event)?,
            Next::Step(step) => self.on_step(step)?,
            Next::Better(dialed) => self.on_better(dialed),
            Next::Unreliable(draft) => self.send_unreliable(&draft),
        }
        match self.goodbye.take() {
            Some(goodbye) => self.tail(goodbye).await,
            None => Ok(()),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn deadline(&self) -> Option<Instant> {
        let ack = self.session.ack_at_ms().map(|ms| self.started + Duration::from_millis(ms));
        [ack, self.links.deadline()].into_iter().flatten().min()
    }

    fn on_deadline(&mut self) -> Result<(), SessionEnd> {
        self.acknowledge();
        self.on_link_deadline()
    }

    fn acknowledge(&mut self) {
        if let Some(ack) = self.session.ack(self.now_ms()) {
            self.say(&ack);
        }
    }

    /// Takes what was on its way when the server said goodbye.
    async fn tail(&mut self, goodbye: Goodbye) -> Result<(), SessionEnd> {
        let deadline = Instant::now() + TAIL_MAX;
        while let Ok((pipe, Ok(event))) = timeout_at(deadline, recv(&mut self.links.current)).await {
            match self.take(pipe, event) {
                Ok(()) => {}
                Err(Refusal::End(end)) => return Err(end),
                Err(Refusal::Again(_)) => break,
            }
        }
        self.goodbye = None;
        let Goodbye { code, reason } = goodbye;
        self.lose(Closed::ByPeer { code, reason })
    }

    fn on_event(&mut self, pipe: ConnectionId, event: Result<Event, Closed>) -> Result<(), SessionEnd> {
        self.note_rtt();
        match event {
            Ok(event) => match self.take(pipe, event) {
                Ok(()) => {
                    self.acknowledge();
                    Ok(())
                }
                Err(Refusal::End(end)) => Err(end),
                Err(Refusal::Again(closed)) => self.lose(closed),
            },
            Err(_) if self.links.is_old(pipe) => {
                self.retire();
                Ok(())
            }
            Err(closed) => self.lose(closed),
        }
    }

    fn take(&mut self, pipe: ConnectionId, event: Event) -> Result<(), Refusal> {
        match event {
            Event::Record { lane, codec, payload } => self.on_record(pipe, lane, codec, &payload, 0)?,
            Event::Datagram { lane, payload } => self.on_datagram(lane, &payload),
            Event::Writable => self.links.write(),
            // A room's lane has said why it ends; a server that ends control ends the connection next.
            Event::LaneEnded { .. } => {}
        }
        Ok(())
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Send(draft) => self.submit(&draft),
            Command::Enter(draft, room_id) => self.enter(&draft, room_id),
            Command::Subscribe(draft, which) => {
                // From here on no change can make this task end the subscription that is asked for.
                self.lobby = None;
                self.subscribing = draft.reference.map(|reference| (reference, which));
                self.submit(&draft);
            }
        }
    }

    /// Sends a message, now or when its lane's owner listens.
    fn submit(&mut self, draft: &Draft) {
        let lane = draft.lane();
        if !self.session.is_live(lane) {
            let error = ErrorBody::new(ErrorCode::NotInRoom, "This session is not in that room any more.");
            return self.answer(draft.reference, Answer::Failed(error));
        }
        let n = draft.reliable.then(|| self.session.next_n());
        let batch = match draft.encode(n) {
            Ok(batch) => Arc::new(batch),
            Err(error) => return tracing::error!(%error, "a message could not be encoded"),
        };
        let now = match (n, draft.reference) {
            (Some(n), reference) => self.session.keep(Upstream { n, lane, batch }, reference),
            (None, Some(reference)) => self.session.keep_question(reference, batch),
            (None, None) => self.session.is_writable(lane).then_some(batch),
        };
        if let Some(batch) = now {
            self.links.send(batch);
        }
    }

    /// Sends a datagram where there are any; nothing waits for it to get through.
    fn send_unreliable(&mut self, draft: &Draft) {
        if self.session.is_live(draft.lane()) && self.session.is_writable(draft.lane()) {
            match draft.encode(None) {
                Ok(batch) => self.links.send_unreliable(draft.lane(), batch),
                Err(error) => tracing::error!(%error, "a message could not be encoded"),
            }
        }
    }

    /// Gives a request its answer.
    fn answer(&mut self, reference: Option<u64>, answer: Answer) {
        let Some(reference) = reference else { return };
        self.session.answered(reference);
        self.entering.remove(&reference);
        match self.shared.take_pending(reference) {
            // What nobody waits for any more undoes itself when it is dropped.
            Some(waiting) => drop(waiting.send(answer)),
            None => tracing::trace!(reference, "an answer that nobody waits for"),
        }
    }

    /// Asks for something on the session's own account; gives the mark of the answer.
    fn request<T: Message>(&mut self, address: impl FnOnce(Draft) -> Draft, data: &T) -> Option<u64> {
        match Draft::of(self.shared.codec(), data) {
            Ok(draft) => {
                let reference = self.shared.next_reference();
                self.submit(&address(draft).with_reference(reference));
                Some(reference)
            }
            Err(error) => {
                tracing::error!(%error, "a request could not be encoded");
                None
            }
        }
    }

    /// Says something about this connection, which is not kept.
    fn say<T: Message + Body>(&mut self, data: &T) {
        match Batch::one(self.shared.codec(), &Header::new(T::TYPE), data) {
            Ok(batch) => self.links.send(Arc::new(batch)),
            Err(error) => tracing::error!(%error, "a message could not be encoded"),
        }
    }

    fn note_rtt(&self) {
        if let Some(rtt) = self.links.rtt() {
            self.shared.note_rtt(self.shared.link().number, rtt);
        }
    }
}

impl RoomEntry {
    fn end(self, end: RoomEnd) {
        if let Some(inbox) = self.inbox {
            inbox.end(end);
        }
    }
}

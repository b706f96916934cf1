//! The task that owns a session's connection: it writes what the handles hand over, and takes apart what comes.
//!
//! It never waits for a handle: answers go to whoever still waits, what happens in a room into its bounded inbox. On
//! QUIC there is no order between lanes, so an answer is recognised by its `ref` before anything else, and a message
//! of a room by its lane where the transport tells it: the tail of a membership that is over is not mistaken for the
//! next one in the same room.

mod dispatch;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::code::close_reason;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::{Goodbye, LeaveRoom, UnsubscribeRooms};
use anteroom_protocol::{Batch, CloseCode, Codec, Header, LaneId, RoomId};
use anteroom_transport::{Closed, Connection, Event};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::error::{RoomEnd, SessionEnd};
use crate::inbox::Inbox;
use crate::lobby::Listed;
use crate::shared::{Command, Shared};

/// How long the rest of the rooms' lanes may take to arrive after the server's goodbye.
const TAIL_MAX: Duration = Duration::from_secs(2);
/// RFC 6455, section 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

/// The room of a membership, as the task knows it.
#[derive(Debug)]
struct RoomEntry {
    lane: LaneId,
    inbox: Arc<Inbox>,
}

/// See the module.
pub(crate) struct Driver {
    connection: Connection,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    /// Resolves when the client says goodbye, or is dropped.
    stop: oneshot::Receiver<()>,
    /// What the connection had no room for: one command, or the rooms that are being left.
    unsent: VecDeque<Arc<Batch>>,
    rooms: HashMap<RoomId, RoomEntry>,
    lobby: Option<watch::Sender<Listed>>,
    /// What the server's goodbye said.
    goodbye: Option<Goodbye>,
}

impl Driver {
    pub(crate) fn new(
        connection: Connection,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        stop: oneshot::Receiver<()>,
    ) -> Self {
        let (unsent, rooms) = (VecDeque::new(), HashMap::new());
        Self { connection, shared, commands, stop, unsent, rooms, lobby: None, goodbye: None }
    }

    /// Runs until the session ends, and closes the connection.
    pub(crate) async fn run(mut self) {
        let end = self.converse().await;
        tracing::debug!(session_id = %self.shared.accepted.session_id, %end, "session ended");
        // In this order, whoever finds the way in closed, or a request abandoned, also finds out why.
        self.shared.end.send_replace(Some(end.clone()));
        self.commands.close();
        self.shared.abandon_pending();
        for (_, entry) in self.rooms.drain() {
            entry.inbox.end(RoomEnd::Session(end.clone()));
        }
        self.lobby = None;
        self.close(&end).await;
    }

    async fn converse(&mut self) -> SessionEnd {
        loop {
            let idle = self.unsent.is_empty();
            tokio::select! {
                event = self.connection.recv() => {
                    if let Err(end) = self.on_event(event) {
                        return end;
                    }
                    if self.goodbye.is_some() {
                        return self.tail().await;
                    }
                }
                Some(command) = self.commands.recv(), if idle => self.on_command(command),
                () = self.shared.departed.notified(), if idle => self.leave_departed(),
                _ = &mut self.stop => return SessionEnd::ByClient,
            }
        }
    }

    /// Takes what was on its way when the server said goodbye.
    async fn tail(&mut self) -> SessionEnd {
        let deadline = Instant::now() + TAIL_MAX;
        while let Ok(Ok(event)) = timeout_at(deadline, self.connection.recv()).await {
            if let Err(end) = self.on_event(Ok(event)) {
                return end;
            }
        }
        let Goodbye { code, reason } = self.goodbye.take().unwrap_or_default();
        SessionEnd::by_server(code, reason)
    }

    fn on_event(&mut self, event: Result<Event, Closed>) -> Result<(), SessionEnd> {
        if let Some(rtt) = self.connection.rtt() {
            self.shared.note_rtt(rtt);
        }
        match event {
            Ok(Event::Record { lane, codec, payload }) => self.on_record(lane, codec, &payload),
            Ok(Event::Datagram { lane, payload }) => {
                self.on_datagram(lane, &payload);
                Ok(())
            }
            Ok(Event::Writable) => {
                self.write();
                Ok(())
            }
            // A room's lane has said why it ends; a server that ends control ends the connection next.
            Ok(Event::LaneEnded { .. }) => Ok(()),
            Err(Closed::ByPeer { code, reason }) => Err(SessionEnd::by_server(code, reason)),
            Err(closed) => Err(SessionEnd::Lost(closed)),
        }
    }

    fn on_command(&mut self, command: Command) {
        let batch = match command {
            Command::Send(batch) => batch,
            Command::Subscribe(batch) => {
                // From here on no change can make this task end the subscription that is asked for.
                self.lobby = None;
                batch
            }
        };
        self.send(batch);
    }

    /// Leaves the rooms whose handles are gone. Each is asked for by a `ref`, so that its lane ends with the answer.
    fn leave_departed(&mut self) {
        for (room_id, lane) in self.shared.take_departures() {
            if self.rooms.get(&room_id).is_some_and(|entry| entry.lane == lane) {
                self.rooms.remove(&room_id);
                let reference = self.shared.next_reference().into();
                let header = Header { reference: Some(&reference), ..Header::new(LeaveRoom::TYPE) };
                self.say(&header.in_room(room_id.as_str()), &LeaveRoom::default());
            }
        }
    }

    fn unsubscribe(&mut self) {
        self.lobby = None;
        self.say(&Header::new(UnsubscribeRooms::TYPE), &UnsubscribeRooms {});
    }

    fn say<T: anteroom_protocol::Body>(&mut self, header: &Header<'_>, data: &T) {
        match Batch::one(self.shared.codec(), header, data) {
            Ok(batch) => self.send(Arc::new(batch)),
            Err(error) => tracing::error!(%error, "a message could not be encoded"),
        }
    }

    fn send(&mut self, batch: Arc<Batch>) {
        self.unsent.push_back(batch);
        self.write();
    }

    fn write(&mut self) {
        while let Some(batch) = self.unsent.pop_front() {
            if let Err(batch) = self.connection.try_send(LaneId::CONTROL, batch) {
                self.unsent.push_front(batch);
                return;
            }
        }
    }

    async fn close(mut self, end: &SessionEnd) {
        let (code, reason) = match end {
            SessionEnd::ByClient | SessionEnd::ByServer { .. } => (NORMAL_CLOSURE, String::new()),
            SessionEnd::Malformed(why) => (CloseCode::Malformed.number(), close_reason(why).to_owned()),
            SessionEnd::Lost(Closed::TooLarge { .. }) => close_code(CloseCode::MessageTooLarge),
            SessionEnd::Lost(Closed::Malformed(_)) => close_code(CloseCode::Malformed),
            SessionEnd::Lost(Closed::Silence) => close_code(CloseCode::Silence),
            SessionEnd::Lost(_) => return,
        };
        if !matches!(end, SessionEnd::ByServer { .. }) {
            let goodbye = Goodbye { code, reason: reason.clone() };
            if let Ok(batch) = Batch::one(Codec::Json, &Header::new(Goodbye::TYPE), &goodbye) {
                // A server that does not read learns the code from the transport alone.
                self.unsent.push_back(Arc::new(batch));
                self.write();
            }
        }
        self.connection.close(code, &reason).await;
    }
}

fn close_code(code: CloseCode) -> (u16, String) {
    (code.number(), code.sentence().to_owned())
}

//! A session that goes on: on a new connection after the old one is lost, or moving over from one that lives.
//!
//! It is in one room and listens; besides acknowledging it says nothing there. Every message of the one other member
//! is checked: each must come once and in order, whatever happens to the connections.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anteroom_bench::Stamp;
use anteroom_protocol::envelope::{Envelope, decode_batch};
use anteroom_protocol::lane::{AckDue, Inbound, is_counted};
use anteroom_protocol::message::Message;
use anteroom_protocol::message::resume::{Ack, Counts, LaneOpened, Reconnect, Reconnected, Resume};
use anteroom_protocol::{Batch, Codec, Data, Header, Json, LaneId, RoomId};
use anteroom_transport::{Closed, Connection, Event, Transport};
use anyhow::{Context, Result, ensure};
use tokio::time::{sleep, timeout};

use crate::entry::{Destination, text};
use crate::quic::ENTER_MAX;
use crate::resuming::now_ms;
use crate::way::{Arrived, Way, enter};

/// How many messages must arrive behind a move until it is over.
const MESSAGES_AFTER_MOVE: u32 = 3;

/// How a cut connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It is closed without a goodbye, which the server learns at once.
    Closed,
    /// Nobody looks at it any more, and the server has to find out by itself.
    Silent,
}

/// What a cut cost, from the cut on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    /// Until the room's lane went on.
    pub(crate) attached: Duration,
    /// Until the first message that had not arrived before.
    pub(crate) delivered: Duration,
}

/// See the module.
pub(crate) struct Session {
    way: Way,
    connection: Option<Connection>,
    /// Counts the connections; lanes say on which of them they are.
    pipe: u32,
    identity: Reconnect,
    pub(crate) room_id: RoomId,
    /// Control, and the room's.
    lanes: [Lane; 2],
    due: AckDue,
    /// Whether the connection may be written on: its lanes have come over.
    attached: bool,
    token_known: bool,
    pub(crate) check: Check,
    /// The newest message, and the longest pause before one since it was last looked at.
    heard_at: Instant,
    pause: Duration,
}

#[derive(Debug)]
struct Lane {
    id: LaneId,
    pipe: u32,
    inbound: Inbound,
}

/// The other member's messages.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// The number expected next.
    pub(crate) expected: u32,
    pub(crate) missing: u64,
    pub(crate) repeated_or_late: u64,
}

impl Check {
    fn takes(&mut self, stamp: Stamp) {
        if stamp.number < self.expected {
            self.repeated_or_late += 1;
            return;
        }
        self.missing += u64::from(stamp.number - self.expected);
        self.expected = stamp.number + 1;
    }
}

impl Session {
    /// A new session in a room of its own.
    pub(crate) async fn open(way: Way, transport: Transport) -> Result<Self> {
        let connection = way.dial(transport).await?;
        let (connection, arrived) = enter(connection, Destination::NewRoom, true).await?;
        let Arrived { accepted, room, event: (lane, codec, payload) } = arrived;
        let (room_id, room_lane) = room.context("not in a room")?;
        let identity = Reconnect {
            session_id: accepted.session_id,
            resume_token: accepted.resume_token,
            attempt: 0,
            received: None,
            fresh: false,
        };
        let lane_of = |id| Lane { id, pipe: 0, inbound: Inbound::default() };
        let mut session = Self {
            way,
            connection: Some(connection),
            pipe: 0,
            identity,
            room_id,
            lanes: [lane_of(LaneId::CONTROL), lane_of(room_lane)],
            due: AckDue::default(),
            attached: true,
            token_known: true,
            check: Check::default(),
            heard_at: Instant::now(),
            pause: Duration::ZERO,
        };
        session.hear(0, lane, codec, &payload)?;
        Ok(session)
    }

    /// Listens, and acknowledges when it is time.
    pub(crate) async fn listen(&mut self) -> Result<()> {
        let connection = self.connection.as_mut().context("no connection")?;
        let at_ms = self.due.at_ms().filter(|_| self.attached);
        let wait = Duration::from_millis(at_ms.map_or(u64::MAX, |at| at.saturating_sub(now_ms())).min(1000));
        tokio::select! {
            event = connection.recv() => self.hear_event(self.pipe, event?)?,
            () = sleep(wait) => {}
        }
        if self.attached && self.due.is_due(now_ms()) {
            self.due.reset();
            let ack = Batch::one(Codec::Json, &Header::new("ack"), &Ack { counts: self.received() })?;
            self.say(ack).await?;
        }
        Ok(())
    }

    /// Listens until a time.
    pub(crate) async fn listen_for(&mut self, time: Duration) -> Result<()> {
        let mut over = pin!(sleep(time));
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                heard = self.listen() => heard?,
            }
        }
    }

    /// Cuts the connection and goes on with another one.
    pub(crate) async fn cut(&mut self, to: Transport, cut: Cut) -> Result<Outage> {
        let start = Instant::now();
        let old = self.connection.take().filter(|_| cut == Cut::Silent);
        let before = self.check.expected;
        let connection = self.way.dial(to).await?;
        let received = self.received();
        self.begin(connection, Some(received)).await?;
        let (mut attached, mut delivered) = (None, None);
        let outage = loop {
            timeout(ENTER_MAX, self.listen()).await.context("the session does not go on")??;
            self.attached = self.token_known && self.lanes.iter().all(|lane| lane.pipe == self.pipe);
            if self.lanes[1].pipe == self.pipe {
                attached.get_or_insert_with(|| start.elapsed());
            }
            if self.check.expected > before {
                delivered.get_or_insert_with(|| start.elapsed());
            }
            if let (true, Some(attached), Some(delivered)) = (self.attached, attached, delivered) {
                break Outage { attached, delivered };
            }
        };
        drop(old);
        Ok(outage)
    }

    /// Moves over to another connection while this one carries on; says how long no message came at most.
    pub(crate) async fn move_over(&mut self, to: Transport) -> Result<Duration> {
        self.pause = Duration::ZERO;
        let way = self.way.clone();
        let mut dialing = pin!(way.dial(to));
        let new = loop {
            tokio::select! {
                dialed = &mut dialing => break dialed?,
                heard = self.listen() => heard?,
            }
        };
        let old = self.connection.take().context("no connection")?;
        let old_pipe = self.pipe;
        self.begin(new, None).await?;
        timeout(ENTER_MAX, self.come_over(old, old_pipe)).await.context("the session does not move")??;
        self.attached = true;
        let until = self.check.expected + MESSAGES_AFTER_MOVE;
        while self.check.expected < until {
            timeout(ENTER_MAX, self.listen()).await.context("nothing comes after a move")??;
        }
        Ok(self.pause)
    }

    /// Reads both connections until every lane is on the new one.
    async fn come_over(&mut self, old: Connection, old_pipe: u32) -> Result<()> {
        let mut old = Some(old);
        let mut asked = false;
        while self.lanes.iter().any(|lane| lane.pipe != self.pipe) {
            let new = self.connection.as_mut().context("no connection")?;
            tokio::select! {
                event = new.recv() => self.hear_event(self.pipe, event?)?,
                event = recv(old.as_mut()) => match event {
                    Ok(event) => self.hear_event(old_pipe, event)?,
                    // It ends when all lanes have left it.
                    Err(_) => old = None,
                },
            }
            if self.token_known && !asked {
                asked = true;
                let resume = Resume { received: self.received() };
                self.say(Batch::one(Codec::Json, &Header::new("resume"), &resume)?).await?;
            }
        }
        Ok(())
    }

    /// Says on a new connection whose it is.
    async fn begin(&mut self, connection: Connection, received: Option<Counts>) -> Result<()> {
        self.connection = Some(connection);
        self.pipe += 1;
        self.due.reset();
        self.identity.attempt += 1;
        self.identity.received = received;
        (self.attached, self.token_known) = (false, false);
        let reconnect = Json::new(&self.identity)?;
        self.say(Batch::one(Codec::Json, &Header::new("reconnect"), &reconnect)?).await
    }

    async fn say(&mut self, batch: Batch) -> Result<()> {
        let connection = self.connection.as_mut().context("no connection")?;
        Ok(connection.send(LaneId::CONTROL, Arc::new(batch)).await?)
    }

    fn received(&self) -> Counts {
        self.lanes.iter().map(|lane| (lane.id, lane.inbound.received())).collect()
    }

    fn hear_event(&mut self, pipe: u32, event: Event) -> Result<()> {
        match event {
            Event::Record { lane, codec, payload } => self.hear(pipe, lane, codec, &payload),
            _ => Ok(()),
        }
    }

    fn hear(&mut self, pipe: u32, told: Option<LaneId>, codec: Codec, payload: &[u8]) -> Result<()> {
        let before = self.check.expected;
        for message in decode_batch(codec, payload)? {
            self.takes(pipe, told, &message?, payload.len())?;
        }
        if self.check.expected > before {
            let now = Instant::now();
            self.pause = self.pause.max(now - self.heard_at);
            self.heard_at = now;
        }
        Ok(())
    }

    fn takes(&mut self, pipe: u32, told: Option<LaneId>, message: &Envelope<'_>, bytes: usize) -> Result<()> {
        ensure!(message.error.is_none(), "the server refuses: {:?}", message.error);
        match message.kind.as_ref() {
            LaneOpened::TYPE => return self.opened(pipe, message.data.decode()?),
            Reconnected::TYPE => {
                let Reconnected { resume_token, .. } = serde_json::from_str(text(message.data)?)?;
                self.identity.resume_token = resume_token;
                self.token_known = true;
            }
            _ => {}
        }
        if !is_counted(message) {
            return Ok(());
        }
        let is_of_room = told.map_or(message.room_id.is_some(), |lane| lane != LaneId::CONTROL);
        let lane = &mut self.lanes[usize::from(is_of_room)];
        if lane.pipe > pipe || (lane.pipe == pipe && !lane.inbound.take()) {
            return Ok(());
        }
        ensure!(lane.pipe == pipe, "a message came before its lane was announced");
        self.due.note(now_ms(), bytes);
        if let Data::Json(text) = message.data {
            Stamp::all(text.as_bytes()).for_each(|stamp| self.check.takes(stamp));
        }
        Ok(())
    }

    fn opened(&mut self, pipe: u32, opened: LaneOpened) -> Result<()> {
        let lane = self.lanes.iter_mut().find(|lane| lane.id == opened.lane).context("a lane of nobody's")?;
        // What a gap has swallowed is found missing when the next message comes.
        lane.inbound.opened(opened.next, opened.gap)?;
        lane.pipe = pipe;
        Ok(())
    }
}

async fn recv(connection: Option<&mut Connection>) -> Result<Event, Closed> {
    match connection {
        Some(connection) => connection.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_is_counted() {
        let mut check = Check::default();
        for number in [0, 1, 1, 4, 3, 5] {
            check.takes(Stamp { sender: 0, number, at_us: 0 });
        }
        assert_eq!((check.expected, check.missing, check.repeated_or_late), (6, 2, 2));
    }
}

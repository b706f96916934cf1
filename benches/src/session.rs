//! A session that goes on: on a new connection after the old one is lost, or moving over from one that lives.
//!
//! It is in one room and listens; besides acknowledging it says nothing there. Every message of the one other member
//! is checked: each must come once and in order, whatever happens to the connections.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anteroom_bench::Stamp;
use anteroom_client::session::opening::{Held, Waiting, json_batch};
use anteroom_client::session::{self, Arrival, ConnectionId};
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::{Batch, Codec, Data, Header, LaneId, RoomId};
use anteroom_transport::{Closed, Connection, Event, Transport};
use anyhow::{Context, Result, ensure};
use tokio::time::{sleep, timeout};

use crate::entry::{Destination, FIRST_PIPE};
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
    /// The newest of its connections.
    pipe: ConnectionId,
    protocol: session::Session,
    pub(crate) room_id: RoomId,
    lane: LaneId,
    pub(crate) check: Check,
    /// The newest message, and the longest pause before one since it was last looked at.
    heard_at: Instant,
    pause: Duration,
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
        let (connection, Arrived { session, room }) = enter(connection, Destination::NewRoom, true).await?;
        let (room_id, lane) = room.context("not in a room")?;
        Ok(Self {
            way,
            connection: Some(connection),
            pipe: FIRST_PIPE,
            protocol: session,
            room_id,
            lane,
            check: Check::default(),
            heard_at: Instant::now(),
            pause: Duration::ZERO,
        })
    }

    /// Listens, and acknowledges when it is time.
    pub(crate) async fn listen(&mut self) -> Result<()> {
        let connection = self.connection.as_mut().context("no connection")?;
        let wait = self.protocol.ack_at_ms().map_or(u64::MAX, |at| at.saturating_sub(now_ms())).min(1000);
        tokio::select! {
            event = connection.recv() => self.hear_event(self.pipe, event?)?,
            () = sleep(Duration::from_millis(wait)) => {}
        }
        if let Some(ack) = self.protocol.ack(now_ms()) {
            self.say(Batch::one(Codec::Json, &Header::new("ack"), &ack)?).await?;
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
        self.protocol.lost(self.pipe);
        self.begin(connection).await?;
        timeout(ENTER_MAX, self.go_on()).await.context("the session does not go on")??;
        let (mut attached, mut delivered) = (None, None);
        let outage = loop {
            if self.protocol.is_writable(self.lane) {
                attached.get_or_insert_with(|| start.elapsed());
            }
            if self.check.expected > before {
                delivered.get_or_insert_with(|| start.elapsed());
            }
            if let (true, Some(attached), Some(delivered)) = (self.protocol.is_attached(), attached, delivered) {
                break Outage { attached, delivered };
            }
            timeout(ENTER_MAX, self.listen()).await.context("the session does not go on")??;
        };
        drop(old);
        Ok(outage)
    }

    /// Waits until the server goes on.
    async fn go_on(&mut self) -> Result<()> {
        let mut waiting = Waiting::default();
        loop {
            let connection = self.connection.as_mut().context("no connection")?;
            let Event::Record { lane, codec, payload } = connection.recv().await? else { continue };
            if let Some(result) = waiting.take(lane, codec, payload)? {
                let ended = self.protocol.reconnected(self.pipe, result);
                ensure!(ended.is_empty(), "the room is gone");
                return self.hear_held(waiting);
            }
        }
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
        self.begin(new).await?;
        timeout(ENTER_MAX, self.come_over(old, old_pipe)).await.context("the session does not move")??;
        let until = self.check.expected + MESSAGES_AFTER_MOVE;
        while self.check.expected < until {
            timeout(ENTER_MAX, self.listen()).await.context("nothing comes after a move")??;
        }
        Ok(self.pause)
    }

    /// Reads both connections until every lane is on the new one.
    async fn come_over(&mut self, old: Connection, old_pipe: ConnectionId) -> Result<()> {
        let mut old = Some(old);
        let mut waiting = Some(Waiting::default());
        while waiting.is_some() || !(self.protocol.is_attached() && self.protocol.has_moved()) {
            let new = self.connection.as_mut().context("no connection")?;
            tokio::select! {
                event = new.recv() => match (event?, &mut waiting) {
                    (Event::Record { lane, codec, payload }, Some(answer)) => {
                        if let Some(result) = answer.take(lane, codec, payload)? {
                            let resume = self.protocol.resume(self.pipe, result);
                            self.say(Batch::one(Codec::Json, &Header::new("resume"), &resume)?).await?;
                            waiting.take().map_or(Ok(()), |waiting| self.hear_held(waiting))?;
                        }
                    }
                    (event, _) => self.hear_event(self.pipe, event)?,
                },
                event = recv(old.as_mut()) => match event {
                    Ok(event) => self.hear_event(old_pipe, event)?,
                    // It ends when all lanes have left it.
                    Err(_) => old = None,
                },
            }
        }
        self.protocol.lost(old_pipe);
        Ok(())
    }

    /// Says on a new connection whose it is.
    async fn begin(&mut self, connection: Connection) -> Result<()> {
        self.connection = Some(connection);
        self.pipe = ConnectionId(self.pipe.0 + 1);
        let reconnect = json_batch("reconnect", &self.protocol.reconnect())?;
        self.say(reconnect).await
    }

    async fn say(&mut self, batch: Batch) -> Result<()> {
        let connection = self.connection.as_mut().context("no connection")?;
        Ok(connection.send(LaneId::CONTROL, Arc::new(batch)).await?)
    }

    fn hear_held(&mut self, waiting: Waiting) -> Result<()> {
        for Held { lane, codec, payload, taken } in waiting.into_held() {
            self.hear(self.pipe, lane, codec, &payload, taken)?;
        }
        Ok(())
    }

    fn hear_event(&mut self, pipe: ConnectionId, event: Event) -> Result<()> {
        match event {
            Event::Record { lane, codec, payload } => self.hear(pipe, lane, codec, &payload, 0),
            _ => Ok(()),
        }
    }

    /// Hears the messages of a payload but for the first, which are taken.
    fn hear(&mut self, pipe: ConnectionId, lane: Option<LaneId>, codec: Codec, payload: &[u8], taken: usize) -> Result<()> {
        let before = self.check.expected;
        for message in decode_batch(codec, payload)?.skip(taken) {
            let message = message?;
            ensure!(message.error.is_none(), "the server refuses: {:?}", message.error);
            // What a gap has swallowed is found missing when the next message comes.
            let arrival = self.protocol.arrive(now_ms(), pipe, lane, &message)?;
            if let (Arrival::Deliver(_), Data::Json(text)) = (arrival, message.data) {
                Stamp::all(text.as_bytes()).for_each(|stamp| self.check.takes(stamp));
            }
        }
        if self.check.expected > before {
            let now = Instant::now();
            self.pause = self.pause.max(now - self.heard_at);
            self.heard_at = now;
        }
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

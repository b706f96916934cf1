//! A member of one room that reads all it is told, and acknowledges as a client does.

use std::sync::Arc;
use std::time::Duration;

use anteroom_client::session::{Arrival, Session};
use anteroom_protocol::envelope::{Envelope, decode_batch};
use anteroom_protocol::{Batch, Codec, Header, LaneId, RoomId};
use anteroom_transport::{Connection, Event};
use anyhow::{Context, Result};
use tokio::time::sleep;

use crate::entry::{Destination, FIRST_PIPE};
use crate::resuming::now_ms;
use crate::way::{self, Arrived};

/// See the module.
pub(crate) struct Member {
    connection: Connection,
    session: Session,
    pub(crate) room_id: RoomId,
    /// How often the room went on with a snapshot because of what was lost.
    pub(crate) gaps: u64,
}

impl Member {
    /// Brings a connection into a room, with a session that can be resumed.
    pub(crate) async fn enter(connection: Connection, destination: Destination) -> Result<Self> {
        let (connection, Arrived { session, room }) = way::enter(connection, destination, true).await?;
        let (room_id, _) = room.context("not in a room")?;
        Ok(Self { connection, session, room_id, gaps: 0 })
    }

    /// Waits for something to [`take`](Self::take): what came, or nothing but time to acknowledge. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        let wait = self.session.ack_at_ms().map_or(u64::MAX, |at| at.saturating_sub(now_ms())).min(1000);
        tokio::select! {
            event = self.connection.recv() => Ok(Some(event?)),
            () = sleep(Duration::from_millis(wait)) => Ok(None),
        }
    }

    /// Reads what came, and acknowledges when it is time.
    pub(crate) async fn take(&mut self, event: Option<Event>, mut each: impl FnMut(&Envelope<'_>)) -> Result<()> {
        if let Some(Event::Record { lane, codec, payload }) = event {
            self.hear(lane, codec, &payload, &mut each)?;
        }
        if let Some(ack) = self.session.ack(now_ms()) {
            self.say(Batch::one(Codec::Json, &Header::new("ack"), &ack)?).await?;
        }
        Ok(())
    }

    pub(crate) async fn say(&mut self, batch: Batch) -> Result<()> {
        Ok(self.connection.send(LaneId::CONTROL, Arc::new(batch)).await?)
    }

    fn hear(
        &mut self,
        lane: Option<LaneId>,
        codec: Codec,
        payload: &[u8],
        each: &mut dyn FnMut(&Envelope<'_>),
    ) -> Result<()> {
        for message in decode_batch(codec, payload)? {
            let message = message?;
            match self.session.arrive(now_ms(), FIRST_PIPE, lane, &message)? {
                Arrival::Deliver(_) => {}
                Arrival::Snapshot { lane, .. } => self.gaps += u64::from(lane != LaneId::CONTROL),
                Arrival::Opened(_) | Arrival::Dropped => continue,
            }
            each(&message);
        }
        Ok(())
    }
}

//! A member of one room that reads all it is told, and acknowledges as a client does.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::envelope::{Envelope, decode_batch};
use anteroom_protocol::lane::{AckDue, Inbound, Opened, is_counted};
use anteroom_protocol::message::Message;
use anteroom_protocol::message::resume::{Ack, Counts, LaneOpened};
use anteroom_protocol::{Batch, Codec, Header, LaneId, RoomId};
use anteroom_transport::{Connection, Event};
use anyhow::{Context, Result};
use tokio::time::sleep;

use crate::entry::Destination;
use crate::resuming::now_ms;
use crate::way::{self, Arrived};

/// See the module.
pub(crate) struct Member {
    connection: Connection,
    pub(crate) room_id: RoomId,
    /// Control, and the room's.
    lanes: [(LaneId, Inbound); 2],
    due: AckDue,
    /// How often the room went on with a snapshot because of what was lost.
    pub(crate) gaps: u64,
}

impl Member {
    /// Brings a connection into a room, with a session that can be resumed.
    pub(crate) async fn enter(connection: Connection, destination: Destination) -> Result<Self> {
        let (connection, arrived) = way::enter(connection, destination, true).await?;
        let Arrived { room, event: (lane, codec, payload), .. } = arrived;
        let (room_id, room_lane) = room.context("not in a room")?;
        let lanes = [LaneId::CONTROL, room_lane].map(|id| (id, Inbound::default()));
        let mut member = Self { connection, room_id, lanes, due: AckDue::default(), gaps: 0 };
        member.hear(lane, codec, &payload, &mut |_| {})?;
        Ok(member)
    }

    /// Waits for something to [`take`](Self::take): what came, or nothing but time to acknowledge. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        let wait = self.due.at_ms().map_or(u64::MAX, |at| at.saturating_sub(now_ms())).min(1000);
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
        if self.due.is_due(now_ms()) {
            self.due.reset();
            let counts: Counts = self.lanes.iter().map(|(id, inbound)| (*id, inbound.received())).collect();
            self.say(Batch::one(Codec::Json, &Header::new("ack"), &Ack { counts })?).await?;
        }
        Ok(())
    }

    pub(crate) async fn say(&mut self, batch: Batch) -> Result<()> {
        Ok(self.connection.send(LaneId::CONTROL, Arc::new(batch)).await?)
    }

    fn hear(
        &mut self,
        told: Option<LaneId>,
        codec: Codec,
        payload: &[u8],
        each: &mut dyn FnMut(&Envelope<'_>),
    ) -> Result<()> {
        for message in decode_batch(codec, payload)? {
            let message = message?;
            if message.kind == LaneOpened::TYPE {
                let opened: LaneOpened = message.data.decode()?;
                if let Some((_, inbound)) = self.lanes.iter_mut().find(|(id, _)| *id == opened.lane) {
                    let is_gap = matches!(inbound.opened(opened.next, opened.gap)?, Opened::Gap { .. });
                    self.gaps += u64::from(is_gap);
                }
                continue;
            }
            if is_counted(&message) {
                let is_of_room = told.map_or(message.room_id.is_some(), |lane| lane != LaneId::CONTROL);
                if !self.lanes[usize::from(is_of_room)].1.take() {
                    continue;
                }
                self.due.note(now_ms(), payload.len());
            }
            each(&message);
        }
        Ok(())
    }
}

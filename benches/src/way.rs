//! How a session gets to a server over any transport, and into a room there.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use anteroom_client::session::Session;
use anteroom_protocol::{Codec, LaneId, RoomId, WEBSOCKET_PATH};
use anteroom_transport::{Connection, Dialer, Event, Transport};
use anyhow::{Context, Result};
use tokio::time::timeout;

use crate::entry::{Destination, Entry, Step};
use crate::quic::{ENTER_MAX, address};

/// How a session gets to the server.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) dialer: Rc<Dialer>,
    pub(crate) addr: SocketAddr,
}

impl Way {
    pub(crate) async fn dial(&self, transport: Transport) -> Result<Connection> {
        let address = address(self.addr);
        Ok(match transport {
            Transport::Quic => self.dialer.quic(&address).await?,
            Transport::WebTransport => self.dialer.webtransport(&address).await?,
            _ => self.dialer.websocket(&format!("ws://{address}{WEBSOCKET_PATH}"), Codec::Json).await?,
        })
    }
}

/// A session where it was going, and the room that this is.
pub(crate) struct Arrived {
    pub(crate) session: Session,
    pub(crate) room: Option<(RoomId, LaneId)>,
}

/// Brings a new session where it is going.
pub(crate) async fn enter(
    mut connection: Connection,
    destination: Destination,
    resumes: bool,
) -> Result<(Connection, Arrived)> {
    let (mut entry, first) = Entry::begin(Codec::Json, destination, resumes)?;
    connection.send(LaneId::CONTROL, Arc::new(first)).await?;
    loop {
        let event = timeout(ENTER_MAX, connection.recv()).await.context("no answer")??;
        let Event::Record { lane, codec, payload } = event else { continue };
        match entry.hear(lane, codec, &payload)? {
            Step::Wait => {}
            Step::Say(batch) => connection.send(LaneId::CONTROL, Arc::new(batch)).await?,
            Step::Done(room) => return Ok((connection, Arrived { session: entry.into_session()?, room })),
        }
    }
}

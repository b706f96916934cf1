//! How a session gets to a server over any transport, and into a room there.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::{Codec, LaneId, RoomId, WEBSOCKET_PATH};
use anteroom_transport::{Connection, Dialer, Event, Transport};
use anyhow::{Context, Result, bail};
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

/// A session where it was going, and the payload that said so.
pub(crate) struct Arrived {
    pub(crate) accepted: HandshakeAccepted,
    pub(crate) room: Option<(RoomId, LaneId)>,
    pub(crate) event: (Option<LaneId>, Codec, Vec<u8>),
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
        match entry.hear(codec, &payload)? {
            Step::Wait => {}
            Step::Say(batch) => connection.send(LaneId::CONTROL, Arc::new(batch)).await?,
            Step::Done(room) => {
                let Some(accepted) = entry.accepted.take() else { bail!("nobody let the session in") };
                return Ok((connection, Arrived { accepted, room, event: (lane, codec, payload.to_vec()) }));
            }
        }
    }
}

//! How a session gets into its room, without IO: what to say first, and what to say to each answer.

use anteroom_client::session::opening::{accepted, json_batch};
use anteroom_client::session::{Arrival, ConnectionId, Session};
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::request::{CreateRoom, Handshake, JoinRoom};
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::{Batch, Codec, Header, LaneId, RoomId, SCHEMA, VERSION};
use anyhow::{Context, Result, ensure};

use crate::resuming::{nonce, now_ms};

/// A session's first connection.
pub(crate) const FIRST_PIPE: ConnectionId = ConnectionId(0);

/// Where a session is going.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Destination {
    /// Nowhere: the handshake is enough.
    Session,
    /// Into a room of its own.
    NewRoom,
    /// Into a room that is there.
    Room(RoomId),
    /// To watch one that is there.
    Spectator(RoomId),
}

/// A session on its way.
#[derive(Debug)]
pub(crate) struct Entry {
    codec: Codec,
    destination: Destination,
    resumes: bool,
    /// Once the server has let it in.
    session: Option<Session>,
}

/// What follows from a message.
#[derive(Debug)]
pub(crate) enum Step {
    Say(Batch),
    Wait,
    /// Arrived; in this room on this lane, if it was going to one.
    Done(Option<(RoomId, LaneId)>),
}

impl Entry {
    /// The way, and the first thing to say. `resumes` asks the server to keep what is not acknowledged.
    pub(crate) fn begin(codec: Codec, destination: Destination, resumes: bool) -> Result<(Self, Batch)> {
        let handshake = Handshake {
            version: VERSION,
            codec: Some(codec),
            schema: Some(SCHEMA.to_owned()),
            client: Some("anteroom-benches".to_owned()),
            resume: resumes,
            nonce: resumes.then(nonce),
            ..Handshake::default()
        };
        let batch = json_batch("handshake", &handshake)?;
        Ok((Self { codec, destination, resumes, session: None }, batch))
    }

    /// Reads a payload from the server, on the lane that the connection tells, if it does.
    pub(crate) fn hear(&mut self, lane: Option<LaneId>, codec: Codec, payload: &[u8]) -> Result<Step> {
        let Some(session) = &mut self.session else {
            let accepted = accepted(codec, payload, self.codec)?;
            // Another build of the server may have other binary shapes, and offer JSON.
            ensure!(accepted.codec == self.codec, "the server speaks {:?}", accepted.codec);
            self.session = Some(Session::new(&accepted, self.resumes, FIRST_PIPE));
            return self.proceed();
        };
        let mut step = Step::Wait;
        for message in decode_batch(codec, payload)? {
            let message = message?;
            ensure!(message.error.is_none(), "the server refuses: {:?}", message.error);
            let arrival = session.arrive(now_ms(), FIRST_PIPE, lane, &message)?;
            let is_join = matches!(&*message.kind, "create_room_result" | "join_room_result");
            if is_join && matches!(arrival, Arrival::Deliver(_)) {
                let RoomJoined { room_id, lane, .. } = message.data.decode()?;
                step = Step::Done(Some((room_id, lane)));
            }
        }
        Ok(step)
    }

    /// The session, once it is where it was going.
    pub(crate) fn into_session(self) -> Result<Session> {
        self.session.context("nobody let the session in")
    }

    fn proceed(&self) -> Result<Step> {
        let reference = 1.into();
        let header = |kind| Header { reference: Some(&reference), ..Header::new(kind) };
        Ok(match self.destination {
            Destination::Session => Step::Done(None),
            Destination::NewRoom => {
                let request = CreateRoom { game: "relay".to_owned(), ..CreateRoom::default() };
                Step::Say(Batch::one(self.codec, &header("create_room"), &request)?)
            }
            Destination::Room(room_id) | Destination::Spectator(room_id) => {
                let watches = matches!(self.destination, Destination::Spectator(_));
                let role = watches.then_some(Role::Spectator);
                let request = JoinRoom { room_id: Some(room_id.to_string()), role, ..JoinRoom::default() };
                Step::Say(Batch::one(self.codec, &header("join_room"), &request)?)
            }
        })
    }
}

//! How a session gets into its room, without IO: what to say first, and what to say to each answer.

use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::request::{CreateRoom, Handshake, JoinRoom};
use anteroom_protocol::message::result::{HandshakeAccepted, RoomJoined};
use anteroom_protocol::{Batch, Codec, Data, Header, LaneId, RoomId, SCHEMA, VERSION};
use anyhow::{Result, bail, ensure};

use crate::resuming::nonce;

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
    /// How the server let the session in.
    pub(crate) accepted: Option<HandshakeAccepted>,
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
        // Handshakes are JSON in every codec, and have no binary shape.
        let batch = Batch::one(Codec::Json, &Header::new("handshake"), &anteroom_protocol::Json::new(&handshake)?)?;
        Ok((Self { codec, destination, accepted: None }, batch))
    }

    /// Reads a payload from the server.
    pub(crate) fn hear(&mut self, codec: Codec, payload: &[u8]) -> Result<Step> {
        for message in decode_batch(codec, payload)? {
            let message = message?;
            match message.kind.as_ref() {
                _ if message.error.is_some() => bail!("the server refuses: {:?}", message.error),
                "handshake_accepted" => {
                    let accepted: HandshakeAccepted = serde_json::from_str(text(message.data)?)?;
                    // Another build of the server may have other binary shapes, and offer JSON.
                    ensure!(accepted.codec == self.codec, "the server speaks {:?}", accepted.codec);
                    self.accepted = Some(accepted);
                    return self.proceed();
                }
                "create_room_result" | "join_room_result" => {
                    let RoomJoined { room_id, lane, .. } = message.data.decode()?;
                    return Ok(Step::Done(Some((room_id, lane))));
                }
                _ => {}
            }
        }
        Ok(Step::Wait)
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

/// What is JSON in every codec.
pub(crate) fn text(data: Data<'_>) -> Result<&str> {
    match data {
        Data::Json(text) => Ok(text),
        Data::Binary(_) => bail!("a message that is always JSON is not"),
    }
}

//! Sessions on WebSockets that nobody reads until somebody asks: for setting up, and for lying idle.

use anteroom_protocol::{Codec, Header, LaneId, RoomId, WEBSOCKET_PATH, envelope, variant};
use anteroom_server::bench::{BODY, Stamp};
use anyhow::{Result, ensure};

use crate::entry::{Destination, Entry, Step};
use crate::frames::Dialed;
use crate::servers::Server;

/// Opens a session and brings it where it is going; says in which room it is, and on which lane.
pub(crate) fn enter(
    server: &Server,
    destination: Destination,
    resumes: bool,
) -> Result<(Dialed, Option<(RoomId, LaneId)>)> {
    let mut dialed = Dialed::open(server.addr, WEBSOCKET_PATH, Some(Codec::Json.subprotocol()))?;
    let (mut entry, first) = Entry::begin(Codec::Json, destination, resumes)?;
    dialed.say(first.payload())?;
    loop {
        let mut steps = Vec::new();
        dialed.hear(|payload| steps.push(entry.hear(Codec::Json, payload)))?;
        for step in steps {
            match step? {
                Step::Wait => {}
                Step::Say(batch) => dialed.say(batch.payload())?,
                Step::Done(arrived) => return Ok((dialed, arrived)),
            }
        }
    }
}

/// What a member of a relay room sends, before it is framed.
pub(crate) fn message(codec: Codec, room_id: RoomId) -> Result<Vec<u8>> {
    let payload = anteroom_protocol::Json::from_text(BODY.to_owned())?;
    let action = anteroom_games::relay::Action::Send { payload, delivery: None, key: None };
    let mut data = Vec::new();
    let kind = variant::encode(codec, &action, &mut data)?;
    let data = match codec {
        Codec::Json => anteroom_protocol::Data::Json(std::str::from_utf8(&data)?),
        Codec::Bincode => anteroom_protocol::Data::Binary(&data),
    };
    let mut message = Vec::new();
    envelope::encode_raw(&Header::new(kind).in_room(room_id.as_str()), data, &mut message)?;
    ensure!(Stamp::place(&message).is_some(), "the message has no stamp");
    Ok(message)
}

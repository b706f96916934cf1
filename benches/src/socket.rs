//! Sessions on WebSockets that nobody reads until somebody asks: for setting up, and for lying idle.

use std::net::SocketAddr;

use anteroom_bench::{BODY, Stamp};
use anteroom_client::session::Session;
use anteroom_protocol::{Codec, Header, LaneId, RoomId, WEBSOCKET_PATH, envelope, variant};
use anyhow::{Result, ensure};
use socket2::{Domain, Socket, Type};

use crate::entry::{Destination, Entry, Step};
use crate::frames::Dialed;

/// A session that is where it was going, and in which room, on which lane, that is.
pub(crate) type Entered = (Dialed, Option<(RoomId, LaneId)>);

/// Opens a session and brings it where it is going; says in which room it is, and on which lane.
pub(crate) fn enter(addr: SocketAddr, destination: Destination, resumes: bool) -> Result<Entered> {
    go(Dialed::open(addr, WEBSOCKET_PATH, Some(Codec::Json.subprotocol()))?, destination, resumes)
}

/// The same for somebody whose kernel takes only so many bytes that are not read.
pub(crate) fn enter_slowly(
    addr: SocketAddr,
    destination: Destination,
    resumes: bool,
    receive_bytes: usize,
) -> Result<Entered> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_recv_buffer_size(receive_bytes)?;
    socket.connect(&addr.into())?;
    let dialed = Dialed::over(socket.into(), addr, WEBSOCKET_PATH, Some(Codec::Json.subprotocol()))?;
    go(dialed, destination, resumes)
}

/// Opens a session that can be resumed, and gives what it knows of itself.
pub(crate) fn open(addr: SocketAddr) -> Result<(Dialed, Session)> {
    let dialed = Dialed::open(addr, WEBSOCKET_PATH, Some(Codec::Json.subprotocol()))?;
    let ((dialed, _), entry) = arrive(dialed, Destination::Session, true)?;
    Ok((dialed, entry.into_session()?))
}

fn go(dialed: Dialed, destination: Destination, resumes: bool) -> Result<Entered> {
    Ok(arrive(dialed, destination, resumes)?.0)
}

fn arrive(mut dialed: Dialed, destination: Destination, resumes: bool) -> Result<(Entered, Entry)> {
    let (mut entry, first) = Entry::begin(Codec::Json, destination, resumes)?;
    dialed.say(first.payload())?;
    loop {
        let mut steps = Vec::new();
        dialed.hear(|payload| steps.push(entry.hear(None, Codec::Json, payload)))?;
        for step in steps {
            match step? {
                Step::Wait => {}
                Step::Say(batch) => dialed.say(batch.payload())?,
                Step::Done(arrived) => return Ok(((dialed, arrived), entry)),
            }
        }
    }
}

/// What a member of a relay room sends, before it is framed.
pub(crate) fn message(codec: Codec, room_id: RoomId) -> Result<Vec<u8>> {
    let payload = anteroom_protocol::Json::from_text(BODY.to_owned())?;
    let action = anteroom_games::relay::Action::Send { payload, delivery: None, key: None, to: None };
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

//! Anteroom without resuming: sessions that do not ask for it, number nothing and acknowledge nothing, as far as the
//! protocol lets them. Only what resuming costs is measured with them.

use anteroom_bench::{
    BenchError, Dialect, Entry, Frame, FrameKind, Member, Opening, Place, Stamp, Template, push_frame,
};
use anteroom_protocol::{Codec, WEBSOCKET_PATH};

use super::template;
use crate::entry::{self, Destination, Step};
use crate::socket;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unresumed;

impl Dialect for Unresumed {
    fn open(&self, place: &Place<'_>) -> Result<Opening, BenchError> {
        let destination = match place.key {
            Some(room_id) => Destination::Room(room_id.parse().map_err(BenchError::failed)?),
            None => Destination::NewRoom,
        };
        let (entry, first) = entry::Entry::begin(Codec::Json, destination, false).map_err(BenchError::failed)?;
        let headers = vec![("Sec-WebSocket-Protocol".to_owned(), Codec::Json.subprotocol().to_owned())];
        let member = Speaker { entry, first: first.payload().to_vec(), message: None };
        Ok(Opening { path: WEBSOCKET_PATH.to_owned(), headers, member: Box::new(member) })
    }
}

struct Speaker {
    entry: entry::Entry,
    first: Vec<u8>,
    /// Known once it is in its room.
    message: Option<Template>,
}

impl Member for Speaker {
    fn greet(&mut self, out: &mut Vec<u8>) -> Result<Entry, BenchError> {
        push_frame(FrameKind::Text, &self.first, out);
        Ok(Entry::OnTheWay)
    }

    fn enter(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<Entry, BenchError> {
        match self.entry.hear(None, Codec::Json, frame.payload).map_err(BenchError::failed)? {
            Step::Wait => {}
            Step::Say(batch) => push_frame(FrameKind::Text, batch.payload(), out),
            Step::Done(None) => return Err(BenchError::failed("not in a room")),
            Step::Done(Some((room_id, _))) => {
                let message = socket::message(Codec::Json, room_id).map_err(BenchError::failed)?;
                self.message = Some(template(FrameKind::Text, &message)?);
                return Ok(Entry::In { key: Some(room_id.to_string()) });
            }
        }
        Ok(Entry::OnTheWay)
    }

    fn say(&mut self, stamp: Stamp, out: &mut Vec<u8>) {
        if let Some(message) = &mut self.message {
            message.push(stamp, out);
        }
    }
}

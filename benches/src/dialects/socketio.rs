//! Socket.IO 5 on Engine.IO 4, on WebSocket from the start: packets are text, told apart by their first digits.

use anteroom_bench::{
    BODY, BenchError, Dialect, Entry, Frame, FrameKind, Member, Opening, Place, Stamp, Template, push_frame,
};

use super::{template, unexpected};

const OPEN: u8 = b'0';
const PING: &[u8] = b"2";
const PONG: &[u8] = b"3";
const CONNECT: &[u8] = b"40";
/// The acknowledgement of the only event that asks for one.
const JOINED: &[u8] = b"430";

/// Joins a room with an event, and speaks with another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketIo;

impl Dialect for SocketIo {
    fn open(&self, place: &Place<'_>) -> Result<Opening, BenchError> {
        let message = template(FrameKind::Text, format!(r#"42["send",{BODY}]"#).as_bytes())?;
        let member = Speaker { join: format!(r#"420["join","{}"]"#, place.room), message };
        let path = "/socket.io/?EIO=4&transport=websocket".to_owned();
        Ok(Opening { path, headers: Vec::new(), member: Box::new(member) })
    }
}

struct Speaker {
    join: String,
    message: Template,
}

impl Member for Speaker {
    fn greet(&mut self, _: &mut Vec<u8>) -> Result<Entry, BenchError> {
        // The server speaks first.
        Ok(Entry::OnTheWay)
    }

    fn enter(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<Entry, BenchError> {
        match frame.payload {
            [OPEN, ..] => push_frame(FrameKind::Text, CONNECT, out),
            PING => push_frame(FrameKind::Text, PONG, out),
            payload if payload.starts_with(CONNECT) => push_frame(FrameKind::Text, self.join.as_bytes(), out),
            payload if payload.starts_with(JOINED) => return Ok(Entry::In { key: None }),
            payload => return Err(unexpected("Socket.IO", payload)),
        }
        Ok(Entry::OnTheWay)
    }

    fn say(&mut self, stamp: Stamp, out: &mut Vec<u8>) {
        self.message.push(stamp, out);
    }

    fn hear(&mut self, frame: Frame<'_>, _: u64, out: &mut Vec<u8>) -> Result<(), BenchError> {
        if frame.payload == PING {
            push_frame(FrameKind::Text, PONG, out);
        }
        Ok(())
    }
}

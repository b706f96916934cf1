//! Colyseus 0.17: a seat is reserved over HTTP, taken over WebSocket, and everything after that is binary: a byte that
//! says what it is, and MessagePack.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anteroom_bench::{
    BODY, BenchError, Dialect, Entry, Frame, FrameKind, Member, Opening, Place, Stamp, Template, push_frame,
};
use serde_json::Value;

use super::{template, unexpected};

const JOIN_ROOM: u8 = 10;
const ERROR: u8 = 11;
const ROOM_DATA: u8 = 13;
/// How long a seat may take to be reserved.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The first member creates the room; the others join it by the id that it got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colyseus;

impl Dialect for Colyseus {
    fn open(&self, place: &Place<'_>) -> Result<Opening, BenchError> {
        let path = match place.key {
            None => "/matchmake/create/relay".to_owned(),
            Some(room_id) => format!("/matchmake/joinById/{room_id}"),
        };
        let Seat { path, room_id } = Seat::parse(&post(place.server, &path)?)?;
        let member = Speaker { room_id, message: template(FrameKind::Binary, &message()?)? };
        Ok(Opening { path, headers: Vec::new(), member: Box::new(member) })
    }
}

/// A reserved seat.
struct Seat {
    /// Where it is taken.
    path: String,
    room_id: String,
}

impl Seat {
    /// Reads the answer to a reservation.
    fn parse(body: &str) -> Result<Self, BenchError> {
        let seat: Value = serde_json::from_str(body).map_err(|_| unexpected("Colyseus", body.as_bytes()))?;
        let field = |name: &str| seat[name].as_str().ok_or_else(|| unexpected("Colyseus", body.as_bytes()));
        let (process, room_id, session) = (field("processId")?, field("roomId")?.to_owned(), field("sessionId")?);
        Ok(Self { path: format!("/{process}/{room_id}?sessionId={session}"), room_id })
    }
}

/// Posts an empty object; gives the body of the answer.
fn post(server: SocketAddr, path: &str) -> Result<String, BenchError> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
         Connection: close\r\n\r\n{{}}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(unexpected("Colyseus", answer.as_bytes())),
    }
}

/// What a member says, before it is framed.
fn message() -> Result<Vec<u8>, BenchError> {
    let mut message = vec![ROOM_DATA];
    pack(&"send".into(), &mut message)?;
    pack(&serde_json::from_str(BODY).map_err(BenchError::failed)?, &mut message)?;
    Ok(message)
}

/// As much of MessagePack as the body needs.
fn pack(value: &Value, out: &mut Vec<u8>) -> Result<(), BenchError> {
    match value {
        Value::String(text) if text.len() < 32 => {
            out.push(0xa0 | text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(small @ ..128), _) => out.push(small as u8),
            (_, Some(float)) => {
                out.push(0xcb);
                out.extend_from_slice(&float.to_be_bytes());
            }
            _ => return Err(BenchError::failed("a number that is none")),
        },
        Value::Object(fields) if fields.len() < 16 => {
            out.push(0x80 | fields.len() as u8);
            for (name, value) in fields {
                pack(&name.as_str().into(), out)?;
                pack(value, out)?;
            }
        }
        other => return Err(BenchError::failed(format_args!("{other} is not in a message"))),
    }
    Ok(())
}

struct Speaker {
    room_id: String,
    message: Template,
}

impl Member for Speaker {
    fn greet(&mut self, _: &mut Vec<u8>) -> Result<Entry, BenchError> {
        // The server says first that the seat is taken.
        Ok(Entry::OnTheWay)
    }

    fn enter(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<Entry, BenchError> {
        match frame.payload {
            [JOIN_ROOM, ..] => {
                push_frame(FrameKind::Binary, &[JOIN_ROOM], out);
                Ok(Entry::In { key: Some(self.room_id.clone()) })
            }
            payload => Err(unexpected("Colyseus", payload)),
        }
    }

    fn say(&mut self, stamp: Stamp, out: &mut Vec<u8>) {
        self.message.push(stamp, out);
    }

    fn hear(&mut self, frame: Frame<'_>, _: u64, _: &mut Vec<u8>) -> Result<(), BenchError> {
        match frame.payload {
            [ERROR, ..] => Err(unexpected("Colyseus", frame.payload)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_message_pack() {
        let mut packed = Vec::new();
        pack(&serde_json::json!({"at": "x", "n": 40, "x": 12.5}), &mut packed).unwrap();
        assert_eq!(packed, b"\x83\xa2at\xa1x\xa1n\x28\xa1x\xcb\x40\x29\0\0\0\0\0\0");
        assert!(pack(&serde_json::json!([]), &mut packed).is_err());
        assert!(pack(&"x".repeat(32).into(), &mut packed).is_err());
        let message = message().unwrap();
        assert!(message.starts_with(b"\x0d\xa4send\x84"), "{message:?}");
        assert!(Stamp::place(&message).is_some());
    }

    #[test]
    fn a_seat_is_found_and_anything_else_is_told() {
        let seat = Seat::parse(r#"{"name":"relay","sessionId":"s1","roomId":"r1","processId":"p1"}"#).unwrap();
        assert_eq!((seat.path.as_str(), seat.room_id.as_str()), ("/p1/r1?sessionId=s1", "r1"));
        for body in ["", "{}", r#"{"code":520,"error":"no handler"}"#] {
            assert!(Seat::parse(body).is_err(), "{body}");
        }
    }
}

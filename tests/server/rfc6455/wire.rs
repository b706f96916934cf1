//! A client that sends bytes and reads frames.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use anteroom_protocol::{Codec, SCHEMA};
use anteroom_tests::frame::{BINARY, CLOSE, LAST, PING, PONG, TEXT, close, frame, text};
use anteroom_tests::in_time;
use anteroom_tests::message::{By, Message, read, write};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Answer, End};

/// Up to so many bytes a row is sent byte by byte as a whole; of a longer one both ends are.
const SINGLE_BYTES_MAX: usize = 4096;

/// The JSON of a message whose `ts` comes back.
pub(crate) fn asks(ts: &str) -> String {
    json!({"type": "ping", "data": {"ts": ts}}).to_string()
}

/// The same as a frame, in a codec.
pub(crate) fn message(codec: Codec, ts: &str) -> Vec<u8> {
    frame(LAST | opcode(codec), write(codec, &json!({"type": "ping", "data": {"ts": ts}})))
}

pub(crate) fn opcode(codec: Codec) -> u8 {
    match codec {
        Codec::Json => TEXT,
        Codec::Bincode => BINARY,
    }
}

/// How the bytes of a row are cut into writes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// Not at all.
    Whole,
    /// Into pieces of which no power of two is a multiple.
    Pieces,
    /// Into bytes.
    Bytes,
}

impl Cut {
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::Pieces, Self::Bytes];

    fn pieces(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![bytes],
            Self::Pieces if bytes.len() < 1000 => bytes.chunks(7).collect(),
            Self::Pieces => bytes.chunks(997).collect(),
            Self::Bytes if bytes.len() <= SINGLE_BYTES_MAX => bytes.chunks(1).collect(),
            Self::Bytes => {
                let (head, rest) = bytes.split_at(SINGLE_BYTES_MAX / 2);
                let (middle, tail) = rest.split_at(rest.len() - SINGLE_BYTES_MAX / 2);
                head.chunks(1).chain(middle.chunks(1009)).chain(tail.chunks(1)).collect()
            }
        }
    }
}

/// What comes from the server.
pub(crate) enum Frame {
    Answer(Answer),
    Pong(Vec<u8>),
    End(End),
}

/// A connection with a session. What it sends is written while it reads.
pub(crate) struct Client {
    codec: Codec,
    read: OwnedReadHalf,
    write: Option<OwnedWriteHalf>,
    writing: Option<JoinHandle<()>>,
    /// Takes what is to be sent at last.
    last: Option<oneshot::Sender<Vec<u8>>>,
    buffer: Vec<u8>,
    unread: VecDeque<Message>,
    goodbye: Option<u16>,
}

impl Client {
    /// Upgrades and shakes hands.
    pub(crate) async fn enter(addr: SocketAddr, codec: Codec) -> Self {
        let stream = in_time("a connection", TcpStream::connect(addr)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (read, write) = stream.into_split();
        let (unread, buffer) = (VecDeque::new(), Vec::new());
        let mut client =
            Self { codec, read, write: Some(write), writing: None, last: None, buffer, unread, goodbye: None };
        let upgrade = format!(
            "GET /ws HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
            codec.subprotocol()
        );
        client.write.as_mut().unwrap().write_all(upgrade.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(in_time("the upgrade", client.read.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        let handshake =
            json!({"type": "handshake", "data": {"version": 1, "codec": codec.to_string(), "schema": SCHEMA}});
        client.write.as_mut().unwrap().write_all(&text(handshake.to_string())).await.unwrap();
        let (first, payload) = client.frame().await.unwrap().unwrap();
        assert_eq!(first, LAST | TEXT);
        let accepted: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(accepted["type"], "handshake_accepted");
        assert_eq!(accepted["data"]["codec"], codec.to_string());
        client
    }

    /// Sends bytes beside what is read. The server may have heard enough before it has heard all.
    pub(crate) fn send(&mut self, bytes: Vec<u8>, cut: Cut) {
        let mut write = self.write.take().unwrap();
        let (last, is_last) = oneshot::channel();
        self.last = Some(last);
        self.writing = Some(tokio::spawn(async move {
            for piece in cut.pieces(&bytes) {
                if write.write_all(piece).await.is_err() {
                    return;
                }
            }
            if let Ok(last) = is_last.await {
                drop(write.write_all(&last).await);
            }
            // Dropping it would say that nothing more comes.
            std::future::pending::<()>().await;
        }));
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Result<Frame, String> {
        loop {
            if let Some(message) = self.unread.pop_front() {
                match &*message.kind {
                    "pong" => return Ok(Frame::Answer(Answer::Echo(message.data["ts"].clone()))),
                    "goodbye" => self.goodbye = Some(u16::try_from(message.data["code"].as_u64().unwrap()).unwrap()),
                    "error" => return Ok(Frame::Answer(Answer::Refusal(message.code().to_owned()))),
                    kind => return Err(format!("heard {kind}")),
                }
                continue;
            }
            let Some((first, payload)) = self.frame().await? else {
                return Err("the stream ended without a close frame".into());
            };
            let codec = match first & 0x0f {
                TEXT => Codec::Json,
                BINARY => Codec::Bincode,
                PING => continue,
                PONG => return Ok(Frame::Pong(payload)),
                CLOSE => return self.end(&payload).await.map(Frame::End),
                _ => return Err(format!("a frame that begins with {first:x}")),
            };
            if self.goodbye.is_some() {
                return Err("something behind goodbye".into());
            }
            self.unread.extend(read(codec, &payload, By::Frame, &mut HashMap::new()));
            if codec != self.codec && self.unread.iter().any(|message| message.kind != "goodbye") {
                return Err(format!("{codec} in a session of {}", self.codec));
            }
        }
    }

    /// The end of the stream must follow a close frame.
    async fn end(&mut self, payload: &[u8]) -> Result<End, String> {
        let (code, reason) = match payload {
            [] => (None, &[][..]),
            [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
            [_] => return Err("half a code".into()),
        };
        let reason = std::str::from_utf8(reason).map_err(|_| "a reason that is not UTF-8")?;
        if let (Some(code), Some(last)) = (self.goodbye, self.last.take()) {
            drop(last.send(close(code, "")));
        }
        if self.frame().await?.is_some() {
            return Err("a frame behind the close frame".into());
        }
        match (self.goodbye, code) {
            (None, code) => Ok(End::Closed(code)),
            (Some(said), Some(code)) if said == code && !reason.is_empty() => Ok(End::Failed(code, reason.to_owned())),
            (said, code) => Err(format!("goodbye {said:?}, close {code:?} {reason:?}")),
        }
    }

    /// The first byte and the payload of the next frame; none at the end of the stream.
    async fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, String> {
        loop {
            if let Some((first, start, len)) = self.header()?
                && self.buffer.len() >= start + len
            {
                let payload = self.buffer[start..start + len].to_vec();
                self.buffer.drain(..start + len);
                return Ok(Some((first, payload)));
            }
            match in_time("a frame", self.read.read_buf(&mut self.buffer)).await {
                Ok(0) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => return Err(format!("a stream that ends within a frame: {:x?}", self.buffer)),
                Ok(_) => {}
                Err(error) => return Err(format!("the stream broke: {error}")),
            }
        }
    }

    /// What a server's frame begins with: its first byte, where its payload begins, and how long that is.
    fn header(&self) -> Result<Option<(u8, usize, usize)>, String> {
        let [first, second, rest @ ..] = &self.buffer[..] else { return Ok(None) };
        if first & 0xf0 != LAST || second & 0x80 != 0 {
            return Err(format!("a frame that begins with {first:x} {second:x}"));
        }
        Ok(match (second, rest) {
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                Some((*first, 10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize))
            }
            (126, [a, b, ..]) => Some((*first, 4, usize::from(u16::from_be_bytes([*a, *b])))),
            (0..126, _) => Some((*first, 2, usize::from(*second))),
            _ => None,
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(writing) = &self.writing {
            writing.abort();
        }
    }
}

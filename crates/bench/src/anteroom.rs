//! Anteroom's own protocol over WebSocket, as one dialect among others.

use anteroom_protocol::{Codec, Json, WEBSOCKET_PATH};

use crate::dialect::{Dialect, Entry, Member, Opening, Place};
use crate::error::BenchError;
use crate::frame::{Frame, FrameKind, push_frame};
use crate::session::{Destination, Session, Wish};
use crate::stamp::Stamp;

/// Members of relay rooms as players' clients are: they can be resumed, and acknowledge.
#[derive(Debug, Clone, Default)]
pub struct Anteroom {
    /// What they speak.
    pub codec: Codec,
    /// What the rooms are created with; the game's defaults without.
    pub options: Option<Json>,
    /// Whether the rooms outlive the server's process; as the game has it without.
    pub durable: Option<bool>,
    /// What lets them in, where a server asks for it.
    pub token: Option<String>,
}

impl Dialect for Anteroom {
    fn open(&self, place: &Place<'_>) -> Result<Opening, BenchError> {
        let destination = match place.key {
            Some(room_id) => Destination::Room(room_id.to_owned()),
            None => Destination::New(self.options.clone(), self.durable),
        };
        let wish = Wish { codec: self.codec, token: self.token.clone(), destination };
        Ok(Opening {
            path: WEBSOCKET_PATH.to_owned(),
            headers: vec![("Sec-WebSocket-Protocol".to_owned(), self.codec.subprotocol().to_owned())],
            member: Box::new(Player { session: Session::new(wish), batch: Vec::new() }),
        })
    }
}

struct Player {
    session: Session,
    /// Several messages for one frame.
    batch: Vec<u8>,
}

impl Member for Player {
    fn greet(&mut self, out: &mut Vec<u8>) -> Result<Entry, BenchError> {
        push_frame(FrameKind::Text, &self.session.handshake()?, out);
        Ok(Entry::OnTheWay)
    }

    fn enter(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<Entry, BenchError> {
        let heard = self.session.hear(None, codec(frame.kind), frame.payload, 0, |_| {})?;
        if let Some((codec, payload)) = heard.say {
            push_frame(kind(codec), &payload, out);
        }
        if !heard.arrived {
            return Ok(Entry::OnTheWay);
        }
        self.session.prepare()?;
        Ok(Entry::In { key: self.session.room.map(|(room_id, _)| room_id.to_string()) })
    }

    fn say(&mut self, stamp: Stamp, out: &mut Vec<u8>) {
        let codec = self.session.codec();
        let owed = if self.session.owes() { self.session.acknowledgement(self.session.now_ms()) } else { None };
        let Some(owed) = owed else {
            push_frame(kind(codec), self.session.say(stamp), out);
            return;
        };
        // What is said together is one frame, as a client would write it.
        self.batch.clear();
        let around: [&[u8]; 3] = if codec == Codec::Json { [b"[", b",", b"]"] } else { [b"", b"", b""] };
        for part in [around[0], &owed, around[1], self.session.say(stamp), around[2]] {
            self.batch.extend_from_slice(part);
        }
        push_frame(kind(codec), &self.batch, out);
    }

    fn hear(&mut self, frame: Frame<'_>, now_ms: u64, _out: &mut Vec<u8>) -> Result<(), BenchError> {
        self.session.hear(None, codec(frame.kind), frame.payload, now_ms, |_| {})?;
        Ok(())
    }

    fn settle(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        if let Some(ack) = self.session.acknowledgement(now_ms) {
            push_frame(kind(self.session.codec()), &ack, out);
        }
    }

    fn refusal(&mut self) -> Option<String> {
        self.session.refused.take()
    }

    fn leave(&mut self, out: &mut Vec<u8>) {
        push_frame(FrameKind::Text, &Session::goodbye(), out);
    }
}

fn codec(kind: FrameKind) -> Codec {
    match kind {
        FrameKind::Text => Codec::Json,
        FrameKind::Binary => Codec::Bincode,
    }
}

fn kind(codec: Codec) -> FrameKind {
    match codec {
        Codec::Json => FrameKind::Text,
        Codec::Bincode => FrameKind::Binary,
    }
}

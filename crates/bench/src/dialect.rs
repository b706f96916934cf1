//! What differs between servers that are measured: how a member gets into a room over WebSocket, and how it talks
//! there. Sockets, schedules and checks are the generator's, and the same for all.

use std::net::SocketAddr;

use crate::error::BenchError;
use crate::frame::Frame;
use crate::stamp::Stamp;

/// A server's own protocol.
pub trait Dialect: Send + Sync {
    /// Prepares one member: the request that opens its WebSocket, and what speaks for it from then on.
    ///
    /// Called on one of the generator's threads. It may block, for an HTTP request for example, while members are
    /// still coming in; the time counts for nothing.
    ///
    /// # Errors
    /// [`BenchError`] ends the run.
    fn open(&self, place: &Place<'_>) -> Result<Opening, BenchError>;
}

/// Which member it is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Where the server listens.
    pub server: SocketAddr,
    /// Its room, counted from 0.
    pub room: usize,
    /// Its place in the room, counted from 0. The first member of a room is in before others come.
    pub seat: usize,
    /// How many members the room will have.
    pub members: usize,
    /// What the first member said when it [entered](Entry::In): the room's name on the server. `None` for the first.
    pub key: Option<&'a str>,
}

/// How a member's WebSocket is opened.
pub struct Opening {
    /// The path of the GET request, with its query.
    pub path: String,
    /// Headers besides those of every upgrade: a subprotocol, a cookie.
    pub headers: Vec<(String, String)>,
    /// What speaks for the member.
    pub member: Box<dyn Member>,
}

/// How far a member has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It waits for the server.
    OnTheWay,
    /// It is in its room, whose key others of the room need.
    In {
        /// Only the first member's counts.
        key: Option<String>,
    },
}

/// What speaks for one member. What it appends to `out` are whole frames, made by
/// [`push_frame`](crate::push_frame) or a [`Template`](crate::Template); they are written together.
pub trait Member: Send {
    /// The WebSocket stands. Says the first words, and whether that was all.
    ///
    /// # Errors
    /// [`BenchError`] ends the run.
    fn greet(&mut self, out: &mut Vec<u8>) -> Result<Entry, BenchError>;

    /// Hears a frame on the way in, and answers it. Pings of WebSocket itself are answered already.
    ///
    /// # Errors
    /// [`BenchError`] ends the run: the server refuses.
    fn enter(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<Entry, BenchError>;

    /// Says the next message to the room. Its [`BODY`](crate::BODY), with this stamp in it, has to come to every
    /// member, the sender included.
    fn say(&mut self, stamp: Stamp, out: &mut Vec<u8>);

    /// Hears a frame in the room, besides the stamps in it, which are taken from all of its payload: answers pings of
    /// the protocol, counts what has to be acknowledged.
    ///
    /// # Errors
    /// [`BenchError`] ends the run: the server refuses.
    fn hear(&mut self, frame: Frame<'_>, now_ms: u64, out: &mut Vec<u8>) -> Result<(), BenchError> {
        let _ = (frame, now_ms, out);
        Ok(())
    }

    /// Says what is due besides messages, such as acknowledgements. Called after everything that was read together,
    /// and every 50 ms.
    fn settle(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        let _ = (now_ms, out);
    }

    /// What the server refused, in its own words, once. Asked for at the end.
    fn refusal(&mut self) -> Option<String> {
        None
    }

    /// The last words, if the protocol has some. Nobody waits for an answer.
    fn leave(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }
}

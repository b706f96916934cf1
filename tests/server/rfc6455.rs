//! RFC 6455 as a table: what a client sends, byte for byte, and what it hears from a server that is running.
//!
//! The rows follow sections 1 to 7 and 10 of the Autobahn test suite in our own words. Its client wants a server that
//! echoes; here the messages are the protocol's own `ping`, whose `ts` comes back. Each row is sent at once, in pieces of
//! a prime length, and byte by byte.

mod closing;
mod control;
mod framing;
mod parts;
mod utf8;
mod wire;

use anteroom_protocol::Codec;
use anteroom_tests::frame::ping;
use anteroom_tests::server::TestServer;
use wire::{Client, Cut, Frame, message};

/// One line of the table.
pub(crate) struct Row {
    name: String,
    codec: Codec,
    sent: Vec<Vec<u8>>,
    heard: Heard,
}

/// What comes back. Each kind is in order: a pong frame may overtake a message, and the protocol's own `pong` a refusal.
/// Of several ping frames the last is answered at least.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    answers: Vec<Answer>,
    pongs: Vec<Vec<u8>>,
    end: Option<End>,
}

/// What answers a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// A `pong` with this `ts`.
    Echo(serde_json::Value),
    /// An error with this code.
    Refusal(String),
}

/// How a connection ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// A `goodbye` with this code, a close frame with it, and the end of the stream. The reason has this in it.
    Failed(u16, String),
    /// A close frame, with this code if any, without a `goodbye`, and the end of the stream.
    Closed(Option<u16>),
}

/// A row in a JSON session.
pub(crate) fn json(name: impl Into<String>, sent: impl Into<Vec<Vec<u8>>>, heard: Heard) -> Row {
    Row { name: name.into(), codec: Codec::Json, sent: sent.into(), heard }
}

/// A row in a binary session.
pub(crate) fn binary(name: impl Into<String>, sent: impl Into<Vec<Vec<u8>>>, heard: Heard) -> Row {
    Row { name: name.into(), codec: Codec::Bincode, sent: sent.into(), heard }
}

/// Nothing comes back, and the connection goes on.
pub(crate) fn nothing() -> Heard {
    Heard::default()
}

/// The message with this `ts` is answered.
pub(crate) fn echo(ts: impl Into<serde_json::Value>) -> Heard {
    nothing().echo(ts)
}

/// The message is understood, and of no type that there is.
pub(crate) fn unknown() -> Heard {
    Heard { answers: vec![Answer::Refusal("unknown_type".into())], ..nothing() }
}

/// A ping with this payload is answered.
pub(crate) fn pong(payload: impl AsRef<[u8]>) -> Heard {
    nothing().pong(payload)
}

/// The server gives the connection up.
pub(crate) fn fails(code: u16) -> Heard {
    nothing().fails(code)
}

/// The server answers a close frame.
pub(crate) fn closes(code: u16) -> Heard {
    nothing().closes(code)
}

impl Heard {
    pub(crate) fn echo(mut self, ts: impl Into<serde_json::Value>) -> Self {
        self.answers.push(Answer::Echo(ts.into()));
        self
    }

    pub(crate) fn pong(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.pongs.push(payload.as_ref().to_vec());
        self
    }

    pub(crate) fn fails(mut self, code: u16) -> Self {
        self.end = Some(End::Failed(code, String::new()));
        self
    }

    /// What the reason must speak of.
    pub(crate) fn since(mut self, what: &str) -> Self {
        if let Some(End::Failed(_, reason)) = &mut self.end {
            *reason = what.to_owned();
        }
        self
    }

    pub(crate) fn closes(mut self, code: u16) -> Self {
        self.end = Some(End::Closed(Some(code)));
        self
    }
}

impl Row {
    /// Sends it and gives what is wrong with what comes back.
    async fn run(&self, server: &TestServer, cut: Cut) -> Result<(), String> {
        let mut client = Client::enter(server.addr(), self.codec).await;
        let mut bytes = self.sent.concat();
        // What asks whether the connection goes on.
        let (alive, is_alive) = (b"still there?", Answer::Echo("still there?".into()));
        if self.heard.end.is_none() {
            bytes.extend(ping(alive));
            bytes.extend(message(self.codec, "still there?"));
        }
        client.send(bytes, cut);
        let mut expected = self.heard.clone();
        if expected.end.is_none() {
            expected.answers.push(is_alive.clone());
            expected.pongs.push(alive.to_vec());
        }
        let mut heard = Heard::default();
        let is_complete = |heard: &Heard| {
            let is_alive = heard.answers.contains(&is_alive) && heard.pongs.last().is_some_and(|last| last == alive);
            heard.end.is_some() || is_alive && heard.answers.len() >= expected.answers.len()
        };
        while !is_complete(&heard) {
            match client.next().await? {
                Frame::Answer(answer) => heard.answers.push(answer),
                Frame::Pong(payload) => heard.pongs.push(payload),
                Frame::End(end) => heard.end = Some(end),
            }
        }
        heard.answers.sort_by_key(|answer| matches!(answer, Answer::Echo(_)));
        let ends_so = match (&heard.end, &expected.end) {
            (Some(End::Failed(code, reason)), Some(End::Failed(number, what))) => {
                code == number && reason.contains(what)
            }
            (heard, expected) => heard == expected,
        };
        if ends_so && heard.answers == expected.answers && answers_pings(&heard.pongs, &expected.pongs) {
            return Ok(());
        }
        Err(format!("expected {expected:?}, heard {heard:?}"))
    }
}

/// Whether these pongs answer those pings: all or some of them, in order, and the last (RFC 6455, section 5.5.3).
fn answers_pings(pongs: &[Vec<u8>], pings: &[Vec<u8>]) -> bool {
    let mut asked = pings.iter();
    pongs.iter().all(|pong| asked.any(|ping| ping == pong)) && pongs.last() == pings.last()
}

async fn holds(rows: Vec<Row>) {
    let server = TestServer::start();
    let mut wrong = Vec::new();
    let runs = rows.len() * Cut::ALL.len();
    for row in rows {
        for cut in Cut::ALL {
            if let Err(what) = row.run(&server, cut).await {
                wrong.push(format!("{} ({cut:?}): {what}", row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {runs} runs:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn section_1_framing() {
    holds(framing::sizes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_2_pings_and_pongs() {
    holds(control::pings()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_3_reserved_bits() {
    holds(framing::reserved_bits()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_opcodes() {
    holds(framing::opcodes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_5_fragmentation() {
    holds(parts::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_6_utf_8() {
    holds(utf8::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_7_closing() {
    holds(closing::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_10_messages_cut_by_libraries() {
    holds(parts::automatic()).await;
}

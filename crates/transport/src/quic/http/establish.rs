//! Finds the session: the request for it, and the stream that the client opens in it.
//!
//! Streams arrive in any order. A request waits for the peer's settings, and the session's stream for the request.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use anteroom_protocol::CloseCode;
use bytes::Bytes;
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, VarInt};
use tokio::time::{Instant, timeout_at};

use super::bidirectional::{Purpose, Reader};
use super::capsule::Close;
use super::connection::{Connection, poll_chunk, say_last};
use super::fault::{Code, Fault};
use super::qpack::{self, Unreadable};
use super::request::{self, Asked, Request};
use super::session::Session;
use super::settings::Settings;
use crate::error::Closed;

/// A session, and the client's stream in it.
pub(in crate::quic) struct Accepted {
    pub(in crate::quic) session: Session,
    pub(in crate::quic) request: Request,
    /// The number of the request's stream.
    pub(in crate::quic) id: u64,
    pub(in crate::quic) settings: Settings,
    pub(in crate::quic) control: (SendStream, RecvStream),
    /// What came on it together with its head.
    pub(in crate::quic) early: Bytes,
}

/// Why there is no session.
#[derive(Debug)]
pub(in crate::quic) enum Refused {
    /// One at this path was asked for.
    NotFound(String),
    /// It took too long.
    Late,
    Lost(ConnectionError),
    Broken(Closed),
}

/// What is gathered until the session stands.
struct Establishing {
    connection: Connection,
    accepting: Accepting,
    /// No more than QUIC allows at a time.
    openings: Vec<Opening>,
    asked: Option<(Request, SendStream, RecvStream, Bytes)>,
    control: Option<(u64, SendStream, RecvStream, Bytes)>,
}

type Accepting = std::pin::Pin<Box<dyn Future<Output = Result<(SendStream, RecvStream), ConnectionError>> + Send>>;

/// A stream whose purpose is not known.
struct Opening {
    send: SendStream,
    recv: RecvStream,
    reader: Reader,
}

/// Accepts the connection's session if `is_here` knows its path. What is not here by the deadline is not waited for; the
/// peer is told `late`, and has a while more to read it. Dropping the future closes the connection.
pub(in crate::quic) async fn accept(
    quic: quinn::Connection,
    is_here: impl Fn(&str) -> bool,
    deadline: Instant,
    late: CloseCode,
) -> Result<Accepted, Refused> {
    let is_late = || {
        quic.close(VarInt::from(late.number()), late.sentence().as_bytes());
        Refused::Late
    };
    let opened = timeout_at(deadline, Connection::open(quic.clone())).await.map_err(|_| is_late())?;
    let connection = opened.map_err(Refused::Lost)?;
    let (accepting, openings) = (accept_bi(&quic), Vec::new());
    let mut establishing = Establishing { connection, accepting, openings, asked: None, control: None };
    let asked = timeout_at(deadline, poll_fn(|cx| establishing.poll(cx, Establishing::is_asked))).await;
    let settings = asked.map_err(|_| is_late())??;
    let Some((request, mut send, recv, early)) = establishing.asked.take() else {
        return Err(Refused::Broken(Closed::Lost("no session was asked for".into())));
    };
    let id = u64::from(send.id());
    if !is_here(&request.path) {
        say_last(&quic, &mut send, &request::answer(404)).await;
        return Err(Refused::NotFound(request.path));
    }
    // It fails with the connection, or when the session is given up; both are noticed next.
    let _ = timeout_at(deadline, send.write_all(&request.accepted())).await.map_err(|_| is_late())?;
    establishing.reject_others(id).map_err(|fault| establishing.broken(fault))?;
    establishing.asked = Some((request, send, recv, early));
    let opened = timeout_at(deadline, poll_fn(|cx| establishing.poll(cx, Establishing::is_open))).await;
    let Establishing { connection, asked, control, .. } = establishing;
    let Some((request, mut send, recv, rest)) = asked else {
        return Err(Refused::Broken(Closed::Lost("no session was asked for".into())));
    };
    let Ok(opened) = opened else {
        // The session stands already, if only to be closed.
        let close = Close { code: late.number().into(), reason: late.sentence().into() };
        say_last(&quic, &mut send, &close.frame()).await;
        return Err(is_late());
    };
    opened?;
    let Some((.., send_control, recv_control, early)) = control else {
        return Err(Refused::Broken(Closed::Lost("no stream was opened".into())));
    };
    let session = Session::new(connection, send, recv, rest);
    Ok(Accepted { session, request, id, settings, control: (send_control, recv_control), early })
}

fn accept_bi(quic: &quinn::Connection) -> Accepting {
    let quic = quic.clone();
    Box::pin(async move { quic.accept_bi().await })
}

impl Establishing {
    fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    fn is_open(&self) -> bool {
        self.control.is_some()
    }

    /// Ready when the peer's settings are here and `is_done`.
    fn poll(&mut self, cx: &mut Context<'_>, is_done: fn(&Self) -> bool) -> Poll<Result<Settings, Refused>> {
        self.connection.poll(cx).map_err(|fault| self.broken(fault))?;
        loop {
            self.read(cx).map_err(|fault| self.broken(fault))?;
            if let (true, Some(settings)) = (is_done(self), self.connection.settings()) {
                return Poll::Ready(Ok(settings));
            }
            match self.accepting.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Refused::Lost(error))),
                Poll::Ready(Ok((send, recv))) => {
                    self.openings.push(Opening { send, recv, reader: Reader::new() });
                    self.accepting = accept_bi(self.connection.quic());
                }
            }
        }
    }

    fn broken(&self, fault: Fault) -> Refused {
        Refused::Broken(fault.end(self.connection.quic()))
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let mut place = 0;
        while let Some(opening) = self.openings.get_mut(place) {
            match opening.poll(cx)? {
                Poll::Pending => place += 1,
                Poll::Ready(found) => {
                    let Opening { send, recv, .. } = self.openings.remove(place);
                    match found {
                        Some((purpose, early)) => self.found(purpose, send, recv, early, cx)?,
                        None => self.reject(send, recv, Code::RequestIncomplete)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn found(
        &mut self,
        purpose: Purpose,
        send: SendStream,
        recv: RecvStream,
        early: Bytes,
        cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        let asked = match purpose {
            Purpose::Session(id) => {
                if self.control.is_some() || self.session().is_some_and(|session| session != id) {
                    return self.reject(send, recv, Code::BufferedStreamRejected);
                }
                self.control = Some((id, send, recv, early));
                return Ok(());
            }
            Purpose::TooLarge => Asked::Answer(431),
            Purpose::Request(section) => match qpack::decode(&section) {
                Ok(fields) => Asked::of(fields),
                Err(Unreadable::TooLarge) => Asked::Answer(431),
                Err(Unreadable::Broken(fault)) => return Err(fault),
            },
        };
        match asked {
            Asked::Session(request) if self.asked.is_none() => {
                self.asked = Some((request, send, recv, early));
                Ok(())
            }
            Asked::Session(_) => self.reject(send, recv, Code::RequestRejected),
            Asked::Answer(status) => self.answer(send, recv, status, cx),
            Asked::Malformed => self.reject(send, recv, Code::Message),
        }
    }

    fn session(&self) -> Option<u64> {
        self.asked.as_ref().map(|(_, send, ..)| send.id().into())
    }

    /// Gives up a stream that came before the request and belongs to another session.
    fn reject_others(&mut self, id: u64) -> Result<(), Fault> {
        match self.control.take() {
            Some((session, send, recv, _)) if session != id => self.reject(send, recv, Code::BufferedStreamRejected),
            control => {
                self.control = control;
                Ok(())
            }
        }
    }

    fn reject(&mut self, mut send: SendStream, mut recv: RecvStream, code: Code) -> Result<(), Fault> {
        // Either fails on a stream that is over, which is as well.
        let _ = send.reset(code.into());
        let _ = recv.stop(code.into());
        self.connection.refuse()
    }

    /// Answers a request for something that is not here. A peer that leaves no room for a few bytes is not answered.
    fn answer(
        &mut self,
        mut send: SendStream,
        mut recv: RecvStream,
        status: u16,
        cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        let answer = request::answer(status);
        let written = pin!(send.write(&answer)).poll(cx);
        if !matches!(written, Poll::Ready(Ok(len)) if len == answer.len()) {
            return self.reject(send, recv, Code::RequestRejected);
        }
        // Either fails on a stream that is over, which is as well.
        let _ = send.finish();
        let _ = recv.stop(Code::NoError.into());
        self.connection.refuse()
    }
}

impl Opening {
    /// What the stream is for, and what came along; nothing if it has ended before saying so.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<(Purpose, Bytes)>>, Fault> {
        loop {
            let mut input = match poll_chunk(&mut self.recv, cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(Some(input))) => input,
                // Accepting tells.
                Poll::Ready(Err(ReadError::ConnectionLost(_))) => return Ok(Poll::Pending),
                Poll::Ready(Ok(None) | Err(_)) => return Ok(Poll::Ready(None)),
            };
            if let Some(purpose) = self.reader.next(&mut input)? {
                return Ok(Poll::Ready(Some((purpose, input))));
            }
        }
    }
}

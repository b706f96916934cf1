//! What an HTTP connection waits for, read off what moves on it: a head, the next request, or a client that reads.
//!
//! It only says until when. Ending the connection is for the one who serves it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::HEAD_MAX;
use crate::settings::HttpLimits;

/// What a connection is waiting for, and how long it may.
#[derive(Debug)]
pub(super) struct Pace {
    phase: Mutex<Phase>,
    limits: HttpLimits,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// A head is on its way since then.
    Head(Instant),
    /// Nothing is asked, or what was asked is answered; nothing has moved since then.
    Kept { since: Instant, is_blocked: bool },
}

impl Pace {
    /// A new connection has its first request to send.
    pub(super) fn new(limits: HttpLimits) -> Self {
        Self { phase: Mutex::new(Phase::Head(Instant::now())), limits }
    }

    pub(super) fn deadline(&self) -> Instant {
        match *self.lock() {
            Phase::Head(since) => since + HEAD_MAX,
            Phase::Kept { since, is_blocked: true } => since + self.limits.stall_max,
            Phase::Kept { since, is_blocked: false } => since + self.limits.idle_max,
        }
    }

    /// A request is there, or its answer.
    pub(super) fn request(&self) {
        *self.lock() = Phase::Kept { since: Instant::now(), is_blocked: false };
    }

    /// Bytes came: if nothing is being written, they begin a request.
    fn came(&self) {
        let mut phase = self.lock();
        if let Phase::Kept { is_blocked: false, .. } = *phase {
            *phase = Phase::Head(Instant::now());
        }
    }

    /// Something was written.
    fn wrote(&self) {
        if let Phase::Kept { since, is_blocked } = &mut *self.lock() {
            (*since, *is_blocked) = (Instant::now(), false);
        }
    }

    /// Something could not be written, or is written now.
    fn set_blocked(&self, blocked: bool) {
        if let Phase::Kept { since, is_blocked } = &mut *self.lock()
            && *is_blocked != blocked
        {
            (*since, *is_blocked) = (Instant::now(), blocked);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that tells what happens on it.
pub(super) struct Paced<IO> {
    pub(super) io: IO,
    pub(super) pace: Arc<Pace>,
}

impl<IO> Paced<IO> {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(_) => self.pace.wrote(),
            Poll::Pending => self.pace.set_blocked(true),
        }
        written
    }

    fn flushed(&self, flushed: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        self.pace.set_blocked(flushed.is_pending());
        flushed
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Paced<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pace.came();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Paced<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.flushed(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.flushed(shut)
    }
}

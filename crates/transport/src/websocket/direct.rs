//! The writing half of a connection, and the way past its task: whoever has a record for a peer that keeps up writes
//! it on the socket at once. Waking a task for it would cost more than the write.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use anteroom_protocol::Batch;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

use super::Io;
use super::frame::Role;
use super::outbox::Outbox;
use crate::metered::Meter;

/// A queue and the socket behind it. Everything that is written goes through it, so records stay whole and in order.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) outbox: Outbox,
    /// Gone with the connection; a stream that cannot be split is with the driver.
    tcp: Option<OwnedWriteHalf>,
}

/// The driver's own end of the writing half. Dropping it ends the connection, whoever has a [`Direct`] still.
#[derive(Debug)]
pub(super) struct Sink {
    half: Arc<Mutex<Half>>,
    is_tcp: bool,
}

/// Writes records on a connection from any task, at once or not at all. Clones are the same one.
///
/// It does nothing once the connection is dropped, and does not keep it open.
#[derive(Debug, Clone)]
pub struct Direct(Arc<Mutex<Half>>);

fn lock(half: &Mutex<Half>) -> MutexGuard<'_, Half> {
    // Nothing panics while it holds the lock.
    half.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to write on a connection, nobody else writing meanwhile. Not to be held for longer than that takes.
#[derive(Debug)]
pub struct Opening<'a>(MutexGuard<'a, Half>);

impl Direct {
    /// Begins to write, if nothing waits and the connection stands.
    #[must_use]
    pub fn open(&self) -> Option<Opening<'_>> {
        let half = lock(&self.0);
        (half.tcp.is_some() && half.outbox.is_empty()).then_some(Opening(half))
    }
}

impl Opening<'_> {
    /// Writes a record, with one call to the system. `false` if not all of it was taken: the rest waits for the
    /// connection's task, which has to be told, and nothing more can be written here until it has gone.
    #[must_use]
    pub fn write(&mut self, batch: &Arc<Batch>) -> bool {
        let Half { outbox, tcp } = &mut *self.0;
        outbox.write_now(batch, |bytes| match tcp {
            Some(tcp) => tcp.try_write(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl Sink {
    /// Over plain TCP, with a writer for others.
    pub(super) fn tcp(role: Role, tcp: OwnedWriteHalf) -> Self {
        let half = Half { outbox: Outbox::new(role, None), tcp: Some(tcp) };
        Self { half: Arc::new(Mutex::new(half)), is_tcp: true }
    }

    /// Over a stream that reads as well, which the driver hands in; with what counts below it where that is TLS.
    pub(super) fn shared(role: Role, meter: Option<Meter>) -> Self {
        let half = Half { outbox: Outbox::new(role, meter), tcp: None };
        Self { half: Arc::new(Mutex::new(half)), is_tcp: false }
    }

    pub(super) fn direct(&self) -> Option<Direct> {
        self.is_tcp.then(|| Direct(self.half.clone()))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Half> {
        lock(&self.half)
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, stream: Option<&mut dyn Io>) -> Poll<io::Result<()>> {
        let Half { outbox, tcp } = &mut *self.lock();
        match (tcp, stream) {
            (Some(tcp), _) => outbox.poll_write(cx, tcp),
            (None, Some(stream)) => outbox.poll_write(cx, stream),
            (None, None) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>, stream: Option<&mut dyn Io>) -> Poll<io::Result<()>> {
        match (&mut self.lock().tcp, stream) {
            (Some(tcp), _) => Pin::new(tcp).poll_shutdown(cx),
            (None, Some(stream)) => Pin::new(stream).poll_shutdown(cx),
            (None, None) => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut half = self.lock();
        half.tcp = None;
        // What nobody will write is not kept for those who still have a writer.
        half.outbox.clear();
    }
}

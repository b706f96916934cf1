//! The writing half: records already framed, many to one system call, and control frames between them.
//!
//! Bytes count as written when the stream below has flushed them, or TLS has handed them down: not when TLS has swallowed
//! them. It gets more only when it has handed everything down, so that what waits for a slow reader waits here, where it
//! is counted and shared.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use anteroom_protocol::Batch;
use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::frame::{Control, Role, close_payload, control_frame, masked_frame};
use crate::metered::Meter;

/// How many frames go into one write.
const SLICES_MAX: usize = 64;
/// The queue keeps no more places than this when it is empty.
const IDLE_CAPACITY: usize = 4;

/// What waits to be written. Records are bounded by the caller; of control frames there is one slot for each kind.
#[derive(Debug)]
pub(super) struct Outbox {
    role: Role,
    queue: VecDeque<Chunk>,
    /// How much of the first chunk is written.
    front_written: usize,
    /// In the queue, or written and not flushed.
    queued_bytes: usize,
    unflushed_bytes: usize,
    /// Of records alone.
    unflushed_record_bytes: u64,
    /// Under TLS, what has come out below it, and how much that was before what is not flushed.
    meter: Option<Meter>,
    taken_before: u64,
    written_record_bytes: u64,
    /// The stream did not take all when it was last written on.
    is_blocked: bool,
    moved_at: Option<Instant>,
    pong: Option<Bytes>,
    ping: Option<[u8; 8]>,
    /// A close frame is queued; nothing may follow it.
    closing: bool,
}

#[derive(Debug)]
enum Chunk {
    Shared(Arc<Batch>),
    Masked(Vec<u8>),
    Control(Vec<u8>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(batch) => batch.websocket_frame(),
            Self::Masked(frame) | Self::Control(frame) => frame,
        }
    }
}

impl Outbox {
    pub(super) fn new(role: Role, meter: Option<Meter>) -> Self {
        Self {
            role,
            queue: VecDeque::new(),
            front_written: 0,
            queued_bytes: 0,
            unflushed_bytes: 0,
            unflushed_record_bytes: 0,
            meter,
            taken_before: 0,
            written_record_bytes: 0,
            is_blocked: false,
            moved_at: None,
            pong: None,
            ping: None,
            closing: false,
        }
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes - self.handed_down()
    }

    /// How much of what is not flushed TLS has handed down. It says so in bytes of its own, which are some more; so the
    /// last one is left until all is flushed.
    fn handed_down(&self) -> usize {
        let taken_bytes = self.taken_bytes() - self.taken_before;
        usize::try_from(taken_bytes).unwrap_or(usize::MAX).min(self.unflushed_bytes.saturating_sub(1))
    }

    fn taken_bytes(&self) -> u64 {
        self.meter.as_ref().map_or(0, Meter::taken_bytes)
    }

    /// Whether nothing waits, and something may be written.
    pub(super) fn is_empty(&self) -> bool {
        self.queued_bytes == 0 && self.pong.is_none() && self.ping.is_none() && !self.closing
    }

    /// Drops everything that waits.
    pub(super) fn clear(&mut self) {
        self.queue = VecDeque::new();
        (self.front_written, self.queued_bytes, self.unflushed_bytes) = (0, 0, 0);
    }

    /// Writes a server's record with one call, behind nothing. What the stream does not take waits; `false` then. It
    /// must be a stream for which written is flushed.
    pub(super) fn write_now(&mut self, batch: &Arc<Batch>, write: impl FnOnce(&[u8]) -> io::Result<usize>) -> bool {
        let frame = batch.websocket_frame();
        // An error will come again, to whoever can end the connection for it.
        let written = write(frame).unwrap_or(0);
        self.written_record_bytes += written as u64;
        let rest = frame.len() - written;
        if rest > 0 {
            self.is_blocked = true;
            self.front_written = written;
            self.queued_bytes = rest;
            self.queue.push_back(Chunk::Shared(batch.clone()));
        }
        rest == 0
    }

    /// When the stream last took some of what had been too much for it before: then, the peer has read something.
    pub(super) fn moved_at(&self) -> Option<Instant> {
        self.moved_at
    }

    /// How many bytes of records were written, and flushed or handed down, since the beginning.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written_record_bytes + self.unflushed_record_bytes.min(self.handed_down() as u64)
    }

    pub(super) fn record(&mut self, batch: Arc<Batch>) {
        if self.closing {
            return;
        }
        self.push(match self.role {
            Role::Server => Chunk::Shared(batch),
            Role::Client => Chunk::Masked(masked_frame(batch.websocket_frame(), random_mask())),
        });
    }

    /// Answers a ping; a newer one takes the place of one not answered yet (RFC 6455, section 5.5.3).
    pub(super) fn pong(&mut self, payload: Bytes) {
        // A copy, since the payload shares the buffer of everything that came with it.
        self.pong = Some(Bytes::copy_from_slice(&payload));
    }

    pub(super) fn ping(&mut self, payload: [u8; 8]) {
        self.ping = Some(payload);
    }

    /// Puts a close frame behind everything queued, and behind the answer to a ping that came before.
    pub(super) fn close(&mut self, code: u16, reason: &str) {
        if self.closing {
            return;
        }
        self.closing = true;
        if let Some(payload) = self.pong.take() {
            let frame = self.control(Control::Pong, &payload);
            self.push(frame);
        }
        let frame = self.control(Control::Close, &close_payload(code, reason));
        self.push(frame);
    }

    /// Ready when everything is written and flushed.
    pub(super) fn poll_write<W: AsyncWrite + Unpin + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut W,
    ) -> Poll<io::Result<()>> {
        let waiting_bytes = self.queued_bytes();
        let written = self.poll_write_queue(cx, io);
        if self.is_blocked && self.queued_bytes() < waiting_bytes {
            self.moved_at = Some(Instant::now());
        }
        self.is_blocked = written.is_pending();
        written
    }

    fn poll_write_queue<W: AsyncWrite + Unpin + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut W,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.unflushed_bytes > 0 {
                ready!(Pin::new(&mut *io).poll_flush(cx))?;
                self.queued_bytes -= std::mem::take(&mut self.unflushed_bytes);
                self.written_record_bytes += std::mem::take(&mut self.unflushed_record_bytes);
            }
            self.taken_before = self.taken_bytes();
            self.place_control();
            if self.queue.is_empty() {
                self.queue.shrink_to(IDLE_CAPACITY);
                return Poll::Ready(Ok(()));
            }
            let written = ready!(self.poll_write_frames(cx, io))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
    }

    /// Writes once: as much of the queue as the stream takes.
    fn poll_write_frames<W: AsyncWrite + Unpin + ?Sized>(
        &self,
        cx: &mut Context<'_>,
        io: &mut W,
    ) -> Poll<io::Result<usize>> {
        // Mostly there is one, and a plain write costs the kernel measurably less than a list of one.
        if self.queue.len() == 1 {
            return Pin::new(io).poll_write(cx, &self.queue[0].bytes()[self.front_written..]);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut skip = self.front_written;
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(&chunk.bytes()[skip..]);
            skip = 0;
            count += 1;
        }
        Pin::new(io).poll_write_vectored(cx, &slices[..count])
    }

    fn push(&mut self, chunk: Chunk) {
        self.queued_bytes += chunk.bytes().len();
        self.queue.push_back(chunk);
    }

    fn control(&self, kind: Control, payload: &[u8]) -> Chunk {
        let mask = (self.role == Role::Client).then(random_mask);
        Chunk::Control(control_frame(kind, payload, mask))
    }

    /// Moves a pong or ping before the next whole record, one at a time.
    fn place_control(&mut self) {
        let waits = self.queue.iter().take(2).any(|chunk| matches!(chunk, Chunk::Control(_)));
        if waits || self.closing {
            return;
        }
        let chunk = if let Some(payload) = self.pong.take() {
            self.control(Control::Pong, &payload)
        } else if let Some(payload) = self.ping.take() {
            self.control(Control::Ping, &payload)
        } else {
            return;
        };
        self.queued_bytes += chunk.bytes().len();
        self.queue.insert(usize::from(self.front_written > 0), chunk);
    }

    fn advance(&mut self, mut written: usize) {
        self.unflushed_bytes += written;
        while let Some(front) = self.queue.front() {
            let rest = front.bytes().len() - self.front_written;
            if !matches!(front, Chunk::Control(_)) {
                self.unflushed_record_bytes += written.min(rest) as u64;
            }
            if written < rest {
                self.front_written += written;
                return;
            }
            written -= rest;
            self.front_written = 0;
            self.queue.pop_front();
        }
    }
}

/// RFC 6455, section 10.3, asks for masks that nobody can guess.
fn random_mask() -> [u8; 4] {
    let mut mask = [0; 4];
    // Fails only when the operating system has no entropy; a guessable mask is then the smaller trouble.
    let _ = aws_lc_rs::rand::fill(&mut mask);
    mask
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::envelope::Empty;
    use anteroom_protocol::{Codec, Header};

    use super::*;

    /// Takes so many bytes at each write, then blocks until told otherwise.
    struct Narrow {
        width: usize,
        open: bool,
        taken: Vec<u8>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            if !std::mem::take(&mut self.open) {
                return Poll::Pending;
            }
            let bytes = &bytes[..bytes.len().min(self.width)];
            self.taken.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn batch() -> Arc<Batch> {
        Arc::new(Batch::one(Codec::Json, &Header::new("ping"), &Empty {}).unwrap())
    }

    fn write(outbox: &mut Outbox, io: &mut Narrow) -> bool {
        io.open = true;
        outbox.poll_write(&mut Context::from_waker(std::task::Waker::noop()), io).is_ready()
    }

    #[test]
    fn a_pong_waits_for_the_end_of_a_record_and_goes_before_the_next() {
        let frame = batch().websocket_frame().to_vec();
        let mut outbox = Outbox::new(Role::Server, None);
        let mut io = Narrow { width: 5, open: false, taken: Vec::new() };
        outbox.record(batch());
        outbox.record(batch());
        assert!(!write(&mut outbox, &mut io));
        outbox.pong(Bytes::from_static(b"old"));
        outbox.pong(Bytes::from_static(b"new"));
        while !write(&mut outbox, &mut io) {}
        let expected = [&frame[..], &[0x8a, 3], b"new", &frame].concat();
        assert_eq!(io.taken, expected);
        assert_eq!(outbox.queued_bytes(), 0);
    }

    /// Takes everything, and counts how often it is asked to.
    #[derive(Default)]
    struct Wide {
        writes: usize,
        taken: usize,
    }

    impl AsyncWrite for Wide {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let len = slices.iter().map(|slice| slice.len()).sum();
            self.writes += 1;
            self.taken += len;
            Poll::Ready(Ok(len))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn many_records_take_one_write() {
        for role in [Role::Server, Role::Client] {
            let mut outbox = Outbox::new(role, None);
            let mut io = Wide::default();
            (0..SLICES_MAX).for_each(|_| outbox.record(batch()));
            let queued = outbox.queued_bytes();
            let cx = &mut Context::from_waker(std::task::Waker::noop());
            assert!(matches!(outbox.poll_write(cx, &mut io), Poll::Ready(Ok(()))));
            assert_eq!((io.writes, io.taken, outbox.queued_bytes()), (1, queued, 0));
            assert!(outbox.queue.capacity() <= IDLE_CAPACITY);
        }
    }

    #[test]
    fn a_close_frame_is_the_last() {
        let frame = batch().websocket_frame().to_vec();
        let mut outbox = Outbox::new(Role::Server, None);
        let mut io = Narrow { width: 5, open: false, taken: Vec::new() };
        outbox.record(batch());
        assert!(!write(&mut outbox, &mut io));
        outbox.pong(Bytes::from_static(b"p"));
        outbox.close(4000, "");
        outbox.record(batch());
        outbox.pong(Bytes::from_static(b"late"));
        outbox.close(4001, "again");
        while !write(&mut outbox, &mut io) {}
        assert_eq!(io.taken, [&frame[..], &[0x8a, 1, b'p', 0x88, 2, 0x0f, 0xa0]].concat());
        assert_eq!(outbox.queued_bytes(), 0);
    }
}

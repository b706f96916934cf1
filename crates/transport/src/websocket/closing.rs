//! The end of a WebSocket from this side, such that the peer reads why.
//!
//! A system that closes a socket with input unread resets the connection, and the reset overtakes what the peer has not
//! read yet. So all that still comes is read and thrown away, until the peer has closed its side as well.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::WebSocket;
use super::frame::Message;

/// How long nothing may move: the peer neither takes what waits, nor answers, nor closes its side, nor sends.
const CLOSE_QUIET_MAX: Duration = Duration::from_secs(2);
/// How long closing may take, whatever moves.
const CLOSE_MAX: Duration = Duration::from_secs(10);
/// How much is thrown away: more than the largest message that anybody sends by mistake, within [`CLOSE_MAX`]. It costs
/// no memory.
const CLOSE_DRAIN_BYTES_MAX: usize = 64 << 20;

/// How far closing has come.
#[derive(Debug, Default)]
struct Progress {
    /// Everything queued is written, and the close frame.
    told: bool,
    /// Nothing more can be written.
    shut: bool,
    /// The peer has closed its side.
    ended: bool,
    drained_bytes: usize,
    /// What waited to be written when it was last looked at.
    queued_bytes: usize,
}

impl WebSocket {
    /// Sends the close frame, or the answer to the peer's, behind what is queued, and ends the stream.
    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        match self.answer {
            Some(answer) => self.sink.lock().outbox.close(answer, ""),
            None => self.sink.lock().outbox.close(code, reason),
        }
        // The peer may be gone already; then there is nobody to tell.
        let _ = timeout(CLOSE_MAX, self.close_in_turns()).await;
    }

    /// Answers the peer's close frame, if it has come and the stream takes it at once.
    pub(super) fn answer_close(&mut self, cx: &mut Context<'_>) {
        if let Some(answer) = self.answer {
            self.sink.lock().outbox.close(answer, "");
            let _ = self.poll_sink(cx);
        }
    }

    async fn close_in_turns(&mut self) -> io::Result<()> {
        let mut progress = Progress::default();
        let mut quiet = Box::pin(sleep_until(Instant::now() + CLOSE_QUIET_MAX));
        poll_fn(|cx| {
            // Whoever writes all before it reads would wait for us as we for it, so both are done in turn.
            let moved = self.poll_close(&mut progress, cx)?;
            if progress.shut && progress.ended || progress.drained_bytes >= CLOSE_DRAIN_BYTES_MAX {
                return Poll::Ready(Ok(()));
            }
            if moved {
                quiet.as_mut().reset(Instant::now() + CLOSE_QUIET_MAX);
            }
            ready!(quiet.as_mut().poll(cx));
            // At least the stream ends as such, which over TLS is more than that of the socket below.
            let _ = self.poll_shutdown(cx);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Does what can be done; whether that was anything.
    fn poll_close(&mut self, progress: &mut Progress, cx: &mut Context<'_>) -> io::Result<bool> {
        let before = (progress.told, progress.shut, progress.drained_bytes, progress.queued_bytes);
        loop {
            if !progress.told {
                progress.told = is_done(self.poll_sink(cx))?;
                progress.queued_bytes = self.sink.lock().outbox.queued_bytes();
            }
            // A peer that can be understood is to see the end of the stream only behind its own close frame, as some take
            // it for the end of both sides.
            let is_over = self.is_answered() || self.unreadable || progress.ended;
            if progress.told && is_over && !progress.shut {
                progress.shut = is_done(self.poll_shutdown(cx))?;
            }
            if progress.ended || progress.drained_bytes >= CLOSE_DRAIN_BYTES_MAX {
                break;
            }
            match self.poll_fill(cx)? {
                Poll::Ready(0) => progress.ended = true,
                Poll::Ready(len) => progress.drained_bytes += len,
                Poll::Pending => break,
            }
        }
        Ok(before != (progress.told, progress.shut, progress.drained_bytes, progress.queued_bytes))
    }

    /// Whether the peer's close frame is in what has arrived.
    fn is_answered(&mut self) -> bool {
        while self.answer.is_none() && !self.unreadable {
            match self.reader.next() {
                Ok(Some(Message::Close { answer, .. })) => self.answer = Some(answer),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => self.unreadable = true,
            }
        }
        self.answer.is_some()
    }
}

fn is_done(polled: Poll<io::Result<()>>) -> io::Result<bool> {
    match polled {
        Poll::Ready(done) => done.map(|()| true),
        Poll::Pending => Ok(false),
    }
}

/// A peer that has closed is answered also by who just drops the connection.
impl Drop for WebSocket {
    fn drop(&mut self) {
        self.answer_close(&mut Context::from_waker(Waker::noop()));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;

    use anteroom_protocol::{BatchBuilder, Codec, LaneId};
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;
    use crate::websocket::READ_BYTES;
    use crate::{Connection, TransportConfig};

    const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
    /// A masked frame without payload: an empty message.
    const MESSAGE: [u8; 6] = [0x82, 0x80, 0, 0, 0, 0];

    fn server() -> (DuplexStream, Connection) {
        let (near, far) = duplex(READ_BYTES);
        (near, crate::websocket::accept(far, Bytes::new(), PEER, TransportConfig::default()))
    }

    /// How long closing takes beside a peer that does this once it has read the close frame.
    async fn lasts(peer: impl AsyncFnOnce(&mut DuplexStream)) -> Duration {
        let (mut near, connection) = server();
        let begin = Instant::now();
        let closing = async {
            connection.close(4000, "why").await;
            begin.elapsed()
        };
        let peer = async {
            let mut heard = [0; 7];
            near.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"\x88\x05\x0f\xa0why");
            peer(&mut near).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            lasted = closing => lasted,
            () = peer => unreachable!(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_until_the_peer_is_done() {
        let ends = async |peer: &mut DuplexStream| peer.shutdown().await.unwrap();
        assert_eq!(lasts(ends).await, Duration::ZERO);
        let sends = async |peer: &mut DuplexStream| {
            for _ in 0..5 {
                sleep(Duration::from_secs(1)).await;
                peer.write_all(&MESSAGE.repeat(1000)).await.unwrap();
            }
            peer.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
            // Only now does the stream end from the other side.
            assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
            peer.shutdown().await.unwrap();
        };
        assert_eq!(lasts(sends).await, Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_last_for_ever() {
        assert_eq!(lasts(async |_| ()).await, CLOSE_QUIET_MAX);
        let trickles = async |peer: &mut DuplexStream| loop {
            peer.write_all(&MESSAGE).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        };
        assert_eq!(lasts(trickles).await, CLOSE_MAX);
        // Understood or not.
        for bytes in [&MESSAGE.repeat(1000)[..], &[0xff; 6000]] {
            let mut sent = 0;
            let floods = async |peer: &mut DuplexStream| {
                while peer.write_all(bytes).await.is_ok() {
                    sent += bytes.len();
                }
            };
            assert_eq!(lasts(floods).await, Duration::ZERO);
            assert!((CLOSE_DRAIN_BYTES_MAX - 50_000..CLOSE_DRAIN_BYTES_MAX + 50_000).contains(&sent), "{sent}");
        }
    }

    /// Each would wait for the other, if it were not read beside what is written.
    #[tokio::test(start_paused = true)]
    async fn a_peer_that_writes_all_before_it_reads_hears_what_was_queued() {
        let (mut near, mut connection) = server();
        let mut record = BatchBuilder::new(Codec::Json);
        record.push_encoded(&[b' '; 50_000]);
        let record = Arc::new(record.finish());
        connection.try_send(LaneId::CONTROL, record.clone()).unwrap();
        let peer = async {
            near.write_all(&MESSAGE.repeat(20_000)).await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"\x88\x05\x0f\xa0why") {
                assert_ne!(near.read_buf(&mut heard).await.unwrap(), 0);
            }
            drop(near);
            heard
        };
        let ((), heard) = tokio::join!(connection.close(4000, "why"), peer);
        assert_eq!(heard.len(), record.websocket_frame().len() + 7);
    }
}

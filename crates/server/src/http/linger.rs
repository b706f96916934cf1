//! Closing such that the client reads the answer.
//!
//! A system that closes a socket with input unread resets the connection, and the reset overtakes an answer that is not
//! read yet: that to a request with a body, for example, which nobody here reads. So what still comes is thrown away
//! until the client has closed its side as well.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Peer;

/// How long nothing may come.
const QUIET_MAX: Duration = Duration::from_secs(2);
/// How long it may take, whatever comes.
const LINGER_MAX: Duration = Duration::from_secs(10);
/// How much is thrown away. It costs no memory.
const DRAIN_BYTES_MAX: usize = 64 << 20;
/// How many clients may linger for whom there is no place.
const REFUSED_MAX: usize = 64;

/// A stream whose shutdown lasts until the other side is done, too.
#[derive(Debug)]
pub(super) struct Lingering<S> {
    stream: S,
    end: Option<End>,
}

/// An end that has begun.
#[derive(Debug)]
struct End {
    at_last: Instant,
    quiet: Pin<Box<Sleep>>,
    drained_bytes: usize,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, end: None }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl End {
    fn begin() -> Self {
        let now = Instant::now();
        Self { at_last: now + LINGER_MAX, quiet: Box::pin(sleep_until(now + QUIET_MAX)), drained_bytes: 0 }
    }

    fn poll(&mut self, stream: Pin<&mut impl AsyncRead>, cx: &mut Context<'_>) -> Poll<()> {
        let mut stream = stream;
        let mut scratch = [0; 4096];
        while self.drained_bytes < DRAIN_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            match stream.as_mut().poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.drained_bytes += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    return self.quiet.as_mut().poll(cx);
                }
            }
            let quiet_until = (Instant::now() + QUIET_MAX).min(self.at_last);
            self.quiet.as_mut().reset(quiet_until);
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, end } = &mut *self;
        if end.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        end.get_or_insert_with(End::begin).poll(Pin::new(stream), cx).map(Ok)
    }
}

/// Ends a connection as it should be that ends with an upgrade refused: hyper hands it over all the same, instead of
/// shutting it down.
pub(super) async fn end_refused_upgrades(request: Request, next: Next) -> Response {
    let upgrade = request.extensions().get::<OnUpgrade>().cloned();
    // It counts among those allowed until it has ended.
    let peer = request.extensions().get::<Peer>().cloned();
    let response = next.run(request).await;
    if let Some(upgrade) = upgrade.filter(|_| response.status() != StatusCode::SWITCHING_PROTOCOLS) {
        tokio::spawn(async move {
            // It fails with the next request on the connection, which is not over then.
            if let Ok(upgraded) = upgrade.await {
                drop(TokioIo::new(upgraded).shutdown().await);
            }
            drop(peer);
        });
    }
    response
}

/// Tells those who are not let in. Some at a time are waited for until they have read it; more would cost as much as
/// letting them in.
#[derive(Debug)]
pub(super) struct Refusals(Arc<Semaphore>);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(REFUSED_MAX)))
    }

    /// Says it, now: one write to a new socket does not wait. Gives what is left to do, unless too much is.
    pub(super) fn tell(&self, stream: TcpStream, answer: &[u8]) -> Option<impl Future<Output = ()> + use<>> {
        // Whoever cannot read it finds the connection closed.
        drop(stream.try_write(answer));
        let permit = self.0.clone().try_acquire_owned().ok()?;
        Some(async move {
            drop(Lingering::new(stream).shutdown().await);
            drop(permit);
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::*;

    /// How long a shutdown takes beside a client that does this with its end.
    async fn lasts(client: impl AsyncFnOnce(&mut DuplexStream)) -> Duration {
        let (mut near, far) = duplex(16 << 10);
        let begin = Instant::now();
        let mut lingering = Lingering::new(far);
        let closing = async {
            lingering.shutdown().await.unwrap();
            begin.elapsed()
        };
        let client = async {
            // It hears the end at once, whatever it still sends.
            assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
            client(&mut near).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            lasted = closing => lasted,
            () = client => unreachable!(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_until_the_client_is_done() {
        assert_eq!(lasts(async |client| client.shutdown().await.unwrap()).await, Duration::ZERO);
        let sends = async |client: &mut DuplexStream| {
            for _ in 0..5 {
                sleep(Duration::from_secs(1)).await;
                client.write_all(&[0; 5000]).await.unwrap();
            }
            client.shutdown().await.unwrap();
        };
        assert_eq!(lasts(sends).await, Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_last_for_ever() {
        assert_eq!(lasts(async |_| ()).await, QUIET_MAX);
        let trickles = async |client: &mut DuplexStream| {
            while client.write_all(&[0]).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        };
        assert_eq!(lasts(trickles).await, LINGER_MAX);
        let floods = async |client: &mut DuplexStream| {
            for sent in 0.. {
                assert!(sent * 1000 <= DRAIN_BYTES_MAX + 50_000);
                if timeout(QUIET_MAX, client.write_all(&[0; 1000])).await.is_err() {
                    return;
                }
            }
        };
        assert_eq!(lasts(floods).await, Duration::ZERO);
    }
}

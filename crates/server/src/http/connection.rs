//! One TCP connection as far as it speaks HTTP: how long it is kept, and how its end is announced.
//!
//! A connection is kept for its next request for longer than balancers keep theirs, so that it is not the server that
//! hangs up just when a request is on its way. Where the server wants it to end, an answer says that it is the last.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use super::Peer;
use super::linger::Lingering;
use super::pace::{Pace, Paced};
use crate::parts::Parts;
use crate::slice::Slice;

/// How long a connection goes on; the next answer is its last.
const AGE_MAX: Duration = Duration::from_secs(3600);
/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// What a request costs, as bytes that would.
const REQUEST_BYTES: usize = 7 << 10;
/// The most headers of a request.
const HEADERS_MAX: usize = 64;

type Incoming = hyper::Request<hyper::body::Incoming>;

/// Answers requests until one of both sides is through with it, or the connection is a WebSocket's.
pub(super) async fn serve<IO>(stream: IO, peer: Peer, router: Router, parts: &Parts)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let addr = peer.addr;
    let pace = Arc::new(Pace::new(parts.settings.http));
    let end_at = Instant::now() + AGE_MAX;
    let service = {
        let (asked, answered) = (pace.clone(), pace.clone());
        let (settings, lifecycle) = (parts.settings.clone(), parts.lifecycle.clone());
        router
            .map_request(move |mut request: Incoming| {
                asked.request();
                request.extensions_mut().insert(peer.clone());
                if let Some(uri) = without(settings.prefix(), request.uri()) {
                    *request.uri_mut() = uri;
                }
                request
            })
            .map_response(move |mut response: Response| {
                answered.request();
                let is_last = end_at <= Instant::now() || lifecycle.stop_accepting.is_cancelled();
                if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            })
    };
    let stream = Paced { io: Lingering::new(stream), pace: pace.clone() };
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // It would be the same for a connection that waits and for one that sends a head byte by byte.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), in_slices(service))
        .with_upgrades();
    let mut serving = pin!(serving);
    let mut alarm = pin!(sleep_until(pace.deadline()));
    let served = std::future::poll_fn(|cx| {
        if let Poll::Ready(served) = serving.as_mut().poll(cx) {
            return Poll::Ready(served);
        }
        let deadline = pace.deadline();
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).map(Ok)
    });
    if let Err(error) = served.await {
        tracing::debug!(peer = %addr, %error, "HTTP connection failed");
    }
}

/// What answers a connection's requests, giving way between them: a client may send many at once.
fn in_slices<S>(service: S) -> impl Service<Incoming, Response = Response, Error = Infallible, Future: Send>
where
    S: tower::Service<Incoming, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let service = TowerToHyperService::new(service);
    let slice = Arc::new(tokio::sync::Mutex::new(Slice::counted()));
    service_fn(move |request| {
        let (slice, answering) = (slice.clone(), service.call(request));
        async move {
            let mut slice = slice.lock().await;
            slice.spend(REQUEST_BYTES);
            slice.give_way().await;
            drop(slice);
            answering.await
        }
    })
}

/// A target without the path that stands in front of all of the server's; none if it has another path.
fn without(prefix: &str, uri: &Uri) -> Option<Uri> {
    if prefix.is_empty() {
        return None;
    }
    let rest = uri.path_and_query()?.as_str().strip_prefix(prefix).filter(|rest| rest.starts_with('/'))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use anteroom_core::game::Registry;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::app::Server;
    use crate::config::Config;

    const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const PAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    /// A connection on which this many bytes fit.
    struct Client {
        stream: DuplexStream,
        parts: Parts,
        serving: JoinHandle<()>,
    }

    impl Client {
        fn connect(room: usize) -> Self {
            let parts = Server::simulate(Config::development(), Registry::new(), 1).unwrap().parts;
            let peer = Peer { addr: ([127, 0, 0, 1], 1).into(), permit: Arc::new(parts.lifecycle.admit().unwrap()) };
            let (stream, served) = tokio::io::duplex(room);
            let router = super::super::router(parts.clone(), Vec::new());
            let running = parts.clone();
            let serving = tokio::spawn(async move { serve(served, peer, router, &running).await });
            Self { stream, parts, serving }
        }

        /// Asks, and reads the answer.
        async fn ask(&mut self) -> String {
            self.stream.write_all(REQUEST).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"ok\n") {
                assert_ne!(self.stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
            }
            String::from_utf8(answer).unwrap().to_ascii_lowercase()
        }

        /// Reads nothing but the end, and says after how many seconds it came.
        async fn end(mut self) -> u64 {
            let began = Instant::now();
            assert_eq!(self.stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
            began.elapsed().as_secs()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_waits_for_the_next_request_longer_than_balancers_do() {
        let mut client = Client::connect(1 << 16);
        for _ in 0..3 {
            assert!(client.ask().await.starts_with("http/1.1 200"));
            tokio::time::sleep(Duration::from_secs(74)).await;
        }
        client.ask().await;
        assert_eq!(client.end().await, 75);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_answer_says_that_it_is() {
        let mut client = Client::connect(1 << 16);
        let began = Instant::now();
        while began.elapsed() < AGE_MAX {
            let answer = client.ask().await;
            assert!(!answer.contains("\r\nconnection:"), "after {:?}: {answer}", began.elapsed());
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        assert!(client.ask().await.contains("\r\nconnection: close\r\n"));
        assert_eq!(client.end().await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stops_says_so_on_the_next_answer() {
        let mut client = Client::connect(1 << 16);
        client.ask().await;
        client.parts.lifecycle.stop_accepting.cancel();
        assert!(client.ask().await.contains("\r\nconnection: close\r\n"));
        assert_eq!(client.end().await, 0);
    }

    /// A head in time, however slowly it comes: the first one, and each that follows.
    #[tokio::test(start_paused = true)]
    async fn heads_that_do_not_come_to_an_end_are_given_up() {
        assert_eq!(Client::connect(1 << 16).end().await, 10, "nothing is said");
        for is_first in [true, false] {
            let mut client = Client::connect(1 << 16);
            if !is_first {
                client.ask().await;
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            let began = Instant::now();
            for byte in REQUEST {
                if client.stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(began.elapsed().as_secs(), 11, "is_first: {is_first}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_an_answer_is_given_up_and_who_reads_slowly_is_not() {
        let mut client = Client::connect(1 << 10);
        client.stream.write_all(PAGE).await.unwrap();
        let began = Instant::now();
        client.serving.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 20);

        let mut client = Client::connect(1 << 10);
        client.stream.write_all(PAGE).await.unwrap();
        let mut page = String::new();
        while !page.contains("</html>") {
            tokio::time::sleep(Duration::from_secs(19)).await;
            let mut piece = [0; 1 << 10];
            let read = client.stream.read(&mut piece).await.unwrap();
            assert_ne!(read, 0, "after {} bytes", page.len());
            page += std::str::from_utf8(&piece[..read]).unwrap();
        }
        // It is kept, too.
        assert!(client.ask().await.starts_with("http/1.1 200"));
    }

    /// Whoever has given way goes on, though a client sends as much as it can.
    #[tokio::test(start_paused = true)]
    async fn requests_that_come_together_are_answered_in_slices() {
        const REQUESTS: usize = 500;
        let Client { mut stream, serving, .. } = Client::connect(1 << 20);
        stream.write_all(&REQUEST.repeat(REQUESTS)).await.unwrap();
        let mut answered = Vec::new();
        let mut rounds = 0;
        while answered.is_empty() {
            tokio::task::yield_now().await;
            // What is there, and no more.
            let reading = std::future::poll_fn(|cx| {
                let mut piece = [0; 1 << 16];
                let mut piece = ReadBuf::new(&mut piece);
                while Pin::new(&mut stream).poll_read(cx, &mut piece).is_ready() && !piece.filled().is_empty() {
                    answered.extend_from_slice(piece.filled());
                    piece.clear();
                }
                Poll::Ready(())
            });
            reading.await;
            rounds += 1;
            assert!(rounds < 9, "nothing is answered");
        }
        let answers = answered.windows(3).filter(|bytes| bytes == b"ok\n").count();
        assert!(answers < 16, "{answers} at once");
        serving.abort();
    }

    #[test]
    fn a_prefix_is_taken_off_where_it_is_one() {
        for (target, rest) in [
            ("/game/ws", Some("/ws")),
            ("/game/", Some("/")),
            ("/game/?a=b", Some("/?a=b")),
            ("http://a.example/game/ws?a", Some("http://a.example/ws?a")),
            ("/game", None),
            ("/game?a=b", None),
            ("/gamer/ws", None),
            ("/ws", None),
            ("/Game/ws", None),
            ("*", None),
        ] {
            let found = without("/game", &target.parse().unwrap());
            assert_eq!(found.map(|uri| uri.to_string()).as_deref(), rest, "{target}");
        }
        assert_eq!(without("", &"/ws".parse().unwrap()), None);
    }
}

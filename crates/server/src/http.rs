//! The TCP side: pages, the API, and the upgrade to WebSocket.
//!
//! HTTP/1.1 only, one task per connection. The upgrade is answered by hand so that the socket goes to the
//! WebSocket transport with nothing in between.

mod host;
mod pages;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anteroom_transport::websocket;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use self::host::Host;
use crate::origin::is_loopback;
use crate::shared::Shared;

/// How long a client may take to send the head of a request, or to finish a TLS handshake.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// How long a connection may go on with HTTP alone; afterwards clients open another.
const CONNECTION_MAX: Duration = Duration::from_secs(120);
/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The most headers of a request.
const HEADERS_MAX: usize = 64;
/// How long to wait when the process has no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// The answer to one connection too many, before anything is read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 63\r\nretry-after: 5\r\nconnection: close\r\n\r\n\
    The server has no room for another connection; try again later.";

/// What a request's handler knows of its connection.
#[derive(Debug, Clone)]
struct Peer {
    addr: SocketAddr,
    /// The connection's place among those allowed. A WebSocket takes it over.
    permit: Arc<OwnedSemaphorePermit>,
}

/// Accepts TCP connections until the server stops accepting.
pub(crate) async fn run(shared: Arc<Shared>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let router = router(shared.clone());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop_accepting.cancelled() => return,
        };
        match accepted {
            Ok((stream, addr)) => {
                let Some(permit) = shared.admit() else {
                    // One write to a new socket does not wait; whoever cannot read it finds the connection closed.
                    drop(stream.try_write(FULL));
                    continue;
                };
                let peer = Peer { addr, permit: Arc::new(permit) };
                let (shared, router, tls) = (shared.clone(), router.clone(), tls.clone());
                shared.clone().connections.spawn(async move {
                    tokio::select! {
                        () = Box::pin(serve(stream, peer, router, tls)) => {}
                        () = shared.stop_serving.cancelled() => {}
                    }
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a TCP connection");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn serve(stream: TcpStream, peer: Peer, router: Router, tls: Option<TlsAcceptor>) {
    // A socket that cannot be tuned is about to fail anyway.
    drop(websocket::tune(&stream));
    match tls {
        None => serve_http(stream, peer, router).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_MAX, tls.accept(stream)).await {
                serve_http(stream, peer, router).await;
            }
        }
    }
}

async fn serve_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer, router: Router) {
    let addr = peer.addr;
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    // A client that does not read its answers would otherwise keep the connection for ever.
    if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_MAX, serving).await {
        tracing::debug!(peer = %addr, %error, "HTTP connection failed");
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(pages::routes())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/api/certificate", get(certificate))
        .route(anteroom_protocol::WEBSOCKET_PATH, get(upgrade::websocket))
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "There is nothing here.") })
        .layer(middleware::from_fn_with_state(shared.clone(), check_host))
        .layer(middleware::map_response(take_at_its_word))
        .with_state(shared)
}

fn plain(status: StatusCode, sentence: &str) -> Response {
    (status, format!("{sentence}\n")).into_response()
}

/// Browsers are not to guess that an answer is something else than it says.
async fn take_at_its_word(mut response: Response) -> Response {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// In development the server is this machine's alone: a page elsewhere whose name was made to point here (DNS
/// rebinding) is refused.
async fn check_host(State(shared): State<Arc<Shared>>, request: Request<Body>, next: Next) -> Response {
    let is_ours = Host::read(request.headers()).is_some_and(|host| is_loopback(host.name));
    if shared.is_development && !is_ours && !shared.on_network {
        return plain(StatusCode::MISDIRECTED_REQUEST, "This development server answers to localhost only.");
    }
    next.run(request).await
}

/// Where WebTransport is for a page that came from this host.
fn webtransport_origin(shared: &Shared, host: Option<Host<'_>>) -> String {
    let name = match host.map_or("localhost", |host| host.name) {
        // The development server has no socket on ::1, which is what `localhost` may mean to a browser.
        "localhost" if shared.local_addr.is_ipv4() => "127.0.0.1",
        name => name,
    };
    format!("https://{name}:{}", shared.local_addr.port())
}

/// What a page needs to open WebTransport here.
async fn certificate(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let url = webtransport_origin(&shared, Host::read(&headers)) + anteroom_protocol::WEBTRANSPORT_PATH;
    let body = Json(json!({ "webtransport_url": url, "hashes": &*shared.hashes.current() }));
    let mut response = ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response();
    response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = headers.get(ORIGIN)
        && origin.to_str().is_ok_and(|origin| shared.origins.allow(Some(origin)))
    {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

//! The TCP side: pages, the API, and the upgrade to WebSocket.
//!
//! HTTP/1.1 only, one task per connection. The upgrade is answered by hand so that the socket goes to the
//! WebSocket transport with nothing in between.

mod address;
mod connection;
mod games;
mod linger;
mod pace;
mod pages;
mod recordings;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anteroom_transport::{tls, websocket};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;

use self::address::{Asked, webtransport_origin};
use self::linger::Refusals;
use crate::host::Host;
use crate::parts::Parts;
use crate::settings::{PublicUrl, Settings};

/// How long a client may take to send the head of a request, or to finish a TLS handshake.
const HEAD_MAX: Duration = Duration::from_secs(10);
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
pub(crate) async fn run(parts: Parts, router: Router, listener: Arc<TcpListener>, tls: Option<TlsAcceptor>) {
    let lifecycle = &parts.lifecycle;
    let refusals = Refusals::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = lifecycle.stop_accepting.cancelled() => return,
        };
        match accepted {
            Ok((stream, addr)) => {
                let Some(permit) = lifecycle.admit() else {
                    refusals.tell(stream, FULL).map(tokio::spawn);
                    continue;
                };
                let peer = Peer { addr, permit: Arc::new(permit) };
                let (parts, router, tls) = (parts.clone(), router.clone(), tls.clone());
                lifecycle.connections.spawn(async move {
                    tokio::select! {
                        () = Box::pin(serve(stream, peer, router, tls, &parts)) => {}
                        () = parts.lifecycle.stop_serving.cancelled() => {}
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

async fn serve(stream: TcpStream, peer: Peer, router: Router, tls: Option<TlsAcceptor>, parts: &Parts) {
    // A socket that cannot be tuned is about to fail anyway.
    drop(websocket::tune(&stream));
    match tls {
        None => connection::serve(stream, peer, router, parts).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_MAX, tls::accept(&acceptor, stream)).await {
                connection::serve(stream, peer, router, parts).await;
            }
        }
    }
}

/// All that is answered: what is the server's own; then, in their order, `others`; then what is said where there is nothing.
pub(crate) fn router(parts: Parts, others: Vec<Router>) -> Router {
    let nothing = Router::new()
        .merge(pages::without_a_page())
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "There is nothing here.") });
    let behind = others.into_iter().rev().fold(nothing, |behind, others| others.fallback_service(behind));
    let mut router = Router::new()
        .merge(pages::routes(parts.settings.demo))
        .route("/healthz", get(health))
        .route("/api/certificate", get(certificate))
        .route("/api/games", games::route(parts.services.rooms.registry(), parts.services.rooms.last()))
        .route("/api/games/{game}/schema", games::schema_route(parts.services.rooms.registry()))
        .route("/api/recordings", get(recordings::list))
        .route("/api/recordings/{name}", get(recordings::one))
        .route(anteroom_protocol::WEBSOCKET_PATH, any(upgrade::websocket));
    if !parts.settings.prefix().is_empty() {
        router = router.route(parts.settings.prefix(), get(to_the_page));
    }
    router
        .fallback_service(behind)
        .layer(middleware::from_fn_with_state(parts.settings.clone(), check_host))
        .layer(middleware::map_response(forbid_sniffing))
        .layer(middleware::from_fn(linger::end_refused_upgrades))
        .with_state(parts)
}

fn plain(status: StatusCode, sentence: &str) -> Response {
    (status, format!("{sentence}\n")).into_response()
}

/// Nobody is served before what was stored is there again.
async fn health(State(Parts { lifecycle, .. }): State<Parts>) -> Response {
    if lifecycle.restored.is_cancelled() {
        plain(StatusCode::OK, "ok")
    } else {
        plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "What is stored is not restored yet; if that goes on, look into the log.",
        )
    }
}

/// Browsers are not to guess that an answer is something else than it says.
async fn forbid_sniffing(mut response: Response) -> Response {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Refuses requests that name no host, or several. In development the server is this machine's alone: a page elsewhere
/// whose name was made to point here (DNS rebinding) is refused. No page's request comes without a name.
async fn check_host(State(settings): State<Arc<Settings>>, mut request: Request<Body>, next: Next) -> Response {
    let asked = match Asked::of(&request) {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    let is_ours = |host: Host<'_>| {
        let is_public = |public: &PublicUrl| host.name.eq_ignore_ascii_case(public.host());
        host.is_loopback() || settings.public.as_ref().is_some_and(is_public)
    };
    if settings.is_local() && !asked.host().is_none_or(is_ours) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "This development server answers to localhost only.");
    }
    request.extensions_mut().insert(asked);
    next.run(request).await
}

/// Addresses in a page are relative to its last slash, so that is to be there.
async fn to_the_page(uri: Uri) -> Response {
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Redirect::temporary(&format!("{}/{query}", uri.path())).into_response()
}

/// What a page needs to open WebTransport here.
async fn certificate(State(parts): State<Parts>, Extension(asked): Extension<Asked>, headers: HeaderMap) -> Response {
    let Parts { services, settings, .. } = &parts;
    let url = webtransport_origin(settings, asked.host())
        .map(|origin| format!("{origin}{}{}", settings.prefix(), anteroom_protocol::WEBTRANSPORT_PATH));
    let body = Json(json!({ "webtransport_url": url, "hashes": &*services.hashes.current() }));
    let response = ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response();
    readable(response, &parts, &asked, &headers)
}

/// Lets pages read an answer that may connect.
fn readable(mut response: Response, parts: &Parts, asked: &Asked, headers: &HeaderMap) -> Response {
    response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = headers.get(ORIGIN)
        && origin.to_str().is_ok_and(|origin| parts.services.origins.allow(Some(origin), asked.authority()))
    {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

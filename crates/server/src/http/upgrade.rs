//! The WebSocket upgrade (RFC 6455, section 4.2).

use anteroom_protocol::Codec;
use anteroom_transport::{Connection, Metered, websocket};
use axum::Extension;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::address::Asked;
use super::linger::Lingering;
use super::pace::Paced;
use super::{Peer, plain};
use crate::connection::{self, Arrival};
use crate::parts::Parts;

/// The version of RFC 6455.
const WEBSOCKET_VERSION: &str = "13";

/// `GET /ws`: a session over WebSocket. A foreign origin is let through to be told so by a close code, which a page
/// can read; a status it could not.
pub(super) async fn websocket(
    State(parts): State<Parts>,
    Extension(Peer { addr, permit }): Extension<Peer>,
    mut request: Request<Body>,
) -> Response {
    let offer = match Offer::read(&request) {
        Ok(offer) => offer,
        Err(refusal) => return refusal,
    };
    let authority = request.extensions().get::<Asked>().and_then(|asked| asked.authority().map(str::to_owned));
    let arrival = Arrival { origin: offer.origin.clone(), authority, codec: Some(offer.codec.unwrap_or_default()) };
    let upgrade: OnUpgrade = hyper::upgrade::on(&mut request);
    let task = parts.clone();
    parts.lifecycle.session_tasks.spawn(async move {
        let config = task.settings.connection.transport;
        if let Ok(upgraded) = upgrade.await
            && let Some(connection) = connection(upgraded, addr, config)
        {
            connection::run(task, connection, arrival, permit).await;
        }
    });
    offer.accept()
}

fn connection(
    upgraded: Upgraded,
    peer: std::net::SocketAddr,
    config: anteroom_transport::TransportConfig,
) -> Option<Connection> {
    match upgraded.downcast::<TokioIo<Paced<Lingering<TcpStream>>>>() {
        Ok(parts) => Some(websocket::accept_tcp(parts.io.into_inner().io.into_inner(), parts.read_buf, peer, config)),
        Err(upgraded) => {
            let parts = upgraded.downcast::<TokioIo<Paced<Lingering<TlsStream<Metered<TcpStream>>>>>>().ok()?;
            Some(websocket::accept_tls(parts.io.into_inner().io.into_inner(), parts.read_buf, peer, config))
        }
    }
}

/// What a client asks for in its upgrade request.
struct Offer {
    accept_key: String,
    codec: Option<Codec>,
    origin: Option<String>,
}

impl Offer {
    #[expect(clippy::result_large_err, reason = "a response is what the caller returns either way")]
    fn read(request: &Request<Body>) -> Result<Self, Response> {
        if request.method() != Method::GET {
            let sentence = "WebSocket connections begin with GET.\n";
            return Err((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")], sentence).into_response());
        }
        // An upgrade that HTTP/1.0 asks for is to be ignored (RFC 9110, section 7.8).
        if request.version() < Version::HTTP_11 {
            return Err(upgrade_required(
                "WebSocket connections begin with HTTP/1.1; a proxy may have asked with 1.0.",
            ));
        }
        let headers = request.headers();
        if !has_token(headers, &CONNECTION, "upgrade") || !has_token(headers, &UPGRADE, "websocket") {
            return Err(upgrade_required("This is where WebSocket connections begin; send an upgrade."));
        }
        match single(headers, &SEC_WEBSOCKET_VERSION)? {
            Some(version) if version == WEBSOCKET_VERSION => {}
            Some(version) if version.is_empty() || !version.as_bytes().iter().all(u8::is_ascii_digit) => {
                return Err(plain(StatusCode::BAD_REQUEST, "Sec-WebSocket-Version must be one number."));
            }
            _ => return Err(upgrade_required("WebSocket version 13 is needed.")),
        }
        let key = single(headers, &SEC_WEBSOCKET_KEY)?;
        let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16));
        let Some(key) = key else {
            return Err(plain(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64."));
        };
        // Its bytes would be read as frames, whatever they are to whoever is between here and the client.
        if !request.body().is_end_stream() {
            return Err(plain(StatusCode::BAD_REQUEST, "A request for an upgrade must not have a body."));
        }
        // Of two, one might be let in, and the other be the page's.
        let origin = single(headers, &ORIGIN)?;
        let origin = origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned());
        Ok(Self { accept_key: derive_accept_key(key.as_bytes()), codec: codec(headers)?, origin })
    }

    fn accept(self) -> Response {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept_key = HeaderValue::try_from(self.accept_key).expect("base64 is fit for a header");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key);
        if let Some(codec) = self.codec {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(codec.subprotocol()));
        }
        response
    }
}

/// The first subprotocol offered that is known here; none if none is offered.
#[expect(clippy::result_large_err, reason = "a response is what the caller returns either way")]
fn codec(headers: &HeaderMap) -> Result<Option<Codec>, Response> {
    let is_readable = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().all(|offered| offered.to_str().is_ok());
    let mut offered = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).peekable();
    if is_readable && offered.peek().is_none() {
        return Ok(None);
    }
    match offered.find_map(|name| Codec::ALL.into_iter().find(|codec| codec.subprotocol() == name)) {
        Some(codec) => Ok(Some(codec)),
        None => {
            let sentence = "None of the subprotocols is known here: anteroom.v1.json and anteroom.v1.bincode are.";
            Err(plain(StatusCode::BAD_REQUEST, sentence))
        }
    }
}

/// Says what the client would have to ask for (RFC 9110, section 15.5.22).
fn upgrade_required(sentence: &str) -> Response {
    let headers = [(CONNECTION, "upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION)];
    (StatusCode::UPGRADE_REQUIRED, headers, format!("{sentence}\n")).into_response()
}

/// The value of a header that may be there once.
#[expect(clippy::result_large_err, reason = "a response is what the caller returns either way")]
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Response> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(plain(StatusCode::BAD_REQUEST, &format!("The header {name} must not be there twice."))),
    }
}

/// The entries of a comma-separated header; those without anything in them do not count (RFC 9110, section 5.6.1).
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

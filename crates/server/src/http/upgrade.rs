//! The WebSocket upgrade (RFC 6455, section 4.2).

use std::sync::Arc;

use anteroom_protocol::Codec;
use anteroom_transport::{Connection, websocket};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::address::Asked;
use super::connection::Paced;
use super::{Peer, plain};
use crate::pipe::{self, Arrival};
use crate::shared::Shared;

/// What RFC 6455 appends to the key before hashing.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `GET /ws`: a session over WebSocket. A foreign origin is let through to be told so by a close code, which a page
/// can read; a status it could not.
pub(super) async fn websocket(
    State(shared): State<Arc<Shared>>,
    Extension(Peer { addr, permit }): Extension<Peer>,
    mut request: Request<Body>,
) -> Response {
    let headers = request.headers();
    let offer = match Offer::read(headers) {
        Ok(offer) => offer,
        Err(refusal) => return refusal,
    };
    let origin = headers.get(ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned());
    let authority = request.extensions().get::<Asked>().and_then(|asked| asked.authority().map(str::to_owned));
    let arrival = Arrival { origin, authority, codec: Some(offer.codec.unwrap_or_default()) };
    let upgrade: OnUpgrade = hyper::upgrade::on(&mut request);
    let task = shared.clone();
    shared.pipes.spawn(async move {
        let config = task.config.transport();
        if let Ok(upgraded) = upgrade.await
            && let Some(connection) = connection(upgraded, addr, config)
        {
            pipe::run(task, connection, arrival, permit).await;
        }
    });
    offer.accept()
}

fn connection(
    upgraded: Upgraded,
    peer: std::net::SocketAddr,
    config: anteroom_transport::TransportConfig,
) -> Option<Connection> {
    match upgraded.downcast::<TokioIo<Paced<TcpStream>>>() {
        Ok(parts) => Some(websocket::accept_tcp(parts.io.into_inner().io, parts.read_buf, peer, config)),
        Err(upgraded) => {
            let parts = upgraded.downcast::<TokioIo<Paced<TlsStream<TcpStream>>>>().ok()?;
            Some(websocket::accept(parts.io.into_inner().io, parts.read_buf, peer, config))
        }
    }
}

/// What a client asks for in its upgrade request.
struct Offer {
    accept_key: HeaderValue,
    codec: Option<Codec>,
}

impl Offer {
    #[expect(clippy::result_large_err, reason = "a response is what the caller returns either way")]
    fn read(headers: &HeaderMap) -> Result<Self, Response> {
        if !has_token(headers, &CONNECTION, "upgrade") || !has_token(headers, &UPGRADE, "websocket") {
            let sentence = "This is where WebSocket connections begin; send an upgrade.";
            return Err(
                (StatusCode::UPGRADE_REQUIRED, [(UPGRADE, "websocket")], format!("{sentence}\n")).into_response()
            );
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            let needed = [(SEC_WEBSOCKET_VERSION, "13")];
            return Err((StatusCode::UPGRADE_REQUIRED, needed, "WebSocket version 13 is needed.\n").into_response());
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16));
        let Some(key) = key else {
            return Err(plain(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64."));
        };
        let offered: Vec<&str> = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).collect();
        let codec = offered.iter().find_map(|name| Codec::ALL.into_iter().find(|codec| codec.subprotocol() == *name));
        if codec.is_none() && !offered.is_empty() {
            let sentence = "None of the subprotocols is known here: anteroom.v1.json and anteroom.v1.bincode are.";
            return Err(plain(StatusCode::BAD_REQUEST, sentence));
        }
        Ok(Self { accept_key: accept_key(key), codec })
    }

    fn accept(self) -> Response {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept_key);
        if let Some(codec) = self.codec {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(codec.subprotocol()));
        }
        response
    }
}

/// The entries of a comma-separated header.
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

/// The answer to a key (RFC 6455, section 4.2.2). SHA-1 proves nothing here; it is what the standard asks for.
fn accept_key(key: &HeaderValue) -> HeaderValue {
    let mut message = key.as_bytes().to_vec();
    message.extend_from_slice(GUID);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &message);
    HeaderValue::from_str(&STANDARD.encode(digest)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455, section 1.3.
    #[test]
    fn the_key_is_answered_as_the_standard_says() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_key(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

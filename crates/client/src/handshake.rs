//! The beginning of a session: dialing as told, and the handshake, which is JSON in every codec.

use std::sync::Arc;

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::message::request::{Goodbye, Handshake};
use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::{Batch, BatchBuilder, Codec, Data, Envelope, Header, LaneId, SCHEMA, VERSION, envelope, json};
use anteroom_transport::{Closed, Connection, Dialer, Event, TransportConfig};
use aws_lc_rs::rand;
use serde::Serialize;

use crate::certificate;
use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::options::{ConnectOptions, SessionOptions, TransportChoice, Trust};

/// Opens the connection that the options ask for.
pub(crate) async fn dial(options: &ConnectOptions) -> Result<Connection, ConnectError> {
    let endpoint = Endpoint::parse(&options.address, options.transport)?;
    let trust = trust(&options.trust, &endpoint).await?;
    let config = TransportConfig {
        inbound_bytes_max: SERVER_FRAME_BYTES_MAX,
        establish_timeout: options.connect_timeout,
        ..TransportConfig::default()
    };
    let dialer = Dialer::new(trust, config);
    Ok(match options.transport {
        TransportChoice::Quic => dialer.quic(&endpoint.address).await?,
        TransportChoice::WebTransport => dialer.webtransport(&endpoint.address).await?,
        TransportChoice::WebSocket => dialer.websocket(&endpoint.websocket_url, options.session.codec).await?,
    })
}

async fn trust(trust: &Trust, endpoint: &Endpoint) -> Result<anteroom_transport::Trust, ConnectError> {
    Ok(match trust {
        // Nothing is encrypted, so nothing has to be read from the system.
        _ if !endpoint.encrypted => anteroom_transport::Trust::CertificateHashes(Vec::new()),
        Trust::CertificateHashes(hashes) => anteroom_transport::Trust::CertificateHashes(hashes.clone()),
        Trust::Automatic if endpoint.is_loopback() => {
            let hashes = certificate::fetch(&endpoint.address).await?;
            if hashes.is_empty() {
                anteroom_transport::Trust::System
            } else {
                anteroom_transport::Trust::CertificateHashes(hashes)
            }
        }
        Trust::Automatic | Trust::System => anteroom_transport::Trust::System,
    })
}

/// Says who this is and waits to be let in. A refused connection is closed.
pub(crate) async fn shake(
    connection: &mut Connection,
    options: &SessionOptions,
) -> Result<HandshakeAccepted, ConnectError> {
    let handshake = Handshake {
        version: VERSION,
        name: options.name.clone(),
        token: options.token.clone(),
        client: options.software.clone(),
        resume: false,
        codec: Some(options.codec),
        schema: (options.codec == Codec::Bincode).then(|| SCHEMA.to_owned()),
        nonce: nonce(),
    };
    let batch = json_batch("handshake", &handshake).map_err(|error| ConnectError::InvalidAnswer(error.to_string()))?;
    connection.send(LaneId::CONTROL, batch).await.map_err(lost)?;
    loop {
        // A lane cannot begin, nor a datagram mean anything, before the session does.
        if let Event::Record { codec, payload, .. } = connection.recv().await.map_err(lost)? {
            return answer(codec, &payload, options.codec);
        }
    }
}

fn answer(codec: Codec, payload: &[u8], asked: Codec) -> Result<HandshakeAccepted, ConnectError> {
    let invalid = |why: &dyn std::fmt::Display| ConnectError::InvalidAnswer(why.to_string());
    let mut messages = decode_batch(codec, payload).map_err(|error| invalid(&error))?;
    let first = messages.next().ok_or_else(|| invalid(&"an empty batch"))?.map_err(|error| invalid(&error))?;
    if messages.next().is_some() {
        return Err(invalid(&"more than one message before the session began"));
    }
    match (first.kind.as_ref(), first.data) {
        ("handshake_accepted", Data::Json(text)) => {
            let accepted: HandshakeAccepted = serde_json::from_str(text).map_err(|error| invalid(&error))?;
            if accepted.codec == Codec::Bincode && asked == Codec::Json {
                return Err(invalid(&"it decided for a codec that was not asked for"));
            }
            Ok(accepted)
        }
        ("goodbye", Data::Json(text)) => {
            let Goodbye { code, reason } = serde_json::from_str(text).map_err(|error| invalid(&error))?;
            Err(ConnectError::refused(code, reason))
        }
        _ => Err(refusal(first)),
    }
}

fn refusal(message: Envelope<'_>) -> ConnectError {
    match message.error {
        Some(error) => ConnectError::Server(error),
        None => ConnectError::InvalidAnswer(format!("`{}` instead of `handshake_accepted`", message.kind)),
    }
}

fn lost(closed: Closed) -> ConnectError {
    match closed {
        Closed::ByPeer { code, reason } => ConnectError::refused(code, reason),
        closed => ConnectError::Lost(closed),
    }
}

/// A message that is JSON whatever the session's codec; its type needs no binary shape.
fn json_batch<T: Serialize>(kind: &str, data: &T) -> Result<Arc<Batch>, InvalidData> {
    let mut text = Vec::new();
    json::encode(data, &mut text)?;
    let data = Data::Json(std::str::from_utf8(&text).unwrap_or_default());
    let mut message = Vec::new();
    envelope::encode_raw(&Header::new(kind), data, &mut message)?;
    let mut batch = BatchBuilder::new(Codec::Json);
    batch.push_encoded(&message);
    Ok(Arc::new(batch.finish()))
}

/// 128 random bits in hexadecimal. Whoever repeats it gets the same session, so it must not be guessed.
fn nonce() -> Option<String> {
    let mut bits = [0; 16];
    rand::fill(&mut bits).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bits)))
}

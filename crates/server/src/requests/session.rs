//! Requests about the session itself, once there is one: signs of life, and what keeps its lanes going.

use anteroom_core::lanes::NotMoving;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::Ping;
use anteroom_protocol::message::result::Pong;
use anteroom_protocol::message::resume::Resume;
use anteroom_protocol::message::table::SessionRequest;
use anteroom_protocol::{Batch, CloseCode, ErrorBody, ErrorCode, Header};

use super::{Answer, Call, Outcome, Stop, answer};

/// The longest `ts` that is echoed, in bytes of JSON.
const PING_BYTES_MAX: usize = 64;

pub(super) fn handle(call: &Call<'_>, request: SessionRequest) -> Outcome {
    match request {
        SessionRequest::Ping(ping) => pong(call, ping),
        SessionRequest::Ack(ack) => {
            call.session.carrier.acknowledge(&ack.counts).map_err(|_| CloseCode::BadAck)?;
            Ok(Answer::Later)
        }
        SessionRequest::Resume(resume) => come_over(call, &resume),
        SessionRequest::Goodbye(_) => Err(Stop::Goodbye),
        // They are the connection's, which has no session then; in one they are not permitted.
        SessionRequest::Handshake(_) | SessionRequest::Reconnect(_) => Err(Stop::Ignore),
    }
}

fn pong(call: &Call<'_>, Ping { ts }: Ping) -> Outcome {
    if ts.text().len() > PING_BYTES_MAX {
        return Err(ErrorBody::new(ErrorCode::InvalidData, "`ts` may have at most 64 bytes.").into());
    }
    let pong = Pong { ts, server_time_ms: call.services.clock.server_time_ms() };
    let header = Header { reference: call.message.reference.as_ref(), ..Header::new(Pong::TYPE) };
    answer::encoded(Batch::one(call.session.codec, &header, &pong)).map(Answer::Connection)
}

/// Lets the lanes of a live move come over to the connection.
fn come_over(call: &Call<'_>, Resume { received }: &Resume) -> Outcome {
    match call.session.carrier.resume(call.connection, received) {
        Ok(()) => Ok(Answer::Later),
        Err(NotMoving::NotAsked) => {
            let sentence = "There is nothing to resume: no session is moving to this connection.";
            Err(ErrorBody::new(ErrorCode::InvalidData, sentence).into())
        }
        Err(NotMoving::Count(_)) => Err(CloseCode::BadAck.into()),
    }
}

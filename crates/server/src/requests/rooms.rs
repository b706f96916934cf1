//! Requests about rooms, and what players do in them: handed to the room, or to the queue of what the session asks of
//! rooms.
//!
//! No room is waited for here; who does that is [`asking`](super::asking).

use std::borrow::Cow;

use anteroom_protocol::message::RequestKind;
use anteroom_protocol::message::request::{JoinRoom, LeaveRoom};
use anteroom_protocol::message::table::RoomRequest;
use anteroom_protocol::{Data, RoomId};
use bytes::Bytes;

use super::asking::{Asking, go_on_lane};
use super::proving::{new_invite, new_password};
use super::{Answer, Call, Outcome, Stop, answer, bytes_of, go_on};
use crate::rooms::Input;
use crate::session::{Asked, Membership, Question, Session, Wish};

pub(super) fn handle(call: &Call<'_>, request: RoomRequest) -> Outcome {
    match (request, &call.message.room_id) {
        (RoomRequest::CreateRoom(request), _) => hand_in(call, Wish::Create(request)),
        (RoomRequest::JoinRoom(request), named) => {
            // None has a longer id; what waits is to be no larger than it says.
            let named = || named.as_deref().map(|room_id| answer::cut(room_id).to_owned());
            hand_in(call, Wish::Join(JoinRoom { room_id: request.room_id.or_else(named), ..request }))
        }
        (RoomRequest::LeaveRoom(LeaveRoom { room_id }), None) => hand_in(call, Wish::Leave(room_id)),
        (RoomRequest::LeaveRoom(_), Some(room_id)) => leave(call, room_id),
    }
}

/// Hands a player's input to the room, for the game.
pub(super) fn act(call: &Call<'_>) -> Outcome {
    let Some(room_id) = call.message.room_id.as_deref() else { return Err(Stop::Ignore) };
    hand_over(call, room_id, || input(call))
}

/// Hands the room what a member asks of itself.
pub(super) fn ask(call: &Call<'_>, kind: RequestKind) -> Outcome {
    let Some(room_id) = call.message.room_id.as_deref() else { return Err(Stop::Ignore) };
    let request = |with| Input { is_request: true, with, ..input(call) };
    if kind == RequestKind::UpdateRoom
        && let (Some(password), Ok(named)) = (new_password(call.message), room_id.parse())
        && let Some(there) = call.session.room(room_id)
        && there.room.is_owned_by(&call.session.identity.user_id)
    {
        // Nobody else may, and the room says so without a hash.
        // What is said to the room meanwhile waits behind it.
        return hand_in(call, Wish::SetPassword(named, request(None).alone(), password));
    }
    let invite = (kind == RequestKind::CreateInvite).then(|| new_invite(call.services, room_id));
    hand_over(call, room_id, || request(invite))
}

fn hand_over(call: &Call<'_>, room_id: &str, input: impl FnOnce() -> Input) -> Outcome {
    // Mostly there are no questions.
    if let Some(room_id) = waits_for(call.session, room_id) {
        // What waits for long keeps nothing else in memory.
        return hand_in(call, Wish::Act(room_id, input().alone()));
    }
    let act = |there: &Membership| there.room.act(there.member, &there.share, call.message.n, input());
    let bytes = bytes_of(call.message.data);
    call.session.hand_over(call.connection, room_id, call.message.n, bytes, act)?;
    Ok(Answer::Later)
}

/// A wish to leave a room that the message names on its lane.
fn leave(call: &Call<'_>, room_id: &str) -> Outcome {
    let Call { session, connection, message, .. } = call;
    if let Some(room_id) = waits_for(session, room_id) {
        return hand_in(call, Wish::LeaveLane(room_id));
    }
    go_on_lane(session, room_id, *connection, &asked(call), bytes_of(message.data))?;
    Ok(Answer::Later)
}

/// Puts something into the queue of what the session asks of rooms.
fn hand_in(call: &Call<'_>, wish: Wish) -> Outcome {
    let bytes = bytes_of(call.message.data);
    if call.session.ask(Question { wish, connection: call.connection, asked: asked(call), bytes })? {
        let asking = Asking::new(call.services.clone(), call.session.clone());
        go_on(call.lifecycle, Box::pin(asking.work_off()));
    }
    Ok(Answer::Later)
}

fn asked(call: &Call<'_>) -> Asked {
    let message = call.message;
    Asked {
        kind: message.kind.as_ref().into(),
        reference: message.reference.clone(),
        room_id: message.room_id.as_deref().map(|room_id| answer::cut(room_id).into()),
        n: message.n,
        last_n: 0,
    }
}

/// The room, if there is a question that may be about it.
fn waits_for(session: &Session, room_id: &str) -> Option<RoomId> {
    if !session.is_asking() {
        return None;
    }
    room_id.parse().ok().filter(|room_id| session.waits(*room_id))
}

/// A player's input. The room reads it where it lies.
fn input(call: &Call<'_>) -> Input {
    let Call { payload, message, .. } = call;
    let data = match message.data {
        Data::Json(text) => slice_of(payload, text.as_bytes()),
        Data::Binary(bytes) => slice_of(payload, bytes),
    };
    let kind = match &message.kind {
        Cow::Borrowed(kind) => slice_of(payload, kind.as_bytes()),
        Cow::Owned(kind) => Bytes::copy_from_slice(kind.as_bytes()),
    };
    Input { kind, data, codec: call.session.codec, reference: message.reference.clone(), is_request: false, with: None }
}

/// A part of a payload that shares its memory. Copied if it is a constant that a decoder filled in, or so small a
/// part that it would keep much more in memory than it is.
fn slice_of(payload: &Bytes, part: &[u8]) -> Bytes {
    let is_within = payload.as_ptr_range().contains(&part.as_ptr());
    if is_within && part.len() >= payload.len() / 8 { payload.slice_ref(part) } else { Bytes::copy_from_slice(part) }
}

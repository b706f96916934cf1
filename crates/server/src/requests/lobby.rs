//! Requests about the list of rooms, answered on the control lane at once.

use std::sync::Arc;

use anteroom_core::listing::{Filter, Query};
use anteroom_protocol::Batch;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::Answered;
use anteroom_protocol::message::request::{ListRooms, SubscribeRooms, UnsubscribeRooms};
use anteroom_protocol::message::table::LobbyRequest;

use super::{Answer, Call, Outcome, answer};
use crate::lobby::NotWatched;

pub(super) fn handle(call: &Call<'_>, request: LobbyRequest) -> Outcome {
    match request {
        LobbyRequest::ListRooms(request) => list(call, &request),
        LobbyRequest::SubscribeRooms(request) => subscribe(call, &request),
        LobbyRequest::UnsubscribeRooms(UnsubscribeRooms {}) => unsubscribe(call),
    }
}

fn list(call: &Call<'_>, request: &ListRooms) -> Outcome {
    let query = Query::parse(request, &|game, key| call.services.rooms.is_searchable(game, key))?;
    let list = call.services.lobby.list(query, call.session.codec);
    let header = answer::success(ListRooms::RESULT, call.message.reference.as_ref());
    answer::encoded(list.and_then(|list| Batch::of_encoded(&header, list.data()))).map(Answer::Control)
}

fn subscribe(call: &Call<'_>, SubscribeRooms { game, filter }: &SubscribeRooms) -> Outcome {
    if let Some(game) = game {
        call.services.rooms.check_game(game)?;
    }
    let searchable = |game: Option<&str>, key: &str| call.services.rooms.is_searchable(game, key);
    let filter = Arc::new(Filter::parse(game.as_deref(), filter.as_ref(), &searchable)?);
    let header = answer::success(SubscribeRooms::RESULT, call.message.reference.as_ref());
    let watched = match call.services.lobby.watch(&call.session.carrier, &filter, &header) {
        Err(NotWatched::Refused(error)) => return Err(error.into()),
        Err(NotWatched::Invalid(invalid)) => Err(invalid),
        Ok(bytes) => Ok(bytes),
    };
    answer::encoded(watched).map(Answer::Said)
}

fn unsubscribe(call: &Call<'_>) -> Outcome {
    call.services.lobby.topic.unwatch(&call.session.carrier);
    let header = answer::success(UnsubscribeRooms::RESULT, call.message.reference.as_ref());
    answer::encoded(Batch::one(call.session.codec, &header, &Empty {})).map(Answer::Control)
}

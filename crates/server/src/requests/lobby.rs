//! Requests about the list of rooms, answered on the control lane at once.

use anteroom_protocol::Batch;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::Answered;
use anteroom_protocol::message::request::{ListRooms, SubscribeRooms, UnsubscribeRooms};
use anteroom_protocol::message::table::LobbyRequest;

use super::{Answer, Call, Outcome, answer};

pub(super) fn handle(call: &Call<'_>, request: LobbyRequest) -> Outcome {
    call.take()?;
    match request {
        LobbyRequest::ListRooms(request) => list(call, &request),
        LobbyRequest::SubscribeRooms(request) => subscribe(call, request),
        LobbyRequest::UnsubscribeRooms(UnsubscribeRooms {}) => unsubscribe(call),
    }
}

fn list(call: &Call<'_>, ListRooms { game }: &ListRooms) -> Outcome {
    let list = call.shared.lobby.list(game.as_deref(), call.session.codec);
    let header = answer::success(ListRooms::RESULT, call.message.reference.as_ref());
    answer::encoded(list.and_then(|list| Batch::of_encoded(&header, list.data()))).map(Answer::Control)
}

fn subscribe(call: &Call<'_>, SubscribeRooms { game }: SubscribeRooms) -> Outcome {
    if let Some(game) = &game {
        call.shared.rooms.check_game(game)?;
    }
    let header = answer::success(SubscribeRooms::RESULT, call.message.reference.as_ref());
    let mut bytes = 0;
    let subscribed = call.shared.lobby.subscribe(call.session, game, |list| {
        let answer = Batch::of_encoded(&header, list.data())?;
        bytes += answer.payload().len();
        Ok(answer)
    });
    answer::encoded(subscribed).map(|()| Answer::Said(bytes))
}

fn unsubscribe(call: &Call<'_>) -> Outcome {
    call.session.stop_watching();
    call.shared.lobby.unsubscribe(call.session.id);
    let header = answer::success(UnsubscribeRooms::RESULT, call.message.reference.as_ref());
    answer::encoded(Batch::one(call.session.codec, &header, &Empty {})).map(Answer::Control)
}

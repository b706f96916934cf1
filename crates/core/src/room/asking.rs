//! What a member asks of the room: read here, done by whoever it is about, answered on the member's lane.
//!
//! Whoever does it checks everything before it changes anything: what was refused has left no trace.

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::{Empty, Ref};
use anteroom_protocol::message::member::{
    BotAdded, ChatPage, ChatSaid, InviteCreated, Participants, SeatChosen, SeatQueued,
};
use anteroom_protocol::message::table::MemberRequest;
use anteroom_protocol::message::{Request, RequestKind};
use anteroom_protocol::{Data, Envelope, ErrorBody, ErrorCode, Header};

use super::{Effects, FAILURE, MemberId, Room, answer_to};
use crate::flush::To;

/// A request of a member.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Its `type`, one of [`MemberRequest`].
    pub kind: &'a str,
    /// Its data.
    pub data: Data<'a>,
    /// What the outside adds: the hash of a password, the code of an invite and its link, a text as a filter has left it.
    pub with: Option<&'a str>,
    /// The mark of the request.
    pub reference: Option<Ref>,
    /// The number of the message.
    pub n: Option<u64>,
}

/// What a request that was carried out is answered with.
#[derive(Debug)]
pub(super) enum Reply {
    Done,
    Seat(SeatChosen),
    Queued(SeatQueued),
    Bot(BotAdded),
    Invite(InviteCreated),
    Participants(Participants),
    Said(ChatSaid),
    Page(ChatPage),
    /// It is answered when somebody outside has found what was asked for.
    Later,
}

impl Room {
    pub(super) fn ask(&mut self, id: MemberId, ask: &Ask<'_>, effects: &mut Effects) {
        if self.mark(id, ask.n).is_none() {
            return;
        }
        let (before, dispatched) = (self.stage.mark(), effects.dispatches.len());
        let kind = answer_to(ask.kind);
        let done = self.carry_out(id, ask, effects);
        if done.is_ok() {
            self.note_activity();
        }
        match done {
            Ok(Reply::Later) => {}
            Ok(reply) => {
                let is_sealed = effects.dispatches.len() > dispatched;
                if is_sealed {
                    self.stage.said.seal(&mut effects.dispatches);
                }
                let sealed = effects.dispatches.len();
                self.reply(id, &kind, ask.reference.as_ref(), &reply);
                if is_sealed {
                    self.stage.said.seal(&mut effects.dispatches);
                    let answers = effects.dispatches.len() - sealed;
                    effects.dispatches[dispatched..].rotate_right(answers);
                } else {
                    self.stage.said.move_last_to(before.said);
                }
            }
            Err(error) => {
                let kind = if ask.reference.is_some() { &kind } else { FAILURE };
                self.answer(id, kind, ask.reference.as_ref(), Some(&error));
            }
        }
    }

    fn carry_out(&mut self, id: MemberId, ask: &Ask<'_>, effects: &mut Effects) -> Result<Reply, ErrorBody> {
        let room_id = self.stage.room_id;
        let message = Envelope {
            kind: ask.kind.into(),
            reference: None,
            n: None,
            room_id: Some(room_id.as_str().into()),
            latest: None,
            success: None,
            error: None,
            data: ask.data,
        };
        let request = match Request::parse(RequestKind::of(&message), &message).map_err(|error| unreadable(&error))? {
            Request::Member(request) => request,
            _ => return Err(ErrorBody::new(ErrorCode::UnknownType, "A room has no such request.")),
        };
        match request {
            MemberRequest::UpdateRoom(request) => self.update_room(id, request, ask.with),
            MemberRequest::SetMemberData(request) => self.set_member_data(id, request),
            MemberRequest::Kick(request) => self.kick(id, request, effects),
            MemberRequest::Ban(request) => self.ban(id, request, effects),
            MemberRequest::Unban(request) => self.unban(id, &request),
            MemberRequest::TransferOwner(request) => self.transfer_owner(id, &request),
            MemberRequest::Mute(request) => self.mute(id, request),
            MemberRequest::Ready(request) => self.ready(id, request, effects),
            MemberRequest::ChooseSeat(request) => self.choose_seat(id, request, effects),
            MemberRequest::QueueForSeat(request) => self.queue_for_seat(id, request, effects),
            MemberRequest::AddBot(request) => self.add_bot(id, request, effects),
            MemberRequest::RemoveBot(request) => self.remove_bot(id, request, effects),
            MemberRequest::Pause(request) => self.pause(id, request, effects),
            MemberRequest::Unpause(request) => self.unpause(id, request, effects),
            MemberRequest::Vote(request) => self.cast_vote(id, request, effects),
            MemberRequest::CreateInvite(request) => self.create_invite(id, request, ask.with),
            MemberRequest::GetParticipants(_) => Ok(Reply::Participants(self.participants(id))),
            MemberRequest::Chat(request) => self.chat(id, request, ask.with, effects),
            MemberRequest::ChatEdit(request) => self.chat_edit(id, request, ask, effects),
            MemberRequest::ChatDelete(request) => self.chat_delete(id, request, ask, effects),
            MemberRequest::ChatHistory(request) => self.chat_history(id, request, ask.reference.as_ref(), effects),
            MemberRequest::Presence(request) => self.set_presence(id, request, effects),
        }
    }

    fn participants(&self, id: MemberId) -> Participants {
        if let Some(seen) = self.seen_late(id) {
            return Participants { members: seen.members, spectators: seen.spectators };
        }
        let reader = self.members.get(&id).map(|member| &member.user_id);
        Participants { members: self.member_list(reader), spectators: self.spectators_shown() }
    }

    /// Answers a request that was carried out.
    pub(super) fn reply(&mut self, to: MemberId, kind: &str, reference: Option<&Ref>, reply: &Reply) {
        let room_id = self.stage.room_id;
        let header = Header { reference, success: Some(true), ..Header::new(kind) };
        let (header, said) = (header.in_room(room_id.as_str()), &mut self.stage.said);
        match reply {
            Reply::Done => said.message(To::Only(to), &header, &Empty {}),
            Reply::Seat(data) => said.message(To::Only(to), &header, data),
            Reply::Queued(data) => said.message(To::Only(to), &header, data),
            Reply::Bot(data) => said.message(To::Only(to), &header, data),
            Reply::Invite(data) => said.message(To::Only(to), &header, data),
            Reply::Participants(data) => said.message(To::Only(to), &header, data),
            Reply::Said(data) => said.message(To::Only(to), &header, data),
            Reply::Page(data) => said.message(To::Only(to), &header, data),
            Reply::Later => {}
        }
    }
}

pub(super) fn unreadable(error: &InvalidData) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidData, format!("The data does not fit the message: {error}."))
}

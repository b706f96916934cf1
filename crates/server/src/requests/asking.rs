//! Asking rooms: to make one, to come in, to go.
//!
//! A session asks one thing after the other. Its connection hands the questions in and goes on; if there is an answer at
//! once, as there mostly is for what needs no answer of a room, no task is made for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use std::time::Duration;

use anteroom_core::lanes::ConnectionId;
use anteroom_core::listing::Filter;
use anteroom_core::room::{Join, MemberId};
use anteroom_protocol::message::request::{CreateRoom, JoinRoom};
use anteroom_protocol::message::{Answered, Role};
use anteroom_protocol::{ErrorBody, ErrorCode, RoomId};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::answer::{Refused, about_room, not_in_room};
use super::proving::{Proof, invite_given};
use crate::carrier::{DoneLater, Knock};
use crate::lifecycle::Lifecycle;
use crate::passwords;
use crate::rooms::{
    self, Admitted, Declined, Input, JOIN_PATIENCE, Reply, RoomLink, SEAT_PATIENCE, Sought, Stranger, Visitor,
};
use crate::services::Services;
use crate::session::{Asked, Membership, Question, Session, Wish};

/// How many rooms a quick join tries before it makes one.
const QUICK_JOIN_TRIES: usize = 4;

/// Does what can be done at once, and the rest in a task of its own.
pub(super) fn go_on(lifecycle: &Arc<Lifecycle>, mut asking: Pin<Box<dyn Future<Output = ()> + Send>>) {
    // A task that is made for it polls it again before anything else.
    if asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
        return;
    }
    let task = lifecycle.clone();
    lifecycle.session_tasks.spawn(async move {
        tokio::select! {
            biased;
            () = asking => {}
            // Rooms have answered everyone by then, if they can.
            () = task.shutdown.begun() => {}
        }
    });
}

/// Leaves a room: whatever is said to it from now on is not done there. Not in the queue of questions, so that a room that does
/// not answer keeps nobody from leaving another.
///
/// # Errors
/// `not_in_room` if the room is over.
fn go(session: &Session, there: &Membership, asked: &Asked) -> Result<(), ErrorBody> {
    let Membership { room, lane, member, .. } = there;
    session.take_room(*lane);
    // A room that is not stored has nothing to wait for.
    let done = session.carrier.done_later(asked.n).filter(|_| room.is_durable());
    leave(room, *member, None, asked, done)
}

/// The same for a wish that was said on the lane of the room.
pub(super) fn go_on_lane(
    session: &Session,
    room_id: &str,
    connection: ConnectionId,
    asked: &Asked,
    bytes: usize,
) -> Result<(), ErrorBody> {
    session.hand_leave_over(connection, room_id, asked.n, bytes, |there| {
        leave(&there.room, there.member, asked.n, asked, None)
    })
}

fn leave(
    room: &RoomLink,
    member: MemberId,
    n: Option<u64>,
    asked: &Asked,
    done: Option<DoneLater>,
) -> Result<(), ErrorBody> {
    let is_there = room.leave(member, n, asked.reference.clone(), done);
    if is_there { Ok(()) } else { Err(not_in_room(Some(room.room_id().as_str()))) }
}

fn refuse(session: &Session, asked: &Asked, error: ErrorBody) {
    let Asked { kind, reference, room_id, n, .. } = asked;
    let refused = Refused { kind, room_id: room_id.as_deref(), n: *n };
    match refused.answer(session.codec, reference.as_ref(), error) {
        Ok(batch) => session.put_control(batch),
        Err(error) => tracing::error!(%error, "an answer could not be encoded"),
    }
}

/// Whoever works off what a session asks.
pub(super) struct Asking {
    services: Arc<Services>,
    session: Arc<Session>,
    /// What is being asked, for as long as it is not answered.
    current: Option<Asked>,
}

/// After a panic nobody works anything off any more: what was taken is answered, and the next question begins anew.
impl Drop for Asking {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut failed = self.current.take();
            while let Some(asked) =
                failed.take().or_else(|| self.session.next_question().map(|question| question.asked))
            {
                refuse(&self.session, &asked, ErrorBody::new(ErrorCode::Internal, "The server failed at that."));
                self.session.carrier.done(asked.n);
            }
            self.session.carrier.retract_waiting_lane();
        }
    }
}

/// What came of a wish to come in.
type Joined = Result<(), Declined>;

impl Asking {
    pub(super) fn new(services: Arc<Services>, session: Arc<Session>) -> Self {
        Self { services, session, current: None }
    }

    pub(super) async fn work_off(mut self) {
        while let Some(Question { wish, connection, asked, bytes }) = self.session.next_question() {
            self.current = Some(asked.clone());
            let is_leave = matches!(wish, Wish::Leave(_));
            let done = match wish {
                Wish::Create(request) => self.create(&request, &asked).await,
                Wish::Join(request) => self.join(request, &asked).await,
                Wish::Leave(room_id) => self.leave(room_id, &asked),
                Wish::LeaveLane(room_id) => go_on_lane(&self.session, room_id.as_str(), connection, &asked, bytes),
                Wish::Act(room_id, input) => self.act(room_id, Ok(input), connection, &asked, bytes),
                Wish::SetPassword(room_id, input, password) => {
                    let hash = self.services.passwords.hash(&password).await;
                    let input = hash.map(|hash| Input { with: Some(hash.into()), ..input });
                    self.act(room_id, input, connection, &asked, bytes)
                }
            };
            // One that was asked for again, and then was no more.
            self.session.carrier.retract_waiting_lane();
            // A room that is left says itself when that is done.
            let is_done = done.is_err() || !is_leave;
            if let Err(error) = done {
                refuse(&self.session, &asked, error);
            }
            if is_done {
                self.session.carrier.done(asked.n);
            }
            self.services.sessions.has_changed(&self.session);
        }
        self.current = None;
    }

    /// Hands a room what was said to it, in its turn.
    fn act(
        &self,
        room_id: RoomId,
        input: Result<Input, ErrorBody>,
        connection: ConnectionId,
        asked: &Asked,
        bytes: usize,
    ) -> Result<(), ErrorBody> {
        let act = |there: &Membership| there.room.act(there.member, &there.share, asked.n, input?);
        self.session.hand_over(connection, room_id.as_str(), asked.n, bytes, act)
    }

    /// Answers a question again that was carried out before the server was started again. Whether it was.
    fn answer_again(&self, kind: &'static str, asked: &Asked) -> bool {
        let there = asked.n.and_then(|n| self.session.joined_by(n));
        there.is_some_and(|there| there.room.answer_again(there.member, kind, asked.reference.clone()))
    }

    async fn create(&self, request: &CreateRoom, asked: &Asked) -> Result<(), ErrorBody> {
        if self.answer_again(CreateRoom::RESULT, asked) {
            return Ok(());
        }
        let (rooms, identity) = (&self.services.rooms, &self.session.identity);
        let mut plan = rooms.plan(request, Some((&identity.user_id, &identity.username)))?;
        if let Some(password) = passwords::checked(request.password.as_deref())? {
            plan.terms.password = Some(self.services.passwords.hash(password).await?);
        }
        if plan.durable {
            self.keep_session().await?;
        }
        // Who has gone takes no seat, and who comes back has asked for one.
        while self.session.carrier.is_there().await {
            let (join, visitor, knock) = self.prepare(asked, CreateRoom::RESULT, Role::Player, None)?;
            let created = rooms.create(plan.clone(), join, visitor);
            match self.answer_of(&knock, created, JOIN_PATIENCE).await {
                Err(Declined::Absent) => {}
                created => return answered(created),
            }
        }
        Ok(())
    }

    /// Sees to it that the session is stored, before a durable room counts on it.
    ///
    /// # Errors
    /// `storage_unavailable`.
    async fn keep_session(&self) -> Result<(), ErrorBody> {
        let stored = timeout(JOIN_PATIENCE, self.services.sessions.keep(&self.session)).await;
        stored.map_err(|_| rooms::unavailable())
    }

    async fn join(&self, mut request: JoinRoom, asked: &Asked) -> Result<(), ErrorBody> {
        if self.answer_again(JoinRoom::RESULT, asked) {
            return Ok(());
        }
        request.invite = invite_given(request.invite.as_deref())?;
        let role = request.role.unwrap_or_default();
        match (&request.room_id, &request.game) {
            (Some(room_id), _) => {
                self.join_room(room_id, &request, role, asked).await.map_err(|error| about_room(error, room_id))
            }
            (None, Some(game)) if request.quick => {
                let searchable = |game: Option<&str>, key: &str| self.services.rooms.is_searchable(game, key);
                let wanted = Filter::parse(Some(game), request.filter.as_ref(), &searchable)?;
                self.quick_join(game, &wanted, role, asked).await
            }
            _ => Err(ErrorBody::new(ErrorCode::InvalidData, "Name a `room_id`, or a `game` with `quick` set to true.")),
        }
    }

    async fn join_room(&self, room_id: &str, request: &JoinRoom, role: Role, asked: &Asked) -> Result<(), ErrorBody> {
        let (services, session, invite) = (&self.services, &self.session, request.invite.as_deref());
        if session.room(room_id).is_none() {
            // What is the session's own says nothing of the room, as long as it comes first.
            self.check_rooms()?;
        }
        let proof = Proof::of(services, session, room_id, request.password.as_deref(), invite).await?;
        let joined = self.enter_room(room_id, &proof, request.invite.as_deref(), role, asked).await;
        // That there is no such room is said in the same words of one that the asker is not to know of, and counts alike.
        match &joined {
            Err(ErrorBody { code: ErrorCode::RoomNotFound, .. }) => return Err(rooms::not_found()),
            Err(ErrorBody { code: ErrorCode::WrongPassword, .. }) => {}
            _ => proof.was_not_needed(&self.services),
        }
        joined
    }

    async fn enter_room(
        &self,
        room_id: &str,
        proof: &Proof,
        invite: Option<&str>,
        role: Role,
        asked: &Asked,
    ) -> Result<(), ErrorBody> {
        while self.session.carrier.is_there().await {
            self.look_at_door(room_id, proof, invite)?;
            let room = self.services.rooms.find(room_id)?;
            if self.session.room(room_id).is_some() {
                return Err(ErrorBody::new(ErrorCode::AlreadyInRoom, "You are in that room already."));
            }
            room.check_storage()?;
            if room.is_durable() {
                self.keep_session().await?;
            }
            let (join, visitor, knock) = self.prepare(asked, JoinRoom::RESULT, role, Some(*room.room_id()))?;
            let join = Join { password: proof.password, invite: invite.map(Into::into), ..join };
            let begun = Instant::now();
            let asking = timeout(JOIN_PATIENCE, room.join(join, visitor)).await;
            let patience = JOIN_PATIENCE.saturating_sub(begun.elapsed());
            match self.answer_of(&knock, asking.unwrap_or(Err(Declined::Late)), patience).await {
                Err(Declined::Absent) => {}
                // It has gone out of memory since it was found.
                Err(Declined::Refused(_)) if self.services.rooms.has_moved(&room) => {}
                joined => return answered(joined),
            }
        }
        Ok(())
    }

    /// Refuses in front of a room who is not let in anyway: neither is it woken for them, nor anything stored, nor do they learn that
    /// there is one which they are not to know of.
    ///
    /// # Errors
    /// What the room would refuse with.
    fn look_at_door(&self, room_id: &str, proof: &Proof, invite: Option<&str>) -> Result<(), ErrorBody> {
        let Ok(room_id) = room_id.parse() else { return Ok(()) };
        let of = Stranger { user_id: &self.session.identity.user_id, invite, password: proof.password };
        self.services.rooms.look(&room_id, of, |door, knock| door.check(knock)).unwrap_or(Ok(()))
    }

    /// Checks that the session may be in another room.
    ///
    /// # Errors
    /// `limit_reached`.
    fn check_rooms(&self) -> Result<(), ErrorBody> {
        let rooms_max = self.services.sessions.limits().rooms_max;
        if self.session.rooms().len() >= rooms_max { Err(in_too_many(rooms_max)) } else { Ok(()) }
    }

    async fn quick_join(&self, game: &str, wanted: &Filter, role: Role, asked: &Asked) -> Result<(), ErrorBody> {
        self.services.rooms.check_game(game)?;
        if role == Role::Spectator {
            return Err(ErrorBody::new(
                ErrorCode::InvalidData,
                "A quick join finds a seat; to watch, name a `room_id`.",
            ));
        }
        let mut not_in: Vec<RoomId> = self.session.rooms().iter().map(|there| *there.room.room_id()).collect();
        let mut tries = 0;
        while self.session.carrier.is_there().await {
            match self.take_seat(wanted, &not_in, tries == QUICK_JOIN_TRIES, asked).await? {
                (_, Err(Declined::Absent)) => {}
                // The seat went to someone else, or the room does not answer: the next one will do as well.
                (Some(room_id), Err(Declined::Late)) => {
                    not_in.push(room_id);
                    tries += 1;
                }
                (
                    Some(room_id),
                    Err(Declined::Refused(ErrorBody {
                        code:
                            ErrorCode::RoomFull
                            | ErrorCode::RoomNotFound
                            | ErrorCode::AlreadyInRoom
                            | ErrorCode::RoomLocked
                            | ErrorCode::WrongPassword
                            | ErrorCode::Banned,
                        ..
                    })),
                ) => {
                    not_in.push(room_id);
                    tries += 1;
                }
                (_, joined) => return answered(joined),
            }
        }
        Ok(())
    }

    /// Asks for a seat where there is one; if `makes_one`, or there is none, in a new room. Names the room that is not.
    async fn take_seat(
        &self,
        wanted: &Filter,
        not_in: &[RoomId],
        makes_one: bool,
        asked: &Asked,
    ) -> Result<(Option<RoomId>, Joined), ErrorBody> {
        // First of all, since nothing is to be given back then.
        let (join, visitor, knock) = self.prepare(asked, JoinRoom::RESULT, Role::Player, None)?;
        let rooms = &self.services.rooms;
        let user_id = &self.session.identity.user_id;
        let sought = if makes_one { rooms.place_for(wanted) } else { rooms.seek(wanted, user_id, not_in) };
        Ok(match sought {
            Ok(Sought::Seat(room, seat)) => {
                room.check_storage()?;
                if room.is_durable() {
                    self.keep_session().await?;
                }
                let asking = rooms.knock(&room, seat, join, visitor);
                let joined = self.answer_of(&knock, asking, SEAT_PATIENCE).await;
                if joined == Err(Declined::Late) {
                    rooms.shun(&room);
                }
                (Some(*room.room_id()), joined)
            }
            Ok(Sought::Slot(slot, seat)) => {
                if slot.is_durable()
                    && let Err(error) = self.keep_session().await
                {
                    rooms.give_back(&slot);
                    return Err(error);
                }
                let making = rooms.make(wanted, slot, seat, join, visitor);
                (None, self.answer_of(&knock, making, JOIN_PATIENCE).await)
            }
            Err(error) => (None, self.answer_of(&knock, Err(error.into()), JOIN_PATIENCE).await),
        })
    }

    fn leave(&self, room_id: Option<RoomId>, asked: &Asked) -> Result<(), ErrorBody> {
        let there = match room_id {
            Some(room_id) => self.session.room(room_id.as_str()),
            None => Some(self.session.rooms()).filter(|rooms| rooms.len() == 1).and_then(|mut rooms| rooms.pop()),
        };
        let Some(there) = there else { return Err(not_in_room(room_id.as_ref().map(RoomId::as_str))) };
        go(&self.session, &there, asked)
    }

    /// Gives a room a lane of this session, to be used if the room lets us in; a new room has no id yet.
    fn prepare(
        &self,
        asked: &Asked,
        answer: &'static str,
        role: Role,
        room_id: Option<RoomId>,
    ) -> Result<(Join, Visitor, Knock), ErrorBody> {
        let Self { services, session, .. } = self;
        let rooms_max = services.sessions.limits().rooms_max;
        let Some((knock, entrance)) = session.open_lane(room_id, asked.last_n, rooms_max) else {
            return Err(in_too_many(rooms_max));
        };
        let join = Join {
            user_id: session.identity.user_id.clone(),
            username: session.identity.username.clone(),
            role,
            lane: knock.lane,
            codec: session.codec,
            answer,
            reference: asked.reference.clone(),
            applied: knock.last_n,
            session_id: Some(session.id),
            n: asked.n,
            password: None,
            invite: None,
        };
        let visitor = Visitor::Local { carrier: session.carrier.clone(), knock: knock.clone(), entrance };
        Ok((join, visitor, knock))
    }

    /// Waits for a room's answer, and takes the lane back from one that did not let the session in. Who comes back asks again for
    /// the same lane.
    async fn answer_of(
        &self,
        knock: &Knock,
        asking: Result<oneshot::Receiver<Reply>, Declined>,
        patience: Duration,
    ) -> Joined {
        let answered = match asking {
            Ok(mut answer) => match timeout(patience, &mut answer).await {
                Ok(answered) => answered,
                // Nobody waits for it any more.
                Err(_) if self.session.carrier.retract_lane(knock.lane) => return Err(Declined::Late),
                // It has let us in at the last moment, and we are there, whenever it says so.
                Err(_) => {
                    self.session.enter();
                    self.session.tell_rooms();
                    return Ok(());
                }
            },
            Err(declined) => Ok(Err(declined)),
        };
        match answered.unwrap_or_else(|_| Err(rooms::gone().into())) {
            Ok(Admitted { room, member, .. }) => {
                self.session.enter();
                // It was not told of what has happened since it was asked.
                let presence = self.session.carrier.presence();
                if presence != knock.presence {
                    room.tell(member, presence);
                }
                Ok(())
            }
            Err(Declined::Absent) => Err(Declined::Absent),
            Err(declined) => {
                self.session.carrier.retract_lane(knock.lane);
                Err(declined)
            }
        }
    }
}

fn in_too_many(rooms_max: usize) -> ErrorBody {
    let sentence = format!("A session may be in at most {rooms_max} rooms; leave one first.");
    ErrorBody::new(ErrorCode::LimitReached, sentence)
}

fn answered(joined: Joined) -> Result<(), ErrorBody> {
    joined.map_err(|declined| match declined {
        Declined::Refused(error) => error,
        Declined::Absent | Declined::Late => {
            ErrorBody::new(ErrorCode::Busy, "The room did not answer in time; try again.")
        }
    })
}

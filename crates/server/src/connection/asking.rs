//! Asking rooms: to make one, to come in, to go.
//!
//! A session asks one thing after the other. Its connection hands the questions in and goes on; if there is an answer at
//! once, as there mostly is for what needs no answer of a room, no task is made for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use anteroom_core::room::{Join, MemberId};
use anteroom_protocol::message::Role;
use anteroom_protocol::message::request::{CreateRoom, JoinRoom, LeaveRoom};
use anteroom_protocol::{Envelope, ErrorBody, ErrorCode, LaneId, RoomId};
use bytes::Bytes;
use tokio::time::timeout;

use super::answer::{self, about_room, not_in_room};
use super::router::{Route, bytes_of, input, read};
use super::{Carried, ConnectionTask, Refused};
use crate::rooms::{Declined, JOIN_PATIENCE, RoomHandle, Sought};
use crate::session::{Asked, Membership, Question, Session, Wish};
use crate::shared::Shared;

/// How many rooms a quick join tries before it makes one.
const QUICK_JOIN_TRIES: usize = 4;

impl ConnectionTask {
    /// Hands in a question that was said on control.
    pub(super) fn ask(&mut self, message: &Envelope<'_>) -> Route {
        let wish = match message.kind.as_ref() {
            "create_room" => read(message.data).map(Wish::Create),
            "join_room" => read(message.data).map(|mut request: JoinRoom| {
                // None has a longer id; what waits is to be no larger than it says.
                let named = || message.room_id.as_deref().map(|room_id| answer::cut(room_id).to_owned());
                request.room_id = request.room_id.or_else(named);
                Wish::Join(request)
            }),
            _ => read(message.data).map(|LeaveRoom { room_id }| Wish::Leave(room_id)),
        };
        match wish {
            Ok(wish) => Route::Done(self.hand_in(wish, message)),
            Err(error) => self.take_control(message, Route::Done(Err(error))),
        }
    }

    /// A wish to leave a room that the message names on its lane.
    pub(super) fn leave_room(&mut self, room_id: &str, message: &Envelope<'_>) -> Route {
        let Some(Carried { session, place, .. }) = &self.carried else { return Route::IGNORED };
        if let Some(room_id) = waits_for(session, room_id) {
            return Route::Done(self.hand_in(Wish::LeaveLane(room_id), message));
        }
        match session.room(room_id) {
            Some(there) if session.take(place.id, there.lane, message.n, bytes_of(message.data)) => {
                go(&self.shared, session, there, asked(message));
                Route::IGNORED
            }
            Some(_) => Route::IGNORED,
            None => Route::Done(session.refuse_in_front(place.id, message.n)),
        }
    }

    /// What is said to a room behind a question about it waits for its turn; `None` if there is no such question.
    pub(super) fn act_later(
        &mut self,
        room_id: &str,
        payload: &Bytes,
        message: &Envelope<'_>,
    ) -> Option<Result<(), ErrorBody>> {
        let Some(Carried { session, .. }) = &self.carried else { return None };
        let room_id = waits_for(session, room_id)?;
        // What waits for long keeps nothing else in memory.
        let input = input(session.codec, payload, message).alone();
        Some(self.hand_in(Wish::Act(room_id, input), message))
    }

    fn hand_in(&mut self, wish: Wish, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let Some(Carried { session, place, .. }) = &self.carried else { return Ok(()) };
        let bytes = bytes_of(message.data);
        if session.ask(Question { wish, pipe: place.id, asked: asked(message), bytes })? {
            let asking = Asking { shared: self.shared.clone(), session: session.clone(), current: None };
            go_on(&self.shared, Box::pin(asking.work_off()));
        }
        Ok(())
    }
}

fn asked(message: &Envelope<'_>) -> Asked {
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

/// Does what can be done at once, and the rest in a task of its own.
pub(crate) fn go_on(shared: &Arc<Shared>, mut asking: Pin<Box<dyn Future<Output = ()> + Send>>) {
    // A task that is made for it polls it again before anything else.
    if asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
        return;
    }
    let task = shared.clone();
    shared.session_tasks.spawn(async move {
        tokio::select! {
            biased;
            () = asking => {}
            // Rooms have answered everyone by then, if they can.
            () = task.shutdown.begun() => {}
        }
    });
}

/// Leaves a room: whatever is said to it from now on is not done there.
fn go(shared: &Arc<Shared>, session: &Arc<Session>, there: Membership, asked: Asked) {
    let Membership { room, lane, member, .. } = there;
    session.take_room(lane);
    let session = session.clone();
    // Not in the queue of questions, so that a room that does not answer keeps nobody from leaving another.
    go_on(shared, Box::pin(async move { tell_of_leaving(&session, &room, member, asked).await }));
}

async fn tell_of_leaving(session: &Session, room: &RoomHandle, member: MemberId, asked: Asked) {
    if !room.leave(member, asked.reference.clone()).await {
        refuse(session, &asked, not_in_room(Some(room.room_id.as_str())));
    }
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
struct Asking {
    shared: Arc<Shared>,
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
            }
            self.session.retract_waiting_lane();
        }
    }
}

/// What came of a wish to come in.
type Joined = Result<(), Declined>;

impl Asking {
    async fn work_off(mut self) {
        while let Some(Question { wish, pipe, asked, bytes }) = self.session.next_question() {
            self.current = Some(asked.clone());
            let done = match wish {
                Wish::Create(request) => self.create(&request, &asked).await,
                Wish::Join(request) => self.join(request, &asked).await,
                Wish::Leave(room_id) => self.leave(room_id, &asked),
                Wish::LeaveLane(room_id) => match self.session.room(room_id.as_str()) {
                    Some(there) => {
                        if self.session.take(pipe, there.lane, asked.n, bytes) {
                            go(&self.shared, &self.session, there, asked);
                        }
                        continue;
                    }
                    None => self.session.refuse_in_front(pipe, asked.n),
                },
                Wish::Act(room_id, input) => {
                    let act = |there: &Membership| there.room.act(there.member, there.share.as_ref(), input);
                    self.session.hand_over(pipe, room_id.as_str(), asked.n, bytes, act)
                }
            };
            // One that was asked for again, and then was no more.
            self.session.retract_waiting_lane();
            if let Err(error) = done {
                refuse(&self.session, &asked, error);
            }
        }
        self.current = None;
    }

    async fn create(&self, request: &CreateRoom, asked: &Asked) -> Result<(), ErrorBody> {
        let rooms = &self.shared.rooms;
        // Who has gone takes no seat, and who comes back has asked for one.
        while self.session.is_there().await {
            let join = self.prepare(asked, "create_room_result", Role::Player, None)?;
            let lane = join.lane;
            let created = timeout(JOIN_PATIENCE, rooms.create(request, join, self.session.clone())).await;
            match self.settled(lane, created.unwrap_or(Err(Declined::Late))) {
                Err(Declined::Absent) => {}
                created => return answered(created),
            }
        }
        Ok(())
    }

    async fn join(&self, request: JoinRoom, asked: &Asked) -> Result<(), ErrorBody> {
        let role = request.role.unwrap_or_default();
        match (&request.room_id, &request.game) {
            (Some(room_id), _) => {
                self.join_room(room_id, role, asked).await.map_err(|error| about_room(error, room_id))
            }
            (None, Some(game)) if request.quick => self.quick_join(game, role, asked).await,
            _ => Err(ErrorBody::new(ErrorCode::InvalidData, "Name a `room_id`, or a `game` with `quick` set to true.")),
        }
    }

    async fn join_room(&self, room_id: &str, role: Role, asked: &Asked) -> Result<(), ErrorBody> {
        while self.session.is_there().await {
            let room = self.shared.rooms.find(room_id)?;
            if self.session.room(room_id).is_some() {
                return Err(ErrorBody::new(ErrorCode::AlreadyInRoom, "You are in that room already."));
            }
            let join = self.prepare(asked, "join_room_result", role, Some(room.room_id))?;
            let lane = join.lane;
            let joined = timeout(JOIN_PATIENCE, room.join(join, self.session.clone())).await;
            match self.settled(lane, joined.unwrap_or(Err(Declined::Late))) {
                Err(Declined::Absent) => {}
                joined => return answered(joined),
            }
        }
        Ok(())
    }

    async fn quick_join(&self, game: &str, role: Role, asked: &Asked) -> Result<(), ErrorBody> {
        self.shared.rooms.check_game(game)?;
        if role == Role::Spectator {
            return Err(ErrorBody::new(
                ErrorCode::InvalidData,
                "A quick join finds a seat; to watch, name a `room_id`.",
            ));
        }
        let mut not_in: Vec<RoomId> = self.session.rooms().iter().map(|there| there.room.room_id).collect();
        let mut tries = 0;
        while self.session.is_there().await {
            match self.take_seat(game, &not_in, tries == QUICK_JOIN_TRIES, asked).await? {
                (_, Err(Declined::Absent)) => {}
                // The seat went to someone else, or the room does not answer: the next one will do as well.
                (Some(room_id), Err(Declined::Late)) => {
                    not_in.push(room_id);
                    tries += 1;
                }
                (
                    Some(room_id),
                    Err(Declined::Refused(ErrorBody {
                        code: ErrorCode::RoomFull | ErrorCode::RoomNotFound | ErrorCode::AlreadyInRoom,
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
        game: &str,
        not_in: &[RoomId],
        makes_one: bool,
        asked: &Asked,
    ) -> Result<(Option<RoomId>, Joined), ErrorBody> {
        // First of all, since nothing is to be given back then.
        let join = self.prepare(asked, "join_room_result", Role::Player, None)?;
        let (lane, session, rooms) = (join.lane, self.session.clone(), &self.shared.rooms);
        let user_id = &session.identity.user_id;
        let sought = if makes_one { rooms.place_for(game) } else { rooms.seek(game, user_id, not_in) };
        let (room_id, joined) = match sought {
            Ok(Sought::Seat(room, seat)) => {
                let joined = rooms.knock(&room, seat, join, session).await;
                (Some(room.room_id), joined)
            }
            Ok(Sought::Slot(place, seat)) => {
                let making = rooms.make(game, place, seat, join, session);
                (None, timeout(JOIN_PATIENCE, making).await.unwrap_or(Err(Declined::Late)))
            }
            Err(error) => (None, Err(error.into())),
        };
        Ok((room_id, self.settled(lane, joined)))
    }

    fn leave(&self, room_id: Option<RoomId>, asked: &Asked) -> Result<(), ErrorBody> {
        let there = match room_id {
            Some(room_id) => self.session.room(room_id.as_str()),
            None => Some(self.session.rooms()).filter(|rooms| rooms.len() == 1).and_then(|mut rooms| rooms.pop()),
        };
        let Some(there) = there else { return Err(not_in_room(room_id.as_ref().map(RoomId::as_str))) };
        go(&self.shared, &self.session, there, asked.clone());
        Ok(())
    }

    /// Gives a room a lane of this session, to be used if the room lets us in; a new room has no id yet.
    fn prepare(
        &self,
        asked: &Asked,
        answer: &'static str,
        role: Role,
        room_id: Option<RoomId>,
    ) -> Result<Join, ErrorBody> {
        let Self { shared, session, .. } = self;
        let rooms_max = shared.config.limits.rooms_per_session_max as usize;
        let Some(lane) = session.open_lane(room_id, asked.last_n, rooms_max) else {
            let sentence = format!("A session may be in at most {rooms_max} rooms; leave one first.");
            return Err(ErrorBody::new(ErrorCode::LimitReached, sentence));
        };
        Ok(Join {
            user_id: session.identity.user_id.clone(),
            username: session.identity.username.clone(),
            role,
            lane,
            codec: session.codec,
            answer,
            reference: asked.reference.clone(),
            applied: asked.last_n,
        })
    }

    /// Takes the lane back from a room that did not let the session in; one that did has entered it itself. Who comes back
    /// asks again for the same lane.
    fn settled(&self, lane: LaneId, joined: Joined) -> Joined {
        match joined {
            Ok(()) | Err(Declined::Absent) => joined,
            // It may have done so at the last moment.
            Err(Declined::Late) if !self.session.retract_lane(lane) => Ok(()),
            Err(Declined::Late) => joined,
            Err(Declined::Refused(_)) => {
                // One that failed may have let us in first.
                if !self.session.retract_lane(lane) {
                    self.session.take_room(lane);
                }
                joined
            }
        }
    }
}

fn answered(joined: Joined) -> Result<(), ErrorBody> {
    joined.map_err(|declined| match declined {
        Declined::Refused(error) => error,
        Declined::Absent | Declined::Late => {
            ErrorBody::new(ErrorCode::Busy, "The room did not answer in time; try again.")
        }
    })
}

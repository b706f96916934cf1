//! How a session reaches a room: what goes through its mailbox, and in which order.
//!
//! What crosses the link is data that could travel, but for what only a room of this server has: places in its mailbox, and where
//! its answer is put. Input has a share of the mailbox for each member, and is refused with `busy`
//! beyond it. Everything else is told without waiting: where the mailbox is full it waits in a place of its own, one for each
//! member, where newer facts take the place of older ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_core::Time;
use anteroom_core::room::{AnswerTo, Change, Join, MemberId, Place, Share, WAITING_MESSAGES_MAX, Waiting};
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::{AccessMap, DataMap, Role};
use anteroom_protocol::{Codec, ErrorBody, ErrorCode, RoomId, UserId};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::door::{Doorway, Stranger};
use super::member::Visitor;
use crate::carrier::{DoneLater, Presence};
use crate::lobby::Reservation;
use crate::stores::Store;

/// How many commands wait for a room: as much input as may wait, one more message of each player, and as many who come,
/// go, or are told of. Memory is taken for those that do wait.
const MAILBOX_MESSAGES_MAX: usize = 2 * WAITING_MESSAGES_MAX;

/// Where a session, or whoever asks for it, reaches a room.
#[derive(Debug, Clone)]
pub(crate) enum RoomLink {
    /// On this server.
    Local(RoomHandle),
}

/// Where a room of this server takes commands.
#[derive(Debug, Clone)]
pub(crate) struct RoomHandle {
    pub(super) room_id: RoomId,
    pub(super) mailbox: mpsc::Sender<Mail>,
    /// Told when the mailbox fills up, or somebody knocks: a room that flushes by ticks does not look at it in between.
    pub(super) filling: Arc<Notify>,
    /// How much player input is in the mailbox.
    waiting: Arc<Waiting>,
    late: Arc<Mutex<Late>>,
    pub(super) door: Arc<Doorway>,
    tasks: TaskTracker,
    /// Where it is stored, if it is durable.
    store: Option<Arc<dyn Store>>,
}

/// The room's end of it.
pub(super) struct Inbox {
    pub(super) mailbox: mpsc::Receiver<Mail>,
    pub(super) filling: Arc<Notify>,
}

/// What found no place in the mailbox.
#[derive(Debug, Default)]
struct Late {
    /// By member, in the order in which it is told: whether they are there, that they want to know where everything stands,
    /// and that they are gone.
    news: BTreeMap<MemberId, News>,
    /// Whether a task waits for a place.
    is_told: bool,
}

#[derive(Debug, Default)]
struct News {
    presence: Option<Presence>,
    /// A snapshot, under the request that it answers, if it does.
    snapshot: Option<Option<AnswerTo>>,
    end: Option<Mail>,
}

impl News {
    /// Gives what it takes the place of.
    fn add(&mut self, mail: Mail) -> Option<Mail> {
        match mail {
            Mail::Presence { presence, .. } => self.presence = self.presence.max(Some(presence)),
            // At most one request made the member, so there is one answer.
            Mail::Snapshot { answer, .. } => self.snapshot = Some(answer.or(self.snapshot.take().flatten())),
            mail => return self.end.replace(mail),
        }
        None
    }

    fn take(&mut self, member: MemberId) -> Option<Mail> {
        if let Some(presence) = self.presence.take() {
            return Some(Mail::Presence { member, presence });
        }
        if let Some(answer) = self.snapshot.take() {
            return Some(Mail::Snapshot { member, answer });
        }
        self.end.take()
    }
}

/// A command on its way into a room. The room reads player input from the bytes in which it arrived.
#[derive(Debug)]
pub(super) enum Mail {
    Join(Box<Request>),
    Act {
        member: MemberId,
        n: Option<u64>,
        input: Input,
        /// Given back when the room has handled it.
        place: Place,
    },
    Presence {
        member: MemberId,
        presence: Presence,
    },
    Snapshot {
        member: MemberId,
        /// What is answered by it, if it is.
        answer: Option<AnswerTo>,
    },
    Leave {
        member: MemberId,
        n: Option<u64>,
        reference: Option<Ref>,
        /// Dropped when the member has left for good: the question that asked for it is done then.
        done: Option<DoneLater>,
    },
    /// What was said before, or none if it cannot be read.
    History {
        member: MemberId,
        reference: Option<Ref>,
        page: Option<ChatPage>,
        change: Option<Change>,
    },
    Expire {
        member: MemberId,
    },
    Abandon {
        member: MemberId,
    },
    /// A user is to be forgotten.
    Erase {
        user_id: UserId,
        username: Option<String>,
        done: oneshot::Sender<()>,
    },
    /// Seats are to be kept for these users, who are not here yet.
    Reserve {
        users: Vec<UserId>,
        until: Time,
        done: Done,
    },
    /// The program that this server is in sets data of the room, or of somebody in it.
    SetData {
        whose: Option<UserId>,
        data: DataMap,
        access: AccessMap,
        done: Done,
    },
    Close {
        reason: ClosedReason,
    },
    /// Another room needs its place.
    GiveWay,
    /// The server stops: the room is stored as it is.
    Park,
}

/// Told what came of it, once that is stored.
pub(super) type Done = oneshot::Sender<Result<(), ErrorBody>>;

impl Mail {
    /// How much there is to read.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Act { input, .. } => input.data.len(),
            _ => 0,
        }
    }
}

/// Someone who wants to come in. Boxed in the mailbox, where most of the places hold player input.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) join: Join,
    pub(super) visitor: Visitor,
    /// The seat that is reserved for them, if they looked for one.
    pub(super) seat: Option<Reservation>,
    pub(super) answer: oneshot::Sender<Reply>,
}

/// What a room says to somebody who wants to come in.
pub(crate) type Reply = Result<Admitted, Declined>;

/// Where a room puts that it has let somebody in, before anything of it can be seen: whoever sees it can act on it, though the
/// answer may not have come yet to whoever has asked.
#[derive(Debug, Default)]
pub(crate) struct Entrance(Mutex<Option<Admitted>>);

impl Entrance {
    pub(super) fn fill(&self, admitted: Admitted) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(admitted);
    }

    pub(crate) fn take(&self) -> Option<Admitted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Somebody was let in.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) room: RoomLink,
    pub(crate) member: MemberId,
    /// How much of their input may wait for the room.
    pub(crate) share: Arc<Share>,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Declined {
    /// The room, or the server, has said no.
    Refused(ErrorBody),
    /// Nobody was there any more when the room got to it.
    Absent,
    /// The room did not get to it in time.
    Late,
}

impl From<ErrorBody> for Declined {
    fn from(error: ErrorBody) -> Self {
        Self::Refused(error)
    }
}

/// A player's input, not decoded.
#[derive(Debug)]
pub(crate) struct Input {
    /// The action's `type`, in UTF-8.
    pub(crate) kind: Bytes,
    /// Its data.
    pub(crate) data: Bytes,
    /// The codec of the data.
    pub(crate) codec: Codec,
    /// The mark of the request.
    pub(crate) reference: Option<Ref>,
    /// Whether it is a request of the room itself, and not for the game.
    pub(crate) is_request: bool,
    /// What the server adds to a request; see [`anteroom_core::room::Ask::with`].
    pub(crate) with: Option<Box<str>>,
}

impl Input {
    /// The same in memory of its own.
    pub(crate) fn alone(self) -> Self {
        Self { kind: Bytes::copy_from_slice(&self.kind), data: Bytes::copy_from_slice(&self.data), ..self }
    }
}

/// The room is over.
pub(crate) fn gone() -> ErrorBody {
    ErrorBody::new(ErrorCode::RoomNotFound, "The room has closed.")
}

/// Nothing can be stored just now, and so nothing is taken that would have to be.
pub(crate) fn unavailable() -> ErrorBody {
    ErrorBody::new(ErrorCode::StorageUnavailable, "The server cannot store anything just now; try again.")
}

fn not_a_player() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotAPlayer, "Spectators watch; join as a player to act.")
}

impl RoomLink {
    /// Whether the room is stored.
    pub(crate) fn is_durable(&self) -> bool {
        match self {
            Self::Local(room) => room.is_durable(),
        }
    }

    /// The room's id.
    pub(crate) fn room_id(&self) -> &RoomId {
        match self {
            Self::Local(room) => &room.room_id,
        }
    }

    /// Whether a user owns the room, as far as everybody knows.
    pub(crate) fn is_owned_by(&self, user_id: &UserId) -> bool {
        match self {
            Self::Local(room) => room.is_owned_by(user_id),
        }
    }

    /// Hands a member's input over; the room answers on the member's lane.
    ///
    /// # Errors
    /// `not_a_player` for the game's input of one who only watches, `busy` if the room has fallen behind with the member's input, `room_not_found` if
    /// it is over.
    pub(crate) fn act(
        &self,
        member: MemberId,
        share: &Arc<Share>,
        n: Option<u64>,
        input: Input,
    ) -> Result<(), ErrorBody> {
        match self {
            Self::Local(room) => room.act(member, share, n, input),
        }
    }

    /// Says whether a member is there. Whichever fact is told last, the newest counts.
    pub(crate) fn tell(&self, member: MemberId, presence: Presence) {
        match self {
            Self::Local(room) => _ = room.post(member, Mail::Presence { member, presence }),
        }
    }

    /// Asks for a snapshot on the member's lane, which has lost messages. Who asks is there.
    pub(crate) fn ask_for_snapshot(&self, member: MemberId, presence: Presence) {
        let Self::Local(room) = self;
        room.post(member, Mail::Presence { member, presence });
        room.post(member, Mail::Snapshot { member, answer: None });
    }

    /// Answers a request again that has made the member: it was carried out before the server was started again, and its answer
    /// was lost. `false` if the room is over.
    pub(crate) fn answer_again(&self, member: MemberId, kind: &'static str, reference: Option<Ref>) -> bool {
        match self {
            Self::Local(room) => {
                room.post(member, Mail::Snapshot { member, answer: Some(AnswerTo { kind, reference }) })
            }
        }
    }

    /// Says that a member goes for good; the room answers on the member's lane. `false` if the room is over: it has
    /// ended the lane already.
    pub(crate) fn leave(
        &self,
        member: MemberId,
        n: Option<u64>,
        reference: Option<Ref>,
        done: Option<DoneLater>,
    ) -> bool {
        match self {
            Self::Local(room) => room.post(member, Mail::Leave { member, n, reference, done }),
        }
    }

    /// Says that a member's session was without a connection for too long.
    pub(crate) fn expire(&self, member: MemberId) {
        match self {
            Self::Local(room) => _ = room.post(member, Mail::Expire { member }),
        }
    }

    /// Says that a member's session is gone without a goodbye.
    pub(crate) fn abandon(&self, member: MemberId) {
        match self {
            Self::Local(room) => _ = room.post(member, Mail::Abandon { member }),
        }
    }
}

impl RoomHandle {
    /// The room's id.
    pub(crate) fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// A room's mailbox, and both ends of it.
    pub(super) fn new(
        room_id: RoomId,
        tasks: TaskTracker,
        store: Option<Arc<dyn Store>>,
        door: Arc<Doorway>,
    ) -> (Self, mpsc::Receiver<Mail>) {
        let (mailbox, received) = mpsc::channel(MAILBOX_MESSAGES_MAX);
        let (filling, waiting, late) = Default::default();
        (Self { room_id, mailbox, filling, waiting, late, door, tasks, store }, received)
    }

    /// Waits until the door can be looked at; a room that sleeps is waited for. It cannot if the room is over.
    pub(crate) async fn shows_door(&self) {
        tokio::select! {
            biased;
            () = self.door.is_known() => {}
            () = self.mailbox.closed() => {}
        }
    }

    /// Whether a user owns the room, as far as everybody knows.
    pub(crate) fn is_owned_by(&self, user_id: &UserId) -> bool {
        let of = Stranger { user_id, invite: None, password: None };
        self.door.look(of, Time::default(), |door, _| door.owner.as_ref() == Some(user_id)) == Some(true)
    }

    /// Whether the room is stored, so that it outlives the server.
    pub(crate) fn is_durable(&self) -> bool {
        self.store.is_some()
    }

    /// Checks that what the room takes can be stored.
    ///
    /// # Errors
    /// `storage_unavailable`.
    pub(crate) fn check_storage(&self) -> Result<(), ErrorBody> {
        match &self.store {
            Some(store) if !store.health().is_good() => Err(unavailable()),
            _ => Ok(()),
        }
    }

    /// Asks the room to let someone in, and waits for its answer. Not cancel-safe: the answer may be that they are in.
    ///
    /// # Errors
    /// What the room declines with; `room_not_found` if it is over.
    pub(crate) async fn join(&self, join: Join, visitor: Visitor) -> Result<oneshot::Receiver<Reply>, Declined> {
        let (answer, answered) = oneshot::channel();
        let request = Box::new(Request { join, visitor, seat: None, answer });
        self.mailbox.send(Mail::Join(request)).await.map_err(|_| gone())?;
        // Whoever knocks waits at the door with everything else; a tick would hold that up.
        self.filling.notify_one();
        Ok(answered)
    }

    /// The same without waiting for a place. A room that flushes by ticks is not told.
    ///
    /// # Errors
    /// `room_not_found` if the room is over; [`Declined::Late`] if its mailbox is full.
    pub(super) fn try_join(
        &self,
        join: Join,
        visitor: Visitor,
        seat: Option<Reservation>,
    ) -> Result<oneshot::Receiver<Reply>, Declined> {
        let (answer, answered) = oneshot::channel();
        let request = Box::new(Request { join, visitor, seat, answer });
        self.mailbox.try_send(Mail::Join(request)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Declined::Late,
            mpsc::error::TrySendError::Closed(_) => gone().into(),
        })?;
        Ok(answered)
    }

    /// A member's share of the mailbox.
    pub(super) fn share(&self, role: Role) -> Arc<Share> {
        Share::new(self.waiting.clone(), role == Role::Player)
    }

    fn act(&self, member: MemberId, share: &Arc<Share>, n: Option<u64>, input: Input) -> Result<(), ErrorBody> {
        if !input.is_request && !share.plays() {
            return Err(not_a_player());
        }
        self.check_storage()?;
        let busy = || {
            self.filling.notify_one();
            ErrorBody::new(ErrorCode::Busy, "The room has fallen behind; try again.")
        };
        let place = share.take(input.data.len()).ok_or_else(busy)?;
        self.mailbox.try_send(Mail::Act { member, n, input, place }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => busy(),
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        if self.waiting.is_much() {
            self.filling.notify_one();
        }
        Ok(())
    }

    /// Keeps seats for users until a time. When it returns each of them has one, or one is kept.
    ///
    /// # Errors
    /// `room_full`; `room_not_found` if it is over; `storage_unavailable`.
    pub(super) async fn reserve(&self, users: Vec<UserId>, until: Time) -> Result<(), ErrorBody> {
        self.host(|done| Mail::Reserve { users, until, done }).await
    }

    /// Sets data of the room, or of somebody in it.
    ///
    /// # Errors
    /// `invalid_data`, `not_in_room`; `room_not_found` if it is over; `storage_unavailable`.
    pub(super) async fn set_data(
        &self,
        whose: Option<UserId>,
        data: DataMap,
        access: AccessMap,
    ) -> Result<(), ErrorBody> {
        self.host(|done| Mail::SetData { whose, data, access, done }).await
    }

    /// What the program asks that this server is in.
    async fn host(&self, mail: impl FnOnce(Done) -> Mail) -> Result<(), ErrorBody> {
        self.check_storage()?;
        let (done, outcome) = oneshot::channel();
        self.mailbox.send(mail(done)).await.map_err(|_| gone())?;
        self.filling.notify_one();
        outcome.await.map_err(|_| gone())?
    }

    /// Closes the room for everyone.
    pub(super) fn close(&self, reason: ClosedReason) {
        self.insist(Mail::Close { reason });
    }

    /// Has the room stored as it is, and taken out of memory.
    pub(super) fn park(&self) {
        self.insist(Mail::Park);
    }

    pub(super) fn insist(&self, mail: Mail) {
        if let Err(mpsc::error::TrySendError::Full(mail)) = self.mailbox.try_send(mail) {
            let mailbox = self.mailbox.clone();
            // A room that is gone meanwhile needs no telling.
            self.tasks.spawn(async move { drop(mailbox.send(mail).await) });
        }
        self.filling.notify_one();
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        // Nothing panics while it holds the lock.
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the room something of a member, in the order in which it is told of that member. `false` if the room is over.
    fn post(&self, member: MemberId, mail: Mail) -> bool {
        if self.mailbox.is_closed() {
            return false;
        }
        let (is_there, dropped) = self.put(member, mail);
        // What is done with it takes the session's lock, which is not taken under ours.
        drop(dropped);
        is_there
    }

    /// Whether the room is there, and the mail that nobody gets.
    fn put(&self, member: MemberId, mail: Mail) -> (bool, Option<Mail>) {
        let mut late = self.late();
        if let Some(news) = late.news.get_mut(&member) {
            return (true, news.add(mail));
        }
        let dropped = match self.mailbox.try_send(mail) {
            Ok(()) => return (true, None),
            Err(mpsc::error::TrySendError::Closed(mail)) => return (false, Some(mail)),
            Err(mpsc::error::TrySendError::Full(mail)) => late.news.entry(member).or_default().add(mail),
        };
        if !std::mem::replace(&mut late.is_told, true) {
            // One task for all members, however often they come and go.
            self.tasks.spawn(self.clone().tell_late());
        }
        (true, dropped)
    }

    /// Tells what is late, until there is nothing more, or nobody to tell.
    async fn tell_late(self) {
        self.clone().tell_in_turn().await;
        if self.mailbox.is_closed() {
            // Dropped outside of the lock: what is done with it takes a session's.
            let never_told = std::mem::take(&mut self.late().news);
            drop(never_told);
        }
    }

    async fn tell_in_turn(self) {
        self.filling.notify_one();
        while let Ok(place) = self.mailbox.reserve().await {
            let mut late = self.late();
            let Some(mut first) = late.news.first_entry() else {
                late.is_told = false;
                return;
            };
            let member = *first.key();
            match first.get_mut().take(member) {
                Some(mail) => place.send(mail),
                None => drop(first.remove()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::tests::carrier;

    #[tokio::test]
    async fn what_finds_no_place_waits_and_is_told_in_order_with_the_newest_fact() {
        let (carrier, place) = carrier();
        let tasks = TaskTracker::new();
        let (room, mut mailbox) = RoomHandle::new(RoomId::from_bits(1), tasks.clone(), None, Arc::default());
        let link = RoomLink::Local(room.clone());
        while room.mailbox.try_send(Mail::Snapshot { member: MemberId(0), answer: None }).is_ok() {}
        let here = carrier.presence();
        carrier.lost(place.id);
        let away = carrier.presence();
        for _ in 0..1000 {
            link.tell(MemberId(1), away);
            link.tell(MemberId(1), here);
            link.ask_for_snapshot(MemberId(1), here);
        }
        assert!(link.leave(MemberId(1), None, None, None));
        link.expire(MemberId(2));
        assert_eq!((tasks.len(), room.late().news.len()), (1, 2), "one task, and one place for each member");
        for _ in 0..MAILBOX_MESSAGES_MAX {
            mailbox.recv().await.unwrap();
        }
        assert!(
            matches!(mailbox.recv().await, Some(Mail::Presence { member: MemberId(1), presence }) if presence == away)
        );
        assert!(matches!(mailbox.recv().await, Some(Mail::Snapshot { member: MemberId(1), answer: None })));
        assert!(matches!(mailbox.recv().await, Some(Mail::Leave { member: MemberId(1), .. })));
        assert!(matches!(mailbox.recv().await, Some(Mail::Expire { member: MemberId(2) })));
        // Then everything goes the short way again.
        while !tasks.is_empty() {
            tokio::task::yield_now().await;
        }
        link.tell(MemberId(2), away);
        assert!(mailbox.try_recv().is_ok());
        drop(mailbox);
        assert!(!link.leave(MemberId(2), None, None, None), "the room is over");
    }
}

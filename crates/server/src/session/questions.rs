//! What a session asks of rooms, and has not been answered yet: worked off one after the other, whatever becomes of
//! the connection that it came on.
//!
//! A question is taken when it comes in, so once it is acknowledged it is carried out. What is said to a room that a
//! question is about waits behind it and is taken in its turn, as it would be if rooms answered at once.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use anteroom_core::lanes::ConnectionId;
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::request::{CreateRoom, JoinRoom};
use anteroom_protocol::{ErrorBody, ErrorCode, LaneId, RoomId};

use super::{Session, State};
use crate::carrier::Judged;
use crate::rooms::Input;

/// How many questions wait behind the one that is asked. Beyond it they are `busy`.
const QUESTIONS_MAX: usize = 64;
/// How many there are together with what waits for them.
const WAITING_MAX: usize = 256;
/// How many bytes of data wait, but for a single message that has more. Beyond it what comes is `busy`.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// A message that waits for its turn.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) wish: Wish,
    /// The connection that it came on.
    pub(crate) connection: ConnectionId,
    pub(crate) asked: Asked,
    /// How many bytes of data it had.
    pub(crate) bytes: usize,
}

/// What a message is known by when it is refused.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) kind: Box<str>,
    pub(crate) reference: Option<Ref>,
    /// The room that the envelope names.
    pub(crate) room_id: Option<Box<str>>,
    pub(crate) n: Option<u64>,
    /// The last number that had come by then: none above it was meant for an earlier lane of a room that it asks for.
    pub(crate) last_n: u64,
}

/// What it is that somebody wants.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To make a room.
    Create(CreateRoom),
    /// To come in.
    Join(JoinRoom),
    /// To go, said on control: out of this room, or of the only one.
    Leave(Option<RoomId>),
    /// The same, said on the lane of the room. It is taken in its turn.
    LeaveLane(RoomId),
    /// To do something in a room. It is taken in its turn.
    Act(RoomId, Input),
    /// The same, with a password that is to be hashed first.
    SetPassword(RoomId, Input, Box<str>),
}

/// Which rooms a question is about, as far as the client can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Room(RoomId),
    Any,
    None,
}

impl Wish {
    fn about(&self) -> About {
        match self {
            Self::Create(_) => About::None,
            Self::Join(JoinRoom { room_id, .. }) => {
                room_id.as_deref().and_then(|room_id| room_id.parse().ok()).map_or(About::None, About::Room)
            }
            Self::Leave(None) => About::Any,
            Self::Leave(Some(room_id))
            | Self::LeaveLane(room_id)
            | Self::Act(room_id, _)
            | Self::SetPassword(room_id, ..) => About::Room(*room_id),
        }
    }

    /// The room on whose lane it was said; none on control.
    fn lane_of(&self) -> Option<&RoomId> {
        match self {
            Self::LeaveLane(room_id) | Self::Act(room_id, _) | Self::SetPassword(room_id, ..) => Some(room_id),
            Self::Create(_) | Self::Join(_) | Self::Leave(_) => None,
        }
    }

    /// Whether its number is noted when its turn comes, and not when it comes in.
    fn is_taken_later(&self) -> bool {
        matches!(self, Self::LeaveLane(_) | Self::Act(..) | Self::SetPassword(..))
    }
}

/// Those of one session.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: VecDeque<Question>,
    waiting_bytes: usize,
    /// What the one that is being asked is about.
    asked: Option<About>,
}

impl Questions {
    fn has_space_for(&self, question: &Question) -> bool {
        let questions = || self.waiting.iter().filter(|question| !question.wish.is_taken_later()).count();
        let fits = self.waiting_bytes + question.bytes <= WAITING_BYTES_MAX;
        self.waiting.len() < WAITING_MAX
            && (question.wish.is_taken_later() || questions() < QUESTIONS_MAX)
            && (fits || self.waiting.is_empty())
    }

    fn concern(&self, room_id: RoomId) -> bool {
        let mut about = self.asked.into_iter().chain(self.waiting.iter().map(|question| question.wish.about()));
        about.any(|about| about == About::Any || about == About::Room(room_id))
    }
}

impl Session {
    /// Takes a question, or what waits behind one. Whether whoever hands it in has to see to it that it is
    /// [worked off](Self::next_question): nobody does.
    ///
    /// # Errors
    /// `busy`, in front of everything: it is not taken.
    pub(crate) fn ask(&self, mut question: Question) -> Result<bool, ErrorBody> {
        let State { questions, rooms, .. } = &mut *self.lock();
        let lane =
            question.wish.lane_of().and_then(|room_id| rooms.iter().rev().find(|it| it.room.room_id() == room_id));
        let Asked { n, .. } = question.asked;
        let judged = Judged {
            n,
            bytes: question.bytes,
            is_taken_later: question.wish.is_taken_later(),
            lane: lane.map_or(LaneId::CONTROL, |there| there.lane),
        };
        self.carrier.take_if(question.connection, judged, |last_n| {
            if !questions.has_space_for(&question) {
                return Err(ErrorBody::new(ErrorCode::Busy, "Too much waits for rooms to answer; try again."));
            }
            question.asked.last_n = last_n;
            questions.waiting_bytes += question.bytes;
            self.budget.total().add(question.bytes);
            questions.waiting.push_back(question);
            Ok(!self.is_asking.swap(true, Ordering::Relaxed))
        })
    }

    /// Whether there are questions.
    pub(crate) fn is_asking(&self) -> bool {
        // Whoever wants to know hands them in, or hears of a connection that did by way of the lock.
        self.is_asking.load(Ordering::Relaxed)
    }

    /// Whether what is said about a room has to wait for a question.
    pub(crate) fn waits(&self, room_id: RoomId) -> bool {
        self.lock().questions.concern(room_id)
    }

    /// The next question; the one before is answered. Nobody works them off any more if there is none.
    pub(crate) fn next_question(&self) -> Option<Question> {
        let questions = &mut self.lock().questions;
        // Nobody waits for an answer then.
        let next = if self.carrier.has_ended() { None } else { questions.waiting.pop_front() };
        match &next {
            Some(question) => {
                questions.waiting_bytes -= question.bytes;
                self.budget.total().take(question.bytes);
            }
            // Most sessions ask once or twice.
            None => {
                self.budget.total().take(questions.waiting_bytes);
                *questions = Questions::default();
            }
        }
        questions.asked = next.as_ref().map(|question| question.wish.about());
        self.is_asking.store(next.is_some(), Ordering::Relaxed);
        next
    }

    /// What was said to rooms on a connection that is gone is not taken on another, where it comes again.
    pub(super) fn drop_what_was_said_on(&self, connection: ConnectionId) {
        let Questions { waiting, waiting_bytes, .. } = &mut self.lock().questions;
        waiting.retain(|question| {
            let stays = question.connection != connection || !question.wish.is_taken_later();
            if !stays {
                *waiting_bytes -= question.bytes;
                self.budget.total().take(question.bytes);
            }
            stays
        });
    }
}

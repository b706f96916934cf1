//! What can be written to a store, as data: what a queue holds, and what goes to the medium again after it failed.
//!
//! It knows no medium. Applying the same writes again, in their order, comes to the same.

use anteroom_protocol::{RoomId, SessionId, UserId};
use tokio::sync::oneshot;

use super::{ChatRow, Place, Receipt, RoomRow, Sealed, SessionRow, StoreError, UserRow};

/// One write.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Snapshot {
        now_ms: u64,
        room_id: RoomId,
        index: u64,
        row: RoomRow,
        snapshot: Sealed,
    },
    Turn {
        now_ms: u64,
        room_id: RoomId,
        index: u64,
        row: RoomRow,
        turn: Sealed,
    },
    Remove(Vec<RoomId>),
    Suspend {
        room_id: RoomId,
        why: String,
    },
    Keep(Vec<SessionRow>),
    Forget(Vec<SessionId>),
    Note(Vec<UserRow>),
    Say(Vec<ChatRow>),
    Prune {
        before_ms: u64,
    },
    Erase(UserId),
    Alive {
        now_ms: u64,
    },
    /// Nothing new: the medium is to be tidied up.
    Tidy,
}

impl Write {
    /// Whether the medium is tidied up behind it.
    pub(super) fn tidies(&self) -> bool {
        matches!(self, Self::Erase(_) | Self::Tidy)
    }

    /// When it was submitted, if it says so.
    pub(super) fn now_ms(&self) -> u64 {
        match self {
            Self::Snapshot { now_ms, .. } | Self::Turn { now_ms, .. } | Self::Alive { now_ms } => *now_ms,
            _ => 0,
        }
    }

    /// Which room cannot go on if this is never stored.
    pub(super) fn room_id(&self) -> Option<RoomId> {
        match self {
            Self::Snapshot { room_id, .. } | Self::Turn { room_id, .. } => Some(*room_id),
            _ => None,
        }
    }

    /// About how many bytes it has, by which the size of a transaction is bounded.
    pub(super) fn bytes(&self) -> usize {
        const ROW: usize = 256;
        match self {
            Self::Snapshot { row, snapshot: sealed, .. } | Self::Turn { row, turn: sealed, .. } => {
                ROW + row.entry.len() + sealed.stored().len()
            }
            Self::Keep(rows) => rows.iter().map(|row| ROW + row.session.stored().len()).sum(),
            Self::Note(rows) => ROW * rows.len(),
            Self::Remove(rooms) => ROW * rooms.len(),
            Self::Forget(sessions) => ROW * sessions.len(),
            Self::Say(rows) => rows.iter().map(|row| ROW + row.entry.text.len()).sum(),
            Self::Prune { .. } => ROW * super::PRUNED_MAX,
            Self::Suspend { .. } | Self::Erase(_) | Self::Alive { .. } | Self::Tidy => ROW,
        }
    }
}

/// A write on its way, with what it gives back and whom it tells when it is committed.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) write: Write,
    done: oneshot::Sender<Result<(), StoreError>>,
    place: Place,
}

impl Queued {
    pub(super) fn new(place: Place, write: Write) -> (Self, Receipt) {
        let (done, receipt) = Receipt::new();
        (Self { write, done, place }, receipt)
    }

    /// Says that it is committed, and gives its place back. Who waits may have gone.
    pub(super) fn committed(self) {
        self.ended(Ok(()));
    }

    /// Says how it ended, and gives its place back.
    pub(super) fn ended(self, how: Result<(), StoreError>) {
        let _ = self.done.send(how);
        drop(self.place);
    }
}

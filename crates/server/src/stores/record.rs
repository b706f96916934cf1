//! What is stored: rows that a store looks into, and sealed bytes that it does not.
//!
//! Sealed bytes are an envelope: a version, a kind, a length, a checksum, and what is in it. It is read strictly, so that half a
//! record, one of another kind, or one with something behind it is never taken for one.

use anteroom_protocol::message::chat::ChatEntry;
use anteroom_protocol::{RoomId, SessionId, UserId};

/// The largest record, in bytes, its envelope included.
pub const RECORD_BYTES_MAX: usize = (16 << 20) + HEAD_BYTES;

/// The version of the envelope.
const VERSION: u8 = 1;
/// Version, kind, length, checksum.
const HEAD_BYTES: usize = 1 + 1 + 4 + 8;

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A room between two turns.
    Snapshot = 1,
    /// One turn of a room.
    Turn = 2,
    /// A session.
    Session = 3,
}

/// Bytes in their envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// Why bytes are not the record that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// A newer program wrote it, perhaps.
    #[error("the record has version {0}; {VERSION} is known")]
    OtherVersion(u8),
    /// It is something else, or damaged.
    #[error("the record is damaged: {0}")]
    Damaged(&'static str),
}

impl Sealed {
    /// Seals bytes; `None` if there are too many.
    #[must_use]
    pub fn seal(kind: Kind, content: &[u8]) -> Option<Self> {
        let len = u32::try_from(content.len()).ok().filter(|_| content.len() + HEAD_BYTES <= RECORD_BYTES_MAX)?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + content.len());
        bytes.extend_from_slice(&[VERSION, kind as u8]);
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(&checksum(kind, content));
        bytes.extend_from_slice(content);
        Some(Self(bytes))
    }

    /// Bytes as they are stored.
    #[must_use]
    pub fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The same.
    #[must_use]
    pub fn stored(&self) -> &[u8] {
        &self.0
    }

    /// Whether these bytes are in it.
    pub(super) fn mentions(&self, bytes: &[u8]) -> bool {
        bytes.is_empty() || self.0.windows(bytes.len()).any(|window| window == bytes)
    }

    /// What is in the envelope.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn open(&self, kind: Kind) -> Result<&[u8], SealedError> {
        let damaged = SealedError::Damaged;
        if self.0.len() > RECORD_BYTES_MAX {
            return Err(damaged("it is too large"));
        }
        let (head, content) = self.0.split_at_checked(HEAD_BYTES).ok_or(damaged("it is too short"))?;
        if head[0] != VERSION {
            return Err(SealedError::OtherVersion(head[0]));
        }
        if head[1] != kind as u8 {
            return Err(damaged("it is one of another kind"));
        }
        if head[2..6] != u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes() {
            return Err(damaged("it has another length than it says"));
        }
        if head[6..] != checksum(kind, content) {
            return Err(damaged("its checksum is another"));
        }
        Ok(content)
    }
}

/// The first bytes of SHA-256: not against an attacker, who could write the store, but against half a page.
fn checksum(kind: Kind, content: &[u8]) -> [u8; 8] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(&[kind as u8]);
    context.update(content);
    let mut checksum = [0; 8];
    checksum.copy_from_slice(&context.finish().as_ref()[..8]);
    checksum
}

/// What is known of a room without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomRow {
    /// Whether it logs its turns. One that does not was stored when the server stopped, and is forgotten as soon as it is restored.
    pub durable: bool,
    /// How many members have a session: a room that has any is restored when the server starts, others when somebody wants in.
    pub members: u32,
    /// When something falls due in it, in milliseconds of time during which the server ran: Unix time without what `down_ms` was
    /// when it was written.
    pub due: Option<u64>,
    /// How long the server had been down by then, all times together, in milliseconds.
    pub down_ms: u64,
    /// What the lobby shows of it, as the lobby has it: JSON.
    pub entry: Vec<u8>,
}

/// A turn of a room, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its number among the room's turns.
    pub index: u64,
    /// What it was.
    pub turn: Sealed,
}

/// A room as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What is known without reading it.
    pub row: RoomRow,
    /// After which turn the snapshot was taken.
    pub index: u64,
    /// The snapshot.
    pub snapshot: Sealed,
    /// The turns since, in their order, without a hole.
    pub turns: Vec<Turn>,
    /// Why it could not be restored, if it was tried.
    pub suspended: Option<String>,
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// Which room.
    pub room_id: RoomId,
    /// What is known of it.
    pub row: RoomRow,
    /// Why it could not be restored, if it was tried.
    pub suspended: Option<String>,
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Which session.
    pub session_id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// How often it was restored; whoever opens the store raises it. A write says what it was when the store was opened.
    pub generation: u16,
    /// All else.
    pub session: Sealed,
}

/// A user as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Who.
    pub user_id: UserId,
    /// The name that others saw last.
    pub username: String,
    /// Whether nobody has vouched for them.
    pub is_guest: bool,
    /// When they were here last, in Unix milliseconds.
    pub seen_ms: u64,
}

/// Something that was said in a room, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRow {
    /// Where.
    pub room_id: RoomId,
    /// What, by whom, and when.
    pub entry: ChatEntry,
}

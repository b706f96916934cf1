//! The pieces of a recording: a kind, a length, what is in it, and a checksum that goes on from piece to piece, so that none can be
//! changed, moved or left out unnoticed. What is in them is not known here.

use std::io::{ErrorKind, Read};

use super::{FORMAT, MAGIC, ReplayError};
use crate::room::SNAPSHOT_BYTES_MAX;

/// Where checksums begin: FNV-1a's offset basis.
pub(super) const START: u64 = 0xcbf2_9ce4_8422_2325;
/// How large a piece may be.
const CHUNK_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + (1 << 20);
/// A kind, a length, and a checksum of the two.
const HEAD_BYTES: usize = 9;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Header = 1,
    Snapshot = 2,
    Turn = 3,
    End = 4,
}

/// FNV-1a from a sum on: no two inputs that differ in one byte have the same.
pub(super) fn sum(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The checksum of a piece's head, in four bytes: which of the two halves is told apart by nothing but the sum.
fn head_sum(before: u64, kind_and_len: &[u8]) -> [u8; 4] {
    let sum = sum(before, kind_and_len);
    u32::try_from((sum ^ sum >> 32) & u64::from(u32::MAX)).unwrap_or_default().to_le_bytes()
}

/// What a file begins with.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
}

/// Appends a piece.
pub(super) fn put(out: &mut Vec<u8>, running: &mut u64, kind: Kind, content: &[u8]) {
    let start = out.len();
    out.push(kind as u8);
    out.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    let head = head_sum(*running, &out[start..]);
    out.extend_from_slice(&head);
    *running = sum(sum(*running, &out[start..]), content);
    out.extend_from_slice(content);
    out.extend_from_slice(&running.to_le_bytes());
}

/// Reads pieces one after the other, and has one of them in memory.
pub(super) struct Chunks<R> {
    from: R,
    running: u64,
    content: Vec<u8>,
}

/// What was found.
pub(super) enum Found<'a> {
    Chunk(Kind, &'a [u8]),
    /// The file ends, at a piece's end or within one.
    Cut,
}

impl<R: Read> Chunks<R> {
    pub(super) fn open(mut from: R) -> Result<Self, ReplayError> {
        let mut magic = [0; MAGIC.len()];
        if !filled(&mut from, &mut magic)? || magic != *MAGIC {
            return Err(ReplayError::NotARecording);
        }
        let mut format = [0; 2];
        if !filled(&mut from, &mut format)? {
            return Err(ReplayError::TooShort);
        }
        match u16::from_le_bytes(format) {
            FORMAT => Ok(Self { from, running: START, content: Vec::new() }),
            other => Err(ReplayError::OtherFormat(other)),
        }
    }

    /// The next piece. `turn` is the last one that is whole, for who is told that what follows is not.
    pub(super) fn next(&mut self, turn: u64) -> Result<Found<'_>, ReplayError> {
        let damaged = |why: &str| ReplayError::Damaged { turn, why: why.to_owned() };
        let mut head = [0; HEAD_BYTES];
        if !filled(&mut self.from, &mut head)? {
            return Ok(Found::Cut);
        }
        let (kind_and_len, check) = head.split_at(5);
        if head_sum(self.running, kind_and_len) != check {
            return Err(damaged("a checksum is another"));
        }
        let kind = match head[0] {
            1 => Kind::Header,
            2 => Kind::Snapshot,
            3 => Kind::Turn,
            4 => Kind::End,
            _ => return Err(damaged("it has something in it that no recording has")),
        };
        let len = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if len > CHUNK_BYTES_MAX {
            return Err(damaged("it has something in it that is too large"));
        }
        self.content.clear();
        // No more memory than there are bytes, whatever the length says.
        let read = self.from.by_ref().take(len as u64).read_to_end(&mut self.content).map_err(unreadable)?;
        let mut check = [0; 8];
        if read < len || !filled(&mut self.from, &mut check)? {
            return Ok(Found::Cut);
        }
        self.running = sum(sum(self.running, &head), &self.content);
        if self.running.to_le_bytes() != check {
            return Err(damaged("a checksum is another"));
        }
        Ok(Found::Chunk(kind, &self.content))
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&mut self) -> Result<bool, ReplayError> {
        Ok(!filled(&mut self.from, &mut [0])?)
    }
}

/// Whether there were enough bytes.
fn filled(from: &mut impl Read, place: &mut [u8]) -> Result<bool, ReplayError> {
    match from.read_exact(place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(unreadable(error)),
    }
}

fn unreadable(error: std::io::Error) -> ReplayError {
    ReplayError::Unreadable(error.to_string())
}

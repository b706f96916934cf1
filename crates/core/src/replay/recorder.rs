//! Making a recording: the bytes of it, as the room goes on.

use anteroom_protocol::{UserId, binary, json};

use super::chunk::{self, Kind};
use super::{EndRecord, Header, TurnRecord};
use crate::room::{Log, Room, Secrets, Snapshot};

/// Up to which size a room's state is hashed with every turn, in bytes of its stored form.
const HASHED_BYTES_MAX: usize = 4 << 10;
/// Larger ones with each of so many.
const TURNS_PER_HASH: u64 = 32;

/// Why a recording ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The room is over, or goes on elsewhere.
    Closed,
    /// The game failed, in a turn in which this came in.
    Failed {
        /// What it said.
        why: String,
        /// What came in.
        log: Box<Log>,
    },
    /// The room goes on, and nobody records it any more.
    Cut(String),
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Recorder {
    out: Vec<u8>,
    running: u64,
    secrets: Secrets,
    turns: u64,
    bytes: u64,
    /// How large the room was when it was hashed last.
    state_bytes: usize,
    /// Whether states are hashed as the room goes on.
    hashes: bool,
    /// Whether what the room is like was hashed with the last turn.
    is_hashed: bool,
    is_public: bool,
}

impl Recorder {
    /// Begins a recording of a room with what it is like: between two turns, or before its first.
    #[must_use]
    pub fn begin(build: &str, snapshot: Snapshot) -> Self {
        let mut recorder = Self {
            out: Vec::new(),
            running: chunk::START,
            secrets: Secrets::default(),
            turns: 0,
            bytes: 0,
            state_bytes: 0,
            hashes: true,
            is_hashed: true,
            is_public: snapshot.is_public(),
        };
        chunk::begin(&mut recorder.out);
        recorder.bytes = recorder.out.len() as u64;
        let mut header = Vec::new();
        // What a room was made of has been JSON before.
        let _ = json::encode(&snapshot.header(build), &mut header);
        recorder.put(Kind::Header, &header);
        recorder.anew(snapshot);
        recorder
    }

    /// Hashes what the room is like at the end alone.
    #[must_use]
    pub fn without_hashes(self) -> Self {
        Self { hashes: false, ..self }
    }

    /// The room is now like this, whatever it was before: its time was put off, or somebody was erased.
    pub fn anew(&mut self, snapshot: Snapshot) {
        self.is_public &= snapshot.is_public();
        let mut bytes = Vec::new();
        if snapshot.without_secrets(&mut self.secrets).encode(&mut bytes).is_ok() {
            self.state_bytes = bytes.len();
            self.is_hashed = true;
            self.put(Kind::Snapshot, &bytes);
        }
    }

    /// A turn has ended, which must follow on what was recorded before. One in which somebody was erased is not recorded, only what
    /// it has led to.
    pub fn turn(&mut self, log: &Log, room: &Room) {
        if log.erases() {
            if let Ok(snapshot) = room.snapshot() {
                self.anew(snapshot);
            }
            return;
        }
        self.turns += 1;
        self.is_public &= room.is_public();
        let is_due = self.state_bytes <= HASHED_BYTES_MAX || self.turns.is_multiple_of(TURNS_PER_HASH);
        let state = if self.hashes && is_due { self.hash(room) } else { None };
        self.is_hashed = state.is_some();
        let log = log.without_secrets(&mut self.secrets);
        self.record(&TurnRecord { log, state });
    }

    /// The same without a look at the room: a turn that was stored before.
    pub fn stored_turn(&mut self, log: &Log) {
        self.turns += 1;
        self.is_hashed = false;
        let log = log.without_secrets(&mut self.secrets);
        self.record(&TurnRecord { log, state: None });
    }

    fn record(&mut self, turn: &TurnRecord) {
        let mut bytes = Vec::new();
        // What came in has come in some encoding.
        let _ = binary::encode(turn, &mut bytes);
        self.put(Kind::Turn, &bytes);
    }

    fn hash(&mut self, room: &Room) -> Option<u64> {
        let mut bytes = Vec::new();
        // A room that is over has none.
        let snapshot = room.snapshot().ok()?.without_secrets(&mut self.secrets);
        snapshot.encode_but_for_time(&mut bytes).ok()?;
        self.state_bytes = bytes.len();
        Some(chunk::sum(chunk::START, &bytes))
    }

    /// Ends it. A hash of what the room is like comes first, if it is there still and was not hashed with its last turn.
    pub fn end(&mut self, ending: Ending, room: Option<&Room>) {
        if let Some(state) = room.filter(|_| !self.is_hashed).and_then(|room| self.hash(room)) {
            self.record(&TurnRecord { log: Log::default(), state: Some(state) });
        }
        let (ended, why, log) = match ending {
            Ending::Closed => (0, String::new(), None),
            Ending::Failed { why, log } => (1, why, Some(log.without_secrets(&mut self.secrets))),
            Ending::Cut(why) => (2, why, None),
        };
        let mut bytes = Vec::new();
        let _ = binary::encode(&EndRecord { ended, why, log }, &mut bytes);
        self.put(Kind::End, &bytes);
    }

    fn put(&mut self, kind: Kind, content: &[u8]) {
        let before = self.out.len();
        chunk::put(&mut self.out, &mut self.running, kind, content);
        self.bytes += (self.out.len() - before) as u64;
    }

    /// The bytes that have come since this was last asked.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// What was made and not taken yet.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.out
    }

    /// How large the recording is by now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many turns are in it.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Whether everybody could find the room and come in, from the beginning of the recording until now.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.is_public
    }
}

/// Whether a recording has anything of a user in it: their id, as it stands in what is stored and in what was said, whole or damaged.
#[must_use]
pub fn mentions(recording: &[u8], user_id: &UserId) -> bool {
    let id = user_id.as_str();
    // A string in JSON, and one behind its length.
    let in_text = serde_json::to_string(id).unwrap_or_default().into_bytes();
    let in_binary: Vec<u8> = u8::try_from(id.len()).into_iter().chain(id.bytes()).collect();
    let has = |text: &[u8]| recording.windows(text.len()).any(|window| window == text);
    has(&in_text) || has(&in_binary)
}

impl Header {
    /// Reads it from the beginning of a recording.
    ///
    /// # Errors
    /// [`ReplayError`](super::ReplayError).
    pub fn read(from: impl std::io::Read) -> Result<Self, super::ReplayError> {
        super::player::header(&mut chunk::Chunks::open(from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_state_is_that_of_its_bytes() {
        // The published test vector of FNV-1a: a recording is read by other programs than the one that made it.
        assert_eq!(chunk::sum(chunk::START, b"foobar"), 0x8594_4171_f739_67e8);
    }
}

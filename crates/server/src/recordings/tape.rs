//! The recording of one room, as its task has it: turns go in, pieces of a file go to the thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anteroom_core::replay::{Ending, Recorder};
use anteroom_core::room::{Log, Room, Snapshot};

use super::Recordings;
use super::writer::{BROKEN, ERASED, Handle, Job, OPEN};

/// How much of one recording may wait to be written, in bytes: beyond it the disk is too slow.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// Numbers files, in all servers of a process.
static FILES: AtomicU64 = AtomicU64::new(0);

/// See the module.
#[derive(Debug)]
pub(crate) struct Tape {
    recordings: Arc<Recordings>,
    recorder: Recorder,
    file: Arc<Handle>,
    /// Whether its end is on its way.
    has_ended: bool,
}

impl Tape {
    /// Begins a recording with what a room is like.
    pub(crate) fn begin(recordings: Arc<Recordings>, build: &str, snapshot: Snapshot) -> Self {
        let header = snapshot.header(build);
        let file = Arc::new(Handle {
            id: FILES.fetch_add(1, Ordering::Relaxed),
            created_at_ms: header.created_at_ms,
            game: header.game,
            room_id: header.room_id,
            waiting: Default::default(),
            state: Default::default(),
        });
        let mut tape = Self { recordings, recorder: Recorder::begin(build, snapshot), file, has_ended: false };
        tape.write();
        tape
    }

    /// A turn has ended.
    pub(crate) fn turn(&mut self, log: &Log, room: &Room) {
        if self.is_open() {
            self.recorder.turn(log, room);
            if self.recorder.bytes() >= self.recordings.bytes_max() {
                tracing::warn!(room_id = %self.file.room_id, "the recording of a room ends: it is as large as it may be");
                return self.stop(Ending::Cut("It was as large as it may be.".into()), Some(room));
            }
            self.write();
        }
    }

    /// A turn that is stored.
    pub(crate) fn stored_turn(&mut self, log: &Log) {
        self.recorder.stored_turn(log);
    }

    /// The room is another now than the turns have made it.
    pub(crate) fn anew(&mut self, snapshot: Snapshot) {
        if self.is_open() {
            self.recorder.anew(snapshot);
            self.write();
        }
    }

    /// Ends it.
    pub(crate) fn end(mut self, ending: Ending, room: Option<&Room>) {
        if self.is_open() {
            self.stop(ending, room);
        }
    }

    fn stop(&mut self, ending: Ending, room: Option<&Room>) {
        self.recorder.end(ending, room);
        self.write();
        self.has_ended = true;
    }

    /// Whether the file was deleted so that somebody is forgotten: then there is to be another.
    pub(crate) fn is_erased(&self) -> bool {
        self.file.state.load(Ordering::Relaxed) == ERASED
    }

    fn is_open(&self) -> bool {
        !self.has_ended && self.file.state.load(Ordering::Relaxed) == OPEN
    }

    fn write(&mut self) {
        let (file, bytes) = (self.file.clone(), self.recorder.take());
        let waits = file.waiting.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        let is_public = self.recorder.is_public();
        if waits > WAITING_BYTES_MAX || !self.recordings.post(Job::Write { file, bytes, is_public }) {
            tracing::warn!(room_id = %self.file.room_id, "the recording of a room ends: the disk does not keep up");
            self.file.state.store(BROKEN, Ordering::Relaxed);
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        // If it is not taken the file stays open until the server ends.
        self.recordings.post(Job::Close(self.file.clone()));
    }
}

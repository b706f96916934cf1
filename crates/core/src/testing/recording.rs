//! What has happened at a table, as a recording: asked for, or left behind by a test that panics.

use std::path::PathBuf;

use super::Table;
use crate::game::Game;
use crate::replay::{Ending, Recorder};

impl<G: Game> Table<G> {
    /// What has happened until now, as a recording that [`Player`](crate::replay::Player) and `anteroom replay` play.
    ///
    /// # Panics
    /// If the game has no snapshot.
    #[must_use]
    pub fn recording(&self) -> Vec<u8> {
        let mut recorder = self.recorder.clone();
        recorder.end(Ending::Cut("The test has gone on.".into()), Some(&self.room));
        recorder.take()
    }
}

/// A panic while the table is there leaves a recording, and says where.
impl<G: Game> Drop for Table<G> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            match self.leave_recording() {
                Ok(path) => {
                    let path = path.display();
                    eprintln!(
                        "What happened at the table of {} is in {path}; see it with\n  anteroom replay {path}",
                        G::KIND
                    );
                }
                Err(error) => eprintln!("What happened at the table of {} is not kept: {error}", G::KIND),
            }
        }
    }
}

impl<G: Game> Table<G> {
    fn leave_recording(&mut self) -> std::io::Result<PathBuf> {
        // What came in when the game failed; nothing if the test did.
        let ending = match self.flush.log.is_empty() {
            true => Ending::Cut("The test panicked here.".into()),
            false => Ending::Failed { why: "See the test.".into(), log: Box::new(std::mem::take(&mut self.flush.log)) },
        };
        self.recorder.end(ending, None);
        let folder = std::env::temp_dir().join("anteroom-recordings");
        std::fs::create_dir_all(&folder)?;
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("test");
        let test: String = test.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(120).collect();
        let path = folder.join(format!("{}-{test}.rec", G::KIND));
        std::fs::write(&path, self.recorder.take())?;
        Ok(path)
    }
}

/// The recorder of a table at which nothing has happened yet.
pub(super) fn begin<G: Game>(room: &crate::Room) -> Recorder {
    let snapshot = room.snapshot_at_birth().unwrap_or_else(|error| panic!("{} has no snapshot: {error}", G::KIND));
    // What a test has to wait for is the game.
    Recorder::begin("a test", snapshot).without_hashes()
}

//! The section `recordings`: where recordings of rooms are, how much of them is kept, and who may see them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Problems;

/// Recordings of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingsSection {
    /// The folder that they are in; `recordings` in that of the store without. Without either nothing is recorded.
    pub folder: Option<PathBuf>,
    /// The games of which every room is recorded. Of others those are for which it is asked.
    pub games: Vec<String>,
    /// How large one may become, in bytes. What happens beyond that is not in it.
    pub bytes_max: u64,
    /// How many there are. The oldest make space.
    pub files_max: usize,
    /// Whether everybody may see those of rooms that were public and are over, at `/api/recordings`.
    pub public: bool,
}

impl Default for RecordingsSection {
    fn default() -> Self {
        Self { folder: None, games: Vec::new(), bytes_max: 64 << 20, files_max: 1000, public: false }
    }
}

/// The smallest bound of a recording that has any use.
const BYTES_LEAST: u64 = 64 << 10;
/// The largest: one is read whole when a user is erased.
const BYTES_MOST: u64 = 1 << 30;

impl RecordingsSection {
    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.folder.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            problems.add("recordings.folder", "must name a folder");
        }
        if !(BYTES_LEAST..=BYTES_MOST).contains(&self.bytes_max) {
            problems.add("recordings.bytes_max", &*format!("must be {BYTES_LEAST} to {BYTES_MOST}"));
        }
        if !(1..=100_000).contains(&self.files_max) {
            problems.add("recordings.files_max", "must be 1 to 100000");
        }
    }
}

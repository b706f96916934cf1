//! Why a store cannot be opened: a sentence with the next step.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// A log that is left beside a database is applied to it, whichever database that is.
const ANEW: &str = "move its whole folder away, and put a backup into an empty one, with the old resume.key";

/// The store cannot be opened. Each is one sentence with the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Somebody else has it.
    #[error("another process has the store in {}; stop it, or choose another folder for this one", .0.display())]
    InUse(PathBuf),
    /// The operating system does not allow it.
    #[error("there is no permission to use {}; let its owner run the server, or choose another folder", .0.display())]
    Denied(PathBuf),
    /// It can be read, but not written.
    #[error("{} is read-only; make it writable, or choose another folder", .0.display())]
    ReadOnly(PathBuf),
    /// There is no space left.
    #[error("the disk of {} is full; free some space, or choose a folder on another one", .0.display())]
    Full(PathBuf),
    /// It is something else.
    #[error("{} is not a database; {ANEW}", .0.display())]
    NotADatabase(PathBuf),
    /// It is a database, but not one of ours.
    #[error("{} belongs to another program; choose another folder", .0.display())]
    OtherProgram(PathBuf),
    /// A newer program has written it.
    #[error(
        "{} has version {version}, and this program knows versions up to {known}; use the newer program that wrote it, \
         or choose another folder", path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        version: usize,
        /// The newest that is known.
        known: usize,
    },
    /// It ends too early, or what is in it cannot be.
    #[error("{} is damaged ({why}); {ANEW}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// Another program keeps it locked.
    #[error("another program has {} locked; close it there", .0.display())]
    Locked(PathBuf),
    /// There is none.
    #[error("there is no store at {}; name the folder of one", .0.display())]
    Missing(PathBuf),
    /// What was to be made is there.
    #[error("{} is there already; name a file that is not", .0.display())]
    Exists(PathBuf),
    /// Something else.
    #[error("{} cannot be used: {why}; check the path and its disk", path.display())]
    Failed {
        /// What was to be opened.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        let at = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied(at),
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(at),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(at),
            _ => Self::Failed { path: at, why: error.to_string() },
        }
    }

    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let at = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(at),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path: at, why: error.to_string() },
            Some(ErrorCode::DiskFull) => Self::Full(at),
            Some(ErrorCode::ReadOnly) => Self::ReadOnly(at),
            Some(ErrorCode::PermissionDenied) => Self::Denied(at),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(at),
            _ => Self::Failed { path: at, why: error.to_string() },
        }
    }
}

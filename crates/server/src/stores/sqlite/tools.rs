//! What can be done to a store that no server has open. Each takes the store for as long as it works.
//!
//! None of them counts as a boot, and none brings an older store to today's version.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::folder::{Folder, Role, private};
use super::open_error::OpenError;
use super::opening;
use super::report::{Report, report};
use crate::random;

/// Reads everything in the store of a folder, and says what is wrong with it.
///
/// # Errors
/// [`OpenError`] if it cannot be opened, or not be read to its end.
pub fn check(folder: &Path) -> Result<Report, OpenError> {
    let (folder, _lock, mut connection) = open(folder, Role::Reader)?;
    report(&mut connection).map_err(|error| OpenError::sqlite(folder.database(), &error))
}

/// Copies the store of a folder into a new file, which is a store when it is named `anteroom.db` in a folder of its own.
///
/// # Errors
/// [`OpenError`] if it cannot be opened, or the copy not be written.
pub fn backup(folder: &Path, to: &Path) -> Result<(), OpenError> {
    let (_, _lock, connection) = open(folder, Role::Reader)?;
    copy(&connection, to)
}

/// Writes the store of a folder anew, so that its file is as small as can be and nothing is in it that was deleted.
///
/// # Errors
/// [`OpenError`] if it cannot be opened or written.
pub fn vacuum(folder: &Path) -> Result<(), OpenError> {
    let (folder, _lock, connection) = open(folder, Role::Writer)?;
    let vacuum = connection.execute_batch("VACUUM").and_then(|()| opening::checkpoint(&connection));
    vacuum.map(drop).map_err(|error| OpenError::sqlite(folder.database(), &error))
}

fn open(folder: &Path, role: Role) -> Result<(Folder, File, Connection), OpenError> {
    let folder = Folder::new(folder);
    if !folder.has_database() {
        return Err(OpenError::Missing(folder.database().to_owned()));
    }
    let lock = folder.lock()?;
    let connection = folder.connect(role).map_err(|error| OpenError::sqlite(folder.database(), &error))?;
    match opening::version(&folder, &connection)? {
        0 => Err(OpenError::Missing(folder.database().to_owned())),
        _ => Ok((folder, lock, connection)),
    }
}

/// Copies what is committed now, whoever writes meanwhile. The file has its name only when it is whole and on the disk.
pub(super) fn copy(connection: &Connection, to: &Path) -> Result<(), OpenError> {
    if to.exists() {
        return Err(OpenError::Exists(to.to_owned()));
    }
    // A name that nobody can have put something under: a file of somebody else, or a link.
    let mut part = OsString::from(to);
    part.push(format!(".{:016x}.part", u64::from_le_bytes(random::bytes())));
    let part = PathBuf::from(part);
    let file = private().create_new(true).open(&part).map_err(|error| OpenError::io(&part, &error))?;
    let copied = copy_into(connection, &part, &file).and_then(|()| name(&part, to));
    // It has two names now, or none that counts.
    let _ = fs::remove_file(&part);
    copied
}

/// Gives a file its name, which nothing else may have.
fn name(part: &Path, to: &Path) -> Result<(), OpenError> {
    let named = fs::hard_link(part, to).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        // There are file systems without links. The name is taken first, so that nobody else's file is replaced.
        _ => private().create_new(true).open(to).and_then(|_| fs::rename(part, to)),
    });
    named.and_then(|()| sync_folder(to)).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => OpenError::Exists(to.to_owned()),
        _ => OpenError::io(to, &error),
    })
}

fn copy_into(connection: &Connection, part: &Path, file: &File) -> Result<(), OpenError> {
    let failed = |error| OpenError::io(part, &error);
    // SQLite fills a file that is there, if it is empty.
    let Some(name) = part.to_str() else {
        return Err(OpenError::Failed { path: part.to_owned(), why: "its name is not UTF-8".into() });
    };
    // A reader's connection takes this for a write, though it changes nothing that is stored.
    let copied = connection
        .pragma_update(None, "query_only", false)
        .and_then(|()| connection.execute("VACUUM INTO ?1", [name]))
        .and_then(|_| connection.pragma_update(None, "query_only", true));
    copied.map_err(|error| OpenError::sqlite(part, &error))?;
    file.sync_all().map_err(failed)
}

/// A name is on the disk when its folder is.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

//! Opening: whose file it is, its version, and what is said when it cannot be used.

use std::fs;
use std::io;

use super::*;
use crate::stores::conformance::{Script, WALL_MS, texts};
use crate::stores::sqlite::migrations;

/// What is said when the store in a folder is opened.
fn refused(scratch: &Scratch) -> String {
    Sqlite::open(scratch.path(), WALL_MS).map(drop).unwrap_err().to_string()
}

/// A store with some rooms, whose server has stopped.
async fn filled() -> Scratch {
    let scratch = Scratch::new();
    let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
    let mut script = Script::new(&store);
    for n in 1..200 {
        script.snapshot(n, 1, &"text ".repeat(300)).await;
    }
    script.committed().await;
    store.close().await;
    scratch
}

#[test]
fn only_one_process_has_a_store() {
    let scratch = Scratch::new();
    let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
    let folder = scratch.path().display();
    let sentence = format!("another process has the store in {folder}; stop it, or choose another folder for this one");
    assert_eq!(refused(&scratch), sentence);
    assert_eq!(check(scratch.path()).unwrap_err().to_string(), sentence);
    // Who was refused has changed nothing, not even the count of boots.
    drop(store);
    assert_eq!(Sqlite::open(scratch.path(), WALL_MS).unwrap().boot().number, 2);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let _store = Sqlite::open(&scratch.path().join("in/it"), WALL_MS).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scratch.path().join("in/it")), 0o700);
    let mut files: Vec<_> = fs::read_dir(scratch.path().join("in/it")).unwrap().map(|file| file.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let names: Vec<_> = files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["anteroom.db", "anteroom.db-shm", "anteroom.db-wal", "anteroom.lock"]);
    assert!(files.iter().all(|file| mode(&file.path()) == 0o600));
}

#[tokio::test]
async fn what_is_not_a_store_of_ours_is_refused_and_left_as_it_is() {
    let database = |scratch: &Scratch| scratch.database().display().to_string();
    let scratch = Scratch::new();
    fs::create_dir(scratch.path()).unwrap();
    fs::write(scratch.database(), "a letter, and not a short one. ".repeat(100)).unwrap();
    let sentence =
        "is not a database; move its whole folder away, and put a backup into an empty one, with the old resume.key";
    assert_eq!(refused(&scratch), format!("{} {sentence}", database(&scratch)));
    assert!(fs::read(scratch.database()).unwrap().starts_with(b"a letter, and"));

    for statement in ["CREATE TABLE another (program)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"] {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path()).unwrap();
        scratch.connect().execute_batch(statement).unwrap();
        let before = fs::read(scratch.database()).unwrap();
        let sentence = "belongs to another program; choose another folder";
        assert_eq!(refused(&scratch), format!("{} {sentence}", database(&scratch)), "{statement}");
        assert_eq!(fs::read(scratch.database()).unwrap(), before);
    }

    let scratch = filled().await;
    scratch.connect().pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(
        refused(&scratch),
        format!(
            "{} has version 99, and this program knows versions up to {}; use the newer program that wrote it, or choose \
             another folder",
            database(&scratch),
            migrations::VERSION
        )
    );
}

#[tokio::test]
async fn half_a_file_is_refused() {
    let scratch = filled().await;
    let whole = fs::read(scratch.database()).unwrap();
    assert!(whole.len() > 100_000);
    for length in [whole.len() / 2, whole.len() - 4096, 4096, 1000, 100, 1] {
        fs::write(scratch.database(), &whole[..length]).unwrap();
        let said = refused(&scratch);
        let is_said = said.contains("is damaged (") || said.contains("is not a database");
        assert!(is_said && said.contains("put a backup into an empty one"), "{length}: {said}");
    }
    fs::write(scratch.database(), whole).unwrap();
    assert_eq!(Sqlite::open(scratch.path(), WALL_MS).unwrap().boot().number, 2);
}

#[test]
fn each_failure_of_the_medium_is_a_sentence_with_the_next_step() {
    let path = Path::new("data");
    for (kind, sentence) in [
        (
            io::ErrorKind::PermissionDenied,
            "there is no permission to use data; let its owner run the server, or choose another folder",
        ),
        (io::ErrorKind::ReadOnlyFilesystem, "data is read-only; make it writable, or choose another folder"),
        (io::ErrorKind::StorageFull, "the disk of data is full; free some space, or choose a folder on another one"),
        (io::ErrorKind::NotADirectory, "data cannot be used: not a directory; check the path and its disk"),
    ] {
        assert_eq!(OpenError::io(path, &kind.into()).to_string(), sentence);
    }
    for (code, sentence) in [
        (rusqlite::ffi::SQLITE_READONLY, "data is read-only; make it writable, or choose another folder"),
        (rusqlite::ffi::SQLITE_FULL, "the disk of data is full; free some space, or choose a folder on another one"),
        (rusqlite::ffi::SQLITE_BUSY, "another program has data locked; close it there"),
        (
            rusqlite::ffi::SQLITE_PERM,
            "there is no permission to use data; let its owner run the server, or choose another folder",
        ),
    ] {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        assert_eq!(OpenError::sqlite(path, &error).to_string(), sentence);
    }
    // A file where the folder should be.
    let scratch = Scratch::new();
    fs::write(scratch.path(), "").unwrap();
    let said = refused(&scratch);
    fs::remove_file(scratch.path()).unwrap();
    assert_eq!(
        said,
        format!("{} cannot be used: File exists (os error 17); check the path and its disk", scratch.path().display())
    );
}

#[tokio::test]
async fn a_store_of_any_earlier_version_becomes_todays() {
    for version in 0..=migrations::VERSION {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path()).unwrap();
        migrations::migrate(&mut scratch.connect(), 0, version).unwrap();
        let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
        let mut script = Script::new(&store);
        script.snapshot(1, 1, "one").await;
        script.turn(1, 2, "two").await;
        script.committed().await;
        assert_eq!(texts(&store, 1).await.unwrap().len(), 2);
        drop(store);
        let form = migrations::form(&scratch.connect()).unwrap();
        assert_eq!(form, migrations::Form::Ours(migrations::VERSION));
    }
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path()).unwrap();
    // The last table of the first step is there already.
    scratch.connect().execute_batch("PRAGMA application_id = 0x416e7465; CREATE TABLE users (user_id)").unwrap();
    assert!(migrations::migrate(&mut scratch.connect(), 0, 1).is_err());
    let tables: i64 = scratch.connect().query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn commits_are_on_the_disk_and_what_is_deleted_is_overwritten() {
    let scratch = Scratch::new();
    drop(Sqlite::open(scratch.path(), WALL_MS).unwrap());
    for role in [Role::Writer, Role::Reader, Role::Checkpointer] {
        let connection = Folder::new(scratch.path()).connect(role).unwrap();
        let pragma = |name: &str| -> i64 { connection.pragma_query_value(None, name, |row| row.get(0)).unwrap() };
        // FULL.
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("secure_delete"), 1);
        assert_eq!(pragma("wal_autocheckpoint"), 0);
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        assert_eq!(connection.execute("DELETE FROM rooms", []).is_err(), role == Role::Reader);
    }
}

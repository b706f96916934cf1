//! The thread that writes recordings. It alone makes, renames and deletes files, so nothing is done to one that is being written.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use anteroom_protocol::{RoomId, UserId};
use tokio::sync::oneshot;

use super::folder;

/// How many recordings there are of one room at most.
const PARTS_MAX: u32 = 10_000;

/// A file as the room knows it whose recording it is.
#[derive(Debug)]
pub(super) struct Handle {
    /// Numbers them, for the thread.
    pub(super) id: u64,
    pub(super) created_at_ms: u64,
    pub(super) game: String,
    pub(super) room_id: RoomId,
    /// How much of it waits to be written, in bytes.
    pub(super) waiting: AtomicUsize,
    pub(super) state: AtomicU8,
}

/// It is being written.
pub(super) const OPEN: u8 = 0;
/// It cannot be written any more.
pub(super) const BROKEN: u8 = 1;
/// It was deleted, since somebody was to be forgotten.
pub(super) const ERASED: u8 = 2;

/// What the thread is to do.
#[derive(Debug)]
pub(super) enum Job {
    Write {
        file: Arc<Handle>,
        bytes: Vec<u8>,
        is_public: bool,
    },
    Close(Arc<Handle>),
    /// Deletes those of a user that are being written. Of the others there may be many, and this thread is waited for.
    Erase(UserId, oneshot::Sender<Result<usize, String>>),
    /// Says what is being written.
    Running(oneshot::Sender<Vec<String>>),
    /// Says when it has come to this.
    Tell(oneshot::Sender<()>),
}

pub(super) struct Writer {
    folder: PathBuf,
    files_max: usize,
    open: BTreeMap<u64, Open>,
}

struct Open {
    handle: Arc<Handle>,
    file: File,
    name: String,
}

impl Writer {
    pub(super) fn new(folder: PathBuf, files_max: usize) -> Self {
        Self { folder, files_max, open: BTreeMap::new() }
    }

    /// Works until nobody is left who asks.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Write { file, bytes, is_public } => {
                    file.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
                    if file.state.load(Ordering::Relaxed) != OPEN {
                        continue;
                    }
                    if let Err(error) = self.write(&file, &bytes, is_public) {
                        let (room_id, folder) = (file.room_id, self.folder.display());
                        tracing::warn!(%room_id, %folder, %error, "the recording of a room ends: it cannot be written");
                        file.state.store(BROKEN, Ordering::Relaxed);
                        self.open.remove(&file.id);
                    }
                }
                Job::Close(file) => drop(self.open.remove(&file.id)),
                // Whoever asked may have gone.
                Job::Erase(user_id, done) => drop(done.send(self.erase(&user_id))),
                Job::Running(done) => drop(done.send(self.open.values().map(|open| open.name.clone()).collect())),
                Job::Tell(done) => drop(done.send(())),
            }
        }
    }

    fn write(&mut self, handle: &Arc<Handle>, bytes: &[u8], is_public: bool) -> io::Result<()> {
        if !self.open.contains_key(&handle.id) {
            let open = self.make(handle, is_public)?;
            self.open.insert(handle.id, open);
        }
        let Some(open) = self.open.get_mut(&handle.id) else { return Ok(()) };
        if !is_public && !folder::is_private(&open.name) {
            // First, so that nothing of a private room ever is in a file that is shown.
            let name = folder::private(&open.name);
            fs::rename(self.folder.join(&open.name), self.folder.join(&name))?;
            open.name = name;
        }
        open.file.write_all(bytes)
    }

    fn make(&self, handle: &Arc<Handle>, is_public: bool) -> io::Result<Open> {
        self.make_folder()?;
        self.make_space()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        for part in 1..=PARTS_MAX {
            let named = |is_public| folder::name(handle.created_at_ms, &handle.game, handle.room_id, part, is_public);
            if self.folder.join(named(!is_public)).exists() {
                continue;
            }
            let name = named(is_public);
            match options.open(self.folder.join(&name)) {
                Ok(file) => {
                    tracing::info!(room_id = %handle.room_id, name, "a room is recorded");
                    return Ok(Open { handle: handle.clone(), file, name });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("there are too many recordings of the room"))
    }

    fn make_folder(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }

    /// Deletes the oldest that are not being written, where there are as many as may be.
    fn make_space(&self) -> io::Result<()> {
        let names = folder::names(&self.folder)?;
        let mut space = (names.len() + 1).saturating_sub(self.files_max);
        for name in names {
            if space == 0 {
                break;
            }
            if self.open.values().all(|open| open.name != name) {
                fs::remove_file(self.folder.join(&name))?;
                space -= 1;
            }
        }
        if space > 0 { Err(io::Error::other("as many rooms are recorded as may be")) } else { Ok(()) }
    }

    fn erase(&mut self, user_id: &UserId) -> Result<usize, String> {
        let names: Vec<String> = self.open.values().map(|open| open.name.clone()).collect();
        let erased = folder::erase_of(&self.folder, names, user_id);
        if let Ok(names) = &erased {
            self.open.retain(|_, open| {
                let is_erased = names.contains(&open.name);
                if is_erased {
                    open.handle.state.store(ERASED, Ordering::Relaxed);
                }
                !is_erased
            });
        }
        erased.map(|names| names.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn handle(id: u64) -> Arc<Handle> {
        let (created_at_ms, game, room_id) = (5, "dice".to_owned(), RoomId::from_bits(9));
        Arc::new(Handle { id, created_at_ms, game, room_id, waiting: AtomicUsize::new(0), state: AtomicU8::new(OPEN) })
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("anteroom-writer-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        folder
    }

    fn write(file: &Arc<Handle>, bytes: &[u8]) -> Job {
        file.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        Job::Write { file: file.clone(), bytes: bytes.to_vec(), is_public: true }
    }

    fn run(writer: Writer, jobs: Vec<Job>) {
        let (sender, receiver) = sync_channel(jobs.len());
        jobs.into_iter().for_each(|job| sender.send(job).unwrap());
        drop(sender);
        writer.run(&receiver);
    }

    /// What is on a full disk already stays, and others are written on.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_ends_one_recording_and_is_said_to_its_room() {
        let folder = folder("full");
        let mut writer = Writer::new(folder.clone(), 10);
        let (full, fine) = (handle(1), handle(2));
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        writer.open.insert(1, Open { handle: full.clone(), file, name: "1-dice-a.rec".into() });
        let jobs = [write(&full, b"first"), write(&fine, b"one, "), write(&full, b"second"), write(&fine, b"two")];
        run(writer, jobs.into());
        let state = |handle: &Handle| (handle.state.load(Ordering::Relaxed), handle.waiting.load(Ordering::Relaxed));
        assert_eq!((state(&full), state(&fine)), ((BROKEN, 0), (OPEN, 0)));
        let names = folder::names(&folder).unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(fs::read(folder.join(&names[0])).unwrap(), b"one, two");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_room_that_is_recorded_again_has_another_file() {
        let folder = folder("parts");
        let files: Vec<_> = (0..3).map(handle).collect();
        run(Writer::new(folder.clone(), 10), files.iter().map(|file| write(file, b"x")).collect());
        let room_id = RoomId::from_bits(9);
        let names = ["", "-2", "-3"].map(|part| format!("0000000000005-dice-{room_id}{part}.rec"));
        assert_eq!(folder::names(&folder).unwrap(), names);
        // Whoever begins anew with the same folder goes on behind them.
        run(Writer::new(folder.clone(), 10), vec![write(&handle(9), b"y")]);
        assert_eq!(folder::names(&folder).unwrap().len(), 4);
        fs::remove_dir_all(folder).unwrap();
    }

    /// What is being written is no space for others.
    #[test]
    fn files_that_are_written_do_not_make_space() {
        let folder = folder("space");
        let files: Vec<_> = (0..4).map(handle).collect();
        let mut jobs: Vec<_> = files[..3].iter().map(|file| write(file, b"x")).collect();
        run(Writer::new(folder.clone(), 2), std::mem::take(&mut jobs));
        assert_eq!(files[2].state.load(Ordering::Relaxed), BROKEN);
        // When one is over there is space.
        run(
            Writer::new(folder.clone(), 2),
            vec![
                write(&files[3], b"x"),
                Job::Close(files[3].clone()),
                write(&handle(7), b"x"),
                write(&handle(8), b"x"),
            ],
        );
        assert_eq!(folder::names(&folder).unwrap().len(), 2);
        fs::remove_dir_all(folder).unwrap();
    }
}

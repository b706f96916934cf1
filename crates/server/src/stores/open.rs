//! The store that is configured, opened: where the medium is chosen, and nowhere else.
//!
//! A server that players rely on starts with the store that was asked for, or not at all. A development server goes on without one
//! where somebody else has the folder or it cannot be written, and says so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{OpenError, Sqlite, Store, StoreKind, StoreSection, key};
use crate::error::StartError;
use crate::mode::Mode;

/// What is said of a server's data where there is none.
const NOTHING: &str = "nothing is kept (memory)";

/// What a server keeps, and where.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Where rooms and sessions are kept; nothing if they are not.
    pub(crate) store: Option<Arc<dyn Store>>,
    /// What signs resume tokens.
    pub(crate) resume_key: Vec<u8>,
    /// The same with what only a database can do, and the folder that it is in.
    pub(crate) database: Option<(Arc<Sqlite>, PathBuf)>,
    /// Where the data is, for whoever has started the server.
    pub(crate) remark: String,
}

impl Opened {
    /// What an embedder brings.
    pub(crate) fn given(store: Option<Arc<dyn Store>>, resume_key: Vec<u8>) -> Self {
        let lasts = store.as_ref().is_some_and(|store| store.lasts());
        let remark = if lasts { "in a store of its own (kept across restarts)" } else { NOTHING };
        Self { store, resume_key, database: None, remark: remark.into() }
    }
}

/// Opens what is configured, at this time in Unix milliseconds, and logs where everything is kept.
///
/// # Errors
/// [`StartError::Store`], or [`StartError::Config`] for a key that is configured.
pub(crate) fn open(section: &StoreSection, mode: Mode, wall_ms: u64) -> Result<Opened, StartError> {
    let (StoreKind::Sqlite, Some(path)) = (section.kind, &section.path) else {
        tracing::info!("nothing is kept: rooms and sessions end with the server");
        return Ok(Opened::given(None, section.resume_key_or_random()?));
    };
    let opened =
        if mode.is_development() { open_in_development(path, wall_ms) } else { open_in_production(path, wall_ms) };
    let sqlite = match opened {
        Ok(sqlite) => Arc::new(sqlite),
        Err(NotOpened::Away(why)) => {
            tracing::warn!(folder = %path.display(), why, "nothing is kept: rooms and sessions end with the server");
            let remark = format!("{NOTHING}: {why}");
            return Ok(Opened { remark, ..Opened::given(None, section.resume_key_or_random()?) });
        }
        Err(NotOpened::Refused(why)) => return Err(StartError::Store(why)),
    };
    let made = || key::read_or_make(path).map_err(|error| StartError::Store(error.to_string()));
    let resume_key = section.resume_key()?.map_or_else(made, Ok)?;
    tracing::info!(folder = %path.display(), "durable rooms and sessions are kept");
    Ok(Opened {
        store: Some(sqlite.clone()),
        resume_key,
        database: Some((sqlite, path.clone())),
        remark: format!("{} (kept across restarts)", path.display()),
    })
}

/// Why a store was not opened, in words.
enum NotOpened {
    /// A development server does without it: nothing is wrong with what is in it.
    Away(String),
    /// The server does not start.
    Refused(String),
}

fn open_in_production(folder: &Path, wall_ms: u64) -> Result<Sqlite, NotOpened> {
    Sqlite::open(folder, wall_ms).map_err(|error| NotOpened::Refused(error.to_string()))
}

fn open_in_development(folder: &Path, wall_ms: u64) -> Result<Sqlite, NotOpened> {
    let shown = folder.display();
    let cannot_be_written = || NotOpened::Away(format!("{shown} cannot be written"));
    make(folder).map_err(|_| cannot_be_written())?;
    Sqlite::open(folder, wall_ms).map_err(|error| match error {
        OpenError::InUse(_) => NotOpened::Away(format!("another server has {shown}")),
        OpenError::Denied(_) | OpenError::ReadOnly(_) | OpenError::Full(_) => cannot_be_written(),
        error => NotOpened::Refused(error.to_string()),
    })
}

/// Makes the folder, which no version control is to take along: it is in the middle of somebody's work.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    fs::write(folder.join(".gitignore"), "*\n")
}

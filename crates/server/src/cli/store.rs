//! `anteroom store`: what an operator does with what is stored, through the server that has it, or alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anteroom_core::game::Registry;
use anteroom_protocol::UserId;
use clap::Subcommand;

use super::{Configured, DATA, Failure, configured, say, token};
use crate::config::{Config, StoreKind, StoreSection};
use crate::output;
use crate::stores::control::{Answer, Question};
use crate::upkeep;

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Say whether everything that is stored is whole. If not, the exit code is 1.
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Copy everything into one file, which must not be there yet.
    ///
    /// The copy is of one moment, also while the server runs. In another folder, named anteroom.db, it is a store again.
    /// The key that signs resume tokens is not in it: resume.key in the folder, or what store.resume_key_file names.
    Backup {
        /// Where to.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Give back the disk space of what was deleted.
    Vacuum {
        #[command(flatten)]
        place: Place,
    },
    /// Print everything that is stored of one user, as JSON.
    Export {
        /// The user's id.
        #[arg(value_parser = token::user_id)]
        user: UserId,
        #[command(flatten)]
        place: Place,
    },
    /// Forget one user: sessions end, seats are given up, no byte of id and name stays in the store, and recordings of rooms that
    /// they were in are deleted.
    ///
    /// Copies that were made before are not looked at, and neither is the log.
    Erase {
        /// The user's id.
        #[arg(value_parser = token::user_id)]
        user: UserId,
        #[command(flatten)]
        place: Place,
    },
}

/// Which store.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The folder that it is in [default: .anteroom].
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// The configuration that names the folder, as `serve` has it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Asks the server that has the store, or does it alone if there is none.
pub(super) fn run(command: StoreCommand, games: Registry) -> Result<ExitCode, Failure> {
    let (question, place) = match command {
        StoreCommand::Check { place } => (Question::Check, place),
        StoreCommand::Backup { file, place } => (Question::Backup { to: free(&file)? }, place),
        StoreCommand::Vacuum { place } => (Question::Vacuum, place),
        StoreCommand::Export { user, place } => (Question::Export { user }, place),
        StoreCommand::Erase { user, place } => (Question::Erase { user }, place),
    };
    let (folder, recordings) = place.folders()?;
    let failed = |sentence| Failure(1, sentence);
    let answer = match upkeep::ask(&folder, &question).map_err(failed)? {
        Some(answer) => answer,
        None => upkeep::alone(&folder, &recordings, question, games).map_err(failed)?,
    };
    let Answer { is_good, words } = answer;
    say(&words)?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Place {
    /// That of the store, and that of recordings.
    fn folders(self) -> Result<(PathBuf, PathBuf), Failure> {
        let Self { data, config: file } = self;
        let mut recordings = None;
        let folder = match data {
            Some(data) => data,
            None => {
                let base = match file {
                    Some(_) => Config::default(),
                    None => Config { store: StoreSection::in_folder(DATA), ..Config::default() },
                };
                let Configured { config, remarks } = configured(&base, file.as_deref(), None)?;
                remarks.iter().for_each(|remark| output::complain(remark));
                recordings = config.recordings.folder;
                let StoreSection { kind, path, .. } = config.store;
                path.filter(|_| kind == StoreKind::Sqlite).ok_or_else(|| {
                    let where_from = file.map_or_else(|| "the environment".into(), |file| file.display().to_string());
                    Failure(
                        2,
                        format!("{where_from} names no store: set store.kind and store.path, or give --data DIR"),
                    )
                })?
            }
        };
        if upkeep::is_store(&folder) {
            let recordings = recordings.unwrap_or_else(|| folder.join("recordings"));
            return Ok((folder, recordings));
        }
        let folder = folder.display();
        Err(Failure(2, format!("there is no store in {folder}; name its folder with --data DIR or --config FILE")))
    }
}

/// A path that is the same for a server that was started elsewhere.
fn free(file: &Path) -> Result<PathBuf, Failure> {
    if file.exists() {
        return Err(Failure(2, format!("{} is there already; name a new file", file.display())));
    }
    std::path::absolute(file).map_err(|error| Failure(2, format!("{} is no path: {error}", file.display())))
}

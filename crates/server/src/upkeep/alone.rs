//! The answers of a store that no server has. It is locked for as long as one of them takes.

use std::path::{Path, PathBuf};

use anteroom_core::game::Registry;
use anteroom_protocol::UserId;

use super::{erasing, exporting};
use crate::clock::Clock;
use crate::recordings::erase_in;
use crate::stores::control::{Answer, Operations};
use crate::stores::{self, Later, Medium, OpenError, Sqlite, StoreError};

/// See the module.
#[derive(Debug)]
pub(super) struct Alone {
    folder: PathBuf,
    /// Where recordings are.
    recordings: PathBuf,
    games: Registry,
}

impl Alone {
    pub(super) fn new(folder: &Path, recordings: &Path, games: Registry) -> Self {
        Self { folder: folder.to_owned(), recordings: recordings.to_owned(), games }
    }

    fn open(&self) -> Result<Sqlite, String> {
        let opened = Sqlite::open(&self.folder, Clock::start().now().as_millis());
        opened.map_err(|error| self.why(&error))
    }

    fn why(&self, error: &OpenError) -> String {
        match error {
            OpenError::InUse(_) => format!(
                "a server has {} and cannot be asked; stop it first, or run this as its user",
                self.folder.display()
            ),
            error => error.to_string(),
        }
    }
}

fn in_words(error: &StoreError) -> String {
    error.to_string()
}

impl Operations for Alone {
    fn check(&self) -> Later<'_, Result<Answer, String>> {
        Box::pin(async {
            let report = stores::check(&self.folder).map_err(|error| self.why(&error))?;
            Ok(Answer { is_good: report.is_good(), words: format!("{}: {report}\n", self.folder.display()) })
        })
    }

    fn backup(&self, to: PathBuf) -> Later<'_, Result<Answer, String>> {
        Box::pin(async move {
            stores::backup(&self.folder, &to).map_err(|error| self.why(&error))?;
            Ok(Answer::good(format!("{} is a copy of {}\n", to.display(), self.folder.display())))
        })
    }

    fn vacuum(&self) -> Later<'_, Result<Answer, String>> {
        Box::pin(async {
            stores::vacuum(&self.folder).map_err(|error| self.why(&error))?;
            Ok(Answer::good(format!("{} is as small as it can be\n", self.folder.display())))
        })
    }

    fn export(&self, user: UserId) -> Later<'_, Result<Answer, String>> {
        Box::pin(async move {
            let store = self.open()?;
            let document = exporting::export(&store, &self.games, user).await.map_err(|error| in_words(&error))?;
            store.close().await;
            Ok(Answer::good(format!("{document:#}\n")))
        })
    }

    fn erase(&self, user: UserId) -> Later<'_, Result<Answer, String>> {
        Box::pin(async move {
            let store = self.open()?;
            let mut report =
                erasing::erase(&store, &self.games, user.clone()).await.map_err(|error| in_words(&error))?;
            store.close().await;
            report.recordings = erase_in(&self.recordings, &user)?.len();
            Ok(Answer::good(report.words(&user)))
        })
    }
}

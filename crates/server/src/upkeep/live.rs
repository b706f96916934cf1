//! The answers of a server that has a store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anteroom_protocol::{CloseCode, UserId};
use tokio_util::sync::CancellationToken;

use super::erasing::Report;
use super::exporting;
use super::searching::Wanted;
use crate::rooms::{Forgotten, Mention};
use crate::services::Services;
use crate::session::Departure;
use crate::stores::control::{Answer, Operations};
use crate::stores::{Later, Medium, Sqlite, StoreError, UserStore};

/// How often rooms are searched: somebody who comes in meanwhile may be in others then.
const SEARCHES_MAX: usize = 3;

/// See the module.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) services: Arc<Services>,
    pub(crate) store: Arc<Sqlite>,
    /// What the store is called.
    pub(crate) folder: PathBuf,
    /// Cancelled when everything is restored. What is asked of rooms and sessions waits for it; looking after the file does not,
    /// since what is in it may be why it never comes.
    pub(crate) restored: CancellationToken,
}

impl Live {
    /// What is written waits for as long as it cannot be, and whoever asks does not.
    fn check_health(&self) -> Result<(), String> {
        if self.store.health().is_good() {
            Ok(())
        } else {
            Err("the store cannot be written just now; see the log".into())
        }
    }

    /// Whoever begins a session from now on does so as somebody who was never here.
    async fn erase(&self, user_id: UserId) -> Result<Report, String> {
        self.restored.cancelled().await;
        self.check_health()?;
        let Services { sessions, rooms, .. } = &*self.services;
        // Nothing of theirs is on its way into the store then.
        let here = sessions.of_user(&user_id);
        for session in &here {
            sessions.end(session, Departure::Goodbye, Some(CloseCode::Unauthorized), "erased");
        }
        sessions.settled().await;
        let mut wanted = Wanted::find(&*self.store, user_id).await.map_err(in_words)?;
        wanted.names.extend(here.iter().map(|session| session.identity.username.clone()));
        let forgotten = Forgotten { user_id: &wanted.user_id, names: &wanted.names };
        let mut erased = BTreeMap::new();
        for search in 0..SEARCHES_MAX {
            let stored = wanted.rooms_with_names(&*self.store).await.map_err(in_words)?;
            // Whatever is left has a name that is another's, too.
            if search > 0 && !stored.values().any(|mention| *mention == Mention::Id) {
                break;
            }
            erased.extend(rooms.erase(forgotten, stored).await?);
        }
        self.store.erase(self.store.place().await, wanted.user_id.clone()).committed().await.map_err(in_words)?;
        let recordings = rooms.recordings().erase(&wanted.user_id).await?;
        // Somebody who is not known any more may have come in meanwhile.
        sessions.keep_again(&wanted.user_id).await;
        Ok(Report {
            is_known: wanted.row.is_some(),
            sessions: here.len() + wanted.sessions.len(),
            rooms: erased,
            recordings,
        })
    }
}

fn in_words(error: StoreError) -> String {
    error.to_string()
}

impl Operations for Live {
    fn check(&self) -> Later<'_, Result<Answer, String>> {
        Box::pin(async {
            let report = self.store.check().await.map_err(in_words)?;
            Ok(Answer { is_good: report.is_good(), words: format!("{}: {report}\n", self.folder.display()) })
        })
    }

    fn backup(&self, to: PathBuf) -> Later<'_, Result<Answer, String>> {
        Box::pin(async move {
            self.store.backup(to.clone()).await.map_err(in_words)?;
            Ok(Answer::good(format!("{} is a copy of {}\n", to.display(), self.folder.display())))
        })
    }

    fn vacuum(&self) -> Later<'_, Result<Answer, String>> {
        Box::pin(async {
            self.check_health()?;
            self.store.vacuum(self.store.place().await).committed().await.map_err(in_words)?;
            Ok(Answer::good(format!("{} is as small as it can be\n", self.folder.display())))
        })
    }

    fn export(&self, user: UserId) -> Later<'_, Result<Answer, String>> {
        Box::pin(async move {
            self.restored.cancelled().await;
            self.check_health()?;
            // What is written behind is told as well.
            self.services.sessions.settled().await;
            let games = self.services.rooms.registry();
            let document = exporting::export(&*self.store, games, user).await.map_err(in_words)?;
            Ok(Answer::good(format!("{document:#}\n")))
        })
    }

    fn erase(&self, user: UserId) -> Later<'_, Result<Answer, String>> {
        Box::pin(async move {
            let report = self.erase(user.clone()).await?;
            Ok(Answer::good(report.words(&user)))
        })
    }
}

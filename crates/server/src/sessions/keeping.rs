//! Sessions in the store, written behind: what has changed is gathered for a moment and stored together.
//!
//! Two things are waited for: a session is stored before a durable room lets it in, and that it has ended before its client is
//! told. Without a store nothing is ever waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_protocol::{SessionId, UserId};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::{Sessions, record};
use crate::session::Session;
use crate::stores::{Receipt, Store, StoreError, UserRow};

/// How long changes gather that nobody waits for.
const GATHER: Duration = Duration::from_secs(1);
/// How many users are noted at a time. What is known of others is older, while a store fails for long.
const USERS_MAX: usize = 1 << 16;
/// How many sessions are one write.
const WRITE_SESSIONS_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Keeping {
    store: Arc<dyn Store>,
    changes: Mutex<Changes>,
    /// There is something to store.
    changed: Notify,
    /// Somebody waits for it.
    urged: Notify,
    /// The last round that is stored.
    stored: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Changes {
    /// Each once, however often it changes.
    keep: BTreeSet<SessionId>,
    /// Those that are over, and were stored or are about to be.
    forget: Vec<SessionId>,
    /// Those who came in, each once.
    users: BTreeMap<UserId, UserRow>,
    /// The round that takes what is here.
    round: u64,
    is_urgent: bool,
}

impl Keeping {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let changes = Mutex::new(Changes { round: 1, ..Changes::default() });
        Self { store, changes, changed: Notify::new(), urged: Notify::new(), stored: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        // Nothing panics while it holds the lock.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something to store. The round in which it is.
    fn note(&self, is_urgent: bool, note: impl FnOnce(&mut Changes)) -> u64 {
        let round = {
            let mut changes = self.lock();
            note(&mut changes);
            changes.is_urgent |= is_urgent;
            changes.round
        };
        self.changed.notify_one();
        if is_urgent {
            self.urged.notify_one();
        }
        round
    }

    async fn is_stored(&self, round: u64) {
        // The sender is ours.
        drop(self.stored.subscribe().wait_for(|stored| *stored >= round).await);
    }
}

impl Sessions {
    /// Notes that what is stored of a session is old.
    pub(crate) fn has_changed(&self, session: &Session) {
        if let Some(keeping) = &self.keeping {
            keeping.note(false, |changes| _ = changes.keep.insert(session.id));
        }
    }

    /// Notes who came in.
    pub(super) fn has_come(&self, session: &Session) {
        let Some(keeping) = &self.keeping else { return };
        let (user_id, username) = (session.identity.user_id.clone(), session.identity.username.clone());
        let row =
            UserRow { user_id, username, is_guest: session.identity.is_guest, seen_ms: self.clock.now().as_millis() };
        keeping.note(false, |changes| {
            changes.keep.insert(session.id);
            if changes.users.len() < USERS_MAX || changes.users.contains_key(&row.user_id) {
                changes.users.insert(row.user_id.clone(), row);
            }
        });
    }

    /// Notes that a session is over.
    pub(super) fn is_over(&self, session: &Session) {
        if let Some(keeping) = &self.keeping {
            keeping.note(true, |changes| {
                // One that was about to be stored for the first time has left nothing there.
                if !changes.keep.remove(&session.id) || session.is_kept() {
                    changes.forget.push(session.id);
                }
            });
        }
    }

    /// Stores a session, if it is not yet, and waits for it. Cancel-safe.
    pub(crate) async fn keep(&self, session: &Session) {
        if let Some(keeping) = &self.keeping
            && !session.is_kept()
        {
            let round = keeping.note(true, |changes| _ = changes.keep.insert(session.id));
            keeping.is_stored(round).await;
        }
    }

    /// Waits until everything is stored that was noted before. Cancel-safe.
    pub(crate) async fn settled(&self) {
        if let Some(keeping) = &self.keeping {
            let round = keeping.note(true, |_| {});
            keeping.is_stored(round).await;
        }
    }

    /// What was stored of a user's sessions is not any more: it is stored again, and waited for. Cancel-safe.
    pub(crate) async fn keep_again(&self, user_id: &UserId) {
        // What is noted before is stored first: it may have been deleted with the rest.
        self.settled().await;
        for session in self.of_user(user_id) {
            session.note_kept(false);
            self.has_come(&session);
        }
        self.settled().await;
    }

    /// Stores every session as it is, and waits for it.
    pub(crate) async fn keep_all(&self) {
        let Some(keeping) = &self.keeping else { return };
        let all = self.all();
        let round = keeping.note(true, |changes| changes.keep.extend(all.iter().map(|session| session.id)));
        keeping.is_stored(round).await;
    }

    /// Stores what changes, for ever.
    pub(crate) async fn write_behind(&self) {
        let Some(keeping) = &self.keeping else { return std::future::pending().await };
        loop {
            keeping.changed.notified().await;
            if !keeping.lock().is_urgent {
                tokio::select! {
                    () = keeping.urged.notified() => {}
                    () = sleep(GATHER) => {}
                }
            }
            let changes = {
                let mut changes = keeping.lock();
                let round = changes.round + 1;
                std::mem::replace(&mut *changes, Changes { round, ..Changes::default() })
            };
            let round = changes.round;
            if let Err(error) = self.store_changes(keeping, changes).await {
                // Nothing is stored any more, so nobody is told that it was.
                tracing::error!(%error, "sessions are not stored any more");
                return std::future::pending().await;
            }
            keeping.stored.send_replace(round);
        }
    }

    async fn store_changes(&self, keeping: &Keeping, changes: Changes) -> Result<(), StoreError> {
        let Changes { keep, forget, users, .. } = changes;
        let store = &keeping.store;
        let mut receipts: Vec<Receipt> = Vec::new();
        let mut kept = Vec::new();
        let ids: Vec<SessionId> = keep.into_iter().collect();
        for ids in ids.chunks(WRITE_SESSIONS_MAX) {
            let sessions: Vec<Arc<Session>> = ids.iter().filter_map(|id| self.find(*id)).collect();
            let rows = sessions.iter().filter_map(|session| record::row(session, self.nonce_of(session).as_deref()));
            let rows: Vec<_> = rows.collect();
            if !rows.is_empty() {
                receipts.push(store.keep(store.place().await, rows));
            }
            kept.extend(sessions);
            tokio::task::yield_now().await;
        }
        for ids in forget.chunks(WRITE_SESSIONS_MAX) {
            receipts.push(store.forget(store.place().await, ids.to_vec()));
        }
        let users: Vec<UserRow> = users.into_values().collect();
        for users in users.chunks(WRITE_SESSIONS_MAX) {
            receipts.push(store.note(store.place().await, users.to_vec()));
        }
        for receipt in &mut receipts {
            receipt.committed().await?;
        }
        kept.iter().for_each(|session| session.note_kept(true));
        Ok(())
    }
}

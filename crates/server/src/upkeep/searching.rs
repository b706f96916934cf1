//! Which stored rooms have something of a user in them: those with the bytes that the user's id or name is written with.

use std::collections::{BTreeMap, BTreeSet};

use anteroom_protocol::{RoomId, UserId};
use serde_json::Value;

use crate::rooms::Mention;
use crate::stores::{Kind, SessionRow, Store, StoreError, UserRow};

/// A user, and everything that is stored of them outside rooms.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) user_id: UserId,
    pub(crate) row: Option<UserRow>,
    pub(crate) sessions: Vec<SessionRow>,
    /// The names that they are known by.
    pub(crate) names: BTreeSet<String>,
}

impl Wanted {
    /// Looks them up.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn find(store: &dyn Store, user_id: UserId) -> Result<Self, StoreError> {
        let row = store.user(user_id.clone()).await?;
        let mut sessions = store.sessions().await?;
        sessions.retain(|session| session.user_id == user_id);
        let in_sessions =
            sessions.iter().filter_map(|session| Some(content(session)?.get("username")?.as_str()?.to_owned()));
        let names =
            row.iter().map(|row| row.username.clone()).chain(in_sessions).filter(|name| !name.is_empty()).collect();
        Ok(Self { user_id, row, sessions, names })
    }

    /// Rooms in which the user is, was, or did something.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn rooms(&self, store: &dyn Store) -> Result<BTreeSet<RoomId>, StoreError> {
        rooms_with(store, spellings(self.user_id.as_str())).await
    }

    /// The same, and rooms that have a name of theirs. So may those of others who are called the same.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn rooms_with_names(&self, store: &dyn Store) -> Result<BTreeMap<RoomId, Mention>, StoreError> {
        let names = self.names.iter().flat_map(|name| {
            // As somebody is called, and a room by default.
            let rooms = format!("{name}'s room");
            [name, &rooms].into_iter().flat_map(|text| spellings(text)).collect::<Vec<_>>()
        });
        let named = rooms_with(store, names.collect()).await?;
        let mut rooms: BTreeMap<_, _> = named.into_iter().map(|room_id| (room_id, Mention::Name)).collect();
        rooms.extend(self.rooms(store).await?.into_iter().map(|room_id| (room_id, Mention::Id)));
        Ok(rooms)
    }
}

async fn rooms_with(store: &dyn Store, patterns: BTreeSet<Vec<u8>>) -> Result<BTreeSet<RoomId>, StoreError> {
    let mut rooms = BTreeSet::new();
    for pattern in patterns {
        rooms.extend(store.mentioning(pattern).await?);
    }
    Ok(rooms)
}

/// How an id or a name is written: in snapshots as JSON has it, in turns with its length in front. Its bytes alone may be a part
/// of anything.
fn spellings(text: &str) -> BTreeSet<Vec<u8>> {
    let binary = [&[u8::try_from(text.len()).unwrap_or(u8::MAX)], text.as_bytes()].concat();
    BTreeSet::from([Value::from(text).to_string().into_bytes(), binary])
}

/// What a session's record says; nothing if it is damaged.
pub(super) fn content(session: &SessionRow) -> Option<Value> {
    serde_json::from_slice(session.session.open(Kind::Session).ok()?).ok()
}

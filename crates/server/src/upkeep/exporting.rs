//! Everything that is stored of one user, as one JSON document.
//!
//! Of rooms it has what is said of the user, and what they did in the turns behind the last snapshot. The state of a game knows
//! seats and not users, so it is not in it; neither are secrets, with which somebody else could go on with a session.

use anteroom_core::game::Registry;

use anteroom_protocol::{RoomId, UserId};
use serde_json::{Map, Value, json};

use super::searching::{Wanted, content};
use crate::rooms;
use crate::stores::{Kept, Kind, SessionRow, Store, StoreError};

/// Secrets in the record of a session, and of a room.
const SECRETS: [&str; 2] = ["nonce", "password"];

/// See the module.
///
/// # Errors
/// The store cannot be read.
pub(crate) async fn export(store: &dyn Store, games: &Registry, user_id: UserId) -> Result<Value, StoreError> {
    let wanted = Wanted::find(store, user_id).await?;
    let mut rooms = Vec::new();
    for room_id in wanted.rooms(store).await? {
        if let Some(kept) = store.load(room_id).await? {
            rooms.push(room(games, room_id, &kept, &wanted.user_id));
        }
    }
    let said = store.said_by(wanted.user_id.clone()).await?;
    let said: Vec<Value> = said.iter().map(|row| json!({"room_id": row.room_id, "message": row.entry})).collect();
    let user = wanted.row.as_ref().map(|row| {
        json!({"user_id": row.user_id, "username": row.username, "is_guest": row.is_guest, "seen_ms": row.seen_ms})
    });
    let sessions: Vec<Value> = wanted.sessions.iter().map(session).collect();
    Ok(json!({"user_id": wanted.user_id, "user": user, "sessions": sessions, "rooms": rooms, "chat": said}))
}

fn session(row: &SessionRow) -> Value {
    let mut said = match content(row) {
        Some(Value::Object(said)) => said,
        _ => Map::new(),
    };
    SECRETS.iter().for_each(|secret| drop(said.remove(*secret)));
    said.insert("session_id".into(), json!(row.session_id));
    said.insert("user_id".into(), json!(row.user_id));
    said.insert("generation".into(), json!(row.generation));
    said.into()
}

/// What a stored room says of a user.
fn room(games: &Registry, room_id: RoomId, kept: &Kept, user_id: &UserId) -> Value {
    let mut said = json!({"room_id": room_id, "durable": kept.row.durable});
    let bytes = kept.snapshot.open(Kind::Snapshot).unwrap_or_default();
    match serde_json::from_slice::<Value>(bytes) {
        Ok(snapshot) => {
            for key in ["game", "name"] {
                said[key] = snapshot[key].clone();
            }
            let mut found = Map::new();
            concerning(&snapshot, user_id, "", &mut found);
            said["snapshot"] = found.into();
        }
        Err(error) => said["damaged"] = error.to_string().into(),
    }
    match rooms::deeds(games, kept, user_id) {
        Ok(deeds) => said["turns"] = json!(deeds),
        Err(why) => said["not_restored"] = why.into(),
    }
    said
}

/// What has the user's id in it, under where it was found: a record of the user whole, and of lists of users and of what names
/// several of them nothing of the others.
fn concerning(value: &Value, user_id: &UserId, at: &str, found: &mut Map<String, Value>) {
    let is_id = |value: &Value| value.as_str() == Some(user_id.as_str());
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    match value {
        Value::Object(fields) if fields.get("user_id").is_some_and(is_id) => {
            found.insert(at.to_owned(), value.clone());
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == user_id.as_str() || is_id(value) {
                    found.insert(below(key), value.clone());
                } else {
                    concerning(value, user_id, &below(key), found);
                }
            }
        }
        // A number and a user: both are about them.
        Value::Array(values) if values.iter().any(is_id) && !values.iter().all(Value::is_string) => {
            found.insert(at.to_owned(), value.clone());
        }
        Value::Array(values) => {
            for (place, value) in values.iter().enumerate() {
                concerning(value, user_id, &below(&place.to_string()), found);
            }
        }
        _ if is_id(value) => drop(found.insert(at.to_owned(), value.clone())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::SessionId;

    use super::*;
    use crate::stores::{Medium, Memory, Sealed, SessionStore, UserRow, UserStore};

    #[tokio::test]
    async fn everything_of_one_user_is_told_and_nothing_with_which_another_could_go_on() {
        let store = Memory::new(1);
        let ada: UserId = "ada".parse().unwrap();
        for (bits, user_id) in [(1, "ada"), (2, "bob")] {
            let record = json!({"username": user_id.to_uppercase(), "nonce": "a secret", "codec": "json"});
            let session = Sealed::seal(Kind::Session, record.to_string().as_bytes()).unwrap();
            let (session_id, user_id) = (SessionId::from_bits(bits), user_id.parse::<UserId>().unwrap());
            let row = SessionRow { session_id, user_id: user_id.clone(), generation: 3, session };
            store.keep(store.place().await, vec![row]).committed().await.unwrap();
            let row = UserRow { user_id, username: "Ada".into(), is_guest: false, seen_ms: 9 };
            store.note(store.place().await, vec![row]).committed().await.unwrap();
        }
        let session_id = SessionId::from_bits(1);
        let exported = export(&store, &Registry::new(), ada).await.unwrap();
        let session = json!({
            "session_id": session_id, "user_id": "ada", "generation": 3, "username": "ADA", "codec": "json",
        });
        let user = json!({"user_id": "ada", "username": "Ada", "is_guest": false, "seen_ms": 9});
        assert_eq!(exported, json!({"user_id": "ada", "user": user, "sessions": [session], "rooms": [], "chat": []}));
    }

    #[test]
    fn what_is_said_of_a_user_is_found_wherever_it_is() {
        let value =
            json!({"a": [{"user_id": "ada", "seat": 1}, {"user_id": "bob"}], "b": {"c": [[0, "ada"], [1, "bob"]]}});
        let mut found = Map::new();
        concerning(&value, &"ada".parse().unwrap(), "", &mut found);
        assert_eq!(Value::from(found), json!({"a.0": {"user_id": "ada", "seat": 1}, "b.c.0": [0, "ada"]}));
        // Lists of users, and what is kept by user.
        let value = json!({"queue": ["bob", "ada"], "listed": {"1": "ada", "2": "bob"}, "people": {"ada": {"ready": true}, "bob": {}}});
        let mut found = Map::new();
        concerning(&value, &"ada".parse().unwrap(), "", &mut found);
        assert_eq!(Value::from(found), json!({"queue.1": "ada", "listed.1": "ada", "people.ada": {"ready": true}}));
    }

    #[test]
    fn of_others_who_are_named_beside_a_user_nothing_is_told() {
        let value = json!({"people": {"ada": {"ready": true}, "bob": {"ready": false}}, "queue": ["bob", "ada"],
            "listed": {"1": "ada", "2": "bob"}, "record": {"created_by": "ada", "owner": "bob", "password": "a hash"}});
        let mut found = Map::new();
        concerning(&value, &"ada".parse().unwrap(), "", &mut found);
        let own =
            json!({"people.ada": {"ready": true}, "queue.1": "ada", "listed.1": "ada", "record.created_by": "ada"});
        assert_eq!(Value::from(found), own);
    }
}

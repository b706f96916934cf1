//! What a log has of anybody, in a form that a person can be told.

use std::collections::BTreeMap;

use anteroom_protocol::message::table::row_of;
use anteroom_protocol::{Codec, Data, Json, Payload, UserId};

use super::{Log, What, data_of};
use crate::game::Kind;
use crate::replay::Event;
use crate::room::MemberId;
use crate::time::Time;

impl Log {
    /// When the last of it happened.
    #[must_use]
    pub fn at(&self) -> Option<Time> {
        self.records.iter().map(|record| record.at).max()
    }

    /// What is in it, in order, in a room of a kind, by these members.
    #[must_use]
    pub fn events(&self, kind: &Kind, members: &BTreeMap<MemberId, UserId>) -> Vec<Event> {
        self.records.iter().filter_map(|record| event(&record.what, kind, members)).collect()
    }
}

fn event(what: &What, kind: &Kind, members: &BTreeMap<MemberId, UserId>) -> Option<Event> {
    let plain =
        |what: &str, user_id: Option<&UserId>| Event { kind: what.into(), user_id: user_id.cloned(), data: None };
    let of = |what: &str, member: &MemberId| plain(what, members.get(member));
    let with = |event: Event, data: Option<Json>| Event { data, ..event };
    Some(match what {
        What::Advance {} | What::Snapshot { .. } | What::History { .. } | What::Reseed { .. } => return None,
        What::Join { user_id, username, role, .. } => {
            with(plain("join", Some(user_id)), Json::new(&serde_json::json!({"username": username, "role": role})).ok())
        }
        What::Leave { member, .. } => of("leave", member),
        What::Disconnect { member, .. } | What::Abandon { member } => of("disconnect", member),
        What::Reconnect { member } => of("reconnect", member),
        What::Expire { member } => of("expire", member),
        What::Act { member, kind: action, is_binary, data, .. } => {
            let data = data_of(*is_binary, data).ok();
            with(of(action, member), data.and_then(|data| kind.action(action, data)))
        }
        What::Ask { member, kind: request, is_binary, data, .. } => {
            let data = data_of(*is_binary, data).ok();
            with(of(request, member), data.and_then(|data| request_of(request, data)))
        }
        What::Reserve { users, .. } => with(plain("reserve", None), Json::new(users).ok()),
        What::SetData { whose, data, .. } => with(plain("set_data", whose.as_ref()), Json::new(data).ok()),
        What::Close { reason } => with(plain("close", None), Json::new(&serde_json::json!({"reason": reason})).ok()),
        What::Erase { .. } => plain("erase", None),
    })
}

/// The data of a request as JSON, if it is what that has.
fn request_of(kind: &str, data: Data<'_>) -> Option<Json> {
    match row_of(kind, false)?.translate(data, Codec::Json).ok()? {
        Payload::Json(raw) => Json::from_text(raw.get().to_owned()).ok(),
        Payload::Binary(_) => None,
    }
}

//! What a log has of one user, in a form that a person can be given.

use anteroom_protocol::{Json, UserId};
use serde::Serialize;

use super::{Log, Record, What};
use crate::room::MemberId;
use crate::time::Time;

/// Something that a user did in a room, or that happened to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deed {
    /// When, in Unix milliseconds without the time for which no server ran.
    pub at: Time,
    /// What it was: `join`, `leave`, `act` and so on.
    pub what: &'static str,
    /// Under which name, if they came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The action's `type`, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The action's data: JSON as it came, or the bytes of the binary codec in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Log {
    /// What is in it of a user, who had these memberships in the turn, in order.
    #[must_use]
    pub fn deeds(&self, user_id: &UserId, members: &[MemberId]) -> Vec<Deed> {
        self.records.iter().filter_map(|record| record.deed(user_id, members)).collect()
    }
}

impl Record {
    fn deed(&self, user: &UserId, members: &[MemberId]) -> Option<Deed> {
        let deed = |what| Deed { at: self.at, what, username: None, kind: None, data: None };
        let of = |member, what| members.contains(member).then(|| deed(what));
        match &self.what {
            What::Join { user_id, username, .. } if user_id == user => {
                Some(Deed { username: Some(username.clone()), ..deed("join") })
            }
            What::Act { member, kind, is_binary, data, .. } => {
                let data = if *is_binary { hexadecimal(data) } else { String::from_utf8_lossy(data).into_owned() };
                of(member, "act").map(|deed| Deed { kind: Some(kind.clone()), data: Some(data), ..deed })
            }
            What::Ask { member, kind, is_binary, data, .. } => {
                let data = if *is_binary { hexadecimal(data) } else { String::from_utf8_lossy(data).into_owned() };
                of(member, "ask").map(|deed| Deed { kind: Some(kind.clone()), data: Some(data), ..deed })
            }
            What::Leave { member, .. } => of(member, "leave"),
            What::Disconnect { member, .. } => of(member, "disconnect"),
            What::Reconnect { member } => of(member, "reconnect"),
            What::Expire { member } => of(member, "expire"),
            What::Abandon { member } => of(member, "abandon"),
            What::Erase { user_id, .. } if user_id == user => Some(deed("erase")),
            What::SetData { whose: Some(user_id), data, .. } if user_id == user => {
                let data = Json::new(data).ok().map(|data| data.text().to_owned());
                Some(Deed { data, ..deed("set_data") })
            }
            What::Advance {}
            | What::Join { .. }
            | What::Snapshot { .. }
            | What::Reserve { .. }
            | What::SetData { .. }
            | What::History { .. }
            | What::Close { .. }
            | What::Reseed { .. }
            | What::Erase { .. } => None,
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::message::Role;
    use anteroom_protocol::{Codec, Data, LaneId};

    use super::*;
    use crate::room::{Command, Join};

    fn join(user_id: &str) -> Join {
        Join {
            user_id: user_id.parse().unwrap(),
            username: user_id.to_uppercase(),
            role: Role::Player,
            lane: LaneId(1),
            codec: Codec::Json,
            answer: "join_room_result",
            reference: None,
            applied: 0,
            session_id: None,
            n: None,
            password: None,
            invite: None,
        }
    }

    #[test]
    fn a_user_is_told_what_they_did_and_nothing_of_others() {
        let (ada, bob, at) = (MemberId(1), MemberId(2), Time::from_millis(7));
        let mut log = Log::default();
        log.push_advance(at);
        log.push_join(at, &join("ada"));
        log.push_join(at, &join("bob"));
        for (member, data) in
            [(ada, Data::Json("{\"x\":1}")), (bob, Data::Json("{}")), (ada, Data::Binary(&[0xa, 0xff]))]
        {
            log.push(at, &Command::Act { member, kind: "move", data, reference: None, n: None });
        }
        log.push(at, &Command::Leave { member: bob, reference: None, n: None });
        log.push(at, &Command::Disconnect { member: ada, kept: true });
        let user_id = "ada".parse().unwrap();
        let deeds = serde_json::to_value(log.deeds(&user_id, &[ada])).unwrap();
        let act = |data| serde_json::json!({"at": 7, "what": "act", "kind": "move", "data": data});
        let joined = serde_json::json!({"at": 7, "what": "join", "username": "ADA"});
        let lost = serde_json::json!({"at": 7, "what": "disconnect"});
        assert_eq!(deeds, serde_json::json!([joined, act("{\"x\":1}"), act("0aff"), lost]));
    }
}

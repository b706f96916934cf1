//! What is set for a room or for a member: values by key, and who may read each.

use std::collections::BTreeMap;

use anteroom_protocol::ErrorBody;
use anteroom_protocol::Json;
use anteroom_protocol::message::member::SetMemberData;
use anteroom_protocol::message::{Access, DataMap};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, MemberId, Room};

/// Values by key, each with who may read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Dataset {
    values: BTreeMap<String, (Json, Access)>,
}

impl Dataset {
    /// The keys that somebody may read who reads up to a level.
    pub(super) fn seen_by(&self, level: Access) -> DataMap {
        let seen = self.values.iter().filter(|(_, (_, access))| *access <= level);
        seen.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }
}

impl Room {
    pub(super) fn set_member_data(
        &mut self,
        _id: MemberId,
        _request: SetMemberData,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }
}

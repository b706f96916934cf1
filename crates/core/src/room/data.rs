//! What is set for a room or for a member: values by key, and who may read each. Who may set them is not known here.
//!
//! Only the keys that have changed are told, each as the newest of its key, and to those alone who may read it.

use std::collections::{BTreeMap, BTreeSet};

use anteroom_protocol::code::floor_char_boundary;
use anteroom_protocol::limits::{
    DATA_KEY_BYTES_MAX, DATA_KEYS_MAX, DATA_VALUE_BYTES_MAX, KEY_BYTES_MAX, MEMBERS_DATA_BYTES_MAX,
    SPECTATORS_LISTED_MAX,
};
use anteroom_protocol::message::member::SetMemberData;
use anteroom_protocol::message::push::{MemberUpdated, RoomUpdated};
use anteroom_protocol::message::{Access, AccessMap, DataMap, Message};
use anteroom_protocol::{ErrorBody, ErrorCode, Header, Json, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{MemberId, Room};
use crate::flush::To;

/// Who sets data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Client,
    /// The server's own program, which has keys that no client sees or sets.
    Server,
}

/// Values by key, each with who may read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Dataset {
    values: BTreeMap<String, (Json, Access)>,
}

/// A key that was set, removed, or shown to others than before.
#[derive(Debug)]
pub(super) struct Changed {
    key: String,
    /// Who could read it, if it was there.
    before: Option<Access>,
    /// What there is now.
    now: Option<(Json, Access)>,
}

impl Dataset {
    /// The keys that somebody may read who reads up to a level.
    pub(super) fn seen_by(&self, level: Access) -> DataMap {
        let seen = self.values.iter().filter(|(_, (_, access))| *access <= level);
        seen.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// The keys that lists show.
    pub(super) fn searchable(&self, keys: &[&str]) -> DataMap {
        let value = |key: &&str| Some(((*key).to_owned(), self.values.get(*key)?.0.clone()));
        keys.iter().filter_map(value).collect()
    }

    /// The data as it would be with these changes, and what would have changed. Keys that lists show are for everybody.
    ///
    /// # Errors
    /// `invalid_data`, naming the key in the details.
    pub(super) fn with(
        &self,
        data: &DataMap,
        access: &AccessMap,
        searchable: &[&str],
        by: By,
    ) -> Result<(Self, Vec<Changed>), ErrorBody> {
        let mut changed = self.clone();
        let keys: BTreeSet<&String> = data.keys().chain(access.keys()).collect();
        for key in &keys {
            let before = self.values.get(*key);
            let is_searchable = searchable.contains(&key.as_str());
            let level = match (access.get(*key), before) {
                (Some(Access::Server), _) if by == By::Client => {
                    return Err(refusal(key, "no client may set a key for the server alone"));
                }
                (Some(level), _) if is_searchable && *level != Access::Public => {
                    return Err(refusal(key, "lists show it, so it is public"));
                }
                (_, Some((_, Access::Server))) if by == By::Client => {
                    return Err(refusal(key, "the server alone sets it"));
                }
                (Some(level), _) => *level,
                (None, Some((_, level))) => *level,
                (None, None) if is_searchable => Access::Public,
                (None, None) => Access::default(),
            };
            let value = match data.get(*key) {
                Some(value) if value.text() == "null" => None,
                Some(value) => Some(value.clone()),
                None => Some(before.ok_or_else(|| refusal(key, "there is no such key"))?.0.clone()),
            };
            match value {
                Some(value) => {
                    check(key, &value)?;
                    changed.values.insert((*key).clone(), (value, level));
                }
                None => drop(changed.values.remove(*key)),
            }
        }
        let listed = searchable.iter().filter_map(|key| changed.values.get(*key));
        if listed.map(|(value, _)| value.text().len()).sum::<usize>() > DATA_VALUE_BYTES_MAX {
            let sentence = format!("What lists show of a room's data has at most {DATA_VALUE_BYTES_MAX} bytes in all.");
            return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
        }
        if changed.values.len() > DATA_KEYS_MAX {
            let sentence = format!("There may be at most {DATA_KEYS_MAX} keys.");
            return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
        }
        let differs = |key: &&&String| self.values.get(**key) != changed.values.get(**key);
        let told = keys.iter().filter(differs).map(|key| Changed {
            key: (*key).clone(),
            before: self.values.get(*key).map(|(_, access)| *access),
            now: changed.values.get(*key).cloned(),
        });
        let told = told.collect();
        Ok((changed, told))
    }

    /// Bytes of keys and values.
    fn bytes(&self) -> usize {
        self.values.iter().map(|(key, (value, _))| key.len() + value.text().len()).sum()
    }

    /// The keys that only an owner reads.
    pub(super) fn for_owners(&self) -> DataMap {
        let keys = self.values.iter().filter(|(_, (_, access))| *access == Access::Owner);
        keys.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }
}

fn check(key: &str, value: &Json) -> Result<(), ErrorBody> {
    if key.is_empty() || key.len() > DATA_KEY_BYTES_MAX || key.chars().any(char::is_control) {
        return Err(refusal(key, "a key has 1 to 64 bytes, and no control characters"));
    }
    if value.text().len() > DATA_VALUE_BYTES_MAX {
        return Err(refusal(key, "a value has at most 1024 bytes of JSON"));
    }
    Ok(())
}

fn refusal(key: &str, why: &str) -> ErrorBody {
    let key = &key[..floor_char_boundary(key, DATA_KEY_BYTES_MAX)];
    let error = ErrorBody::new(ErrorCode::InvalidData, format!("The key {key:?} cannot be set: {why}."));
    error.with_details(&BTreeMap::from([("key", key)]))
}

/// What a message about a key is the newest of. One that is too long is told from others by its hash.
fn latest_key(prefix: &str, key: &str) -> String {
    if prefix.len() + key.len() <= KEY_BYTES_MAX {
        return format!("{prefix}{key}");
    }
    // The keys of one room are few, and a collision costs a repetition.
    let hash = hash(key.as_bytes());
    let cut = floor_char_boundary(key, KEY_BYTES_MAX.saturating_sub(prefix.len() + 17));
    format!("{prefix}{}~{hash:016x}", &key[..cut])
}

/// FNV-1a, for what nobody gains by a collision of.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// What a message about data is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Room,
    Member(&'a UserId, u32),
}

impl Room {
    pub(super) fn set_member_data(&mut self, id: MemberId, request: SetMemberData) -> Result<Reply, ErrorBody> {
        let SetMemberData { data, access } = request;
        let user_id = self.user_of(id)?;
        let Some(person) = self.people.get(&user_id) else { return Ok(Reply::Done) };
        let (changed, told) = person.data.with(&data, &access.unwrap_or_default(), &[], By::Client)?;
        self.check_room_for(&user_id, &changed)?;
        if let Some(person) = self.people.get_mut(&user_id) {
            person.data = changed;
        }
        self.tell_data_of(&user_id, &told);
        Ok(Reply::Done)
    }

    /// Tells what of somebody's data has changed.
    fn tell_data_of(&mut self, user_id: &UserId, told: &[Changed]) {
        match self.people.get(user_id).map(|person| (person.number, person.listed)) {
            Some((number, true)) => self.tell_data(Whose::Member(user_id, number), told),
            Some((number, false)) => self.tell_own(user_id, number, told),
            None => {}
        }
    }

    /// The data as the server's program would have it, of the room or of somebody in it.
    fn data_with(
        &self,
        whose: Option<&UserId>,
        data: &DataMap,
        access: &AccessMap,
    ) -> Result<(Dataset, Vec<Changed>), ErrorBody> {
        let Some(user_id) = whose else {
            return self.record.data.with(data, access, self.kind.searchable, By::Server);
        };
        let nobody = || ErrorBody::new(ErrorCode::NotInRoom, format!("{user_id} is not in that room."));
        let changed = self.people.get(user_id).ok_or_else(nobody)?.data.with(data, access, &[], By::Server)?;
        self.check_room_for(user_id, &changed.0)?;
        Ok(changed)
    }

    /// Whether there is room for somebody's data beside everybody else's: all of it is in every snapshot. Who takes no more than an
    /// equal share finds room always.
    fn check_room_for(&self, user_id: &UserId, data: &Dataset) -> Result<(), ErrorBody> {
        let listed = self.people.get(user_id).is_some_and(|person| person.listed);
        // One who is not in the list may come to be, as everybody may who is not.
        let most = usize::from(self.seats.max) + SPECTATORS_LISTED_MAX;
        let sharers = if listed { self.watching.listed.len().max(1) } else { most };
        if data.bytes() <= MEMBERS_DATA_BYTES_MAX / sharers {
            return Ok(());
        }
        let others = self.watching.listed.values().filter(|other| *other != user_id);
        let others = others.filter_map(|other| self.people.get(other)).map(|person| person.data.bytes());
        if listed && others.sum::<usize>() + data.bytes() <= MEMBERS_DATA_BYTES_MAX {
            return Ok(());
        }
        let sentence = "The members of this room have no space left for more data.";
        Err(ErrorBody::new(ErrorCode::LimitReached, sentence))
    }

    /// Whether [`Command::SetData`](super::Command::SetData) would be carried out.
    ///
    /// # Errors
    /// `invalid_data`, naming the key in the details; `not_in_room` if there is no such user.
    pub fn check_data(&self, whose: Option<&UserId>, data: &DataMap, access: &AccessMap) -> Result<(), ErrorBody> {
        self.data_with(whose, data, access).map(drop)
    }

    /// What cannot be set changes nothing; whoever asks has [checked](Self::check_data).
    pub(super) fn set_data(&mut self, whose: Option<&UserId>, data: &DataMap, access: &AccessMap) {
        let Ok((changed, told)) = self.data_with(whose, data, access) else { return };
        match whose {
            None => {
                self.record.data = changed;
                self.turnover += 1;
                self.tell_data(Whose::Room, &told);
            }
            Some(user_id) => {
                if let Some(person) = self.people.get_mut(user_id) {
                    person.data = changed;
                }
                self.tell_data_of(user_id, &told);
            }
        }
    }

    /// Tells everyone what they may read of what has changed.
    pub(super) fn tell_data(&mut self, whose: Whose<'_>, changed: &[Changed]) {
        for Changed { key, before, now } in changed {
            let readable = |access: Access| access <= Access::Members;
            let value =
                |level: Access| now.as_ref().filter(|(_, access)| *access <= level).map(|(value, _)| value.clone());
            if before.is_some_and(readable) || now.as_ref().is_some_and(|(_, access)| readable(*access)) {
                self.tell_key(To::Everyone, whose, key, value(Access::Members));
            }
            let is_owners = |access: &Access| *access == Access::Owner;
            if before.as_ref().is_some_and(is_owners) || now.as_ref().is_some_and(|(_, access)| is_owners(access)) {
                for member in self.readers_of_owner_keys(whose) {
                    self.tell_key(To::Only(member), whose, key, value(Access::Owner));
                }
            }
        }
    }

    /// Tells only the member, whom the others do not know by name.
    fn tell_own(&mut self, user_id: &UserId, number: u32, changed: &[Changed]) {
        for Changed { key, now, .. } in changed {
            let value = now.as_ref().map(|(value, _)| value.clone());
            for member in self.sessions_of(user_id) {
                self.tell_key(To::Only(member), Whose::Member(user_id, number), key, value.clone());
            }
        }
    }

    /// The sessions that read what is for owners only: the owner's, and those of the member whose data it is.
    fn readers_of_owner_keys(&self, whose: Whose<'_>) -> Vec<MemberId> {
        let reads = |user_id: &UserId| {
            let own = matches!(whose, Whose::Member(member, _) if member == user_id);
            own || self.record.owner.as_ref() == Some(user_id)
        };
        self.members.iter().filter(|(_, member)| reads(&member.user_id)).map(|(id, _)| *id).collect()
    }

    fn tell_key(&mut self, to: To, whose: Whose<'_>, key: &str, value: Option<Json>) {
        let room_id = self.stage.room_id;
        let data = Some(DataMap::from([(key.to_owned(), value.unwrap_or_default())]));
        match whose {
            Whose::Room => {
                let header = Header::new(RoomUpdated::TYPE);
                let update = RoomUpdated { data, ..RoomUpdated::default() };
                self.stage.said.message_latest(to, &latest_key("d.", key), &header.in_room(room_id.as_str()), &update);
            }
            Whose::Member(user_id, number) => {
                let header = Header::new(MemberUpdated::TYPE);
                let update = MemberUpdated { data, ..MemberUpdated::of(user_id.clone(), number) };
                let latest = latest_key(&format!("m{number}."), key);
                let before = self.stage.said.mark();
                self.stage.said.message_latest(to, &latest, &header.in_room(room_id.as_str()), &update);
                self.note_about(before, user_id);
            }
        }
    }

    /// Somebody owns the room now: tells them the keys that only owners read.
    pub(super) fn tell_owner_keys(&mut self) {
        if let Some(owner) = self.record.owner.clone() {
            self.tell_keys_for_owners(&owner, true);
        }
    }

    /// Somebody owned the room until now: the keys that only owners read are gone for them.
    pub(super) fn take_owner_keys(&mut self, before: &UserId) {
        self.tell_keys_for_owners(before, false);
    }

    /// Tells a user all that owners read and others do not, or that it is not there.
    fn tell_keys_for_owners(&mut self, user_id: &UserId, is_there: bool) {
        let sessions = self.sessions_of(user_id);
        let mut keys: Vec<(Option<(UserId, u32)>, DataMap)> = vec![(None, self.record.data.for_owners())];
        // One's own one reads whoever owns the room.
        let others = self.people.iter().filter(|(other, person)| person.listed && *other != user_id);
        keys.extend(others.map(|(other, person)| (Some((other.clone(), person.number)), person.data.for_owners())));
        for (whose, data) in keys {
            let whose = whose.as_ref().map_or(Whose::Room, |(user_id, number)| Whose::Member(user_id, *number));
            for (key, value) in data {
                for member in &sessions {
                    self.tell_key(To::Only(*member), whose, &key, Some(value.clone()).filter(|_| is_there));
                }
            }
        }
    }

    /// Tells those who read them the keys of a member that only owners read.
    pub(super) fn tell_owner_keys_of(&mut self, user_id: &UserId) {
        let Some(person) = self.people.get(user_id) else { return };
        let (whose, keys) = (Whose::Member(user_id, person.number), person.data.for_owners());
        if keys.is_empty() {
            return;
        }
        for member in self.readers_of_owner_keys(whose) {
            for (key, value) in &keys {
                self.tell_key(To::Only(member), whose, key, Some(value.clone()));
            }
        }
    }

    /// The sessions of a user that are in the room.
    pub(super) fn sessions_of(&self, user_id: &UserId) -> Vec<MemberId> {
        self.members.iter().filter(|(_, member)| member.user_id == *user_id).map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(of: &[(&str, &str)]) -> DataMap {
        of.iter().map(|(key, value)| ((*key).to_owned(), Json::from_text((*value).into()).unwrap())).collect()
    }

    #[test]
    fn a_key_is_set_changed_and_removed() {
        let none = AccessMap::new();
        let (first, told) = Dataset::default().with(&data(&[("a", "1"), ("b", "2")]), &none, &[], By::Client).unwrap();
        assert_eq!(told.len(), 2);
        let (second, told) =
            first.with(&data(&[("a", "1"), ("b", "null"), ("c", "null")]), &none, &[], By::Client).unwrap();
        assert_eq!(
            told.iter().map(|changed| changed.key.as_str()).collect::<Vec<_>>(),
            ["b"],
            "nothing else has changed"
        );
        assert_eq!(second.seen_by(Access::Members), data(&[("a", "1")]));
    }

    #[test]
    fn who_may_read_a_key_is_kept_until_it_is_said_anew() {
        let owner = AccessMap::from([("a".to_owned(), Access::Owner)]);
        let (first, _) = Dataset::default().with(&data(&[("a", "1")]), &owner, &[], By::Client).unwrap();
        let (second, _) = first.with(&data(&[("a", "2")]), &AccessMap::new(), &[], By::Client).unwrap();
        assert_eq!(second.seen_by(Access::Members), DataMap::new());
        assert_eq!(second.seen_by(Access::Owner), data(&[("a", "2")]));
        let shown = AccessMap::from([("a".to_owned(), Access::Public)]);
        let (third, told) = second.with(&DataMap::new(), &shown, &[], By::Client).unwrap();
        assert_eq!((third.seen_by(Access::Public), told.len()), (data(&[("a", "2")]), 1));
    }

    #[test]
    fn what_lists_show_is_no_more_than_one_value() {
        let (none, half) = (AccessMap::new(), format!("{:?}", "x".repeat(510)));
        let with = |second: &str| {
            let data = data(&[("map", &half), ("mode", second), ("note", &half)]);
            Dataset::default().with(&data, &none, &["map", "mode"], By::Client)
        };
        assert!(with(&half).is_ok());
        assert_eq!(with(&format!("{:?}", "x".repeat(511))).unwrap_err().code, ErrorCode::InvalidData);
    }

    #[test]
    fn what_is_too_much_is_refused_by_its_key() {
        let none = AccessMap::new();
        let long = format!("{:?}", "x".repeat(1023));
        let many: Vec<String> = (0..33).map(|number| format!("k{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "0")).collect();
        for wrong in [data(&[("", "1")]), data(&[(&"k".repeat(65), "1")]), data(&[("a\n", "1")]), data(&[("a", &long)])]
        {
            let error = Dataset::default().with(&wrong, &none, &[], By::Client).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidData);
            assert!(error.details.is_some());
        }
        assert!(Dataset::default().with(&data(&many), &none, &[], By::Client).is_err());
        assert!(Dataset::default().with(&data(&many[1..]), &none, &[], By::Client).is_ok());
        for (level, searchable) in [(Access::Server, &[][..]), (Access::Owner, &["map"][..])] {
            let access = AccessMap::from([("map".to_owned(), level)]);
            assert!(Dataset::default().with(&data(&[("map", "1")]), &access, searchable, By::Client).is_err());
        }
        let absent = AccessMap::from([("a".to_owned(), Access::Public)]);
        assert!(Dataset::default().with(&DataMap::new(), &absent, &[], By::Client).is_err());
    }

    #[test]
    fn long_keys_are_told_apart() {
        let (one, other) = ("k".repeat(64), "k".repeat(63) + "l");
        let (one, other) = (latest_key("m4294967295.", &one), latest_key("m4294967295.", &other));
        assert!(one.len() <= KEY_BYTES_MAX && other.len() <= KEY_BYTES_MAX);
        assert_ne!(one, other);
    }
}

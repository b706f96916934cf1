//! A part of a room that most turns leave alone: shared with the room's snapshots, copied when it changes, and put into JSON
//! once for as long as it does not.
//!
//! A durable room takes a snapshot in every turn. Without this, what everybody has said and who may come in would be copied
//! and written anew for each move.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// See the module. Reading it is free; whoever borrows it mutably has it written anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared<T>(Arc<Part<T>>);

#[derive(Debug, Default)]
struct Part<T> {
    value: T,
    json: OnceLock<Box<RawValue>>,
}

/// The value alone: it is cloned to be changed.
impl<T: Clone> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), json: OnceLock::new() }
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(Part { value, json: OnceLock::new() }))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        let part = Arc::make_mut(&mut self.0);
        part.json.take();
        &mut part.value
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.value == other.0.value
    }
}

/// As JSON, and in no other format.
impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Part { value, json } = &*self.0;
        if let Some(json) = json.get() {
            return json.serialize(serializer);
        }
        let written = to_raw_value(value).map_err(S::Error::custom)?;
        json.get_or_init(|| written).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(part: &Shared<Vec<u8>>) -> String {
        serde_json::to_string(part).unwrap()
    }

    #[test]
    fn what_has_changed_is_written_anew() {
        let mut part = Shared::from(vec![1]);
        assert_eq!((json(&part), json(&part)), ("[1]".into(), "[1]".into()));
        part.push(2);
        assert_eq!(json(&part), "[1,2]");
        assert_eq!(serde_json::from_str::<Shared<Vec<u8>>>("[1,2]").unwrap(), part);
    }

    #[test]
    fn a_snapshot_stays_as_it_was() {
        let mut part = Shared::from(vec![1]);
        let before = part.clone();
        assert!(Arc::ptr_eq(&part.0, &before.0), "nothing is copied as long as nothing changes");
        part.push(2);
        assert_eq!((json(&before), json(&part)), ("[1]".into(), "[1,2]".into()));
        assert_ne!(before, part);
        part.pop();
        assert_eq!(before, part, "equal however it came to be");
    }
}

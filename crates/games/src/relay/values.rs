//! State that the members of a room share: values by key, each with a version. Knows nothing of who may set what.

use std::collections::BTreeMap;

use anteroom_core::{ErrorCode, Json, Rejection, Seat};
use serde::{Deserialize, Serialize};

/// How many keys there may be.
pub const KEYS_MAX: usize = 256;

/// The longest value, in bytes of its JSON text.
pub const VALUE_BYTES_MAX: usize = 4 << 10;

/// The deepest value: less than any [`Json`] may have, since it becomes a part of the room's state.
pub const VALUE_DEPTH_MAX: usize = 24;

/// All keys and values together: whoever comes gets them in one message.
pub const VALUES_BYTES_MAX: usize = 128 << 10;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Values {
    kept: BTreeMap<String, Kept>,
    /// The highest version of a key that is not there any more: a key that comes again goes on above it, so that nobody takes it
    /// for the one that they knew.
    floor: u64,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) value: Json,
    pub(super) version: u64,
    /// Whoever set it last, until they leave.
    pub(super) from: Option<Seat>,
}

/// What a `conflict` is about.
#[derive(Serialize)]
struct Current<'a> {
    key: &'a str,
    version: u64,
    value: Option<&'a Json>,
}

impl Values {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Kept)> {
        self.kept.iter()
    }

    /// Sets a key, or removes it with `null`. Yields its version, or nothing if there is nothing to remove.
    pub(super) fn set(
        &mut self,
        key: &str,
        value: &Json,
        expected: Option<u64>,
        from: Seat,
    ) -> Result<Option<u64>, Rejection> {
        let before = self.kept.get(key);
        let current = before.map_or(0, |kept| kept.version);
        if expected.is_some_and(|expected| expected != current) {
            let details = Current { key, version: current, value: before.map(|kept| &kept.value) };
            let refusal = format!("That is not the current version, which is {current}.");
            return Err(Rejection::new(ErrorCode::Conflict, refusal).with_details(&details));
        }
        let size = |value: &Json| key.len() + value.text().len();
        let bytes = self.bytes - before.map_or(0, |kept| size(&kept.value));
        if value.text() == "null" {
            let Some(removed) = self.kept.remove(key) else { return Ok(None) };
            self.bytes = bytes;
            self.floor = self.floor.max(removed.version + 1);
            return Ok(Some(removed.version + 1));
        }
        if !value.nests_within(VALUE_DEPTH_MAX) {
            let refusal = format!("A value may nest at most {VALUE_DEPTH_MAX} deep.");
            return Err(Rejection::new(ErrorCode::InvalidData, refusal));
        }
        let text = value.text().len();
        if text > VALUE_BYTES_MAX {
            let refusal = format!("A value may have at most {VALUE_BYTES_MAX} bytes.");
            return Err(Rejection::new(ErrorCode::InvalidData, refusal));
        }
        if before.is_none() && self.kept.len() >= KEYS_MAX {
            return Err(Rejection::new(ErrorCode::LimitReached, format!("A room has at most {KEYS_MAX} keys.")));
        }
        if bytes + size(value) > VALUES_BYTES_MAX {
            let refusal = format!("All values of a room have at most {VALUES_BYTES_MAX} bytes together.");
            return Err(Rejection::new(ErrorCode::LimitReached, refusal));
        }
        let version = if before.is_some() { current + 1 } else { self.floor + 1 };
        self.kept.insert(key.to_owned(), Kept { value: value.clone(), version, from: Some(from) });
        self.bytes = bytes + size(value);
        Ok(Some(version))
    }

    /// A player is gone, and is not named any more.
    pub(super) fn forget(&mut self, seat: Seat) {
        for kept in self.kept.values_mut() {
            kept.from.take_if(|from| *from == seat);
        }
    }
}

//! The JSON codec: writing values, and text that stays text.

use std::fmt;

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use serde::de::value::Error as ProbeError;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

use crate::codec::InvalidData;
use crate::limits::{JSON_DATA_DEPTH_MAX, JSON_DEPTH_MAX, JSON_VALUE_DEPTH_MAX};

pub(crate) const EMPTY_OBJECT: &str = "{}";
pub(crate) const TOO_DEEP: &str = "the JSON nests too deeply";

/// Appends a value's JSON text.
///
/// # Errors
/// [`InvalidData`] if the value refuses, such as a map whose keys are not strings. What was appended until then
/// is taken back.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), InvalidData> {
    let start = out.len();
    serde_json::to_writer(&mut *out, value).map_err(|error| {
        out.truncate(start);
        error.into()
    })
}

/// Whether a text nests no deeper than [`JSON_DEPTH_MAX`]. Does not check that it is JSON.
#[must_use]
pub fn depth_within_limit(text: &[u8]) -> bool {
    depth_within(text, JSON_DEPTH_MAX)
}

fn depth_within(text: &[u8], max: usize) -> bool {
    // Almost every text has fewer brackets than that in all, and they are quickly counted: many bytes in one step of
    // the processor, as long as the counter is a byte, too.
    let brackets = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    let count: usize = text.chunks(usize::from(u8::MAX)).map(|chunk| usize::from(brackets(chunk))).sum();
    count <= max || nests_within(text.iter().copied(), max)
}

/// Checks that the text of a message's data nests no deeper than [`JSON_DATA_DEPTH_MAX`]. Whoever is about to decode it
/// asks, since only there it is known who has to answer.
///
/// # Errors
/// [`InvalidData`] if it does.
pub(crate) fn check_data_depth(text: &str) -> Result<(), InvalidData> {
    // It is one value, so what is opened is closed, and most are too short for that.
    if text.len() <= 2 * JSON_DATA_DEPTH_MAX || depth_within(text.as_bytes(), JSON_DATA_DEPTH_MAX) {
        Ok(())
    } else {
        Err(InvalidData::new(TOO_DEEP))
    }
}

/// Whether the text of a message nests no deeper than [`JSON_DEPTH_MAX`] where its data, a part of the text, is left out.
pub(crate) fn depth_around_within_limit(text: &str, data: &str) -> bool {
    let start = data.as_ptr().addr().saturating_sub(text.as_ptr().addr()).min(text.len());
    let (before, rest) = text.as_bytes().split_at(start);
    let behind = &rest[data.len().min(rest.len())..];
    nests_within(before.iter().chain(behind).copied(), JSON_DEPTH_MAX)
}

/// Appends a string. The serializer does so byte by byte; most strings have nothing to escape, which is quickly seen.
pub(crate) fn put_string(text: &str, out: &mut Vec<u8>) -> Result<(), InvalidData> {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return encode(text, out);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

fn nests_within(text: impl Iterator<Item = u8>, max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Any JSON value nested no deeper than [`JSON_VALUE_DEPTH_MAX`], kept as its text: raw in JSON messages, a string
/// in binary ones. Two are equal if their texts are.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Encodes a value.
    ///
    /// # Errors
    /// [`InvalidData`] if the value refuses to be JSON, or nests too deeply.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self, InvalidData> {
        Self::checked(serde_json::value::to_raw_value(value)?)
    }

    /// Checks that a text is one JSON value, nested no deeper than [`JSON_VALUE_DEPTH_MAX`], and keeps it.
    ///
    /// # Errors
    /// [`InvalidData`] if it is not.
    pub fn from_text(text: String) -> Result<Self, InvalidData> {
        Self::checked(RawValue::from_string(text)?)
    }

    /// Whether the value nests no deeper than this: a number nests 0 deep, `[[]]` 2.
    #[must_use]
    pub fn nests_within(&self, depth: usize) -> bool {
        depth_within(self.text().as_bytes(), depth)
    }

    fn checked(raw: Box<RawValue>) -> Result<Self, InvalidData> {
        if depth_within(raw.get().as_bytes(), JSON_VALUE_DEPTH_MAX) {
            Ok(Self(raw))
        } else {
            Err(InvalidData::new(TOO_DEEP))
        }
    }

    /// `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::from_text(EMPTY_OBJECT.to_owned()).unwrap_or_default()
    }

    /// The value's text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// [`InvalidData`] if its shape is another.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, InvalidData> {
        Ok(serde_json::from_str(self.text())?)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(Box::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Default for Json {
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::new(&number).unwrap_or_default()
    }
}

impl Eq for Json {}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl bincode::Encode for Json {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.text().encode(encoder)
    }
}

impl<C> bincode::Decode<C> for Json {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let text = <String as bincode::Decode<C>>::decode(decoder)?;
        let raw = RawValue::from_string(text).map_err(|_| DecodeError::Other("a JSON text expected"))?;
        Self::checked(raw).map_err(|_| DecodeError::Other(TOO_DEEP))
    }
}

impl<'de, C> bincode::BorrowDecode<'de, C> for Json {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <Self as bincode::Decode<C>>::decode(decoder)
    }
}

/// Whether `T` is read as a struct with named fields. serde would read one from an array, too, by position; the
/// protocol does not, since then the order of fields would be part of it.
pub(crate) fn is_struct<T: de::DeserializeOwned>() -> bool {
    struct Probe<'a>(&'a mut bool);

    impl<'de> Deserializer<'de> for Probe<'_> {
        type Error = ProbeError;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            _fields: &'static [&'static str],
            _visitor: V,
        ) -> Result<V::Value, ProbeError> {
            *self.0 = true;
            Err(de::Error::custom("only asked for the shape"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ProbeError> {
            Err(de::Error::custom("not a struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut found = false;
    // The probe always fails; what counts is what it was asked for.
    drop(T::deserialize(Probe(&mut found)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(depth_within_limit(nested(JSON_DEPTH_MAX).as_bytes()));
        assert!(!depth_within_limit(nested(JSON_DEPTH_MAX + 1).as_bytes()));
        assert!(depth_within_limit(format!(r#"{{"a":"\"{}"}}"#, "[".repeat(100)).as_bytes()));
    }

    #[test]
    fn a_value_is_checked_wherever_it_comes_from() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for (depth, fits) in [(JSON_VALUE_DEPTH_MAX, true), (JSON_VALUE_DEPTH_MAX + 1, false)] {
            let text = nested(depth);
            assert_eq!(Json::from_text(text.clone()).is_ok(), fits);
            assert_eq!(serde_json::from_str::<Json>(&text).is_ok(), fits);
            assert_eq!(Json::new::<RawValue>(serde_json::from_str(&text).unwrap()).is_ok(), fits);
            let mut binary = Vec::new();
            crate::binary::encode(&text, &mut binary).unwrap();
            assert_eq!(crate::binary::decode::<Json>(&binary).is_ok(), fits);
        }
        assert!(Json::from_text("1 2".to_owned()).is_err());
        assert_eq!(Json::from_text(" 1 ".to_owned()).unwrap().text(), "1");
    }
}

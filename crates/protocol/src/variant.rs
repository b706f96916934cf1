//! Enums whose variants are messages: the variant's name in snake_case is the `type`, its fields are the `data`.
//!
//! serde and bincode both write an enum as a tag and its fields in one piece; here the two are taken apart, so
//! that a game's messages look like the protocol's own in both codecs.
//!
//! The binary tag is the variant's place in the declaration, so such an enum has neither serde aliases nor variants
//! that serde skips: both would shift the places.

use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::binary;
use crate::codec::{Body, Codec, Data, InvalidData};
use crate::json;

const NOT_A_MESSAGE: &str = "a message must be a struct variant";

/// The most variants a message enum may have: the tag stays one byte in the binary codec.
pub const VARIANTS_MAX: usize = 250;

/// Why a message could not be read as a variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariantError {
    /// No variant has that name.
    #[error("no such message")]
    Unknown,
    /// The data does not fit the variant.
    #[error(transparent)]
    Invalid(#[from] InvalidData),
}

/// The names of an enum's variants as they travel, in the order of the declaration. Empty for other types.
#[must_use]
pub fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // The probe learns the names from what the type asks for, and always fails afterwards.
    drop(T::deserialize(Probe(&mut found)));
    found
}

/// The first variant that cannot be a message because it is not a struct variant, if there is one.
#[must_use]
pub fn not_a_message<T: DeserializeOwned + bincode::Decode<()>>() -> Option<&'static str> {
    let is_unfit = |name: &str| match decode::<T>(name, Data::Json("{}")) {
        Err(VariantError::Invalid(error)) => error.to_string() == NOT_A_MESSAGE,
        _ => false,
    };
    names::<T>().iter().copied().find(|name| is_unfit(name))
}

/// Reads a message as one of the variants of `T`.
///
/// # Errors
/// [`VariantError::Unknown`] if no variant is named `kind`, else what is wrong with the data.
pub fn decode<T: DeserializeOwned + bincode::Decode<()>>(kind: &str, data: Data<'_>) -> Result<T, VariantError> {
    let index = names::<T>().iter().position(|name| *name == kind).ok_or(VariantError::Unknown)?;
    match data {
        Data::Json(text) => {
            json::check_data_depth(text)?;
            Ok(T::deserialize(Variant { kind, text }).map_err(InvalidData::from)?)
        }
        Data::Binary(bytes) => {
            Ok(binary::decode_variant(u8::try_from(index).map_err(|_| VariantError::Unknown)?, bytes)?)
        }
    }
}

/// Appends the fields of a variant, in the codec, and gives its name.
///
/// # Errors
/// [`InvalidData`] if the value refuses, or is not a struct variant.
pub fn encode<T: Body + DeserializeOwned>(
    codec: Codec,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<&'static str, InvalidData> {
    let start = out.len();
    match codec {
        Codec::Json => json::encode(value, out)?,
        Codec::Bincode => binary::encode(value, out)?,
    }
    let untagged = match codec {
        Codec::Json => json_fields::<T>(&out[start..]),
        Codec::Bincode => binary_fields::<T>(&out[start..]),
    };
    let Some((name, fields)) = untagged else {
        out.truncate(start);
        return Err(InvalidData::new(NOT_A_MESSAGE));
    };
    let (from, until) = (start + fields.start, start + fields.end);
    out.copy_within(from..until, start);
    out.truncate(start + fields.len());
    Ok(name)
}

/// The name of a variant, and where its fields are in its JSON text.
fn json_fields<T: DeserializeOwned>(tagged: &[u8]) -> Option<(&'static str, Range<usize>)> {
    // serde writes {"name":fields}; names are identifiers, so nothing in them is escaped.
    let inner = tagged.strip_prefix(b"{\"")?.strip_suffix(b"}")?;
    let name_len = inner.iter().position(|byte| *byte == b'"')?;
    let name = names::<T>().iter().find(|name| name.as_bytes() == &inner[..name_len])?;
    Some((name, b"{\"".len() + name_len + b"\":".len()..tagged.len() - b"}".len()))
}

/// The same in its binary shape.
fn binary_fields<T: DeserializeOwned>(tagged: &[u8]) -> Option<(&'static str, Range<usize>)> {
    let name = names::<T>().get(usize::from(*tagged.first()?))?;
    Some((name, 1..tagged.len()))
}

/// Ends a probe. Nobody reads why, so nothing is said: messages are read and written often.
#[derive(Debug)]
struct Probed;

impl std::fmt::Display for Probed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("only asked for the names")
    }
}

impl std::error::Error for Probed {}

impl de::Error for Probed {
    fn custom<M: std::fmt::Display>(_: M) -> Self {
        Self
    }
}

struct Probe<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Probed;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = variants;
        Err(Probed)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(Probed)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A JSON object that is to be read as the fields of a variant named elsewhere.
struct Variant<'a> {
    kind: &'a str,
    text: &'a str,
}

impl<'de> Deserializer<'de> for Variant<'de> {
    type Error = serde_json::Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("a message type must be an enum"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = serde_json::Error;
    type Variant = Fields<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Fields<'de>), Self::Error> {
        let name: StrDeserializer<'_, serde_json::Error> = self.kind.into_deserializer();
        Ok((seed.deserialize(name)?, Fields(self.text)))
    }
}

struct Fields<'a>(&'a str);

impl<'de> VariantAccess<'de> for Fields<'de> {
    type Error = serde_json::Error;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Err(de::Error::custom(NOT_A_MESSAGE))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, Self::Error> {
        Err(de::Error::custom(NOT_A_MESSAGE))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom(NOT_A_MESSAGE))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if !self.0.starts_with('{') {
            return Err(de::Error::custom("an object expected"));
        }
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
        // A map and not a struct: serde_json would read a struct from an array as well, by position.
        let value = deserializer.deserialize_map(visitor)?;
        deserializer.end()?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
    #[serde(rename_all = "snake_case")]
    enum Action {
        MakeMove { row: u8, col: u8 },
        Say { words: String },
        Rematch {},
    }

    #[test]
    fn variants_travel_as_type_and_fields() {
        assert_eq!(names::<Action>(), ["make_move", "say", "rematch"]);
        for (value, name, text) in [
            (Action::MakeMove { row: 1, col: 2 }, "make_move", r#"{"row":1,"col":2}"#),
            (Action::Say { words: "a\"}".into() }, "say", r#"{"words":"a\"}"}"#),
            (Action::Rematch {}, "rematch", "{}"),
        ] {
            let mut json = Vec::new();
            assert_eq!(encode(Codec::Json, &value, &mut json), Ok(name));
            assert_eq!(std::str::from_utf8(&json), Ok(text));
            assert_eq!(decode::<Action>(name, Data::Json(text)).as_ref(), Ok(&value));
            let mut binary = Vec::new();
            assert_eq!(encode(Codec::Bincode, &value, &mut binary), Ok(name));
            assert_eq!(decode::<Action>(name, Data::Binary(&binary)).as_ref(), Ok(&value));
        }
    }

    #[derive(Debug, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
    #[serde(rename_all = "snake_case")]
    enum Unfit {
        Fine { number: u8 },
        Also {},
        Bare,
        Tuple(u8, u8),
        Wrapped(String),
    }

    #[test]
    fn only_struct_variants_are_messages() {
        assert_eq!(not_a_message::<Action>(), None);
        assert_eq!(not_a_message::<Unfit>(), Some("bare"));
        for name in ["bare", "tuple", "wrapped"] {
            let error = decode::<Unfit>(name, Data::Json("{}")).unwrap_err();
            assert_eq!(error.to_string(), NOT_A_MESSAGE);
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(decode::<Action>("fly", Data::Json("{}")), Err(VariantError::Unknown));
        let error = decode::<Action>("make_move", Data::Json(r#"{"row":1}"#)).unwrap_err();
        assert_eq!(error.to_string(), "missing field `col`");
        assert!(decode::<Action>("make_move", Data::Json("[1,2]")).is_err());
        assert!(decode::<Action>("rematch", Data::Binary(&[0])).is_err());
        assert!(decode::<Action>("make_move", Data::Binary(&[1])).is_err());
    }
}

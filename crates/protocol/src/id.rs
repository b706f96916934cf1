//! Identifiers that travel. Each is checked where it is read and cheap to copy or clone afterwards.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::USER_ID_BYTES_MAX;

/// Crockford's base32 alphabet in lower case (<https://www.crockford.com/base32.html>): no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes the low `5 * N` bits of `bits` in base32, highest first.
fn base32<const N: usize>(mut bits: u128) -> [u8; N] {
    let mut text = [0; N];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    text
}

/// An identifier is not of its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} expected")]
pub struct InvalidId(&'static str);

macro_rules! base32_id {
    ($(#[$doc:meta])* $name:ident, $length:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Makes an id of random bits; the caller's source decides how hard it is to guess.
            #[must_use]
            pub fn from_bits(bits: u128) -> Self {
                Self(base32(bits))
            }

            /// The text form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let bytes: [u8; $length] = text.as_bytes().try_into().map_err(|_| InvalidId($expected))?;
                let bytes = bytes.map(|byte| byte.to_ascii_lowercase());
                if bytes.iter().all(|byte| ALPHABET.contains(byte)) { Ok(Self(bytes)) } else { Err(InvalidId($expected)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl bincode::Encode for $name {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                self.as_str().encode(encoder)
            }
        }

        impl<C> bincode::Decode<C> for $name {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                <String as bincode::Decode<C>>::decode(decoder)?.parse().map_err(|_| DecodeError::Other($expected))
            }
        }

        impl<'de, C> bincode::BorrowDecode<'de, C> for $name {
            fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                <&str as bincode::BorrowDecode<'de, C>>::borrow_decode(decoder)?
                    .parse()
                    .map_err(|_| DecodeError::Other($expected))
            }
        }
    };
}

base32_id! {
    /// Names a room: 10 characters of Crockford base32, 50 random bits. Read without regard to case.
    RoomId, 10, "a room id of 10 base32 characters"
}

base32_id! {
    /// Names a session: 26 characters of Crockford base32, 128 random bits.
    SessionId, 26, "a session id of 26 base32 characters"
}

/// A player's identity: what a token's `sub` says, or a name made up for a guest. 1 to
/// [`USER_ID_BYTES_MAX`] bytes, no control characters. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// The identity of a guest, from random bits: `guest-` and 16 characters of base32.
    #[must_use]
    pub fn guest(bits: u128) -> Self {
        let text = base32::<16>(bits);
        Self(format!("guest-{}", std::str::from_utf8(&text).unwrap_or_default()).into())
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() || text.len() > USER_ID_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(InvalidId("a user id of 1 to 64 bytes without control characters"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl bincode::Encode for UserId {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.as_str().encode(encoder)
    }
}

impl<C> bincode::Decode<C> for UserId {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <String as bincode::Decode<C>>::decode(decoder)?.parse().map_err(|_| DecodeError::Other("a user id"))
    }
}

impl<'de, C> bincode::BorrowDecode<'de, C> for UserId {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <&str as bincode::BorrowDecode<'de, C>>::borrow_decode(decoder)?
            .parse()
            .map_err(|_| DecodeError::Other("a user id"))
    }
}

/// Numbers a lane within its session: given at join, increasing, never reused. 0 is control.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, bincode::Encode, bincode::Decode,
)]
#[serde(transparent)]
pub struct LaneId(pub u32);

impl LaneId {
    /// The lane that the session itself owns.
    pub const CONTROL: Self = Self(0);
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ids_read_back_in_any_case() {
        let id = RoomId::from_bits(0x1234_5678_9abc_def0);
        assert_eq!(id.as_str().len(), 10);
        assert_eq!(id.as_str().to_uppercase().parse(), Ok(id));
        assert!("k3v9".parse::<RoomId>().is_err());
        assert!("k3v9k3v9iu".parse::<RoomId>().is_err());
    }

    #[test]
    fn user_ids_have_bounds() {
        assert!("".parse::<UserId>().is_err());
        assert!("a\nb".parse::<UserId>().is_err());
        assert!("x".repeat(65).parse::<UserId>().is_err());
        assert_eq!("ada".parse::<UserId>().unwrap().as_str(), "ada");
        assert_eq!(UserId::guest(7).as_str(), "guest-0000000000000007");
    }
}

//! Which codec a session speaks, and values that are already in it.

use std::fmt::{self, Write};

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::value::RawValue;

use crate::code::floor_char_boundary;
use crate::{binary, json, words};

/// The encoding of a session's messages. It belongs to the session, whatever transport carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Text: one envelope, or an array of them.
    #[default]
    Json,
    /// bincode 2's standard configuration: one envelope after another.
    Bincode,
}

impl Codec {
    /// Every codec; [`Codec::index`] gives the place.
    pub const ALL: [Self; 2] = [Self::Json, Self::Bincode];

    /// A number below `Codec::ALL.len()`, for tables by codec.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The WebSocket subprotocol that asks for it.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "anteroom.v1.json",
            Self::Bincode => "anteroom.v1.bincode",
        }
    }

    /// The codec of a record or datagram by its first byte. JSON begins with a brace or bracket there, with no
    /// white space before it; a binary envelope begins with the length of its type, which is smaller than either.
    #[must_use]
    pub fn of_payload(payload: &[u8]) -> Self {
        match payload.first() {
            Some(b'{' | b'[') => Self::Json,
            _ => Self::Bincode,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Bincode => "bincode",
        })
    }
}

/// What can be the `data` of an outgoing message: it has a JSON shape and a binary one.
pub trait Body: Serialize + bincode::Encode {}
impl<T: Serialize + bincode::Encode + ?Sized> Body for T {}

/// The longest [`InvalidData`], in bytes: decoders quote their input.
const WORDS_BYTES_MAX: usize = 200;

/// A text that is cut at [`WORDS_BYTES_MAX`].
struct Words(String);

impl Write for Words {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = WORDS_BYTES_MAX - self.0.len();
        self.0.push_str(&text[..floor_char_boundary(text, left)]);
        if text.len() > left { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Data of an incoming message that does not have the shape its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidData(String);

impl InvalidData {
    /// Says what is wrong, in words for the sender.
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        let mut words = Words(String::new());
        // An error only says that the words were cut.
        let _cut = write!(words, "{why}");
        Self(words.0)
    }
}

/// What serde says, in JSON's terms and without the position in the text.
impl From<serde_json::Error> for InvalidData {
    fn from(error: serde_json::Error) -> Self {
        Self::new(words::plain(&error))
    }
}

/// The `data` of an incoming message, not decoded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// The text of one JSON value; `{}` when the message has none.
    Json(&'a str),
    /// The bytes of one binary shape.
    Binary(&'a [u8]),
}

impl Data<'_> {
    /// Decodes the data as `T`. Fields of the JSON object that `T` does not know are ignored, and a struct is not
    /// read from an array; left-over binary bytes are an error.
    ///
    /// # Errors
    /// [`InvalidData`], in words for the sender, if the shape is another.
    pub fn decode<T: DeserializeOwned + bincode::Decode<()>>(self) -> Result<T, InvalidData> {
        match self {
            Self::Json(_) => self.decode_json(),
            Self::Binary(bytes) => binary::decode(bytes),
        }
    }

    /// The same for a type that has a JSON shape only.
    ///
    /// # Errors
    /// [`InvalidData`], also for binary data.
    pub fn decode_json<T: DeserializeOwned>(self) -> Result<T, InvalidData> {
        let Self::Json(text) = self else { return Err(InvalidData::new("JSON expected")) };
        if text.starts_with('[') && json::is_struct::<T>() {
            return Err(InvalidData::new("an object expected, not an array"));
        }
        json::check_data_depth(text)?;
        Ok(serde_json::from_str(text)?)
    }

    /// Keeps the value as it is.
    #[must_use]
    pub fn to_payload(self) -> Payload {
        match self {
            Self::Json(text) => {
                Payload::Json(RawValue::from_string(text.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
            }
            Self::Binary(bytes) => Payload::Binary(bytes.to_vec()),
        }
    }
}

/// A value already encoded in the session's codec, nested in a message: raw JSON there, length-prefixed bytes
/// here. Putting one into a message of the other codec is an error.
#[derive(Debug, Clone)]
pub enum Payload {
    /// One JSON value.
    Json(Box<RawValue>),
    /// The bytes of one binary shape.
    Binary(Vec<u8>),
}

impl Payload {
    /// Encodes a value.
    ///
    /// # Errors
    /// [`InvalidData`] if the value refuses to be encoded, such as a JSON map whose keys are not strings.
    pub fn encode<T: Body + ?Sized>(codec: Codec, value: &T) -> Result<Self, InvalidData> {
        match codec {
            Codec::Json => Ok(Self::Json(serde_json::value::to_raw_value(value)?)),
            Codec::Bincode => {
                let mut bytes = Vec::new();
                binary::encode(value, &mut bytes)?;
                Ok(Self::Binary(bytes))
            }
        }
    }

    /// The value, not decoded.
    #[must_use]
    pub fn data(&self) -> Data<'_> {
        match self {
            Self::Json(text) => Data::Json(text.get()),
            Self::Binary(bytes) => Data::Binary(bytes),
        }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.data() == other.data()
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(text) => text.serialize(serializer),
            Self::Binary(_) => Err(ser::Error::custom("a binary payload in a JSON message")),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::Json)
    }
}

impl bincode::Encode for Payload {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self {
            Self::Json(_) => Err(EncodeError::Other("a JSON payload in a binary message")),
            Self::Binary(bytes) => bytes.encode(encoder),
        }
    }
}

impl<C> bincode::Decode<C> for Payload {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <Vec<u8> as bincode::Decode<C>>::decode(decoder).map(Self::Binary)
    }
}

impl<'de, C> bincode::BorrowDecode<'de, C> for Payload {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <Vec<u8> as bincode::Decode<C>>::decode(decoder).map(Self::Binary)
    }
}

pub(crate) fn json_data(raw: Option<&RawValue>) -> Data<'_> {
    Data::Json(match raw.map(RawValue::get) {
        None | Some("null") => json::EMPTY_OBJECT,
        Some(text) => text,
    })
}

//! The envelope around every message, the same in both codecs, and batches of them.
//!
//! Reading is in two steps: the envelope here, with `data` left raw, and the data where its type is known. So a
//! message of unknown type costs a header, and the order of the keys in a JSON object does not matter.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::codec::{Body, Codec, Data, InvalidData, json_data};
use crate::limits::{BATCH_MESSAGES_MAX, KEY_BYTES_MAX, REF_BYTES_MAX, TYPE_BYTES_MAX};
use crate::message::error::ErrorBody;
use crate::{binary, json};

/// What a client sent to recognise the answer by: the text of a JSON string, number or boolean, echoed as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ref(Box<str>);

impl Ref {
    fn new(raw: &RawValue) -> Result<Self, MalformedBatch> {
        let text = raw.get();
        if text.len() > REF_BYTES_MAX
            || !matches!(text.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f'))
        {
            return Err(MalformedBatch("`ref` must be a string, number or boolean of at most 64 bytes".into()));
        }
        Ok(Self(text.into()))
    }

    /// Reads the JSON text of a string, number or boolean of at most [`REF_BYTES_MAX`] bytes, as it is found in the
    /// binary envelope. The text is kept byte for byte, so there may be no white space around it.
    ///
    /// # Errors
    /// [`MalformedBatch`] if it is something else.
    pub fn from_json(text: &str) -> Result<Self, MalformedBatch> {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if raw.get().len() == text.len() => Self::new(raw),
            Ok(_) => Err(MalformedBatch("`ref` must have no white space around it".into())),
            Err(error) => Err(MalformedBatch(format!("`ref` is not JSON: {}", InvalidData::from(error)).into())),
        }
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for Ref {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

impl Serialize for Ref {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Only ever holds text that was read as one JSON value.
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A message as it arrived, its data not decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The message's `type`.
    pub kind: Cow<'a, str>,
    /// The sender's mark on a request, or its echo on the result.
    pub reference: Option<Ref>,
    /// The number of a reliable message upstream.
    pub n: Option<u64>,
    /// The room whose lane the message is on; control without.
    pub room_id: Option<Cow<'a, str>>,
    /// The key of a `latest` message.
    pub latest: Option<Cow<'a, str>>,
    /// On results: whether the request succeeded.
    pub success: Option<bool>,
    /// On failures: why.
    pub error: Option<ErrorBody>,
    /// Everything else.
    pub data: Data<'a>,
}

/// What goes around the data of an outgoing message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Header<'a> {
    /// The message's `type`, at most [`TYPE_BYTES_MAX`] bytes.
    pub kind: &'a str,
    /// On results: the request's mark.
    pub reference: Option<&'a Ref>,
    /// The number of a reliable message upstream.
    pub n: Option<u64>,
    /// The room whose lane the message is on.
    pub room_id: Option<&'a str>,
    /// The key of a `latest` message.
    pub latest: Option<&'a str>,
    /// On results: whether the request succeeded.
    pub success: Option<bool>,
    /// On failures: why.
    pub error: Option<&'a ErrorBody>,
}

impl<'a> Header<'a> {
    /// A message of this type, with nothing else said.
    #[must_use]
    pub fn new(kind: &'a str) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Puts the message on a room's lane.
    #[must_use]
    pub fn in_room(self, room_id: &'a str) -> Self {
        Self { room_id: Some(room_id), ..self }
    }
}

/// The empty `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Empty {}

/// Appends one message.
///
/// # Errors
/// [`InvalidData`] if the data refuses to be encoded; nothing is appended then.
pub fn encode<T: Body + ?Sized>(
    codec: Codec,
    header: &Header<'_>,
    data: &T,
    out: &mut Vec<u8>,
) -> Result<(), InvalidData> {
    match codec {
        Codec::Json => encode_json(header, out, |out| json::encode(data, out)),
        Codec::Bincode => {
            let mut encoded = Vec::new();
            binary::encode(data, &mut encoded)?;
            encode_raw(header, Data::Binary(&encoded), out)
        }
    }
}

/// Appends one message whose data was encoded before, in the data's codec. JSON text is trusted to be one value.
///
/// # Errors
/// [`InvalidData`] if the header refuses to be encoded; nothing is appended then.
pub fn encode_raw(header: &Header<'_>, data: Data<'_>, out: &mut Vec<u8>) -> Result<(), InvalidData> {
    match data {
        Data::Json(text) => encode_json(header, out, |out| {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }),
        Data::Binary(bytes) => binary::encode(
            &BinaryEnvelope {
                kind: header.kind,
                reference: header.reference.map(Ref::as_str),
                n: header.n,
                room_id: header.room_id,
                latest: header.latest,
                success: header.success,
                error: header.error.map(Cow::Borrowed),
                data: bytes,
            },
            out,
        ),
    }
}

/// Writes the envelope by hand: it is around every message, and a serializer takes several times as long for it.
fn encode_json(
    header: &Header<'_>,
    out: &mut Vec<u8>,
    data: impl FnOnce(&mut Vec<u8>) -> Result<(), InvalidData>,
) -> Result<(), InvalidData> {
    let start = out.len();
    let written = put_head(header, out).and_then(|()| data(out));
    match written {
        Ok(()) => out.push(b'}'),
        Err(_) => out.truncate(start),
    }
    written
}

fn put_head(header: &Header<'_>, out: &mut Vec<u8>) -> Result<(), InvalidData> {
    let Header { kind, reference, n, room_id, latest, success, error } = *header;
    out.extend_from_slice(b"{\"type\":");
    json::put_string(kind, out)?;
    if let Some(reference) = reference {
        out.extend_from_slice(b",\"ref\":");
        // Only ever holds text that was read as one JSON value.
        out.extend_from_slice(reference.as_str().as_bytes());
    }
    if let Some(n) = n {
        out.extend_from_slice(b",\"n\":");
        json::encode(&n, out)?;
    }
    for (key, text) in [(&b",\"room_id\":"[..], room_id), (b",\"latest\":", latest)] {
        if let Some(text) = text {
            out.extend_from_slice(key);
            json::put_string(text, out)?;
        }
    }
    if let Some(success) = success {
        out.extend_from_slice(if success { b",\"success\":true" } else { b",\"success\":false" });
    }
    if let Some(error) = error {
        out.extend_from_slice(b",\"error\":");
        json::encode(error, out)?;
    }
    out.extend_from_slice(b",\"data\":");
    Ok(())
}

/// The binary envelope; its fields in this order are the wire shape.
struct BinaryEnvelope<'a> {
    kind: &'a str,
    reference: Option<&'a str>,
    n: Option<u64>,
    room_id: Option<&'a str>,
    latest: Option<&'a str>,
    success: Option<bool>,
    error: Option<Cow<'a, ErrorBody>>,
    data: &'a [u8],
}

impl bincode::Encode for BinaryEnvelope<'_> {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        self.kind.encode(encoder)?;
        self.reference.encode(encoder)?;
        self.n.encode(encoder)?;
        self.room_id.encode(encoder)?;
        self.latest.encode(encoder)?;
        self.success.encode(encoder)?;
        self.error.as_deref().encode(encoder)?;
        self.data.encode(encoder)
    }
}

impl<'a, C> bincode::BorrowDecode<'a, C> for BinaryEnvelope<'a> {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'a, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        fn field<'a, T: bincode::BorrowDecode<'a, D::Context>, D: bincode::de::BorrowDecoder<'a>>(
            decoder: &mut D,
        ) -> Result<T, bincode::error::DecodeError> {
            T::borrow_decode(decoder)
        }
        Ok(Self {
            kind: field(decoder)?,
            reference: field(decoder)?,
            n: field(decoder)?,
            room_id: field(decoder)?,
            latest: field(decoder)?,
            success: field(decoder)?,
            error: field::<Option<ErrorBody>, D>(decoder)?.map(Cow::Owned),
            data: field(decoder)?,
        })
    }
}

/// A payload is not a batch of envelopes; the connection ends with [`crate::CloseCode::Malformed`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedBatch(Cow<'static, str>);

/// Reads a frame's or record's payload: the messages in it, in order.
///
/// # Errors
/// [`MalformedBatch`] if the payload as a whole is not one; each message is checked when the iterator comes to it.
pub fn decode_batch(codec: Codec, payload: &[u8]) -> Result<Messages<'_>, MalformedBatch> {
    match codec {
        Codec::Bincode if payload.is_empty() => Err(MalformedBatch("an empty payload".into())),
        Codec::Bincode => Ok(Messages { rest: Rest::Binary(payload), count: 0, is_deep: false }),
        Codec::Json => {
            let text = std::str::from_utf8(payload).map_err(|_| MalformedBatch("the text is not UTF-8".into()))?;
            // Nothing here follows the nesting, so a payload of any depth is read; how deep the data of a message may be
            // is for whoever decodes it to say.
            let is_deep = !json::depth_within_limit(payload);
            let rest = if text.trim_start().starts_with('[') {
                Rest::Json(serde_json::from_str::<Items<'_>>(text).map_err(malformed_json)?.0.into_iter())
            } else {
                Rest::One(text.trim_start_matches([' ', '\t', '\n', '\r']))
            };
            Ok(Messages { rest, count: 0, is_deep })
        }
    }
}

fn malformed_json(error: serde_json::Error) -> MalformedBatch {
    MalformedBatch(format!("not a message: {}", InvalidData::from(error)).into())
}

/// The messages of one payload; see [`decode_batch`]. Ends after the first error.
#[derive(Debug)]
pub struct Messages<'a> {
    rest: Rest<'a>,
    count: usize,
    /// Whether some message nests too deeply somewhere.
    is_deep: bool,
}

#[derive(Debug)]
enum Rest<'a> {
    One(&'a str),
    Json(std::vec::IntoIter<&'a RawValue>),
    Binary(&'a [u8]),
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Envelope<'a>, MalformedBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoded = match &mut self.rest {
            Rest::One(text) => {
                let decoded = decode_json(text, self.is_deep);
                self.rest = Rest::Binary(&[]);
                decoded
            }
            Rest::Json(items) => decode_json(items.next()?.get(), self.is_deep),
            Rest::Binary([]) => return None,
            Rest::Binary(bytes) => decode_binary(bytes).map(|(envelope, taken)| {
                *bytes = &bytes[taken..];
                envelope
            }),
        };
        self.count += 1;
        let checked = if self.count > BATCH_MESSAGES_MAX {
            Err(MalformedBatch("more than 256 messages in one batch".into()))
        } else {
            decoded.and_then(check)
        };
        if checked.is_err() {
            self.rest = Rest::Binary(&[]);
        }
        Some(checked)
    }
}

/// The raw items of a JSON array, no more than a batch may have and one that tells of the excess.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;
        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                    if items.len() > BATCH_MESSAGES_MAX {
                        return Err(de::Error::custom("more than 256 messages in one batch"));
                    }
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

/// A string that borrows from the input unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct JsonIn<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(borrow, default)]
    room_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    latest: Option<Text<'a>>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(default)]
    error: Option<ErrorBody>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

fn decode_json(text: &str, is_deep: bool) -> Result<Envelope<'_>, MalformedBatch> {
    // serde would read the fields from an array as well, by position.
    if !text.starts_with('{') {
        return Err(MalformedBatch("not a message: an object expected".into()));
    }
    let JsonIn { kind, reference, n, room_id, latest, success, error, data } =
        serde_json::from_str(text).map_err(malformed_json)?;
    if is_deep && !json::depth_around_within_limit(text, data.map_or("", RawValue::get)) {
        return Err(MalformedBatch(json::TOO_DEEP.into()));
    }
    Ok(Envelope {
        kind,
        reference: reference.map(Ref::new).transpose()?,
        n,
        room_id: room_id.map(|text| text.0),
        latest: latest.map(|text| text.0),
        success,
        error,
        data: json_data(data),
    })
}

fn decode_binary(bytes: &[u8]) -> Result<(Envelope<'_>, usize), MalformedBatch> {
    let (envelope, taken) = binary::decode_prefix::<BinaryEnvelope<'_>>(bytes)
        .map_err(|error| MalformedBatch(format!("not a binary message: {error}").into()))?;
    let BinaryEnvelope { kind, reference, n, room_id, latest, success, error, data } = envelope;
    let envelope = Envelope {
        kind: kind.into(),
        reference: reference.map(Ref::from_json).transpose()?,
        n,
        room_id: room_id.map(Cow::Borrowed),
        latest: latest.map(Cow::Borrowed),
        success,
        error: error.map(Cow::into_owned),
        data: Data::Binary(data),
    };
    Ok((envelope, taken))
}

fn check(envelope: Envelope<'_>) -> Result<Envelope<'_>, MalformedBatch> {
    if envelope.kind.is_empty() || envelope.kind.len() > TYPE_BYTES_MAX {
        return Err(MalformedBatch("`type` must be 1 to 64 bytes".into()));
    }
    if envelope.latest.as_ref().is_some_and(|key| key.len() > KEY_BYTES_MAX) {
        return Err(MalformedBatch("`latest` must be at most 64 bytes".into()));
    }
    Ok(envelope)
}

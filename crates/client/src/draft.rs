//! A message on its way out, before it has its number: only the session's task knows in which order messages leave.

use std::borrow::Cow;

use anteroom_protocol::codec::{Body, InvalidData};
use anteroom_protocol::envelope::encode_raw;
use anteroom_protocol::json::depth_within_limit;
use anteroom_protocol::limits::TYPE_BYTES_MAX;
use anteroom_protocol::message::{Message, RESERVED_TYPES};
use anteroom_protocol::{Batch, BatchBuilder, Codec, Header, LaneId, Payload, RoomId, variant};
use serde::de::DeserializeOwned;

use crate::error::ClientError;
use crate::inbox::Content;

/// The largest number that every client's language reads exactly from JSON; no session comes near it.
const N_MAX: u64 = 1 << 53;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    kind: Cow<'static, str>,
    place: Option<(RoomId, LaneId)>,
    content: Content,
    pub(crate) reference: Option<u64>,
    /// Whether it is kept and sent again until it has arrived.
    pub(crate) reliable: bool,
}

impl Draft {
    /// One of the protocol's own requests, on control.
    pub(crate) fn of<T: Message>(codec: Codec, data: &T) -> Result<Self, InvalidData> {
        Self::new(codec, T::TYPE, data)
    }

    fn new<T: Body>(codec: Codec, kind: &'static str, data: &T) -> Result<Self, InvalidData> {
        let content = Content::new(Payload::encode(codec, data)?.data());
        Ok(Self { kind: kind.into(), place: None, content, reference: None, reliable: true })
    }

    /// A game's action.
    pub(crate) fn action<A: Body + DeserializeOwned>(codec: Codec, action: &A) -> Result<Self, ClientError> {
        let mut fields = Vec::new();
        let kind = variant::encode(codec, action, &mut fields).map_err(ClientError::Encode)?;
        if kind.len() > TYPE_BYTES_MAX {
            return Err(ClientError::InvalidData("its type is too long"));
        }
        if RESERVED_TYPES.contains(&kind) || kind.ends_with("_result") {
            return Err(ClientError::InvalidData("its type means something else"));
        }
        let content = match codec {
            Codec::Json => Content::Json(String::from_utf8(fields).unwrap_or_default().into()),
            Codec::Bincode => Content::Binary(fields.into()),
        };
        Ok(Self { kind: kind.into(), place: None, content, reference: None, reliable: true })
    }

    /// On a room's lane.
    pub(crate) fn within(self, room_id: RoomId, lane: LaneId) -> Self {
        Self { place: Some((room_id, lane)), ..self }
    }

    /// Asked with a mark for the answer.
    pub(crate) fn with_reference(self, reference: u64) -> Self {
        Self { reference: Some(reference), ..self }
    }

    /// Sent at most once.
    pub(crate) fn unreliable(self) -> Self {
        Self { reliable: false, ..self }
    }

    /// The lane it belongs to.
    pub(crate) fn lane(&self) -> LaneId {
        self.place.map_or(LaneId::CONTROL, |(_, lane)| lane)
    }

    /// Checks that a server takes it, whatever its number will be.
    pub(crate) fn check(&self, bytes_max: usize) -> Result<(), ClientError> {
        let longest = self.message(self.reliable.then_some(N_MAX)).map_err(ClientError::Encode)?;
        if longest.len() > bytes_max {
            return Err(ClientError::TooLarge { len: longest.len(), max: bytes_max });
        }
        if matches!(self.content, Content::Json(_)) && !depth_within_limit(&longest) {
            return Err(ClientError::InvalidData("its data nests too deeply"));
        }
        Ok(())
    }

    /// The message as it travels.
    pub(crate) fn encode(&self, n: Option<u64>) -> Result<Batch, InvalidData> {
        let codec = match self.content {
            Content::Json(_) => Codec::Json,
            Content::Binary(_) => Codec::Bincode,
        };
        let mut batch = BatchBuilder::new(codec);
        batch.push_encoded(&self.message(n)?);
        Ok(batch.finish())
    }

    fn message(&self, n: Option<u64>) -> Result<Vec<u8>, InvalidData> {
        let reference = self.reference.map(Into::into);
        let room_id = self.place.as_ref().map(|(room_id, _)| room_id.as_str());
        let header = Header { reference: reference.as_ref(), n, room_id, ..Header::new(&self.kind) };
        let mut message = Vec::with_capacity(self.content.len() + 64);
        encode_raw(&header, self.content.data(), &mut message)?;
        Ok(message)
    }
}

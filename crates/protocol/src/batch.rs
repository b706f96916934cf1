//! One flush in one codec: contiguous, framed for WebSocket once, and shared by everyone it goes to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::codec::{Body, Codec, InvalidData};
use crate::envelope::{self, Header};
use crate::limits::{BATCH_BYTES_SOFT_MAX, BATCH_MESSAGES_MAX};

/// The longest WebSocket header of a server's frame (RFC 6455, section 5.2), and the bracket of a JSON array.
const HEADROOM: usize = 10 + 1;

/// Messages that leave together, in one codec, with the WebSocket frame header in front of them. Share it in an
/// `Arc`: it never changes.
pub struct Batch {
    codec: Codec,
    bytes: Box<[u8]>,
    frame_start: usize,
    payload_start: usize,
    ends: Box<[u32]>,
    tally: Option<Tally>,
}

/// Counts the bytes of those batches that were made for it and are still in memory, however many share them. Clones are
/// the same one.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    bytes: AtomicUsize,
    /// Where the same is counted with what it takes in memory besides.
    total: Option<Tally>,
}

/// What a batch takes in memory besides its payload and four bytes for each message: itself, its frame's header, and what
/// an allocator adds to three pieces.
const BATCH_OVERHEAD_BYTES: usize = size_of::<Batch>() + 96;

impl Tally {
    /// A tally whose batches are counted in another one as well: there with all that they take in memory.
    #[must_use]
    pub fn within(total: &Self) -> Self {
        Self(Arc::new(Counter { bytes: AtomicUsize::new(0), total: Some(total.clone()) }))
    }

    /// Bytes of payload; of a tally that others are [within](Self::within), bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Counts memory that is no batch.
    pub fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes off what was [added](Self::add).
    pub fn take(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.codec == other.codec && self.payload() == other.payload() && self.ends == other.ends
    }
}

impl Eq for Batch {}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(Tally(counter)) = &self.tally {
            counter.bytes.fetch_sub(self.payload().len(), Ordering::Relaxed);
            if let Some(total) = &counter.total {
                total.take(self.memory_bytes());
            }
        }
    }
}

impl Batch {
    /// A batch of one message.
    ///
    /// # Errors
    /// [`InvalidData`] if the data refuses to be encoded.
    pub fn one<T: Body + ?Sized>(codec: Codec, header: &Header<'_>, data: &T) -> Result<Self, InvalidData> {
        let mut builder = BatchBuilder::new(codec);
        builder.push(header, data)?;
        Ok(builder.finish())
    }

    /// Counts it in a tally for as long as it lives.
    #[must_use]
    pub fn counted(mut self, tally: &Tally) -> Self {
        if self.tally.is_none() {
            tally.add(self.payload().len());
            if let Some(total) = &tally.0.total {
                total.add(self.memory_bytes());
            }
            self.tally = Some(tally.clone());
        }
        self
    }

    /// What it takes in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.payload().len() + 4 * self.messages() + BATCH_OVERHEAD_BYTES
    }

    /// The codec of every message in it.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The payload of a frame or record.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload_start..]
    }

    /// A whole, unmasked WebSocket frame, as a server sends it.
    #[must_use]
    pub fn websocket_frame(&self) -> &[u8] {
        &self.bytes[self.frame_start..]
    }

    /// How many messages it holds.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.ends.len()
    }

    /// The messages behind the first `skip`, as a batch of their own: what a receiver that has those still needs.
    #[must_use]
    pub fn after(&self, skip: usize) -> Self {
        let separator = usize::from(self.codec == Codec::Json && self.messages() > 1);
        let mut rest = BatchBuilder::new(self.codec);
        let mut start = separator;
        for (place, end) in self.ends().enumerate() {
            if place >= skip {
                rest.push_encoded(&self.payload()[start..end]);
            }
            start = end + separator;
        }
        rest.finish()
    }

    /// Where each message ends, in bytes of the payload; a JSON array's separators are not part of a message.
    pub fn ends(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.ends.iter().map(|end| *end as usize)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({}, {} messages, {} bytes)", self.codec, self.messages(), self.payload().len())
    }
}

/// Collects messages into a [`Batch`]. Ask [`BatchBuilder::is_full`] before each further one.
#[derive(Debug)]
pub struct BatchBuilder {
    codec: Codec,
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self { codec, bytes: vec![0; HEADROOM], ends: Vec::new() }
    }

    /// An empty batch with space for messages of so many bytes in all, and what goes around them.
    #[must_use]
    pub fn with_capacity(codec: Codec, messages: usize, bytes: usize) -> Self {
        // A separator or bracket for each message, and one more.
        let mut space = Vec::with_capacity(HEADROOM + bytes + if messages > 1 { messages } else { 0 });
        space.resize(HEADROOM, 0);
        Self { codec, bytes: space, ends: Vec::with_capacity(messages) }
    }

    /// Appends a message.
    ///
    /// # Errors
    /// [`InvalidData`] if the data refuses to be encoded; the batch is as before then.
    pub fn push<T: Body + ?Sized>(&mut self, header: &Header<'_>, data: &T) -> Result<(), InvalidData> {
        let start = self.bytes.len();
        self.separate();
        if let Err(error) = envelope::encode(self.codec, header, data, &mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        self.mark();
        Ok(())
    }

    /// Appends a message that [`envelope::encode`] made in this batch's codec.
    pub fn push_encoded(&mut self, message: &[u8]) {
        self.separate();
        self.bytes.extend_from_slice(message);
        self.mark();
    }

    /// Bytes of payload so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - HEADROOM
    }

    /// Whether it is time to finish this batch and begin another: [`BATCH_MESSAGES_MAX`] messages, or
    /// [`BATCH_BYTES_SOFT_MAX`]. A reader refuses a batch of more messages.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ends.len() >= BATCH_MESSAGES_MAX || self.len() >= BATCH_BYTES_SOFT_MAX
    }

    /// Whether nothing was appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Puts the frame around it.
    #[must_use]
    pub fn finish(mut self) -> Batch {
        let mut payload_start = HEADROOM;
        if self.codec == Codec::Json && self.ends.len() != 1 {
            payload_start -= 1;
            self.bytes[payload_start] = b'[';
            self.bytes.push(b']');
            self.ends.iter_mut().for_each(|end| *end += 1);
        }
        let length = self.bytes.len() - payload_start;
        let mut header = [0; 10];
        header[0] = match self.codec {
            Codec::Json => 0x81,
            Codec::Bincode => 0x82,
        };
        let header = match length {
            0..126 => {
                header[1] = length as u8;
                &header[..2]
            }
            126..0x1_0000 => {
                header[1] = 126;
                header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                &header[..4]
            }
            _ => {
                header[1] = 127;
                header[2..].copy_from_slice(&(length as u64).to_be_bytes());
                &header[..]
            }
        };
        let frame_start = payload_start - header.len();
        self.bytes[frame_start..payload_start].copy_from_slice(header);
        Batch {
            codec: self.codec,
            bytes: self.bytes.into_boxed_slice(),
            frame_start,
            payload_start,
            ends: self.ends.into_boxed_slice(),
            tally: None,
        }
    }

    fn separate(&mut self) {
        if self.codec == Codec::Json && !self.ends.is_empty() {
            self.bytes.push(b',');
        }
    }

    fn mark(&mut self) {
        self.ends.push((self.bytes.len() - HEADROOM) as u32);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::envelope::{Empty, decode_batch};

    fn batch(codec: Codec, count: usize) -> Batch {
        let mut builder = BatchBuilder::new(codec);
        for _ in 0..count {
            builder.push(&Header::new("ping"), &Empty {}).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn one_json_message_is_bare_and_several_are_an_array() {
        assert_eq!(batch(Codec::Json, 1).payload(), br#"{"type":"ping","data":{}}"#);
        assert_eq!(batch(Codec::Json, 2).payload(), br#"[{"type":"ping","data":{}},{"type":"ping","data":{}}]"#);
    }

    #[test]
    fn the_frame_header_says_the_length() {
        for (count, header) in
            [(1, &[0x81, 25][..]), (10, &[0x81, 126, 1, 5]), (3000, &[0x81, 127, 0, 0, 0, 0, 0, 1, 48, 177])]
        {
            let batch = batch(Codec::Json, count);
            assert_eq!(&batch.websocket_frame()[..header.len()], header);
            assert_eq!(&batch.websocket_frame()[header.len()..], batch.payload());
        }
        assert_eq!(batch(Codec::Bincode, 1).websocket_frame()[0], 0x82);
    }

    #[test]
    fn ends_point_behind_each_message() {
        for codec in Codec::ALL {
            let batch = batch(codec, 3);
            let one = self::batch(codec, 1).payload().len();
            let gap = usize::from(codec == Codec::Json);
            assert_eq!(batch.ends().collect::<Vec<_>>(), [one + gap, 2 * one + 2 * gap, 3 * one + 3 * gap]);
            assert_eq!(decode_batch(codec, batch.payload()).unwrap().count(), 3);
        }
    }

    proptest! {
        #[test]
        fn what_follows_the_first_messages_is_what_they_would_be_by_themselves(
            texts in prop::collection::vec(any::<String>(), 1..12),
            skip in any::<prop::sample::Index>(),
        ) {
            for codec in Codec::ALL {
                let batch_of = |texts: &[String]| {
                    let mut builder = BatchBuilder::new(codec);
                    texts.iter().for_each(|text| builder.push(&Header::new("said"), text).unwrap());
                    builder.finish()
                };
                let skip = skip.index(texts.len());
                prop_assert_eq!(batch_of(&texts).after(skip), batch_of(&texts[skip..]));
            }
        }
    }
}

//! Records on byte streams and datagrams: a length or lane number as in RFC 9000, section 16, then the payload.

use bytes::{Buf, Bytes, BytesMut};

use crate::id::LaneId;

/// The most bytes a variable-length integer takes.
pub const VARINT_BYTES_MAX: usize = 8;

/// Encodes an integer below 2^62 as in RFC 9000, section 16; gives the bytes and how many of them count. Larger
/// integers are cut.
#[must_use]
pub fn varint(value: u64) -> ([u8; VARINT_BYTES_MAX], usize) {
    let (prefix, len) = match value {
        0..0x40 => (0, 1),
        0x40..0x4000 => (0x4000_0000_0000_0000, 2),
        0x4000..0x4000_0000 => (0x8000_0000_0000_0000, 4),
        _ => (0xc000_0000_0000_0000, 8),
    };
    let bits = (value << (64 - 8 * len)) & 0x3fff_ffff_ffff_ffff | prefix;
    (bits.to_be_bytes(), len)
}

/// Appends an integer; see [`varint`].
pub fn put_varint(value: u64, out: &mut Vec<u8>) {
    let (bytes, len) = varint(value);
    out.extend_from_slice(&bytes[..len]);
}

/// Reads the integer at the front, and how many bytes it took; `None` if more bytes are needed.
#[must_use]
pub fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = 1 << (bytes.first()? >> 6);
    let mut value = u64::from(bytes[0] & 0x3f);
    for byte in bytes.get(1..len)? {
        value = value << 8 | u64::from(*byte);
    }
    Some((value, len))
}

/// Appends a datagram: the lane, then the payload.
pub fn put_datagram(lane: LaneId, payload: &[u8], out: &mut Vec<u8>) {
    put_varint(lane.0.into(), out);
    out.extend_from_slice(payload);
}

/// Takes a datagram apart; `None` if it names no lane.
#[must_use]
pub fn read_datagram(mut datagram: Bytes) -> Option<(LaneId, Bytes)> {
    let (lane, len) = read_varint(&datagram)?;
    datagram.advance(len);
    Some((LaneId(u32::try_from(lane).ok()?), datagram))
}

/// A record is longer than its reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {len} bytes; {max} are allowed")]
pub struct RecordTooLarge {
    /// The length that the record claims, in bytes.
    pub len: u64,
    /// The bound.
    pub max: usize,
}

/// Cuts a byte stream into records. Holds no memory between records, and never more than one record and what
/// was pushed with its end.
#[derive(Debug)]
pub struct RecordReader {
    buffer: BytesMut,
    record_bytes_max: usize,
}

impl RecordReader {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub fn new(record_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), record_bytes_max }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes a bare integer off the front, such as the lane number that a lane's stream begins with. `None` if
    /// more bytes are needed.
    pub fn next_varint(&mut self) -> Option<u64> {
        let (value, len) = read_varint(&self.buffer)?;
        self.buffer.advance(len);
        Some(value)
    }

    /// Takes the next whole record; `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`RecordTooLarge`] as soon as the length is known.
    pub fn next_record(&mut self) -> Result<Option<Bytes>, RecordTooLarge> {
        let Some((len, header)) = read_varint(&self.buffer) else {
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            return Ok(None);
        };
        if len > self.record_bytes_max as u64 {
            return Err(RecordTooLarge { len, max: self.record_bytes_max });
        }
        let len = len as usize;
        if self.buffer.len() < header + len {
            return Ok(None);
        }
        self.buffer.advance(header);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }

    /// Whether the stream stands between two records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9000, appendix A.1.
    #[test]
    fn integers_are_those_of_rfc_9000() {
        for (value, bytes) in [
            (151_288_809_941_952_652, &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..]),
            (494_878_333, &[0x9d, 0x7f, 0x3e, 0x7d]),
            (15_293, &[0x7b, 0xbd]),
            (37, &[0x25]),
        ] {
            let mut out = Vec::new();
            put_varint(value, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(read_varint(bytes), Some((value, bytes.len())));
            assert_eq!(read_varint(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn records_come_out_whole_however_the_bytes_arrive() {
        let mut stream = Vec::new();
        for payload in [&b"one"[..], b"", &[7; 300]] {
            put_varint(payload.len() as u64, &mut stream);
            stream.extend_from_slice(payload);
        }
        for step in 1..stream.len() {
            let mut reader = RecordReader::new(300);
            let mut records = Vec::new();
            for chunk in stream.chunks(step) {
                reader.push(chunk);
                while let Some(record) = reader.next_record().unwrap() {
                    records.push(record);
                }
            }
            assert_eq!(records, [&b"one"[..], b"", &[7; 300]]);
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn an_oversize_record_is_refused_by_its_header() {
        let mut reader = RecordReader::new(300);
        reader.push(&[0x41, 0x2d]);
        assert_eq!(reader.next_record(), Err(RecordTooLarge { len: 301, max: 300 }));
    }

    #[test]
    fn datagrams_name_their_lane() {
        let mut out = Vec::new();
        put_datagram(LaneId(70), b"x", &mut out);
        assert_eq!(out, [0x40, 70, b'x']);
        assert_eq!(read_datagram(out.into()), Some((LaneId(70), Bytes::from_static(b"x"))));
        assert_eq!(read_datagram(Bytes::new()), None);
    }
}

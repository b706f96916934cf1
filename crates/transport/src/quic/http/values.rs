//! Cuts a byte stream into what has a type, a length and a value: the frames of HTTP/3, and the capsules inside them.
//!
//! It keeps nothing of a value unless asked to, and never more than the caller has agreed to.

use std::mem;

use anteroom_protocol::record::read_varint;
use bytes::{Buf, Bytes};

use super::fault::{Code, Fault};

/// How much of what nobody knows a peer may send on a stream in all. It is meant to be a little, so that both sides
/// learn to ignore it.
pub(super) const SKIPPED_BYTES_MAX: u64 = 256 << 10;

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is given when it is whole. Whoever decides so has looked at the length.
    Keep,
    /// It is given piece by piece.
    Pass,
    /// It is not looked at.
    Skip,
}

/// What [`Values::next`] gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A type and its whole value.
    Whole(u64, Vec<u8>),
    /// Some of a value that is passed on.
    Piece(Bytes),
}

/// A reader; nothing is on the heap between values.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// The type and length as far as they are here, or what is kept of the value.
    held: Vec<u8>,
    body: Option<Body>,
    skipped: u64,
}

#[derive(Debug, Clone, Copy)]
struct Body {
    kind: u64,
    fate: Fate,
    left: u64,
}

impl Values {
    /// Takes from `input` up to the next part, or all of it if there is none yet. `fate` is asked once for each
    /// value, with its type and length.
    pub(super) fn next(
        &mut self,
        input: &mut Bytes,
        fate: impl Fn(u64, u64) -> Result<Fate, Fault>,
    ) -> Result<Option<Part>, Fault> {
        loop {
            let body = match self.body {
                Some(body) => body,
                None => {
                    let Some((kind, left)) = self.head(input) else { return Ok(None) };
                    let fate = fate(kind, left)?;
                    if fate == Fate::Skip {
                        // A head without a value costs as well.
                        self.skip(2)?;
                    }
                    *self.body.insert(Body { kind, fate, left })
                }
            };
            let taken = input.split_to(usize::try_from(body.left).unwrap_or(usize::MAX).min(input.len()));
            let left = body.left - taken.len() as u64;
            self.body = (left > 0).then_some(Body { left, ..body });
            match body.fate {
                Fate::Keep => self.held.extend_from_slice(&taken),
                Fate::Pass if !taken.is_empty() => return Ok(Some(Part::Piece(taken))),
                Fate::Pass => {}
                Fate::Skip => self.skip(taken.len() as u64)?,
            }
            if left > 0 {
                return Ok(None);
            }
            if body.fate == Fate::Keep {
                return Ok(Some(Part::Whole(body.kind, mem::take(&mut self.held))));
            }
        }
    }

    /// Whether the stream stands between two values.
    pub(super) fn is_between(&self) -> bool {
        self.body.is_none() && self.held.is_empty()
    }

    fn head(&mut self, input: &mut Bytes) -> Option<(u64, u64)> {
        loop {
            if let Some((kind, len)) = read_varint(&self.held)
                && let Some((left, _)) = read_varint(&self.held[len..])
            {
                self.held = Vec::new();
                return Some((kind, left));
            }
            if !input.has_remaining() {
                return None;
            }
            self.held.push(input.get_u8());
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        self.skipped += bytes;
        if self.skipped > SKIPPED_BYTES_MAX {
            return Err(Code::ExcessiveLoad.says("too much of what nobody knows"));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps type 1 up to 8 bytes, passes type 0 on, and skips the rest.
    fn fate(kind: u64, len: u64) -> Result<Fate, Fault> {
        match kind {
            0 => Ok(Fate::Pass),
            1 if len <= 8 => Ok(Fate::Keep),
            1 => Err(Code::ExcessiveLoad.says("long")),
            _ => Ok(Fate::Skip),
        }
    }

    fn read(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Vec<u8>, bool) {
        let mut values = Values::default();
        let (mut whole, mut passed) = (Vec::new(), Vec::new());
        for bytes in stream.chunks(step) {
            let mut input = Bytes::copy_from_slice(bytes);
            while let Some(part) = values.next(&mut input, fate).unwrap() {
                match part {
                    Part::Whole(kind, value) => {
                        assert_eq!(kind, 1);
                        whole.push(value);
                    }
                    Part::Piece(bytes) => passed.extend_from_slice(&bytes),
                }
            }
            assert!(input.is_empty());
        }
        (whole, passed, values.is_between())
    }

    #[test]
    fn values_come_out_whole_however_the_bytes_arrive() {
        // Kept, passed, empty ones of each kind, an unknown one with a long type, kept again.
        let stream = b"\x01\x03abc\x00\x02de\x01\x00\x00\x00\x21\x00\xc0\0\0\0\0\0\0\x21\x02zz\x00\x01f\x01\x40\x02gh";
        for step in 1..=stream.len() {
            let (whole, passed, between) = read(stream, step);
            assert_eq!(whole, [b"abc".to_vec(), Vec::new(), b"gh".to_vec()], "{step} bytes at a time");
            assert_eq!((passed.as_slice(), between), (&b"def"[..], true));
        }
        assert!(!read(&stream[..stream.len() - 1], 1).2);
        assert!(!read(b"\x40", 1).2);
    }

    #[test]
    fn a_length_allocates_nothing() {
        let mut values = Values::default();
        let mut input = Bytes::from_static(b"\x21\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_eq!(values.next(&mut input, fate), Ok(None));
        let kilobyte = Bytes::from_static(&[7; 1024]);
        let taken = (0..1024).take_while(|_| values.next(&mut kilobyte.clone(), fate).is_ok()).count();
        assert_eq!((taken, values.held_bytes()), (255, 0));
    }

    #[test]
    fn empty_values_that_nobody_knows_run_out_too() {
        let mut values = Values::default();
        let mut input = Bytes::from(b"\x21\x00".repeat(1 << 20));
        assert_eq!(values.next(&mut input, fate).map_err(|fault| fault.code), Err(Code::ExcessiveLoad));
    }
}

//! The binary codec: bincode 2.0.1, standard configuration (little-endian, variable-length integers).
//!
//! The only place that configures bincode. What a decoder allocates is bounded by the size of its input, whatever
//! lengths the input claims, and left-over bytes are refused.

use bincode::config::{self, Configuration, LittleEndian, Varint};
use bincode::de::read::{BorrowReader, Reader};
use bincode::de::{Decoder, DecoderImpl};
use bincode::error::{DecodeError, EncodeError};

use crate::codec::InvalidData;

/// How much memory a decoder may ask for: this many bytes for each byte of input, and [`DECODE_BYTES_FREE`].
///
/// An element of a collection may therefore be this many times larger in memory than in its shortest encoding. A
/// type whose elements are larger still, such as a long list of mostly empty `Option`s of big structs, has to box
/// them.
pub const DECODE_BYTES_PER_INPUT_BYTE: usize = 32;

/// What a decoder may ask for however short its input is, in bytes.
pub const DECODE_BYTES_FREE: usize = 16 << 10;

/// The largest integer that takes one byte.
const ONE_BYTE_MAX: u8 = 250;

/// The most that bincode can be told to allow. A bound that depends on the input is made of it by claiming the
/// difference before decoding starts, since bincode's own limit is a constant of the type.
const LIMIT: usize = usize::MAX / 2;

type Bounded = Configuration<LittleEndian, Varint, config::Limit<LIMIT>>;

/// Appends a value's binary shape.
///
/// # Errors
/// [`InvalidData`] if the value refuses. What was appended until then is taken back.
pub fn encode<T: bincode::Encode + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), InvalidData> {
    struct Appender<'a>(&'a mut Vec<u8>);
    impl bincode::enc::write::Writer for Appender<'_> {
        // Most of what is written are single bytes, and the types that write them are made in other crates.
        #[inline]
        fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }
    let start = out.len();
    bincode::encode_into_writer(value, Appender(out), config::standard()).map_err(|error| {
        out.truncate(start);
        match error {
            EncodeError::Other(words) => InvalidData::new(words),
            error => InvalidData::new(error),
        }
    })
}

/// Decodes a whole input as `T`.
///
/// # Errors
/// [`InvalidData`] if the shape is another, or bytes are left over.
pub fn decode<T: bincode::Decode<()>>(bytes: &[u8]) -> Result<T, InvalidData> {
    decode_whole(Input { tag: None, rest: bytes })
}

/// Decodes a whole input as the variant `index` of the enum `T`: the input has the variant's fields only.
///
/// # Errors
/// [`InvalidData`] if the shape is another, bytes are left over, or `index` is above 250 and takes more
/// than one byte.
pub fn decode_variant<T: bincode::Decode<()>>(index: u8, bytes: &[u8]) -> Result<T, InvalidData> {
    if index > ONE_BYTE_MAX {
        return Err(InvalidData::new("a variant of a number that takes more than one byte"));
    }
    decode_whole(Input { tag: Some(index), rest: bytes })
}

/// Decodes the value at the front of an input that outlives it, and says how many bytes it took.
pub(crate) fn decode_prefix<'a, T: bincode::BorrowDecode<'a, ()>>(bytes: &'a [u8]) -> Result<(T, usize), InvalidData> {
    let mut decoder = decoder(Input { tag: None, rest: bytes }).map_err(in_words)?;
    let value = T::borrow_decode(&mut decoder).map_err(in_words)?;
    Ok((value, bytes.len() - decoder.reader().rest.len()))
}

fn decode_whole<T: bincode::Decode<()>>(input: Input<'_>) -> Result<T, InvalidData> {
    let mut decoder = decoder(input).map_err(in_words)?;
    let value = T::decode(&mut decoder).map_err(in_words)?;
    match decoder.reader().rest.len() {
        0 => Ok(value),
        left => Err(InvalidData::new(format_args!("{left} bytes are left over"))),
    }
}

fn decoder(input: Input<'_>) -> Result<DecoderImpl<Input<'_>, Bounded, ()>, DecodeError> {
    let bound = input.rest.len().saturating_mul(DECODE_BYTES_PER_INPUT_BYTE).saturating_add(DECODE_BYTES_FREE);
    let mut decoder = DecoderImpl::new(input, config::standard().with_limit::<LIMIT>(), ());
    decoder.claim_bytes_read(LIMIT.saturating_sub(bound))?;
    Ok(decoder)
}

/// bincode's errors show Rust's types; the sender may be a program in any language.
fn in_words(error: DecodeError) -> InvalidData {
    InvalidData::new(match error {
        DecodeError::UnexpectedEnd { .. } => "the data ends too early",
        DecodeError::LimitExceeded | DecodeError::OutsideUsizeRange(_) => "a length is too large for the data",
        DecodeError::InvalidIntegerType { .. } => "an integer is too large for its field",
        DecodeError::NonZeroTypeIsZero { .. } => "an integer that may not be 0 is 0",
        DecodeError::UnexpectedVariant { .. } => "a variant or option tag is not one that exists",
        DecodeError::Utf8 { .. } => "a string is not UTF-8",
        DecodeError::InvalidCharEncoding(_) => "a character is not one of Unicode",
        DecodeError::InvalidBooleanValue(_) => "a boolean is neither 0 nor 1",
        DecodeError::Other(words) => words,
        _ => "the data has another shape",
    })
}

/// An input with, perhaps, a variant's number in front of it.
struct Input<'a> {
    tag: Option<u8>,
    rest: &'a [u8],
}

impl Reader for Input<'_> {
    fn read(&mut self, mut bytes: &mut [u8]) -> Result<(), DecodeError> {
        if let (Some(tag), Some(first)) = (self.tag, bytes.first_mut()) {
            *first = tag;
            self.tag = None;
            bytes = &mut bytes[1..];
        }
        bytes.copy_from_slice(self.take_bytes(bytes.len())?);
        Ok(())
    }
}

impl<'a> BorrowReader<'a> for Input<'a> {
    fn take_bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(DecodeError::UnexpectedEnd { additional: length - self.rest.len() });
        };
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, bincode::Encode, bincode::Decode)]
    enum Move {
        Pass {},
        Place { row: u8, notes: Vec<Option<[u64; 3]>> },
    }

    #[test]
    fn a_variant_is_decoded_from_its_fields_alone() {
        assert_eq!(decode_variant(0, &[]), Ok(Move::Pass {}));
        assert_eq!(decode_variant(1, &[2, 1, 0]), Ok(Move::Place { row: 2, notes: vec![None] }));
        assert_eq!(decode_variant::<Move>(0, &[9]).unwrap_err().to_string(), "1 bytes are left over");
        assert_eq!(decode_variant::<Move>(1, &[2]).unwrap_err().to_string(), "the data ends too early");
        assert!(decode_variant::<Move>(2, &[]).is_err());
        assert!(decode_variant::<Move>(251, &[1, 0]).is_err());
    }

    #[test]
    fn elements_up_to_the_stated_ratio_are_never_refused() {
        let long = vec![None::<[u64; 3]>; 100_000];
        let mut bytes = Vec::new();
        encode(&long, &mut bytes).unwrap();
        assert_eq!(size_of::<Option<[u64; 3]>>(), DECODE_BYTES_PER_INPUT_BYTE);
        assert_eq!(decode(&bytes), Ok(long));
    }

    #[test]
    fn a_lying_length_is_refused_in_words() {
        for bytes in [&[253, 255, 255, 255, 255, 255, 255, 255, 255][..], &[252, 255, 255, 255, 255], &[251, 255, 255]]
        {
            assert_eq!(decode::<Vec<u64>>(bytes).unwrap_err().to_string(), "a length is too large for the data");
        }
        assert_eq!(decode::<String>(&[5, 1]).unwrap_err().to_string(), "the data ends too early");
    }

    #[test]
    fn a_value_that_refuses_to_be_encoded_says_so_in_words() {
        let mut out = vec![7];
        let json = crate::Payload::encode(crate::Codec::Json, &1_u8).unwrap();
        let error = encode(&json, &mut out).unwrap_err();
        assert_eq!((error.to_string().as_str(), &out[..]), ("a JSON payload in a binary message", &[7][..]));
    }
}

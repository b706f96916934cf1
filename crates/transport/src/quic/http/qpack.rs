//! Field lines as QPACK writes them (RFC 9204), without a dynamic table: we allow none, and use none.

use super::fault::{Code, Fault};
use super::{huffman, table};

/// The size of the fields of a request as RFC 9114, section 4.2.2, counts it: names, values, and 32 bytes for each.
pub(super) const FIELDS_BYTES_MAX: usize = 16 << 10;
const FIELD_BYTES: usize = 32;
/// No integer here has more continuation bytes: a length is below that of the frame it is in.
const CONTINUATIONS_MAX: u32 = 4;

/// A field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// Why there are no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Broken(Fault),
    TooLarge,
}

const BROKEN: Unreadable = Unreadable::Broken(Code::QpackDecompression.says("the fields cannot be decoded"));

/// Decodes a whole field section.
pub(super) fn decode(section: &[u8]) -> Result<Vec<Field>, Unreadable> {
    let mut input = Input(section);
    let insertions = input.integer(8)?;
    let base = input.integer(7)?;
    // The sign bit counts back from the insertions, of which there are none.
    if insertions.1 != 0 || base.0 != 0 {
        return Err(BROKEN);
    }
    let mut fields = Vec::new();
    let mut bytes = 0;
    while !input.0.is_empty() {
        let field = input.field()?;
        bytes += field.name.len() + field.value.len() + FIELD_BYTES;
        if bytes > FIELDS_BYTES_MAX {
            return Err(Unreadable::TooLarge);
        }
        fields.push(field);
    }
    Ok(fields)
}

/// Encodes fields, each of them literally.
pub(super) fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in fields {
        put_integer(0b0010_0000, 3, name.len(), &mut section);
        section.extend_from_slice(name.as_bytes());
        put_integer(0, 7, value.len(), &mut section);
        section.extend_from_slice(value.as_bytes());
    }
    section
}

fn put_integer(flags: u8, prefix: u32, value: usize, out: &mut Vec<u8>) {
    let max = (1 << prefix) - 1;
    if value < max {
        out.push(flags | value as u8);
        return;
    }
    out.push(flags | max as u8);
    let mut rest = value - max;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn field(&mut self) -> Result<Field, Unreadable> {
        let first = *self.0.first().ok_or(BROKEN)?;
        match first {
            // Indexed, static.
            0b1100_0000.. => {
                let (name, value) = self.entry(6)?;
                Ok(Field { name: name.into(), value: value.into() })
            }
            // A literal with a static name.
            0b0101_0000..=0b0101_1111 | 0b0111_0000..=0b0111_1111 => {
                let (name, _) = self.entry(4)?;
                Ok(Field { name: name.into(), value: self.string(7)? })
            }
            // A literal.
            0b0010_0000..=0b0011_1111 => Ok(Field { name: self.string(3)?, value: self.string(7)? }),
            // All others refer to the dynamic table.
            _ => Err(BROKEN),
        }
    }

    fn entry(&mut self, prefix: u32) -> Result<(&'static str, &'static str), Unreadable> {
        let (_, index) = self.integer(prefix)?;
        table::FIELDS.get(index).copied().ok_or(BROKEN)
    }

    /// A string whose length has a prefix of so many bits; the bit before says whether it is compressed.
    fn string(&mut self, prefix: u32) -> Result<Vec<u8>, Unreadable> {
        let (flags, len) = self.integer(prefix)?;
        let bytes = self.take(len)?;
        if flags & 1 == 0 {
            return Ok(bytes.to_vec());
        }
        huffman::decode(bytes).map_err(|_| BROKEN)
    }

    /// An integer of RFC 7541, section 5.1, with a prefix of so many bits, and the bits before it.
    fn integer(&mut self, prefix: u32) -> Result<(u8, usize), Unreadable> {
        let first = self.take(1)?[0];
        let max = u8::try_from((1_u16 << prefix) - 1).unwrap_or(u8::MAX);
        let flags = first.checked_shr(prefix).unwrap_or(0);
        let mut value = usize::from(first & max);
        if first & max != max {
            return Ok((flags, value));
        }
        for place in 0..CONTINUATIONS_MAX {
            let byte = self.take(1)?[0];
            value += usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok((flags, value));
            }
        }
        Err(BROKEN)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wtransport::proto::frame::Frame;
    use wtransport::proto::headers::Headers;

    use super::*;

    fn field(name: &str, value: &str) -> Field {
        Field { name: name.into(), value: value.into() }
    }

    /// RFC 9204, appendix B.1; the others begin with the dynamic table.
    #[test]
    fn a_literal_with_a_static_name_is_that_of_rfc_9204() {
        let section = b"\x00\x00\x51\x0b/index.html";
        assert_eq!(decode(section), Ok(vec![field(":path", "/index.html")]));
        // B.2, B.4 and B.5: indexes behind the base and before it.
        for section in [&b"\x03\x81\x10\x11"[..], b"\x05\x00\x80\xc1\x81", b"\x05\x00\x80\xc1\x81"] {
            assert_eq!(decode(section), Err(BROKEN));
        }
    }

    #[test]
    fn the_static_table_is_the_one_others_have() {
        for (index, (name, value)) in table::FIELDS.iter().enumerate() {
            let mut section = vec![0, 0];
            put_integer(0b1100_0000, 6, index, &mut section);
            assert_eq!(decode(&section), Ok(vec![field(name, value)]));
            let headers = Headers::with_frame(&Frame::new_headers(section.into())).unwrap();
            assert_eq!(headers.get(*name), Some(*value), "{index}");
        }
    }

    #[test]
    fn what_others_encode_is_decoded_and_the_other_way_round() {
        let long = "/wt?".to_owned() + &"token=Zm9v&".repeat(300);
        for (name, value) in [(":path", &*long), ("origin", "https://game.example"), ("x-y", "ä \u{1}"), ("n", "")] {
            let frame = Headers::from_iter([(name, value)]).generate_frame();
            assert_eq!(decode(frame.payload()), Ok(vec![field(name, value)]));
            let section = encode(&[(name, value)]);
            assert_eq!(decode(&section), Ok(vec![field(name, value)]));
            let headers = Headers::with_frame(&Frame::new_headers(section.into())).unwrap();
            assert_eq!(headers.get(name), Some(value));
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for section in [
            // Nothing, half of a prefix, insertions, and a base before the first one.
            &b""[..],
            b"\x00",
            b"\x01\x00",
            b"\x00\x80",
            // An index that is not in the table: the first, the largest, one that has no end.
            b"\x00\x00\xff\x24",
            b"\x00\x00\xff\xff\xff\xff\x7f",
            b"\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00",
            b"\x00\x00\xff",
            // The dynamic table: indexed, after the base, by name, by name after the base.
            b"\x00\x00\x80",
            b"\x00\x00\x10",
            b"\x00\x00\x41\x00",
            b"\x00\x00\x01\x00",
            // Strings longer than what is there, and none.
            b"\x00\x00\x51\x02a",
            b"\x00\x00\x51",
            b"\x00\x00\x27\xff\xff\xff\x7f",
            b"\x00\x00\x21a",
            // The end of string in Huffman code, and filling of a whole byte.
            b"\x00\x00\x51\x84\xff\xff\xff\xff",
            b"\x00\x00\x51\x82\x1f\xff",
        ] {
            assert_eq!(decode(section), Err(BROKEN), "{section:x?}");
        }
        assert!(decode(b"\x00\x00\xff\x23").is_ok());
    }

    #[test]
    fn fields_are_bounded_also_when_an_index_names_them() {
        let mut section = vec![0, 0];
        section.resize(4000, 0b1100_0000);
        assert_eq!(decode(&section), Err(Unreadable::TooLarge));
        section.truncate(100);
        assert_eq!(decode(&section).unwrap().len(), 98);
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_decoded_or_refused(mut section in prop::collection::vec(any::<u8>(), 0..300)) {
            for prefix in [&b""[..], &[0, 0]] {
                section.splice(0..0, prefix.iter().copied());
                if let Ok(fields) = decode(&section) {
                    let bytes: usize = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
                    prop_assert!(bytes <= FIELDS_BYTES_MAX);
                }
            }
        }
    }
}

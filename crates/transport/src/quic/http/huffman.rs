//! The Huffman code of RFC 7541, appendix B, which QPACK uses: reading only.
//!
//! The code is canonical: codes of one length are consecutive numbers, in the order of their symbols, and go on from
//! the shorter ones. So the symbols by length say everything.

/// The symbols by the length of their codes in bits. The end-of-string symbol, 30 ones, is left out: it must not occur.
const SYMBOLS: [(u32, &[u8]); 21] = [
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b"!\"()?"),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\\xc3\xd0"),
    (20, b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2"),
    (21, b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6"),
    (22, b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9"),
    (23, b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef"),
    (24, b"\t\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed"),
    (25, b"\xc7\xcf\xea\xeb"),
    (26, b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff"),
    (27, b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe"),
    (28, b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9"),
    (30, b"\n\r\x16"),
];

/// Why a string is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbage;

/// Decodes a whole string. It grows to at most eight fifths.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<u8>, Garbage> {
    let mut decoded = Vec::with_capacity(bytes.len() * 8 / 5);
    // The bits that are not decoded yet, to the right.
    let (mut bits, mut count) = (0_u64, 0);
    for byte in bytes {
        bits = bits << 8 | u64::from(*byte);
        count += 8;
        while let Some((symbol, len)) = symbol(bits, count) {
            decoded.push(symbol);
            count -= len;
            bits &= (1 << count) - 1;
        }
        // No code is longer.
        if count >= 30 {
            return Err(Garbage);
        }
    }
    // What is left fills the last byte, with ones.
    if count < 8 && bits == (1 << count) - 1 { Ok(decoded) } else { Err(Garbage) }
}

/// The symbol at the front of the last `count` bits, and how many bits it takes.
fn symbol(bits: u64, count: u32) -> Option<(u8, u32)> {
    let (mut first, mut shorter) = (0, 0);
    for (len, symbols) in SYMBOLS.iter().take_while(|(len, _)| *len <= count) {
        first <<= len - shorter;
        let place = (bits >> (count - len)) - first;
        if let Some(symbol) = usize::try_from(place).ok().and_then(|place| symbols.get(place)) {
            return Some((*symbol, *len));
        }
        first += symbols.len() as u64;
        shorter = *len;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<_> = text.bytes().filter(|byte| *byte != b' ').collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    /// The examples of RFC 7541, appendixes C.4 and C.6.
    #[test]
    fn strings_are_those_of_rfc_7541() {
        for (encoded, string) in [
            ("f1e3 c2e5 f23a 6ba0 ab90 f4ff", "www.example.com"),
            ("a8eb 1064 9cbf", "no-cache"),
            ("25a8 49e9 5ba9 7d7f", "custom-key"),
            ("25a8 49e9 5bb8 e8b4 bf", "custom-value"),
            ("6402", "302"),
            ("640e ff", "307"),
            ("aec3 771a 4b", "private"),
            ("d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3", "https://www.example.com"),
            ("", ""),
        ] {
            assert_eq!(decode(&hex(encoded)), Ok(string.as_bytes().to_vec()), "{string}");
        }
    }

    /// The last code of each length, as appendix B prints them.
    #[test]
    fn codes_are_those_of_rfc_7541() {
        for (code, len, expected) in [
            (0x9, 5, b't'),
            (0x2d, 6, b'u'),
            (0x7b, 7, b'z'),
            (0xfd, 8, b'Z'),
            (0x3fc, 10, b'?'),
            (0x7fc, 11, b'|'),
            (0xffb, 12, b'>'),
            (0x1ffd, 13, b'~'),
            (0x3ffd, 14, b'}'),
            (0x7ffe, 15, b'{'),
            (0x7_fff2, 19, 208),
            (0xf_ffed, 20, 226),
            (0x1f_ffe8, 21, 230),
            (0x3f_ffeb, 22, 233),
            (0x7f_fff4, 23, 239),
            (0xff_fff5, 24, 237),
            (0x1ff_ffef, 25, 235),
            (0x3ff_ffee, 26, 255),
            (0x7ff_fff0, 27, 254),
            (0xfff_fffe, 28, 249),
            (0x3fff_fffe, 30, 22),
        ] {
            assert_eq!(symbol(code, len), Some((expected, len)), "{code:x}");
        }
    }

    #[test]
    fn what_is_no_string_is_refused() {
        // A whole byte of filling, filling with zeros, the end of string with and without more, half a symbol.
        for garbage in ["a8eb 1064 9cbf ff", "a8eb 1064 9cbe", "ffff ffff", "3fff ffff ff", "ff", "fffe", "ffff ff"] {
            assert_eq!(decode(&hex(garbage)), Err(Garbage), "{garbage}");
        }
    }
}

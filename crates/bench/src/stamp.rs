//! What every message says of itself: who sent it, the how manieth it is, and when it was due.
//!
//! A stamp is text inside the message's body, found by its mark and never by parsing what is around it; so it survives
//! any framing that leaves the body's text alone.

/// The body of every message: 62 bytes of JSON whose first string is a stamp, written over the zeros.
pub const BODY: &str = r#"{"at":"@0000.00000000.0000000000","move":"up","x":12.5,"y":40}"#;
/// Where a stamp begins. Nothing else that a server sends may have one.
const MARK: u8 = b'@';
/// `@`, 4 digits, `.`, 8 digits, `.`, 10 digits.
const BYTES: usize = 25;

/// Who sent a message, the how manieth it is, and when it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The sender's place in the room, below 10,000.
    pub sender: usize,
    /// The sender's messages before this one.
    pub number: u32,
    /// When it was due, or in a closed loop sent: microseconds on the generator's clock.
    pub at_us: u64,
}

impl Stamp {
    /// Where the stamp of an encoded message is, if it has one.
    #[must_use]
    pub fn place(message: &[u8]) -> Option<usize> {
        memchr::memchr_iter(MARK, message).find(|start| Self::read(&message[*start..]).is_some())
    }

    /// Writes it over the one at a [`place`](Self::place).
    ///
    /// # Panics
    /// If the message ends before the stamp does.
    pub fn put(self, message: &mut [u8], place: usize) {
        let stamp = &mut message[place..place + BYTES];
        put_digits(&mut stamp[1..5], self.sender as u64);
        put_digits(&mut stamp[6..14], self.number.into());
        put_digits(&mut stamp[15..25], self.at_us);
    }

    /// Every stamp in what was heard, in order.
    pub fn all(heard: &[u8]) -> impl Iterator<Item = Self> + '_ {
        memchr::memchr_iter(MARK, heard).filter_map(|start| Self::read(&heard[start..]))
    }

    fn read(text: &[u8]) -> Option<Self> {
        let text: &[u8; BYTES] = text.first_chunk()?;
        if text[5] != b'.' || text[14] != b'.' {
            return None;
        }
        Some(Self {
            sender: digits(&text[1..5])? as usize,
            number: digits(&text[6..14])? as u32,
            at_us: digits(&text[15..25])?,
        })
    }
}

/// Writes a number over digits, with leading zeros.
pub(crate) fn put_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    let mut value = 0;
    let mut worst = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        worst = digit.max(worst);
        value = value * 10 + u64::from(digit);
    }
    (worst < 10).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_from_any_framing() {
        let stamp = Stamp { sender: 1023, number: 12_345_678, at_us: 9_876_543_210 };
        let mut message = format!("\u{7}\u{0}binary@around{BODY}").into_bytes();
        let place = Stamp::place(&message).unwrap();
        stamp.put(&mut message, place);
        message.extend_from_slice(b"@0001.truncated");
        assert_eq!(Stamp::all(&message).collect::<Vec<_>>(), [stamp]);
    }

    #[test]
    fn what_only_looks_like_a_stamp_is_none() {
        for text in
            ["", "@", "ada@example.com and a lot more text", "@0000.0000000x.0000000000", "@0000-00000000.0000000000"]
        {
            assert_eq!(Stamp::place(text.as_bytes()), None, "{text}");
            assert_eq!(Stamp::all(text.as_bytes()).count(), 0, "{text}");
        }
    }
}

//! The last things that players did, kept for the report when a game fails.

use std::collections::VecDeque;
use std::fmt::Write;

use anteroom_protocol::Data;
use anteroom_protocol::code::floor_char_boundary;

use crate::game::Seat;
use crate::time::Time;

/// How many inputs are kept, and how many bytes of each one's data.
const INPUTS_MAX: usize = 8;
const DATA_BYTES_MAX: usize = 120;

/// The last inputs, oldest first. Kept as they came: most of them nobody ever looks at.
#[derive(Debug, Default)]
pub(super) struct RecentInputs(VecDeque<Input>);

#[derive(Debug, Default)]
struct Input {
    at: Time,
    seat: u16,
    kind: String,
    data: Vec<u8>,
    is_text: bool,
}

impl RecentInputs {
    pub(super) fn push(&mut self, now: Time, seat: Seat, kind: &str, data: Data<'_>) {
        let reused = if self.0.len() < INPUTS_MAX { None } else { self.0.pop_front() };
        let mut input = reused.unwrap_or_default();
        (input.at, input.seat) = (now, seat.0);
        input.kind.clear();
        input.kind.push_str(kind);
        input.data.clear();
        let (data, is_text) = match data {
            Data::Json(text) => (&text.as_bytes()[..floor_char_boundary(text, DATA_BYTES_MAX)], true),
            Data::Binary(bytes) => (&bytes[..bytes.len().min(DATA_BYTES_MAX / 2)], false),
        };
        input.data.extend_from_slice(data);
        input.is_text = is_text;
        self.0.push_back(input);
    }

    /// One line each, without control characters.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Input::line)
    }
}

impl Input {
    fn line(&self) -> String {
        let mut line = format!("{} ms, seat {}: ", self.at.as_millis(), self.seat);
        push_visible(&self.kind, &mut line);
        line.push(' ');
        if self.is_text {
            push_visible(&String::from_utf8_lossy(&self.data), &mut line);
        } else {
            for byte in &self.data {
                // Writing to a String cannot fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        line
    }
}

fn push_visible(text: &str, line: &mut String) {
    if text.contains(char::is_control) {
        line.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    } else {
        line.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_are_kept_short_and_on_one_line() {
        let mut inputs = RecentInputs::default();
        let long = format!("\"{}\"", "ü".repeat(100));
        for ms in 0..20 {
            inputs.push(Time::from_millis(ms), Seat(1), "make\nmove", Data::Json(&long));
        }
        inputs.push(Time::from_millis(20), Seat(0), "jump", Data::Binary(&[0xab; 100]));
        let lines: Vec<String> = inputs.lines().collect();
        assert_eq!(lines.len(), INPUTS_MAX);
        assert_eq!(lines[0], format!("13 ms, seat 1: make move \"{}", "ü".repeat(59)));
        assert_eq!(lines[7], format!("20 ms, seat 0: jump {}", "ab".repeat(60)));
    }
}

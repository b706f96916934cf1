//! Which texts may be said in a room: put into one form, and checked for what would disturb those who read it.
//!
//! It is about characters. Which words are welcome is for whoever runs the server, and a text is never HTML: a page that shows
//! it escapes it.

use std::fmt;

use anteroom_protocol::limits::CHAT_BYTES_MAX;
use anteroom_protocol::message::member::{Chat, ChatEdit};
use anteroom_protocol::{Data, ErrorBody, ErrorCode};
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization;

use crate::name::shows_something;

/// How many lines a text may break into, less one.
const NEWLINES_MAX: usize = 20;
/// How many marks one character may carry: more than any language needs, and less than climbs over the lines around.
const MARKS_MAX: usize = 4;
/// How long a text may be that is looked at, in bytes. Its normal form may be shorter, but no letter becomes one of a tenth.
const RAW_BYTES_MAX: usize = 8 * CHAT_BYTES_MAX;

/// A text as it is kept: in NFC, with line feeds for line ends, without white space at either end.
///
/// # Errors
/// `invalid_data`, with a sentence that says what is wrong.
pub fn checked(text: &str) -> Result<String, ErrorBody> {
    if text.len() > RAW_BYTES_MAX {
        return Err(refused("A text may have at most 2000 bytes."));
    }
    let text: String = text.replace("\r\n", "\n").nfc().collect();
    let text = text.trim();
    let wrong = if !shows_something(text) {
        "A text needs at least one visible character."
    } else if text.len() > CHAT_BYTES_MAX {
        "A text may have at most 2000 bytes."
    } else if text.matches('\n').count() > NEWLINES_MAX {
        "A text may have at most 20 line ends."
    } else if text.chars().any(is_refused) {
        "A text may not have control characters, or ones that turn its direction."
    } else if has_too_many_marks(text) {
        "A character may carry at most 4 combining marks."
    } else {
        return Ok(text.to_owned());
    };
    Err(refused(wrong))
}

/// What a filter has made of a text, in the form in which it goes to a room with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered {
    /// This is said instead.
    Replaced(String),
    /// It is not said, for the reason in this sentence.
    Refused(String),
}

impl fmt::Display for Filtered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced(text) => write!(f, "={text}"),
            Self::Refused(why) => write!(f, "!{why}"),
        }
    }
}

/// The text that is said: as it was asked for, or as a filter has left it; checked.
///
/// # Errors
/// As [`checked`], and `rejected` if a filter refused it.
pub(crate) fn heard(text: &str, filtered: Option<&str>) -> Result<String, ErrorBody> {
    match filtered {
        None => checked(text),
        Some(filtered) => match filtered.strip_prefix('=') {
            Some(replaced) => checked(replaced),
            None => Err(ErrorBody::new(ErrorCode::Rejected, filtered.trim_start_matches('!'))),
        },
    }
}

/// The text of a request that says something; none if it cannot be read.
#[must_use]
pub fn said_by(kind: &str, data: Data<'_>) -> Option<String> {
    match kind {
        "chat" => data.decode::<Chat>().ok().map(|request| request.text),
        "chat_edit" => data.decode::<ChatEdit>().ok().map(|request| request.text),
        _ => None,
    }
}

fn refused(why: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidData, why)
}

fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

fn is_refused(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let breaks = matches!(category, GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator);
    c != '\n' && (c.is_control() || breaks || CodePointSetData::new::<BidiControl>().contains(c))
}

/// Marks count for the character in front of them, whatever invisible ones lie between.
fn has_too_many_marks(text: &str) -> bool {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let mut marks = 0;
    text.chars().filter(|c| !is_ignorable(*c)).any(|c| {
        marks = if GeneralCategoryGroup::Mark.contains(categories.get(c)) { marks + 1 } else { 0 };
        marks > MARKS_MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_in_one_form() {
        for (said, kept) in [
            ("  well played ", "well played"),
            ("Cafe\u{301}", "Caf\u{e9}"),
            ("one\r\ntwo", "one\ntwo"),
            ("<b>&amp;</b>", "<b>&amp;</b>"),
            ("क्षत्रिय 👩🏽‍🚀 e\u{301}\u{323}", "क्षत्रिय 👩🏽‍🚀 \u{1eb9}\u{301}"),
        ] {
            assert_eq!(checked(said).as_deref(), Ok(kept), "{said}");
        }
        assert_eq!(checked(&"x".repeat(2000)).map(|text| text.len()), Ok(2000));
        // Two letters and their marks, that become one letter each.
        assert_eq!(checked(&"e\u{301}".repeat(1000)).map(|text| text.len()), Ok(2000));
        assert!(checked(&"a\n".repeat(20)).is_ok());
    }

    #[test]
    fn what_would_disturb_is_refused() {
        let long = "x".repeat(2001);
        let longer = "e\u{301}".repeat(1001);
        let (lines, marks) = ("a\n".repeat(21) + "b", "z\u{300}\u{301}\u{302}\u{303}\u{304}");
        for said in [
            "",
            " \n ",
            "\u{200b}\u{200d}",
            "\u{2800}",
            " \u{301}",
            "\u{fff9}\u{fffa}\u{fffb}",
            "\u{3164}\u{fe0f}",
            "\u{e0067}\u{e007f}",
            &long,
            &longer,
            &"x".repeat(RAW_BYTES_MAX + 1),
            &lines,
            "bell\u{7}",
            "tab\tstop",
            "\u{202e}backwards",
            "\u{2066}isolated\u{2069}",
            "mark\u{200f}",
            "line\u{2028}separator",
            marks,
            "z\u{300}\u{301}\u{34f}\u{302}\u{303}\u{304}",
        ] {
            assert_eq!(checked(said).map_err(|error| error.code), Err(ErrorCode::InvalidData), "{said:?}");
        }
    }
}

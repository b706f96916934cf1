//! Which names players and rooms may show to others.

use anteroom_protocol::limits::NAME_CHARS_MAX;
use anteroom_protocol::{ErrorBody, ErrorCode};

/// The longest name in bytes; keeps a few characters from carrying any number of combining marks.
const NAME_BYTES_MAX: usize = 4 * NAME_CHARS_MAX;

/// Trims a name and checks it: 1 to 32 characters, nothing invisible, nothing that turns the direction of the text
/// around it.
///
/// # Errors
/// `invalid_name`, with a sentence that says what is wrong.
pub fn checked(name: &str) -> Result<String, ErrorBody> {
    let name = name.trim();
    let wrong = if name.is_empty() {
        "A name needs at least one visible character."
    } else if name.chars().count() > NAME_CHARS_MAX || name.len() > NAME_BYTES_MAX {
        "A name may have at most 32 characters."
    } else if name.chars().any(is_unseen) {
        "A name may not have control, invisible or direction characters."
    } else {
        return Ok(name.to_owned());
    };
    Err(ErrorBody::new(ErrorCode::InvalidName, wrong))
}

/// Characters without a mark of their own, and those that reorder others (Unicode Technical Report 36, section 2).
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_people_have_pass() {
        for name in ["Ada", "Jürgen Müller", "さくら", "Zoë 🦊", "O'Neil-Smith"] {
            assert_eq!(checked(name).as_deref(), Ok(name));
        }
        assert_eq!(checked("  Ada ").as_deref(), Ok("Ada"));
        assert!(checked(&"x".repeat(32)).is_ok());
    }

    #[test]
    fn names_that_deceive_do_not() {
        for name in
            ["", "  ", &"x".repeat(33), "a\nb", "a\u{202e}b", "a\u{200b}", "\u{1b}[31mred", &"\u{300}".repeat(65)]
        {
            assert_eq!(checked(name).unwrap_err().code, ErrorCode::InvalidName, "{name:?}");
        }
    }
}

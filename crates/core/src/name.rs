//! Which names players and rooms may show to others.

mod unseen;

use anteroom_protocol::limits::NAME_CHARS_MAX;
use anteroom_protocol::{ErrorBody, ErrorCode};
use unicode_segmentation::UnicodeSegmentation;

/// The longest name in bytes; keeps a few characters from carrying any number of combining marks.
const NAME_BYTES_MAX: usize = 4 * NAME_CHARS_MAX;

/// Trims a name and checks it: 1 to 32 code points, nothing invisible but where the script or an emoji needs it,
/// nothing that turns the direction of the text around it.
///
/// # Errors
/// `invalid_name`, with a sentence that says what is wrong.
pub fn checked(name: &str) -> Result<String, ErrorBody> {
    let name = name.trim();
    let wrong = if name.is_empty() {
        "A name needs at least one visible character."
    } else if !fits(name) {
        "A name may have at most 32 characters."
    } else if name.starts_with(unseen::is_mark) {
        "A name may not begin with a mark that belongs on a letter."
    } else if without_strays(name) != name {
        "A name may not have control, direction or invisible characters where nothing needs them."
    } else {
        return Ok(name.to_owned());
    };
    Err(ErrorBody::new(ErrorCode::InvalidName, wrong))
}

/// Makes a name that can be shown of one that comes from where nobody can correct it: without what may not be there,
/// trimmed, and cut between two characters as people count them. None if nothing is left.
#[must_use]
pub fn cleaned(name: &str) -> Option<String> {
    // Whether a joiner belongs depends on what is around it, so nothing may look at a text of any length. A name has
    // at most as many characters as it has bytes.
    let mut name: String = name.trim().chars().take(NAME_BYTES_MAX).collect();
    loop {
        let seen = without_strays(&name);
        let next = cut(seen.trim_start_matches(|c: char| c.is_whitespace() || unseen::is_mark(c))).trim_end();
        if next == name {
            return checked(&name).ok();
        }
        // What is gone may have been what another character needed. It only gets shorter, so this ends.
        name = next.to_owned();
    }
}

/// Whether there is something in a text that is seen.
pub(crate) fn shows_something(text: &str) -> bool {
    text.chars().any(unseen::shows)
}

fn fits(name: &str) -> bool {
    name.chars().count() <= NAME_CHARS_MAX && name.len() <= NAME_BYTES_MAX
}

fn cut(name: &str) -> &str {
    let ends = name.grapheme_indices(true).map(|(start, grapheme)| start + grapheme.len());
    &name[..ends.take_while(|end| fits(&name[..*end])).last().unwrap_or(0)]
}

fn without_strays(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let places = chars.iter().enumerate();
    places.filter(|(at, c)| unseen::belongs(&chars[..*at], **c, &chars[at + 1..])).map(|(_, c)| *c).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Names with something invisible that they need.
    const NEEDY: [&str; 30] = [
        "👩\u{200d}🚀 Sally",
        "👨\u{200d}👩\u{200d}👧\u{200d}👦",
        "🧑🏻\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}🧑🏿",
        "🏳\u{fe0f}\u{200d}🌈 Robin",
        "🏋🏽\u{200d}♀\u{fe0f}",
        "❤\u{fe0f}",
        "☎\u{fe0e} Operator",
        "Seven 7\u{fe0f}\u{20e3}",
        "#\u{fe0f}\u{20e3}",
        "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} Fiona",
        "علی\u{200c}رضا",
        "می\u{64e}\u{200c}نا",
        "مه\u{200c}سا",
        "നവീന്\u{200d}",
        "പ്രവീണ്\u{200d}",
        "പ്രവീണ്\u{200d} കുമാര്\u{200d}",
        "ක්\u{200d}රිස්ටින්",
        "ශ්\u{200d}රී",
        "क्\u{200d}ष",
        "क्\u{200c}ष",
        "র\u{200d}\u{9cd}যাচেল",
        "ಸೂರ\u{200d}\u{ccd}ಯ",
        "葛\u{e0100}城",
        "辻\u{e0101}",
        "神\u{fe00}谷",
        "ᠠ\u{180b}ᠯ",
        "ᠪᠠᠭ\u{180e}ᠠ",
        "ᠣᠨ\u{180f}ᠢ",
        "🇫🇷 Amélie",
        "🤷🏾\u{200d}♂\u{fe0f}",
    ];

    /// Names with something that nobody sees and nothing needs, and what is left of them without it.
    const STRAY: [(&str, &str); 33] = [
        ("A\u{200d}da", "Ada"),
        ("A\u{200c}da", "Ada"),
        ("Ada\u{200d}", "Ada"),
        ("\u{200d}Ada", "Ada"),
        ("А\u{200d}да", "Ада"),
        ("a\u{94d}\u{200d}b", "a\u{94d}b"),
        ("👩\u{200d}", "👩"),
        ("👩\u{200d}\u{200d}🚀", "👩🚀"),
        ("👩\u{200d}Sally", "👩Sally"),
        ("1\u{200d}2", "12"),
        ("Ada\u{fe0f}", "Ada"),
        ("Ada 7\u{fe0f}", "Ada 7"),
        ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}"),
        ("Ada\u{e0067}\u{e0062}\u{e007f}", "Ada"),
        ("🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}", "🏴"),
        ("🏴\u{e007f}", "🏴"),
        ("رضا\u{200c}علی", "رضاعلی"),
        ("علی\u{200c}\u{200c}رضا", "علیرضا"),
        ("علی\u{200c}", "علی"),
        ("علی\u{200c}Ada", "علیAda"),
        ("ക്\u{200d}ി", "ക്ി"),
        ("Ada\u{e0100}", "Ada"),
        ("A\u{180b}da", "Ada"),
        ("ᠠ\u{180e}", "ᠠ"),
        ("A\u{34f}da", "Ada"),
        ("Ad\u{ad}a", "Ada"),
        ("Ada\u{200b}", "Ada"),
        ("Ada \u{2800}", "Ada"),
        ("\u{202e}Ada", "Ada"),
        ("a\nb", "ab"),
        ("\u{1b}[31mred", "[31mred"),
        ("\u{301}Ada", "Ada"),
        (" \u{200b} Ada \u{200b}", "Ada"),
    ];

    #[test]
    fn names_people_have_pass() {
        for name in ["Ada", "Jürgen Müller", "さくら", "Zoë 🦊", "O'Neil-Smith", "e\u{301}lan"].iter().chain(&NEEDY)
        {
            assert_eq!(checked(name).as_deref(), Ok(*name), "{name}");
            assert_eq!(cleaned(name).as_deref(), Some(*name), "{name}");
        }
        assert_eq!(checked("  Ada ").as_deref(), Ok("Ada"));
        assert!(checked(&"x".repeat(32)).is_ok());
    }

    #[test]
    fn names_that_deceive_do_not() {
        let strays = STRAY.iter().map(|(name, _)| *name);
        for name in ["", "  ", &"x".repeat(33), &"\u{300}".repeat(65), "\u{2800}", "\u{3164}", "\u{115f}"]
            .into_iter()
            .chain(strays)
        {
            assert_eq!(checked(name).unwrap_err().code, ErrorCode::InvalidName, "{name:?}");
        }
    }

    #[test]
    fn what_nobody_sees_is_taken_out_of_a_name_that_cannot_be_corrected() {
        for (name, left) in STRAY {
            assert_eq!(cleaned(name).as_deref(), Some(left), "{name:?}");
        }
        for name in ["", " \n ", "\u{200d}\u{200d}", "\u{301}\u{302}", "\u{2800}\u{3164}", &"\u{200b}".repeat(5000)] {
            assert_eq!(cleaned(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_between_what_people_take_for_characters() {
        assert_eq!(cleaned(&"x".repeat(5000)), Some("x".repeat(32)));
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        assert_eq!(cleaned(&family.repeat(9)), Some(family.repeat(4)));
        assert_eq!(cleaned(&format!("{} z", "x".repeat(31))), Some("x".repeat(31)));
        assert_eq!(cleaned(&format!("{}e\u{301}", "x".repeat(31))), Some("x".repeat(31)));
        // A joiner that stands at the border has lost what it was for.
        assert_eq!(cleaned(&format!("{}ی\u{200c}ر", "ع".repeat(30))), Some(format!("{}ی", "ع".repeat(30))));
        assert_eq!(cleaned(&format!("e{}", "\u{301}".repeat(100))), None);
    }

    /// Names of what is easily taken for something else, in any order.
    fn names() -> impl Strategy<Value = String> {
        let pieces: Vec<char> =
            NEEDY.iter().chain(STRAY.iter().map(|(name, _)| name)).flat_map(|name| name.chars()).collect();
        let piece = prop_oneof![4 => proptest::sample::select(pieces), 1 => any::<char>()];
        proptest::collection::vec(piece, 0..60).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_shows_something(name in names()) {
            let ignorable = icu_properties::CodePointSetData::new::<icu_properties::props::DefaultIgnorableCodePoint>();
            let shows = |c: char| !c.is_whitespace() && !c.is_control() && !unseen::is_mark(c) && !ignorable.contains(c);
            for shown in [checked(&name).ok(), cleaned(&name)].into_iter().flatten() {
                prop_assert!(shown.starts_with(shows), "{shown:?}");
                prop_assert!(fits(&shown));
                let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                prop_assert!(!shown.contains(turns));
            }
        }

        #[test]
        fn cleaning_once_is_enough_and_leaves_alone_what_is_accepted(name in names()) {
            if let Some(clean) = cleaned(&name) {
                prop_assert_eq!(checked(&clean).ok(), Some(clean.clone()));
                prop_assert_eq!(cleaned(&clean), Some(clean));
            }
            if let Ok(accepted) = checked(&name) {
                prop_assert_eq!(cleaned(&name), Some(accepted));
            }
        }
    }

    #[test]
    fn nothing_hides_in_a_latin_name() {
        let ignorable = icu_properties::CodePointSetData::new::<icu_properties::props::DefaultIgnorableCodePoint>();
        for hidden in ('\0'..=char::MAX).filter(|c| ignorable.contains(*c) || c.is_control()) {
            for name in [format!("A{hidden}da"), format!("Ad{hidden}a 7"), format!("Ada 7{hidden}.")] {
                assert!(checked(&name).is_err(), "{name:?}");
            }
        }
    }
}

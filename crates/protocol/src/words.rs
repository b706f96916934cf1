//! What is wrong with a JSON text, in JSON's own terms: serde speaks of Rust's types, and the sender may be a program
//! in any language.
//!
//! Rewords the texts of serde and serde_json. They may change, so one that is not known stays as it is.

use std::borrow::Cow;

/// The longest string that is quoted, in bytes.
const QUOTE_BYTES_MAX: usize = 64;

/// A decoder's words, made plain, without the position in a text that the reader never sees.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if error.line() > 0
        && let Some(place) = text.rfind(" at line ")
    {
        text.truncate(place);
    }
    reworded(&text).unwrap_or(text)
}

fn reworded(text: &str) -> Option<String> {
    if text == "expected value" || text == "expected ident" {
        return Some("a value is not one that may be there".to_owned());
    }
    if text.starts_with("EOF while parsing") {
        return Some("the text ends too early".to_owned());
    }
    if text.starts_with("data did not match any variant of untagged enum") {
        return Some("the value has none of the shapes that it may have".to_owned());
    }
    // What was found may be a quotation; what was expected never is.
    let (found, expected) = text.rsplit_once(", expected ")?;
    if let Some(found) = found.strip_prefix("invalid type: ") {
        Some(format!("{} expected, not {}", kind(expected), value(found)))
    } else if let Some(found) = found.strip_prefix("invalid value: ") {
        let expected = range(expected).map_or_else(|| kind(expected), Cow::Owned);
        Some(format!("{expected} expected, not {}", value(found)))
    } else if let Some(name) = found.strip_prefix("unknown variant ") {
        Some(format!("{expected} expected, not {}", quoted(name)))
    } else if let Some(length) = found.strip_prefix("invalid length ") {
        let found = if expected.starts_with("struct ") { "an array".into() } else { format!("one of {length}") };
        Some(format!("{} expected, not {found}", kind(expected)))
    } else {
        None
    }
}

/// The kind of JSON value that stands for a Rust type.
fn kind(expected: &str) -> Cow<'_, str> {
    let length = expected.split(' ').find_map(|word| word.parse::<usize>().ok());
    let first = expected.split(' ').next().unwrap_or_default();
    match (first, expected) {
        _ if bounds(expected).is_some() => "an integer".into(),
        _ if expected.starts_with("a nonzero ") => "an integer other than 0".into(),
        (_, "f32" | "f64") => "a number".into(),
        (_, "a boolean") => "true or false".into(),
        (_, "a borrowed string") => "a string".into(),
        (_, "a character") => "a string of one character".into(),
        (_, "a map" | "map") | ("struct" | "adjacently" | "internally", _) => "an object".into(),
        ("enum", _) => "a string or an object".into(),
        (_, "unit") | ("unit", _) => "null".into(),
        (_, "a sequence" | "byte array" | "a borrowed byte array") => "an array".into(),
        ("tuple", _) => array(length),
        _ if expected.starts_with("a tuple of ") || expected.starts_with("an array of length ") => array(length),
        _ => expected.into(),
    }
}

fn array(length: Option<usize>) -> Cow<'static, str> {
    length.map_or("an array".into(), |length| format!("an array of {length}").into())
}

/// The integers that fit into a Rust type.
fn range(expected: &str) -> Option<String> {
    bounds(expected).map(|(min, max)| format!("an integer from {min} to {max}"))
}

fn bounds(expected: &str) -> Option<(i128, u128)> {
    Some(match expected {
        "u8" => (0, u8::MAX.into()),
        "u16" => (0, u16::MAX.into()),
        "u32" => (0, u32::MAX.into()),
        "u64" | "usize" => (0, u64::MAX.into()),
        "u128" => (0, u128::MAX),
        "i8" => (i8::MIN.into(), i8::MAX.unsigned_abs().into()),
        "i16" => (i16::MIN.into(), i16::MAX.unsigned_abs().into()),
        "i32" => (i32::MIN.into(), i32::MAX.unsigned_abs().into()),
        "i64" | "isize" => (i64::MIN.into(), i64::MAX.unsigned_abs().into()),
        "i128" => (i128::MIN, i128::MAX.unsigned_abs()),
        _ => return None,
    })
}

/// A value as it is in JSON, if it is short, else what kind it is of.
fn value(found: &str) -> &str {
    match found {
        "sequence" => return "an array",
        "map" => return "an object",
        "unit value" => return "null",
        _ => {}
    }
    if let Some(text) = found.strip_prefix("string ") {
        return quoted(text);
    }
    let literal = ["boolean ", "integer ", "floating point "].iter().find_map(|kind| found.strip_prefix(kind));
    literal.map_or(found, |literal| literal.trim_matches('`'))
}

fn quoted(text: &str) -> &str {
    if text.len() <= QUOTE_BYTES_MAX { text } else { "a long string" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU8;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    fn why<T: DeserializeOwned>(text: &str) -> String {
        plain(&serde_json::from_str::<T>(text).map(drop).unwrap_err())
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Place {
        row: i32,
        col: f64,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Role {
        Player,
        Spectator,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only read")]
    enum Either {
        Number(u8),
        Switch(bool),
    }

    #[test]
    fn values_are_named_as_json_names_them() {
        assert_eq!(why::<Place>("7"), "an object expected, not 7");
        assert_eq!(why::<Place>("null"), "an object expected, not null");
        assert_eq!(why::<Place>("[]"), "an object expected, not an array");
        assert_eq!(why::<Place>(r#"{"row":"1"}"#), r#"an integer expected, not "1""#);
        assert_eq!(why::<Place>(r#"{"row":1.5}"#), "an integer expected, not 1.5");
        assert_eq!(why::<Place>(r#"{"row":1,"col":[]}"#), "a number expected, not an array");
        assert_eq!(why::<Place>(r#"{"row":1}"#), "missing field `col`");
        assert_eq!(why::<BTreeMap<String, u8>>("true"), "an object expected, not true");
        assert_eq!(why::<Vec<u8>>("{}"), "an array expected, not an object");
        assert_eq!(why::<[u8; 3]>("7"), "an array of 3 expected, not 7");
        assert_eq!(why::<(u8, u8)>("[7]"), "an array of 2 expected, not one of 1");
        assert_eq!(why::<bool>("0"), "true or false expected, not 0");
        assert_eq!(why::<String>("{}"), "a string expected, not an object");
        assert_eq!(why::<char>(r#""ab""#), r#"a string of one character expected, not "ab""#);
        assert_eq!(why::<Either>(r#""x""#), "the value has none of the shapes that it may have");
    }

    #[test]
    fn an_integer_that_does_not_fit_is_told_the_bounds() {
        assert_eq!(why::<u8>("256"), "an integer from 0 to 255 expected, not 256");
        assert_eq!(why::<i32>("2147483648"), "an integer from -2147483648 to 2147483647 expected, not 2147483648");
        assert_eq!(why::<u64>("-1"), "an integer from 0 to 18446744073709551615 expected, not -1");
        assert_eq!(why::<NonZeroU8>("0"), "an integer other than 0 expected, not 0");
    }

    #[test]
    fn names_are_told_those_there_are() {
        assert_eq!(why::<Role>(r#""king""#), "`player` or `spectator` expected, not `king`");
        assert_eq!(why::<Role>("7"), "a value is not one that may be there");
        assert_eq!(why::<Role>(r#"{"player":7}"#), "null expected, not 7");
    }

    #[test]
    fn what_the_sender_wrote_is_never_taken_for_a_decoder_s_words() {
        assert_eq!(why::<u8>(r#""x, expected i32""#), r#"an integer expected, not "x, expected i32""#);
        assert_eq!(why::<u8>(r#"" at line 1""#), r#"an integer expected, not " at line 1""#);
        assert_eq!(why::<Role>(r#""a, expected u8""#), "`player` or `spectator` expected, not `a, expected u8`");
        let long = format!("\"{}\"", "ü".repeat(100));
        assert_eq!(why::<u8>(&long), "an integer expected, not a long string");
        assert_eq!(why::<Role>(&long), "`player` or `spectator` expected, not a long string");
    }

    #[test]
    fn a_text_that_is_not_json_is_told_why() {
        assert_eq!(why::<Place>("{"), "the text ends too early");
        assert_eq!(why::<Place>("nonsense"), "a value is not one that may be there");
        assert_eq!(why::<u8>("1 2"), "trailing characters");
    }
}

//! What people read.

/// Checks that a text is a sentence for a person: a beginning, an end, and nothing that only a programmer says.
///
/// # Panics
/// If it is not.
#[track_caller]
pub fn assert_sentence(text: &str) {
    let first = text.chars().next().unwrap_or(' ');
    // The names of games and fields are written as they are, also in front.
    let names = ["`", "relay ", "tic_tac_toe ", "broken "];
    assert!(first.is_uppercase() || names.iter().any(|name| text.starts_with(name)), "begins in the middle: {text:?}");
    assert!(text.ends_with('.'), "has no end: {text:?}");
    assert!(text.split_whitespace().count() >= 3, "is no sentence: {text:?}");
    assert!(!text.chars().any(char::is_control), "has control characters: {text:?}");
    for programmer in ["::", "Some(", "Err(", "Error {", "panicked", "unwrap", "{}", "..", "std."] {
        assert!(!text.contains(programmer), "speaks of {programmer}: {text:?}");
    }
}

//! Characters that nobody sees, and the few places where one belongs all the same: between letters whose shapes it
//! decides, and inside an emoji.
//!
//! A joiner is taken where UAX #31, section 2.3, takes it (rules A1, A2 and B), and inside emoji sequences of UTS #51.

use icu_properties::props::{
    CanonicalCombiningClass, DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic, GeneralCategory,
    GeneralCategoryGroup, IndicSyllabicCategory, JoiningType, PrependedConcatenationMark, Script, UnifiedIdeograph,
};
use icu_properties::{CodePointMapData, CodePointSetData};

const ZWNJ: char = '\u{200c}';
const ZWJ: char = '\u{200d}';
const TEXT_STYLE: char = '\u{fe0e}';
const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
const END_OF_TAGS: char = '\u{e007f}';
const MONGOLIAN_VOWEL_SEPARATOR: char = '\u{180e}';
/// How many tags name a part of a country, such as `gbsct`.
const TAGS_OF_A_FLAG: std::ops::RangeInclusive<usize> = 3..=6;

/// Whether a character may stand between these.
pub(super) fn belongs(before: &[char], c: char, after: &[char]) -> bool {
    match c {
        ZWNJ => parts_joined_letters(before, after) || parts_a_conjunct(before, after),
        ZWJ => joins_emoji(before, after) || shapes_a_conjunct(before, after) || keeps_ra(before, after),
        TEXT_STYLE | EMOJI_STYLE => styles_an_emoji(before, after),
        // Variants of Han characters, which many a name in Japan is written with.
        '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}' => {
            before.last().is_some_and(|c| CodePointSetData::new::<UnifiedIdeograph>().contains(*c))
        }
        '\u{180b}'..='\u{180d}' | '\u{180f}' => before.last().copied().is_some_and(is_mongolian),
        MONGOLIAN_VOWEL_SEPARATOR => {
            [before.last(), after.first()].iter().all(|c| c.copied().is_some_and(is_mongolian))
        }
        END_OF_TAGS => TAGS_OF_A_FLAG.contains(&tags_since_flag(before).unwrap_or_default()),
        _ if is_tag(c) => is_in_a_flag(before, after),
        _ => !is_unseen(c),
    }
}

/// Whether a character is seen by itself: it is no space, none of those that nobody sees, and needs no other in front of it.
pub(super) fn shows(c: char) -> bool {
    !c.is_whitespace() && !is_unseen(c) && !is_mark(c)
}

/// Whether a character has no mark of its own, or turns the order of others around (Unicode Technical Report 36,
/// section 2).
fn is_unseen(c: char) -> bool {
    match category(c) {
        GeneralCategory::Control | GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => true,
        GeneralCategory::Format => !CodePointSetData::new::<PrependedConcatenationMark>().contains(c),
        _ => is_blank(c) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c),
    }
}

/// Characters that are blank by design, though no property says so: a Braille cell without dots, a note without a
/// head, and what fills up hieroglyphs and Khitan words.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{1d159}' | '\u{13441}' | '\u{13442}' | '\u{16fe4}')
}

/// Whether a character needs another one in front of it, which it changes.
pub(super) fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(category(c))
}

fn is_letter(c: char) -> bool {
    GeneralCategoryGroup::Letter.contains(category(c))
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

fn script(c: char) -> Script {
    CodePointMapData::<Script>::new().get(c)
}

fn is_mongolian(c: char) -> bool {
    is_letter(c) && script(c) == Script::Mongolian
}

fn combining_class(c: char) -> CanonicalCombiningClass {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c)
}

/// A1: letters that would be joined, as in many a Persian name.
fn parts_joined_letters(before: &[char], after: &[char]) -> bool {
    let joining = |c: char| CodePointMapData::<JoiningType>::new().get(c);
    let is_solid = |c: &&char| joining(**c) != JoiningType::Transparent;
    let (Some(left), Some(right)) = (before.iter().rev().find(is_solid), after.iter().find(is_solid)) else {
        return false;
    };
    matches!(joining(*left), JoiningType::DualJoining | JoiningType::LeftJoining)
        && matches!(joining(*right), JoiningType::DualJoining | JoiningType::RightJoining)
        && script(*left) == script(*right)
}

/// The script of a letter whose vowel is silenced by a virama that ends here: what can become part of a conjunct.
fn silenced(before: &[char]) -> Option<Script> {
    let mut virama = None;
    for c in before.iter().rev().copied() {
        match combining_class(c) {
            _ if !is_mark(c) => return virama.filter(|script_of| is_letter(c) && script(c) == *script_of),
            CanonicalCombiningClass::Virama if virama.is_none() => virama = Some(script(c)),
            CanonicalCombiningClass::NotReordered if virama.is_none() => return None,
            _ => {}
        }
    }
    None
}

/// A2: letters that would become one.
fn parts_a_conjunct(before: &[char], after: &[char]) -> bool {
    let is_moved = |c: &&char| is_mark(**c) && combining_class(**c) != CanonicalCombiningClass::NotReordered;
    let next = after.iter().find(|c| !is_moved(c)).copied().filter(|c| is_letter(*c)).map(script);
    next.is_some() && silenced(before) == next
}

/// B: a letter that takes a shape of its own, such as a chillu of Malayalam, or the shape that it has in a conjunct.
fn shapes_a_conjunct(before: &[char], after: &[char]) -> bool {
    let syllabic = CodePointMapData::<IndicSyllabicCategory>::new();
    silenced(before).is_some()
        && after.first().is_none_or(|c| syllabic.get(*c) != IndicSyllabicCategory::VowelDependent)
}

/// A ra of Bengali or Kannada that keeps its shape in front of a conjunct, where the joiner comes before the virama
/// (The Unicode Standard, sections 12.2 and 12.8): Rachel and Ryan are written so in Bengali.
fn keeps_ra(before: &[char], after: &[char]) -> bool {
    let (Some(ra @ ('\u{9b0}' | '\u{cb0}')), [virama, letter, ..]) = (before.last(), after) else { return false };
    combining_class(*virama) == CanonicalCombiningClass::Virama
        && is_letter(*letter)
        && [*virama, *letter].iter().all(|c| script(*c) == script(*ra))
}

fn is_pictograph(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

/// An emoji that is made of several.
fn joins_emoji(before: &[char], after: &[char]) -> bool {
    let base = match before {
        [base @ .., EMOJI_STYLE] => base,
        [base @ .., c] if CodePointSetData::new::<EmojiModifier>().contains(*c) => base,
        base => base,
    };
    [base.last(), after.first()].iter().all(|c| c.is_some_and(|c| is_pictograph(*c)))
}

/// A pictograph in colour or in black, or a digit on a key.
fn styles_an_emoji(before: &[char], after: &[char]) -> bool {
    match before.last() {
        Some('0'..='9' | '#' | '*') => after.first() == Some(&KEYCAP),
        Some(c) => is_pictograph(*c),
        None => false,
    }
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}')
}

/// How many tags there are since the flag that they are on; none if they are on something else.
fn tags_since_flag(before: &[char]) -> Option<usize> {
    let count = before.iter().rev().take_while(|c| is_tag(**c)).count();
    before[..before.len() - count].last().filter(|c| **c == BLACK_FLAG).map(|_| count)
}

/// A flag of a part of a country, such as Scotland.
fn is_in_a_flag(before: &[char], after: &[char]) -> bool {
    let Some(count) = tags_since_flag(before) else { return false };
    let more = after.iter().take_while(|c| is_tag(**c)).count();
    after.get(more) == Some(&END_OF_TAGS) && TAGS_OF_A_FLAG.contains(&(count + 1 + more))
}

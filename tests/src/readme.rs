//! What the README tells people to type.

/// The blocks of code in a language below a heading of the second level.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn blocks(section: &str, language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(crate::program::repository().join("README.md")).unwrap();
    let (_, below) = readme.split_once(&format!("\n## {section}\n")).unwrap();
    let section = below.split("\n## ").next().unwrap_or_default();
    let beginning = format!("\n```{language}\n");
    let blocks: Vec<String> =
        section.split(&beginning).skip(1).map(|block| block.split_once("```").unwrap().0.to_owned()).collect();
    assert!(!blocks.is_empty(), "there is no {language} in that section");
    blocks
}

//! What the README tells people to type.

/// The first block of code in a language below a heading of the second level.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn block(section: &str, language: &str) -> String {
    let readme = std::fs::read_to_string(crate::program::repository().join("README.md")).unwrap();
    let (_, section_and_more) = readme.split_once(&format!("\n## {section}\n")).unwrap();
    let section = section_and_more.split("\n## ").next().unwrap_or_default();
    let (_, block) = section.split_once(&format!("\n```{language}\n")).unwrap_or_else(|| panic!("no {language} there"));
    block.split_once("\n```").unwrap().0.to_owned() + "\n"
}

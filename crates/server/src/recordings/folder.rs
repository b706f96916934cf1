//! The folder of recordings: what its files are called, which there are, and which have something of a user.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use anteroom_core::replay::{self, Header};
use anteroom_protocol::{RoomId, UserId};

use super::Listed;

/// How every name ends.
const ENDING: &str = ".rec";
/// How that of a room ends that not everybody may come into.
const PRIVATE: &str = ".private.rec";
/// How long a name is at most.
const NAME_BYTES_MAX: usize = 96;

/// What a recording is called: when the room was made, its game and id, and which of several it is.
pub(super) fn name(created_at_ms: u64, game: &str, room_id: RoomId, part: u32, is_public: bool) -> String {
    let part = if part > 1 { format!("-{part}") } else { String::new() };
    let ending = if is_public { ENDING } else { PRIVATE };
    format!("{created_at_ms:013}-{game}-{room_id}{part}{ending}")
}

/// Whether something is the name of a recording, and of nothing else in any folder.
pub(super) fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(PRIVATE).or_else(|| name.strip_suffix(ENDING)).unwrap_or_default();
    name.len() <= NAME_BYTES_MAX
        && !stem.is_empty()
        && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

pub(super) fn is_private(name: &str) -> bool {
    name.ends_with(PRIVATE)
}

/// The same name for a room that is private now.
pub(super) fn private(name: &str) -> String {
    format!("{}{PRIVATE}", name.strip_suffix(ENDING).unwrap_or(name))
}

/// By what recordings are ordered, the oldest first.
fn order(name: &str) -> (u64, u32) {
    let stem = name.strip_suffix(PRIVATE).or_else(|| name.strip_suffix(ENDING)).unwrap_or_default();
    let mut parts = stem.split('-');
    let created = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    (created, parts.nth(2).and_then(|part| part.parse().ok()).unwrap_or(1))
}

/// The names of all that there are, the oldest first.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok().filter(|name| is_name(name)));
    }
    names.sort_by(|one, other| (order(one), one).cmp(&(order(other), other)));
    Ok(names)
}

/// The newest of them, the newest first.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn list(folder: &Path, most: usize, hidden: impl Fn(&str) -> bool) -> Result<Vec<Listed>, String> {
    let names = names(folder).map_err(|error| error.to_string())?;
    let shown = names.into_iter().rev().filter(|name| !hidden(name));
    Ok(shown.filter_map(|name| listed(folder, name)).take(most).collect())
}

/// None for a file that is no recording, or has gone meanwhile.
fn listed(folder: &Path, name: String) -> Option<Listed> {
    let file = File::open(folder.join(&name)).ok()?;
    let bytes = file.metadata().ok()?.len();
    let Header { game, room_name, created_at_ms, .. } = Header::read(BufReader::new(file)).ok()?;
    Some(Listed { part: order(&name).1, name, game, room_name, created_at_ms, bytes })
}

/// Deletes those that have something of a user: their names.
///
/// # Errors
/// A sentence: some could not be read or deleted. The others are.
pub(crate) fn erase_in(folder: &Path, user_id: &UserId) -> Result<Vec<String>, String> {
    let names = names(folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    erase_of(folder, names, user_id)
}

/// The same of these alone.
///
/// # Errors
/// The same.
pub(super) fn erase_of(
    folder: &Path,
    names: impl IntoIterator<Item = String>,
    user_id: &UserId,
) -> Result<Vec<String>, String> {
    let (mut erased, mut failed) = (Vec::new(), Vec::new());
    for name in names {
        let path = folder.join(&name);
        match fs::read(&path) {
            Ok(bytes) if !replay::mentions(&bytes, user_id) => {}
            // It has made space for another meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => match read.and_then(|_| fs::remove_file(&path)) {
                Ok(()) => erased.push(name),
                Err(error) => failed.push(format!("{name}: {error}")),
            },
        }
    }
    if failed.is_empty() { Ok(erased) } else { Err(format!("recordings were not erased: {}", failed.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for fine in ["0000000000001-dice-000000000a.rec", "1-dice-a-2.private.rec"] {
            assert!(is_name(fine), "{fine}");
        }
        for other in [
            "",
            ".rec",
            ".private.rec",
            "..",
            "../a.rec",
            "a/b.rec",
            "a\\b.rec",
            "/a.rec",
            "a.rec/",
            "a\0.rec",
            "a.b.rec",
            "ä.rec",
            "a.db",
        ] {
            assert!(!is_name(other), "{other:?}");
        }
        assert!(!is_name(&format!("{}.rec", "a".repeat(200))));
    }

    #[test]
    fn names_say_when_and_which() {
        let room_id = RoomId::from_bits(3);
        let first = name(1_790_000_000_000, "dice", room_id, 1, true);
        assert_eq!(first, format!("1790000000000-dice-{room_id}.rec"));
        let second = name(1_790_000_000_000, "dice", room_id, 2, true);
        assert!(is_name(&first) && is_name(&second) && order(&first) < order(&second));
        assert!(
            is_private(&private(&second)) && is_name(&private(&second)) && order(&private(&second)) == order(&second)
        );
    }
}

//! Keys in files: text that a person has put there, of which the white space around it is no part.

use std::path::Path;

use crate::error::ConfigError;

/// Shorter HMAC keys weaken the signature (RFC 7518, section 3.2).
pub(crate) const BYTES_MIN: usize = 32;

/// Reads the key that a file holds; `key` is the setting that names it.
pub(crate) fn read(path: &Path, what: &'static str, key: &'static str) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { what, path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let wrong =
        |why| ConfigError::Invalid { key, why: format!("names a file {why}: `openssl rand -base64 32` makes a key") };
    checked(bytes).map_err(wrong)
}

/// The key in a file's content.
///
/// # Errors
/// What is wrong with the file, as the end of a sentence.
pub(crate) fn checked(bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    // Bytes that are no text could end in what looks like white space.
    let Ok(text) = String::from_utf8(bytes) else {
        return Err("that is no text");
    };
    let key = text.trim().as_bytes().to_vec();
    if key.len() < BYTES_MIN {
        return Err("with less than 32 bytes");
    }
    Ok(key)
}

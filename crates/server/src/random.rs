//! Random bits that nobody can guess: for ids, seeds and keys.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Fills an array from the operating system's source.
///
/// # Panics
/// If the operating system has no randomness to give; nothing safe can be done then.
#[must_use]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// 128 random bits.
#[must_use]
pub(crate) fn bits() -> u128 {
    u128::from_le_bytes(bytes())
}

/// 64 random bits.
#[must_use]
pub(crate) fn seed() -> u64 {
    u64::from_le_bytes(bytes())
}

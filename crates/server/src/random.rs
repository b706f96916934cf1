//! Random bits that nobody can guess: for ids, seeds and keys.

use std::sync::{Mutex, PoisonError};

use anteroom_core::Rng;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Where a server's random bits come from.
#[derive(Debug, Default)]
pub(crate) enum Randomness {
    /// The operating system.
    #[default]
    System,
    /// A seed, so that a simulated server does the same again. Everybody can guess them.
    Seeded(Mutex<Rng>),
}

impl Randomness {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Mutex::new(Rng::new(seed)))
    }

    /// 128 random bits.
    #[must_use]
    pub(crate) fn bits(&self) -> u128 {
        match self {
            Self::System => u128::from_le_bytes(bytes()),
            Self::Seeded(_) => u128::from(self.seed()) << 64 | u128::from(self.seed()),
        }
    }

    /// 64 random bits.
    #[must_use]
    pub(crate) fn seed(&self) -> u64 {
        match self {
            Self::System => u64::from_le_bytes(bytes()),
            // Nothing panics while it holds the lock.
            Self::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).next_u64(),
        }
    }
}

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

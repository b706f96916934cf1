//! Randomness for games: fast, seeded, part of the snapshot. Not for secrets.
//!
//! xoshiro256++ 1.0 seeded by SplitMix64 (Blackman and Vigna, <https://prng.di.unimi.it>). Written out here because
//! a room must replay the same way for as long as its snapshots live, and libraries keep the right to change theirs.

use serde::{Deserialize, Serialize};

/// A seeded source of random numbers. Equal seeds give equal sequences, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng([u64; 4]);

impl Rng {
    /// A source that begins at a seed.
    #[must_use]
    pub fn new(mut seed: u64) -> Self {
        Self(std::array::from_fn(|_| {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// Whether it is one that a seed can lead to: all zeros stay zeros, and nothing ends that waits for another number.
    pub(crate) fn is_sound(&self) -> bool {
        self.0 != [0; 4]
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, each as likely as the others; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // Lemire, "Fast Random Integer Generation in an Interval" (2019).
        let bound = u64::from(bound);
        loop {
            let product = (self.next_u64() >> 32) * bound;
            let low = product & 0xffff_ffff;
            if low >= bound || low >= (1 << 32) % bound.max(1) {
                return (product >> 32) as u32;
            }
        }
    }

    /// One throw of a die with the faces 1 to `faces`.
    pub fn roll(&mut self, faces: u32) -> u32 {
        1 + self.below(faces)
    }

    /// Puts a slice into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(u32::try_from(last + 1).unwrap_or(u32::MAX)) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed once from the published reference code; a change here would break every stored room.
    #[test]
    fn the_sequence_of_a_seed_is_pinned() {
        let mut rng = Rng::new(0);
        assert_eq!(
            [rng.next_u64(), rng.next_u64(), rng.next_u64()],
            [0x5317_5d61_490b_23df, 0x61da_6f3d_c380_d507, 0x5c0f_df91_ec9a_7bfc]
        );
    }

    #[test]
    fn dice_are_fair_enough() {
        let mut rng = Rng::new(7);
        let mut faces = [0_u32; 6];
        for _ in 0..60_000 {
            faces[rng.roll(6) as usize - 1] += 1;
        }
        assert!(faces.iter().all(|count| (9_600..10_400).contains(count)), "{faces:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::new(1).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}

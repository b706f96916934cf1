//! What dice are worth. Knows no players and no turns.

use anteroom_core::Rng;

/// How many dice there are.
pub const DICE: usize = 6;

/// The runs: their values, and their worth.
const RUNS: [(&[u8], u32); 3] = [(&[1, 2, 3, 4, 5, 6], 1500), (&[2, 3, 4, 5, 6], 750), (&[1, 2, 3, 4, 5], 500)];

/// The worth of a selection: its best partition into groups that score. `None` if there is none, because a die is left over
/// or nothing is selected.
///
/// | group | worth |
/// |---|---|
/// | a single 1, a single 5 | 100, 50 |
/// | three 1s, three n | 1000, 100 n |
/// | each more of the same | twice as much |
/// | 1 to 5, 2 to 6, 1 to 6 | 500, 750, 1500 |
#[must_use]
pub fn score(dice: &[u8]) -> Option<u32> {
    if dice.is_empty() {
        return None;
    }
    let counts = counts(dice)?;
    let with_runs = RUNS.iter().filter_map(|(run, worth)| {
        let mut rest = counts;
        for value in *run {
            let count = &mut rest[usize::from(*value) - 1];
            *count = count.checked_sub(1)?;
        }
        Some(worth + without_runs(&rest)?)
    });
    with_runs.chain(without_runs(&counts)).max()
}

/// Whether any of these dice score.
#[must_use]
pub fn any_scores(dice: &[u8]) -> bool {
    // Every run has a 1 or a 5 in it.
    counts(dice).is_some_and(|counts| counts[0] > 0 || counts[4] > 0 || counts.iter().any(|count| *count >= 3))
}

/// How often each value is there; `None` if one is on no die, or if there are more dice than [`DICE`].
fn counts(dice: &[u8]) -> Option<[u32; 6]> {
    let mut counts = [0; 6];
    for value in dice {
        *counts.get_mut(usize::from(*value).checked_sub(1)?)? += 1;
    }
    (dice.len() <= DICE).then_some(counts)
}

/// The worth of sets and single dice. One set of all there are of a value is worth more than any other way to part them.
fn without_runs(counts: &[u32; 6]) -> Option<u32> {
    let mut total = 0;
    for (value, count) in (1..).zip(*counts) {
        total += match (value, count) {
            (_, 0) => 0,
            (1, 3..) => 1000 << (count - 3),
            (n, 3..) => (100 * n) << (count - 3),
            (1, _) => 100 * count,
            (5, _) => 50 * count,
            _ => return None,
        };
    }
    Some(total)
}

/// Throws so many dice.
pub(super) fn throw(count: usize, rng: &mut Rng) -> Vec<u8> {
    (0..count).map(|_| u8::try_from(1 + rng.below(6)).unwrap_or(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every group that there is, as written in the rules.
    fn group(dice: &[u8]) -> Option<u32> {
        let mut sorted = dice.to_vec();
        sorted.sort_unstable();
        match sorted.as_slice() {
            [1] => Some(100),
            [5] => Some(50),
            [1, 2, 3, 4, 5] => Some(500),
            [2, 3, 4, 5, 6] => Some(750),
            [1, 2, 3, 4, 5, 6] => Some(1500),
            [first, rest @ ..] if rest.len() >= 2 && rest.iter().all(|value| value == first) => {
                let three = if *first == 1 { 1000 } else { 100 * u32::from(*first) };
                Some(three * 2u32.pow(u32::try_from(rest.len()).unwrap() - 2))
            }
            _ => None,
        }
    }

    /// Tries every partition: the group that the first die is in, and then the rest.
    fn brute_force(dice: &[u8]) -> Option<u32> {
        let (first, others) = dice.split_first()?;
        let mut best = None;
        for mask in 0..1u32 << others.len() {
            let (mut inside, mut outside) = (vec![*first], Vec::new());
            for (place, value) in others.iter().enumerate() {
                if mask >> place & 1 == 1 { inside.push(*value) } else { outside.push(*value) }
            }
            let rest = if outside.is_empty() { Some(0) } else { brute_force(&outside) };
            if let (Some(worth), Some(rest)) = (group(&inside), rest) {
                best = best.max(Some(worth + rest));
            }
        }
        best
    }

    /// Every throw of so many dice.
    fn throws(count: u32) -> impl Iterator<Item = Vec<u8>> {
        (0..6u32.pow(count)).map(move |number| {
            (0..count).map(|place| u8::try_from(1 + number / 6u32.pow(place) % 6).unwrap()).collect()
        })
    }

    #[test]
    fn every_selection_is_worth_its_best_partition() {
        for count in 1..=6 {
            for dice in throws(count).filter(|dice| dice.is_sorted()) {
                assert_eq!(score(&dice), brute_force(&dice), "{dice:?}");
            }
        }
    }

    #[test]
    fn the_order_of_the_dice_makes_no_difference() {
        for dice in throws(6) {
            let mut sorted = dice.clone();
            sorted.sort_unstable();
            assert_eq!(score(&dice), score(&sorted), "{dice:?}");
        }
    }

    #[test]
    fn a_throw_is_a_bust_if_no_selection_of_it_scores() {
        for dice in (1..=6).flat_map(throws).filter(|dice| dice.is_sorted()) {
            let selections = (1..1u32 << dice.len()).map(|mask| {
                dice.iter().enumerate().filter(|(place, _)| mask >> place & 1 == 1).map(|(_, value)| *value).collect()
            });
            let scores = selections.map(|selection: Vec<u8>| score(&selection)).any(|worth| worth.is_some());
            assert_eq!(any_scores(&dice), scores, "{dice:?}");
        }
    }

    #[test]
    fn what_is_no_throw_scores_nothing() {
        for dice in [&[][..], &[0], &[7], &[1, 255], &[1; 7], &[1, 5, 2]] {
            assert_eq!(score(dice), None, "{dice:?}");
        }
        assert!(!any_scores(&[]));
    }

    #[test]
    fn examples() {
        for (dice, worth) in [
            (&[1][..], 100),
            (&[5, 5], 100),
            (&[1, 1, 1], 1000),
            (&[1, 1, 1, 1], 2000),
            (&[5, 5, 5, 5], 1000),
            (&[6, 6, 6, 6, 6, 6], 4800),
            (&[1, 1, 1, 1, 1, 1], 8000),
            (&[1, 2, 3, 4, 5], 500),
            (&[1, 2, 3, 4, 5, 5], 550),
            (&[2, 3, 4, 5, 5, 6], 800),
            (&[6, 5, 4, 3, 2, 1], 1500),
            (&[2, 2, 2, 3, 3, 3], 500),
            (&[1, 1, 5, 2, 2, 2], 450),
        ] {
            assert_eq!(score(dice), Some(worth), "{dice:?}");
        }
    }
}

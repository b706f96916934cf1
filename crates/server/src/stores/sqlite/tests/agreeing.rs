//! Whatever is written, and however the medium fails, SQLite's store ends up with what the one in memory has.

use anteroom_core::Rng;

use super::failing::{Shaky, now_and_then};
use super::*;
use crate::stores::conformance::{WALL_MS, room, row, session, session_row, snapshot, turn, user};

const ROOMS: u32 = 6;

/// One write to both of them, by the same numbers.
async fn submit(store: &dyn Store, rng: &mut Rng, receipts: &mut Vec<Receipt>) {
    let place = store.place().await;
    let (n, index) = (u128::from(rng.below(ROOMS)), u64::from(rng.below(40)));
    let text = format!("{index} by user-{} ", rng.below(3)).repeat(1 + rng.below(600) as usize);
    let receipt = match rng.below(12) {
        0..4 => store.snapshot(place, WALL_MS + index, room(n), index, row(&text), snapshot(&text)),
        4..8 => store.turn(place, WALL_MS + index, room(n), index, row(&text), turn(&text)),
        8 => store.remove(place, vec![room(n), room(n / 2)]),
        9 => store.suspend(place, room(n), text),
        10 => {
            store.keep(place, vec![session_row(n, &format!("user-{}", rng.below(3)), 3), session_row(9, "nobody", 0)])
        }
        _ => store.forget(place, vec![session(n)]),
    };
    receipts.push(receipt);
}

/// Plays a story on a store, and says how each write ended.
async fn play(bed: &impl Bed, seed: u64) -> Vec<Result<(), StoreError>> {
    let mut rng = Rng::new(seed);
    let mut results = Vec::new();
    for number in 0..3 {
        let store = bed.open(WALL_MS + 1000 * number);
        let mut receipts = Vec::new();
        for _ in 0..60 {
            submit(&*store, &mut rng, &mut receipts).await;
        }
        if rng.below(4) == 0 {
            receipts.push(store.erase(store.place().await, user("user-1")));
        }
        for mut receipt in receipts {
            // The one in memory has no files.
            let committed = receipt.committed().await;
            results.push(
                committed.or_else(|error| if matches!(error, StoreError::NotTidied(_)) { Ok(()) } else { Err(error) }),
            );
        }
    }
    results
}

#[tokio::test]
async fn what_is_stored_is_what_a_store_in_memory_has() {
    for seed in 0..12 {
        let memory = crate::stores::conformance::InMemory::default();
        let shaky = Shaky::new(now_and_then);
        assert_eq!(play(&shaky, seed).await, play(&memory, seed).await, "seed {seed}");
        let (found, expected) = (shaky.open(WALL_MS + 9000), memory.open(WALL_MS + 9000));
        assert_eq!(found.boot(), expected.boot());
        assert!(found.rows(None, 99).await == expected.rows(None, 99).await, "seed {seed}");
        assert_eq!(found.sessions().await, expected.sessions().await, "seed {seed}");
        let mentioned = b"user-1".to_vec();
        assert_eq!(found.mentioning(mentioned.clone()).await, expected.mentioning(mentioned).await);
        for n in 0..ROOMS.into() {
            assert!(found.load(room(n)).await == expected.load(room(n)).await, "seed {seed}");
        }
    }
}

//! The same in one process, in virtual time: one number decides who says what and when, when the store fails, how the server
//! goes away, and for how long.

use std::time::Duration;

use anteroom_core::{Registry, Rng};
use anteroom_server::stores::Memory;
use tokio::time::{Instant, sleep, timeout};

use super::server::Simulated;
use super::{Life, Pairs};
use crate::peer::Via;

/// When the first server starts, in Unix milliseconds.
const BEGIN_MS: u64 = 1_600_000_000_000;
/// In virtual time; no story is as long.
const DEADLINE: Duration = Duration::from_secs(24 * 3600);
/// How often the server goes away.
const ROUNDS: u32 = 3;
/// The longest time that they play between, in milliseconds.
const PLAY_MS_MAX: u32 = 300;
/// How long each thinks.
const THINK_MS_MAX: u32 = 60;
/// The longest time for which the store fails, in milliseconds. It is shorter than the time for which a request waits.
const FAIL_MS_MAX: u32 = 2000;
/// How long they are away when rooms are to leave memory: longer than sessions are kept, and than rooms wait.
const AWAY: Duration = Duration::from_secs(800);

/// What happened in a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Story {
    /// How often the server went away.
    pub ends: u64,
    /// How often somebody went on with a session.
    pub returns: u64,
    /// How many moves were made.
    pub moves: u64,
    /// How often rooms left memory.
    pub sleeps: u64,
    /// How long it took, in virtual milliseconds.
    pub took_ms: u64,
}

/// Plays the story of a seed, in a runtime of its own.
///
/// # Panics
/// If anything is lost, undone, or done twice, or the story does not come to its end.
#[must_use]
pub fn run(seed: u64) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let story = Box::pin(play(seed));
        timeout(DEADLINE, story).await.unwrap_or_else(|_| panic!("seed {seed}: the story does not end"))
    })
}

async fn play(seed: u64) -> Story {
    let began = Instant::now();
    let mut rng = Rng::new(seed);
    let life = Life::new(&[Via::Quic], THINK_MS_MAX);
    let mut host = Simulated::start(BEGIN_MS, games(), seed);
    let mut pairs = Pairs::enter(&host, &life, 1, &mut rng).await;
    let mut story = Story::default();
    for _ in 0..ROUNDS {
        let failing = rng.below(2) == 0;
        let stopping = async {
            if failing {
                fail(&host.store, &mut rng).await;
            }
            pause(&mut rng, PLAY_MS_MAX).await;
            // The store may fail to the very end.
            if failing && rng.below(2) == 0 {
                host.store.fail(true);
                pause(&mut rng, PLAY_MS_MAX).await;
            }
            life.end();
        };
        tokio::join!(pairs.play(&life, &host), stopping);
        let is_orderly = host.stores() && rng.below(3) == 0;
        if is_orderly {
            host.server.clone().shutdown().await;
        }
        pairs.lose().await;
        // The clock may have been set back meanwhile.
        let wall_ms = BEGIN_MS + elapsed_ms(began) + u64::from(rng.below(20_000));
        let wall_ms = if rng.below(4) == 0 { wall_ms - 3_600_000 } else { wall_ms };
        host.replace(wall_ms, games(), rng.next_u64());
        story.ends += 1;
        life.begin();
        if rng.below(3) > 0 {
            pairs.settle(&life, &host).await;
            if rng.below(3) == 0 {
                story.sleeps += 1;
                pairs.lose().await;
                sleep(AWAY).await;
                pairs.come_anew(&life, &host).await;
            }
            life.calm(false);
        }
    }
    pairs.settle(&life, &host).await;
    pairs.lose().await;
    host.end().await;
    (story.returns, story.moves) = pairs.numbers();
    Story { took_ms: elapsed_ms(began), ..story }
}

fn games() -> Registry {
    anteroom_games::registry().unwrap()
}

/// The store fails for a while, now and then.
async fn fail(store: &Memory, rng: &mut Rng) {
    for _ in 0..rng.below(3) {
        pause(rng, PLAY_MS_MAX).await;
        store.fail(true);
        pause(rng, FAIL_MS_MAX).await;
        store.fail(false);
    }
}

async fn pause(rng: &mut Rng, ms_max: u32) {
    sleep(Duration::from_millis(rng.below(ms_max).into())).await;
}

fn elapsed_ms(began: Instant) -> u64 {
    began.elapsed().as_millis() as u64
}

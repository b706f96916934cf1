//! The program is killed at a random moment of play, by `kill -9` or in order, and started again on the same data: nobody
//! notices more than a lost connection.
//!
//! `ANTEROOM_TEST_ROUNDS` says how often. The seed of a life that failed is printed, and `ANTEROOM_SEED` plays it again; what the
//! machine does meanwhile is not in the seed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anteroom_core::Rng;
use anteroom_tests::lasting::{Host, Life, Pairs};
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Ended, Running, anteroom, command};
use anteroom_tests::server::{address, dialer, published_hash, scratch};
use anteroom_tests::{amount, token};
use anteroom_transport::Dialer;

/// How often a server is stopped with the same players.
const ROUNDS_OF_LIFE: u64 = 6;
/// How many pairs play on it.
const PAIRS: usize = 4;
/// The longest time that they play between two stops, in milliseconds.
const PLAY_MS_MAX: u32 = 250;
/// How many lives are lived at a time.
const LIVES_AT_A_TIME: usize = 2;

/// Where the program listens, and its certificate of this time.
struct Door {
    addr: SocketAddr,
    dialer: Dialer,
}

impl Host for Door {
    async fn dial(&self, way: Way) -> Option<Peer> {
        Peer::try_dial_to(&self.dialer, &address(self.addr), way).await.ok()
    }
}

/// Starts the program on this data.
async fn start(data: &Path, addr: SocketAddr) -> (Running, Door) {
    let (data, listen) = (data.to_str().unwrap(), addr.to_string());
    let arguments = ["--listen", &listen, "--data", data, "--log", "info"];
    let mut command = command(anteroom(), &arguments);
    command.env("ANTEROOM_AUTH__TOKEN_KEY", token::KEY);
    let mut server = Running::start(command);
    let addr = server.listening().await;
    let dialer = dialer(&[published_hash(addr).await]);
    (server, Door { addr, dialer })
}

/// Stops it by a signal, and waits until it is gone.
async fn stop(server: Running, signal: &str) -> Ended {
    server.signal(signal).await;
    server.end().await
}

/// An address of this machine that no other test uses.
fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let id = std::process::id();
    let last = NEXT.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from(([127, (id >> 8) as u8 | 1, id as u8, last], 0))
}

/// What came of a life.
#[derive(Debug, Default)]
struct Lived {
    rounds: u64,
    returns: u64,
    moves: u64,
}

async fn live(seed: u64, rounds: u64) -> Lived {
    let mut rng = Rng::new(seed);
    let (data, life) = (scratch("restart"), Life::new(&Via::ALL, 0));
    let (mut server, mut door) = start(&data, own_address()).await;
    let addr = door.addr;
    let mut pairs = Pairs::enter(&door, &life, PAIRS, &mut rng).await;
    for round in 0..rounds {
        let moment = Duration::from_millis(u64::from(rng.below(PLAY_MS_MAX)));
        let is_orderly = rng.below(4) == 0;
        let signal = if is_orderly { "TERM" } else { "KILL" };
        println!("seed {seed}, round {round}: {signal} after {moment:?}");
        let stopping = async {
            tokio::time::sleep(moment).await;
            let ended = stop(server, signal).await;
            life.end();
            ended
        };
        let ((), ended) = tokio::join!(pairs.play(&life, &door), stopping);
        assert_eq!(ended.code, is_orderly.then_some(0), "{ended:?}");
        assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
        pairs.lose().await;
        life.begin();
        (server, door) = start(&data, addr).await;
        // Every now and then it goes away again before they are all back.
        if rng.below(3) > 0 {
            pairs.settle(&life, &door).await;
            life.calm(false);
        }
    }
    pairs.settle(&life, &door).await;
    assert_eq!(stop(server, "TERM").await.code, Some(0));
    let (returns, moves) = pairs.numbers();
    Lived { rounds, returns, moves }
}

/// Lives so many rounds, some of them side by side.
async fn rounds(rounds: u64, first_seed: u64) {
    let mut lived = Lived::default();
    let mut seeds = (0..rounds.div_ceil(ROUNDS_OF_LIFE)).map(|number| first_seed + number);
    loop {
        let some: Vec<u64> = seeds.by_ref().take(LIVES_AT_A_TIME).collect();
        if some.is_empty() {
            break;
        }
        let local = tokio::task::LocalSet::new();
        let lives: Vec<_> = some.into_iter().map(|seed| local.spawn_local(live(seed, ROUNDS_OF_LIFE))).collect();
        local
            .run_until(async {
                for life in lives {
                    let Lived { rounds, returns, moves } = life.await.unwrap();
                    lived.rounds += rounds;
                    lived.returns += returns;
                    lived.moves += moves;
                }
            })
            .await;
    }
    println!("{lived:?}");
    assert!(lived.returns > lived.rounds && lived.moves > lived.rounds, "nothing was played: {lived:?}");
}

#[tokio::test]
async fn whoever_plays_goes_on_after_every_end() {
    rounds(amount::rounds(), u64::from(amount::seed())).await;
}

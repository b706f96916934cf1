//! A medium that fails when it is told to: nothing that was acknowledged is lost, nothing is applied twice, and it goes on when the
//! medium is back.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::stores::conformance::{Script, WALL_MS, room, session_row, texts, turn};
use crate::stores::sqlite::disk::Checkpoint;
use crate::stores::sqlite::fault::Fault;

/// How a call fails.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// It does nothing.
    Before,
    /// It does all, and says that it did not.
    After,
}

/// Says of each call, by its number, whether it fails.
type Plan = Box<dyn Fn(u64) -> Option<How> + Send>;

/// Counts the calls of all media that have it.
pub(super) struct Faults {
    calls: AtomicU64,
    /// Their names.
    names: Mutex<Vec<&'static str>>,
    plan: Mutex<Plan>,
    /// Whether the database can never be written anew: its disk has no space for another one.
    is_cramped: AtomicBool,
}

impl Faults {
    fn new(plan: impl Fn(u64) -> Option<How> + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicU64::new(0),
            names: Mutex::default(),
            plan: Mutex::new(Box::new(plan)),
            is_cramped: AtomicBool::new(false),
        })
    }

    fn next(&self, name: &'static str) -> Option<How> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)(call)
    }

    fn set(&self, plan: impl Fn(u64) -> Option<How> + Send + 'static) {
        *self.plan.lock().unwrap() = Box::new(plan);
    }
}

struct Failing {
    disk: Database,
    faults: Arc<Faults>,
}

impl Failing {
    fn call<T>(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&mut Database) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        match self.faults.next(name) {
            None => call(&mut self.disk),
            Some(How::Before) => Err(Fault::medium("it was told to fail")),
            Some(How::After) => call(&mut self.disk).and_then(|_| Err(Fault::medium("it was told to fail"))),
        }
    }
}

impl Disk for Failing {
    fn look(&mut self) -> Result<(), Fault> {
        self.call("look", Database::look)
    }

    fn begin(&mut self, boot: u64, group: u64, alive_ms: u64) -> Result<bool, Fault> {
        self.call("begin", |disk| disk.begin(boot, group, alive_ms))
    }

    fn apply(&mut self, write: &Write) -> Result<(), Fault> {
        self.call("apply", |disk| disk.apply(write))
    }

    fn commit(&mut self) -> Result<(), Fault> {
        self.call("commit", Database::commit)
    }

    fn roll_back(&mut self) {
        self.disk.roll_back();
    }

    fn checkpoint(&mut self, how: Checkpoint) -> Result<bool, Fault> {
        let name = if how == Checkpoint::Truncate { "truncate" } else { "restart" };
        self.call(name, |disk| disk.checkpoint(how))
    }

    fn vacuum(&mut self) -> Result<(), Fault> {
        if self.faults.is_cramped.load(Ordering::Relaxed) {
            return Err(Fault::medium("database or disk is full"));
        }
        self.call("vacuum", Database::vacuum)
    }

    fn reopen(&mut self) -> Result<(), Fault> {
        self.call("reopen", Database::reopen)
    }
}

/// A folder on a medium that fails.
pub(super) struct Shaky {
    scratch: Scratch,
    faults: Arc<Faults>,
}

impl Shaky {
    pub(super) fn new(plan: impl Fn(u64) -> Option<How> + Send + 'static) -> Self {
        Self { scratch: Scratch::new(), faults: Faults::new(plan) }
    }

    fn store(&self, wall_ms: u64) -> Sqlite {
        let faults = Arc::clone(&self.faults);
        Sqlite::open_with(self.scratch.path(), wall_ms, AT_ONCE, |disk| Failing { disk, faults }).unwrap()
    }
}

impl Bed for Shaky {
    fn open(&self, wall_ms: u64) -> Arc<dyn Store> {
        Arc::new(self.store(wall_ms))
    }

    fn usurp(&self) {
        self.scratch.usurp();
    }
}

/// Fails ever more seldom, so that every group passes in the end. Every other time the call has done what it was asked.
pub(super) fn now_and_then(call: u64) -> Option<How> {
    let root = call.isqrt();
    (root * root == call).then_some(if root.is_multiple_of(2) { How::Before } else { How::After })
}

mod conformance {
    crate::stores::conformance::conforms!(super::Shaky::new(super::now_and_then));
}

/// Everything that can be written, and what comes of it.
async fn play(store: &Sqlite) {
    let mut script = Script::new(store);
    script.snapshot(1, 1, "one").await;
    script.turn(1, 2, "two").await;
    script.turn(1, 3, "three").await;
    script.snapshot(2, 1, "another").await;
    script.keep(vec![session_row(1, "anna", 0), session_row(2, "bert", 0)]).await;
    script.committed().await;
    let place = store.place().await;
    let erased = store.erase(place, "anna".parse().unwrap()).committed().await;
    assert!(matches!(erased, Ok(()) | Err(StoreError::NotTidied(_))));
    let mut script = Script::new(store);
    script.turn(1, 4, "four").await;
    script.snapshot(3, 1, &"large ".repeat(5000)).await;
    script.remove(&[2]).await;
    script.turn(3, 2, "two").await;
    script.committed().await;
    store.close().await;
}

async fn assert_played(store: &dyn Store) {
    let expected = [(1, "one"), (2, "two"), (3, "three"), (4, "four")].map(|(n, text)| (n, text.to_owned()));
    assert_eq!(texts(store, 1).await.unwrap(), expected);
    assert_eq!(store.load(room(2)).await.unwrap(), None);
    assert_eq!(texts(store, 3).await.unwrap().len(), 2);
    assert_eq!(store.sessions().await.unwrap(), [session_row(2, "bert", 1)]);
}

#[tokio::test]
async fn whichever_call_fails_everything_is_stored_once() {
    for how in [How::Before, How::After] {
        for failing in 0.. {
            let shaky = Shaky::new(move |call| (call == failing).then_some(how));
            let store = shaky.store(WALL_MS);
            play(&store).await;
            drop(store);
            assert_played(&*shaky.scratch.open(WALL_MS)).await;
            if shaky.faults.calls.load(Ordering::Relaxed) <= failing {
                // Fewer calls than that: each of them has failed once.
                assert!(failing > 20);
                break;
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_medium_fails() {
    let shaky = Shaky::new(|_| None);
    let store = shaky.store(WALL_MS);
    let mut script = Script::new(&store);
    script.snapshot(1, 1, "one").await;
    script.committed().await;
    let calls = Arc::clone(&shaky.faults);
    shaky.faults.set(|_| Some(How::Before));
    let place = store.place().await;
    let mut receipt = store.turn(place, WALL_MS, room(1), 2, Default::default(), turn("two"));
    // Many tries later it is still not said to be committed, nor to be seen, and it is known that the store fails.
    let from = calls.calls.load(Ordering::Relaxed);
    while calls.calls.load(Ordering::Relaxed) < from + 1000 {
        tokio::task::yield_now().await;
    }
    let pending = std::future::poll_fn(|context| {
        let mut committed = std::pin::pin!(receipt.committed());
        std::task::Poll::Ready(committed.as_mut().poll(context).is_pending())
    });
    assert!(pending.await);
    assert!(!store.health().is_good());
    assert_eq!(store.load(room(1)).await.unwrap().unwrap().turns, []);
    // It is back: what waited is stored, and nobody had to ask again.
    shaky.faults.set(|_| None);
    receipt.committed().await.unwrap();
    assert!(store.health().is_good());
    assert_eq!(store.load(room(1)).await.unwrap().unwrap().turns.len(), 1);
}

#[tokio::test]
async fn after_a_commit_that_failed_all_is_written_once_more_before_the_same_goes_again() {
    // What was committed although that failed is not applied again.
    let same = ["reopen", "truncate", "look", "begin", "apply", "commit"];
    for (how, again) in [(How::Before, &same[..]), (How::After, &same[..4])] {
        let shaky = Shaky::new(move |call| (call == 3).then_some(how));
        let store = shaky.store(WALL_MS);
        let mut script = Script::new(&store);
        script.snapshot(1, 1, "one").await;
        script.committed().await;
        let names = shaky.faults.names.lock().unwrap().clone();
        assert_eq!(names, [&["look", "begin", "apply", "commit"], again].concat());
    }
}

#[tokio::test]
async fn what_no_medium_takes_suspends_its_room_and_no_other() {
    let scratch = Scratch::new();
    let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
    let mut script = Script::new(&store);
    script.snapshot(1, 1, "one").await;
    script.snapshot(2, 1, "one").await;
    script.committed().await;
    let mut before = Script::new(&store);
    before.turn(2, 2, "two").await;
    let place = store.place().await;
    let mut receipt = store.turn(place, WALL_MS, room(1), u64::MAX, RoomRow::default(), turn("too high a number"));
    let mut behind = Script::new(&store);
    behind.turn(2, 3, "three").await;
    before.committed().await;
    behind.committed().await;
    assert_eq!(receipt.committed().await, Err(StoreError::Closed));
    let suspended = |kept: Option<Kept>| kept.unwrap().suspended;
    let why = "a turn of it could not be stored: 18446744073709551615 is too large for a column";
    assert_eq!(suspended(store.load(room(1)).await.unwrap()).as_deref(), Some(why));
    assert_eq!(suspended(store.load(room(2)).await.unwrap()), None);
    assert_eq!(texts(&store, 2).await.unwrap().len(), 3);
    assert!(store.health().is_good());
}

#[tokio::test]
async fn a_database_that_cannot_be_written_anew_holds_up_nobody() {
    let shaky = Shaky::new(|_| None);
    let store = shaky.store(WALL_MS);
    let mut script = Script::new(&store);
    script.keep(vec![session_row(1, "anna", 0), session_row(2, "bert", 0)]).await;
    script.committed().await;
    shaky.faults.is_cramped.store(true, Ordering::Relaxed);
    let why = StoreError::NotTidied("database or disk is full".into());
    let mut tidied = store.vacuum(store.place().await);
    let mut erased = store.erase(store.place().await, "anna".parse().unwrap());
    let mut script = Script::new(&store);
    script.snapshot(1, 1, "one").await;
    assert_eq!((tidied.committed().await, erased.committed().await), (Err(why.clone()), Err(why)));
    script.committed().await;
    // Whoever was erased is not stored any more, and asking again sees to the bytes.
    assert_eq!(store.sessions().await.unwrap(), [session_row(2, "bert", 0)]);
    assert!(store.health().is_good());
    shaky.faults.is_cramped.store(false, Ordering::Relaxed);
    store.erase(store.place().await, "anna".parse().unwrap()).committed().await.unwrap();
}

#[tokio::test]
async fn what_a_room_has_submitted_behind_what_no_medium_takes_is_given_up_too() {
    let scratch = Scratch::new();
    let store = Sqlite::open_with(scratch.path(), WALL_MS, AT_ONCE, |database| database).unwrap();
    let mut script = Script::new(&store);
    script.snapshot(1, 1, "one").await;
    script.committed().await;
    // The writer is kept busy until all of it is in the queue.
    let other = scratch.connect();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut others = Script::new(&store);
    others.snapshot(2, 1, "one").await;
    while store.health().is_good() {
        tokio::task::yield_now().await;
    }
    let place = store.place().await;
    let mut bad = store.turn(place, WALL_MS, room(1), u64::MAX, RoomRow::default(), turn("too high a number"));
    // One of the same transaction, and one of the next.
    let mut behind = Script::new(&store);
    behind.snapshot(1, 2, "two").await;
    behind.turn(1, 3, &"three ".repeat(1 << 20)).await;
    others.turn(2, 2, "two").await;
    other.execute_batch("ROLLBACK").unwrap();
    others.committed().await;
    assert_eq!(bad.committed().await, Err(StoreError::Closed));
    assert_eq!(behind.results().await, [Err(StoreError::Closed), Err(StoreError::Closed)]);
    assert_eq!(texts(&store, 1).await.unwrap(), [(1, "one".to_owned())]);
    assert!(store.load(room(1)).await.unwrap().unwrap().suspended.is_some());
}

#[tokio::test]
async fn a_long_reader_does_not_keep_a_store_away_that_is_back() {
    let shaky = Shaky::new(|_| None);
    let store = Arc::new(shaky.store(WALL_MS));
    // Who is asked for takes for ever to find, and the state of the store is kept for as long.
    let endless = "DROP TABLE users;
        CREATE VIEW users AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT 'anna' AS user_id, 'Anna' AS username, 0 AS is_guest, 0 AS seen_ms FROM n, store WHERE i < boot - 9";
    shaky.scratch.connect().execute_batch(endless).unwrap();
    let asked = Arc::clone(&store);
    let reads = tokio::spawn(async move { asked.user("anna".parse().unwrap()).await });
    let other = shaky.scratch.connect();
    let busy = || other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap() == 1;
    other.busy_timeout(Duration::ZERO).unwrap();
    for index in 1.. {
        // Something is in the log, or nobody is in the way of emptying it.
        let mut script = Script::new(&*store);
        script.snapshot(1, index, "one").await;
        script.committed().await;
        if busy() {
            break;
        }
    }
    // The next call fails.
    let from = shaky.faults.calls.load(Ordering::Relaxed);
    shaky.faults.set(move |call| (call == from).then_some(How::Before));
    let mut script = Script::new(&*store);
    script.snapshot(2, 1, "two").await;
    script.committed().await;
    assert_eq!(reads.await.unwrap(), Err(StoreError::Unavailable("interrupted".into())));
}

//! Passwords of rooms: hashed and compared off the runtime's threads, a few at a time, and guessed a few times a minute.
//!
//! What a password is for is not known here, nor whether there is such a room: whoever asks for one that is not to be found out
//! compares with no hash, which takes as long and never fits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_core::Time;
use anteroom_protocol::limits::PASSWORD_BYTES_MAX;
use anteroom_protocol::{ErrorBody, ErrorCode, RoomId, UserId};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::random::Randomness;

/// How many hashes are computed at a time. Each takes 19 MiB, and a processor for some hundredths of a second.
const AT_A_TIME: usize = 2;
/// How many wait behind them. Beyond it they are `busy`.
const WAITING_MAX: usize = 64;
/// How many wrong passwords a user may try for a room within [`WINDOW`].
const WRONG_MAX: usize = 5;
/// How many wrong ones are tried for a room by all who have nothing else to show.
const WRONG_IN_ROOM_MAX: usize = 30;
/// How many passwords a user may set.
const SET_MAX: usize = 10;
/// See [`WRONG_MAX`].
const WINDOW: Duration = Duration::from_secs(60);
/// Of how many users and rooms attempts are remembered; with more the first one is forgotten. Fewer can be hashed within [`WINDOW`].
const REMEMBERED_MAX: usize = 32_768;

/// See the module.
#[derive(Debug)]
pub(crate) struct Passwords {
    randomness: Arc<Randomness>,
    params: Params,
    /// What is compared with where there is nothing to compare with.
    nobodys: Box<str>,
    computing: Arc<Semaphore>,
    waiting: Semaphore,
    attempts: Mutex<Attempts>,
    /// How many hashes there were.
    hashes: AtomicU64,
}

/// When passwords were tried for a room by a user, or by all, or set by one.
type Attempts = BTreeMap<Of, VecDeque<Time>>;
type Of = (Option<RoomId>, Option<UserId>);

/// A password that is being tried. It counts as a wrong one until it is [forgiven](Self::forgive).
#[derive(Debug)]
#[must_use = "it counts as a wrong password until it is forgiven"]
pub(crate) struct Attempt {
    of: [Of; 2],
    at: Time,
}

/// The details of `rate_limited`.
#[derive(Debug, Serialize)]
struct Retry {
    retry_after_ms: u64,
}

impl Passwords {
    /// What computes them. In a simulation a hash costs next to nothing.
    pub(crate) fn new(randomness: Arc<Randomness>) -> Self {
        let params = match *randomness {
            Randomness::System => Params::default(),
            Randomness::Seeded(_) => Params::new(Params::MIN_M_COST, 1, 1, None).unwrap_or_default(),
        };
        // Made with the same parameters, of a password that nobody has.
        let (password, salt) = (randomness.bits().to_le_bytes(), randomness.bits().to_le_bytes());
        let nobodys = compute(&params, &password, &salt).unwrap_or_default().into();
        Self {
            randomness,
            params,
            nobodys,
            computing: Arc::new(Semaphore::new(AT_A_TIME)),
            waiting: Semaphore::new(AT_A_TIME + WAITING_MAX),
            attempts: Mutex::default(),
            hashes: AtomicU64::new(0),
        }
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// `busy`.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, ErrorBody> {
        let (params, password) = (self.params.clone(), password.to_owned());
        let salt = self.randomness.bits().to_le_bytes();
        self.compute(move || compute(&params, password.as_bytes(), &salt)).await?.ok_or_else(failed)
    }

    /// Whether a password is the one that a hash was made of; with none it is not, and takes as long.
    ///
    /// # Errors
    /// `busy`.
    pub(crate) async fn is_of(&self, password: &str, hash: Option<&str>) -> Result<bool, ErrorBody> {
        let (password, is_nobodys) = (password.to_owned(), hash.is_none());
        let hash = hash.unwrap_or(&self.nobodys).to_owned();
        let fits = self.compute(move || {
            PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(fits.await? && !is_nobodys)
    }

    async fn compute<T: Send + 'static>(&self, compute: impl FnOnce() -> T + Send + 'static) -> Result<T, ErrorBody> {
        let busy = || ErrorBody::new(ErrorCode::Busy, "Too many passwords are being checked just now; try again.");
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        // Nobody closes it. It is given back by the thread: who does not wait any more has not stopped that.
        let turn = self.computing.clone().acquire_owned().await.map_err(|_| busy())?;
        self.hashes.fetch_add(1, Ordering::Relaxed);
        if matches!(*self.randomness, Randomness::Seeded(_)) {
            // So that nothing depends on when a thread is done.
            return Ok(compute());
        }
        let computing = tokio::task::spawn_blocking(move || {
            let computed = compute();
            drop(turn);
            computed
        });
        computing.await.map_err(|_| failed())
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        // Nothing panics while it holds the lock.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a user try a password for a room, whether there is such a room or not. Where every guest is another user, what a room is
    /// tried with counts as well.
    ///
    /// # Errors
    /// `rate_limited`, with how long to wait.
    pub(crate) fn attempt(&self, user_id: &UserId, room_id: RoomId, now: Time) -> Result<Attempt, ErrorBody> {
        let sentence = "Too many passwords were wrong; wait before you try another.";
        let mut attempts = self.attempts();
        let (theirs, everybodys) = ((Some(room_id), Some(user_id.clone())), (Some(room_id), None));
        count(&mut attempts, &theirs, WRONG_MAX, now, sentence)?;
        if let Err(error) = count(&mut attempts, &everybodys, WRONG_IN_ROOM_MAX, now, sentence) {
            forget(&mut attempts, &theirs, now);
            return Err(error);
        }
        Ok(Attempt { of: [theirs, everybodys], at: now })
    }

    /// Lets a user set a password.
    ///
    /// # Errors
    /// `rate_limited`, with how long to wait.
    pub(crate) fn may_set(&self, user_id: &UserId, now: Time) -> Result<(), ErrorBody> {
        let sentence = "Too many passwords were set; wait before you set another.";
        count(&mut self.attempts(), &(None, Some(user_id.clone())), SET_MAX, now, sentence)
    }

    /// It was no wrong password after all.
    pub(crate) fn forgive(&self, attempt: Attempt) {
        let mut attempts = self.attempts();
        attempt.of.iter().for_each(|of| forget(&mut attempts, of, attempt.at));
    }

    /// How many hashes were computed.
    #[cfg(test)]
    pub(crate) fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }
}

/// Checks how long a password is. An empty one is none.
///
/// # Errors
/// `invalid_data`.
pub(crate) fn checked(password: Option<&str>) -> Result<Option<&str>, ErrorBody> {
    let Some(password) = password.filter(|password| !password.is_empty()) else { return Ok(None) };
    if password.len() > PASSWORD_BYTES_MAX {
        let sentence = format!("A password has at most {PASSWORD_BYTES_MAX} bytes.");
        return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
    }
    Ok(Some(password))
}

/// Counts another one, if there are not too many.
fn count(attempts: &mut Attempts, of: &Of, most: usize, now: Time, sentence: &str) -> Result<(), ErrorBody> {
    let is_over = |at: &Time| now.since(*at) >= WINDOW;
    if attempts.len() >= REMEMBERED_MAX && !attempts.contains_key(of) {
        attempts.retain(|_, tried| tried.back().is_some_and(|last| !is_over(last)));
        if attempts.len() >= REMEMBERED_MAX {
            attempts.pop_first();
        }
    }
    let tried = attempts.entry(of.clone()).or_default();
    while tried.front().is_some_and(is_over) {
        tried.pop_front();
    }
    if let Some(first) = tried.front().filter(|_| tried.len() >= most) {
        let retry_after = WINDOW.saturating_sub(now.since(*first));
        let retry = Retry { retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX) };
        return Err(ErrorBody::new(ErrorCode::RateLimited, sentence).with_details(&retry));
    }
    tried.push_back(now);
    Ok(())
}

fn forget(attempts: &mut Attempts, of: &Of, at: Time) {
    let Some(tried) = attempts.get_mut(of) else { return };
    if let Some(place) = tried.iter().position(|tried| *tried == at) {
        tried.remove(place);
    }
    if tried.is_empty() {
        attempts.remove(of);
    }
}

fn compute(params: &Params, password: &[u8], salt: &[u8]) -> Option<String> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2.hash_password_with_salt(password, salt).ok().map(|hash| hash.to_string())
}

fn failed() -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, "The server failed at that.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn ms(millis: u64) -> Time {
        Time::from_millis(1_000_000 + millis)
    }

    #[tokio::test]
    async fn a_hash_tells_its_password_from_others_and_says_nothing_of_it() {
        let passwords = Passwords::new(Arc::new(Randomness::default()));
        let hash = passwords.hash("sesame").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !hash.contains("sesame"), "{hash}");
        assert_ne!(passwords.hash("sesame").await.unwrap(), hash, "a salt of its own");
        assert!(passwords.is_of("sesame", Some(&hash)).await.unwrap());
        for (wrong, hash) in [("Sesame", Some(&*hash)), ("", Some(&hash)), ("sesame", None), ("sesame", Some("$x$"))] {
            assert!(!passwords.is_of(wrong, hash).await.unwrap(), "{wrong:?}");
        }
        assert_eq!(passwords.hashes(), 7);
        assert!(passwords.nobodys.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "it takes as long");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn two_are_computed_at_a_time_some_wait_and_the_others_are_busy() {
        let passwords = Arc::new(Passwords::new(Arc::new(Randomness::default())));
        let (open, gate) = std::sync::mpsc::sync_channel::<()>(1);
        let gate = Arc::new(Mutex::new(gate));
        let (tell, mut running) = tokio::sync::mpsc::channel(AT_A_TIME + WAITING_MAX);
        let mut begun = Vec::new();
        for _ in 0..AT_A_TIME + WAITING_MAX {
            let (passwords, gate, tell) = (passwords.clone(), gate.clone(), tell.clone());
            begun.push(tokio::spawn(async move {
                let computed = passwords.compute(move || {
                    tell.blocking_send(()).unwrap();
                    gate.lock().unwrap().recv().unwrap();
                });
                computed.await.unwrap();
            }));
        }
        for _ in 0..AT_A_TIME {
            running.recv().await.unwrap();
        }
        while passwords.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // The runtime is not held up, and nothing else is begun.
        assert_eq!(passwords.hash("sesame").await.unwrap_err().code, ErrorCode::Busy);
        assert!(running.try_recv().is_err());
        // Those who do not wait any more make way for others, though theirs is computed to its end.
        begun.pop().unwrap().abort();
        for _ in 0..begun.len() + 1 {
            open.send(()).unwrap();
        }
        for task in begun {
            task.await.unwrap();
        }
        assert!(passwords.hash("sesame").await.is_ok());
    }

    #[test]
    fn five_wrong_ones_a_minute_and_no_more_for_each_user_and_room() {
        let passwords = Passwords::new(Arc::new(Randomness::seeded(1)));
        let (here, there) = (RoomId::from_bits(1), RoomId::from_bits(2));
        let wrong = |user_id: &str, room_id, at| passwords.attempt(&user(user_id), room_id, ms(at));
        for at in 0..5 {
            drop(wrong("ada", here, at * 1000).unwrap());
        }
        let refused = wrong("ada", here, 10_000).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert_eq!(refused.details.unwrap().text(), r#"{"retry_after_ms":50000}"#);
        assert!(wrong("ada", there, 10_000).is_ok() && wrong("bob", here, 10_000).is_ok(), "it is nobody else's");
        // To be refused makes it no longer; the first of the five is forgotten in its time, and then the second.
        assert!(wrong("ada", here, 59_999).is_err());
        drop(wrong("ada", here, 60_000).unwrap());
        assert!(wrong("ada", here, 60_999).is_err());
        drop(wrong("ada", here, 61_000).unwrap());
    }

    #[test]
    fn many_who_guess_one_room_are_held_up_together() {
        let passwords = Passwords::new(Arc::new(Randomness::seeded(1)));
        let (here, there) = (RoomId::from_bits(1), RoomId::from_bits(2));
        let wrong = |number: usize, room_id, at| passwords.attempt(&user(&format!("guest-{number}")), room_id, ms(at));
        for number in 0..30 {
            passwords.forgive(wrong(number, here, 0).unwrap());
            drop(wrong(number, here, 0).unwrap());
        }
        assert_eq!(wrong(30, here, 59_999).unwrap_err().code, ErrorCode::RateLimited);
        assert!(wrong(30, there, 59_999).is_ok());
        drop(wrong(31, here, 60_000).unwrap());
        for _ in 0..10 {
            passwords.may_set(&user("ada"), ms(0)).unwrap();
        }
        assert_eq!(passwords.may_set(&user("ada"), ms(1)).unwrap_err().code, ErrorCode::RateLimited);
        assert!(passwords.may_set(&user("bob"), ms(1)).is_ok() && passwords.may_set(&user("ada"), ms(60_000)).is_ok());
    }

    #[test]
    fn right_ones_do_not_count_and_those_that_are_tried_at_once_do() {
        let passwords = Passwords::new(Arc::new(Randomness::seeded(1)));
        let attempt = || passwords.attempt(&user("ada"), RoomId::from_bits(1), ms(0));
        for _ in 0..20 {
            passwords.forgive(attempt().unwrap());
        }
        assert!(passwords.attempts().is_empty());
        let at_once: Vec<Attempt> = (0..5).map(|_| attempt().unwrap()).collect();
        assert!(attempt().is_err());
        at_once.into_iter().for_each(|attempt| passwords.forgive(attempt));
        assert!(attempt().is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let passwords = Passwords::new(Arc::new(Randomness::seeded(1)));
        for number in 0..REMEMBERED_MAX as u128 / 2 + 10 {
            drop(passwords.attempt(&user("ada"), RoomId::from_bits(number), ms(0)).unwrap());
        }
        assert_eq!(passwords.attempts().len(), REMEMBERED_MAX);
        // Those that are over make place for all others.
        drop(passwords.attempt(&user("bob"), RoomId::from_bits(1), ms(60_000)).unwrap());
        assert_eq!(passwords.attempts().len(), 2);
    }
}

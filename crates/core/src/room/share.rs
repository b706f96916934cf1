//! How much player input may wait for a room, and how much of it may be one member's.
//!
//! A member may have as much waiting as is left free beside it. So one alone leaves half of it to the others, however
//! fast they are, two leave a third, and whoever has nothing waiting always finds a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many messages may wait; each member's only one is not refused for it.
pub const WAITING_MESSAGES_MAX: usize = 2048;
/// How many bytes of data they may have; each member's only one is not refused for it.
pub const WAITING_BYTES_MAX: usize = 2 << 20;

/// One message in a [`Count`], above any number of bytes that can come together.
const MESSAGE: u64 = 1 << 40;

/// Messages and their bytes, in one number: they change together.
#[derive(Debug, Default)]
struct Count(AtomicU64);

/// What a [`Count`] said.
#[derive(Debug, Clone, Copy)]
struct Counted {
    messages: usize,
    bytes: usize,
}

impl Count {
    /// Adds a message; gives what there was before.
    fn add(&self, bytes: usize) -> Counted {
        Counted::from(self.0.fetch_add(MESSAGE + bytes as u64, Ordering::Relaxed))
    }

    fn subtract(&self, bytes: usize) {
        self.0.fetch_sub(MESSAGE + bytes as u64, Ordering::Relaxed);
    }

    fn now(&self) -> Counted {
        Counted::from(self.0.load(Ordering::Relaxed))
    }
}

impl From<u64> for Counted {
    fn from(count: u64) -> Self {
        Self { messages: (count / MESSAGE) as usize, bytes: (count % MESSAGE) as usize }
    }
}

/// The input of all members that waits for a room.
#[derive(Debug, Default)]
pub struct Waiting(Count);

impl Waiting {
    /// How many messages wait.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.0.now().messages
    }

    /// How many bytes of data wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.now().bytes
    }

    /// Whether so much waits that the room should look, though it might have waited for more.
    #[must_use]
    pub fn is_much(&self) -> bool {
        let Counted { messages, bytes } = self.0.now();
        messages > WAITING_MESSAGES_MAX / 4 || bytes > WAITING_BYTES_MAX / 4
    }
}

/// One member's part of it.
#[derive(Debug)]
pub struct Share {
    room: Arc<Waiting>,
    mine: Count,
    plays: AtomicBool,
}

impl Share {
    /// The share of a member for whom nothing waits.
    #[must_use]
    pub fn new(room: Arc<Waiting>, plays: bool) -> Arc<Self> {
        Arc::new(Self { room, mine: Count::default(), plays: AtomicBool::new(plays) })
    }

    /// Whether the member plays, as the room said last: what others say to the game need not wait to be refused.
    #[must_use]
    pub fn plays(&self) -> bool {
        self.plays.load(Ordering::Relaxed)
    }

    /// The member plays from now on, or only watches.
    pub fn set_plays(&self, plays: bool) {
        self.plays.store(plays, Ordering::Relaxed);
    }

    /// A place for one more message with so many bytes of data; none if the member has to wait for the room.
    #[must_use]
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<Place> {
        // Counted before it is decided, so that several who ask at once do not all get the last place.
        let (mine, all) = (self.mine.add(bytes), self.room.0.add(bytes));
        let place = Place { share: self.clone(), bytes };
        let is_within = mine.messages < WAITING_MESSAGES_MAX.saturating_sub(all.messages)
            && mine.bytes + bytes <= WAITING_BYTES_MAX.saturating_sub(all.bytes);
        (mine.messages == 0 || is_within).then_some(place)
    }
}

/// The place of a message that waits. Dropping it makes room for another one.
#[derive(Debug)]
pub struct Place {
    share: Arc<Share>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.share.mine.subtract(self.bytes);
        self.share.room.0.subtract(self.bytes);
    }
}

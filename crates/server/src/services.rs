//! What answers in a running server: who may come in, the sessions, the rooms and their list, and the time and the chance
//! that all of them go by.
//!
//! How long the server runs and how it ends is not here but in `lifecycle`.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::Budget;
use crate::certificate::PublishedHashes;
use crate::clock::Clock;
use crate::identity::Authority;
use crate::lobby::Lobby;
use crate::origin::Origins;
use crate::passwords::Passwords;
use crate::random::Randomness;
use crate::rooms::Rooms;
use crate::sessions::Sessions;
use crate::stores::Store;

/// See the module.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) clock: Clock,
    pub(crate) randomness: Arc<Randomness>,
    pub(crate) authority: Authority,
    pub(crate) origins: Origins,
    pub(crate) hashes: Arc<PublishedHashes>,
    pub(crate) lobby: Arc<Lobby>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) passwords: Passwords,
    /// Where the page is that invites lead to.
    pub(crate) page: String,
    /// What outlives the server, if anything does.
    pub(crate) store: Option<Arc<dyn Store>>,
    /// How long what is said is stored, if not for as long as its room.
    pub(crate) chat_kept: Option<Duration>,
}

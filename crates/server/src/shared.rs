//! What the parts of a running server share: configuration, the rooms, who is counted, and the steps of a shutdown.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::certificate::PublishedHashes;
use crate::clock::Clock;
use crate::config::{Config, PublicUrl};
use crate::identity::Authority;
use crate::lobby::Lobby;
use crate::origin::Origins;
use crate::random::Randomness;
use crate::rooms::Rooms;
use crate::sessions::Sessions;

/// What the parts of a running server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) is_development: bool,
    pub(crate) on_network: bool,
    pub(crate) local_addr: SocketAddr,
    /// The same for UDP.
    pub(crate) udp_addr: SocketAddr,
    /// Where players reach the server, if that is configured.
    pub(crate) public: Option<PublicUrl>,
    pub(crate) clock: Clock,
    pub(crate) authority: Authority,
    pub(crate) origins: Origins,
    pub(crate) hashes: PublishedHashes,
    pub(crate) randomness: Arc<Randomness>,
    pub(crate) lobby: Arc<Lobby>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) budget: Arc<Budget>,
    /// The tasks of connections that can have a session, and of sessions that wait for one.
    pub(crate) session_tasks: TaskTracker,
    pub(crate) connections: TaskTracker,
    /// Step one of a shutdown.
    pub(crate) stop_accepting: CancellationToken,
    /// Until when a shutdown waits for what is still to be written; set when it begins.
    pub(crate) shutdown_deadline: OnceLock<Instant>,
    /// Step two: sessions say goodbye.
    pub(crate) shutdown: Shutdown,
    /// Step three: everything else ends.
    pub(crate) stop_serving: CancellationToken,
    pub(crate) admission: Arc<Semaphore>,
}

/// Whether sessions are to say goodbye. Every connection looks at it all the time, so looking takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    has_begun: AtomicBool,
    token: CancellationToken,
}

impl Shutdown {
    pub(crate) fn begin(&self) {
        self.has_begun.store(true, Ordering::Release);
        self.token.cancel();
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    /// Waits until it has begun. Cancel-safe.
    pub(crate) async fn begun(&self) {
        self.token.cancelled().await;
    }
}

impl Shared {
    /// Lets one more connection in, until the permit is dropped; `None` if there are too many.
    pub(crate) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        self.admission.clone().try_acquire_owned().ok()
    }
}

//! A server's life: who is let in, what it waits for when it ends, and the steps of that.
//!
//! Shutting down: no new connections; rooms close and tell their members; sessions say goodbye, write what is left, and
//! close; then what is left of HTTP and QUIC. Where rooms and sessions go on later they are stored instead, before anybody hears
//! a goodbye. What rooms and sessions are is not known here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anteroom_transport::quic::Listener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::Problems;
use crate::tables::{LimitList, Times};

/// How long the parts of the shutdown after the last goodbye may take.
const TAIL_MAX: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    admission: Arc<Semaphore>,
    /// How long a shutdown may take to write what is still to be written.
    writing_max: Duration,
    /// The tasks of connections that can have a session, and of what sessions ask of rooms.
    pub(crate) session_tasks: TaskTracker,
    /// The tasks of everything else.
    pub(crate) connections: TaskTracker,
    /// Cancelled when what was stored has been restored: nobody is served before.
    pub(crate) restored: CancellationToken,
    /// Cancelled when everything is stored that goes on later: clients hear the goodbye then, and not before.
    pub(crate) kept: CancellationToken,
    /// Step one of a shutdown.
    pub(crate) stop_accepting: CancellationToken,
    /// Step two: sessions say goodbye.
    pub(crate) shutdown: Shutdown,
    /// Step three: everything else ends.
    pub(crate) stop_serving: CancellationToken,
}

/// Whether sessions are to say goodbye. Every connection looks at it all the time, so looking takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    has_begun: AtomicBool,
    token: CancellationToken,
    /// Until when what is still to be written is waited for; set before sessions hear of it.
    deadline: OnceLock<Instant>,
}

impl Shutdown {
    fn begin(&self) {
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

    /// Until when to write what is left; none as long as the server stays.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }
}

impl Lifecycle {
    pub(crate) fn of(limits: &LimitList, times: &Times) -> Self {
        Self {
            admission: Arc::new(Semaphore::new(limits.connections_max as usize)),
            writing_max: Duration::from_millis(times.shutdown_ms),
            session_tasks: TaskTracker::new(),
            connections: TaskTracker::new(),
            restored: CancellationToken::new(),
            kept: CancellationToken::new(),
            stop_accepting: CancellationToken::new(),
            shutdown: Shutdown::default(),
            stop_serving: CancellationToken::new(),
        }
    }

    pub(crate) fn check(limits: &LimitList, problems: &mut Problems) {
        problems.at_least_one("limits.connections_max", limits.connections_max);
    }

    /// Lets one more connection in, until the permit is dropped; `None` if there are too many.
    pub(crate) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        self.admission.clone().try_acquire_owned().ok()
    }

    /// All steps of a shutdown after which nothing goes on, in their order. `close_rooms` ends when the last room has told its
    /// members; `end_away` ends the sessions that nobody is connected to. Not cancel-safe.
    pub(crate) async fn shut_down(
        &self,
        quic: Option<&Listener>,
        close_rooms: impl Future<Output = ()>,
        end_away: impl Fn(),
    ) {
        self.stop_accepting(quic);
        let goodbyes = async {
            close_rooms.await;
            self.shutdown.begin();
            end_away();
            self.session_tasks.close();
            self.session_tasks.wait().await;
            // Those whose connection has ended meanwhile.
            end_away();
        };
        if timeout(self.writing_max + TAIL_MAX, goodbyes).await.is_err() {
            tracing::warn!(sessions = self.session_tasks.len(), "some sessions did not hear the goodbye");
        }
        self.shutdown.begin();
        self.end(quic).await;
    }

    /// The same where everything goes on later: connections read nothing more, `keep` stores rooms and sessions as they are, and
    /// only then clients hear the goodbye. How long a client takes to close costs nobody else anything. Whether all was kept in
    /// time. Not cancel-safe.
    pub(crate) async fn shut_down_to_go_on(&self, quic: Option<&Listener>, keep: impl Future<Output = ()>) -> bool {
        self.stop_accepting(quic);
        self.shutdown.begin();
        let is_kept = timeout(self.writing_max, keep).await.is_ok();
        self.kept.cancel();
        self.session_tasks.close();
        if timeout(TAIL_MAX, self.session_tasks.wait()).await.is_err() {
            tracing::warn!(sessions = self.session_tasks.len(), "some sessions did not hear the goodbye");
        }
        self.end(quic).await;
        is_kept
    }

    fn stop_accepting(&self, quic: Option<&Listener>) {
        // Set once: shutting down takes the server.
        let _ = self.shutdown.deadline.set(Instant::now() + self.writing_max);
        self.stop_accepting.cancel();
        quic.into_iter().for_each(Listener::stop_accepting);
    }

    async fn end(&self, quic: Option<&Listener>) {
        self.stop_serving.cancel();
        self.connections.close();
        let tail = async {
            if let Some(quic) = quic {
                quic.close().await;
            }
            self.connections.wait().await;
        };
        drop(timeout(TAIL_MAX, tail).await);
    }
}

//! The thread in which a relay works, with a runtime of its own; both end with their owner.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;

#[derive(Debug)]
pub(super) struct Worker {
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            // Nobody says a word: the sender is dropped.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { runtime: handle, stop: Some(stop), thread: Some(thread) })
    }

    /// While this is held, sockets and tasks belong to the thread.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }
}

/// Ends the thread, and with its runtime all tasks in it.
impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It cannot have panicked: its runtime catches what tasks do.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

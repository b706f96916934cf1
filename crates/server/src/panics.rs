//! What becomes of a panic: the end of what it was in, told to everyone whom it concerns, and of nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// How long what is to run for ever stands still after a panic: whatever panics at once again does not fill the log.
const PAUSE: Duration = Duration::from_secs(1);

/// What a panic said.
pub(crate) type Words = String;

/// Runs something that may panic. What it leaves half done is the caller's to give up.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, Words> {
    catch_unwind(AssertUnwindSafe(run)).map_err(words)
}

/// The same with a future. After a panic nothing of it runs again.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Words> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match guarded(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(words) => Poll::Ready(Err(words)),
    })
    .await
}

/// Runs something to its end, and begins again after each panic: what a server cannot do without.
pub(crate) async fn kept_up<F: Future>(what: &str, run: impl Fn() -> F) -> F::Output {
    loop {
        match caught(run()).await {
            Ok(ended) => return ended,
            Err(why) => tracing::error!(what, why, "a task failed, and begins again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn words(panic: Box<dyn Any + Send>) -> Words {
    let words = panic.downcast_ref::<&str>().map(ToString::to_string);
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_runs_for_ever_begins_again() {
        let runs = Cell::new(0);
        let ended = kept_up("a test", || async {
            runs.set(runs.get() + 1);
            tokio::task::yield_now().await;
            assert_eq!(runs.get(), 3, "not yet");
            "ended"
        });
        assert_eq!(ended.await, "ended");
        assert_eq!(runs.get(), 3);
    }
}

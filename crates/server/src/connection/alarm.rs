//! One timer for all that a connection's task waits for until a time.
//!
//! It is set anew only for what is due earlier than it; otherwise it goes off, the task looks at its clock and sets it
//! again. So whatever is put off all the time, as acknowledging is, costs no timer each time.

use std::pin::{Pin, pin};
use std::task::Context;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// Made when it is first needed, which for an idle session is never.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Has the context's task woken at that time, or earlier.
    pub(super) fn set(&mut self, at: Instant, now: Instant, cx: &mut Context<'_>) {
        let sleep = match &mut self.sleep {
            Some(sleep) if sleep.deadline() > now && sleep.deadline() <= at => return,
            Some(sleep) => {
                sleep.as_mut().reset(at);
                sleep
            }
            None => self.sleep.insert(Box::pin(sleep_until(at))),
        };
        // Whoever has polled it once is woken: unless the runtime finds that the task has done enough for now, and does
        // not look at the timer at all.
        if pin!(unconstrained(sleep.as_mut())).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::time::Duration;

    use tokio::task::coop;

    use super::*;

    /// When a task that sets the alarm to 200 ms wakes, which has done before as much as the runtime allows, or nothing.
    async fn wakes(is_exhausted: bool) -> Duration {
        let start = Instant::now();
        let at = start + Duration::from_millis(200);
        let (mut alarm, mut is_first) = (Alarm::default(), true);
        let waits = poll_fn(move |cx| {
            let now = Instant::now();
            if at <= now {
                return Poll::Ready(());
            }
            if std::mem::take(&mut is_first) && is_exhausted {
                while pin!(coop::consume_budget()).poll(cx).is_ready() {}
            }
            alarm.set(at, now, cx);
            Poll::Pending
        });
        let task = tokio::spawn(async move { tokio::time::timeout(Duration::from_secs(5), waits).await });
        assert!(task.await.unwrap().is_ok(), "it did not go off");
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_however_much_the_task_has_done_before() {
        for is_exhausted in [false, true] {
            assert_eq!(wakes(is_exhausted).await, Duration::from_millis(200), "is_exhausted: {is_exhausted}");
        }
    }
}

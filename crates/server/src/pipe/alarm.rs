//! One timer for all that a connection's task waits for until a time.
//!
//! It is set anew only for what is due earlier than it; otherwise it goes off, the task looks at its clock and sets it
//! again. So whatever is put off all the time, as acknowledging is, costs no timer each time.

use std::pin::Pin;
use std::task::Context;

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
        // Whoever has polled it once is woken.
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

//! Says when something is due, from a thread that does nothing else: tokio's timers know milliseconds only.
//!
//! The plan goes by the clock alone, whether anybody keeps up with it or not.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc::Sender;

use crate::resuming::now_us;

/// How far ahead of those it wakes the plan may be.
pub(crate) const AHEAD_MAX: usize = 4096;

/// So many moments, evenly spaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The first one, by [`now_us`].
    pub(crate) start_us: u64,
    pub(crate) period: Duration,
    pub(crate) count: usize,
}

impl Pace {
    /// The how manieth moment.
    pub(crate) fn due_us(&self, place: usize) -> u64 {
        self.start_us + (self.period * place as u32).as_micros() as u64
    }

    /// Tells each moment to the next of some who take turns, until all are told or one listens no more. Blocks.
    pub(crate) fn tell(self, turns: &[Sender<u64>]) {
        let _urgent = Urgent::this_thread();
        for place in 0..self.count {
            let due = self.due_us(place);
            while let Some(left) = due.checked_sub(now_us()).filter(|left| *left > 0) {
                thread::sleep(Duration::from_micros(left));
            }
            if turns[place % turns.len()].blocking_send(due).is_err() {
                return;
            }
        }
    }
}

/// A thread that goes before all others on its core, where that is allowed; its children do not.
pub(crate) struct Urgent(Option<String>);

impl Urgent {
    /// Asks for it; without permission nothing changes, and what is measured of the generator says so.
    pub(crate) fn this_thread() -> Self {
        let thread = fs::read_link("/proc/thread-self").ok();
        let id = thread.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        Self(id.filter(|id| chrt(&["--fifo", "--reset-on-fork", "--pid", "1", id]).unwrap_or(false)))
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        if let Some(id) = &self.0 {
            drop(chrt(&["--other", "--pid", "0", id]));
        }
    }
}

fn chrt(arguments: &[&str]) -> Result<bool> {
    let mut command = Command::new("chrt");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status()?.success())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn moments_go_round_and_stay_where_they_were_planned() {
        let pace = Pace { start_us: now_us(), period: Duration::from_micros(2500), count: 5 };
        let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel(AHEAD_MAX)).unzip();
        pace.tell(&senders);
        drop(senders);
        let mut told = |place: usize| std::iter::from_fn(|| receivers[place].blocking_recv()).collect::<Vec<_>>();
        let due = |places: &[usize]| places.iter().map(|place| pace.due_us(*place)).collect::<Vec<_>>();
        assert_eq!(told(0), due(&[0, 2, 4]));
        assert_eq!(told(1), due(&[1, 3]));
        assert_eq!(pace.due_us(4) - pace.start_us, 10_000);
    }
}

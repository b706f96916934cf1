//! Waking an event loop at a moment: to the microsecond where the kernel has timers among its files, else to the
//! millisecond.

use std::io;
use std::time::Duration;

use mio::{Events, Poll};
#[cfg(target_os = "linux")]
use mio::{Interest, Token, unix::SourceFd};
#[cfg(target_os = "linux")]
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// How long a loop sleeps at most, so that it sees the phase change.
const TURN: Duration = Duration::from_millis(5);

/// The token of the timer, which no socket has.
#[cfg(target_os = "linux")]
const TIMER: Token = Token(usize::MAX);

/// A timer of one event loop.
#[cfg(target_os = "linux")]
pub(super) struct Timer(std::os::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Timer {
    pub(super) fn new(poll: &Poll) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let raw = std::os::fd::AsRawFd::as_raw_fd(&fd);
        poll.registry().register(&mut SourceFd(&raw), TIMER, Interest::READABLE)?;
        Ok(Self(fd))
    }

    /// Waits for sockets, for this long at most.
    pub(super) fn poll(&mut self, poll: &mut Poll, events: &mut Events, time: Option<Duration>) -> io::Result<()> {
        let Some(time) = time.filter(|time| *time < TURN) else { return ignore_signals(poll.poll(events, Some(TURN))) };
        if time.is_zero() {
            return ignore_signals(poll.poll(events, Some(time)));
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once =
            Itimerspec { it_interval: zero, it_value: Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) } };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        ignore_signals(poll.poll(events, Some(TURN)))
    }
}

/// A timer of one event loop.
#[cfg(not(target_os = "linux"))]
pub(super) struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub(super) fn new(_poll: &Poll) -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for sockets, for this long at most.
    pub(super) fn poll(&mut self, poll: &mut Poll, events: &mut Events, time: Option<Duration>) -> io::Result<()> {
        ignore_signals(poll.poll(events, Some(time.map_or(TURN, |time| time.min(TURN)))))
    }
}

fn ignore_signals(polled: io::Result<()>) -> io::Result<()> {
    match polled {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        polled => polled,
    }
}

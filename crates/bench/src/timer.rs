//! Waking an event loop at a moment: to the microsecond where the kernel has timers among its files, else to the
//! millisecond. Runtimes of tokio, whose own timers know milliseconds only, have an [`Alarm`].

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
pub(crate) struct Timer(std::os::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Timer {
    pub(crate) fn new(poll: &Poll) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let raw = std::os::fd::AsRawFd::as_raw_fd(&fd);
        poll.registry().register(&mut SourceFd(&raw), TIMER, Interest::READABLE)?;
        Ok(Self(fd))
    }

    /// Waits for sockets, for this long at most.
    pub(crate) fn poll(&mut self, poll: &mut Poll, events: &mut Events, time: Option<Duration>) -> io::Result<()> {
        let Some(time) = time.filter(|time| *time < TURN) else { return ignore_signals(poll.poll(events, Some(TURN))) };
        if time.is_zero() {
            return ignore_signals(poll.poll(events, Some(time)));
        }
        set(&self.0, time)?;
        ignore_signals(poll.poll(events, Some(TURN)))
    }
}

/// Sets a timer off once, in less than a second.
#[cfg(target_os = "linux")]
fn set(timer: &std::os::fd::OwnedFd, time: Duration) -> io::Result<()> {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let it_value = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: zero, it_value })?;
    Ok(())
}

/// A timer of a tokio runtime, which watches it as it watches the reading end of a pipe.
#[cfg(target_os = "linux")]
pub(crate) struct Alarm(std::os::fd::OwnedFd, tokio::net::unix::pipe::Receiver);

#[cfg(target_os = "linux")]
impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let watched = tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(fd.try_clone()?)?;
        Ok(Self(fd, watched))
    }

    /// Waits for this long, and for [`TURN`] at most.
    pub(crate) async fn wait(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let Self(timer, watched) = self;
        set(timer, time.min(TURN))?;
        loop {
            watched.readable().await?;
            match watched.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(|_| ()),
            }
        }
    }
}

/// A timer of a tokio runtime.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for this long, and for [`TURN`] at most.
    pub(crate) async fn wait(&mut self, time: Duration) -> io::Result<()> {
        tokio::time::sleep(time.min(TURN)).await;
        Ok(())
    }
}

/// A timer of one event loop.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub(crate) fn new(_poll: &Poll) -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for sockets, for this long at most.
    pub(crate) fn poll(&mut self, poll: &mut Poll, events: &mut Events, time: Option<Duration>) -> io::Result<()> {
        ignore_signals(poll.poll(events, Some(time.map_or(TURN, |time| time.min(TURN)))))
    }
}

fn ignore_signals(polled: io::Result<()>) -> io::Result<()> {
    match polled {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        polled => polled,
    }
}

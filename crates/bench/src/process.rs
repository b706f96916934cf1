//! What the kernel says about a process and its threads: `/proc`, so on Linux only. Elsewhere nothing is known.

use std::fs;
use std::io;
use std::time::Duration;

/// Where user and system time are among the fields behind a program's name.
const UTIME: usize = 11;
const STIME: usize = 12;
/// In which unit the kernel tells them, whatever its own ticks are.
const TICK_MS: u64 = 10;

/// What a process or a thread has used of its cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CoreTime {
    /// Time on a core.
    pub used: Duration,
    /// Time ready to run, and waiting for somebody else on the core.
    pub waited: Duration,
}

impl CoreTime {
    /// Sums up a process's threads. What those that have ended used counts to a hundredth of a second, and what they
    /// waited does not.
    ///
    /// # Errors
    /// There is no such process, it has ended, or there is no such file.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // Behind the program's name in parentheses; a process that nobody has waited for yet is a Z.
        let state = stat.rsplit_once(") ").map_or("", |(_, state)| state);
        if state.starts_with(['Z', 'X']) {
            return Err(io::Error::other("it has ended"));
        }
        let mut sum = Self::default();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end between being listed and being read.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let Self { used, waited } = Self::parse(&text)?;
            sum.used += used;
            sum.waited += waited;
        }
        // The process's own sum is coarser, and keeps what ended threads used.
        sum.used = sum.used.max(Self::of_process(state)?);
        Ok(sum)
    }

    /// User and system time of all threads that there were, from the fields behind a program's name.
    fn of_process(fields: &str) -> io::Result<Duration> {
        let ticks = |place| fields.split_whitespace().nth(place).and_then(|ticks| ticks.parse::<u64>().ok());
        let all = ticks(UTIME).zip(ticks(STIME)).map(|(user, system)| user + system);
        let all = all.ok_or_else(|| io::Error::other("stat is not as expected"))?;
        Ok(Duration::from_millis(all * TICK_MS))
    }

    /// The thread that asks; nothing where that cannot be known.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let text = fs::read_to_string("/proc/thread-self/schedstat");
        text.and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// What came on top.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { used: self.used.saturating_sub(earlier.used), waited: self.waited.saturating_sub(earlier.waited) }
    }

    fn parse(text: &str) -> io::Result<Self> {
        let mut fields = text.split_whitespace().map(str::parse);
        let mut next = || match fields.next() {
            Some(Ok(nanos)) => Ok(Duration::from_nanos(nanos)),
            _ => Err(io::Error::other("schedstat is not as expected")),
        };
        Ok(Self { used: next()?, waited: next()? })
    }
}

/// What a process holds in memory, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Pages in memory, the program's own text included.
    pub resident: u64,
    /// Pages that no file backs: heap and stacks.
    pub anonymous: u64,
}

impl Memory {
    /// Reads a process's memory.
    ///
    /// # Errors
    /// There is no such process, or no such file.
    pub fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
            value.ok_or_else(|| io::Error::other("smaps_rollup is not as expected"))
        };
        Ok(Self { resident: field("Rss:")?, anonymous: field("Anonymous:")? })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_a_thread_have_used_something() {
        // The kernel counts when it takes a thread off its core.
        std::thread::sleep(Duration::from_millis(5));
        let own = CoreTime::of(std::process::id()).unwrap();
        assert!(own.used > Duration::ZERO);
        assert!(CoreTime::of_this_thread().used > Duration::ZERO);
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.resident >= memory.anonymous && memory.anonymous > 0);
        assert!(CoreTime::of(u32::MAX).is_err());
    }

    #[test]
    fn what_a_thread_used_that_has_ended_stays_used() {
        let pid = std::process::id();
        let busy = std::thread::spawn(|| {
            let work = Duration::from_millis(100);
            while CoreTime::of_this_thread().used < work {
                std::hint::black_box(());
            }
            work
        });
        let work = busy.join().unwrap();
        // Two parts are cut off at whole ticks.
        assert!(CoreTime::of(pid).unwrap().used + Duration::from_millis(2 * TICK_MS) >= work);
    }

    #[test]
    fn a_process_that_has_ended_and_was_not_waited_for_uses_nothing() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        while CoreTime::of(child.id()).is_ok() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn what_is_not_as_expected_is_an_error() {
        assert_eq!(CoreTime::parse("12 3 4\n").unwrap().waited, Duration::from_nanos(3));
        assert!(CoreTime::parse("12").is_err());
        assert!(CoreTime::parse("12 x").is_err());
    }
}

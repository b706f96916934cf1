//! The two cores, and what the kernel says about the processes on them.
//!
//! Pinning and limits are left to `taskset` and `prlimit` (util-linux), so that this stays safe and portable code;
//! the figures come from `/proc`, so it runs on Linux only.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Where servers run.
pub(crate) const SERVER_CORE: &str = "0";
/// Where this program runs.
const OWN_CORE: &str = "1";
/// Enough for every connection of a run.
const FILES: &str = "16384";
/// Versions worth knowing when comparing two runs.
const CRATES: [&str; 6] = ["tokio", "quinn", "wtransport", "axum", "tokio-tungstenite", "rustls"];

/// Moves this program to its core and raises its limit of open files, which children inherit.
pub(crate) fn settle() -> Result<()> {
    let own = std::process::id().to_string();
    run("taskset", &["-acp", OWN_CORE, &own])?;
    run("prlimit", &["--pid", &own, &format!("--nofile={FILES}:")])
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let done = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {program}; the baseline needs Linux and util-linux"))?;
    ensure!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// What a process has used of its core.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CoreTime {
    /// Time on the core.
    pub(crate) used: Duration,
    /// Time ready to run, and waiting for somebody else on the core.
    pub(crate) waited: Duration,
}

impl CoreTime {
    /// Sums up a process's threads. Those that have ended do not count; these servers end none while measured.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let mut sum = Self::default();
        for task in fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let mut fields = text.split_whitespace().map(str::parse);
            let mut next = || fields.next().context("schedstat has changed").and_then(|field| Ok(field?));
            sum.used += Duration::from_nanos(next()?);
            sum.waited += Duration::from_nanos(next()?);
        }
        Ok(sum)
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { used: self.used.saturating_sub(earlier.used), waited: self.waited.saturating_sub(earlier.waited) }
    }
}

/// What a process holds in memory, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    pub(crate) anonymous: f64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_whitespace().nth(1));
            value.and_then(|value| value.parse().ok()).with_context(|| format!("smaps_rollup has no {name}"))
        };
        Ok(Self { resident: field("Rss:")?, anonymous: field("Anonymous:")? })
    }
}

/// The machine and the versions, in a sentence each.
pub(crate) fn description() -> String {
    let cores = fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('.').take(2).collect::<Vec<_>>().join(".");
    let rustc = Command::new("rustc").arg("--version").output().map(|out| out.stdout).unwrap_or_default();
    let rustc = String::from_utf8_lossy(&rustc).split_whitespace().nth(1).unwrap_or("unknown").to_owned();
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let versions: Vec<String> = CRATES.iter().filter_map(|name| version(&lock, name)).collect();
    format!("{cores} shared cores, Linux {kernel}, rustc {rustc}; {}.", versions.join(", "))
}

/// The newest version of a crate in a lock file.
fn version(lock: &str, name: &str) -> Option<String> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock.rsplit_once(&entry)?;
    Some(format!("{name} {}", rest.split('"').next()?))
}

//! The two cores, and what the kernel says about the processes on them.
//!
//! Pinning and limits are left to `taskset` and `prlimit` (util-linux), so that this stays safe and portable code;
//! the figures come from `/proc`, so it runs on Linux only.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// This package.
pub(crate) const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
/// Where servers run.
pub(crate) const SERVER_CORE: &str = "0";
/// Where this program runs.
const OWN_CORE: &str = "1";
/// Enough for every connection of a run.
const FILES: &str = "20000";
/// Versions worth knowing when comparing two runs.
const CRATES: [&str; 6] = ["tokio", "quinn", "wtransport", "axum", "tokio-tungstenite", "rustls"];
const PACKAGES: [&str; 3] = ["ws", "socket.io", "@colyseus/core"];

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
        .with_context(|| format!("cannot run {program}; the comparison needs Linux and util-linux"))?;
    ensure!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// The most memory that a process ever had resident, in KiB.
pub(crate) fn peak_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    peak.context("the kernel tells no peak")
}

/// The machine and the versions, in a sentence each.
pub(crate) fn description() -> String {
    let cores = fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('.').take(2).collect::<Vec<_>>().join(".");
    let rustc = Command::new("rustc").arg("--version").output().map(|out| out.stdout).unwrap_or_default();
    let rustc = String::from_utf8_lossy(&rustc).split_whitespace().nth(1).unwrap_or("unknown").to_owned();
    let lock = fs::read_to_string(Path::new(FOLDER).join("../Cargo.lock")).unwrap_or_default();
    let crates = CRATES.iter().filter_map(|name| version(&lock, name));
    let packages = PACKAGES.iter().filter_map(|name| installed(name));
    let versions: Vec<String> = crates.chain(node()).chain(packages).collect();
    format!("{cores} shared cores, Linux {kernel}, rustc {rustc}; {}.", versions.join(", "))
}

/// The newest version of a crate in a lock file.
fn version(lock: &str, name: &str) -> Option<String> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock.rsplit_once(&entry)?;
    Some(format!("{name} {}", rest.split('"').next()?))
}

fn node() -> Option<String> {
    let done = Command::new("node").arg("--version").output().ok()?;
    Some(format!("Node.js {}", String::from_utf8_lossy(&done.stdout).trim().trim_start_matches('v')))
}

/// The version of a package that is installed for the peers.
fn installed(name: &str) -> Option<String> {
    let path = Path::new(FOLDER).join("peers/node_modules").join(name).join("package.json");
    let package: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    Some(format!("{name} {}", package["version"].as_str()?))
}

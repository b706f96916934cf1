//! The program that is shipped, with a store in a folder.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anteroom_bench::{Memory, Target};
use anyhow::{Context, Result, ensure};

/// Enough for every connection of a run.
const FILES: &str = "20000";

/// What is measured, and where.
#[derive(Debug, Clone)]
pub(super) struct Bench {
    pub(super) anteroom: PathBuf,
    pub(super) folder: PathBuf,
}

impl Bench {
    /// An empty folder for a store.
    pub(super) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Starts it on what is in a folder, and waits until it listens.
    pub(super) fn start(&self, data: &Path, settings: &[(&str, &str)]) -> Result<Server> {
        let mut command = Command::new(&self.anteroom);
        command.args(["--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(data);
        command.envs(settings.iter().copied());
        let begun = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start the server")?;
        let stdout = BufReader::new(child.stdout.take().context("the server has no output")?);
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { child, _stdout: stdout, addr, begun, listened: Duration::ZERO };
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(server._stdout.read_line(&mut line)? > 0, "the server ended before it listened");
            if let Some(addr) = line.trim().strip_prefix("listening on ") {
                server.addr = addr.parse()?;
                server.listened = begun.elapsed();
                return Ok(server);
            }
        }
    }
}

/// A server that listens. It is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Kept open: a server whose output goes nowhere may end.
    _stdout: BufReader<ChildStdout>,
    pub(super) addr: SocketAddr,
    /// When it was executed.
    pub(super) begun: Instant,
    /// How long it took until it listened.
    pub(super) listened: Duration,
}

impl Server {
    /// As the generator sees it.
    pub(super) fn target(&self) -> Target {
        Target { addr: self.addr, pid: Some(self.child.id()) }
    }

    /// What it has resident, in KiB.
    pub(super) fn memory_kib(&self) -> Result<f64> {
        Ok(Memory::of(self.child.id())?.resident as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Raises this program's limit of open files, which children inherit.
pub(super) fn allow_many_files() -> Result<()> {
    let own = std::process::id().to_string();
    let done = Command::new("prlimit").args(["--pid", &own, &format!("--nofile={FILES}:")]).output();
    let done = done.context("cannot run prlimit; this needs Linux and util-linux")?;
    ensure!(done.status.success(), "prlimit: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}

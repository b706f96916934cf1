//! A server of one's own: this very program, started for the run and ended with it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::error::BenchError;
use crate::machine;

/// The development server that ends when nobody holds its stdin any more: not even a killed generator leaves it behind.
#[derive(Debug)]
pub(crate) struct OwnServer {
    child: Child,
    /// Kept open: a server whose output goes nowhere may end.
    _stdout: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
    /// Where it and the generator run, in a sentence.
    pub(crate) cores: Option<String>,
}

/// What a server has to allow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) sessions: usize,
    pub(crate) rooms: usize,
    pub(crate) rooms_of_session: usize,
}

impl OwnServer {
    /// Starts it, on a core of its own if there are two, and waits until it listens.
    pub(crate) fn start(needs: Needs) -> Result<Self, BenchError> {
        let (cores, sentence) = split_cores()?;
        let mut command = command(cores.as_deref())?;
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ANTEROOM_") {
                command.env_remove(name);
            }
        }
        // Sessions that begin anew, and connections that are just closing, come on top.
        let sessions = needs.sessions.saturating_mul(2).max(100_000).to_string();
        command.env("ANTEROOM_LIMITS__CONNECTIONS_MAX", &sessions);
        command.env("ANTEROOM_LIMITS__SESSIONS_MAX", sessions);
        command.env("ANTEROOM_LIMITS__ROOMS_MAX", needs.rooms.saturating_mul(2).max(10_000).to_string());
        command.env("ANTEROOM_LIMITS__ROOMS_PER_SESSION_MAX", needs.rooms_of_session.max(16).to_string());
        // Nothing is left behind in the folder, and nothing is found there.
        command.args(["--listen", "127.0.0.1:0", "--store", "memory", "--log", "error", "--ends-with-stdin"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let Some(stdout) = child.stdout.take() else { return Err(failed(&"it has no output")) };
        let mut stdout = BufReader::new(stdout);
        match listening(&mut stdout) {
            Ok(addr) => Ok(Self { child, _stdout: stdout, addr, cores: sentence }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has, in a sentence.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("the server ended while it was measured ({status})"))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// The core for the server, with the generator moved to the others, and a sentence about it.
fn split_cores() -> Result<(Option<String>, Option<String>), BenchError> {
    let cores = machine::cores();
    let [first, others @ ..] = &cores[..] else { return Ok((None, None)) };
    if others.is_empty() || !machine::has_taskset() {
        return Ok((None, None));
    }
    machine::move_to(others)?;
    let list = match others {
        [one] => format!("core {one}"),
        [one, .., last] => format!("cores {one} to {last}"),
        [] => return Ok((None, None)),
    };
    Ok((Some(first.to_string()), Some(format!("the server on core {first}, the generator on {list}"))))
}

fn command(core: Option<&str>) -> Result<Command, BenchError> {
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    Ok(match core {
        // `taskset` becomes the program it starts, so the process id is the server's.
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", core]).arg(program);
            command
        }
        None => Command::new(program),
    })
}

fn listening(stdout: &mut BufReader<ChildStdout>) -> Result<SocketAddr, BenchError> {
    let mut line = String::new();
    loop {
        line.clear();
        if stdout.read_line(&mut line).map_err(|error| failed(&error))? == 0 {
            return Err(failed(&"it ended before it listened"));
        }
        if let Some(addr) = line.trim().strip_prefix("listening on ") {
            return addr.parse().map_err(|error| failed(&error));
        }
    }
}

fn failed(why: &dyn std::fmt::Display) -> BenchError {
    BenchError::failed(format_args!("cannot start a server to measure: {why}"))
}

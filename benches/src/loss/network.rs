//! Two network namespaces with the lossy link between them: the server's and the players'.
//!
//! Everything carries the number of the process that made it, so that several runs do not meet and what a killed one
//! left behind is recognised. Devices end with the process anyway; namespaces are removed when dropped, or by the next run.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;

use super::relay::{self, Quality, Relay};

const PREFIX: &str = "anteroom-loss-";
/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";
/// Where the server is, as both sides see it.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const PLAYERS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Not among the settings: which ones a namespace may have is the machine's to say.
const CONGESTION: &str = "tcp_congestion_control";
/// How IP behaves in both namespaces: what kernels come with, whatever this machine has been told.
const SETTINGS: [(&str, &str); 4] =
    [("tcp_sack", "1"), ("tcp_recovery", "1"), ("tcp_early_retrans", "3"), ("tcp_thin_linear_timeouts", "0")];
/// Router solicitations are nobody's here.
const QUIET: [&str; 2] = ["/proc/sys/net/ipv6/conf/all/disable_ipv6", "/proc/sys/net/ipv6/conf/default/disable_ipv6"];

/// The two namespaces and their link. Dropping it removes all of them.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) server: Namespace,
    pub(crate) players: Namespace,
    pub(crate) relay: Relay,
    /// How TCP avoids congestion here.
    pub(crate) congestion: String,
}

impl Network {
    /// Makes both namespaces and a link that loses nothing yet. TCP avoids congestion as it does on this machine, unless
    /// the settings (`/proc/sys/net/ipv4`) say otherwise. Needs root.
    pub(crate) fn make(quality: Quality, settings: &[(String, String)]) -> Result<Self> {
        let (server, players) = (Namespace::make("server")?, Namespace::make("players")?);
        server.settle(settings)?;
        let congestion = players.settle(settings)?;
        let server_device = server.device(SERVER, PLAYERS)?;
        let players_device = players.device(PLAYERS, SERVER)?;
        let relay = Relay::start(server_device, players_device, quality)?;
        Ok(Self { server, players, relay, congestion })
    }
}

/// A network namespace that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    /// Of its way out; at most 15 bytes, as Linux has it.
    device: String,
}

impl Namespace {
    fn make(side: &str) -> Result<Self> {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (name, device) = (format!("{PREFIX}{process}-{number}-{side}"), format!("loss{process}.{number}"));
        ip(&["netns", "add", &name])?;
        let namespace = Self { name, device };
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A device of this process whose other end is this namespace's way out.
    fn device(&self, own: Ipv4Addr, peer: Ipv4Addr) -> Result<tun_rs::SyncDevice> {
        let device = relay::device(&self.device)?;
        let (own, peer) = (own.to_string(), peer.to_string());
        ip(&["link", "set", &self.device, "netns", &self.name])?;
        ip(&["-n", &self.name, "address", "add", &own, "peer", &peer, "dev", &self.device])?;
        ip(&["-n", &self.name, "link", "set", &self.device, "up"])?;
        Ok(device)
    }

    /// Settings belong to the namespace that the thread is in which writes them. Gives the congestion control.
    fn settle(&self, settings: &[(String, String)]) -> Result<String> {
        let (path, settings) = (self.path(), settings.to_vec());
        let settling = thread::spawn(move || {
            enter(&path)?;
            // Without IPv6 there is nothing to keep quiet.
            QUIET
                .iter()
                .filter(|setting| Path::new(setting).exists())
                .try_for_each(|setting| set(setting.into(), "1"))?;
            for (name, value) in SETTINGS {
                set(setting(name), value)?;
            }
            for (name, value) in settings {
                set(setting(&name), &value)?;
            }
            Ok(fs::read_to_string(setting(CONGESTION))?.trim().to_owned())
        });
        settling.join().map_err(|_| anyhow!("settling a namespace failed"))?
    }

    /// Runs something on a thread of its own inside the namespace. What it opens, it opens there.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> oneshot::Receiver<Result<T>> {
        let (done, receiver) = oneshot::channel();
        let path = self.path();
        // Nobody waits for it any more if the run was broken off.
        thread::spawn(move || drop(done.send(enter(&path).and_then(|()| what()))));
        receiver
    }

    fn path(&self) -> String {
        format!("{NAMES}/{}", self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "delete", &self.name]) {
            eprintln!("loss: {error:#}");
        }
    }
}

fn setting(name: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv4").join(name)
}

fn set(setting: PathBuf, value: &str) -> Result<()> {
    fs::write(&setting, value).with_context(|| format!("cannot set {} to {value}", setting.display()))
}

/// Moves this thread into a namespace.
fn enter(path: &str) -> Result<()> {
    let namespace = File::open(path).with_context(|| format!("cannot open {path}"))?;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Removes the namespaces of runs that were killed, and says which.
pub(crate) fn clear() -> Result<Vec<String>> {
    let Ok(names) = fs::read_dir(NAMES) else { return Ok(Vec::new()) };
    let mut removed = Vec::new();
    for name in names {
        let name = name?.file_name().to_string_lossy().into_owned();
        if maker(&name).is_some_and(|process| !is_alive(process)) {
            ip(&["netns", "delete", &name])?;
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Which process made a namespace, if it was one of ours.
fn maker(name: &str) -> Option<u32> {
    let (process, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    process.parse().ok()
}

/// Whether a process with this number may be a run of this program: others get the numbers of those that ended.
fn is_alive(process: u32) -> bool {
    let program = fs::read_link(format!("/proc/{process}/exe"));
    // Its tests have a hash after their name, and a program that was built anew meanwhile a remark.
    program.is_ok_and(|program| program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("loss")))
}

fn ip(arguments: &[&str]) -> Result<()> {
    let done = Command::new(ip_program()).args(arguments).output().context("cannot run `ip`; it is in iproute2")?;
    ensure!(done.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}

/// Where `ip` is: not everybody has it in the path.
pub(crate) fn ip_program() -> &'static str {
    if Path::new("/usr/sbin/ip").exists() { "/usr/sbin/ip" } else { "ip" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_tell_who_made_them() {
        assert_eq!(maker("anteroom-loss-4711-server"), Some(4711));
        for other in ["anteroom-loss-server", "anteroom-loss-x-server", "docker-4711-server", ""] {
            assert_eq!(maker(other), None);
        }
    }

    #[test]
    fn processes_are_told_apart() {
        assert!(is_alive(std::process::id()));
        assert!(!is_alive(u32::MAX));
        assert!(!is_alive(1));
    }
}

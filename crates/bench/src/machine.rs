//! This machine: how many files a process may open, which cores there are, what it is called.

use std::fs;
use std::process::{Command, Stdio};

use crate::error::BenchError;

/// Files that a process has open besides its connections.
const FILES_BESIDES: usize = 256;

/// Lets this process, and those it starts, open so many connections.
///
/// # Errors
/// [`BenchError::Failed`], with what to run, if an administrator has to allow it.
pub(crate) fn allow_connections(count: usize) -> Result<(), BenchError> {
    allow_files((count + FILES_BESIDES) as u64)
}

#[cfg(unix)]
fn allow_files(needed: u64) -> Result<(), BenchError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let current = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum });
    if raised.is_err() || current < needed {
        return Err(BenchError::failed(format_args!(
            "this needs {needed} open files and {current} are allowed; run `ulimit -Hn {needed}` as root, and start it \
             from there"
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn allow_files(_needed: u64) -> Result<(), BenchError> {
    Ok(())
}

/// The cores that this process may run on; none where that cannot be known.
pub(crate) fn cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    parse_cores(list.trim())
}

fn parse_cores(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Whether `taskset` is there.
pub(crate) fn has_taskset() -> bool {
    let tried = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Moves this process with all its threads to some cores.
pub(crate) fn move_to(cores: &[usize]) -> Result<(), BenchError> {
    let list: Vec<String> = cores.iter().map(ToString::to_string).collect();
    let mut taskset = Command::new("taskset");
    taskset.args(["-acp", &list.join(","), &std::process::id().to_string()]).stdout(Stdio::null());
    match taskset.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(BenchError::failed("taskset cannot move the generator to its cores")),
    }
}

/// The machine in a few words: its processor, the cores that this process may use now, and its system.
pub(crate) fn description() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = model.map(|(_, model)| format!("{model}, ")).unwrap_or_default();
    let os = std::env::consts::OS;
    let unit = if cores == 1 { "core" } else { "cores" };
    format!("{model}{cores} {unit}, {os} {}", kernel.trim()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(parse_cores("0-2,5,7-8"), [0, 1, 2, 5, 7, 8]);
        assert_eq!(parse_cores(""), [0; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_allowed_already_needs_nothing_and_too_much_is_explained() {
        allow_connections(1).unwrap();
        let error = allow_files(1 << 40).unwrap_err().to_string();
        assert!(error.contains("ulimit -Hn"), "{error}");
    }
}

//! Counting by valgrind's callgrind: this program again, under valgrind, repeating one operation.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use operations::Operation;

/// Why nothing can be counted.
pub(crate) const MISSING: &str = "valgrind is not installed; as root, apt-get install valgrind";

pub(crate) fn is_installed() -> bool {
    let mut version = Command::new("valgrind");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The instructions of one repetition. Two runs are compared, of which one repeats it twice as often, so that what
/// comes before and after cancels out.
pub(crate) fn count(operation: &Operation) -> Result<u64> {
    let times = operation.repetitions;
    let once = total(operation, times)?;
    let twice = total(operation, 2 * times)?;
    let path = operation.path();
    let difference =
        twice.checked_sub(once).with_context(|| format!("{path} takes less when it is done more often"))?;
    Ok(difference.div_ceil(times.into()))
}

fn total(operation: &Operation, times: u32) -> Result<u64> {
    let path = operation.path();
    let output = OutputFile(env::temp_dir().join(format!("instructions-{}.out", std::process::id())));
    let mut to = std::ffi::OsString::from("--callgrind-out-file=");
    to.push(&output.0);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]).arg(to).arg(env::current_exe()?);
    valgrind.args(["--repeat", &times.to_string(), &path]);
    // Nothing that is set for other purposes changes what is counted.
    let kept = ["PATH", "VALGRIND_LIB"].into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
    let kept: Vec<_> = kept.collect();
    let ended = valgrind.env_clear().envs(kept).stdin(Stdio::null()).output().context("valgrind does not start")?;
    if !ended.status.success() {
        let words = String::from_utf8_lossy(&ended.stderr);
        bail!("{path} does not run under valgrind ({}): {}", ended.status, words.trim());
    }
    let profile = fs::read_to_string(&output.0).context("callgrind has written nothing")?;
    read_total(&profile).with_context(|| format!("of {path}"))
}

/// The instructions in all, as the end of a profile says.
pub(crate) fn read_total(profile: &str) -> Result<u64> {
    let field = |name: &str| profile.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match field("events:") {
        Some("Ir") => {}
        Some(events) => bail!("the profile counts {events:?}, not instructions alone"),
        None => bail!("callgrind's profile does not say what it counts"),
    }
    let total = field("totals:").ok_or_else(|| anyhow!("callgrind's profile has no end"))?;
    total.parse().map_err(|_| anyhow!("callgrind's total is {total:?}, which is no number"))
}

/// Is gone when it was read.
struct OutputFile(PathBuf);

impl Drop for OutputFile {
    fn drop(&mut self) {
        // It is small, and in the place for what may be left behind.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "# callgrind format\nversion: 1\ncreator: callgrind-3.19.0\npid: 7\ncmd:  ./instructions\n\
        part: 1\n\n\ndesc: I1 cache: \ndesc: Trigger: Program termination\n\npositions: line\nevents: Ir\n\
        summary: 2401886\n\n\nob=(3) /usr/lib/ld.so\nfn=(0) 0x1\n0 3\n\ntotals: 2401887\n";

    #[test]
    fn the_total_is_at_the_end() {
        assert_eq!(read_total(PROFILE).unwrap(), 2_401_887);
    }

    #[test]
    fn a_damaged_profile_is_told_in_a_sentence() {
        for (profile, words) in [
            (String::new(), "callgrind's profile does not say what it counts"),
            (PROFILE.replace("events: Ir", "events: Ir Dr"), "the profile counts \"Ir Dr\", not instructions alone"),
            (PROFILE.replace("totals: 2401887\n", ""), "callgrind's profile has no end"),
            (PROFILE.replace("2401887", "many"), "callgrind's total is \"many\", which is no number"),
        ] {
            assert_eq!(read_total(&profile).unwrap_err().to_string(), words);
        }
    }
}

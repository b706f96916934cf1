//! What the figures depend on besides the code: the compiler, the C library, and which instructions there are.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A compiler and a kind of machine. Between two of them that differ, counts cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    /// What `rustc --version` says.
    rustc: String,
    /// What it compiles for.
    target: String,
    /// The C library and its version: it allocates and copies.
    libc: String,
    /// The widest vectors that code is chosen by at run time; what valgrind knows nothing of does not count.
    vectors: String,
}

impl Machine {
    pub(crate) fn here() -> Result<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let told = Command::new(rustc).arg("-vV").output().context("rustc does not start")?;
        let told = String::from_utf8_lossy(&told.stdout);
        let (rustc, target) = read_rustc(&told).context("rustc does not say which version it is")?;
        Ok(Self { rustc, target, libc: libc(), vectors: vectors().into() })
    }

    /// What differs first, as a reason not to compare.
    pub(crate) fn difference(&self, here: &Self) -> Option<String> {
        let fields = [
            ("of rustc", &self.rustc, &here.rustc),
            ("for", &self.target, &here.target),
            ("with", &self.libc, &here.libc),
            ("of a processor with", &self.vectors, &here.vectors),
        ];
        let (what, theirs, ours) = fields.into_iter().find(|(_, theirs, ours)| theirs != ours)?;
        Some(format!("the figures are {what} {theirs}; here it is {ours}"))
    }
}

/// The version and the target in what `rustc -vV` says.
fn read_rustc(told: &str) -> Option<(String, String)> {
    let field = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    Some((field("rustc ")?, field("host: ")?))
}

fn libc() -> String {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok().filter(|told| told.status.success());
    let version = told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned());
    version.filter(|version| !version.is_empty()).unwrap_or_else(|| "another C library than glibc".into())
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> &'static str {
    if is_x86_feature_detected!("avx2") { "AVX2" } else { "SSE2" }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> &'static str {
    "what every one of its kind has"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            rustc: "1.95.0 (59807616e 2026-04-14)".into(),
            target: "x86_64-unknown-linux-gnu".into(),
            libc: "glibc 2.36".into(),
            vectors: "AVX2".into(),
        }
    }

    #[test]
    fn the_compiler_says_what_it_is() {
        let told = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.2\n";
        assert_eq!(read_rustc(told), Some((machine().rustc, machine().target)));
        assert_eq!(read_rustc("clang 22\n"), None);
    }

    #[test]
    fn figures_are_compared_where_everything_is_the_same() {
        assert_eq!(machine().difference(&machine()), None);
        let others = [
            Machine { rustc: "1.96.0 (1)".into(), ..machine() },
            Machine { target: "aarch64-unknown-linux-gnu".into(), ..machine() },
            Machine { libc: "glibc 2.41".into(), ..machine() },
            Machine { vectors: "SSE2".into(), ..machine() },
        ];
        let reasons = others.map(|here| machine().difference(&here).unwrap());
        assert_eq!(reasons[0], "the figures are of rustc 1.95.0 (59807616e 2026-04-14); here it is 1.96.0 (1)");
        assert_eq!(reasons[1], "the figures are for x86_64-unknown-linux-gnu; here it is aarch64-unknown-linux-gnu");
        assert_eq!(reasons[2], "the figures are with glibc 2.36; here it is glibc 2.41");
        assert_eq!(reasons[3], "the figures are of a processor with AVX2; here it is SSE2");
    }

    #[test]
    fn this_machine_can_be_described() {
        let here = Machine::here().unwrap();
        assert_eq!(here.difference(&here), None);
        assert!(!here.rustc.is_empty() && !here.target.is_empty() && !here.libc.is_empty());
    }
}

//! The file of committed figures.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// How much counts may differ unless the file says otherwise. The same program counts the same within a few thousandths;
/// what the compiler makes of it shifts a little with code that has nothing to do with it.
pub(crate) const TOLERANCE_PERCENT: f64 = 3.0;

/// What `instructions.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Committed {
    pub(crate) tolerance_percent: f64,
    pub(crate) machine: Machine,
    /// Of one repetition, by the operation's path.
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Committed {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let anew = "benches/instructions --write writes it anew";
        let name = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("{name} cannot be read ({anew})"))?;
        Self::parse(&text).with_context(|| format!("{name} is damaged ({anew})"))
    }

    fn parse(text: &str) -> Result<Self> {
        let committed: Self = serde_json::from_str(text)?;
        let tolerance = committed.tolerance_percent;
        ensure!((0.0..100.0).contains(&tolerance), "a tolerance of {tolerance} %; it must be from 0 to below 100");
        ensure!(committed.instructions.values().all(|count| *count > 0), "an operation of no instructions");
        Ok(committed)
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
    }
}

#[cfg(test)]
pub(crate) fn example(instructions: &[(&str, u64)]) -> Committed {
    let instructions: BTreeMap<&str, u64> = instructions.iter().copied().collect();
    let machine = r#"{"rustc":"1.95.0","target":"x86_64-unknown-linux-gnu","libc":"glibc 2.36","vectors":"AVX2"}"#;
    let instructions = serde_json::to_string(&instructions).unwrap();
    let text = format!(r#"{{"tolerance_percent":3.0,"machine":{machine},"instructions":{instructions}}}"#);
    Committed::parse(&text).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let file = std::env::temp_dir().join(format!("committed-{}.json", std::process::id()));
        let committed = example(&[("codec/encode", 512), ("lane/put", 7)]);
        committed.write(&file).unwrap();
        let read = Committed::read(&file);
        fs::remove_file(&file).unwrap();
        assert_eq!(read.unwrap(), committed);
    }

    #[test]
    fn a_missing_file_is_told_in_a_sentence() {
        let error = format!("{:#}", Committed::read(Path::new("/nowhere/instructions.json")).unwrap_err());
        assert!(
            error.starts_with("/nowhere/instructions.json cannot be read (benches/instructions --write"),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let good = serde_json::to_string(&example(&[("lane/put", 7)])).unwrap();
        for (bad, words) in [
            (String::new(), "EOF"),
            (good[..good.len() - 1].to_owned(), "EOF"),
            ("<<<<<<< HEAD\n".to_owned() + &good, "expected value"),
            (good.replace("tolerance_percent", "tolerance"), "unknown field"),
            (good.replace("3.0", "100.0"), "a tolerance of 100 %"),
            (good.replace("3.0", "-1.0"), "a tolerance of -1 %"),
            (good.replace(":7", ":0"), "no instructions"),
            (good.replace(":7", ":-7"), "invalid value"),
        ] {
            let error = format!("{:#}", Committed::parse(&bad).unwrap_err());
            assert!(error.contains(words) && !error.contains('\n'), "{bad}: {error}");
        }
    }
}

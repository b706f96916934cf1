//! Real Chromium, driven by the programs in `tests/browser`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::program::{Running, command, repository};

/// Starts a program of `tests/browser`, or says why that cannot be done here.
///
/// # Errors
/// What is missing, in words.
pub fn script(name: &str, arguments: &[&str]) -> Result<Running, String> {
    let chromium = chromium()?;
    let node = in_path("node").ok_or("node is not installed")?;
    let folder = repository().join("tests/browser");
    if !folder.join("node_modules/playwright-core").exists() {
        return Err("playwright-core is not installed: run `npm ci` in tests/browser".into());
    }
    let mut command = command(node, &[name]);
    command.args(arguments).current_dir(folder).env("ANTEROOM_CHROMIUM", chromium).stdin(Stdio::piped());
    Ok(Running::start(command))
}

/// Gives what was found, or leaves the test without a result: with `CI` set that is a failure.
///
/// # Panics
/// If `CI` is `1` or `true`, and nothing was found.
pub fn or_skip<T>(found: Result<T, String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) => {
            let is_ci = std::env::var("CI").is_ok_and(|value| value == "1" || value == "true");
            assert!(!is_ci, "{reason}");
            eprintln!("skipped: {reason}");
            None
        }
    }
}

fn chromium() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("ANTEROOM_CHROMIUM") {
        return Ok(path.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    names.into_iter().find_map(in_path).ok_or_else(|| "chromium is not installed".into())
}

fn in_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| Path::is_file(path))
}

//! Real Chromium, driven by the programs in `tests/browser`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::fault::{Cut, Relay, Way};
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

/// Tells a story of `tests/browser` in a browser, and gives what it found out; nothing if there is no browser here. What
/// the story asks for is done by `act`, whose answer it gets.
///
/// # Panics
/// If the story fails; with what it complained about.
pub async fn tell(name: &str, about: &Value, mut act: impl AsyncFnMut(&Value) -> Value) -> Option<Value> {
    let mut story = or_skip(script(name, &[&about.to_string()]))?;
    loop {
        let mut said = story.json().await;
        if said["ask"].is_string() {
            let answer = act(&said).await;
            story.say(&answer.to_string()).await;
        } else if said.get("told").is_some() {
            assert_eq!(story.end().await.code, Some(0));
            return Some(said["told"].take());
        }
    }
}

/// For stories that ask for nothing.
///
/// # Panics
/// If one does.
#[expect(clippy::unused_async, reason = "it stands for something that takes its time")]
pub async fn nothing(ask: &Value) -> Value {
    panic!("nobody can do this here: {ask}");
}

/// What a relay can do for a story.
///
/// # Panics
/// If it is asked for something else.
pub fn relayed(relay: &Relay, ask: &Value) -> Value {
    let on = ask["on"] == json!(true);
    match ask["ask"].as_str() {
        Some("block_udp") => relay.block_udp(on),
        Some("unplug") => relay.unplug(on),
        Some("cut") => {
            relay.tcp.cut(Cut::Reset);
            relay.udp.rebind().unwrap();
        }
        // As if there were no machine at that address.
        Some("vanish") => {
            relay.block_udp(on);
            relay.tcp.refuse(on);
            relay.tcp.cut(Cut::Reset);
        }
        Some("datagrams") => return json!(relay.udp.counts(Way::Up).received),
        _ => panic!("a relay cannot do this: {ask}"),
    }
    json!(null)
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

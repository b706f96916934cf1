//! Real browsers, driven by the programs in `tests/browser`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::fault::{Cut, Relay};
use crate::program::{Running, command, repository};

/// A browser that the system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// Driven by Playwright.
    Chromium,
    /// Driven over WebDriver BiDi, by Puppeteer.
    Firefox,
}

impl Browser {
    /// The variable that names its program, here and for the programs in `tests/browser`.
    fn variable(self) -> &'static str {
        match self {
            Self::Chromium => "ANTEROOM_CHROMIUM",
            Self::Firefox => "ANTEROOM_FIREFOX",
        }
    }

    fn find(self) -> Result<PathBuf, String> {
        if let Some(path) = std::env::var_os(self.variable()) {
            return Ok(path.into());
        }
        let names: &[&str] = match self {
            Self::Chromium => &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
            Self::Firefox => &["firefox-esr", "firefox"],
        };
        names.iter().find_map(|name| in_path(name)).ok_or_else(|| format!("{} is not installed", names[0]))
    }
}

/// Starts a program of `tests/browser`, or says why that cannot be done here.
///
/// # Errors
/// What is missing, in words.
pub fn script(browser: Browser, name: &str, arguments: &[&str]) -> Result<Running, String> {
    let path = browser.find()?;
    let node = in_path("node").ok_or("node is not installed")?;
    let folder = repository().join("tests/browser");
    for package in ["playwright-core", "puppeteer-core"] {
        if !folder.join("node_modules").join(package).exists() {
            return Err(format!("{package} is not installed: run `npm ci` in tests/browser"));
        }
    }
    let mut command = command(node, &[name]);
    command.args(arguments).current_dir(folder).env(browser.variable(), path).stdin(Stdio::piped());
    Ok(Running::start(command))
}

/// Tells a story of `tests/browser` in Chromium, and gives what it found out; nothing if there is no Chromium here. What
/// the story asks for is done by `act`, whose answer it gets.
///
/// # Panics
/// If the story fails; with what it complained about.
pub async fn tell(name: &str, about: &Value, act: impl AsyncFnMut(&Value) -> Value) -> Option<Value> {
    tell_in(Browser::Chromium, name, about, act).await
}

/// Tells one in a browser.
///
/// # Panics
/// If the story fails; with what it complained about.
pub async fn tell_in(
    browser: Browser,
    name: &str,
    about: &Value,
    mut act: impl AsyncFnMut(&Value) -> Value,
) -> Option<Value> {
    let mut story = or_skip(script(browser, name, &[&about.to_string()]))?;
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
        Some("udp_clients") => return json!(relay.udp.clients()),
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

fn in_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| Path::is_file(path))
}

//! The program itself, and the examples, as processes of their own.
//!
//! `ANTEROOM_BIN` and `ANTEROOM_EXAMPLES` name what to test; without them cargo builds it, which takes no time when
//! it is there already.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::in_time;

/// The target folder that this test was built in.
///
/// # Panics
/// If the test's own place is not below one.
#[must_use]
pub fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

/// The top of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The program `anteroom`.
#[must_use]
pub fn anteroom() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match std::env::var_os("ANTEROOM_BIN") {
        Some(path) => path.into(),
        None => build(&["--package", "anteroom-server", "--bin", "anteroom"]).join("anteroom"),
    })
}

/// An example.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| match std::env::var_os("ANTEROOM_EXAMPLES") {
        Some(path) => path.into(),
        None => build(&["--package", "anteroom-examples", "--examples"]).join("examples"),
    });
    folder.join(name)
}

fn build(what: &[&str]) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command.arg("build").args(what).current_dir(repository()).env("CARGO_TARGET_DIR", target());
    let built = command.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target().join("debug")
}

/// A command with none of this shell's settings for the server. A development server keeps nothing, unless `--data` says where:
/// tests neither leave anything in the folder they run in, nor find what others left.
#[must_use]
pub fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANTEROOM_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR");
    if arguments.first().is_none_or(|first| first.starts_with('-')) {
        command.env("ANTEROOM_STORE__KIND", "memory");
    }
    command
}

/// Whether a program is on the `PATH`.
///
/// # Errors
/// That it is not, in words.
pub fn installed(name: &str) -> Result<(), String> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&folders).any(|folder| folder.join(name).is_file()) {
        true => Ok(()),
        false => Err(format!("{name} is not installed")),
    }
}

/// What a program that has ended left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// Runs a program to its end.
///
/// # Panics
/// If it does not start, or does not end in time.
pub async fn run(command: Command) -> Ended {
    in_time(&format!("the end of {command:?}"), run_at_leisure(command)).await
}

/// Runs a program to its end that sees for itself that it does not wait for ever.
///
/// # Panics
/// If it does not start.
pub async fn run_at_leisure(mut command: Command) -> Ended {
    let output = command.output().await.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `anteroom` to its end.
pub async fn anteroom_with(arguments: &[&str]) -> Ended {
    run(command(anteroom(), arguments)).await
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: tokio::task::JoinHandle<String>,
    heard: Vec<String>,
}

impl Running {
    /// Starts a program.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // None where the command has another place for them.
        let complaints = child.stderr.take();
        let stderr = tokio::spawn(async move {
            let mut bytes = Vec::new();
            if let Some(mut complaints) = complaints {
                drop(complaints.read_to_end(&mut bytes).await);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, stderr, heard: Vec::new() }
    }

    /// The next line it prints; none at its end.
    ///
    /// # Panics
    /// If none comes in time.
    pub async fn line(&mut self) -> Option<String> {
        let line = in_time(&format!("a line after {:?}", self.heard), self.lines.next_line()).await.unwrap();
        self.heard.extend(line.clone());
        line
    }

    /// The next line it prints, as JSON.
    ///
    /// # Panics
    /// If it ends, or says something else; with what it complained about.
    pub async fn json(&mut self) -> Value {
        match self.line().await {
            Some(line) => serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")),
            None => panic!("{}", (&mut self.stderr).await.unwrap()),
        }
    }

    /// Reads until a line begins like this, and gives its rest.
    ///
    /// # Panics
    /// If the program ends before; with what it complained about.
    pub async fn line_with(&mut self, beginning: &str) -> String {
        loop {
            match self.line().await {
                Some(line) => {
                    if let Some(rest) = line.trim().strip_prefix(beginning) {
                        return rest.trim().to_owned();
                    }
                }
                None => panic!("no line {beginning:?}: {:?}\n{}", self.heard, (&mut self.stderr).await.unwrap()),
            }
        }
    }

    /// Where a server says that it listens.
    ///
    /// # Panics
    /// If it says something else.
    pub async fn listening(&mut self) -> SocketAddr {
        self.line_with("listening on ").await.parse().unwrap()
    }

    /// Says something to it, as a line.
    ///
    /// # Panics
    /// If it does not listen.
    pub async fn say(&mut self, line: &str) {
        use tokio::io::AsyncWriteExt;
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// Says nothing more to it.
    pub fn hush(&mut self) {
        self.stdin = None;
    }

    /// Its process, as the system numbers it.
    ///
    /// # Panics
    /// If it has ended already.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends it a signal, such as `TERM`.
    ///
    /// # Panics
    /// If it has ended already.
    pub async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not come in time.
    pub async fn end(mut self) -> Ended {
        while self.line().await.is_some() {}
        let status = in_time("the program's end", self.child.wait()).await.unwrap();
        let stderr = in_time("the program's complaints", self.stderr).await.unwrap();
        Ended { code: status.code(), stdout: self.heard.join("\n"), stderr }
    }
}

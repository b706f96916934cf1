//! `./tests/run` on a machine that has nothing but a shell and a Rust toolchain: what its stages need is installed, or named.
//!
//! The machine is a folder of programs, which is all of its PATH. What would take long or change this machine only writes
//! down that it was called.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anteroom_tests::program::{Ended, command, repository, run, target};

/// What is on the smallest Debian, as far as the script uses it.
const SYSTEM: &[&str] = &[
    "bash", "cat", "chmod", "cmp", "cp", "date", "dirname", "env", "grep", "ln", "mkdir", "nproc", "renice", "rm",
    "sed", "sh", "sleep", "tail", "touch", "tr", "uname", "awk",
];
/// What `./tests/run` is made of.
const SCRIPTS: [&str; 3] = ["tests/run", "tests/stages.sh", "tests/needs.sh"];
/// The packages by which Debian brings programs.
const PACKAGES: &[(&str, &[&str])] = &[
    ("chromium", &["chromium"]),
    ("curl", &["curl"]),
    ("firefox-esr", &["firefox-esr"]),
    ("gcc", &["cc"]),
    ("libc6-dev", &[]),
    ("nodejs", &["node"]),
    ("npm", &["npm"]),
    ("openssl", &["openssl"]),
    ("procps", &["kill"]),
    ("python3", &["python3"]),
    ("python3-venv", &["ensurepip"]),
    ("valgrind", &["valgrind"]),
];

/// Installs what was asked for, once the lists are there, and says no while somebody else reads them.
const APT_GET: &str = r#"
echo "apt-get $*" >>"$MACHINE/log"
case " $* " in
  *" update "*)
    if [ -e "$MACHINE/locked" ]; then
      rm "$MACHINE/locked"
      echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)" >&2
      exit 100
    fi
    touch "$MACHINE/lists"
    ;;
  *)
    [ -e "$MACHINE/lists" ] || { echo "E: Unable to locate package" >&2; exit 100; }
    for name in "$@"; do
      [ -d "$MACHINE/packages/$name" ] && cp "$MACHINE/packages/$name/"* "$MACHINE/bin" 2>/dev/null
    done
    ;;
esac
exit 0"#;
const CARGO: &str = "echo \"cargo $*\" >>\"$MACHINE/log\"";
const NODE: &str = "[ \"$*\" = --version ] && echo \"v${NODE:-20.1.0}\"; exit 0";
/// Makes the folder of an installed package, and its program.
const NPM: &str = r#"
mkdir -p node_modules
if [ "$1" = install ]; then
  for name in "$@"; do kind=$name; done
  folder=$3/node_modules/${kind%@*}/bin
  mkdir -p "$folder"
  printf '#!/bin/sh\necho v22.1.0\n' >"$folder/node"
  chmod +x "$folder/node"
fi"#;

/// Makes an environment with a `pip` of its own, if Debian's part for that is there.
const PYTHON: &str = r#"
case "$*" in
  *ensurepip*) [ -e "$MACHINE/bin/ensurepip" ] || exit 1 ;;
  "-m venv "*)
    mkdir -p "$3/bin"
    printf '#!/bin/sh\nmkdir -p "$3"\n' >"$3/bin/pip"
    chmod +x "$3/bin/pip"
    ;;
esac"#;

/// A machine of its own for a test, with a copy of what `./tests/run` looks at.
struct Machine {
    folder: PathBuf,
    environment: Vec<(&'static str, &'static str)>,
}

impl Machine {
    fn new(name: &str) -> Self {
        let folder = target().join("tests/new_machine").join(name);
        drop(fs::remove_dir_all(&folder));
        let machine = Self { folder, environment: vec![("USER_ID", "0")] };
        let bin = machine.folder.join("bin");
        fs::create_dir_all(&bin).unwrap();
        for name in SYSTEM {
            symlink(find(name).unwrap(), bin.join(name)).unwrap();
        }
        write_program(&bin.join("id"), "echo \"$USER_ID\"");
        write_program(&bin.join("apt-get"), APT_GET);
        write_program(&bin.join("cargo"), CARGO);
        for (package, programs) in PACKAGES {
            let folder = machine.folder.join("packages").join(package);
            fs::create_dir_all(&folder).unwrap();
            for program in *programs {
                let text = match *program {
                    "node" => NODE,
                    "npm" => NPM,
                    "python3" => PYTHON,
                    _ => "",
                };
                write_program(&folder.join(program), text);
            }
        }
        for path in SCRIPTS.into_iter().chain([
            "tests/LONG.md",
            "tests/browser/package-lock.json",
            "crates/web/sdk/package-lock.json",
        ]) {
            let copy = machine.folder.join(path);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(repository().join(path), copy).unwrap();
        }
        for folder in ["benches", "examples/browser/vite", "crates/web/sdk/test"] {
            fs::create_dir_all(machine.folder.join(folder)).unwrap();
        }
        write_program(&machine.folder.join("benches/instructions"), "");
        machine
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value));
        self
    }

    /// Runs `./tests/run` there.
    async fn checks(&self, stages: &[&str]) -> Ended {
        let mut command = command(self.folder.join("tests/run"), stages);
        command.env_clear().env("PATH", self.folder.join("bin")).env("MACHINE", &self.folder);
        command.envs(self.environment.iter().copied());
        run(command).await
    }

    /// What apt-get was called with, call by call.
    fn apt_calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().filter_map(|line| line.strip_prefix("apt-get ")).map(str::to_owned).collect()
    }

    /// The packages that were installed, and how often lists were read.
    fn installed(&self) -> (BTreeSet<String>, usize) {
        let (updates, installs): (Vec<_>, Vec<_>) = self.apt_calls().into_iter().partition(|call| call == "update");
        let words = installs.iter().flat_map(|call| call.split(' ').skip_while(|word| *word != "install").skip(1));
        (words.filter(|word| !word.starts_with('-')).map(str::to_owned).collect(), updates.len())
    }

    /// Why stages were skipped.
    fn skipped(ended: &Ended) -> Vec<&str> {
        ended.stdout.lines().filter_map(|line| line.strip_prefix("skipped: ")).collect()
    }
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[tokio::test]
async fn as_root_every_stage_gets_what_it_needs() {
    let machine = Machine::new("root").with("CI", "1");
    let ended = machine.checks(&[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains(" passed, 0 failed, 0 skipped in "), "{}", ended.stdout);
    let all = PACKAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(machine.installed(), (all, 1), "{}", ended.stdout);
}

/// By itself: what one stage needs is not there because another stage needed it.
#[tokio::test]
async fn each_stage_gets_what_it_needs_without_the_others() {
    let node = ["gcc", "libc6-dev", "nodejs", "npm"];
    for (stage, needs) in [
        ("crates", &["gcc", "libc6-dev"][..]),
        ("tests", &["curl", "gcc", "libc6-dev", "nodejs", "procps", "python3"]),
        ("sdk", &node),
        ("browser", &[&node[..], &["chromium", "firefox-esr", "openssl", "procps"]].concat()),
        ("stranger", &["gcc", "libc6-dev", "python3"]),
        ("webtransport", &["gcc", "libc6-dev", "python3", "python3-venv"]),
        ("instructions", &["gcc", "libc6-dev", "valgrind"]),
    ] {
        let machine = Machine::new(stage).with("CI", "1");
        let ended = machine.checks(&[stage]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stdout);
        assert_eq!(machine.installed(), (needs.iter().map(|&name| name.to_owned()).collect(), 1), "{stage}");
    }
}

#[tokio::test]
async fn who_may_not_install_is_told_what_to_install() {
    let machine = Machine::new("user").with("USER_ID", "1000");
    let copy = |name: &str, program: &str| {
        fs::copy(machine.folder.join("packages").join(name).join(program), machine.folder.join("bin").join(program))
            .unwrap();
    };
    copy("gcc", "cc");
    let ended = machine.checks(&["lint", "tests", "browser", "stranger", "instructions"]).await;
    assert_eq!(
        Machine::skipped(&ended),
        [
            "tests: curl is not installed; as root, apt-get install curl",
            "browser: kill is not installed; as root, apt-get install procps",
            "stranger: python3 is not installed; as root, apt-get install python3",
            "instructions: valgrind is not installed; as root, apt-get install valgrind",
        ]
    );
    assert_eq!((ended.code, machine.apt_calls()), (Some(0), vec![]), "{}", ended.stdout);

    copy("procps", "kill");
    copy("openssl", "openssl");
    copy("nodejs", "node");
    copy("npm", "npm");
    let ended = machine.checks(&["browser"]).await;
    assert_eq!(Machine::skipped(&ended), ["browser: chromium is not installed; as root, apt-get install chromium"]);
    copy("chromium", "chromium");
    let machine = machine.with("CI", "true");
    let ended = machine.checks(&["browser"]).await;
    assert_eq!(
        Machine::skipped(&ended),
        ["browser: firefox-esr is not installed; as root, apt-get install firefox-esr"]
    );
    assert_eq!(ended.code, Some(1), "with CI nothing may be skipped");
}

#[tokio::test]
async fn somebody_else_who_installs_is_waited_for() {
    let machine = Machine::new("locked").with("CI", "1");
    fs::write(machine.folder.join("locked"), "").unwrap();
    let ended = machine.checks(&["stranger"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let calls = machine.apt_calls();
    assert_eq!(calls[..2], ["update", "update"]);
    assert!(calls[2].starts_with("--option DPkg::Lock::Timeout="), "{calls:?}");
}

/// Debian 12 has Node.js 18.
#[tokio::test]
async fn a_node_that_is_too_old_is_left_alone_and_a_new_one_used() {
    let machine = Machine::new("old_node").with("CI", "1").with("NODE", "18.20.4");
    let ended = machine.checks(&["sdk", "browser"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(machine.folder.join("target/tools/bin/node").is_file());
}

/// One that is would be found where a program is looked for, or started in its place.
#[test]
fn no_function_of_the_script_is_named_like_a_program() {
    let script: String = SCRIPTS.iter().map(|script| fs::read_to_string(repository().join(script)).unwrap()).collect();
    let functions: BTreeSet<_> = script.lines().filter_map(|line| Some(line.split_once("() {")?.0.trim())).collect();
    assert!(functions.contains("package") && functions.contains("stage_browser"), "{functions:?}");
    let programs =
        functions.iter().filter(|name| find(name).is_some() || PACKAGES.iter().any(|(_, all)| all.contains(name)));
    assert_eq!(programs.collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[tokio::test]
async fn a_long_run_puts_its_results_on_top_of_those_before() {
    let machine = Machine::new("long");
    write_program(&machine.folder.join("bin/git"), "[ \"$1\" = diff ] || echo \"${COMMIT:-0000001}\"");
    let planted = machine.folder.join("tests/planted-faults");
    write_program(&planted, "echo '7 of 7 faults caught'");
    assert_eq!(machine.checks(&["long"]).await.code, Some(0));
    write_program(&planted, "echo '6 of 7 faults caught'; exit 1");
    let machine = machine.with("COMMIT", "0000002");
    let ended = machine.checks(&["long"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("failed: planted"), "{}", ended.stdout);

    let text = fs::read_to_string(machine.folder.join("tests/LONG.md")).unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.contains(" | 000000")).collect();
    let earlier = rows.iter().position(|row| row.contains(" | 0000001 | planted: ")).unwrap();
    assert!(rows[0].contains(" | 0000002 | planted: ") && rows[0].contains(" | FAILED after "), "{text}");
    assert!(rows[..earlier].iter().all(|row| row.contains(" | 0000002 | ")), "{text}");
    assert!(rows[earlier].ends_with(" s, 7 tests |"), "{text}");
}

#[tokio::test]
async fn without_rust_it_says_where_that_is() {
    let machine = Machine::new("no_cargo");
    fs::remove_file(machine.folder.join("bin/cargo")).unwrap();
    let ended = machine.checks(&["lint"]).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""));
    assert_eq!(ended.stderr, "There is no cargo here. How to install Rust: https://rustup.rs\n");
}

#[tokio::test]
async fn parts_of_the_toolchain_that_are_not_there_are_added() {
    let machine = Machine::new("components").with("CI", "1");
    let bin = machine.folder.join("bin");
    write_program(&bin.join("cargo"), &format!("{CARGO}; [ -e \"$MACHINE/has-$1\" ]"));
    write_program(
        &bin.join("rustup"),
        "case $3 in rustfmt) part=fmt ;; *) part=$3 ;; esac; touch \"$MACHINE/has-$part\"",
    );
    let ended = machine.checks(&["format", "lint"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    fs::remove_file(bin.join("rustup")).unwrap();
    fs::remove_file(machine.folder.join("has-clippy")).unwrap();
    let ended = machine.checks(&["lint"]).await;
    assert_eq!(Machine::skipped(&ended), ["lint: clippy is not installed; rustup component add clippy"]);
    assert_eq!(ended.code, Some(1));
}

//! What may depend on what. The pure crates know no runtime, no sockets, no clock and no randomness of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anteroom_tests::program::repository;
use serde_json::Value;

/// Crates that bring a runtime, sockets, randomness or time with them.
const IMPURE: [&str; 28] = [
    "async-io",
    "async-std",
    "axum",
    "chrono",
    "crossterm",
    "fastrand",
    "futures-executor",
    "getrandom",
    "h2",
    "hyper",
    "instant",
    "libc",
    "mio",
    "polling",
    "quinn",
    "quinn-proto",
    "rand",
    "rand_core",
    "rayon",
    "redis",
    "rustls",
    "smol",
    "socket2",
    "time",
    "tokio",
    "tokio-tungstenite",
    "tungstenite",
    "wtransport",
];

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(repository()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names of everything a crate is linked with.
fn linked(package: &str, features: &[&str]) -> BTreeSet<String> {
    let usual =
        ["tree", "--package", package, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let tree = cargo(&[&usual, features].concat());
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_pure_crates_are_linked_with_nothing_that_acts() {
    for package in ["anteroom-protocol", "anteroom-core", "anteroom-games"] {
        let linked = linked(package, &[]);
        assert!(linked.contains("serde"), "{linked:?}");
        for impure in IMPURE {
            assert!(!linked.contains(impure), "{package} is linked with {impure}");
        }
    }
    // The list is worth something: those that act are linked with a good part of it.
    assert!(IMPURE.iter().filter(|name| linked("anteroom-server", &[]).contains(**name)).count() > 8);
}

#[test]
fn a_server_without_bench_is_linked_with_nothing_that_dials_or_measures() {
    let lean = linked("anteroom-server", &["--no-default-features"]);
    let whole = linked("anteroom-server", &[]);
    for needed_by_bench in ["anteroom-bench", "hdrhistogram", "rustls-native-certs", "wtransport"] {
        assert!(!lean.contains(needed_by_bench), "a lean server is linked with {needed_by_bench}");
        assert!(whole.contains(needed_by_bench), "nothing is linked with {needed_by_bench}");
    }
    assert!(!linked("anteroom-bench", &[]).contains("anteroom-server"));
}

/// The workspace's own dependencies of each crate, without those of its tests.
fn own_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let mut all = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let mut own = BTreeSet::new();
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            if let Some(short) = name.strip_prefix("anteroom-")
                && dependency["kind"].is_null()
            {
                own.insert(short.to_owned());
            }
        }
        all.insert(package["name"].as_str().unwrap().trim_start_matches("anteroom-").to_owned(), own);
    }
    all
}

#[test]
fn dependencies_point_one_way() {
    let own = own_dependencies();
    for (package, allowed) in [
        ("protocol", &[][..]),
        ("core", &["protocol"]),
        ("games", &["core", "protocol"]),
        ("transport", &["protocol"]),
        ("web", &[]),
        ("client", &["protocol", "transport"]),
        ("bench", &["client", "games", "protocol", "transport"]),
        ("server", &["bench", "core", "games", "protocol", "transport", "web"]),
    ] {
        let allowed: BTreeSet<String> = allowed.iter().map(ToString::to_string).collect();
        assert!(own[package].is_subset(&allowed), "{package} depends on {:?}", own[package]);
    }
    // What nobody may depend on, because it is only run.
    for (package, own) in &own {
        for runs in ["tests", "benches", "examples"] {
            assert!(!own.contains(runs), "{package} depends on {runs}");
        }
    }
}

#[test]
fn every_crate_is_held_to_the_workspace_s_lints() {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() >= 10);
    for package in packages {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package["name"]);
        assert_eq!(package["publish"], serde_json::json!([]), "{}", package["name"]);
    }
}

/// The nearest `clippy.toml` replaces the one at the top whole, so each pure crate repeats what all share.
#[test]
fn the_pure_crates_have_clippy_settings_of_their_own() {
    let shared = std::fs::read_to_string(repository().join("clippy.toml")).unwrap();
    let banned = shared.lines().filter_map(|line| line.trim().strip_prefix("{ path = \"")?.split('"').next());
    let banned: Vec<&str> = banned.filter(|path| path.starts_with("std::")).collect();
    assert!(banned.len() >= 2, "{banned:?}");
    for package in ["protocol", "core", "games"] {
        let own = std::fs::read_to_string(repository().join("crates").join(package).join("clippy.toml")).unwrap();
        for needed in banned.iter().copied().chain([
            "std::time::Instant::now",
            "std::time::SystemTime::now",
            "std::collections::HashMap",
            "std::collections::HashSet",
        ]) {
            assert!(own.contains(&format!("\"{needed}\"")), "{package} may use {needed}");
        }
    }
}

/// The game in the README is the one that is compiled and tested.
#[test]
fn the_readme_shows_the_example() {
    let game = include_str!("../../examples/rock_paper_scissors.rs");
    assert!(include_str!("../../README.md").contains(&format!("```rust\n{game}```\n<!-- end of game -->")));
}

/// The modules of a crate at its top, and which of the others each one names, tests left out.
fn modules(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let within = path.strip_prefix(source).unwrap().to_str().unwrap().to_owned();
            if !within.ends_with(".rs") || within.ends_with("tests.rs") {
                continue;
            }
            let module = within.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().take_while(|line| !line.contains("mod tests {"));
            let code: String = lines.map(|line| line.split("//").next().unwrap_or_default()).collect();
            let named = code.split("crate::").skip(1).flat_map(|rest| match rest.strip_prefix('{') {
                Some(list) => list.split(['}', ',']).take_while(|name| !name.contains(';')).map(str::trim).collect(),
                None => vec![rest],
            });
            let named = named.map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect());
            names.entry(module.clone()).or_default().extend(named.filter(|name: &String| *name != module));
        }
    }
    names
}

/// Whoever reads the server's modules in order finds nothing that needs what comes later.
#[test]
fn no_module_of_the_server_needs_one_that_needs_it() {
    let mut modules = modules(&repository().join("crates/server/src"));
    let all: BTreeSet<String> = modules.keys().cloned().collect();
    assert!(modules["session"].contains("carrier") && modules["session"].contains("rooms"), "{modules:?}");
    modules.values_mut().for_each(|names| names.retain(|name| all.contains(name)));
    while let Some(free) = modules.iter().find(|(_, names)| names.is_empty()).map(|(module, _)| module.clone()) {
        modules.remove(&free);
        for names in modules.values_mut() {
            names.remove(&free);
        }
    }
    assert!(modules.is_empty(), "these need one another: {modules:?}");
}

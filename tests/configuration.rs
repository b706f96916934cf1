//! `deploy/anteroom.toml` says everything there is to configure, and says it right.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::collections::BTreeMap;

use anteroom_server::Config;
use anteroom_tests::program::{anteroom_with, repository};
use anteroom_tests::server::scratch;
use toml::{Table, Value};

/// What the file sets for production, where the default is that of a first look.
const DIFFERENT: [&str; 4] = ["listen", "tls.certificate", "tls.key", "auth.token_key_file"];
/// What has no default, and stays out because something else is set, or only some need it.
const LEFT_OUT: [&str; 3] = ["listen_udp", "public_url", "auth.token_key"];

fn text() -> String {
    std::fs::read_to_string(repository().join("deploy/anteroom.toml")).unwrap()
}

/// Every key with its section in front.
fn flat(table: &Table) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                keys.extend(section.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())))
            }
            value => drop(keys.insert(name.clone(), value.clone())),
        }
    }
    keys
}

/// Every key there is, those without a default too: a configuration where all of them are set.
fn all_keys() -> Vec<String> {
    let mut config = Config { listen_udp: Some("x".into()), public_url: Some("x".into()), ..Config::default() };
    config.tls.certificate = Some("x".into());
    config.tls.key = Some("x".into());
    config.auth.token_key = Some("x".into());
    config.auth.token_key_file = Some("x".into());
    flat(&Table::try_from(&config).unwrap()).into_keys().collect()
}

#[test]
fn every_key_is_there_with_its_default() {
    let file = flat(&text().parse().unwrap());
    let defaults = flat(&Table::try_from(Config::default()).unwrap());
    for key in all_keys() {
        match file.get(&key) {
            None => assert!(LEFT_OUT.contains(&&*key), "{key} is missing"),
            Some(value) if DIFFERENT.contains(&&*key) => assert_ne!(Some(value), defaults.get(&key), "{key}"),
            Some(value) => assert_eq!(Some(value), defaults.get(&key), "{key}"),
        }
    }
    assert_eq!(file.len() + LEFT_OUT.len(), all_keys().len());
}

/// Each key has a comment right above it, and that comment names the default.
#[test]
fn every_key_is_explained() {
    let text = text();
    let lines: Vec<&str> = text.lines().collect();
    let defaults = flat(&Table::try_from(Config::default()).unwrap());
    let mut section = String::new();
    let mut explained = 0;
    for (number, line) in lines.iter().enumerate() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        }
        let Some((name, _)) = line.trim_start_matches("# ").split_once(" = ") else { continue };
        if name.contains(' ') || name.contains('.') {
            continue;
        }
        let comment: Vec<&str> =
            lines[..number].iter().rev().take_while(|line| line.starts_with('#')).copied().collect();
        let default = comment.iter().find_map(|line| line.strip_prefix("# Default: "));
        let default = default.unwrap_or_else(|| panic!("the default of {section}{name} is not told"));
        match defaults.get(&format!("{section}{name}")) {
            None => assert!(default.starts_with("none"), "{section}{name}: {default}"),
            Some(value) => assert!(default.starts_with(&value.to_string()), "{section}{name}: {default}"),
        }
        explained += 1;
    }
    assert_eq!(explained, all_keys().len());
}

#[tokio::test]
async fn config_check_accepts_it() {
    let file = repository().join("deploy/anteroom.toml");
    let checked = anteroom_with(&["config", "check", file.to_str().unwrap()]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("is fine; it would listen on 0.0.0.0:7350"), "{checked:?}");
    assert_eq!(checked.stdout.lines().count(), 1, "nothing is missing: {checked:?}");
}

#[tokio::test]
async fn mistakes_are_named_with_their_line_and_the_nearest_key() {
    let folder = scratch("configuration");
    let text = text();
    for (right, wrong, line_of, said) in [
        (
            "rooms_max = 10000",
            "room_max = 10000",
            "room_max = ",
            "there is no key `room_max`; did you mean `rooms_max`?",
        ),
        ("[limits]", "[limts]", "[limts]", "there is no key `limts`; did you mean `limits`?"),
        ("guests = false", "guests = \"no\"", "guests = ", "expected a boolean"),
        ("grace_ms = 60000", "grace_ms = -1", "grace_ms = ", "expected u64"),
        ("tcp = \"on\"", "tcp = \"maybe\"", "tcp = ", "unknown variant `maybe`"),
        ("guests = false", "guests = false\nguests = true", "guests = true", "duplicate key"),
    ] {
        let changed = text.replacen(&format!("\n{right}\n"), &format!("\n{wrong}\n"), 1);
        assert_ne!(changed, text);
        let line = 1 + changed.lines().position(|line| line.starts_with(line_of)).unwrap();
        let file = folder.join("wrong.toml");
        std::fs::write(&file, changed).unwrap();
        let checked = anteroom_with(&["config", "check", file.to_str().unwrap()]).await;
        assert_eq!(checked.code, Some(2), "{wrong}: {checked:?}");
        assert_eq!(checked.stderr.lines().count(), 1, "{wrong}: {checked:?}");
        let place = format!("anteroom: {}:{line}: ", file.display());
        assert!(checked.stderr.starts_with(&place), "{wrong}: {place}: {checked:?}");
        assert!(checked.stderr.contains(said), "{wrong}: {checked:?}");
        let served = anteroom_with(&["serve", "--config", file.to_str().unwrap()]).await;
        assert_eq!((served.code, served.stderr), (Some(2), checked.stderr), "{wrong}");
    }
}

#[tokio::test]
async fn values_that_make_no_sense_are_refused() {
    let folder = scratch("senseless");
    let text = text();
    for (right, wrong, said) in [
        ("message_bytes_max = 65536", "message_bytes_max = 1", "`limits.message_bytes_max` must be 1024 to 524288"),
        ("connections_max = 50000", "connections_max = 0", "`limits.connections_max` must be at least 1"),
        ("silence_ms = 60000", "silence_ms = 1000", "`times.silence_ms` must be longer"),
        (
            "outbox_bytes_max = 4194304",
            "outbox_bytes_max = 1",
            "`limits.outbox_bytes_max` must be at least 1048576, the largest frame there can be",
        ),
        ("allowed = []", "allowed = [\"example.com\"]", "\"example.com\" is not an origin such as"),
        ("allowed = []", "allowed = [\"https://*.com\"]", "is not an origin such as"),
        ("allowed = []", "allowed = [\"null\"]", "\"null\" cannot be allowed"),
        ("allowed = []", "allowed = [\"file://\"]", "\"file://\" cannot be allowed"),
        ("allowed = []", "allowed = [\"wss://play.example.com\"]", "is where a WebSocket goes"),
        ("listen = \"0.0.0.0:7350\"", "listen = \"0.0.0.0\"", "is not HOST:PORT"),
        ("listen = \"0.0.0.0:7350\"", "listen = \"localhost:7350\"", "write 127.0.0.1:7350, or [::1]:7350"),
        (
            "listen = \"0.0.0.0:7350\"",
            "listen = \"0.0.0.0:7350\"\nlisten_udp = \"Localhost:1\"",
            "`listen_udp` \"Localhost:1\" names a host that may be several addresses; write 127.0.0.1:1, or [::1]:1",
        ),
        ("demo = false", "public_url = \"play.example.com\"", "`public_url` \"play.example.com\" is no address"),
        ("demo = false", "public_url = \"https://play.example.com/ws\"", "begins with /ws"),
        ("http_idle_ms = 75000", "http_idle_ms = 0", "`times.http_idle_ms` must be 1 to 86400000"),
        ("key = \"certs/key.pem\"", "", "needs both `certificate` and `key`"),
        (
            "guests = false",
            "token_key = \"01234567890123456789012345678901\"",
            "`token_key` or `token_key_file`, not both",
        ),
    ] {
        let changed = text.replacen(&format!("\n{right}\n"), &format!("\n{wrong}\n"), 1);
        assert_ne!(changed, text);
        let file = folder.join("senseless.toml");
        std::fs::write(&file, changed).unwrap();
        let checked = anteroom_with(&["config", "check", file.to_str().unwrap()]).await;
        assert_eq!(checked.code, Some(2), "{wrong}: {checked:?}");
        assert!(checked.stderr.contains(said), "{wrong}: {checked:?}");
    }
    let missing = anteroom_with(&["config", "check", folder.join("none.toml").to_str().unwrap()]).await;
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.contains("cannot read the configuration") && missing.stderr.contains("check the path"),
        "{missing:?}"
    );
}

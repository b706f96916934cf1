//! `deploy/anteroom.toml` says everything there is to configure, and says it right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anteroom_server::Config;
use anteroom_tests::program::{Ended, anteroom, anteroom_with, command, repository, run};
use anteroom_tests::server::scratch;
use anteroom_tests::{certificates, token};
use toml::{Table, Value};

/// What the file sets for production, where the default is that of a first look.
const DIFFERENT: [&str; 4] = ["listen", "tls.certificate", "tls.key", "auth.token_key_file"];
/// What has no default, and stays out because something else is set, or only some need it.
const LEFT_OUT: [&str; 6] =
    ["listen_udp", "public_url", "auth.token_key", "store.path", "store.resume_key_file", "recordings.folder"];

fn text() -> String {
    std::fs::read_to_string(repository().join("deploy/anteroom.toml")).unwrap()
}

/// A folder with everything that `deploy/anteroom.toml` names.
fn deployed(name: &str) -> PathBuf {
    let folder = scratch(name);
    std::fs::create_dir_all(folder.join("certs")).unwrap();
    certificates::write(&folder.join("certs"), certificates::GOOD);
    std::fs::write(folder.join("certs/token.key"), token::KEY).unwrap();
    folder
}

/// Writes a configuration into a folder and has it checked there.
async fn check(folder: &Path, text: &str) -> Ended {
    std::fs::write(folder.join("anteroom.toml"), text).unwrap();
    anteroom_in(folder, &["config", "check"]).await
}

async fn anteroom_in(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = command(anteroom(), arguments);
    command.current_dir(folder);
    run(command).await
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
    config.store.path = Some("x".into());
    config.store.resume_key_file = Some("x".into());
    config.recordings.folder = Some("x".into());
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
    let checked = check(&deployed("accepted"), &text()).await;
    assert_eq!((checked.code, &*checked.stderr), (Some(0), ""), "{checked:?}");
    assert_eq!(checked.stdout, "anteroom.toml is fine; it would listen on 0.0.0.0:7350\n");
}

/// Everything that keeps a server from starting, and not only the first of it; `serve` says the same.
#[tokio::test]
async fn config_check_names_all_that_serve_would_refuse() {
    const NOWHERE: &str = "check the path and its permissions";
    let nothing = scratch("nothing");
    let deployed = deployed("deployed");
    let files = |certificate: &str, key: &str, token_key: &str| {
        text()
            .replace("certs/certificate.pem", certificate)
            .replace("certs/key.pem", key)
            .replace("certs/token.key", token_key)
    };
    certificates::write(&deployed.join("certs/other"), certificates::GOOD);
    certificates::write(&deployed.join("certs/expired"), certificates::EXPIRED);
    certificates::write(&deployed.join("certs/early"), certificates::NOT_YET_VALID);
    std::fs::write(deployed.join("certs/short.key"), "short").unwrap();
    std::fs::write(deployed.join("certs/raw.key"), [0xff; 32]).unwrap();
    let (certificate, key, token_key) = ("certs/certificate.pem", "certs/key.pem", "certs/token.key");
    for (folder, text, said) in [
        (
            &nothing,
            String::new(),
            &[&["serving needs a certificate"][..], &["serving needs a key to check tokens with"]][..],
        ),
        (
            &nothing,
            text(),
            &[
                &["cannot read the certificate certs/certificate.pem", NOWHERE],
                &["cannot read the private key certs/key.pem", NOWHERE],
                &["cannot read the token key certs/token.key", NOWHERE],
            ],
        ),
        (
            &nothing,
            "listen = \"localhost:7350\"\n[limits]\nrooms_max = 0\n[origins]\nallowed = [\"x\"]\n".into(),
            &[
                &["`limits.rooms_max` must be at least 1"],
                &["`listen` \"localhost:7350\"", "127.0.0.1:7350"],
                &["`origins.allowed` \"x\""],
                &["serving needs a certificate"],
                &["serving needs a key"],
            ],
        ),
        // A file that is there, and is no file of the kind; for a key also a folder, which nobody may read as a file.
        (
            &deployed,
            files(key, key, token_key),
            &[&["cannot read the certificate certs/key.pem", "no certificate in it"]],
        ),
        (&deployed, files(certificate, certificate, token_key), &[&["cannot read the private key"]]),
        (&deployed, files(certificate, "certs", token_key), &[&["cannot read the private key certs"]]),
        (&deployed, files(certificate, key, "certs"), &[&["cannot read the token key certs"]]),
        (&deployed, files(certificate, key, "certs/short.key"), &[&["`auth.token_key_file`", "less than 32 bytes"]]),
        (&deployed, files(certificate, key, "certs/raw.key"), &[&["`auth.token_key_file`", "is no text"]]),
        (
            &deployed,
            files(certificate, "certs/other/key.pem", token_key),
            &[&["the certificate cannot be used", "check that the key belongs to it"]],
        ),
        (
            &deployed,
            files(certificate, "certs/other/key.pem", "certs/none.key"),
            &[&["check that the key belongs to it"], &["cannot read the token key certs/none.key"]],
        ),
    ] {
        let checked = check(folder, &text).await;
        assert_eq!((checked.code, &*checked.stdout), (Some(2), ""), "{said:?}: {checked:?}");
        let lines: Vec<&str> = checked.stderr.lines().collect();
        assert_eq!(lines.len(), said.len(), "{said:?}: {checked:?}");
        for (line, said) in lines.iter().zip(said) {
            assert!(line.starts_with("anteroom: "), "{line}");
            assert!(said.iter().all(|words| line.contains(words)), "{said:?}: {line}");
        }
        let served = anteroom_in(folder, &["serve", "--config", "anteroom.toml"]).await;
        assert_eq!(served, checked);
    }
    // A server starts with these, and says so; to check is to want to know.
    for (expired, said) in [("expired", "has expired ("), ("early", "is not valid yet (")] {
        let (certificate, key) = (format!("certs/{expired}/certificate.pem"), format!("certs/{expired}/key.pem"));
        let checked = check(&deployed, &files(&certificate, &key, token_key)).await;
        assert_eq!((checked.code, &*checked.stdout), (Some(2), ""), "{checked:?}");
        let sentence = format!("anteroom: the certificate {certificate} {said}");
        assert!(checked.stderr.starts_with(&sentence) && checked.stderr.lines().count() == 1, "{checked:?}");
    }
}

/// It looks, and leaves no trace: the port may be another's, and nothing is made.
#[tokio::test]
async fn config_check_neither_binds_nor_writes() {
    let folder = deployed("bound");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = text().replace("0.0.0.0:7350", &taken.local_addr().unwrap().to_string());
    let files = || std::fs::read_dir(folder.join("certs")).unwrap().count();
    let before = files();
    let checked = check(&folder, &text).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert_eq!(files(), before);
}

/// What is set beside the file is looked at as well, and what sets nothing is remarked on.
#[tokio::test]
async fn config_check_looks_at_the_environment() {
    let folder = deployed("variables");
    std::fs::write(folder.join("anteroom.toml"), text()).unwrap();
    for (name, value, code, said) in [
        ("ANTEROOM_LIMITS__ROOMS_MAX", "0", 2, "`limits.rooms_max` must be at least 1"),
        ("ANTEROOM_TLS__KEY", "/nowhere/key.pem", 2, "cannot read the private key /nowhere/key.pem"),
        ("ANTEROOM_TLS_KEY", "/nowhere/key.pem", 0, "sets nothing; did you mean ANTEROOM_TLS__KEY?"),
        ("ANTEROOM_SERVICE_HOST", "10.0.0.1", 0, ""),
    ] {
        let mut command = command(anteroom(), &["config", "check"]);
        command.current_dir(&folder).env(name, value);
        let checked = run(command).await;
        assert_eq!(checked.code, Some(code), "{name}: {checked:?}");
        assert!(checked.stderr.contains(said) && checked.stderr.is_empty() == said.is_empty(), "{name}: {checked:?}");
    }
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
        ("kind = \"memory\"", "kind = \"redis\"", "kind = ", "unknown variant `redis`, expected `memory` or `sqlite`"),
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
    let folder = deployed("senseless");
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
        ("kind = \"memory\"", "kind = \"sqlite\"", "`store.path` must name a folder to keep the data in"),
        ("stored_rooms_max = 1000000", "stored_rooms_max = 0", "`limits.stored_rooms_max` must be at least 1"),
        ("durable_seat_ms = 604800000", "durable_seat_ms = 0", "`times.durable_seat_ms` must be 1 to 31622400000"),
        ("spectators_per_room_max = 10000", "spectators_per_room_max = 20001", "must be at most 20000"),
        ("durable_empty_ttl_ms = 600000", "durable_empty_ttl_ms = 31622400001", "must be at most 31622400000 (a year)"),
        ("empty_ttl_max_ms = 3600000", "empty_ttl_max_ms = 31622400001", "must be at most 31622400000 (a year)"),
        ("room_idle_ttl_ms = 0", "room_idle_ttl_ms = 31622400001", "must be at most 31622400000 (a year)"),
        ("room_lifetime_max_ms = 0", "room_lifetime_max_ms = 31622400001", "must be at most 31622400000 (a year)"),
        ("hibernate_after_ms = 600000", "hibernate_after_ms = 0", "`times.hibernate_after_ms` must be 1 to"),
        ("key = \"certs/key.pem\"", "", "needs both `certificate` and `key`"),
        (
            "guests = false",
            "token_key = \"01234567890123456789012345678901\"",
            "`token_key` or `token_key_file`, not both",
        ),
    ] {
        let changed = text.replacen(&format!("\n{right}\n"), &format!("\n{wrong}\n"), 1);
        assert_ne!(changed, text);
        let checked = check(&folder, &changed).await;
        assert_eq!((checked.code, checked.stderr.lines().count()), (Some(2), 1), "{wrong}: {checked:?}");
        assert!(checked.stderr.contains(said), "{wrong}: {checked:?}");
    }
    let missing = anteroom_with(&["config", "check", folder.join("none.toml").to_str().unwrap()]).await;
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.contains("cannot read the configuration") && missing.stderr.contains("check the path"),
        "{missing:?}"
    );
}

//! Where the program keeps its data, and what `anteroom store` does with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anteroom_tests::program::{Ended, Running, anteroom, command, run};
use anteroom_tests::server::scratch;
use anteroom_tests::{certificates, http, token};
use serde_json::Value;

/// A command in a folder, which keeps what it keeps by default.
fn in_folder(folder: &Path, arguments: &[&str]) -> tokio::process::Command {
    let mut command = command(anteroom(), arguments);
    command.current_dir(folder).env_remove("ANTEROOM_STORE__KIND");
    command
}

fn start(folder: &Path, more: &[&str]) -> Running {
    Running::start(in_folder(folder, &[&["--listen", "127.0.0.1:0"], more].concat()))
}

async fn ended(folder: &Path, arguments: &[&str]) -> Ended {
    run(in_folder(folder, arguments)).await
}

/// Ends a server as a service manager does.
async fn stop(server: Running) -> Ended {
    server.signal("TERM").await;
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in ended.stdout.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    ended
}

/// What a server said of its data, on stdout.
fn told(ended: &Ended) -> &str {
    let line = ended.stdout.lines().find_map(|line| line.trim_start().strip_prefix("Data "));
    line.unwrap_or_else(|| panic!("{ended:?}")).trim()
}

/// The lines of its log about it, with their level.
fn logged(ended: &Ended) -> Vec<(String, Value)> {
    let log = ended.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kept = log.filter(|entry| entry["message"].as_str().is_some_and(|message| message.contains("kept")));
    kept.map(|entry| (entry["level"].as_str().unwrap().to_owned(), entry)).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A configuration with everything that serving needs, and a store.
fn configured(name: &str, store: &str) -> PathBuf {
    let folder = scratch(name);
    certificates::write(&folder, certificates::GOOD);
    fs::write(folder.join("token.key"), token::KEY).unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n\
         [auth]\ntoken_key_file = \"token.key\"\n[store]\n{store}"
    );
    fs::write(folder.join("anteroom.toml"), text).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn the_development_server_keeps_its_data_below_the_folder_it_was_started_in() {
    let folder = scratch("data");
    let mut server = start(&folder, &[]);
    server.listening().await;
    let data = folder.join(".anteroom");
    assert_eq!(fs::read_to_string(data.join(".gitignore")).unwrap(), "*\n");
    server.line_with("Stop with").await;
    assert_eq!((mode(&data), mode(&data.join("anteroom.db")), mode(&data.join("resume.key"))), (0o700, 0o600, 0o600));
    let key = fs::read_to_string(data.join("resume.key")).unwrap();
    // Whoever starts a second one by mistake gets one that works, and is told what it does without.
    let mut second = start(&folder, &[]);
    let addr = second.listening().await;
    assert_eq!(http::get(addr, "/healthz", &[]).await.status, 200);
    let second = stop(second).await;
    assert_eq!(told(&second), "nothing is kept (memory): another server has .anteroom");
    let warned = logged(&second);
    assert_eq!((warned.len(), &*warned[0].0, &warned[0].1["why"]), (1, "WARN", &"another server has .anteroom".into()));
    let first = stop(server).await;
    assert_eq!(told(&first), ".anteroom (kept across restarts)");
    // The next one has it again.
    let mut third = start(&folder, &[]);
    third.listening().await;
    assert_eq!(told(&stop(third).await), ".anteroom (kept across restarts)");
    assert_eq!(fs::read_to_string(data.join("resume.key")).unwrap(), key);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "there is nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_data_is_elsewhere_or_nowhere_if_it_is_told_so() {
    let folder = scratch("elsewhere");
    let elsewhere = folder.join("a/b");
    for (arguments, said) in [
        (&["--data", "a/b"][..], "a/b (kept across restarts)"),
        (&["--data", "a/b", "--store", "sqlite"], "a/b (kept across restarts)"),
        (&["--store", "memory"], "nothing is kept (memory)"),
        (&["--store", "memory", "--data", "c"], "nothing is kept (memory)"),
        // No folder can be made there, whoever asks.
        (&["--data", "anteroom.toml/c"], "nothing is kept (memory): anteroom.toml/c cannot be written"),
    ] {
        fs::write(folder.join("anteroom.toml"), "").unwrap();
        let mut server = start(&folder, arguments);
        server.listening().await;
        assert_eq!(told(&stop(server).await), said, "{arguments:?}");
    }
    assert!(elsewhere.join("anteroom.db").exists());
    assert!(!folder.join("c").exists() && !folder.join(".anteroom").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_keeps_what_is_configured_and_says_when_that_is_nothing() {
    let folder = configured("nothing-kept", "");
    let mut server = Running::start(in_folder(&folder, &["serve", "--config", "anteroom.toml"]));
    server.listening().await;
    let kept = logged(&stop(server).await);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].1["message"], "nothing is kept: rooms and sessions end with the server");
    let before = fs::read_dir(&folder).unwrap().count();

    let folder = configured("kept", "kind = \"sqlite\"\npath = \"data\"\n");
    let serve = ["serve", "--config", "anteroom.toml"];
    let mut server = Running::start(in_folder(&folder, &serve));
    server.listening().await;
    assert_eq!(mode(&folder.join("data")), 0o700);
    // Players rely on it, so a second one does not start.
    let second = ended(&folder, &serve).await;
    assert_eq!((second.code, &*second.stdout), (Some(2), ""), "{second:?}");
    assert!(second.stderr.contains("another process has the store in data"), "{second:?}");
    let kept = logged(&stop(server).await);
    assert_eq!((kept.len(), &kept[0].1["message"]), (1, &"durable rooms and sessions are kept".into()));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), before + 1);

    // The flags go over it.
    let mut server = Running::start(in_folder(&folder, &[&serve[..], &["--store", "memory"]].concat()));
    server.listening().await;
    assert!(logged(&stop(server).await)[0].1["message"].as_str().unwrap().starts_with("nothing is kept"));
    let elsewhere = [&serve[..], &["--data", "elsewhere"]].concat();
    let mut server = Running::start(in_folder(&folder, &elsewhere));
    server.listening().await;
    stop(server).await;
    assert!(folder.join("elsewhere/anteroom.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_does_not_start_without_the_store_it_was_told_to_have() {
    let sqlite = "kind = \"sqlite\"\npath = \"data\"\n";
    let garbage = |folder: &Path, file: &str, content: &[u8]| {
        fs::create_dir_all(folder.join("data")).unwrap();
        fs::write(folder.join("data").join(file), content).unwrap();
        fs::set_permissions(folder.join("data").join(file), fs::Permissions::from_mode(0o600)).unwrap();
    };
    for (name, store, break_it, said) in [
        ("no-path", "kind = \"sqlite\"\n", &(|_: &Path| ()) as &dyn Fn(&Path), "`store.path` must name a folder"),
        ("no-folder", "kind = \"sqlite\"\npath = \"key.pem/data\"\n", &|_| (), "key.pem/data cannot be used"),
        ("no-database", sqlite, &|folder| garbage(folder, "anteroom.db", &[7; 8192]), "is not a database"),
        ("short-key", sqlite, &|folder| garbage(folder, "resume.key", b"short"), "less than 32 bytes"),
        (
            "public-key",
            sqlite,
            &|folder| {
                garbage(folder, "resume.key", &[b'x'; 44]);
                fs::set_permissions(folder.join("data/resume.key"), fs::Permissions::from_mode(0o644)).unwrap();
            },
            "everybody on this machine can read data/resume.key",
        ),
        (
            "configured-key",
            "kind = \"sqlite\"\npath = \"data\"\nresume_key_file = \"none.key\"\n",
            &|_| (),
            "cannot read the resume key none.key",
        ),
    ] {
        let folder = configured(name, store);
        break_it(&folder);
        let refused = ended(&folder, &["serve", "--config", "anteroom.toml"]).await;
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{name}: {refused:?}");
        let last = refused.stderr.lines().last().unwrap();
        assert!(last.starts_with("anteroom: ") && last.contains(said), "{name}: {refused:?}");
    }
}

/// A key that is configured is used, and none is made then.
#[tokio::test(flavor = "multi_thread")]
async fn a_configured_resume_key_takes_the_place_of_one_that_is_made() {
    let folder = configured("own-key", "kind = \"sqlite\"\npath = \"data\"\nresume_key_file = \"own.key\"\n");
    fs::write(folder.join("own.key"), format!("{}\n", token::KEY)).unwrap();
    let mut server = Running::start(in_folder(&folder, &["serve", "--config", "anteroom.toml"]));
    server.listening().await;
    stop(server).await;
    assert!(folder.join("data/anteroom.db").exists() && !folder.join("data/resume.key").exists());
}

//! The README's section on deployment, followed to the letter: in a clean folder, until a game's page plays.

use std::path::Path;

use anteroom_tests::browser::{or_skip, tell};
use anteroom_tests::program::{Ended, Running, anteroom, command, installed, repository, run};
use anteroom_tests::readme;
use anteroom_tests::server::scratch;
use serde_json::{Value, json};
use tokio::process::Command;

/// The name that the README's certificate is for.
const NAME: &str = "play.example.com";

/// What the README has people type, without its remarks, with the name of the program first.
fn commands() -> Vec<String> {
    let block = readme::blocks("Deploy", "sh").concat();
    let lines = block.lines().map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// A command as a shell runs it, in a folder. `anteroom` is on the `PATH`; it listens where a test may.
fn shell(folder: &Path, line: &str) -> Command {
    let path = std::env::var("PATH").unwrap();
    let mut shell = command("sh", &["-c", line]);
    shell
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", folder.join("bin").display()))
        .env("ANTEROOM_LISTEN", "127.0.0.1:0")
        .env("COLUMNS", "80");
    shell
}

async fn done(folder: &Path, line: &str) -> Ended {
    let ended = run(shell(folder, line)).await;
    assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_leads_to_a_server_that_a_game_s_page_plays_on() {
    let Some(()) = or_skip(installed("openssl")) else { return };
    let folder = scratch("deploy");
    // What a checkout has, and `cargo install` puts on the PATH.
    std::fs::create_dir_all(folder.join("deploy")).unwrap();
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    let configuration = folder.join("deploy/anteroom.toml");
    std::fs::copy(repository().join("deploy/anteroom.toml"), &configuration).unwrap();
    std::os::unix::fs::symlink(std::path::absolute(anteroom()).unwrap(), folder.join("bin/anteroom")).unwrap();

    let is_upkeep =
        |command: &String| ["anteroom store ", "anteroom replay "].iter().any(|one| command.starts_with(one));
    let (upkeep, commands): (Vec<_>, Vec<_>) = commands().into_iter().partition(is_upkeep);
    // What they do is tried elsewhere; that they are commands, here.
    for command in &upkeep {
        done(&folder, &format!("{command} --help")).await;
    }
    let [install, cert, key, check, serve, mint] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(install, "cargo install --locked --path crates/server");
    let made = done(&folder, cert).await;
    done(&folder, key).await;
    let mut said = vec![made, done(&folder, check).await];

    let mut running = None;
    let about = json!({"certificate": folder.join("certs/certificate.pem"), "name": NAME});
    let told = tell("deploy.mjs", &about, async |ask: &Value| {
        assert_eq!(ask["ask"], "serve");
        let listed = format!("\nallowed = [{}]\n", ask["origin"]);
        let text = std::fs::read_to_string(&configuration).unwrap();
        assert_eq!(text.matches("\nallowed = []\n").count(), 1);
        std::fs::write(&configuration, text.replace("\nallowed = []\n", &listed)).unwrap();
        said.push(done(&folder, check).await);
        let mut server = Running::start(shell(&folder, &format!("exec {serve}")));
        let port = server.listening().await.port();
        running = Some(server);
        let token = done(&folder, mint).await.stdout.trim().to_owned();
        said.push(done(&folder, &format!("{} {token}", mint_to_inspect(mint))).await);
        json!({"url": format!("https://{NAME}:{port}"), "token": token})
    });
    let Some(told) = told.await else { return };
    for transport in ["webtransport", "websocket"] {
        let told = &told[transport];
        assert_eq!((&told["transport"], &told["name"]), (&json!(transport), &json!("Ada")), "{told}");
        assert_eq!(told["view"]["status"], "waiting", "{told}");
    }
    let server = running.unwrap();
    server.signal("TERM").await;
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for ended in &said {
        assert_eq!(ended.stderr, "");
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }
}

/// The command that looks into what another has signed, with the same configuration.
fn mint_to_inspect(mint: &str) -> String {
    let (command, _) = mint.split_once(" --sub ").unwrap();
    command.replace("token mint", "token inspect")
}

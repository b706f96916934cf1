//! Strangers' clients, in Python: one written from `PROTOCOL.md` alone, with nothing but the standard library, and one
//! over a library for WebTransport that is not ours.

use anteroom_tests::browser::or_skip;
use anteroom_tests::program::{command, repository, run, run_at_leisure};
use anteroom_tests::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_written_from_the_document_alone_gets_along() {
    let server = TestServer::start();
    let python = or_skip(
        std::process::Command::new("python3")
            .arg("--version")
            .output()
            .map_err(|error| format!("python3 cannot be run: {error}")),
    );
    if python.is_none() {
        return;
    }
    let client = repository().join("tests/stranger/client.py");
    // Each of its thousands of waits has an end of its own.
    let ended = run_at_leisure(command("python3", &[client.to_str().unwrap(), &server.addr().to_string()])).await;
    println!("{}", ended.stdout);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.lines().filter(|line| line.starts_with("ok")).count() > 10);
    server.shutdown().await;
}

/// The library speaks drafts 15 and later, which no browser and none of our own clients do. `./tests/run stranger`
/// installs it, and a Python that is new enough for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_later_drafts_of_webtransport_gets_along() {
    let server = TestServer::start();
    let python = std::env::var("ANTEROOM_PYWEBTRANSPORT").unwrap_or_else(|_| "python3".into());
    let imported = std::process::Command::new(&python).args(["-c", "import pywebtransport"]).output();
    let imported = imported
        .map_err(|error| format!("{python} cannot be run: {error}"))
        .and_then(|ended| if ended.status.success() { Ok(()) } else { Err(format!("{python} has no pywebtransport")) });
    if or_skip(imported).is_none() {
        return;
    }
    let client = repository().join("tests/stranger/draft15.py");
    let ended = run(command(&python, &[client.to_str().unwrap(), &server.addr().to_string()])).await;
    println!("{}", ended.stdout);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.lines().filter(|line| line.starts_with("ok")).count() > 10);
    server.shutdown().await;
}

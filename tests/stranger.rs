//! A stranger's client: written from `PROTOCOL.md` alone, in Python, with nothing but its standard library.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use anteroom_tests::browser::or_skip;
use anteroom_tests::program::{command, repository, run};
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
    let ended = run(command("python3", &[client.to_str().unwrap(), &server.addr().to_string()])).await;
    println!("{}", ended.stdout);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.lines().filter(|line| line.starts_with("ok")).count() > 10);
    server.shutdown().await;
}

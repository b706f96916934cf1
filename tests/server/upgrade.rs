//! The request that begins a WebSocket, right and wrong, header by header (RFC 6455, section 4.2; RFC 9110, sections 7.8
//! and 15.5.22).

use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::http::{Answer, raw};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;

const CONNECTION: &str = "Connection: Upgrade";
const UPGRADE: &str = "Upgrade: websocket";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";

/// A request that is right, but for its first line.
async fn ask(server: &TestServer, line: &str, headers: &[&str], body: &str) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    raw(server.addr(), format!("{line}\r\nHost: localhost\r\n{headers}\r\n{body}").as_bytes()).await
}

/// The headers of a request that is right, with these in place of one.
fn with<'a>(left_out: &str, headers: &[&'a str]) -> Vec<&'a str> {
    let mut all: Vec<&str> = [CONNECTION, UPGRADE, KEY, VERSION].into_iter().filter(|kept| *kept != left_out).collect();
    all.extend(headers);
    all
}

/// The same, and one more.
fn and<'a>(headers: &[&'a str]) -> Vec<&'a str> {
    with("", headers)
}

#[track_caller]
fn assert_upgrade_required(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 426, "{what}: {answer:?}");
    assert_eq!(answer.header("upgrade"), Some("websocket"), "{what}: {answer:?}");
    assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{what}: {answer:?}");
    // RFC 9110, section 7.8: a proxy that does not understand `Upgrade` must know to remove it.
    let options =
        answer.head.lines().filter_map(|line| line.strip_prefix("connection: ")).collect::<Vec<_>>().join(",");
    assert!(options.split(',').any(|option| option.trim() == "upgrade"), "{what}: {answer:?}");
    assert_sentence(answer.body.trim_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_upgrade_to_this_is_told_what_would_be() {
    let server = TestServer::start();
    for headers in [
        vec![],
        with(CONNECTION, &[]),
        with(CONNECTION, &["Connection: keep-alive"]),
        with(CONNECTION, &["Connection: "]),
        with(UPGRADE, &[]),
        with(UPGRADE, &["Upgrade: "]),
        with(UPGRADE, &["Upgrade: h2c"]),
        with(UPGRADE, &["Upgrade: websocket/13"]),
        with(VERSION, &[]),
        with(VERSION, &["Sec-WebSocket-Version: 8"]),
        with(VERSION, &["Sec-WebSocket-Version: 14"]),
        with(VERSION, &["Sec-WebSocket-Version: 255"]),
    ] {
        assert_upgrade_required(&ask(&server, "GET /ws HTTP/1.1", &headers, "").await, &format!("{headers:?}"));
    }
}

/// Nothing of the kind of 101 may be said to HTTP/1.0, whose upgrades are to be ignored.
#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_is_not_switched() {
    let server = TestServer::start();
    for headers in [and(&[]), and(&["Connection: keep-alive"]), with(CONNECTION, &["Connection: keep-alive, Upgrade"])]
    {
        let answer = ask(&server, "GET /ws HTTP/1.0", &headers, "").await;
        assert_upgrade_required(&answer, &format!("{headers:?}"));
        assert!(answer.body.contains("HTTP/1.1"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_begin_no_session() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        for headers in [with(CONNECTION, &["Connection: Upgrade, close"]), vec!["Connection: close"]] {
            let answer = ask(&server, &format!("{method} /ws HTTP/1.1"), &headers, "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("get")), "{method}: {answer:?}");
        }
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_contradict_each_other_are_refused() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for headers in [
        and(&[KEY]),
        and(&["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]),
        with(KEY, &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="]),
        with(KEY, &["Sec-WebSocket-Key: "]),
        with(KEY, &[]),
        and(&[VERSION]),
        and(&["Sec-WebSocket-Version: 8"]),
        with(VERSION, &["Sec-WebSocket-Version: 8", VERSION]),
        with(VERSION, &["Sec-WebSocket-Version: 13, 8"]),
        with(VERSION, &["Sec-WebSocket-Version: 8, 13"]),
        with(VERSION, &["Sec-WebSocket-Version: "]),
        with(VERSION, &["Sec-WebSocket-Version: thirteen"]),
        with(VERSION, &["Sec-WebSocket-Version: +13"]),
        and(&["Origin: http://localhost", "Origin: http://evil.test"]),
        and(&["Origin: http://localhost", "Origin: http://localhost"]),
        and(&["Sec-WebSocket-Protocol: anteroom.v1.j\u{f6}son"]),
        and(&["Sec-WebSocket-Protocol: chat, ,"]),
    ] {
        let answer = ask(&server, "GET /ws HTTP/1.1", &headers, "").await;
        assert_eq!(answer.status, 400, "{headers:?}: {answer:?}");
        assert_sentence(answer.body.trim_end());
    }
    bystanders.assert_undisturbed(&server).await;
}

/// The bytes behind the head would be taken for the body by one, and for frames by another.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_has_no_body() {
    let server = TestServer::start();
    for (header, body) in [
        ("Content-Length: 5", "hello"),
        ("Content-Length: 5", ""),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n"),
    ] {
        let answer = ask(&server, "GET /ws HTTP/1.1", &and(&[header]), body).await;
        assert_eq!(answer.status, 400, "{header:?}: {answer:?}");
        assert_sentence(answer.body.trim_end());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_may_have_gaps_and_come_in_several_lines() {
    let server = TestServer::start();
    let none: Option<&str> = None;
    for (chosen, headers) in [
        (none, and(&[])),
        (none, with(CONNECTION, &["Connection: keep-alive", "Connection: upgrade"])),
        (none, with(CONNECTION, &["Connection: keep-alive,, UPGRADE ,"])),
        (none, with(UPGRADE, &["Upgrade: h2c, WebSocket"])),
        (none, with(UPGRADE, &["Upgrade: h2c", "Upgrade: websocket"])),
        (none, with(VERSION, &["Sec-WebSocket-Version:  13 "])),
        (none, and(&["Content-Length: 0"])),
        (none, and(&["Sec-WebSocket-Protocol:"])),
        (none, and(&["Sec-WebSocket-Protocol: , ,"])),
        (none, and(&["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Extensions: ;=,"])),
        (Some("anteroom.v1.json"), and(&["Sec-WebSocket-Protocol: , anteroom.v1.json,"])),
        (
            Some("anteroom.v1.bincode"),
            and(&["Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: anteroom.v1.bincode"]),
        ),
        (Some("anteroom.v1.bincode"), and(&["Sec-WebSocket-Protocol:", "Sec-WebSocket-Protocol: anteroom.v1.bincode"])),
    ] {
        let answer = ask(&server, "GET /ws HTTP/1.1", &headers, "").await;
        assert_eq!(answer.status, 101, "{headers:?}: {answer:?}");
        assert_eq!(answer.header("sec-websocket-protocol"), chosen, "{headers:?}");
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pplmbitxaq9kygzzhzrbk+xoo="), "{headers:?}");
        assert_eq!(answer.header("sec-websocket-extensions"), None, "{headers:?}");
    }
}

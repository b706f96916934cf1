//! Connecting where nobody is, and to what is no server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anteroom_client::{CertificateError, Client, ConnectError, ConnectOptions, PathMemory, TransportChoice, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

async fn refused(options: ConnectOptions) -> ConnectError {
    Client::connect(options).await.expect_err("a session with nobody")
}

#[tokio::test]
async fn nobody_answers_at_a_closed_port() {
    // The port was free a moment ago, and is not given out again so soon.
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    drop(socket);
    for transport in
        [TransportChoice::Automatic, TransportChoice::Quic, TransportChoice::WebTransport, TransportChoice::WebSocket]
    {
        let error = refused(ConnectOptions::new(transport, &address)).await;
        assert!(error.nobody_answers(), "{transport}: {error:?}");
    }
}

#[tokio::test]
async fn a_silent_port_is_given_up_in_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let options = ConnectOptions {
        trust: Trust::CertificateHashes(vec![[0; 32]]),
        connect_timeout: Duration::from_millis(50),
        ..ConnectOptions::new(TransportChoice::Quic, address)
    };
    let error = refused(options).await;
    assert!(error.nobody_answers(), "{error:?}");
}

#[tokio::test]
async fn another_program_is_recognised_as_such() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.0 404 Not Found\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let error = refused(ConnectOptions::new(TransportChoice::WebTransport, &address)).await;
    assert!(matches!(error, ConnectError::Certificate(CertificateError::Answer(_))), "{error:?}");
    assert!(!error.nobody_answers());
    let request = serving.await.unwrap();
    assert!(request.starts_with("GET /api/certificate HTTP/1.0\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nHost: {address}\r\n")), "{request}");
}

/// A server that is asked over TCP and refuses everything but its certificate: what it was asked for, one line each. It
/// says that its UDP is somewhere else.
async fn asked_of(address: impl FnOnce(std::net::SocketAddr) -> String, transport: TransportChoice) -> Vec<String> {
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let options = ConnectOptions {
        paths: PathMemory::new(),
        connect_timeout: Duration::from_secs(2),
        ..ConnectOptions::new(transport, address(tcp.local_addr().unwrap()))
    };
    let hash = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let url = format!("https://{}/inner/wt", udp.local_addr().unwrap());
    let body = format!(r#"{{"webtransport_url":"{url}","hashes":[{{"algorithm":"sha-256","value":"{hash}"}}]}}"#);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let lines = asked.clone();
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let answer = match request.contains("/api/certificate") {
                true => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                false => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            lines.lock().unwrap().push(request.lines().next().unwrap().to_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    refused(options).await;
    serving.abort();
    let mut asked = std::mem::take(&mut *asked.lock().unwrap());
    // What was sent there waits there.
    if udp.try_recv_from(&mut [0; 2048]).is_ok() {
        asked.push("over UDP".to_owned());
    }
    asked
}

#[tokio::test]
async fn a_path_prefix_is_in_front_of_everything_that_is_asked_for() {
    let (certificate, over_udp) = ("GET /game/api/certificate HTTP/1.0", "over UDP");
    let websocket = "GET /game/ws HTTP/1.1";
    assert_eq!(asked_of(|addr| format!("http://{addr}/game/"), TransportChoice::WebSocket).await, [websocket]);
    let asked = asked_of(|addr| format!("http://{addr}/game"), TransportChoice::WebTransport).await;
    assert_eq!(asked, [certificate, over_udp]);
    let asked = asked_of(|addr| format!("http://{addr}/game"), TransportChoice::Automatic).await;
    assert_eq!(asked, [certificate, websocket, over_udp]);
    // Where nothing is in front of the server, or the very place is named, that is where it is.
    let asked = asked_of(|addr| format!("http://{addr}/"), TransportChoice::WebTransport).await;
    assert_eq!(asked, ["GET /api/certificate HTTP/1.0"]);
    let asked = asked_of(|addr| format!("https://{addr}/game/wt"), TransportChoice::WebTransport).await;
    assert_eq!(asked, [certificate]);
}

#[tokio::test]
async fn an_address_has_to_be_one() {
    for (transport, address) in [
        (TransportChoice::Quic, "https://127.0.0.1:1/game"),
        (TransportChoice::Automatic, "http://127.0.0.1:1/?room=1"),
        (TransportChoice::WebTransport, "https://ada:secret@127.0.0.1:1/"),
        (TransportChoice::Automatic, "ws://127.0.0.1:1/ws"),
        (TransportChoice::WebSocket, "127.0.0.1:99999"),
    ] {
        let error = refused(ConnectOptions::new(transport, address)).await;
        assert!(matches!(error, ConnectError::Address(_)), "{error:?}");
    }
}

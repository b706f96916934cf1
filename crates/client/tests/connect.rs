//! Connecting where nobody is, and to what is no server.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

use std::time::Duration;

use anteroom_client::{CertificateError, Client, ConnectError, ConnectOptions, TransportChoice, Trust};
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

#[tokio::test]
async fn an_address_has_to_be_one() {
    for (transport, address) in [
        (TransportChoice::Quic, "https://127.0.0.1:1"),
        (TransportChoice::Automatic, "ws://127.0.0.1:1/ws"),
        (TransportChoice::WebSocket, "127.0.0.1:99999"),
    ] {
        let error = refused(ConnectOptions::new(transport, address)).await;
        assert!(matches!(error, ConnectError::Address(_)), "{error:?}");
    }
}

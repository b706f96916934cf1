//! A server behind a proxy that gives it a part of its paths.

use std::net::SocketAddr;

use anteroom_client::{Client, ConnectOptions, PathMemory, Transport, TransportChoice};
use anteroom_tests::in_time;
use anteroom_tests::server::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Passes on what is asked for below `/game`, without that and by the server's own name, as proxies do, and nothing
/// else. It knows nothing of UDP.
async fn proxy(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(near.read_u8().await?);
                }
                let request = String::from_utf8(request).unwrap();
                let Some(rest) = request.strip_prefix("GET /game/") else {
                    return near.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
                };
                let mut far = TcpStream::connect(server).await?;
                let rest = rest.replace(&format!("Host: {addr}"), &format!("Host: {server}"));
                far.write_all(format!("GET /{rest}").as_bytes()).await?;
                copy_bidirectional(&mut near, &mut far).await.map(drop)
            });
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_below_a_path_is_reached_by_every_transport() {
    let server = TestServer::start();
    let proxy = proxy(server.addr()).await;
    for (choice, transport) in [
        (TransportChoice::WebSocket, Transport::WebSocket),
        (TransportChoice::WebTransport, Transport::WebTransport),
        // Raw QUIC could not say which server is meant.
        (TransportChoice::Automatic, Transport::WebTransport),
    ] {
        for address in [format!("http://{proxy}/game/"), format!("{proxy}/game")] {
            let options = ConnectOptions { paths: PathMemory::new(), ..ConnectOptions::new(choice, &address) };
            let client = in_time("a session", Client::connect(options)).await;
            let client = client.unwrap_or_else(|error| panic!("{choice} at {address}: {error}"));
            assert_eq!(client.transport(), transport, "{address}");
            assert!(client.list_rooms(None).await.is_ok());
            client.close().await;
        }
        let elsewhere = Client::connect(ConnectOptions::new(choice, format!("http://{proxy}/"))).await;
        assert!(elsewhere.is_err(), "{choice}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_url_is_an_address_for_every_transport() {
    let server = TestServer::start();
    for (choice, transport) in [
        (TransportChoice::WebSocket, Transport::WebSocket),
        (TransportChoice::WebTransport, Transport::WebTransport),
        (TransportChoice::Quic, Transport::Quic),
        (TransportChoice::Automatic, Transport::Quic),
    ] {
        let address = format!("http://{}/", server.addr());
        let options = ConnectOptions { paths: PathMemory::new(), ..ConnectOptions::new(choice, address) };
        let client = in_time("a session", Client::connect(options)).await.unwrap();
        assert_eq!(client.transport(), transport);
        client.close().await;
    }
    server.shutdown().await;
}

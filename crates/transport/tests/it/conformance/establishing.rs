//! Beginnings: who is let in, where, and on what terms.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::{Codec, LaneId};
use anteroom_transport::quic::Listener;
use anteroom_transport::{Address, Connection, DialError, Dialer, EstablishError, Transport, TransportConfig, Trust};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::foreign::{quinn_client, quinn_connect};
use super::pair::{
    ConnectionExt, Server, certificate, client_config, in_time, record, server_config, tls_pair, upgraded,
};

fn session_endpoint(hash: [u8; 32]) -> wtransport::Endpoint<wtransport::endpoint::endpoint_side::Client> {
    let config = wtransport::ClientConfig::builder()
        .with_bind_address((Ipv4Addr::LOCALHOST, 0).into())
        .build_with_quic_config(quinn_client(b"h3", hash));
    wtransport::Endpoint::client(config).unwrap()
}

async fn both_work(mut client: Connection, mut server: Connection) {
    client.send(LaneId::CONTROL, record(b"{\"up\":1}")).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(server.next_record().await.1, "{\"up\":1}");
    server.send(LaneId(1), record(b"{\"down\":1}")).await.unwrap();
    server.flush().await.unwrap();
    assert_eq!(client.next_record().await.1, "{\"down\":1}");
}

#[tokio::test]
async fn one_socket_serves_both_kinds() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let quic = server.quic().await;
        let session = server.webtransport().await;
        assert_eq!((quic.1.transport(), session.1.transport()), (Transport::Quic, Transport::WebTransport));
        assert!(quic.1.peer_addr().is_some() && session.1.peer_addr().is_some());
        assert!(quic.0.rtt().is_some() && session.0.rtt().is_some());
        both_work(quic.0, quic.1).await;
        both_work(session.0, session.1).await;
    })
    .await;
}

#[tokio::test]
async fn a_session_brings_its_origin_authority_and_path() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let endpoint = session_endpoint(server.hash);
        let dial = async {
            let url = format!("https://{}/wt?a=b", server.address);
            let options =
                wtransport::endpoint::ConnectOptions::builder(url).add_header("origin", "https://game.example").build();
            let client = endpoint.connect(options).await.unwrap();
            let control = client.open_bi().await.unwrap().await.unwrap();
            (client, control)
        };
        let (_client, established) = tokio::join!(dial, server.establish());
        assert_eq!(established.origin.as_deref(), Some("https://game.example"));
        assert_eq!(established.authority, Some(server.address.to_string()));
        assert_eq!(established.path.as_deref(), Some("/wt?a=b"));
    })
    .await;
}

#[tokio::test]
async fn another_path_is_not_found() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let endpoint = session_endpoint(server.hash);
        for path in ["/", "/wtx", "/wt/", "/ws"] {
            let url = format!("https://{}{path}", server.address);
            let (dialed, established) = tokio::join!(endpoint.connect(url), async {
                server.listener.accept().await.unwrap().establish().await
            });
            assert!(matches!(dialed, Err(wtransport::error::ConnectingError::SessionRejected)), "{dialed:?}");
            assert!(matches!(established, Err(EstablishError::NotFound(asked)) if asked == path));
        }
        let (client, connection) = server.webtransport().await;
        both_work(client, connection).await;
    })
    .await;
}

#[tokio::test]
async fn sessions_are_accepted_under_a_prefix_as_well() {
    in_time(async {
        let mut server = Server::start(client_config(), server_config());
        server.listener = server.listener.path_prefix("/game/one");
        let endpoint = session_endpoint(server.hash);
        for path in ["/wt", "/game/one/wt", "/game/one/wt?a=/wt"] {
            let url = format!("https://{}{path}", server.address);
            let dial = async {
                let client = endpoint.connect(url).await.unwrap();
                let control = client.open_bi().await.unwrap().await.unwrap();
                (client, control)
            };
            let (_client, established) = tokio::join!(dial, server.establish());
            assert_eq!(established.path.as_deref(), Some(path));
        }
        for path in ["/game/wt", "/game/one", "/game/one/", "/game/onewt", "/game/one//wt", "/game/one/wt/", "/one/wt"]
        {
            let url = format!("https://{}{path}", server.address);
            let (dialed, established) = tokio::join!(endpoint.connect(url), async {
                server.listener.accept().await.unwrap().establish().await
            });
            assert!(matches!(dialed, Err(wtransport::error::ConnectingError::SessionRejected)), "{path}: {dialed:?}");
            assert!(matches!(established, Err(EstablishError::NotFound(asked)) if asked == path));
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_fails_concerns_nobody_else() {
    in_time(async {
        let config = TransportConfig { establish_timeout: Duration::from_secs(2), ..server_config() };
        let server = &Server::start(client_config(), config);
        let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let addr = (Ipv4Addr::LOCALHOST, server.address.port).into();
        // No protocol in common.
        let dial = endpoint.connect_with(quinn_client(b"h2", server.hash), addr, "localhost").unwrap();
        let (dialed, refused) = tokio::join!(dial, async { server.listener.accept().await.unwrap().establish().await });
        assert!(dialed.is_err());
        assert!(matches!(refused, Err(EstablishError::Handshake(_))), "{refused:?}");
        // Nothing after the QUIC handshake.
        let idle = |alpn| async move { quinn_connect(&server.address, alpn, server.hash).await };
        let give_up = || async { server.listener.accept().await.unwrap().establish().await };
        let (_session, _raw, first, second) = tokio::join!(idle(b"h3"), idle(b"anteroom/1"), give_up(), give_up());
        for refused in [first, second] {
            assert!(matches!(refused, Err(EstablishError::Timeout(_))), "{refused:?}");
        }
        let (client, connection) = server.quic().await;
        both_work(client, connection).await;
    })
    .await;
}

#[tokio::test]
async fn only_certificates_with_a_known_hash_that_are_valid_are_trusted() {
    in_time(async {
        for (days, listed) in [(-1..12, false), (-12..-1, true), (1..12, true), (-1..30, true)] {
            let (tls, hash) = certificate(days);
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let listener = Arc::new(Listener::bind(socket, tls, server_config()).unwrap());
            let address = Address { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
            let dialer =
                Dialer::new(Trust::CertificateHashes(vec![if listed { hash } else { [7; 32] }]), client_config());
            let accepting = tokio::spawn(async move {
                while let Some(incoming) = listener.accept().await {
                    assert!(incoming.establish().await.is_err());
                }
            });
            let refused = dialer.quic(&address).await;
            assert!(matches!(refused, Err(DialError::Handshake(_))), "{refused:?}");
            let refused = dialer.webtransport(&address).await;
            assert!(matches!(refused, Err(DialError::Handshake(_))), "{refused:?}");
            accepting.abort();
        }
    })
    .await;
}

#[tokio::test]
async fn the_system_does_not_trust_a_certificate_of_our_own() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let dialer = Dialer::new(Trust::System, client_config());
        let (refused, _) = tokio::join!(dialer.quic(&server.address), async {
            server.listener.accept().await.unwrap().establish().await
        });
        assert!(matches!(refused, Err(DialError::Handshake(_))), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn a_name_is_tried_at_all_its_addresses() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let address = Address { host: "localhost".into(), port: server.address.port };
        let (client, established) = tokio::join!(server.dialer.webtransport(&address), server.establish());
        both_work(client.unwrap(), established.connection).await;
    })
    .await;
}

#[tokio::test]
async fn stopping_refuses_newcomers_and_nobody_else() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let (client, connection) = server.quic().await;
        server.listener.stop_accepting();
        let refused = tokio::select! {
            refused = server.dialer.quic(&server.address) => refused,
            incoming = server.listener.accept() => panic!("{incoming:?}"),
        };
        assert!(matches!(refused, Err(DialError::Refused(_))), "{refused:?}");
        both_work(client, connection).await;
        let (accepted, ()) = tokio::join!(server.listener.accept(), server.listener.close());
        assert!(accepted.is_none());
    })
    .await;
}

#[tokio::test]
async fn closing_a_listener_tells_everyone() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let (mut client, _connection) = server.webtransport().await;
        let (closed, ()) = tokio::join!(client.until_closed(), server.listener.close());
        assert_eq!(
            closed.to_string(),
            "closed by the peer: 4000 The server is shutting down; connect again in a moment."
        );
    })
    .await;
}

#[tokio::test]
async fn a_certificate_can_be_replaced_while_serving() {
    in_time(async {
        let mut server = Server::start(client_config(), server_config());
        let (client, connection) = server.quic().await;
        let (tls, hash) = certificate(-1..12);
        server.listener.replace_certificate(tls).unwrap();
        let (refused, _) = tokio::join!(server.dialer.quic(&server.address), async {
            server.listener.accept().await.unwrap().establish().await
        });
        assert!(matches!(refused, Err(DialError::Handshake(_))), "{refused:?}");
        server.dialer = Dialer::new(Trust::CertificateHashes(vec![hash]), client_config());
        let new = server.quic().await;
        both_work(new.0, new.1).await;
        both_work(client, connection).await;
    })
    .await;
}

#[tokio::test]
async fn websocket_works_over_tls_with_a_pinned_certificate() {
    in_time(async {
        let (client, server) = tls_pair().await;
        both_work(client, server).await;
    })
    .await;
}

#[tokio::test]
async fn websocket_over_tls_refuses_another_certificate() {
    in_time(async {
        let (tls, _) = certificate(-1..12);
        let acceptor = TlsAcceptor::from(tls.tcp_config().unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("wss://{}/ws", listener.local_addr().unwrap());
        let dialer = Dialer::new(Trust::CertificateHashes(vec![[7; 32]]), client_config());
        let (refused, accepted) = tokio::join!(dialer.websocket(&url, Codec::Json), async {
            acceptor.accept(listener.accept().await.unwrap().0).await.map(drop)
        });
        assert!(matches!(refused, Err(DialError::Handshake(_))), "{refused:?}");
        assert!(accepted.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_session_is_asked_for_at_the_path_that_is_dialed() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let (refused, established) =
            tokio::join!(server.dialer.webtransport_at(&server.address, "/a%20game/wt"), async {
                server.listener.accept().await.unwrap().establish().await
            });
        assert!(matches!(refused, Err(DialError::Refused(_))), "{refused:?}");
        assert!(matches!(established, Err(EstablishError::NotFound(asked)) if asked == "/a%20game/wt"));
        let (client, established) =
            tokio::join!(server.dialer.webtransport_at(&server.address, "/wt"), server.establish());
        both_work(client.unwrap(), established.connection).await;
    })
    .await;
}

/// Made-up addresses cannot fill the places: from some number on, a peer must answer from where it says it is.
#[tokio::test]
async fn many_pending_handshakes_make_newcomers_prove_their_address() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let addr = (Ipv4Addr::LOCALHOST, server.address.port).into();
        let mut pending = Vec::new();
        for _ in 0..64 {
            let dial = endpoint.connect_with(quinn_client(b"h3", server.hash), addr, "localhost").unwrap();
            let incoming = server.listener.accept().await.unwrap();
            assert!(!incoming.is_addr_proven());
            pending.push((dial, incoming));
        }
        let (client, established) = tokio::join!(server.dialer.webtransport(&server.address), async {
            let incoming = server.listener.accept().await.unwrap();
            assert!(incoming.is_addr_proven());
            incoming.establish().await.unwrap()
        });
        both_work(client.unwrap(), established.connection).await;
    })
    .await;
}

#[tokio::test]
async fn dialing_websocket_says_what_is_wrong() {
    in_time(async {
        let dialer = Dialer::new(Trust::CertificateHashes(Vec::new()), client_config());
        for url in ["http://127.0.0.1/ws", "nonsense", "ws://", "", "ws://127.0.0.1/ws#top", "ws://ada:x@127.0.0.1/ws"]
        {
            let error = dialer.websocket(url, Codec::Json).await.unwrap_err();
            assert!(matches!(error, DialError::InvalidAddress(_)), "{url}: {error:?}");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let (refused, ()) = tokio::join!(dialer.websocket(&url, Codec::Json), async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut socket = listener.accept().await.unwrap().0;
            let _ = socket.read(&mut [0; 4096]).await.unwrap();
            socket.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        });
        assert!(matches!(&refused, Err(DialError::Refused(text)) if text.contains("403")), "{refused:?}");
        drop(listener);
        assert!(matches!(dialer.websocket(&url, Codec::Json).await, Err(DialError::Io(_))));
    })
    .await;
}

#[tokio::test]
async fn a_dialer_gives_up_in_time() {
    in_time(async {
        let config = TransportConfig { establish_timeout: Duration::from_millis(200), ..client_config() };
        let dialer = Dialer::new(Trust::CertificateHashes(Vec::new()), config);
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = Address { host: "127.0.0.1".into(), port: silent.local_addr().unwrap().port() };
        assert!(matches!(dialer.quic(&address).await, Err(DialError::Timeout(_))));
        assert!(matches!(dialer.webtransport(&address).await, Err(DialError::Timeout(_))));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        assert!(matches!(dialer.websocket(&url, Codec::Json).await, Err(DialError::Timeout(_))));
    })
    .await;
}

#[tokio::test]
async fn a_connection_outlives_its_dialer_and_listener() {
    in_time(async {
        for kind in [Transport::Quic, Transport::WebTransport] {
            let (client, server) = super::pair::pair(kind).await;
            both_work(client, server).await;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("ws://localhost:{}/ws", listener.local_addr().unwrap().port());
        let dialer = Dialer::new(Trust::CertificateHashes(Vec::new()), client_config());
        let (client, server) = tokio::join!(dialer.websocket(&url, Codec::Bincode), async {
            let (socket, peer) = listener.accept().await.unwrap();
            upgraded(socket, peer, server_config()).await
        });
        both_work(client.unwrap(), server).await;
    })
    .await;
}

//! HTTP/3 below a session, spoken by hand: in every order, and with every rule broken.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_protocol::LaneId;
use anteroom_protocol::record::read_varint;
use anteroom_transport::{Closed, Connection, DatagramRefused, EstablishError, TransportConfig};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, VarInt};

use super::foreign::quinn_connect;
use super::pair::{ConnectionExt, Server, client_config, in_time, record, server_config};

/// A control stream with settings: datagrams, and one that nobody knows.
pub(crate) const SETTINGS: &[u8] = b"\x00\x04\x04\x33\x01\x21\x05";
/// A stream of the session that the first stream asks for, and a record on it.
pub(crate) const STREAM: &[u8] = b"\x40\x41\x00\x02{}";

/// A request with these fields, as literals.
pub(crate) fn request(fields: &[(&str, &str)]) -> Vec<u8> {
    let string = |flags: u8, prefix: u32, text: &str| {
        let max = (1 << prefix) - 1;
        let head = match text.len() {
            short if short < max => vec![flags | short as u8],
            long => vec![flags | max as u8, (long - max) as u8],
        };
        [head, text.into()].concat()
    };
    let line = |(name, value): &(&str, &str)| [string(0x20, 3, name), string(0, 7, value)].concat();
    let section = [vec![0, 0], fields.iter().flat_map(line).collect()].concat();
    headers(&section)
}

pub(crate) fn headers(section: &[u8]) -> Vec<u8> {
    let len = (section.len() as u16 | 0x4000).to_be_bytes();
    [&[1], &len[..], section].concat()
}

pub(crate) fn session(path: &str) -> Vec<u8> {
    session_of("webtransport", path)
}

fn session_of(protocol: &str, path: &str) -> Vec<u8> {
    let (method, protocol) = ((":method", "CONNECT"), (":protocol", protocol));
    request(&[method, protocol, (":scheme", "https"), (":authority", "127.0.0.1"), (":path", path)])
}

/// A client that speaks for itself, and the streams it has opened.
pub(crate) struct Peer {
    pub(crate) client: quinn::Connection,
    unidirectional: Vec<SendStream>,
    pub(crate) bidirectional: Vec<(SendStream, RecvStream)>,
}

impl Peer {
    async fn of(server: &Server) -> Self {
        Self::on(quinn_connect(&server.address, b"h3", server.hash).await)
    }

    pub(crate) fn on(client: quinn::Connection) -> Self {
        Self { client, unidirectional: Vec::new(), bidirectional: Vec::new() }
    }

    /// The server's settings, which come first on its first stream.
    async fn settings(&self) -> BTreeMap<u64, u64> {
        let mut stream = self.client.accept_uni().await.unwrap();
        let mut head = [0; 3];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head[..2], b"\x00\x04");
        let mut payload = vec![0; head[2].into()];
        stream.read_exact(&mut payload).await.unwrap();
        let mut payload = &payload[..];
        let mut number = || {
            let (number, len) = read_varint(payload)?;
            payload = &payload[len..];
            Some(number)
        };
        std::iter::from_fn(|| Some((number()?, number()?))).collect()
    }

    pub(crate) async fn uni(&mut self, bytes: &[u8]) {
        let mut stream = self.client.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        self.unidirectional.push(stream);
    }

    pub(crate) async fn bi(&mut self, bytes: &[u8]) {
        let (mut send, recv) = self.client.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        self.bidirectional.push((send, recv));
    }

    /// How the server closes the connection.
    pub(crate) async fn closed(&self) -> u64 {
        match self.client.closed().await {
            ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("{other:?}"),
        }
    }

    /// What the server does with the last stream: its answer, or its code.
    async fn answer(&mut self) -> Result<Vec<u8>, u64> {
        let (send, mut recv) = self.bidirectional.pop().unwrap();
        drop(send);
        match recv.read_to_end(1000).await {
            Ok(answer) => Ok(answer),
            Err(quinn::ReadToEndError::Read(ReadError::Reset(code))) => Err(code.into_inner()),
            other => panic!("{other:?}"),
        }
    }

    /// A session that stands.
    async fn session(server: &Server) -> (Self, Connection) {
        let dial = async {
            let mut peer = Self::of(server).await;
            peer.uni(SETTINGS).await;
            peer.bi(&session("/wt")).await;
            peer.bi(STREAM).await;
            peer
        };
        let (peer, established) = tokio::join!(dial, server.establish());
        let mut connection = established.connection;
        assert_eq!(connection.next_record().await.1, "{}");
        (peer, connection)
    }
}

#[tokio::test]
async fn a_session_begins_in_any_order() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for step in [1, 1000] {
                let dial = async {
                    let client = quinn_connect(&server.address, b"h3", server.hash).await;
                    let mut settings = client.open_uni().await.unwrap();
                    let (mut first, mut answer) = client.open_bi().await.unwrap();
                    let (mut second, from_second) = client.open_bi().await.unwrap();
                    let request = session("/wt");
                    for part in order {
                        let (stream, bytes) =
                            [(&mut settings, SETTINGS), (&mut first, &request[..]), (&mut second, STREAM)]
                                .into_iter()
                                .nth(part)
                                .unwrap();
                        for bytes in bytes.chunks(step) {
                            stream.write_all(bytes).await.unwrap();
                            tokio::task::yield_now().await;
                        }
                    }
                    let mut status = [0; 17];
                    answer.read_exact(&mut status).await.unwrap();
                    assert_eq!(&status, b"\x01\x0f\x00\x00\x27\x00:status\x03200");
                    (client, settings, first, answer, second, from_second)
                };
                let (_client, mut established) = tokio::join!(dial, server.establish());
                assert_eq!(established.connection.next_record().await.1, "{}", "{order:?}, {step} bytes at a time");
            }
        }
    })
    .await;
}

/// A draft, as a client of it sees it.
struct Draft {
    settings: &'static [u8],
    protocol: &'static str,
    /// What it looks for among the server's settings.
    wanted: &'static [(u64, u64)],
}

/// 2, 7, and 15, which has limits for each session, too; they count only where both sides announce some.
const DRAFTS: [Draft; 3] = [
    Draft {
        settings: b"\x00\x04\x0c\x33\x01\x08\x01\xab\x60\x37\x42\x01\x21\x40\x05",
        protocol: "webtransport",
        wanted: &[(0x2b60_3742, 1)],
    },
    Draft {
        settings: b"\x00\x04\x0b\x33\x01\xc0\x00\x00\x00\xc6\x71\x70\x6a\x01",
        protocol: "webtransport",
        wanted: &[(0xc671_706a, 1)],
    },
    Draft {
        settings: b"\x00\x04\x13\x33\x01\xac\x7c\xf0\x00\x01\x6b\x61\x80\x10\x00\x00\x6b\x64\x0a\x6b\x65\x0a",
        protocol: "webtransport-h3",
        wanted: &[(0x2c7c_f000, 1), (0x2b61, 0), (0x2b64, 0), (0x2b65, 0)],
    },
];

#[tokio::test]
async fn older_and_newer_drafts_are_served() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        for Draft { settings, protocol, wanted } in DRAFTS {
            let dial = async {
                let mut peer = Peer::of(&server).await;
                let theirs = peer.settings().await;
                for (id, value) in [&[(0x08, 1), (0x33, 1)], wanted].concat() {
                    assert_eq!(theirs.get(&id).copied().unwrap_or_default(), value, "{protocol}: {id:#x}");
                }
                peer.uni(settings).await;
                peer.bi(&session_of(protocol, "/wt")).await;
                let mut status = [0; 17];
                peer.bidirectional[0].1.read_exact(&mut status).await.unwrap();
                assert_eq!(&status, b"\x01\x0f\x00\x00\x27\x00:status\x03200", "{protocol}");
                peer.bi(STREAM).await;
                peer
            };
            let (_peer, mut established) = tokio::join!(dial, server.establish());
            assert_eq!(established.connection.next_record().await.1, "{}", "{protocol}");
        }
    })
    .await;
}

/// A client of the later drafts may tell its limits before it knows that there are none.
#[tokio::test]
async fn limits_of_a_session_are_ignored_where_none_were_agreed_on() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let (mut peer, mut connection) = Peer::session(&server).await;
        for kind in [0x190b_4d3d_u32, 0x190b_4d3f, 0x190b_4d40, 0x190b_4d41, 0x190b_4d43, 0x190b_4d44] {
            let capsule = [&b"\x00\x06"[..], &(kind | 0x8000_0000).to_be_bytes(), b"\x01\x00"].concat();
            peer.bidirectional[0].0.write_all(&capsule).await.unwrap();
        }
        // It is about to leave, and says so.
        peer.bidirectional[0].0.write_all(b"\x00\x05\x80\x00\x78\xae\x00").await.unwrap();
        peer.bidirectional[1].0.write_all(b"\x02[]").await.unwrap();
        assert_eq!(connection.next_record().await.1, "[]");
        connection.send(LaneId(1), record(b"{}")).await.unwrap();
        connection.flush().await.unwrap();
        peer.bidirectional[0].0.write_all(b"\x00\x0a\x68\x43\x07\x00\x00\x0f\xa0bye").await.unwrap();
        assert_eq!(connection.until_closed().await, Closed::ByPeer { code: 4000, reason: "bye".into() });
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_a_rule_ends_with_its_number() {
    let request = session("/wt");
    let uni: [(&str, &[&[u8]], u64); 12] = [
        ("settings twice", &[b"\x00\x04\x00\x04\x00"], 0x105),
        ("no settings first", &[b"\x00\x07\x01\x00"], 0x10a),
        ("a reserved setting", &[b"\x00\x04\x02\x02\x00"], 0x109),
        ("a setting twice", &[b"\x00\x04\x04\x33\x01\x33\x01"], 0x109),
        ("settings without an end", &[b"\x00\x04\xff\xff\xff\xff\xff\xff\xff\xff"], 0x107),
        ("a frame of HTTP/2", &[b"\x00\x04\x00\x06\x00"], 0x105),
        ("a second control stream", &[SETTINGS, SETTINGS], 0x103),
        ("a second encoder", &[b"\x02", b"\x02"], 0x103),
        ("a push", &[b"\x01\x00"], 0x103),
        ("an insertion", &[b"\x02\xc0\x0f"], 0x201),
        ("an acknowledgement", &[b"\x03\x84"], 0x202),
        ("a number without an end", &[b"\x03\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"], 0x202),
    ];
    let bi: [(&str, &[&[u8]], u64); 9] = [
        ("settings on a request's stream", &[b"\x04\x00"], 0x105),
        ("data before the request", &[b"\x00\x01x"], 0x105),
        ("an index that is not in the table", &[b"\x01\x04\x00\x00\xff\x24"], 0x200),
        ("an index of the dynamic table", &[b"\x01\x03\x00\x00\x80"], 0x200),
        ("Huffman garbage", &[b"\x01\x08\x00\x00\x51\x84\xff\xff\xff\xff"], 0x200),
        ("a string that is not there", &[b"\x01\x05\x00\x00\x51\x09a"], 0x200),
        ("half a prefix", &[b"\x01\x01\x00"], 0x200),
        ("a stream of no session", &[b"\x40\x41\x01"], 0x108),
        ("a stream that begins late", &[b"\x21\x00\x40\x41\x00"], 0x106),
    ];
    in_time(async {
        let server = Server::start(client_config(), server_config());
        for (what, streams, code) in uni.into_iter().chain(bi) {
            let is_uni = uni.iter().any(|(other, ..)| *other == what);
            let dial = async {
                let mut peer = Peer::of(&server).await;
                for bytes in streams {
                    if is_uni { peer.uni(bytes).await } else { peer.bi(bytes).await }
                }
                (peer.closed().await, peer)
            };
            let establish = async { server.listener.accept().await.unwrap().establish().await };
            let ((closed, _peer), refused) = tokio::join!(dial, establish);
            assert_eq!(closed, code, "{what}");
            assert!(matches!(refused, Err(EstablishError::Handshake(_))), "{what}: {refused:?}");
        }
        let dial = async {
            let mut peer = Peer::of(&server).await;
            peer.bi(&request).await;
            peer.uni(SETTINGS).await;
            peer.unidirectional[0].finish().unwrap();
            (peer.closed().await, peer)
        };
        let establish = async { server.listener.accept().await.unwrap().establish().await };
        let ((closed, _peer), refused) = tokio::join!(dial, establish);
        assert_eq!((closed, refused.is_err()), (0x104, true), "the control stream ends");
    })
    .await;
}

/// How the server takes a flood on streams that the peer makes.
async fn flood(what: impl AsyncFn(&Peer) -> Option<()>) -> (u64, bool) {
    let server = Server::start(client_config(), server_config());
    let dial = async {
        let mut peer = Peer::of(&server).await;
        peer.uni(SETTINGS).await;
        while what(&peer).await.is_some() {}
        peer.closed().await
    };
    let establish = async { server.listener.accept().await.unwrap().establish().await };
    let (closed, refused) = tokio::join!(dial, establish);
    (closed, matches!(refused, Err(EstablishError::Handshake(_))))
}

#[tokio::test]
async fn what_nobody_knows_is_ignored_up_to_a_bound() {
    in_time(async {
        let streams = async |peer: &Peer| {
            let mut stream = peer.client.open_uni().await.ok()?;
            // It is stopped as soon as its kind is known.
            let _ = stream.write_all(b"\x21ignored").await;
            Some(())
        };
        assert_eq!(flood(streams).await, (0x107, true), "streams");
        let requests = async |peer: &Peer| {
            let (mut send, mut recv) = peer.client.open_bi().await.ok()?;
            send.write_all(b"\x01\x02\x00\x00").await.ok()?;
            let _ = recv.read_to_end(100).await;
            Some(())
        };
        assert_eq!(flood(requests).await, (0x107, true), "requests");
        let frame = async |peer: &Peer| {
            let (mut send, _recv) = peer.client.open_bi().await.ok()?;
            send.write_all(b"\x21\xff\xff\xff\xff\xff\xff\xff\xff").await.ok()?;
            while send.write_all(&[0; 10_000]).await.is_ok() {}
            None
        };
        assert_eq!(flood(frame).await, (0x107, true), "a frame of 2^62-1 bytes");
        let empty = async |peer: &Peer| {
            let (mut send, _recv) = peer.client.open_bi().await.ok()?;
            while send.write_all(&b"\x21\x00".repeat(5000)).await.is_ok() {}
            None
        };
        assert_eq!(flood(empty).await, (0x107, true), "empty frames");
    })
    .await;
}

#[tokio::test]
async fn saying_nothing_is_borne_up_to_a_bound() {
    in_time(async {
        let ended = async |peer: &Peer| {
            peer.client.open_uni().await.ok()?.finish().ok();
            Some(())
        };
        assert_eq!(flood(ended).await, (0x107, true), "streams that end at once");
        let reset = async |peer: &Peer| {
            peer.client.open_uni().await.ok()?.reset(VarInt::from_u32(0x10c)).ok();
            Some(())
        };
        assert_eq!(flood(reset).await, (0x107, true), "streams that are given up at once");
        for (what, kind, bytes) in [("encoder", 2, &b"\x20\x20"[..]), ("decoder", 3, b"\x44\x44")] {
            let instructions = async |peer: &Peer| {
                let mut stream = peer.client.open_uni().await.ok()?;
                stream.write_all(&[kind]).await.ok()?;
                while stream.write_all(&bytes.repeat(5000)).await.is_ok() {}
                None
            };
            assert_eq!(flood(instructions).await, (0x107, true), "{what}");
        }
        let server = Server::start(client_config(), server_config());
        for (what, bytes) in [("frames on the control stream", &b"\x07\x01\x00"[..]), ("empty data", b"\x00\x00")] {
            let (mut peer, mut connection) = Peer::session(&server).await;
            let stream = match bytes.len() {
                3 => &mut peer.unidirectional[0],
                _ => &mut peer.bidirectional[0].0,
            };
            let closing = async {
                let ended = connection.until_closed().await;
                connection.close(4005, "flooded").await;
                ended
            };
            let (ended, ()) =
                tokio::join!(closing, async { while stream.write_all(&bytes.repeat(5000)).await.is_ok() {} });
            assert!(matches!(ended, Closed::Flooded(_)), "{what}: {ended:?}");
            assert_eq!(peer.closed().await, 4005, "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_for_something_else_is_answered_and_a_session_still_opens() {
    let status = |status: &str| Ok([b"\x01\x0f\x00\x00\x27\x00:status\x03", status.as_bytes()].concat());
    let get = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/wt")];
    let connect = [(":method", "CONNECT"), (":authority", "a:1")];
    let other = [(":method", "CONNECT"), (":protocol", "websocket"), get[1], get[2], get[3]];
    let no_scheme = [(":method", "CONNECT"), (":protocol", "webtransport"), get[2], get[3]];
    let tunnel = b"\x01\x16\x00\x00\x27\x00:status\x03405\x25allow\x00".to_vec();
    let huge = [&b"\x01\x80\x00\x40\x00"[..], &[0; 100]].concat();
    // Fields that an index of one byte makes long.
    let many = headers(&[&[0, 0][..], &[0xc1; 1000]].concat());
    let cases = [
        (request(&get), status("404")),
        (request(&connect), Ok(tunnel)),
        (request(&other), status("501")),
        (huge, status("431")),
        (many, status("431")),
        (request(&get[..3]), Err(0x10e)),
        (request(&get[1..]), Err(0x10e)),
        (request(&no_scheme), Err(0x10e)),
        (request(&[get[0], get[0], get[1], get[3]]), Err(0x10e)),
        (request(&[get[0], ("Host", "a"), get[1], get[3]]), Err(0x10e)),
        (request(&[&get[..], &[("connection", "close")]].concat()), Err(0x10e)),
        (request(&[&get[..], &[("host", "b")]].concat()), Err(0x10e)),
        // Ended before it was whole.
        (b"\x01\x40".to_vec(), Err(0x10d)),
        (b"\x01\x05\x00\x00".to_vec(), Err(0x10d)),
        (Vec::new(), Err(0x10d)),
    ];
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let count = cases.len() as u64;
        let dial = async {
            let mut peer = Peer::of(&server).await;
            peer.uni(SETTINGS).await;
            for (bytes, expected) in cases {
                peer.bi(&bytes).await;
                assert_eq!(peer.answer().await, expected, "{bytes:x?}");
            }
            peer.bi(&session("/wt")).await;
            // A second session, and a stream of a session that is not this one.
            peer.bi(&session("/wt")).await;
            assert_eq!(peer.answer().await, Err(0x10b));
            peer.bi(STREAM).await;
            assert_eq!(peer.answer().await, Err(0x3994_bd84));
            let quarter = u8::try_from(4 * count).unwrap();
            peer.bi(&[0x40, 0x41, 0x40, quarter, 0x02, b'{', b'}']).await;
            peer
        };
        let (_peer, mut established) = tokio::join!(dial, server.establish());
        assert_eq!(established.connection.next_record().await.1, "{}");
    })
    .await;
}

#[tokio::test]
async fn a_session_that_breaks_a_rule_ends_with_its_number() {
    let cases: [(&str, &[u8], u64); 9] = [
        ("a close that is too short", b"\x00\x06\x68\x43\x03\x00\x00\x0f", 0x10e),
        ("a close that is too long", b"\x00\x04\x68\x43\x44\x05", 0x10e),
        ("a close without an end", b"\x00\x0a\x68\x43\xff\xff\xff\xff\xff\xff\xff\xff", 0x10e),
        ("fields again", b"\x01\x02\x00\x00", 0x105),
        ("settings", b"\x04\x00", 0x105),
        ("a frame of HTTP/2", b"\x08\x00", 0x105),
        ("a stream within", b"\x40\x41\x00", 0x106),
        ("half a frame", b"\x00\x09\x68", 0x106),
        ("half a capsule", b"\x00\x03\x68\x43\x07", 0x10e),
    ];
    in_time(async {
        let server = Server::start(client_config(), server_config());
        for (what, bytes, code) in cases {
            let (mut peer, mut connection) = Peer::session(&server).await;
            let (send, _) = &mut peer.bidirectional[0];
            // What nobody knows is skipped before: a frame, a capsule of its own, DRAIN_WEBTRANSPORT_SESSION.
            send.write_all(b"\x21\x03abc\x00\x03\x17\x01x\x00\x05\x80\x00\x78\xae\x00").await.unwrap();
            send.write_all(bytes).await.unwrap();
            if what.starts_with("half") {
                send.finish().unwrap();
            }
            assert!(matches!(connection.until_closed().await, Closed::Malformed(_)), "{what}");
            assert_eq!(peer.closed().await, code, "{what}");
        }
        // Of no stream, and of one whose number would be 2^62.
        for datagram in [&b""[..], b"\xd0\0\0\0\0\0\0\0\x01x"] {
            let (peer, mut connection) = Peer::session(&server).await;
            peer.client.send_datagram(datagram.to_vec().into()).unwrap();
            assert!(matches!(connection.until_closed().await, Closed::Malformed(_)), "{datagram:x?}");
            assert_eq!(peer.closed().await, 0x33, "{datagram:x?}");
        }
        let (mut peer, mut connection) = Peer::session(&server).await;
        peer.unidirectional[0].write_all(b"\x04\x00").await.unwrap();
        assert!(matches!(connection.until_closed().await, Closed::Malformed(_)));
        assert_eq!(peer.closed().await, 0x105);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_with_its_stream_however_that_ends() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let end: [fn(&mut SendStream); 2] =
            [|stream| stream.finish().unwrap(), |stream| stream.reset(VarInt::from_u32(0x10c)).unwrap()];
        for end in end {
            let (mut peer, mut connection) = Peer::session(&server).await;
            end(&mut peer.bidirectional[0].0);
            assert!(matches!(connection.until_closed().await, Closed::Lost(_)));
            drop(connection);
            assert_eq!(peer.closed().await, 0x100);
        }
    })
    .await;
}

/// A close in pieces, among capsules that nobody knows.
#[tokio::test]
async fn a_capsule_may_be_split_over_frames() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let (mut peer, mut connection) = Peer::session(&server).await;
        let capsules = b"\x17\x02hi\x68\x43\x07\x00\x00\x0f\xa0bye";
        for byte in capsules {
            peer.bidirectional[0].0.write_all(&[0x00, 0x01, *byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(connection.until_closed().await, Closed::ByPeer { code: 4000, reason: "bye".into() });
    })
    .await;
}

#[tokio::test]
async fn a_closing_server_closes_the_session_with_a_capsule() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let (mut peer, connection) = Peer::session(&server).await;
        let (_send, mut recv) = peer.bidirectional.remove(0);
        let reading = async {
            let bytes = recv.read_to_end(100).await.unwrap();
            (bytes, peer.closed().await)
        };
        let ((bytes, closed), ()) = tokio::join!(reading, connection.close(4003, "move over"));
        assert_eq!(&bytes[17..], b"\x00\x10\x68\x43\x0d\x00\x00\x0f\xa3move over");
        assert_eq!(closed, 4003);
    })
    .await;
}

#[tokio::test]
async fn datagrams_are_for_those_who_read_them() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let dial = async {
            let mut peer = Peer::of(&server).await;
            peer.uni(b"\x00\x04\x00").await;
            peer.bi(&session("/wt")).await;
            peer.bi(STREAM).await;
            peer
        };
        let (_peer, mut established) = tokio::join!(dial, server.establish());
        assert_eq!(established.connection.max_datagram_size(), None);
        let refused = established.connection.send_datagram(LaneId(1), b"x");
        assert_eq!(refused, Err(DatagramRefused::Unsupported));
        let (peer, mut connection) = Peer::session(&server).await;
        connection.send_datagram(LaneId(1), b"x").unwrap();
        assert_eq!(peer.client.read_datagram().await.unwrap(), "\u{0}\u{1}x");
        // One of another session is dropped.
        peer.client.send_datagram(b"\x01\x01no".to_vec().into()).unwrap();
        peer.client.send_datagram(b"\x00\x01yes".to_vec().into()).unwrap();
        let read = connection.recv().await.unwrap();
        assert_eq!(read, anteroom_transport::Event::Datagram { lane: LaneId(1), payload: "yes".into() });
    })
    .await;
}

/// Streams of the server's begin with the session they belong to.
#[tokio::test]
async fn a_lane_s_stream_names_its_session() {
    in_time(async {
        let server = Server::start(client_config(), server_config());
        let (peer, mut connection) = Peer::session(&server).await;
        connection.send(LaneId(7), record(b"{\"a\":1}")).await.unwrap();
        connection.flush().await.unwrap();
        let mut settings = peer.client.accept_uni().await.unwrap();
        let mut kind = [0; 2];
        settings.read_exact(&mut kind).await.unwrap();
        assert_eq!(&kind, b"\x00\x04");
        let mut lane = peer.client.accept_uni().await.unwrap();
        let mut bytes = [0; 12];
        lane.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"\x40\x54\x00\x07\x07{\"a\":1}");
    })
    .await;
}

/// Numbers drawn from a seed (SplitMix64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    /// Some of it as it should be, some cut, some changed, some of no meaning.
    fn spoil(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self.below(5) {
            0 => {}
            1 => bytes.truncate(self.below(bytes.len() as u64 + 1) as usize),
            2 => bytes = (0..self.below(200)).map(|_| self.below(256) as u8).collect(),
            _ => {
                for _ in 0..=self.below(3) {
                    let place = self.below(bytes.len() as u64) as usize;
                    bytes[place] = self.below(256) as u8;
                }
            }
        }
        bytes
    }
}

/// Opens streams of spoiled bytes until the server has had enough, or everything is said.
async fn spoiled(server: &Server, seed: u64) -> Result<(), ConnectionError> {
    let client = quinn_connect(&server.address, b"h3", server.hash).await;
    let mut noise = Noise(seed);
    let request = session("/wt");
    let mut streams = Vec::new();
    for bytes in [SETTINGS, b"\x02\x20", b"\x03\x44"] {
        let mut stream = client.open_uni().await?;
        // The server may stop it.
        let _ = stream.write_all(&noise.spoil(bytes)).await;
        streams.push((stream, None));
    }
    for bytes in [&request, STREAM] {
        let (mut send, recv) = client.open_bi().await?;
        let _ = send.write_all(&noise.spoil(bytes)).await;
        streams.push((send, Some(recv)));
    }
    let _ = client.send_datagram(noise.spoil(b"\x00\x01x").into());
    let _ = streams[3].0.write_all(&noise.spoil(b"\x00\x0a\x68\x43\x07\x00\x00\x0f\xa0bye")).await;
    for (stream, _) in &mut streams {
        let _ = stream.finish();
        let _ = stream.stopped().await;
    }
    client.close(0u32.into(), b"");
    Ok(())
}

#[tokio::test]
async fn whatever_arrives_concerns_that_peer_alone() {
    in_time(async {
        let config = TransportConfig { establish_timeout: Duration::from_secs(20), ..server_config() };
        let server = Server::start(client_config(), config);
        for seed in 0..200 {
            let serve = async {
                if let Ok(mut established) = server.listener.accept().await.unwrap().establish().await {
                    established.connection.until_closed().await;
                }
            };
            let (_ended, ()) = tokio::join!(Box::pin(spoiled(&server, seed)), Box::pin(serve));
        }
        let (_peer, _connection) = Peer::session(&server).await;
    })
    .await;
}

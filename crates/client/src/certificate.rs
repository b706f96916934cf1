//! The hash of a development server's certificate, asked for over plain HTTP on this machine.
//!
//! Only a loopback peer is believed: what it says never crossed a network. One short `GET` to a server of our own
//! does not pay for an HTTP client, its connection pool, redirects and proxies; so the request is written by hand, as
//! HTTP/1.0, whose answer is never chunked and ends with the connection. The answer has a bound, the caller a deadline.

use anteroom_transport::Address;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::endpoint::Endpoint;
use crate::error::CertificateError;
use crate::options::TransportChoice;

/// The longest answer, headers included, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 10;
/// The most hashes that are believed: the current certificate's, and a few to come.
const HASHES_MAX: usize = 8;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    webtransport_url: Option<String>,
    hashes: Vec<Hash>,
}

/// What a server on this machine says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// The hashes of its certificates; none if an authority has signed the one it has.
    pub(crate) hashes: Vec<[u8; 32]>,
    /// Where its UDP is, which a proxy in front of its TCP knows nothing of: none if it says nothing sensible.
    pub(crate) udp: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

/// Asks a server on this machine, whose paths begin with a prefix.
pub(crate) async fn fetch(address: &Address, prefix: &str) -> Result<Published, CertificateError> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    if !stream.peer_addr()?.ip().is_loopback() {
        return Err(CertificateError::NotLoopback(address.host.clone()));
    }
    let request =
        format!("GET {prefix}/api/certificate HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await?;
    read(&answer)
}

fn read(answer: &[u8]) -> Result<Published, CertificateError> {
    let unexpected = |what: &str| CertificateError::Answer(what.to_owned());
    if answer.len() as u64 > ANSWER_BYTES_MAX {
        return Err(unexpected("it is too long"));
    }
    let text = std::str::from_utf8(answer).map_err(|_| unexpected("not text; perhaps it expects TLS there"))?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| unexpected("not HTTP"))?;
    let status = head.lines().next().and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1));
    match status {
        Some("200") => {}
        Some(status) => return Err(CertificateError::Answer(format!("status {status:.3}"))),
        None => return Err(unexpected("not HTTP")),
    }
    let answer: Answer = serde_json::from_str(body).map_err(|_| unexpected("not the JSON that was asked for"))?;
    let sha256 = answer.hashes.iter().filter(|hash| hash.algorithm == "sha-256").take(HASHES_MAX);
    let hashes = sha256.map(|hash| decode(&hash.value).ok_or_else(|| unexpected("a hash that is none")));
    let url = answer.webtransport_url.as_deref();
    let udp = url.and_then(|url| Endpoint::parse(url, TransportChoice::WebTransport).ok());
    Ok(Published { hashes: hashes.collect::<Result<_, _>>()?, udp })
}

fn decode(value: &str) -> Option<[u8; 32]> {
    STANDARD.decode(value).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const HASH: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn answer(body: &str) -> String {
        format!("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{body}")
    }

    fn body(algorithm: &str, value: &str) -> String {
        let hash = format!(r#"{{"algorithm":"{algorithm}","value":"{value}","not_after_ms":1}}"#);
        format!(r#"{{"webtransport_url":"https://127.0.0.1:7350/wt","hashes":[{hash}]}}"#)
    }

    #[test]
    fn hashes_are_read() {
        let expected: [u8; 32] = std::array::from_fn(|place| place as u8);
        let published = read(answer(&body("sha-256", HASH)).as_bytes()).unwrap();
        assert_eq!(published.hashes, [expected]);
        let udp = published.udp.unwrap();
        assert_eq!((udp.address.port, &*udp.webtransport_path), (7350, "/wt"));
        assert!(read(answer(&body("sha-512", HASH)).as_bytes()).unwrap().hashes.is_empty());
        let nothing = Published { hashes: vec![], udp: None };
        for body in [r#"{"hashes":[]}"#, r#"{"hashes":[],"webtransport_url":"nonsense://"}"#] {
            assert_eq!(read(answer(body).as_bytes()).unwrap(), nothing);
        }
    }

    #[test]
    fn anything_else_is_said_to_be_so() {
        let reason = |bytes: &[u8]| match read(bytes).unwrap_err() {
            CertificateError::Answer(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(b"HTTP/1.1 404 Not Found\r\n\r\nnothing"), "status 404");
        assert_eq!(reason(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP");
        assert_eq!(reason(b"\x15\x03\x03\x00\x02\x02\xff"), "not text; perhaps it expects TLS there");
        assert_eq!(reason(answer("{}").as_bytes()), "not the JSON that was asked for");
        assert_eq!(reason(answer(&body("sha-256", "AAEC")).as_bytes()), "a hash that is none");
        assert_eq!(reason(&vec![b'x'; ANSWER_BYTES_MAX as usize + 1]), "it is too long");
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
        });
        let address = Address { host: "127.0.0.1".into(), port };
        assert!(matches!(fetch(&address, "").await, Err(CertificateError::Answer(_))));
        server.await.unwrap();
    }
}

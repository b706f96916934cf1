//! Which certificate of a server to trust: one named by its hash, the one that a server on this machine publishes, or
//! those that the system trusts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anteroom_transport::Trust;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::error::BenchError;

const ANSWER_MAX: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 64 << 10;

#[derive(Deserialize)]
struct Published {
    hashes: Vec<Hash>,
}

#[derive(Deserialize)]
struct Hash {
    value: String,
}

/// What to trust. Hashes that are fetched without TLS are believed of this machine only.
pub(crate) fn trust(named: &[[u8; 32]], server: SocketAddr) -> Result<Trust, BenchError> {
    if !named.is_empty() {
        return Ok(Trust::CertificateHashes(named.to_vec()));
    }
    if !server.ip().is_loopback() {
        return Ok(Trust::System);
    }
    let hashes = fetch(server)?;
    Ok(if hashes.is_empty() { Trust::System } else { Trust::CertificateHashes(hashes) })
}

/// Reads a SHA-256: base64 as `anteroom cert` prints it, or hexadecimal digits with or without colons.
pub(crate) fn parse_hash(text: &str) -> Result<[u8; 32], String> {
    if let Some(hash) = STANDARD.decode(text).ok().and_then(|hash| hash.try_into().ok()) {
        return Ok(hash);
    }
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    let hash = bytes.and_then(|bytes| bytes.try_into().ok()).filter(|_| digits.len() == 64);
    hash.ok_or_else(|| "not a SHA-256 in base64 or hexadecimal digits".to_owned())
}

/// What a server publishes; nothing if it speaks TLS on TCP, where it has a certificate that others trust.
fn fetch(server: SocketAddr) -> Result<Vec<[u8; 32]>, BenchError> {
    let cannot = |error: std::io::Error| BenchError::failed(format_args!("cannot reach {server}: {error}"));
    let mut stream = TcpStream::connect_timeout(&server, ANSWER_MAX).map_err(cannot)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(cannot)?;
    write!(stream, "GET /api/certificate HTTP/1.0\r\nHost: {server}\r\n\r\n").map_err(cannot)?;
    let mut answer = Vec::new();
    // What does not answer in HTTP publishes nothing.
    let _ = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let Ok(Published { hashes }) = serde_json::from_str(body) else { return Ok(Vec::new()) };
    Ok(hashes.iter().filter_map(|hash| parse_hash(&hash.value).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_in_base64_and_hexadecimal() {
        let hash: [u8; 32] = std::array::from_fn(|place| place as u8);
        let hex: Vec<String> = hash.iter().map(|byte| format!("{byte:02X}")).collect();
        for text in [STANDARD.encode(hash), hex.join(""), hex.join(":")] {
            assert_eq!(parse_hash(&text), Ok(hash), "{text}");
        }
        for text in ["", "abcd", &"g".repeat(64), &"00".repeat(33)] {
            parse_hash(text).unwrap_err();
        }
    }
}

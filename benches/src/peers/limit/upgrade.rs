//! The answer to an upgrade: the one request that a client of a room server makes.

use std::io;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Longer requests are not for us.
const REQUEST_BYTES_MAX: usize = 4 << 10;

/// The path that is asked for, the answer, and the length of the request, if it is whole.
pub(super) fn answer(bytes: &[u8]) -> io::Result<Option<(&str, String, usize)>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > REQUEST_BYTES_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) };
    };
    let request = std::str::from_utf8(&bytes[..end]).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut lines = request.lines();
    let path = lines.next().and_then(|line| line.strip_prefix("GET ")?.split(' ').next());
    let key = lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case(KEY));
    let (Some(path), Some((_, key))) = (path, key) else { return Err(io::ErrorKind::InvalidData.into()) };
    let accept = derive_accept_key(key.trim().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Ok(Some((path, answer, end + 4)))
}

const KEY: &str = "sec-websocket-key";

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /rooms/7 HTTP/1.1\r\nHost: x\r\nsec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[test]
    fn a_whole_request_is_answered() {
        let bytes = format!("{REQUEST}more");
        let (path, response, len) = answer(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!((path, len), ("/rooms/7", REQUEST.len()));
        // The example of RFC 6455, section 1.3.
        assert!(response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), "{response}");
    }

    #[test]
    fn a_part_is_waited_for_and_others_are_refused() {
        assert!(answer(&REQUEST.as_bytes()[..REQUEST.len() - 1]).unwrap().is_none());
        assert!(answer(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_err());
        assert!(answer(&[b'x'; REQUEST_BYTES_MAX + 1]).is_err());
    }
}

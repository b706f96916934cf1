//! Requests written by hand, so that they can be wrong.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::in_time;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status; 0 if it hung up without one.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// What followed, as text.
    pub body: String,
    /// The same, as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// A header's value, in lower case; of several of that name the first.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

/// Sends `GET path` with these lines of headers and reads the answer to its end. `Host` is right unless given.
///
/// # Panics
/// If the server cannot be reached.
pub async fn get(addr: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    request(addr, "GET", path, headers).await
}

/// The same with another method.
///
/// # Panics
/// If the server cannot be reached.
pub async fn request(addr: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
        request += &format!("Host: {addr}\r\n");
    }
    if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("connection:")) {
        request += "Connection: close\r\n";
    }
    for header in headers {
        request += &format!("{header}\r\n");
    }
    raw(addr, (request + "\r\n").as_bytes()).await
}

/// Sends bytes and reads the answer to its end.
///
/// # Panics
/// If the server cannot be reached.
pub async fn raw(addr: SocketAddr, request: &[u8]) -> Answer {
    let answer = in_time("an HTTP answer", async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        // A server that has heard enough may hang up before it has heard all.
        drop(stream.write_all(request).await);
        let mut bytes = Vec::new();
        while !is_whole(&bytes) && stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {}
        bytes
    });
    let answer = answer.await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once(END_OF_HEAD).unwrap_or((&text, ""));
    let end = answer.windows(END_OF_HEAD.len()).position(|bytes| bytes == END_OF_HEAD.as_bytes());
    let bytes = end.map_or_else(Vec::new, |end| answer[end + END_OF_HEAD.len()..].to_vec());
    Answer { status: status(head), head: head.to_ascii_lowercase(), body: body.to_owned(), bytes }
}

const END_OF_HEAD: &str = "\r\n\r\n";

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Whether an answer has come to its end, as far as it tells; else the server hangs up.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, _)) = text.split_once(END_OF_HEAD) else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
    status(&head) == 101 || length.is_some_and(|length: usize| bytes.len() >= head.len() + END_OF_HEAD.len() + length)
}

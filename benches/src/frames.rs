//! As much of RFC 6455 as a load generator needs: whole, unfragmented frames from a server, and masked ones to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How long a server may take to answer while a run is set up.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Takes whole frames off the front and gives each payload; says how many bytes they were.
pub(crate) fn take_frames(bytes: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    let mut taken = 0;
    while let Some((header, len)) = header(&bytes[taken..]) {
        let Some(payload) = bytes[taken..].get(header..header + len) else { break };
        each(payload);
        taken += header + len;
    }
    taken
}

/// The lengths of a server's frame header and of its payload.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => Some((4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into())),
        127 => Some((10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize)),
        len => Some((2, len.into())),
    }
}

/// A text frame as a client sends it, and where its payload begins. The mask is zero, which leaves the text as it
/// is: the server works the same, and this program changes a number in place.
pub(crate) fn text_frame(payload: &[u8]) -> (Vec<u8>, usize) {
    let mut frame = vec![0x81];
    match u16::try_from(payload.len()) {
        Ok(len @ ..126) => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    let start = frame.len();
    frame.extend_from_slice(payload);
    (frame, start)
}

/// A blocking WebSocket, for setting up.
#[derive(Debug)]
pub(crate) struct Dialed {
    stream: TcpStream,
    /// What was read and not given out.
    early: Vec<u8>,
}

impl Dialed {
    /// Connects and upgrades.
    pub(crate) fn open(addr: SocketAddr, path: &str, subprotocol: Option<&str>) -> Result<Self> {
        Self::over(TcpStream::connect(addr)?, addr, path, subprotocol)
    }

    /// Upgrades a connection.
    pub(crate) fn over(stream: TcpStream, addr: SocketAddr, path: &str, subprotocol: Option<&str>) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        let protocol = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
        let mut dialed = Self { stream, early: Vec::new() };
        write!(
            dialed.stream,
            "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
        )?;
        let end = loop {
            if let Some(end) = memchr::memmem::find(&dialed.early, b"\r\n\r\n") {
                break end + 4;
            }
            dialed.read()?;
        };
        ensure!(dialed.early.starts_with(b"HTTP/1.1 101"), "no upgrade: {}", String::from_utf8_lossy(&dialed.early));
        dialed.early.drain(..end);
        Ok(dialed)
    }

    /// The stream itself; what was read and not given out is lost.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub(crate) fn say(&mut self, payload: &[u8]) -> Result<()> {
        self.write(&text_frame(payload).0)
    }

    /// Sends a frame as it is.
    pub(crate) fn write(&mut self, frame: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(frame)?)
    }

    /// Waits for frames and gives each payload.
    pub(crate) fn hear(&mut self, each: impl FnMut(&[u8])) -> Result<()> {
        self.read()?;
        let taken = take_frames(&self.early, each);
        self.early.drain(..taken);
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let mut space = [0; 4096];
        let read = self.stream.read(&mut space).context("no answer")?;
        ensure!(read > 0, "the server hung up");
        self.early.extend_from_slice(&space[..read]);
        Ok(())
    }
}

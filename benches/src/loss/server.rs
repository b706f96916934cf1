//! The server under test: the program that is shipped, inside the server's namespace.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anteroom_client::Trust;
use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::network::{Namespace, SERVER, ip_program};

/// A server that listens. It ends when it is dropped, and with this process whatever happens to that.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Kept open: a server whose output goes nowhere may end.
    _stdout: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// Starts it on any free port and waits until it listens. Call it on the main thread: the server ends with the
    /// thread that started it.
    pub(crate) fn start(namespace: &Namespace, anteroom: &Path) -> Result<Self> {
        let mut child = Command::new(ip_program())
            // Each of them becomes the program it starts, so the process is the server's in the end.
            .args(["netns", "exec", namespace.name(), "setpriv", "--pdeathsig", "KILL"])
            .arg(anteroom)
            .args([
                "--listen",
                &format!("{SERVER}:0"),
                "--danger-dev-on-network",
                "--log",
                "error",
                "--store",
                "memory",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let stdout = BufReader::new(child.stdout.take().context("the server has no output")?);
        let mut server = Self { child, _stdout: stdout, addr: SocketAddr::from((SERVER, 0)) };
        server.addr = server.listening()?;
        Ok(server)
    }

    fn listening(&mut self) -> Result<SocketAddr> {
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self._stdout.read_line(&mut line)? > 0, "the server ended before it listened");
            if let Some(addr) = line.trim().strip_prefix("listening on ") {
                return Ok(addr.parse()?);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program that is shipped, which is built beside this one.
pub(crate) fn program() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("anteroom");
    ensure!(path.exists(), "there is no {}; benches/loss builds it", path.display());
    Ok(path)
}

/// Asks a server, from inside its namespace, for the hash of its certificate.
pub(crate) fn trust(addr: SocketAddr) -> Result<Trust> {
    let mut stream = TcpStream::connect(addr)?;
    write!(stream, "GET /api/certificate HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    hashes(&response).map(Trust::CertificateHashes)
}

fn hashes(response: &str) -> Result<Vec<[u8; 32]>> {
    let (_, body) = response.split_once("\r\n\r\n").context("no body")?;
    let body: serde_json::Value =
        serde_json::from_str(body).context("no JSON where the certificate's hash should be")?;
    let hashes = body["hashes"].as_array().filter(|hashes| !hashes.is_empty()).context("no hashes")?;
    let hash = |entry: &serde_json::Value| {
        let decoded = STANDARD.decode(entry["value"].as_str().unwrap_or_default())?;
        decoded.try_into().map_err(|_| anyhow!("a hash of another length"))
    };
    hashes.iter().map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_from_an_answer() {
        let value = STANDARD.encode([7; 32]);
        let answer = |body: &str| hashes(&format!("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{body}"));
        assert_eq!(answer(&format!(r#"{{"hashes":[{{"value":"{value}"}}]}}"#)).unwrap(), [[7; 32]]);
        for bad in ["", "{}", r#"{"hashes":[]}"#, r#"{"hashes":[{"value":"AA=="}]}"#] {
            answer(bad).unwrap_err();
        }
    }
}

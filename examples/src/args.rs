//! Command-line arguments that several examples take.

use anteroom_client::{ConnectError, ConnectOptions, RoomId, TransportChoice, Trust};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

/// Where the server is, and who connects.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// The server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7350")]
    pub server: String,

    /// The SHA-256 hash of the server's certificate, in base64 or hexadecimal; as `anteroom cert` prints it. A server on
    /// this machine is asked for it, others need it unless the system trusts their certificate
    #[arg(long, value_name = "HASH", value_parser = certificate_hash)]
    pub cert_hash: Option<[u8; 32]>,

    /// A token (JWT), where guests are not welcome
    #[arg(long)]
    pub token: Option<String>,
}

/// Who plays, and where.
#[derive(Debug, Clone, Args)]
pub struct PlayArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,

    /// The name that others see; the server makes one up without
    #[arg(long)]
    pub name: Option<String>,

    /// The room to play in; without it, any with a free seat, so that two of these find each other
    #[arg(long, value_name = "ID")]
    pub room: Option<RoomId>,

    /// What carries the session: automatic, quic, webtransport or websocket
    #[arg(long)]
    pub transport: Option<TransportChoice>,

    /// A room to watch instead
    #[arg(long, value_name = "ID", conflicts_with = "room")]
    pub watch: Option<RoomId>,
}

impl ServerArgs {
    /// How to connect, over a transport.
    #[must_use]
    pub fn options(&self, transport: TransportChoice) -> ConnectOptions {
        let mut options = ConnectOptions::new(transport, &self.server);
        options.session.token = self.token.clone().map(Into::into);
        match self.cert_hash {
            Some(hash) => options.trust(Trust::CertificateHashes(vec![hash])),
            None => options,
        }
    }

    /// Why there is no connection, and what to do about it.
    #[must_use]
    pub fn explain(&self, error: &ConnectError) -> String {
        let server = &self.server;
        if error.nobody_answers() {
            return format!("No Anteroom server answers at {server}. Start one with `cargo run --release`.");
        }
        let error = crate::printable(&error.to_string());
        format!("Cannot join the server at {server}: {error}")
    }
}

fn certificate_hash(text: &str) -> Result<[u8; 32], &'static str> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let bytes = if digits.len() == 64 {
        let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        pairs.collect()
    } else {
        STANDARD.decode(text).ok()
    };
    bytes.and_then(|bytes: Vec<u8>| bytes.try_into().ok()).ok_or("32 bytes in base64 or hexadecimal expected")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_in_both_forms() {
        let hash: [u8; 32] = std::array::from_fn(|place| place as u8);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let colons = hash.map(|byte| format!("{byte:02X}")).join(":");
        for text in [STANDARD.encode(hash), hex, colons] {
            assert_eq!(certificate_hash(&text), Ok(hash), "{text}");
        }
        for text in ["", "00", &"zz".repeat(32), &"é".repeat(32)] {
            assert!(certificate_hash(text).is_err(), "{text}");
        }
    }
}

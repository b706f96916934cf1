//! How sessions that are to be switched connect: through a relay, and where it is asked, on the record.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anteroom_client::{Codec, ConnectError, ConnectOptions, Connection, Dial, PathMemory, TransportChoice, Trust};
use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_transport::{Dialer, TransportConfig};

use crate::server::{TestServer, address};

/// How long a session may take to begin, and a request to be answered, with everything breaking meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// To a server by way of an address, knowing nothing of what works there.
#[must_use]
pub fn options(server: &TestServer, through: SocketAddr, transport: TransportChoice, name: &str) -> ConnectOptions {
    let trust = Trust::CertificateHashes(vec![server.hash()]);
    let mut options = ConnectOptions::new(transport, through.to_string()).trust(trust).name(name);
    options.paths = PathMemory::new();
    options.connect_timeout = PATIENCE;
    options.session.request_timeout = PATIENCE;
    // These servers are there all the time.
    options.session.away_max = Duration::ZERO;
    options
}

/// What was dialed, in order.
#[derive(Debug, Clone, Default)]
pub struct Dials(Arc<Mutex<Vec<TransportChoice>>>);

impl Dials {
    /// All of it so far.
    ///
    /// # Panics
    /// Never: nothing panics while it is locked.
    #[must_use]
    pub fn all(&self) -> Vec<TransportChoice> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, choice: TransportChoice) {
        self.0.lock().unwrap().push(choice);
    }
}

/// Dials as the client library does, and remembers each time: a session that never dialed again was never without a
/// connection.
#[derive(Debug)]
pub struct RecordingDial {
    dialer: Arc<Dialer>,
    through: SocketAddr,
    dials: Dials,
}

impl RecordingDial {
    /// To a server by way of an address, where so long a silence ends a connection.
    #[must_use]
    pub fn new(server: &TestServer, through: SocketAddr, silence_max: Duration) -> Self {
        let config =
            TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, silence_max, ..TransportConfig::default() };
        let trust = anteroom_transport::Trust::CertificateHashes(vec![server.hash()]);
        Self { dialer: Arc::new(Dialer::new(trust, config)), through, dials: Dials::default() }
    }

    /// What it dials from now on, too.
    #[must_use]
    pub fn dials(&self) -> Dials {
        self.dials.clone()
    }
}

impl Dial for RecordingDial {
    fn dial(
        &self,
        choice: TransportChoice,
        codec: Codec,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>> {
        self.dials.note(choice);
        let (dialer, through) = (self.dialer.clone(), self.through);
        Box::pin(async move {
            Ok(match choice {
                TransportChoice::WebTransport => dialer.webtransport(&address(through)).await?,
                TransportChoice::WebSocket => dialer.websocket(&format!("ws://{through}/ws"), codec).await?,
                _ => dialer.quic(&address(through)).await?,
            })
        })
    }
}

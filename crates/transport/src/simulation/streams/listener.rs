//! How simulated streams begin: connecting, accepting, and the upgrade to WebSocket for servers without HTTP.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use anteroom_protocol::Codec;
use bytes::Bytes;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use super::{Network, Stream};
use crate::config::TransportConfig;
use crate::connection::Connection;
use crate::error::EstablishError;
use crate::simulation::datagrams::wake;
use crate::simulation::state::State;
use crate::websocket;

/// How many streams may wait to be accepted; further ones are refused.
const BACKLOG_MAX: usize = 128;
/// After how long a lost first packet is sent again.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What waits to be accepted at an address.
#[derive(Debug, Default)]
pub(in crate::simulation) struct Backlog {
    waiting: VecDeque<Stream>,
    acceptor: Option<Waker>,
}

/// Accepts simulated streams at one address, which is free again when it is dropped.
#[derive(Debug)]
pub struct StreamListener {
    network: Network,
    local_addr: SocketAddr,
}

impl StreamListener {
    pub(in crate::simulation) fn bind(network: &Network, addr: SocketAddr) -> io::Result<Self> {
        let mut state = network.lock();
        let local_addr = state.pick(addr, |state, addr| state.listeners.contains_key(&addr))?;
        state.listeners.insert(local_addr, Backlog::default());
        drop(state);
        Ok(Self { network: network.clone(), local_addr })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The next stream. Only one task may wait for it.
    ///
    /// Cancel-safe.
    pub async fn accept(&self) -> Stream {
        poll_fn(|cx| {
            let mut state = self.network.lock();
            let Some(backlog) = state.listeners.get_mut(&self.local_addr) else { return Poll::Pending };
            if let Some(stream) = backlog.waiting.pop_front() {
                return Poll::Ready(stream);
            }
            backlog.acceptor = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for StreamListener {
    fn drop(&mut self) {
        let backlog = self.network.lock().listeners.remove(&self.local_addr);
        // The streams in it lock the network themselves.
        drop(backlog);
    }
}

impl State {
    /// How long it takes to find out whether somebody listens.
    fn connect_delay(&mut self) -> Duration {
        let mut delay = self.latency() + self.latency();
        if self.random.chance(self.conditions.loss) {
            delay += CONNECT_AGAIN_AFTER;
        }
        delay
    }

    fn used_for_streams(&self, addr: SocketAddr) -> bool {
        self.listeners.contains_key(&addr) || self.streams.values().any(|route| route.addrs.contains(&addr))
    }
}

impl Stream {
    pub(in crate::simulation) async fn connect(
        network: &Network,
        from: SocketAddr,
        to: SocketAddr,
    ) -> io::Result<Self> {
        let from = network.lock().pick(from, State::used_for_streams)?;
        network.path(from, to).await;
        let delay = network.lock().connect_delay();
        sleep(delay).await;
        network.path(from, to).await;
        if network.lock().listeners.get(&to).is_none_or(|backlog| backlog.waiting.len() == BACKLOG_MAX) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (near, far) = Self::pair(network, from, to);
        if let Some(backlog) = network.lock().listeners.get_mut(&to) {
            backlog.waiting.push_back(far);
            wake(&mut backlog.acceptor);
        }
        Ok(near)
    }

    /// Answers a WebSocket's upgrade on a stream that was accepted, whatever its path, and agrees to the codec that
    /// is asked for. A server with HTTP answers it there.
    ///
    /// Dropping the future ends the stream.
    ///
    /// # Errors
    /// If there is none within [`establish_timeout`](TransportConfig::establish_timeout).
    pub async fn upgrade(self, config: TransportConfig) -> Result<Upgraded, EstablishError> {
        let peer = self.peer_addr;
        let mut asked = (None, String::new());
        #[expect(clippy::result_large_err, reason = "tungstenite's signature")]
        let answer = tokio_tungstenite::accept_hdr_async(self, |request: &Request, response| {
            asked.1 = request.uri().path().to_owned();
            agree(request, response, &mut asked.0)
        });
        let max = config.establish_timeout;
        let stream = timeout(max, answer).await.map_err(|_| EstablishError::Timeout(max))?;
        let stream = stream.map_err(|error| EstablishError::Handshake(error.to_string().into()))?;
        // A client sends nothing before it has the answer, so nothing was read ahead.
        let connection = websocket::accept(stream.into_inner(), Bytes::new(), peer, config);
        let (codec, path) = asked;
        Ok(Upgraded { connection, codec, path })
    }
}

/// Takes the first subprotocol that is known here.
#[expect(clippy::result_large_err, reason = "tungstenite's signature")]
fn agree(request: &Request, mut response: Response, codec: &mut Option<Codec>) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|offered| offered.to_str().ok());
    let mut offered = offered.unwrap_or_default().split(',').map(str::trim);
    *codec = offered.find_map(|name| Codec::ALL.into_iter().find(|codec| codec.subprotocol() == name));
    if let Some(codec) = codec {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(codec.subprotocol()));
    }
    Ok(response)
}

/// A WebSocket on a simulated stream.
#[derive(Debug)]
pub struct Upgraded {
    /// The server's end.
    pub connection: Connection,
    /// What the client asked for by subprotocol.
    pub codec: Option<Codec>,
    /// The path it asked for, without its query.
    pub path: String,
}

impl Network {
    /// Waits until streams pass between two hosts.
    async fn path(&self, from: SocketAddr, to: SocketAddr) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Nothing is missed between the look and the wait.
            changed.as_mut().enable();
            if self.lock().paths.pass_streams(from.ip(), to.ip()) {
                return;
            }
            changed.await;
        }
    }
}

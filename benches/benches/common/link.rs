//! Two connected ends in this process, and records from one to the other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{Batch, BatchBuilder, Codec, Header, LaneId};
use anteroom_transport::{Connection, Event, TransportConfig, websocket};
use bytes::Bytes;
use criterion::{Bencher, Criterion};
use tokio::io::duplex;
use tokio::runtime::{Builder, Runtime};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// How much a duplex stream holds; as much as a few hundred records here.
const DUPLEX_BYTES: usize = 256 << 10;

/// Two ends, and the runtime that they need.
pub(crate) struct Pair {
    runtime: Runtime,
    client: Connection,
    server: Connection,
}

impl Pair {
    /// Connects them, with the transport's bounds.
    pub(crate) fn new(connect: impl Fn(TransportConfig) -> (Connection, Connection)) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (client, server) = {
            let _inside = runtime.enter();
            connect(TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() })
        };
        Self { runtime, client, server }
    }

    /// From the server to the client, as a broadcast goes.
    pub(crate) fn down(&mut self, batch: &Arc<Batch>, count: u32) {
        self.runtime.block_on(carry(&mut self.server, &mut self.client, batch, count));
    }

    /// From the client to the server: masked on a WebSocket.
    pub(crate) fn up(&mut self, batch: &Arc<Batch>, count: u32) {
        self.runtime.block_on(carry(&mut self.client, &mut self.server, batch, count));
    }
}

/// Client and server on a WebSocket, after the handshake.
pub(crate) fn websocket(config: TransportConfig) -> (Connection, Connection) {
    let (near, far) = duplex(DUPLEX_BYTES);
    let client = websocket::connected(near, Bytes::new(), PEER, config);
    (client, websocket::accept(far, Bytes::new(), PEER, config))
}

/// Queues records, writes them all, and takes them out again.
async fn carry(from: &mut Connection, to: &mut Connection, batch: &Arc<Batch>, count: u32) {
    for _ in 0..count {
        from.try_send(LaneId::CONTROL, batch.clone()).expect("there is room");
    }
    from.flush().await.expect("the other end is there");
    for _ in 0..count {
        match to.recv().await.expect("the other end is there") {
            Event::Record { payload, .. } => assert_eq!(payload.len(), batch.payload().len()),
            other => panic!("{other:?} is no record"),
        }
    }
}

/// A batch of messages whose payload is about so many bytes.
pub(crate) fn batch(codec: Codec, bytes: usize) -> Arc<Batch> {
    let mut batch = BatchBuilder::new(codec);
    while batch.len() < bytes {
        batch.push(&Header::new("said"), &"what somebody said".repeat(4)).expect("a text can be encoded");
    }
    Arc::new(batch.finish())
}

/// One way of carrying a record.
pub(crate) fn bench(criterion: &mut Criterion, name: &str, mut pair: Pair, carry: impl Fn(&mut Pair)) {
    criterion.bench_function(name, |bencher: &mut Bencher<'_>| bencher.iter(|| carry(&mut pair)));
}

//! quinn with nothing on top. It keeps the connections it accepts, and relays between those that open a stream: what
//! comes on the streams of a room within a tick goes to all of the room at the tick's end, one write for each peer.
//!
//! Its protocol is one bidirectional stream for each peer, that begins with the room's number in four bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use quinn::{Endpoint, Incoming, SendStream, ServerConfig};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use super::identity::Identity;

/// What its clients and it agree on.
pub(crate) const ALPN: &[u8] = b"bare";
const READ_BYTES: usize = 4 << 10;

type Rooms = Rc<RefCell<BTreeMap<u32, Room>>>;

#[derive(Default)]
struct Room {
    peers: Vec<SendStream>,
    said: BytesMut,
}

/// Serves until it is killed, on one thread; each room is told what was said in it once in so many milliseconds.
pub(crate) fn main(tick_ms: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(Duration::from_millis(tick_ms.max(1))))
}

async fn serve(tick: Duration) -> Result<()> {
    let identity = Identity::new()?;
    println!("certificate-der {}", STANDARD.encode(&identity.certificate));
    let endpoint = Endpoint::server(config(identity)?, "127.0.0.1:0".parse()?)?;
    println!("listening on {}", endpoint.local_addr()?);
    let rooms = Rooms::default();
    spawn_local(tell(rooms.clone(), tick));
    while let Some(incoming) = endpoint.accept().await {
        spawn_local(keep(incoming, rooms.clone()));
    }
    Ok(())
}

fn config(identity: Identity) -> Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(identity.certificate)],
            PrivatePkcs8KeyDer::from(identity.key).into(),
        )?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Ok(ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?)))
}

/// Keeps a connection, and hears its peer if that opens a stream.
async fn keep(incoming: Incoming, rooms: Rooms) -> Result<()> {
    let connection = incoming.await?;
    let (sender, mut receiver) = connection.accept_bi().await?;
    let mut number = [0; 4];
    receiver.read_exact(&mut number).await?;
    let number = u32::from_be_bytes(number);
    rooms.borrow_mut().entry(number).or_default().peers.push(sender);
    let mut space = [0; READ_BYTES];
    while let Some(read) = receiver.read(&mut space).await? {
        if let Some(room) = rooms.borrow_mut().get_mut(&number) {
            room.said.extend_from_slice(&space[..read]);
        }
    }
    Ok(())
}

/// Tells every room what was said in it, tick after tick.
async fn tell(rooms: Rooms, tick: Duration) -> Result<()> {
    let mut ticks = interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let numbers: Vec<u32> = rooms.borrow().keys().copied().collect();
        for number in numbers {
            let Some((said, mut peers)) = take(&rooms, number) else { continue };
            let mut there = Vec::with_capacity(peers.len());
            for mut peer in peers.drain(..) {
                // Whoever is gone is not told again.
                if peer.write_chunk(said.clone()).await.is_ok() {
                    there.push(peer);
                }
            }
            if let Some(room) = rooms.borrow_mut().get_mut(&number) {
                room.peers.append(&mut there);
            }
        }
    }
}

/// What was said in a room and who hears it, if something was.
fn take(rooms: &Rooms, number: u32) -> Option<(bytes::Bytes, Vec<SendStream>)> {
    let mut rooms = rooms.borrow_mut();
    let room = rooms.get_mut(&number).filter(|room| !room.said.is_empty())?;
    Some((room.said.split().freeze(), std::mem::take(&mut room.peers)))
}

//! What is said on one connection alone and does not count: acknowledgements, pongs, what comes before there is a session.
//!
//! Nobody says it again, so it waits here until the connection has taken it. Others write on the connection as well, at
//! any moment; so there is no asking first whether it has room.

use std::collections::VecDeque;
use std::sync::Arc;

use anteroom_protocol::{Batch, LaneId};
use anteroom_transport::Connection;

use crate::carrier::Written;

/// How much memory may wait before nothing more is read: whoever asks for more than it reads waits for itself.
const BYTES_MAX: usize = 64 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Own {
    queue: VecDeque<Arc<Batch>>,
    bytes: usize,
}

impl Own {
    pub(super) fn say(&mut self, batch: Batch) {
        self.bytes += batch.memory_bytes();
        self.queue.push_back(Arc::new(batch));
    }

    /// Whether so much waits that nothing is to be read that may bring more.
    pub(super) fn is_much(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    /// Moves what waits into the connection, as far as it has room. It tells when there is more.
    pub(super) fn write(&mut self, connection: &mut Connection) -> Written {
        let mut written = Written::default();
        while let Some(batch) = self.queue.pop_front() {
            let bytes = batch.memory_bytes();
            if let Err(batch) = connection.try_send(LaneId::CONTROL, batch) {
                self.queue.push_front(batch);
                written.is_full = true;
                break;
            }
            self.bytes -= bytes;
            written.some = true;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use anteroom_protocol::{BatchBuilder, Codec};
    use anteroom_transport::{Event, TransportConfig, websocket};
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);
    /// More than the system takes off a connection's hands, however it is set up, and than may wait there.
    const ROOMS_BYTES: usize = 16 << 20;

    fn batch(text: &str) -> Batch {
        let mut batch = BatchBuilder::new(Codec::Json);
        batch.push_encoded(text.as_bytes());
        batch.finish()
    }

    /// Reads until the stream ends with these words.
    async fn hears(client: &mut TcpStream, words: &str) {
        let mut heard = Vec::new();
        while !heard.ends_with(words.as_bytes()) {
            assert_ne!(client.read_buf(&mut heard).await.unwrap(), 0, "the connection has ended");
            heard.drain(..heard.len().saturating_sub(words.len()));
        }
    }

    /// A room writes past the connection's task while that has an acknowledgement to write.
    #[tokio::test]
    async fn what_a_connection_does_not_take_is_said_when_it_does() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, peer) = listener.accept().await.unwrap();
        let mut connection = websocket::accept_tcp(tcp, Default::default(), peer, TransportConfig::default());
        let direct = connection.direct().unwrap();

        let mut own = Own::default();
        own.say(batch("[\"first\"]"));
        own.say(batch("[\"second\"]"));
        assert!(connection.has_room(LaneId::CONTROL));
        let room = Arc::new(batch(&format!("[{}]", " ".repeat(ROOMS_BYTES))));
        assert!(!direct.open().unwrap().write(&room), "the system takes all of it");

        let written = own.write(&mut connection);
        assert!(written.is_full && !written.some);
        assert_eq!(own.queue.len(), 2);
        let reading = async {
            hears(&mut client, "[\"second\"]").await;
        };
        let writing = async {
            loop {
                assert_eq!(connection.recv().await, Ok(Event::Writable));
                own.write(&mut connection);
            }
        };
        tokio::select! {
            heard = timeout(DEADLINE, reading) => heard.expect("what was refused is lost"),
            () = writing => {}
        }
        assert_eq!((own.queue.len(), own.bytes), (0, 0));
    }
}

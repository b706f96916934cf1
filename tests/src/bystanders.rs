//! Two players in a room of their own, who must not notice what goes wrong elsewhere.

use serde_json::{Value, json};

use crate::peer::{Peer, Via, Way};
use crate::server::TestServer;

/// Two players on different transports and codecs, in one relay room.
#[derive(Debug)]
pub struct Bystanders {
    peers: [Peer; 2],
    room_id: String,
    said: u64,
}

impl Bystanders {
    /// Lets them sit down.
    pub async fn meet(server: &TestServer) -> Self {
        let mut first = Peer::enter(server, Way::json(Via::WebSocket), "Ben").await;
        let mut second = Peer::enter(server, Way::binary(Via::Quic), "Cleo").await;
        let room_id = first.create("relay", json!({})).await;
        second.join(&room_id, "player").await;
        first.expect("client_joined").await;
        Self { peers: [first, second], room_id, said: 0 }
    }

    /// The room they are in.
    #[must_use]
    pub fn room_id(&self) -> &str {
        &self.room_id
    }

    /// Each says something, both hear it, and neither has heard anything else since the last time. A newcomer is
    /// welcome as ever.
    ///
    /// # Panics
    /// If not.
    pub async fn assert_undisturbed(&mut self, server: &TestServer) {
        for speaker in 0..2 {
            self.said += 1;
            let payload = json!({"said": self.said});
            let send = json!({"type": "send", "room_id": self.room_id, "data": {"payload": payload}});
            self.peers[speaker].send(&send).await;
            let from = self.peers[speaker].user_id.clone();
            for peer in &mut self.peers {
                let heard = peer.expect("message").await;
                assert_eq!(heard.data, json!({"from": from, "payload": payload}));
            }
        }
        let mut newcomer = Peer::enter(server, Way::json(Via::WebSocket), "Newcomer").await;
        let pong = newcomer.ask("ping", json!({"ts": 1})).await;
        assert_eq!(pong.data["ts"], Value::from(1));
        newcomer.leave().await;
    }
}

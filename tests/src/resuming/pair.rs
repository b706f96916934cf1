//! Ada, who resumes, and Bob, who stays, in a relay room for two.

use anteroom_protocol::Codec;
use serde_json::{Value, json};

use super::Resuming;
use crate::message::Message;
use crate::peer::{Peer, Via, Way};
use crate::server::TestServer;

/// Another transport.
#[must_use]
pub fn next(via: Via) -> Via {
    match via {
        Via::Quic => Via::WebTransport,
        Via::WebTransport => Via::WebSocket,
        Via::WebSocket => Via::Quic,
    }
}

/// Another transport and another codec.
#[must_use]
pub fn other(way: Way) -> Way {
    Way { via: next(way.via), codec: if way.codec == Codec::Json { Codec::Bincode } else { Codec::Json } }
}

/// From every transport to every transport, in both codecs.
pub fn changes() -> impl Iterator<Item = (Way, Via)> {
    Way::all().flat_map(|way| Via::ALL.into_iter().map(move |to| (way, to)))
}

/// The two of them.
#[derive(Debug)]
pub struct Pair {
    /// The one who resumes; the room's lane is her first.
    pub ada: Resuming,
    /// The one who stays, on another transport and in another codec.
    pub bob: Peer,
    /// Their room.
    pub room_id: String,
}

impl Pair {
    /// Lets them meet as guests.
    pub async fn meet(server: &TestServer, way: Way) -> Self {
        let (ada, bob) = (Resuming::enter(server, way, "Ada").await, Peer::enter(server, other(way), "Bob").await);
        Self::sit_down(ada, bob).await
    }

    /// Lets them sit down.
    pub async fn sit_down(mut ada: Resuming, mut bob: Peer) -> Self {
        let room_id = ada.create("relay", json!({"members_max": 2})).await;
        bob.join(&room_id, "player").await;
        ada.find("client_joined").await;
        Self { ada, bob, room_id }
    }

    /// Bob says numbers, and hears them himself.
    pub async fn bob_says(&mut self, numbers: impl Iterator<Item = u64>) {
        for number in numbers {
            say(&mut self.bob, &self.room_id, number).await;
        }
    }

    /// Ada says a number.
    pub async fn ada_says(&mut self, number: u64) {
        self.ada.say(&self.room_id, json!(number)).await;
    }

    /// Ada hears a number from Bob.
    pub async fn ada_hears(&mut self, number: u64) {
        let bob = self.bob.user_id.clone();
        self.ada.until(&format!("{number} from Bob"), |message| is_said(message, &bob, number)).await;
    }

    /// Bob hears a number from Ada.
    pub async fn bob_hears(&mut self, number: u64) {
        let ada = self.ada.user_id.clone();
        self.bob.until(&format!("{number} from Ada"), |message| is_said(message, &ada, number)).await;
    }

    /// Each says a number, and both hear it.
    pub async fn both_hear(&mut self, number: u64) {
        let ada = self.ada.user_id.clone();
        self.ada_says(number).await;
        self.ada.until("her own word", |message| is_said(message, &ada, number)).await;
        self.bob_hears(number).await;
        self.bob_says(number..=number).await;
        self.ada_hears(number).await;
    }

    /// Bob is told something about Ada.
    ///
    /// # Panics
    /// If it is about somebody else.
    pub async fn bob_is_told(&mut self, kind: &str) -> Message {
        let told = self.bob.find(kind).await;
        assert_eq!(told.data["user_id"], json!(self.ada.user_id), "{told:?}");
        told
    }

    /// The numbers that Ada has heard from Bob on a lane.
    #[must_use]
    pub fn ada_heard(&self, lane: u32) -> Vec<u64> {
        numbers(self.ada.heard(lane, "message"), &self.bob.user_id)
    }
}

/// Whether somebody said a number.
#[must_use]
pub fn is_said(message: &Message, from: &str, number: u64) -> bool {
    message.kind == "message" && message.data["from"] == json!(from) && message.data["payload"] == json!(number)
}

/// The numbers that somebody said.
pub fn numbers<'a>(heard: impl IntoIterator<Item = &'a Message>, from: &str) -> Vec<u64> {
    let said = heard.into_iter().filter(|message| message.kind == "message" && message.data["from"] == json!(from));
    said.filter_map(|message| message.data["payload"].as_u64()).collect()
}

/// Says a number, and hears it.
pub async fn say(peer: &mut Peer, room_id: &str, number: u64) {
    peer.send(&json!({"type": "send", "room_id": room_id, "data": {"payload": number}})).await;
    let me = peer.user_id.clone();
    peer.until("the echo", |message| is_said(message, &me, number)).await;
}

/// Checks that these are all numbers of a range, once and in order.
///
/// # Panics
/// If not.
#[track_caller]
pub fn assert_whole(numbers: &[u64], whole: std::ops::RangeInclusive<u64>) {
    assert!(numbers.iter().copied().eq(whole.clone()), "{whole:?}: {numbers:?}");
}

/// Presents a session on a new connection, and leaves the answer unread.
pub async fn present(server: &TestServer, way: Way, claim: &Value) -> Peer {
    let mut peer = Peer::dial(server, way).await;
    peer.json(&json!({"type": "reconnect", "data": claim})).await;
    peer
}

//! A session on two connections: moving over while everything goes on, being taken over, and beginning twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anteroom_protocol::Codec;
use anteroom_tests::in_time;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::resuming::pair::{Pair, assert_whole, changes, is_said, next, numbers, present};
use anteroom_tests::resuming::{Carrying, Resuming};
use anteroom_tests::server::TestServer;
use serde_json::{Value, json};

/// How many words each says at least on the way to the next connection.
const WORDS: usize = 50;

/// Bob, who talks without end.
struct Talker {
    peer: Peer,
    said: u64,
    heard: Vec<u64>,
}

impl Talker {
    /// Says one number after another, each when the one before has come back, hundreds in a second, until told to stop.
    async fn talk(mut self, room_id: String, ada: String, stop: Arc<AtomicBool>) -> Self {
        let me = self.peer.user_id.clone();
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        while !stop.load(Ordering::Relaxed) {
            pace.tick().await;
            self.said += 1;
            let data = json!({"payload": self.said});
            self.peer.send(&json!({"type": "send", "room_id": room_id, "data": data})).await;
            loop {
                let message = self.peer.next().await;
                self.heard.extend(numbers([&message], &ada));
                if is_said(&message, &me, self.said) {
                    break;
                }
            }
        }
        self
    }
}

/// Ada's side of the talk.
struct Speaker {
    ada: Resuming,
    bob: String,
    room_id: String,
    said: u64,
    /// How many words Bob was heard to say in so much of the log.
    heard: (usize, usize),
}

impl Speaker {
    /// Says numbers, and hears each, until this many were said and as many heard from Bob.
    async fn talk(&mut self, words: usize) {
        let (said, heard) = (self.said + words as u64, self.heard() + words);
        while self.said < said || self.heard() < heard {
            self.said += 1;
            self.ada.say(&self.room_id, json!(self.said)).await;
            let (me, number) = (self.ada.user_id.clone(), self.said);
            self.ada.until("her own word", |message| is_said(message, &me, number)).await;
            self.ada.forget();
        }
    }

    fn heard(&mut self) -> usize {
        let (heard, read) = &mut self.heard;
        *heard += numbers(self.ada.log[*read..].iter().map(|heard| &heard.message), &self.bob).len();
        *read = self.ada.log.len();
        *heard
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_a_session_moves_and_both_talk() {
    let server = TestServer::start();
    for codec in Codec::ALL {
        let Pair { ada, bob, room_id } = Pair::meet(&server, Way { via: Via::WebSocket, codec }).await;
        let stop = Arc::new(AtomicBool::new(false));
        let talker = Talker { peer: bob, said: 0, heard: Vec::new() };
        let bob = talker.peer.user_id.clone();
        let talking = tokio::spawn(talker.talk(room_id.clone(), ada.user_id.clone(), stop.clone()));
        let mut speaker = Speaker { ada, bob, room_id, said: 0, heard: (0, 0) };
        for (place, to) in [Via::Quic, Via::WebTransport, Via::WebSocket].into_iter().enumerate() {
            let answer = speaker.ada.begin_move(&server, to).await;
            assert_eq!(answer.data["lanes"].as_array().unwrap().len(), 1);
            // Until it calls the lanes over, the old connection carries everything.
            speaker.talk(WORDS).await;
            assert_eq!(speaker.ada.ends.len(), place);
            speaker.ada.resume().await;
            speaker.talk(WORDS).await;
            while speaker.ada.ends.len() == place {
                speaker.ada.step().await;
            }
            let end = &speaker.ada.ends[place];
            assert_eq!((end.code, end.goodbye.as_ref().map(|(code, _)| *code)), (4003, Some(4003)), "{to:?}");
        }
        speaker.talk(WORDS).await;
        stop.store(true, Ordering::Relaxed);
        let talker = in_time("the end of the talk", talking).await.unwrap();
        let (bob, last) = (speaker.bob.clone(), talker.said);
        let heard = numbers(speaker.ada.heard(1, "message"), &bob);
        if heard.last() != Some(&last) {
            speaker.ada.until("Bob's last word", |message| is_said(message, &bob, last)).await;
        }
        assert_whole(&numbers(speaker.ada.heard(1, "message"), &bob), 1..=last);
        assert_whole(&numbers(speaker.ada.heard(1, "message"), &speaker.ada.user_id.clone()), 1..=speaker.said);
        assert_whole(&talker.heard, 1..=talker.heard.len() as u64);
        assert_eq!(speaker.ada.heard(1, "lane").count(), 0, "a gap");
        let kinds = ["client_disconnected", "client_reconnected"];
        let seen = talker.peer.unread().iter().filter(|message| kinds.contains(&&*message.kind)).count();
        assert_eq!(seen, 0, "nobody notices a move");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_whose_new_connection_is_lost_is_no_move() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let claim = pair.ada.claim(Carrying::Live);
        let mut unused = present(&server, pair.ada.way(to), &claim).await;
        assert_eq!(unused.expect("reconnect_result").await.success, Some(true));
        pair.both_hear(1).await;
        drop(unused);
        pair.both_hear(2).await;
        // The answer was read by nobody who counts: the token is the old one still.
        pair.ada.move_to(&server, next(to)).await;
        pair.both_hear(3).await;
        assert_whole(&pair.ada_heard(1), 1..=3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_whose_old_connection_is_lost_is_a_resume() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.bob_says(1..=5).await;
        pair.ada.begin_move(&server, to).await;
        pair.ada.lose_oldest();
        pair.bob_says(6..=10).await;
        pair.ada.resume().await;
        pair.ada_hears(10).await;
        assert_whole(&pair.ada_heard(1), 1..=10);
        pair.both_hear(11).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_before_the_move_concerns_the_new_connection_alone() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.begin_move(&server, to).await;
        // The server may be quicker to close than we are to see that all is written.
        drop(pair.ada.raw().try_bytes(Codec::Json, br#"{"type":"goodbye","data":{"code":1000}}"#).await);
        while pair.ada.ends.is_empty() {
            pair.ada.step().await;
        }
        assert_eq!(pair.ada.ends[0].code, 1000, "{way:?}");
        pair.both_hear(1).await;
        pair.ada.move_to(&server, next(to)).await;
        pair.both_hear(2).await;
        assert_whole(&pair.ada_heard(1), 1..=2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_another_takes_over_from_is_told() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let claim = pair.ada.claim(Carrying::Received);
        let mut new = present(&server, pair.ada.way(to), &claim).await;
        assert_eq!(new.find("reconnect_result").await.success, Some(true));
        while pair.ada.ends.is_empty() {
            pair.ada.step().await;
        }
        let end = &pair.ada.ends[0];
        assert_eq!((end.code, end.goodbye.as_ref().map(|(code, _)| *code)), (4509, Some(4509)), "{way:?}");
        let lanes = [new.find("lane").await, new.find("lane").await].map(|message| message.data);
        for lane in lanes {
            assert_eq!(lane["gap"], json!(false), "{way:?}");
        }
    }
}

fn handshake(nonce: &str) -> Value {
    json!({"version": 1, "name": "Ada", "resume": true, "nonce": nonce})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_whose_answer_is_lost_leaves_no_ghost() {
    let server = TestServer::with(|config| config.limits.sessions_max = 1);
    for (way, to) in changes() {
        let mut unheard = Peer::dial(&server, way).await;
        let mut data = handshake("0123456789abcdef");
        if way.codec == Codec::Bincode {
            data["codec"] = json!("bincode");
        }
        unheard.json(&json!({"type": "handshake", "data": data})).await;
        // As if nobody had read it.
        unheard.expect("handshake_accepted").await;
        drop(unheard);
        let mut other = Peer::dial(&server, Way::json(to)).await;
        other.json(&json!({"type": "handshake", "data": handshake("another")})).await;
        other.refused(4004).await;
        let mut ada = Resuming::begin(&server, Way { via: to, codec: way.codec }, handshake("0123456789abcdef")).await;
        // Nothing was ever heard of it, so it is like new.
        ada.ask("list_rooms", json!({})).await;
        let room_id = ada.create("relay", json!({})).await;
        assert!(ada.log.iter().all(|heard| heard.message.kind != "lane"), "{:?}", ada.log);
        ada.reconnect(&server, way.via).await;
        assert_eq!(ada.ask_in(&room_id, "leave_room", json!({})).await.success, Some(true));
        ada.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_repeated_takes_the_session_over() {
    let server = TestServer::start();
    for (place, (way, to)) in changes().enumerate() {
        let nonce = format!("nonce {place}");
        let mut first = Resuming::begin(&server, way, handshake(&nonce)).await;
        let room_id = first.create("relay", json!({})).await;
        let mut bob = Peer::enter(&server, Way::json(Via::WebSocket), "Bob").await;
        bob.join(&room_id, "player").await;
        let mut again = Peer::dial(&server, first.way(to)).await;
        let accepted = again.handshake(handshake(&nonce)).await;
        assert_eq!((&accepted["session_id"], &accepted["user_id"]), (&json!(first.session_id), &json!(first.user_id)));
        while first.ends.is_empty() {
            first.step().await;
        }
        assert_eq!(first.ends[0].code, 4509, "{way:?}");
        let state = again.find("session_state").await;
        assert_eq!(state.data["rooms"], json!([{"lane": 1, "room_id": room_id}]));
        let snapshot = again.find("join_room_result").await;
        assert_eq!(snapshot.data["members"].as_array().unwrap().len(), 2, "no ghost: {snapshot:?}");
        assert_eq!(snapshot.data["members"][0]["connected"], json!(true));
        // Another nonce is another session.
        let mut third = Peer::dial(&server, first.way(to)).await;
        let accepted = third.handshake(handshake(&format!("{nonce}!"))).await;
        assert_ne!(accepted["session_id"], json!(first.session_id));
        third.leave().await;
        again.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_of_one_player() {
    let server = TestServer::in_production(|config| config.auth.guests = true);
    for way in Way::all() {
        let mut sessions = Vec::new();
        for token in [Some("ada"), Some("bob"), None] {
            let mut data = handshake("the same");
            if let Some(user_id) = token {
                data["token"] = json!(anteroom_tests::token::of(user_id));
            }
            let mut peer = Peer::dial(&server, way).await;
            let accepted = peer.handshake(data).await;
            sessions.push((peer, accepted["session_id"].clone()));
        }
        for (place, (_, session)) in sessions.iter().enumerate() {
            assert!(sessions[..place].iter().all(|(_, other)| other != session), "{way:?}");
        }
        for (peer, _) in sessions {
            peer.leave().await;
        }
    }
}

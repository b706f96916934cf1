//! Going on with a session on another connection: whatever happens to the first, everything arrives once and in order,
//! or the gap is told.

use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::resuming::pair::{Pair, assert_whole, changes, is_said, numbers, other, present};
use anteroom_tests::resuming::{Carrying, Resuming};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use serde_json::json;

use crate::puppet::with_puppet;

fn kinds<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<&'a str> {
    messages.into_iter().map(|message| &*message.kind).collect()
}

/// No gap was told.
#[track_caller]
fn assert_no_gap(ada: &Resuming) {
    assert!(ada.log.iter().all(|heard| heard.message.kind != "lane"), "{:?}", ada.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_once_after_a_loss_and_the_seat_is_kept() {
    let server = TestServer::start();
    let mut cleo = Peer::enter(&server, Way::json(Via::WebSocket), "Cleo").await;
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.bob_says(1..=20).await;
        pair.ada_hears(10).await;
        pair.ada.cut();
        let lost = pair.bob_is_told("client_disconnected").await;
        assert_eq!((&lost.data["username"], &lost.data["grace_ms"]), (&json!("Ada"), &json!(60000)));
        let refused = cleo.ask("join_room", json!({"room_id": pair.room_id})).await;
        assert_eq!(refused.code(), "room_full", "{way:?}");
        pair.bob_says(21..=40).await;
        pair.ada.reconnect(&server, to).await;
        assert_eq!(pair.bob_is_told("client_reconnected").await.data["username"], "Ada");
        pair.bob_says(41..=60).await;
        pair.ada_hears(60).await;
        assert_whole(&pair.ada_heard(1), 1..=60);
        assert_no_gap(&pair.ada);
        let refused = cleo.ask("join_room", json!({"room_id": pair.room_id})).await;
        assert_eq!(refused.code(), "room_full", "{way:?}");
        pair.both_hear(61).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_just_before_a_cut_is_applied_once() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let (room_id, me) = (pair.room_id.clone(), pair.ada.user_id.clone());
        let mut asked = Vec::new();
        for number in 1..=90 {
            asked.push(pair.ada.request_in(&room_id, "send", json!({"payload": number})).await);
            if number % 30 == 0 {
                // Whatever is on its way, in both directions, is lost.
                pair.ada.reconnect(&server, to).await;
            }
        }
        for n in asked {
            assert_eq!(pair.ada.answer(n).await.success, Some(true), "{way:?}");
        }
        pair.ada.until("the last echo", |message| is_said(message, &me, 90)).await;
        assert_whole(&numbers(pair.ada.heard(1, "message"), &me), 1..=90);
        assert_eq!(pair.ada.heard(1, "send_result").count(), 90, "{way:?}");
        assert!(pair.ada.unknown.is_empty(), "{way:?}");
        pair.ada_says(91).await;
        let mut heard = Vec::new();
        while heard.last() != Some(&91) {
            heard.extend(numbers([&pair.bob.find("message").await], &me));
        }
        assert_whole(&heard, 1..=91);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_value_is_there_after_a_loss() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let room_id = pair.room_id.clone();
        let tell = |number: u64, delivery: &str| {
            let data = json!({"payload": number, "delivery": delivery, "key": "place"});
            json!({"type": "send", "room_id": room_id, "data": data})
        };
        pair.bob.send(&tell(1, "latest")).await;
        pair.ada_hears(1).await;
        pair.ada.cut();
        pair.bob_is_told("client_disconnected").await;
        for number in 2..=9 {
            pair.bob.send(&tell(number, if number % 2 == 0 { "latest" } else { "reliable" })).await;
        }
        pair.bob.send(&tell(10, "latest")).await;
        let bob = pair.bob.user_id.clone();
        pair.bob.until("his own word", |message| is_said(message, &bob, 10)).await;
        pair.ada.reconnect(&server, to).await;
        pair.ada_hears(10).await;
        let heard = pair.ada_heard(1);
        // What was on its way when the connection was lost may come again, never behind what is newer.
        assert_eq!(heard.iter().filter(|number| *number % 2 == 1 && **number > 1).count(), 4, "{way:?}: {heard:?}");
        assert!(heard.ends_with(&[3, 5, 7, 9, 10]), "{way:?}: {heard:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_reconnect_that_is_lost_does_no_harm() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.cut();
        pair.bob_is_told("client_disconnected").await;
        for _ in 0..3 {
            let claim = pair.ada.claim(Carrying::Received);
            let unheard = present(&server, pair.ada.way(to), &claim).await;
            pair.bob_is_told("client_reconnected").await;
            drop(unheard);
            pair.bob_is_told("client_disconnected").await;
        }
        pair.bob_says(1..=9).await;
        // The same token once more.
        pair.ada.reconnect(&server, to).await;
        pair.ada_hears(9).await;
        assert_whole(&pair.ada_heard(1), 1..=9);
        pair.both_hear(10).await;
        assert_no_gap(&pair.ada);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_over_when_nobody_comes_back_in_time() {
    let server = TestServer::with(|config| config.times.grace_ms = 300);
    for way in Way::all() {
        let to = other(way).via;
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.cut();
        assert_eq!(pair.bob_is_told("client_disconnected").await.data["grace_ms"], json!(300));
        assert_eq!(pair.bob_is_told("client_left").await.data["reason"], "timed_out");
        let claim = pair.ada.claim(Carrying::Received);
        let mut late = present(&server, pair.ada.way(to), &claim).await;
        let refused = late.expect("reconnect_result").await;
        assert_eq!(refused.code(), "session_unknown", "{way:?}");
        assert_sentence(&refused.error.unwrap().message);
        late.handshake(json!({"version": 1, "name": "Ada"})).await;
        assert_eq!(late.join(&pair.room_id, "player").await["seat"], json!(0), "{way:?}: the seat is free");
        late.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_ends_the_session_at_once() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let (claim, way) = (pair.ada.claim(Carrying::Received), pair.ada.way(to));
        let ada = pair.ada.user_id.clone();
        pair.ada.leave().await;
        let left = pair.bob.find("client_left").await;
        assert_eq!((&left.data["user_id"], &left.data["reason"]), (&json!(ada), &json!("left")), "{way:?}");
        let mut late = present(&server, way, &claim).await;
        assert_eq!(late.expect("reconnect_result").await.code(), "session_unknown", "{way:?}");
    }
}

/// Ada's room ended for her while she was away: she hears what was said, then why, and nothing more.
async fn hears_the_end(server: &TestServer, ada: &mut Resuming, to: Via, last: &str) {
    let answer = ada.reconnect(server, to).await;
    assert_eq!(answer.data["lanes"].as_array().unwrap().len(), 1, "{answer:?}");
    ada.find(last).await;
    ada.acknowledge().await;
    ada.raw().send(&json!({"type": "ping"})).await;
    ada.find("pong").await;
    assert_eq!(ada.log.iter().rfind(|heard| heard.lane == 1).unwrap().message.kind, last);
    assert_no_gap(ada);
    // What is acknowledged is over.
    let answer = ada.reconnect(server, to).await;
    assert_eq!(answer.data["lanes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_was_left_just_before_the_cut_says_its_last_word() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.bob_says(1..=5).await;
        let room_id = pair.room_id.clone();
        let left = pair.ada.request_in(&room_id, "leave_room", json!({})).await;
        assert_eq!(pair.bob_is_told("client_left").await.data["reason"], "left");
        pair.ada.cut();
        pair.bob_says(6..=7).await;
        hears_the_end(&server, &mut pair.ada, to, "leave_room_result").await;
        assert_eq!(pair.ada.heard(1, "leave_room_result").next().unwrap().reference, Some(json!(left)));
        assert_whole(&pair.ada_heard(1), 1..=5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_taken_by_another_session_of_the_same_player_is_told_later() {
    let server = TestServer::in_production(|_| ());
    for (way, to) in changes() {
        let ada = Resuming::enter_as(&server, way, "ada").await;
        let bob = Peer::enter_as(&server, other(way), "bob").await;
        let mut pair = Pair::sit_down(ada, bob).await;
        pair.ada.cut();
        pair.bob_is_told("client_disconnected").await;
        pair.bob_says(1..=5).await;
        let mut second = Peer::enter_as(&server, other(way), "ada").await;
        assert_eq!(second.join(&pair.room_id, "player").await["seat"], json!(0));
        pair.bob_is_told("client_reconnected").await;
        pair.bob_says(6..=7).await;
        hears_the_end(&server, &mut pair.ada, to, "room_closed").await;
        assert_eq!(pair.ada.heard(1, "room_closed").next().unwrap().data["reason"], "replaced");
        assert_whole(&pair.ada_heard(1), 1..=5);
        // Taking it back is as good, and the lane is a new one.
        assert_eq!(pair.ada.join(&pair.room_id, "player").await["lane"], json!(2));
        assert_eq!(second.find("room_closed").await.data["reason"], "replaced");
        pair.both_hear(8).await;
        assert_eq!(pair.ada_heard(2), [8]);
        second.leave().await;
        pair.bob.leave().await;
        pair.ada.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_failed_meanwhile_is_told_later() {
    let server = TestServer::with_games(with_puppet(), |_| ());
    for (way, to) in changes() {
        let mut ada = Resuming::enter(&server, way, "Ada").await;
        let room_id = ada.create("puppet", json!({})).await;
        let mut bob = Peer::enter(&server, other(way), "Bob").await;
        bob.join(&room_id, "player").await;
        ada.cut();
        bob.find("client_disconnected").await;
        assert_eq!(bob.ask_in(&room_id, "live", json!({})).await.success, Some(true));
        bob.send(&json!({"type": "panic", "room_id": room_id})).await;
        bob.find("room_closed").await;
        hears_the_end(&server, &mut ada, to, "room_closed").await;
        let heard = ada.log.iter().filter(|heard| heard.lane == 1).map(|heard| &heard.message);
        assert_eq!(kinds(heard), ["create_room_result", "client_joined", "system", "alive", "room_closed"], "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_was_left_and_joined_again_has_two_lanes() {
    let server = TestServer::start();
    for (way, to) in changes() {
        for read in [0, 2, 5, 7, 10] {
            let mut pair = Pair::meet(&server, way).await;
            let room_id = pair.room_id.clone();
            pair.bob_says(1..=5).await;
            pair.ada.request_in(&room_id, "leave_room", json!({})).await;
            pair.ada.request("join_room", json!({"room_id": room_id})).await;
            pair.bob_is_told("client_left").await;
            pair.bob_is_told("client_joined").await;
            pair.bob_says(6..=10).await;
            for _ in 0..read {
                pair.ada.next().await;
            }
            pair.ada.cut();
            pair.bob_says(11..=15).await;
            let answer = pair.ada.reconnect(&server, to).await;
            let lanes: Vec<_> = answer.data["lanes"].as_array().unwrap().iter().map(|row| &row["room_id"]).collect();
            assert!(lanes.iter().all(|room| **room == json!(room_id)), "{answer:?}");
            pair.bob_says(16..=20).await;
            pair.ada_hears(20).await;
            // No order between lanes: the end of the first may come last.
            while pair.ada.heard(1, "leave_room_result").count() == 0 {
                pair.ada.step().await;
            }
            assert_whole(&pair.ada_heard(1), 1..=5);
            assert_whole(&pair.ada_heard(2), 6..=20);
            let ends = |lane: u32| pair.ada.log.iter().rfind(|heard| heard.lane == lane).unwrap().message.kind.clone();
            assert_eq!(ends(1), "leave_room_result", "{way:?} {read}");
            pair.both_hear(21).await;
            assert!(pair.ada.unknown.is_empty());
        }
    }
}

/// Whether the server had time to take them or not: the client's idea of where it is and the room's are the same.
#[tokio::test(flavor = "multi_thread")]
async fn leaving_and_joining_in_the_moment_of_a_cut_leaves_no_doubt() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let room_id = pair.room_id.clone();
        let left = pair.ada.request_in(&room_id, "leave_room", json!({})).await;
        let joined = pair.ada.request("join_room", json!({"room_id": room_id})).await;
        pair.ada.reconnect(&server, to).await;
        assert_eq!(pair.ada.answer(left).await.success, Some(true), "{way:?}");
        let joined = pair.ada.answer(joined).await;
        assert!(matches!(joined.code(), "" | "already_in_room"), "{way:?}: {joined:?}");
        pair.bob_is_told("client_left").await;
        if joined.success == Some(true) {
            pair.bob_is_told("client_joined").await;
            pair.both_hear(1).await;
            assert_eq!((pair.ada_heard(1), pair.ada_heard(2)), (vec![], vec![1]));
        } else {
            assert_eq!(pair.ada.lane_of(&room_id), None, "{way:?}");
            assert_eq!(pair.ada.join(&room_id, "player").await["lane"], json!(2));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_start_gets_a_snapshot_of_everything() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let table = pair.ada.create("tic_tac_toe", json!({})).await;
        pair.ada.ask("subscribe_rooms", json!({"game": "tic_tac_toe"})).await;
        pair.bob_says(1..=5).await;
        pair.ada_hears(5).await;
        let mut ada = pair.ada.restarted();
        let answer = ada.reconnect_fresh(&server, to).await;
        let both = json!([{"lane": 1, "room_id": pair.room_id}, {"lane": 2, "room_id": table}]);
        assert_eq!(answer.data["lanes"], both, "{way:?}");
        let state = ada.find("session_state").await;
        assert_eq!(state.data["rooms"], both);
        assert_eq!(state.data["subscriptions"][0]["to"], "rooms");
        assert_eq!(state.data["subscriptions"][0]["game"], "tic_tac_toe");
        for (lane, room_id) in [(1, &pair.room_id), (2, &table)] {
            let named = |message: &Message| message.room_id.as_ref() == Some(room_id);
            let gap = ada.until("a gap", |message| message.kind == "lane" && named(message)).await;
            assert_eq!((&gap.data["lane"], &gap.data["gap"]), (&json!(lane), &json!(true)));
            let snapshot =
                ada.until("a snapshot", |message| message.kind == "join_room_result" && named(message)).await;
            assert_eq!((&snapshot.data["lane"], &snapshot.data["seat"]), (&json!(lane), &json!(0)));
            assert!(snapshot.data["view"].is_object(), "{snapshot:?}");
        }
        pair.ada = ada;
        pair.both_hear(6).await;
        assert_eq!(pair.ada_heard(1), [6]);
        assert!(pair.ada.ask_in(&table, "leave_room", json!({})).await.success.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_keeps_no_count_comes_back_to_a_snapshot() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let ada = Resuming::begin(&server, way, json!({"version": 1, "name": "Ada"})).await;
        let bob = Peer::enter(&server, other(way), "Bob").await;
        let mut pair = Pair::sit_down(ada, bob).await;
        pair.ada.ask("list_rooms", json!({})).await;
        pair.bob_says(1..=5).await;
        pair.ada_hears(5).await;
        pair.ada.cut();
        pair.bob_is_told("client_disconnected").await;
        pair.bob_says(6..=9).await;
        pair.ada.forget();
        pair.ada.reconnect(&server, to).await;
        pair.bob_is_told("client_reconnected").await;
        let snapshot = pair.ada.find("join_room_result").await;
        assert_eq!(snapshot.data["members"].as_array().unwrap().len(), 2);
        pair.ada.find("session_state").await;
        pair.both_hear(10).await;
        assert_eq!(pair.ada_heard(1), [1, 2, 3, 4, 5, 10], "{way:?}");
        assert_eq!(pair.ada.heard(1, "lane").count(), 1);
        assert_eq!(pair.ada.heard(0, "lane").count(), 1);
    }
}

/// An acknowledgement may overtake the counts that were sent before it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_does_not_come_again() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.acknowledges = false;
        for _ in 0..6 {
            pair.ada.ask("list_rooms", json!({})).await;
        }
        pair.ada.raw().send(&json!({"type": "ack", "data": {"0": 5, "1": 2, "77": 9}})).await;
        // Less than before says nothing.
        pair.ada.raw().send(&json!({"type": "ack", "data": {"0": 2}})).await;
        pair.ada.raw().send(&json!({"type": "ping"})).await;
        pair.ada.find("pong").await;
        pair.ada.cut();
        let mut claim = pair.ada.claim(Carrying::Received);
        claim["received"] = json!({"0": 1, "1": 0, "77": 9});
        pair.ada.present(&server, to, claim).await;
        pair.both_hear(1).await;
        pair.ada.ask("list_rooms", json!({})).await;
        // One on each lane was not acknowledged.
        assert_eq!(pair.ada.repeated, 2, "{way:?}");
        assert_no_gap(&pair.ada);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_its_codec() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut pair = Pair::meet(&server, way).await;
        pair.bob_says(1..=5).await;
        pair.ada.cut();
        let wrong = Way { via: Via::WebSocket, codec: other(way).codec };
        let mut peer = present(&server, wrong, &pair.ada.claim(Carrying::Received)).await;
        let refused = peer.expect("reconnect_result").await;
        assert_eq!((refused.code(), refused.success), ("invalid_data", Some(false)), "{way:?}");
        assert_sentence(&refused.error.unwrap().message);
        pair.ada.reconnect(&server, Via::WebSocket).await;
        pair.ada_hears(5).await;
        pair.both_hear(6).await;
        assert_whole(&pair.ada_heard(1), 1..=6);
        // The other connection may still begin a session of its own.
        peer.handshake(json!({"version": 1})).await;
    }
}

/// How many rooms of that name there are, once there is one: it is not listed before anybody is connected there.
async fn rooms_named(peer: &mut Peer, name: &str) -> usize {
    loop {
        let list = peer.ask("list_rooms", json!({})).await;
        let named = list.data["rooms"].as_array().unwrap().iter().filter(|room| room["name"] == json!(name)).count();
        if named > 0 {
            return named;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_made_once_however_the_connection_fares() {
    let server = TestServer::start();
    let mut watcher = Peer::enter(&server, Way::json(Via::WebSocket), "Wes").await;
    for (place, (way, to)) in changes().enumerate() {
        for waits in [false, true] {
            let mut ada = Resuming::enter(&server, way, "Ada").await;
            let name = format!("room {place} {waits}");
            let asked = ada.request("create_room", json!({"game": "relay", "name": name})).await;
            if waits {
                rooms_named(&mut watcher, &name).await;
            }
            ada.reconnect(&server, to).await;
            let created = ada.answer(asked).await;
            assert_eq!((created.success, &created.data["lane"]), (Some(true), &json!(1)), "{way:?}");
            rooms_named(&mut watcher, &name).await;
            ada.reconnect(&server, to).await;
            assert_eq!(rooms_named(&mut watcher, &name).await, 1, "{way:?}");
            let room_id = created.room_id.unwrap();
            assert_eq!(ada.ask_in(&room_id, "leave_room", json!({})).await.success, Some(true));
            ada.leave().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_who_is_away() {
    for way in Way::all() {
        let server = TestServer::start();
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.cut();
        pair.bob_is_told("client_disconnected").await;
        let bob = tokio::spawn(pair.bob.refused(4000));
        // Ends in time, which `shutdown` checks.
        server.shutdown().await;
        let end = bob.await.unwrap();
        assert_eq!(end.rest.last().unwrap().data["reason"], "shutting_down", "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_what_it_has_taken() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut pair = Pair::meet(&server, way).await;
        // Nothing answers these; 64 are acknowledged at once, fewer a second later.
        for number in 1..=64 {
            pair.ada_says(number).await;
        }
        while pair.ada.kept() > 0 {
            pair.ada.step().await;
        }
        pair.ada.reconnect(&server, other(way).via).await;
        pair.both_hear(65).await;
        assert_whole(&numbers(pair.ada.heard(1, "message"), &pair.ada.user_id.clone()), 1..=65);
    }
}

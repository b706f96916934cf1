//! What some send into a room leaves the others their places: nobody is `busy` for what somebody else does.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod players;

use players::{Player, send, server};
use serde_json::{Value, json};

/// How many flood, and how many batches of 256 each of them sends.
const FLOODS: usize = 40;
const BATCHES: usize = 12;

/// Lets many flood a room, and somebody say something there each time when a batch of the first is answered; gives the
/// answers that the floods and the quiet one have heard.
async fn beside_floods(role: &'static str) -> (Vec<Value>, Vec<Value>) {
    let server = server();
    let mut quiet = Player::enter(&server).await;
    let room_id = quiet.create("relay", json!({"flush": "tick", "tick_ms": 1000})).await;
    let mut floods = Vec::new();
    for _ in 0..FLOODS {
        let mut player = Player::enter(&server).await;
        player.join(&room_id, role).await;
        let room_id = room_id.clone();
        floods.push(tokio::spawn(async move {
            // Only the newest is kept of what it says, so that nobody has to hear it all.
            let latest = json!({"type": "send", "ref": 0, "room_id": room_id,
                                "data": {"payload": 1, "delivery": "latest"}});
            let mut answers = Vec::new();
            for _ in 0..BATCHES {
                player.say(&vec![latest.clone(); 256]).await;
                for _ in 0..256 {
                    answers.push(player.hear("send_result").await);
                }
            }
            answers
        }));
    }
    let mut heard = Vec::new();
    while floods.iter().any(|flood| !flood.is_finished()) {
        quiet.say(&[send(&room_id, 0, &json!("quiet"))]).await;
        heard.push(quiet.hear("send_result").await);
    }
    let mut answers = Vec::new();
    for flood in floods {
        answers.extend(flood.await.unwrap());
    }
    (answers, heard)
}

fn codes(answers: &[Value]) -> std::collections::BTreeSet<&str> {
    answers.iter().map(|answer| answer["error"]["code"].as_str().unwrap_or("none")).collect()
}

#[tokio::test(start_paused = true)]
async fn players_who_flood_make_only_themselves_busy() {
    let (floods, quiet) = beside_floods("player").await;
    assert!(codes(&floods).contains("busy"), "it was a flood");
    assert_eq!(codes(&quiet), ["none"].into(), "{} answers", quiet.len());
}

#[tokio::test(start_paused = true)]
async fn spectators_are_refused_in_front_of_the_room() {
    let (floods, quiet) = beside_floods("spectator").await;
    assert_eq!(codes(&floods), ["not_a_player"].into());
    for answer in &floods {
        assert_eq!(answer["room_id"], Value::Null, "on control: {answer}");
        assert_eq!(answer["error"]["details"]["type"], "send", "{answer}");
    }
    assert_eq!(codes(&quiet), ["none"].into());
}

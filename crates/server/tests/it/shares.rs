//! What some send into a room leaves the others their places: nobody is `busy` for what somebody else does.

use serde_json::{Value, json};

use crate::player::{Player, patient, send, server};

/// How many flood, and how many batches of 256 each of them sends.
const FLOODS: usize = 40;
const BATCHES: usize = 6;
/// How many say something now and then, and how often.
const QUIET: usize = 16;
const ROUNDS: usize = 4;

/// Lets many flood a room, and others say something there now and then, one thing at a time; gives the answers that the
/// floods and the others have heard.
async fn beside_floods(role: &'static str) -> (Vec<Value>, Vec<Value>) {
    let server = server(patient());
    let mut quiet = vec![Player::enter(&server).await];
    let room_id = quiet[0].create("relay", json!({"flush": "tick", "tick_ms": 1000})).await;
    while quiet.len() < QUIET {
        quiet.push(Player::enter(&server).await);
        quiet.last_mut().unwrap().join(&room_id, "player").await;
    }
    let mut players = Vec::new();
    for _ in 0..FLOODS {
        players.push(Player::enter(&server).await);
        players.last_mut().unwrap().join(&room_id, role).await;
    }
    let mut floods = Vec::new();
    for mut player in players {
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
    let mut quiets = Vec::new();
    for (number, mut player) in quiet.into_iter().enumerate() {
        let room_id = room_id.clone();
        quiets.push(tokio::spawn(async move {
            let mut heard = Vec::new();
            for round in 0..ROUNDS {
                // Each at another moment, with nothing that waits from before.
                for _ in 0..(number * 5 + round * 7) % 40 {
                    tokio::task::yield_now().await;
                }
                player.say(&[send(&room_id, 0, &json!("quiet"))]).await;
                heard.push(player.hear("send_result").await);
            }
            heard
        }));
    }
    let mut answers = Vec::new();
    for flood in floods {
        answers.extend(flood.await.unwrap());
    }
    let mut heard = Vec::new();
    for quiet in quiets {
        heard.extend(quiet.await.unwrap());
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

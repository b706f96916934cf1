//! Every request of a member of a room: out of place, of a wrong shape, by somebody who may not, at a wrong time, repeated, and
//! raced; in both codecs. Each has its row in [`CASES`]: one without fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anteroom_protocol::Codec;
use anteroom_protocol::message::RequestKind;
use anteroom_protocol::message::row::Owner;
use anteroom_server::Server;
use serde_json::{Value, json};

use crate::doors::outcome;
use crate::parlor::{AWAY, with_parlor};
use crate::player::{Player, open, server_with};

/// What has been done in the room before somebody asks. Ada owns it; she, Bob and Cid play, and Eve watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// They have come.
    Set,
    /// Cid is banned.
    Banned,
    /// Bob is not heard.
    Muted,
    /// There is a bot in seat 3.
    Bot,
    /// Ada has said something.
    Said,
    /// Ada has taken it back.
    Unsaid,
    Playing,
    Paused,
    /// Cid is away, and the others vote.
    Voting,
}

/// A request of a member.
struct Case {
    name: &'static str,
    /// In its time.
    at: Stage,
    /// Data that fits.
    good: &'static str,
    /// What becomes of it when Ada, Bob or Eve asks.
    who: [&'static str; 3],
    /// Data that does not fit, in its shape or beyond a bound.
    bad: &'static [&'static str],
    /// What is refused though it fits, since it is not the time: when, who asks, for what, and how it is refused.
    late: &'static [(Stage, usize, &'static str, &'static str)],
    /// What becomes of it when it is asked for once more.
    again: &'static str,
}

const OK: &str = "ok";
/// Longer than any text may be.
const LONG: &str = "LONG";
const OWNERS: [&str; 3] = [OK, "not_owner", "not_owner"];
const PLAYERS: [&str; 3] = [OK, OK, "not_a_player"];
const ANYONES: [&str; 3] = [OK; 3];
const NO_USER: &[&str] =
    &["{}", r#"{"user_id":7}"#, r#"{"user_id":""}"#, r#"{"user_id":"nobody"}"#, r#"{"user_id":"LONG"}"#];
const NOBODY_TO_BAN: &[&str] = &["{}", r#"{"user_id":7}"#, r#"{"user_id":""}"#, r#"{"user_id":"LONG"}"#];
const NO_SEAT: &[&str] = &["{}", r#"{"seat":"3"}"#, r#"{"seat":-1}"#, r#"{"seat":4}"#, r#"{"seat":65536}"#];

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "update_room", at: Stage::Set, good: r#"{"locked":true,"data":{"mode":"fast"}}"#, who: OWNERS, again: OK, late: &[],
        bad: &[r#"{"locked":1}"#, r#"{"name":7}"#, r#"{"visibility":"secret"}"#, r#"{"password":7}"#, r#"{"password":"LONG"}"#,
            r#"{"seats_max":2}"#, r#"{"seats_max":5}"#, r#"{"data":{"":1}}"#, r#"{"data":{"LONG":1}}"#, r#"{"data":{"k":"LONG"}}"#,
            r#"{"data":{"k\n":1}}"#, r#"{"data":7}"#, r#"{"data":{"k":1},"access":{"k":"server"}}"#,
            r#"{"data":{"mode":1},"access":{"mode":"members"}}"#, r#"{"data":"MANY"}"#] },
    Case { name: "set_member_data", at: Stage::Set, good: r#"{"data":{"hat":"red"}}"#, who: ANYONES, again: OK, late: &[],
        bad: &["{}", r#"{"data":7}"#, r#"{"data":{"":1}}"#, r#"{"data":{"LONG":1}}"#, r#"{"data":{"k":"LONG"}}"#,
            r#"{"data":{"k":1},"access":{"k":"server"}}"#, r#"{"data":"MANY"}"#] },
    Case { name: "kick", at: Stage::Set, good: r#"{"user_id":"CID"}"#, who: OWNERS, bad: NO_USER, again: "invalid_data",
        late: &[(Stage::Set, 0, r#"{"user_id":"ADA"}"#, "invalid_data")] },
    Case { name: "ban", at: Stage::Set, good: r#"{"user_id":"CID"}"#, who: OWNERS, bad: NOBODY_TO_BAN, again: OK,
        late: &[(Stage::Set, 0, r#"{"user_id":"ADA"}"#, "invalid_data")] },
    Case { name: "unban", at: Stage::Banned, good: r#"{"user_id":"CID"}"#, who: OWNERS, bad: NO_USER, again: "invalid_data",
        late: &[(Stage::Set, 0, r#"{"user_id":"CID"}"#, "invalid_data")] },
    Case { name: "transfer_owner", at: Stage::Set, good: r#"{"user_id":"BOB"}"#, who: OWNERS, bad: NO_USER, again: "not_owner",
        late: &[(Stage::Set, 0, r#"{"user_id":"ADA"}"#, "invalid_data")] },
    Case { name: "mute", at: Stage::Set, good: r#"{"user_id":"BOB","muted":true}"#, who: OWNERS, again: "conflict",
        bad: &["{}", r#"{"user_id":"BOB"}"#, r#"{"user_id":"BOB","muted":1}"#, r#"{"user_id":"","muted":true}"#,
            r#"{"user_id":"nobody","muted":true}"#],
        late: &[(Stage::Muted, 0, r#"{"user_id":"ADA","muted":true}"#, "invalid_data")] },
    Case { name: "ready", at: Stage::Set, good: r#"{"ready":true}"#, who: PLAYERS, again: "conflict",
        bad: &["{}", r#"{"ready":1}"#, r#"{"ready":null}"#], late: &[(Stage::Playing, 0, r#"{"ready":true}"#, "conflict")] },
    Case { name: "choose_seat", at: Stage::Set, good: r#"{"seat":3}"#, who: PLAYERS, bad: NO_SEAT, again: "conflict",
        late: &[(Stage::Playing, 0, r#"{"seat":3}"#, "conflict"), (Stage::Paused, 0, r#"{"seat":3}"#, "conflict")] },
    Case { name: "queue_for_seat", at: Stage::Bot, good: r#"{"queued":true}"#, who: ["conflict", "conflict", OK], again: "conflict",
        bad: &["{}", r#"{"queued":1}"#], late: &[] },
    Case { name: "add_bot", at: Stage::Set, good: r#"{"seat":3}"#, who: OWNERS, again: "conflict",
        bad: &[r#"{"seat":"3"}"#, r#"{"seat":-1}"#, r#"{"seat":4}"#],
        late: &[(Stage::Set, 0, r#"{"seat":1}"#, "conflict"), (Stage::Bot, 0, "{}", "room_full")] },
    Case { name: "remove_bot", at: Stage::Bot, good: r#"{"seat":3}"#, who: OWNERS, bad: NO_SEAT, again: "conflict",
        late: &[(Stage::Set, 0, r#"{"seat":1}"#, "conflict"), (Stage::Set, 0, r#"{"seat":3}"#, "conflict")] },
    Case { name: "pause", at: Stage::Playing, good: "{}", who: OWNERS, bad: &[], again: "conflict",
        late: &[(Stage::Set, 0, "{}", "conflict"), (Stage::Paused, 0, "{}", "conflict")] },
    Case { name: "unpause", at: Stage::Paused, good: "{}", who: OWNERS, bad: &[], again: "conflict",
        late: &[(Stage::Set, 0, "{}", "conflict"), (Stage::Playing, 0, "{}", "conflict")] },
    Case { name: "vote", at: Stage::Voting, good: r#"{"continue":true}"#, who: PLAYERS, again: "conflict",
        bad: &["{}", r#"{"continue":1}"#], late: &[(Stage::Set, 0, r#"{"continue":true}"#, "conflict")] },
    Case { name: "create_invite", at: Stage::Set, good: r#"{"uses":2,"expires_ms":60000}"#, who: OWNERS, again: OK, late: &[],
        bad: &[r#"{"uses":0}"#, r#"{"uses":1001}"#, r#"{"uses":"2"}"#, r#"{"expires_ms":0}"#, r#"{"expires_ms":2592000001}"#] },
    Case { name: "get_participants", at: Stage::Set, good: "{}", who: ANYONES, bad: &[], again: OK, late: &[] },
    Case { name: "chat", at: Stage::Set, good: r#"{"text":"Hello"}"#, who: ANYONES, again: OK,
        bad: &["{}", r#"{"text":7}"#, r#"{"text":""}"#, r#"{"text":" "}"#, r#"{"text":"a\u0007"}"#, r#"{"text":"\u202ea"}"#,
            r#"{"text":"LONG"}"#],
        late: &[(Stage::Muted, 1, r#"{"text":"Hello"}"#, "rejected")] },
    Case { name: "chat_edit", at: Stage::Said, good: r#"{"message_id":"SAID","text":"Hi"}"#, again: OK,
        who: OWNERS,
        bad: &["{}", r#"{"message_id":1,"text":"Hi"}"#, r#"{"message_id":"SAID","text":""}"#, r#"{"message_id":"SAID","text":"LONG"}"#,
            r#"{"message_id":"999","text":"Hi"}"#],
        late: &[(Stage::Unsaid, 0, r#"{"message_id":"SAID","text":"Hi"}"#, "conflict")] },
    Case { name: "chat_delete", at: Stage::Said, good: r#"{"message_id":"SAID"}"#, who: OWNERS, again: "conflict",
        bad: &["{}", r#"{"message_id":1}"#, r#"{"message_id":"999"}"#],
        late: &[(Stage::Unsaid, 0, r#"{"message_id":"SAID"}"#, "conflict")] },
    Case { name: "chat_history", at: Stage::Said, good: r#"{"limit":10}"#, who: ANYONES, again: OK, late: &[],
        bad: &[r#"{"limit":0}"#, r#"{"limit":101}"#, r#"{"limit":"1"}"#, r#"{"before":1}"#] },
    Case { name: "presence", at: Stage::Set, good: r#"{"typing":true}"#, who: ANYONES, again: OK, late: &[],
        bad: &[r#"{"typing":1}"#, r#"{"away":"no"}"#] },
];

/// The room and those in it.
struct Scene {
    server: Server,
    /// Ada, Bob, Eve, and Cid unless he is away.
    players: Vec<Player>,
    room_id: String,
    /// What `SAID` stands for.
    said: String,
}

/// Which of the players.
const ADA: usize = 0;
const BOB: usize = 1;
const EVE: usize = 2;
const CID: usize = 3;

impl Scene {
    async fn at(stage: Stage, codec: Codec) -> Self {
        let server = server_with(open(), with_parlor());
        let mut players = Vec::new();
        for name in ["Ada", "Bob", "Eve", "Cid"] {
            players.push(Player::enter_in(&server, codec, name).await);
        }
        let room_id = players[ADA].create("parlor", Value::Null).await;
        for (who, role) in [(BOB, "player"), (CID, "player"), (EVE, "spectator")] {
            players[who].join(&room_id, role).await;
        }
        let mut scene = Self { server, players, room_id, said: String::new() };
        scene.come_to(stage).await;
        scene
    }

    async fn come_to(&mut self, stage: Stage) {
        match stage {
            Stage::Set => {}
            Stage::Banned => self.does(ADA, "ban", r#"{"user_id":"CID"}"#).await,
            Stage::Muted => self.does(ADA, "mute", r#"{"user_id":"BOB","muted":true}"#).await,
            Stage::Bot => self.does(ADA, "add_bot", r#"{"seat":3}"#).await,
            Stage::Said | Stage::Unsaid => {
                let said = self.ask(ADA, "chat", r#"{"text":"Good evening"}"#).await;
                self.said = said["data"]["message_id"].as_str().unwrap().to_owned();
                if stage == Stage::Unsaid {
                    self.does(ADA, "chat_delete", r#"{"message_id":"SAID"}"#).await;
                }
            }
            Stage::Playing | Stage::Paused | Stage::Voting => {
                for who in [ADA, BOB, CID] {
                    self.does(who, "ready", r#"{"ready":true}"#).await;
                }
                if stage == Stage::Paused {
                    self.does(ADA, "pause", "{}").await;
                }
                if stage == Stage::Voting {
                    drop(self.players.remove(CID));
                    tokio::time::sleep(AWAY + Duration::from_secs(1)).await;
                    let begun = |message: &Value| message["data"]["vote"]["absent"][0].is_string();
                    self.players[ADA].until("the vote", begun).await;
                }
            }
        }
        // Nobody has anything of it left to read.
        for player in &mut self.players {
            player.say(&[json!({"type": "list_rooms", "ref": "now"})]).await;
            player.until("now", |message| message["ref"] == "now").await;
            player.forget();
        }
    }

    /// A request with what its data stands for.
    fn request(&self, name: &str, reference: &str, data: &str) -> Value {
        let user_id =
            |who: usize| self.players.get(who).map_or("", |player| player.session["user_id"].as_str().unwrap());
        let many: BTreeMap<String, u8> = (0..33).map(|number| (format!("k{number}"), 0)).collect();
        let data = data.replace("\"MANY\"", &serde_json::to_string(&many).unwrap()).replace(LONG, &"a".repeat(2001));
        let data = data.replace("SAID", &self.said);
        let data = [("ADA", ADA), ("BOB", BOB), ("CID", CID)]
            .into_iter()
            .fold(data, |data, (name, who)| data.replace(name, user_id(who)));
        let data: Value = serde_json::from_str(&data).unwrap();
        json!({"type": name, "ref": reference, "room_id": self.room_id, "data": data})
    }

    async fn ask(&mut self, who: usize, name: &str, data: &str) -> Value {
        let request = self.request(name, "asked", data);
        self.players[who].say(&[request]).await;
        self.players[who].until(name, |message| message["ref"] == "asked").await
    }

    async fn does(&mut self, who: usize, name: &str, data: &str) {
        let answer = self.ask(who, name, data).await;
        assert_eq!(outcome(&answer), OK, "{name}: {answer}");
    }

    /// What else of the room has come to somebody by now.
    async fn heard(&mut self, who: usize) -> Vec<Value> {
        let room_id = self.room_id.clone();
        let player = &mut self.players[who];
        // The room has come to what was said before, and whatever it told of it is in front of this.
        player.say(&[json!({"type": "get_participants", "ref": "seen", "room_id": room_id})]).await;
        player.until("seen", |message| message["ref"] == "seen").await;
        player.forget().into_iter().filter(|message| message["room_id"] == room_id).collect()
    }
}

#[test]
fn every_request_has_its_row() {
    let requests = RequestKind::ALL.iter().filter(|kind| kind.owner() == Owner::Member);
    let requests: BTreeSet<&str> = requests.filter_map(|kind| kind.name()).collect();
    let cases: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(cases, requests);
    assert_eq!(CASES.len(), 22);
}

/// Where there is no such room, and where there is one that one is not in, the same is said; a private one is no exception.
#[tokio::test(start_paused = true)]
async fn outside_of_the_room_nothing_is_done_and_nothing_is_learned() {
    for codec in Codec::ALL {
        let mut scene = Scene::at(Stage::Set, codec).await;
        scene.does(ADA, "update_room", r#"{"visibility":"private"}"#).await;
        scene.heard(ADA).await;
        let mut mallory = Player::enter_in(&scene.server, codec, "Mallory").await;
        for Case { name, good, .. } in CASES {
            let mut answers = Vec::new();
            for room_id in [json!(scene.room_id), json!("k3v9k3v9k3"), json!("no id"), Value::Null] {
                let mut request = scene.request(name, "asked", good);
                request["room_id"] = room_id.clone();
                mallory.say(&[request]).await;
                let answer = mallory.until(name, |message| message["ref"] == "asked").await;
                assert_eq!(
                    (outcome(&answer), &answer["type"]),
                    ("not_in_room", &json!(format!("{name}_result"))),
                    "{answer}"
                );
                assert_eq!(answer["room_id"], Value::Null, "on control: {answer}");
                answers.push(answer.to_string().replace(room_id.as_str().unwrap_or(" "), "ID"));
            }
            assert_eq!((&answers[0], &answers[0]), (&answers[1], &answers[2]), "{name}");
        }
        assert_eq!(scene.heard(ADA).await, Vec::<Value>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    for codec in Codec::ALL {
        for Case { name, at, bad, .. } in CASES {
            let mut scene = Scene::at(*at, codec).await;
            for bad in bad.iter().chain(&["7", "[]", "\"text\""]) {
                let answer = scene.ask(ADA, name, bad).await;
                assert_eq!(outcome(&answer), "invalid_data", "{name} {bad}: {answer}");
                assert_eq!(answer["room_id"], scene.room_id, "{name} {bad}: {answer}");
            }
            // Deeper than any data may be.
            if codec == Codec::Json {
                let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
                let answer = scene.ask(ADA, name, &format!(r#"{{"data":{{"k":{deep}}},"x":{deep}}}"#)).await;
                assert_eq!(outcome(&answer), "invalid_data", "{name}: {answer}");
            }
            for who in [BOB, EVE] {
                assert_eq!(scene.heard(who).await, Vec::<Value>::new(), "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_any_message_ends_the_connection() {
    for Case { name, .. } in CASES {
        let mut scene = Scene::at(Stage::Set, Codec::Json).await;
        let large = json!({"type": name, "ref": 1, "room_id": scene.room_id, "data": {"text": "a".repeat(64 << 10)}});
        let mut bob = scene.players.remove(BOB);
        bob.say(&[large]).await;
        assert_eq!(bob.end().await, 4502, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_and_who_may_not() {
    for codec in Codec::ALL {
        for Case { name, at, good, who, .. } in CASES {
            for (who, wanted) in [ADA, BOB, EVE].into_iter().zip(who) {
                let mut scene = Scene::at(*at, codec).await;
                let answer = scene.ask(who, name, good).await;
                assert_eq!(outcome(&answer), *wanted, "{name} by {who}: {answer}");
                assert_eq!(
                    (&answer["type"], &answer["room_id"]),
                    (&json!(format!("{name}_result")), &json!(scene.room_id))
                );
                if *wanted != OK {
                    let other = if who == BOB { EVE } else { BOB };
                    assert_eq!(scene.heard(other).await, Vec::<Value>::new(), "{name} by {who}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn at_a_wrong_time_and_once_more() {
    for codec in Codec::ALL {
        for Case { name, at, good, late, again, .. } in CASES {
            for (stage, who, data, wanted) in *late {
                let mut scene = Scene::at(*stage, codec).await;
                let answer = scene.ask(*who, name, data).await;
                assert_eq!(outcome(&answer), *wanted, "{name} {stage:?} {data}: {answer}");
            }
            let mut scene = Scene::at(*at, codec).await;
            let who = if *name == "queue_for_seat" { EVE } else { ADA };
            scene.does(who, name, good).await;
            let answer = scene.ask(who, name, good).await;
            assert_eq!(outcome(&answer), *again, "{name} once more: {answer}");
        }
    }
}

/// A message that comes again under its number was taken, whatever became of it, on the same connection or another.
#[tokio::test(start_paused = true)]
async fn under_the_same_number_it_is_done_once() {
    for codec in Codec::ALL {
        for Case { name, at, good, .. } in CASES {
            let mut scene = Scene::at(*at, codec).await;
            let who = if *name == "queue_for_seat" { EVE } else { ADA };
            let mut request = scene.request(name, "asked", good);
            request["n"] = json!(1000);
            scene.players[who].say(&[request.clone(), request.clone()]).await;
            scene.players[who].until(name, |message| message["ref"] == "asked").await;
            scene.players[who].say(&[request]).await;
            let heard = scene.heard(who).await;
            let answers = heard.iter().filter(|message| message["ref"] == "asked").count();
            assert_eq!(answers, 0, "{name}: {heard:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn raced_by_two_each_is_answered_and_all_agree() {
    for codec in Codec::ALL {
        for Case { name, at, good, who, .. } in CASES {
            let mut scene = Scene::at(*at, codec).await;
            let request = scene.request(name, "asked", good);
            let (first, second) = (request.clone(), request);
            scene.players[BOB].say(&[first]).await;
            scene.players[ADA].say(&[second]).await;
            let mut outcomes = Vec::new();
            for who in [ADA, BOB] {
                let answer = scene.players[who].until(name, |message| message["ref"] == "asked").await;
                outcomes.push((outcome(&answer).to_owned(), answer["data"].clone()));
            }
            assert_eq!([&*outcomes[0].0, &*outcomes[1].0], who[..2], "{name}: {outcomes:?}");
            if *name == "choose_seat" {
                let seats: BTreeSet<u64> = outcomes.iter().filter_map(|(_, data)| data["seat"].as_u64()).collect();
                assert_eq!(seats.len(), 2, "one has it, and the other stays: {outcomes:?}");
            }
            let mut seen = Vec::new();
            for who in [ADA, BOB] {
                let answer = scene.ask(who, "get_participants", "{}").await;
                let seats = answer["data"]["members"].as_array().unwrap().iter().map(|member| member["seat"].clone());
                seen.push(seats.collect::<Vec<_>>());
            }
            assert_eq!(seen[0], seen[1], "{name}");
            let taken: Vec<&Value> = seen[0].iter().filter(|seat| !seat.is_null()).collect();
            let different: BTreeSet<String> = taken.iter().map(|seat| seat.to_string()).collect();
            assert_eq!(taken.len(), different.len(), "{name}: {taken:?}");
        }
    }
}

//! What people do in a room and in front of it: anything that there is to ask for, likely or not.

use anteroom_core::Rng;
use serde_json::{Value, json};

use super::USERS;
use super::facts::World;
use super::lists::HIDDEN;
use super::record::Record;

/// One of several.
pub(super) fn pick<T: Clone>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.below(choices.len() as u32) as usize].clone()
}

/// Yes in one of so many cases.
pub(super) fn one_in(rng: &mut Rng, cases: u32) -> bool {
    rng.below(cases) == 0
}

/// A room to make.
pub(super) fn creation(rng: &mut Rng, passwords: bool) -> Value {
    let game = pick(rng, &["circle", "circle", "circle", "closed_circle", "closed_circle", "tic_tac_toe"]);
    let visibility = pick(rng, &["public", "public", "unlisted", "private"]);
    let name = if visibility == "public" { "Table 0" } else { HIDDEN };
    let mut data = json!({"game": game, "name": name, "visibility": visibility, "durable": !one_in(rng, 3),
        "owner_policy": pick(rng, &["automatic", "automatic", "manual", "none"])});
    if game != "tic_tac_toe" {
        data["options"] = json!({"absence": pick(rng, &["wait", "bot", "vote", "pause"])});
        data["seats_max"] = json!(2 + rng.below(3));
    }
    if one_in(rng, 3) {
        data["data"] = json!({"level": "easy"});
    }
    if passwords && one_in(rng, 2) {
        data["password"] = json!(word(rng));
    }
    if one_in(rng, 6) {
        data["spectator_delay_ms"] = json!(100 + rng.below(900));
    }
    data
}

/// A way into a room, with whatever one knows of it.
pub(super) fn entrance(rng: &mut Rng, world: &World, room_id: &str) -> Value {
    let role = pick(rng, &["player", "player", "spectator"]);
    let mut data = json!({"room_id": room_id, "as": role});
    let Some(facts) = world.rooms.get(room_id) else { return data };
    if let Some(password) = facts.password.as_ref().filter(|_| one_in(rng, 2)) {
        data["password"] = json!(password);
    }
    if !facts.invites.is_empty() && !one_in(rng, 3) {
        data["invite"] = json!(pick(rng, &facts.invites).code);
    }
    data
}

/// A word that somebody may know.
fn word(rng: &mut Rng) -> &'static str {
    pick(rng, &["swordfish", "mellon"])
}

/// Something to ask the room for.
pub(super) fn deed(rng: &mut Rng, record: &Record, passwords: bool) -> (&'static str, Value) {
    let is_owner = record.owner() == Some(record.user_id());
    let is_player = record.field("role") == "player";
    let is_ready = record.own().is_some_and(|own| own["ready"] == true);
    if is_player && !record.is_on() && !is_ready && one_in(rng, 3) {
        return ("ready", json!({"ready": true}));
    }
    if is_player && record.is_on() && one_in(rng, 4) {
        return if record.field("game") == "tic_tac_toe" {
            ("make_move", json!({"row": rng.below(3), "col": rng.below(3)}))
        } else {
            ("count", json!({}))
        };
    }
    if !record.field("vote").is_null() && one_in(rng, 2) {
        return ("vote", json!({"continue": !one_in(rng, 3)}));
    }
    if is_owner && one_in(rng, 2) || one_in(rng, 12) {
        return owners(rng, record, passwords);
    }
    match rng.below(20) {
        0 => ("ready", json!({"ready": one_in(rng, 2)})),
        1 | 2 => ("choose_seat", json!({"seat": rng.below(5)})),
        3..=5 => ("queue_for_seat", json!({"queued": !one_in(rng, 4)})),
        6 | 7 => hosts(rng, record),
        8 => ("vote", json!({"continue": one_in(rng, 2)})),
        9..=11 => ("set_member_data", changes(rng)),
        12..=14 => ("chat", json!({"text": format!("text {}", rng.below(1000))})),
        15 => on_chat(rng, record, "chat_edit", json!({"text": "other words"})),
        16 => on_chat(rng, record, "chat_delete", json!({})),
        17 => ("presence", json!({"away": one_in(rng, 2), "typing": one_in(rng, 2)})),
        18 => ("get_participants", json!({})),
        _ if one_in(rng, 3) => ("leave_room", json!({})),
        _ => ("chat_history", json!({"limit": 1 + rng.below(60)})),
    }
}

/// What an owner may do, and any player where there is none.
fn hosts(rng: &mut Rng, record: &Record) -> (&'static str, Value) {
    let bot = record.members.values().find(|member| member["bot"] == true && one_in(rng, 2));
    match rng.below(8) {
        0 | 1 => ("add_bot", json!({})),
        2 => ("add_bot", json!({"seat": rng.below(4)})),
        3 => ("remove_bot", json!({"seat": bot.map_or(json!(rng.below(4)), |bot| bot["seat"].clone())})),
        4 => ("pause", json!({})),
        5 => ("unpause", json!({})),
        _ if one_in(rng, 2) => ("create_invite", json!({"uses": 1 + rng.below(2)})),
        _ => ("create_invite", json!({})),
    }
}

/// What an owner may do.
fn owners(rng: &mut Rng, record: &Record, passwords: bool) -> (&'static str, Value) {
    let somebody = |rng: &mut Rng| {
        let members: Vec<&String> = record.members.keys().collect();
        let anybody = pick(rng, &USERS).to_owned();
        json!({"user_id": if one_in(rng, 3) { anybody } else { pick(rng, &members).clone() }})
    };
    match rng.below(20) {
        0 | 1 => ("kick", somebody(rng)),
        2 => ("ban", somebody(rng)),
        3 | 4 => ("unban", json!({"user_id": pick(rng, &USERS)})),
        5 => ("transfer_owner", somebody(rng)),
        6 => {
            let mut data = somebody(rng);
            data["muted"] = json!(!one_in(rng, 2));
            ("mute", data)
        }
        7..=9 => ("update_room", changes(rng)),
        10 => ("update_room", json!({"visibility": pick(rng, &["public", "public", "unlisted", "private"])})),
        11 => ("update_room", json!({"locked": one_in(rng, 3)})),
        12 | 13 => ("update_room", json!({"seats_max": 2 + rng.below(3)})),
        14 => ("update_room", json!({"name": format!("Table {}", rng.below(9)), "locked": false})),
        15 if passwords => ("update_room", json!({"password": if one_in(rng, 2) { "" } else { word(rng) }})),
        _ => hosts(rng, record),
    }
}

/// Keys to set, to remove, and to show to others than before.
fn changes(rng: &mut Rng) -> Value {
    let key = pick(rng, &["a", "b", "level"]);
    let value = pick(rng, &[json!(null), json!("easy"), json!(1), json!({"of": [1, 2]})]);
    let mut changes = json!({"data": {key: value}});
    if one_in(rng, 2) {
        changes["access"] = json!({key: pick(rng, &["public", "members", "owner"])});
    }
    changes
}

fn on_chat(rng: &mut Rng, record: &Record, kind: &'static str, mut data: Value) -> (&'static str, Value) {
    let said: Vec<u64> = record.chat.keys().copied().collect();
    if said.is_empty() {
        return ("chat", json!({"text": "hello"}));
    }
    data["message_id"] = json!(pick(rng, &said[said.len().saturating_sub(4)..]).to_string());
    (kind, data)
}

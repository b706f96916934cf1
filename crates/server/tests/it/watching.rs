//! Who watches the list of rooms, in virtual time: what others do makes no difference to it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::player::{Player, open, server};

/// Subscribes, and gives the rooms of the answer by their ids.
async fn watch(player: &mut Player) -> BTreeMap<String, Value> {
    player.say(&[json!({"type": "subscribe_rooms", "ref": 9})]).await;
    let list = player.answer(9).await;
    let rooms = list["data"]["rooms"].as_array().unwrap();
    assert_eq!(list["data"]["total"], rooms.len());
    rooms.iter().map(|room| (room["room_id"].as_str().unwrap().to_owned(), room.clone())).collect()
}

/// Applies a change, which must make sense.
fn apply(rooms: &mut BTreeMap<String, Value>, changed: &Value) {
    let id = |room: &Value| room["room_id"].as_str().unwrap().to_owned();
    for room in changed["data"]["added"].as_array().unwrap() {
        assert!(rooms.insert(id(room), room.clone()).is_none(), "added twice: {room}");
    }
    for room in changed["data"]["updated"].as_array().unwrap() {
        let before = rooms.insert(id(room), room.clone());
        assert!(before.is_some_and(|before| before != *room), "not an update: {room}");
    }
    for room_id in changed["data"]["removed"].as_array().unwrap() {
        rooms.remove(room_id.as_str().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn others_who_subscribe_change_nothing_for_those_who_have() {
    let server = server(open());
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    let mut rooms = watch(&mut eve).await;
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    let mut watchers = Vec::new();
    // All of it at the same moment.
    for _ in 0..8 {
        ada.create("relay", json!({})).await;
        watch(&mut bob).await;
        let mut late = Player::enter_to_stay(&server, "Late").await;
        let rooms = watch(&mut late).await;
        watchers.push((late, rooms));
    }
    apply(&mut rooms, &eve.hear("rooms_changed").await);
    assert_eq!(rooms.len(), 8, "all of it is told in one message");
    // Whoever came in between ends up with the same.
    for (late, known) in &mut watchers {
        while known.len() < 8 {
            apply(known, &late.hear("rooms_changed").await);
        }
    }
    ada.say(&[json!({"type": "leave_room", "room_id": rooms.keys().next().unwrap()})]).await;
    watchers.push((eve, rooms));
    for (watcher, known) in &mut watchers {
        apply(known, &watcher.hear("rooms_changed").await);
        assert_eq!(known.len(), 7);
    }
    // The next they hear is the next that happens.
    ada.create("relay", json!({})).await;
    for (watcher, known) in &mut watchers {
        let changed = watcher.hear("rooms_changed").await;
        assert_eq!(changed["data"]["added"].as_array().unwrap().len(), 1, "{changed}");
        assert!(["updated", "removed"].iter().all(|kind| changed["data"][kind] == json!([])), "{changed}");
        apply(known, &changed);
        watcher.say(&[json!({"type": "list_rooms", "ref": 1})]).await;
        let list = watcher.answer(1).await;
        for room in list["data"]["rooms"].as_array().unwrap() {
            assert_eq!(known.remove(room["room_id"].as_str().unwrap()).as_ref(), Some(room));
        }
        assert!(known.is_empty(), "{known:?}");
        assert_eq!(watcher.unread("rooms_changed"), Vec::<&Value>::new());
    }
}

/// More than are told in one go.
#[tokio::test(start_paused = true)]
async fn everyone_is_told_however_many_they_are() {
    let server = server(open());
    let mut watchers = Vec::new();
    for number in 0..200 {
        let mut watcher = Player::enter_to_stay(&server, &format!("Watcher {number}")).await;
        watch(&mut watcher).await;
        watchers.push(watcher);
    }
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    for _ in 0..3 {
        ada.create("relay", json!({})).await;
        for watcher in &mut watchers {
            assert_eq!(watcher.hear("rooms_changed").await["data"]["added"].as_array().unwrap().len(), 1);
            assert_eq!(watcher.unread("rooms_changed"), Vec::<&Value>::new());
        }
        watchers.truncate(watchers.len() - 60);
    }
}

#[tokio::test(start_paused = true)]
async fn who_watches_a_filter_hears_of_the_rooms_that_come_to_pass_it_and_of_no_others() {
    let server = server(open());
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    let filter = json!([["players", ">=", 2], ["state", "in", ["waiting", "playing"]]]);
    eve.say(&[json!({"type": "subscribe_rooms", "ref": 1, "data": {"game": "relay", "filter": filter}})]).await;
    assert_eq!(eve.answer(1).await["data"], json!({"rooms": [], "total": 0}));
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    ada.create("relay", json!({})).await;
    let room_id = ada.create("relay", json!({})).await;
    bob.join(&room_id, "player").await;
    let changed = eve.hear("rooms_changed").await;
    assert_eq!(changed["data"]["added"].as_array().unwrap().len(), 1, "{changed}");
    assert_eq!(changed["data"]["added"][0]["room_id"], json!(room_id));
    bob.say(&[json!({"type": "leave_room", "room_id": room_id})]).await;
    let changed = eve.hear("rooms_changed").await;
    assert_eq!(changed["data"], json!({"added": [], "updated": [], "removed": [room_id]}));
    // What cannot be read is refused, and what was watched is watched still.
    for kind in ["subscribe_rooms", "list_rooms"] {
        eve.say(&[json!({"type": kind, "ref": 2, "data": {"filter": [["players", ">", 0], ["age", "=", 1]]}})]).await;
        let refused = eve.answer(2).await;
        assert_eq!(
            (&refused["success"], &refused["error"]["code"]),
            (&json!(false), &json!("invalid_data")),
            "{refused}"
        );
        assert_eq!(refused["error"]["details"]["position"], json!(1), "{refused}");
    }
    bob.join(&room_id, "player").await;
    assert_eq!(eve.hear("rooms_changed").await["data"]["added"].as_array().unwrap().len(), 1);
    // Page by page.
    eve.say(&[json!({"type": "list_rooms", "ref": 3, "data": {"sort": "players", "limit": 1}})]).await;
    let first = eve.answer(3).await;
    let cursor = &first["data"]["next"];
    eve.say(&[json!({"type": "list_rooms", "ref": 4, "data": {"sort": "players", "limit": 1, "cursor": cursor}})])
        .await;
    let second = eve.answer(4).await;
    assert_eq!((&second["data"]["rooms"][0]["room_id"], &second["data"]["total"]), (&json!(room_id), &json!(2)));
    assert_eq!(second["data"].get("next"), None);
    // It goes on with the session: what passes is told, what happened meanwhile too, and nothing else.
    let session = eve.session.clone();
    drop(eve);
    ada.create("relay", json!({})).await;
    let other = ada.create("relay", json!({})).await;
    bob.join(&other, "player").await;
    let mut eve = Player::go_on(&server, &session).await;
    let about = |message: &Value, list: &str| message["data"][list].to_string().contains(&other);
    let told = eve.until("the other room", |message| about(message, "added")).await;
    assert_eq!(told["data"]["added"].as_array().unwrap().len(), 1, "{told}");
    bob.say(&[json!({"type": "leave_room", "room_id": other})]).await;
    eve.until("its end", |message| about(message, "removed")).await;
    assert_eq!(eve.unread("rooms_changed").iter().filter(|message| about(message, "updated")).count(), 0);
}

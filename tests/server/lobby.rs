//! The lobby: lists, subscriptions and quick joins, while rooms come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::resuming::Resuming;
use anteroom_tests::server::TestServer;
use anteroom_tests::{in_time, token};
use serde_json::{Value, json};

/// The list as a subscriber keeps it.
#[derive(Debug, Default)]
struct Rows(BTreeMap<String, Value>);

impl Rows {
    fn of(list: &Value) -> Self {
        let mut rows = Self::default();
        for row in list["rooms"].as_array().unwrap() {
            assert!(rows.0.insert(id(row), row.clone()).is_none(), "listed twice: {row}");
        }
        rows
    }

    /// Applies a change, which must make sense: nothing is added twice, and only what is there is updated.
    fn apply(&mut self, changed: &Value) {
        for row in changed["added"].as_array().unwrap() {
            assert!(self.0.insert(id(row), row.clone()).is_none(), "added twice: {row}");
        }
        for row in changed["updated"].as_array().unwrap() {
            let before = self.0.insert(id(row), row.clone());
            assert_ne!(before.as_ref().unwrap_or_else(|| panic!("never added: {row}")), row, "nothing changed");
        }
        for room_id in changed["removed"].as_array().unwrap() {
            // Rooms that were never listed may be removed, too.
            self.0.remove(room_id.as_str().unwrap());
        }
    }
}

fn id(row: &Value) -> String {
    row["room_id"].as_str().unwrap().to_owned()
}

/// Follows the list until it is as wanted.
async fn follow(peer: &mut Peer, rows: &mut Rows, wanted: impl Fn(&Rows) -> bool) {
    while !wanted(rows) {
        rows.apply(&peer.expect("rooms_changed").await.data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_sees_each_change_of_a_room() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut eve = Peer::enter(&server, way, "Eve").await;
        let list = eve.ask("subscribe_rooms", json!({"game": "tic_tac_toe"})).await;
        assert_eq!(list.data, json!({"rooms": [], "total": 0}), "{way:?}");
        let mut rows = Rows::default();
        let mut ada = Peer::enter(&server, way, "Ada").await;
        ada.create("relay", json!({})).await;
        let created = ada.ask("create_room", json!({"game": "tic_tac_toe", "name": "Ada's table"})).await;
        let room_id = created.room_id.unwrap();
        follow(&mut eve, &mut rows, |rows| rows.0.len() == 1).await;
        let row = |players: u16, spectators: u16, state: &str| {
            json!({"room_id": room_id, "game": "tic_tac_toe", "name": "Ada's table", "players": players, "seats_max": 2,
                "spectators": spectators, "state": state, "durable": false, "locked": false, "has_password": false,
                "created_at_ms": created.data["created_at_ms"], "data": {}})
        };
        assert_eq!(rows.0[&room_id], row(1, 0, "waiting"));
        let mut bob = Peer::enter(&server, way, "Bob").await;
        bob.join(&room_id, "player").await;
        follow(&mut eve, &mut rows, |rows| rows.0[&room_id] == row(2, 0, "playing")).await;
        let mut wes = Peer::enter(&server, way, "Wes").await;
        wes.join(&room_id, "spectator").await;
        follow(&mut eve, &mut rows, |rows| rows.0[&room_id] == row(2, 1, "playing")).await;
        wes.hang_up().await;
        follow(&mut eve, &mut rows, |rows| rows.0[&room_id] == row(2, 0, "playing")).await;
        bob.leave().await;
        follow(&mut eve, &mut rows, |rows| rows.0[&room_id] == row(1, 0, "finished")).await;
        assert_eq!(ada.ask_in(&room_id, "leave_room", json!({})).await.success, Some(true));
        follow(&mut eve, &mut rows, |rows| rows.0.is_empty()).await;
        assert_eq!(eve.ask("unsubscribe_rooms", json!({})).await.success, Some(true));
        ada.create("tic_tac_toe", json!({})).await;
        ada.leave().await;
        assert_eq!(eve.all_so_far().await, [], "{way:?}: after unsubscribing");
        eve.leave().await;
        in_time("an empty lobby", async {
            let mut last = Peer::enter(&server, way, "Last").await;
            while last.ask("list_rooms", json!({})).await.data["total"] != json!(0) {}
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_subscription_replaces_the_first() {
    let server = TestServer::start();
    let mut eve = Peer::enter(&server, Way::json(Via::Quic), "Eve").await;
    eve.ask("subscribe_rooms", json!({"game": "tic_tac_toe"})).await;
    eve.ask("subscribe_rooms", json!({"game": "relay"})).await;
    let mut ada = Peer::enter(&server, Way::json(Via::WebSocket), "Ada").await;
    ada.create("tic_tac_toe", json!({})).await;
    let relay = ada.create("relay", json!({})).await;
    let changed = eve.expect("rooms_changed").await;
    assert_eq!(changed.data["added"].as_array().unwrap().iter().map(id).collect::<Vec<_>>(), [relay]);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_miss_nothing_while_rooms_come_and_go() {
    const KEEPERS: usize = 6;
    const ROUNDS: usize = 12;
    let server = Arc::new(TestServer::start());
    let mut tasks = Vec::new();
    for keeper in 0..KEEPERS {
        let server = server.clone();
        tasks.push(tokio::spawn(async move {
            let way = Way::all().nth(keeper).unwrap();
            let mut peer = Peer::enter(&server, way, &format!("Keeper {keeper}")).await;
            for _ in 0..ROUNDS {
                let first = peer.create("relay", json!({})).await;
                let second = peer.create("tic_tac_toe", json!({})).await;
                for room_id in [first, second] {
                    assert_eq!(peer.ask_in(&room_id, "leave_room", json!({})).await.success, Some(true));
                }
            }
            let last = peer.create("relay", json!({})).await;
            (peer, last)
        }));
    }
    // Subscribers come in the midst of it, each at another moment.
    let mut subscribers = Vec::new();
    for subscriber in 0..KEEPERS {
        let server = server.clone();
        subscribers.push(tokio::spawn(async move {
            let way = Way::all().nth(subscriber).unwrap();
            let mut peer = Peer::enter(&server, way, &format!("Subscriber {subscriber}")).await;
            let list = peer.ask("subscribe_rooms", json!({})).await;
            let rows = Rows::of(&list.data);
            (peer, rows)
        }));
    }
    let mut left = BTreeMap::new();
    let mut keepers = Vec::new();
    for task in tasks {
        let (peer, room_id) = in_time("a keeper", task).await.unwrap();
        left.insert(room_id, ());
        keepers.push(peer);
    }
    for subscriber in subscribers {
        let (mut peer, mut rows) = in_time("a subscriber", subscriber).await.unwrap();
        follow(&mut peer, &mut rows, |rows| rows.0.keys().eq(left.keys())).await;
        // A change to mark the end: whatever was still on its way comes before it.
        let name = format!("Mark of {}", peer.user_id);
        keepers[0].forget();
        let marked = keepers[0].ask("create_room", json!({"game": "relay", "name": name})).await;
        let mark = marked.room_id.unwrap();
        follow(&mut peer, &mut rows, |rows| rows.0.contains_key(&mark)).await;
        left.insert(mark, ());
        assert!(rows.0.keys().eq(left.keys()), "{rows:?}");
        let list = Rows::of(&peer.ask("list_rooms", json!({})).await.data);
        assert_eq!(rows.0, list.0);
    }
}

/// Every player of a rush finds an opponent: no room is over-full, and none is left half empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_quick_joins_at_once_fill_fifty_rooms() {
    let server = Arc::new(TestServer::start());
    let mut peers = Vec::new();
    for number in 0..100 {
        let way = Way::all().nth(number % 6).unwrap();
        peers.push(Peer::enter(&server, way, &format!("Player {number}")).await);
    }
    let mut tasks = Vec::new();
    for mut peer in peers {
        tasks.push(tokio::spawn(async move {
            let joined = peer.ask("join_room", json!({"game": "tic_tac_toe", "quick": true})).await;
            assert_eq!(joined.success, Some(true), "{joined:?}");
            (peer, joined)
        }));
    }
    let mut rooms: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut peers = Vec::new();
    for task in tasks {
        let (peer, joined) = in_time("a quick join", task).await.unwrap();
        rooms.entry(joined.room_id.unwrap()).or_default().push(joined.data["seat"].as_u64().unwrap());
        peers.push(peer);
    }
    for seats in rooms.values_mut() {
        seats.sort_unstable();
    }
    let full = rooms.values().filter(|seats| **seats == [0, 1]).count();
    assert_eq!((rooms.len(), full), (50, 50), "{rooms:?}");
    for peer in &mut peers {
        peer.until("a match", |message| {
            message.kind == "game_state" && message.data["status"] == "playing"
                || message.data["view"]["status"] == "playing"
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_join_goes_past_rooms_that_one_is_in() {
    let server = TestServer::start();
    let mut ada = Peer::enter(&server, Way::json(Via::Quic), "Ada").await;
    let first = ada.ask("join_room", json!({"game": "tic_tac_toe", "quick": true})).await.room_id.unwrap();
    let second = ada.ask("join_room", json!({"game": "tic_tac_toe", "quick": true})).await.room_id.unwrap();
    assert_ne!(first, second);
    let mut bob = Peer::enter(&server, Way::json(Via::WebSocket), "Bob").await;
    let joined = bob.ask("join_room", json!({"game": "tic_tac_toe", "quick": true})).await.room_id.unwrap();
    assert!([first, second].contains(&joined));
}

async fn quick_join(peer: &mut Peer) -> Message {
    let joined = peer.ask("join_room", json!({"game": "tic_tac_toe", "quick": true})).await;
    assert_eq!(joined.success, Some(true), "{joined:?}");
    joined
}

/// A player closes the page and comes back in a new one, as a guest does: as somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_quick_join_leads_past_a_room_where_nobody_is_connected() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut eve = Peer::enter(&server, way, "Eve").await;
        let mut rows = Rows::of(&eve.ask("subscribe_rooms", json!({})).await.data);
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let left = quick_join(&mut ada).await.room_id.unwrap();
        follow(&mut eve, &mut rows, |rows| rows.0.len() == 1).await;
        ada.hang_up().await;
        follow(&mut eve, &mut rows, |rows| rows.0.is_empty()).await;
        assert_eq!(eve.ask("list_rooms", json!({})).await.data, json!({"rooms": [], "total": 0}), "{way:?}");

        let mut again = Peer::enter(&server, way, "Ada").await;
        let joined = quick_join(&mut again).await;
        assert_ne!(joined.room_id.as_ref(), Some(&left), "{way:?}: a seat beside nobody");
        let room_id = joined.room_id.unwrap();
        let mut bob = Peer::enter(&server, way, "Bob").await;
        let joined = quick_join(&mut bob).await;
        assert_eq!(joined.room_id.as_ref(), Some(&room_id), "{way:?}: both wait, each alone");
        let is_there = |member: &Value| member["connected"] == json!(true);
        assert!(joined.data["members"].as_array().unwrap().iter().all(is_there), "{joined:?}");

        // Whoever knows the room still gets in, and then it is listed again.
        let mut wes = Peer::enter(&server, way, "Wes").await;
        wes.join(&left, "spectator").await;
        follow(&mut eve, &mut rows, |rows| rows.0.contains_key(&left) && rows.0.contains_key(&room_id)).await;
        assert_eq!((&rows.0[&left]["players"], &rows.0[&left]["spectators"]), (&json!(1), &json!(1)), "{way:?}");
        // But nobody is led there to wait beside someone who only watches.
        let mut kay = Peer::enter(&server, way, "Kay").await;
        assert_ne!(quick_join(&mut kay).await.room_id, Some(left), "{way:?}");
        for peer in [again, bob, wes, kay, eve] {
            peer.leave().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_listed_again_when_its_player_is_back() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut eve = Peer::enter(&server, way, "Eve").await;
        let mut rows = Rows::of(&eve.ask("subscribe_rooms", json!({})).await.data);
        let mut ada = Resuming::enter(&server, way, "Ada").await;
        let room_id = ada.create("tic_tac_toe", json!({})).await;
        follow(&mut eve, &mut rows, |rows| rows.0.len() == 1).await;
        let row = rows.0[&room_id].clone();
        ada.cut();
        follow(&mut eve, &mut rows, |rows| rows.0.is_empty()).await;
        ada.reconnect(&server, way.via).await;
        follow(&mut eve, &mut rows, |rows| rows.0.len() == 1).await;
        assert_eq!(rows.0[&room_id], row, "{way:?}");
        let mut bob = Peer::enter(&server, way, "Bob").await;
        assert_eq!(quick_join(&mut bob).await.room_id, Some(room_id), "{way:?}");
        bob.leave().await;
        ada.leave().await;
        follow(&mut eve, &mut rows, |rows| rows.0.is_empty()).await;
    }
}

/// With a token a player is the same in every session, so a seat of theirs finds them again.
#[tokio::test(flavor = "multi_thread")]
async fn a_quick_join_leads_a_user_back_to_the_seat_that_is_kept_for_them() {
    let server = TestServer::with(|config| config.auth.token_key = Some(token::KEY.into()));
    for way in Way::all() {
        let mut eve = Peer::enter_as(&server, way, "eve").await;
        let mut rows = Rows::of(&eve.ask("subscribe_rooms", json!({})).await.data);
        // Alone in a room, and then in one where somebody waits for them.
        let mut ada = Peer::enter_as(&server, way, "ada").await;
        let room_id = quick_join(&mut ada).await.room_id.unwrap();
        follow(&mut eve, &mut rows, |rows| rows.0.len() == 1).await;
        ada.hang_up().await;
        follow(&mut eve, &mut rows, |rows| rows.0.is_empty()).await;
        let mut ada = Peer::enter_as(&server, way, "ada").await;
        assert_eq!(quick_join(&mut ada).await.room_id.as_ref(), Some(&room_id), "{way:?}");
        let mut bob = Peer::enter_as(&server, way, "bob").await;
        assert_eq!(quick_join(&mut bob).await.room_id.as_ref(), Some(&room_id), "{way:?}");
        ada.hang_up().await;
        bob.find("client_disconnected").await;
        let mut ada = Peer::enter_as(&server, way, "ada").await;
        let joined = quick_join(&mut ada).await;
        assert_eq!((joined.room_id.as_ref(), &joined.data["seat"]), (Some(&room_id), &json!(0)), "{way:?}");
        bob.find("client_reconnected").await;
        // Somebody whose opponent is gone as well is better off with another.
        bob.hang_up().await;
        ada.find("client_disconnected").await;
        ada.hang_up().await;
        follow(&mut eve, &mut rows, |rows| !rows.0.contains_key(&room_id)).await;
        let mut ada = Peer::enter_as(&server, way, "ada").await;
        assert_ne!(quick_join(&mut ada).await.room_id.as_ref(), Some(&room_id), "{way:?}");
        // The seat is theirs all the same, for whoever asks for it by name.
        assert_eq!(ada.join(&room_id, "player").await["seat"], json!(0), "{way:?}");
        let mut bob = Peer::enter_as(&server, way, "bob").await;
        bob.join(&room_id, "player").await;
        for peer in [ada, bob, eve] {
            peer.leave().await;
        }
    }
}

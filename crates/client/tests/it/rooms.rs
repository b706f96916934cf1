//! Rooms: acting and being told, whatever order the lanes have, and leaving by every way there is.

use std::time::Duration;

use anteroom_client::{Access, AccessMap, DataMap, Visibility};
use anteroom_client::{Client, ClientError, Codec, ErrorCode, LeftReason, NewRoom, Role, Room, RoomEvent, UserId};
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::push::{ClientDisconnected, ClientJoined, ClientLeft, ClientReconnected};
use anteroom_protocol::message::request::{CreateRoom, JoinRoom};
use anteroom_protocol::{Batch, Header, Json, LaneId, variant};
use tokio::time::timeout;

use crate::support::{self, Action, Duel, Peer, Said, View, member, refusal, room_id, session};

const LANE: u32 = 1;

/// A session in one room.
async fn in_room(codec: Codec, seed: u64) -> (Client, Peer, Room<Duel>) {
    let (client, mut peer) = session(codec, seed).await;
    let room = join(&client, &mut peer, LANE).await;
    (client, peer, room)
}

async fn join(client: &Client, peer: &mut Peer, lane: u32) -> Room<Duel> {
    let (room, ()) = tokio::join!(client.join_room(room_id(1), Role::Player), async {
        let asked = peer.expect("join_room").await;
        peer.admit(&asked, lane, room_id(1)).await;
    });
    room.unwrap()
}

async fn next(room: &mut Room<Duel>) -> RoomEvent<Duel> {
    timeout(support::LONG, room.next()).await.expect("nothing happens").expect("the room has ended")
}

#[tokio::test]
async fn a_room_is_asked_for_as_documented() {
    let (client, mut peer) = session(Codec::Bincode, 1).await;
    let options = Json::new(&[1]).unwrap();
    let new = NewRoom::new().name("Den").options(options.clone()).durable(true).password("swordfish").seats_max(3);
    let new = new.visibility(Visibility::Private).data("level", Json::from(3), Access::Owner).idle_ttl_ms(5);
    let (created, ()) = tokio::join!(client.create_room::<Duel>(new.clone()), async {
        let asked = peer.expect("create_room").await;
        let wanted = CreateRoom {
            game: "duel".into(),
            name: Some("Den".into()),
            options: Some(options),
            durable: Some(true),
            password: Some("swordfish".into()),
            seats_max: Some(3),
            visibility: Some(Visibility::Private),
            data: Some(DataMap::from([("level".into(), Json::from(3))])),
            access: Some(AccessMap::from([("level".into(), Access::Owner)])),
            idle_ttl_ms: Some(5),
            ..CreateRoom::default()
        };
        assert_eq!(asked.read::<CreateRoom>(), wanted);
        peer.admit(&asked, 1, room_id(1)).await;
    });
    let created = created.unwrap();
    assert_eq!((created.room_id(), created.name(), created.seat()), (room_id(1), "Ada's room", Some(0)));
    assert_eq!((created.role(), created.members()), (Role::Player, &[member("ada", Some(0))][..]));
    assert!(created.is_durable());
    let (joined, ()) = tokio::join!(client.join_room::<Duel>(room_id(2), Role::Spectator), async {
        let asked = peer.expect("join_room").await;
        let JoinRoom { room_id: named, game, quick, role, .. } = asked.read();
        assert_eq!((named, game, quick), (Some(room_id(2).to_string()), None, false));
        assert_eq!(role, Some(Role::Spectator));
        peer.refuse(&asked, &refusal(ErrorCode::RoomFull)).await;
    });
    assert!(matches!(joined, Err(ClientError::Server(error)) if error.code == ErrorCode::RoomFull));
    let (joined, ()) = tokio::join!(client.quick_join::<Duel>(), async {
        let asked = peer.expect("join_room").await;
        let JoinRoom { room_id: named, game, quick, .. } = asked.read();
        assert_eq!((named, game.as_deref(), quick), (None, Some("duel"), true));
        peer.admit(&asked, 2, room_id(2)).await;
    });
    assert_eq!(joined.unwrap().room_id(), room_id(2));
}

#[tokio::test]
async fn actions_travel_as_type_and_fields() {
    for codec in Codec::ALL {
        let (_client, mut peer, room) = in_room(codec, 1).await;
        let (done, ()) = tokio::join!(room.act(&Action::Strike { at: 4 }), async {
            let asked = peer.expect("strike").await;
            assert_eq!(asked.room_id, Some(room_id(1).to_string()));
            assert_eq!(variant::decode::<Action>("strike", asked.data.data()), Ok(Action::Strike { at: 4 }));
            peer.answer_on(LaneId(LANE), Some(room_id(1)), &asked, &Empty {}).await;
        });
        done.unwrap();
        let (done, ()) = tokio::join!(room.act(&Action::Strike { at: 5 }), async {
            let asked = peer.expect("strike").await;
            peer.refuse(&asked, &refusal(ErrorCode::NotYourTurn)).await;
        });
        assert!(matches!(done, Err(ClientError::Server(error)) if error.code == ErrorCode::NotYourTurn));
        room.send(&Action::Strike { at: 6 }).await.unwrap();
        assert_eq!(peer.expect("strike").await.reference, None);
        let too_long = Action::Say { words: "x".repeat(1000) };
        assert!(matches!(room.send(&too_long).await, Err(ClientError::TooLarge { len: 1001.., max: 1000 })));
    }
}

#[tokio::test]
async fn everything_that_happens_is_typed_and_in_order() {
    for codec in Codec::ALL {
        let (_client, mut peer, mut room) = in_room(codec, 1).await;
        let bob: UserId = "bob".parse().unwrap();
        let username = String::from("bob");
        let id = room_id(1);
        peer.say(LANE, id, "client_joined", &ClientJoined { member: member("bob", Some(1)) }).await;
        peer.state(LANE, id, 1).await;
        peer.say(LANE, id, "struck", &Struck { at: 4 }).await;
        let (user_id, grace_ms) = (bob.clone(), 5000);
        let gone = ClientDisconnected { user_id, username: username.clone(), grace_ms };
        peer.say(LANE, id, "client_disconnected", &gone).await;
        let back = ClientReconnected { user_id: bob.clone(), username: username.clone() };
        peer.say(LANE, id, "client_reconnected", &back).await;
        let left = ClientLeft { user_id: bob.clone(), username: username.clone(), reason: LeftReason::Left };
        peer.say(LANE, id, "client_left", &left).await;
        peer.error(LaneId(LANE), Some(id.as_str()), &refusal(ErrorCode::InvalidMove)).await;

        assert_eq!(next(&mut room).await, RoomEvent::Joined(member("bob", Some(1))));
        assert_eq!(room.members().len(), 2);
        assert_eq!(next(&mut room).await, RoomEvent::State(View { turn: 1 }));
        assert_eq!(room.view().turn, 1);
        assert_eq!(next(&mut room).await, RoomEvent::Game(Said::Struck { at: 4 }));
        let grace = Duration::from_secs(5);
        let (user_id, username) = (bob.clone(), username.clone());
        assert_eq!(next(&mut room).await, RoomEvent::Disconnected { user_id, username: username.clone(), grace });
        assert!(!room.members()[1].connected);
        let user_id = bob.clone();
        assert_eq!(next(&mut room).await, RoomEvent::Reconnected { user_id, username: username.clone() });
        assert!(room.members()[1].connected);
        assert_eq!(next(&mut room).await, RoomEvent::Left { user_id: bob, username, reason: LeftReason::Left });
        assert_eq!(room.members(), [member("ada", Some(0))]);
        assert!(matches!(next(&mut room).await, RoomEvent::Error(error) if error.code == ErrorCode::InvalidMove));
        // The session refuses on control what never reached the room.
        let refused = refusal(ErrorCode::RateLimited).with_details(&serde_json::json!({"room_id": id}));
        peer.error(LaneId::CONTROL, None, &refused).await;
        assert!(matches!(next(&mut room).await, RoomEvent::Error(error) if error.code == ErrorCode::RateLimited));
        peer.close_room(LANE, id).await;
        let RoomEvent::Closed(end) = next(&mut room).await else { panic!("not closed") };
        assert_eq!(end.to_string(), "The game failed.");
        assert_eq!(room.next().await, None);
    }
}

/// The fields of [`Said::Struck`], as they travel.
#[derive(serde::Serialize, anteroom_client::bincode::Encode)]
#[bincode(crate = "anteroom_client::bincode")]
struct Struck {
    at: u8,
}

#[tokio::test]
async fn a_room_may_speak_right_behind_its_answer_while_control_lags() {
    for seed in 0..32 {
        let (client, mut peer) = session(Codec::Bincode, seed).await;
        let (room, listed, ()) = tokio::join!(client.quick_join::<Duel>(), client.list_rooms(None), async {
            let (join, list) = (peer.expect("join_room").await, peer.expect("list_rooms").await);
            let rooms = anteroom_client::RoomList { rooms: Vec::new(), total: 0, next: None };
            // One flush each, so that the lanes overtake each other as the seed has it.
            peer.answer(&list, &rooms).await;
            peer.admit(&join, LANE, room_id(1)).await;
            for turn in 1..5 {
                peer.state(LANE, room_id(1), turn).await;
            }
        });
        assert!(listed.is_ok());
        let mut room = room.unwrap();
        for turn in 1..5 {
            assert_eq!(next(&mut room).await, RoomEvent::State(View { turn }), "seed {seed}");
        }
    }
}

#[tokio::test]
async fn another_version_of_the_game_needs_json() {
    for codec in Codec::ALL {
        let (client, mut peer) = session(codec, 1).await;
        let (joined, ()) = tokio::join!(client.quick_join::<Duel>(), async {
            let asked = peer.expect("join_room").await;
            let newer =
                anteroom_protocol::message::result::RoomJoined { game_version: 4, ..peer.joined(1, room_id(1)) };
            peer.answer_on(LaneId(1), Some(room_id(1)), &asked, &newer).await;
        });
        match codec {
            Codec::Json => drop(joined.unwrap()),
            Codec::Bincode => {
                let error = joined.err().unwrap();
                assert_eq!(error, ClientError::GameVersion { game: "duel", server: 4, client: 3 });
                assert!(error.to_string().contains("JSON"), "{error}");
            }
        }
        peer.expect("leave_room").await;
    }
}

#[tokio::test]
async fn a_room_of_another_game_is_left_again() {
    let (client, mut peer) = session(Codec::Bincode, 1).await;
    let (joined, ()) = tokio::join!(client.join_room::<Duel>(room_id(1), Role::Player), async {
        let asked = peer.expect("join_room").await;
        let other =
            anteroom_protocol::message::result::RoomJoined { game: "dice".into(), ..peer.joined(1, room_id(1)) };
        peer.answer_on(LaneId(1), Some(room_id(1)), &asked, &other).await;
        assert_eq!(peer.expect("leave_room").await.room_id, Some(room_id(1).to_string()));
    });
    assert_eq!(joined.err(), Some(ClientError::WrongGame { expected: "duel", found: "dice".into() }));
}

#[tokio::test]
async fn a_join_that_nobody_waits_for_is_undone() {
    let (client, mut peer) = session(Codec::Bincode, 1).await;
    let asked = tokio::select! {
        joined = client.quick_join::<Duel>() => panic!("{joined:?}"),
        asked = peer.expect("join_room") => asked,
    };
    peer.admit(&asked, LANE, room_id(1)).await;
    assert_eq!(peer.expect("leave_room").await.room_id, Some(room_id(1).to_string()));
}

#[tokio::test]
async fn leaving_and_dropping_leave() {
    for codec in Codec::ALL {
        let (client, mut peer, room) = in_room(codec, 1).await;
        let (left, ()) = tokio::join!(room.leave(), async {
            let asked = peer.expect("leave_room").await;
            assert_eq!(asked.room_id, Some(room_id(1).to_string()));
            peer.answer_on(LaneId(LANE), Some(room_id(1)), &asked, &Empty {}).await;
        });
        left.unwrap();
        let room = join(&client, &mut peer, 2).await;
        drop(room);
        // Exactly one for the drop, and none for the room that was left before.
        peer.expect("leave_room").await;
        drop(client);
        let (said, _) = peer.rest().await;
        assert_eq!(said.len(), 1, "{said:?}");
    }
}

#[tokio::test]
async fn the_tail_of_an_old_membership_is_not_mistaken_for_the_next() {
    for seed in 0..32 {
        let (client, mut peer, room) = in_room(Codec::Bincode, seed).await;
        drop(room);
        let (room, ()) = tokio::join!(client.join_room::<Duel>(room_id(1), Role::Player), async {
            // It is left first, although nobody has waited for that.
            let left = peer.expect("leave_room").await;
            let asked = peer.expect("join_room").await;
            // The new lane's first message and the old lane's last ones are on their way together.
            peer.state(LANE, room_id(1), 99).await;
            peer.answer_on(LaneId(LANE), Some(room_id(1)), &left, &Empty {}).await;
            peer.admit(&asked, 2, room_id(1)).await;
            peer.state(2, room_id(1), 1).await;
            peer.close_room(LANE, room_id(1)).await;
            peer.state(2, room_id(1), 2).await;
        });
        let mut room = room.unwrap();
        assert_eq!(next(&mut room).await, RoomEvent::State(View { turn: 1 }), "seed {seed}");
        assert_eq!(next(&mut room).await, RoomEvent::State(View { turn: 2 }), "seed {seed}");
    }
}

fn is_refused_as_inside(joined: &Result<Room<Duel>, ClientError>) -> bool {
    matches!(joined, Err(ClientError::Server(error)) if error.code == ErrorCode::AlreadyInRoom)
}

#[tokio::test]
async fn a_room_that_one_is_in_or_waits_for_is_not_asked_for_again() {
    let (client, mut peer, mut room) = in_room(Codec::Bincode, 1).await;
    assert!(is_refused_as_inside(&client.join_room(room_id(1), Role::Player).await));
    let join_other = || client.join_room(room_id(2), Role::Player);
    let (first, second, ()) = tokio::join!(join_other(), join_other(), async {
        let asked = peer.expect("join_room").await;
        assert_eq!(asked.read::<JoinRoom>().room_id, Some(room_id(2).to_string()), "what was refused was not sent");
        peer.admit(&asked, 2, room_id(2)).await;
    });
    assert_ne!(is_refused_as_inside(&first), is_refused_as_inside(&second), "one of them is let in");

    // A room that has ended may be asked for, and so may one that refused.
    peer.close_room(LANE, room_id(1)).await;
    while !matches!(next(&mut room).await, RoomEvent::Closed(_)) {}
    let (joined, ()) = tokio::join!(client.join_room::<Duel>(room_id(1), Role::Player), async {
        let asked = peer.expect("join_room").await;
        peer.refuse(&asked, &refusal(ErrorCode::RoomFull)).await;
    });
    assert!(matches!(joined, Err(ClientError::Server(error)) if error.code == ErrorCode::RoomFull));
    join(&client, &mut peer, 3).await;
}

#[tokio::test]
async fn a_slow_reader_misses_events_but_no_answer() {
    let (_client, mut peer, mut room) = in_room(Codec::Bincode, 1).await;
    for turn in 1..=3000 {
        peer.state(LANE, room_id(1), turn).await;
    }
    let (done, ()) = tokio::join!(room.act(&Action::Strike { at: 1 }), async {
        let asked = peer.expect("strike").await;
        peer.answer_on(LaneId(LANE), Some(room_id(1)), &asked, &Empty {}).await;
    });
    done.unwrap();
    let RoomEvent::Missed { events } = next(&mut room).await else { panic!("nothing was missed") };
    let mut taken = 0;
    while room.view().turn != 3000 {
        assert!(matches!(next(&mut room).await, RoomEvent::State(_)));
        taken += 1;
    }
    assert_eq!(events + taken, 3000);
    assert!(taken <= 1024);
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_costs_nothing_else() {
    for codec in Codec::ALL {
        let (_client, mut peer, mut room) = in_room(codec, 1).await;
        for kind in ["game_state", "struck", "client_joined", "dance"] {
            peer.say(LANE, room_id(1), kind, &Empty {}).await;
        }
        peer.state(LANE, room_id(1), 7).await;
        for expected in ["game_state", "struck", "client_joined", "dance"] {
            let event = next(&mut room).await;
            assert!(matches!(&event, RoomEvent::Unreadable { kind, .. } if kind == expected), "{event:?}");
        }
        assert_eq!(next(&mut room).await, RoomEvent::State(View { turn: 7 }));
    }
}

#[tokio::test]
async fn datagrams_find_their_room_by_lane() {
    let (_client, mut peer, mut room) = in_room(Codec::Bincode, 1).await;
    let message = |at| {
        let header = Header::new("struck").in_room("0000000001");
        Batch::one(Codec::Bincode, &header, &Struck { at }).unwrap()
    };
    peer.connection.send_datagram(LaneId(9), message(1).payload()).unwrap();
    peer.connection.send_datagram(LaneId(LANE), b"\xff\xff").unwrap();
    peer.connection.send_datagram(LaneId(LANE), message(2).payload()).unwrap();
    assert_eq!(next(&mut room).await, RoomEvent::Game(Said::Struck { at: 2 }));
}

#[tokio::test]
async fn an_act_that_is_dropped_is_forgotten() {
    let (_client, mut peer, room) = in_room(Codec::Bincode, 1).await;
    for _ in 0..1000 {
        tokio::select! {
            done = room.act(&Action::Strike { at: 1 }) => panic!("{done:?}"),
            _ = peer.expect("strike") => {}
        }
    }
    let (done, ()) = tokio::join!(room.act(&Action::Strike { at: 2 }), async {
        let asked = peer.expect("strike").await;
        peer.answer_on(LaneId(LANE), Some(room_id(1)), &asked, &Empty {}).await;
    });
    done.unwrap();
}

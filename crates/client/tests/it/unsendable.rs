//! What a server would end the session for is refused before it is sent, and the session goes on.

use anteroom_client::bincode::{Decode, Encode};
use anteroom_client::{Client, ClientError, Codec, Game, NoEvents, Role, Room};
use anteroom_protocol::limits::{JSON_DEPTH_MAX, TYPE_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::support::{LANE, Peer, View, room_id, session};

/// As deep as one likes.
#[derive(Debug, Default, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_client::bincode")]
struct Hole {
    deeper: Option<Box<Hole>>,
}

impl Hole {
    fn of(levels: usize) -> Self {
        (1..levels).fold(Self::default(), |hole, _| Self { deeper: Some(Box::new(hole)) })
    }
}

#[derive(Debug, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_client::bincode")]
enum Action {
    Dig {
        hole: Hole,
    },
    Goodbye {},
    Ack {},
    DigResult {},
    #[serde(rename = "a_type_of_sixty_four_bytes_which_is_as_long_as_a_server_can_take")]
    Longest {},
    #[serde(rename = "a_type_of_sixty_five_bytes_which_is_longer_than_a_server_can_take")]
    TooLong {},
}

#[derive(Debug)]
struct Mine;

impl Game for Mine {
    const KIND: &'static str = "duel";
    const VERSION: u16 = 3;
    type Action = Action;
    type Event = NoEvents;
    type View = View;
}

async fn in_room(codec: Codec) -> (Client, Peer, Room<Mine>) {
    let (client, mut peer) = session(codec, 1).await;
    let (room, ()) = tokio::join!(client.join_room(room_id(1), Role::Player), async {
        let asked = peer.expect("join_room").await;
        peer.admit(&asked, LANE, room_id(1)).await;
    });
    (client, peer, room.unwrap())
}

/// In every way in which something is sent.
async fn refused(room: &Room<Mine>, action: &Action) {
    for refused in [room.send(action).await, room.send_unreliable(action), room.act(action).await] {
        assert!(matches!(refused, Err(ClientError::InvalidData(_))), "{action:?}: {refused:?}");
    }
}

#[tokio::test]
async fn data_may_nest_as_deep_as_the_server_takes_and_no_deeper() {
    // The envelope and the action's fields are around it.
    let deepest = JSON_DEPTH_MAX - 2;
    let (_client, mut peer, room) = in_room(Codec::Json).await;
    refused(&room, &Action::Dig { hole: Hole::of(deepest + 1) }).await;
    room.send(&Action::Dig { hole: Hole::of(deepest) }).await.unwrap();
    peer.expect("dig").await;
    // Binary data has no brackets to count.
    let (_client, mut peer, room) = in_room(Codec::Bincode).await;
    room.send(&Action::Dig { hole: Hole::of(deepest + 1) }).await.unwrap();
    peer.expect("dig").await;
}

#[tokio::test]
async fn an_action_is_not_named_as_what_means_something_else() {
    for codec in Codec::ALL {
        let (_client, mut peer, room) = in_room(codec).await;
        for action in [Action::Goodbye {}, Action::Ack {}, Action::DigResult {}, Action::TooLong {}] {
            refused(&room, &action).await;
        }
        room.send(&Action::Longest {}).await.unwrap();
        assert_eq!(peer.next().await.kind.len(), TYPE_BYTES_MAX);
    }
}

//! What a room is besides its game, as it is told, and what is asked of it.

use anteroom_client::{
    ChatEntry, ClientError, Codec, ErrorCode, Json, Key, MemberUpdated, MessageId, Role, RoomEvent, RoomUpdated,
    SetPresence,
};
use anteroom_protocol::LaneId;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::member::{Chat, ChatSaid, Kick, SeatQueued, SetPresence as Asked};
use anteroom_protocol::message::request::JoinRoom;

use crate::support::{Duel, refusal, room_id, session};

const LANE: u32 = 3;

#[tokio::test]
async fn what_opens_a_door_is_sent() {
    let (client, mut peer) = session(Codec::Bincode, 1).await;
    let key = Key { role: Role::Player, password: Some("swordfish".into()), invite: Some("c0de".into()) };
    let (joined, ()) = tokio::join!(client.join_room_with::<Duel>(room_id(1), key), async {
        let asked = peer.expect("join_room").await;
        let JoinRoom { password, invite, .. } = asked.read();
        assert_eq!((password.as_deref(), invite.as_deref()), (Some("swordfish"), Some("c0de")));
        peer.refuse(&asked, &refusal(ErrorCode::WrongPassword)).await;
    });
    assert!(matches!(joined, Err(ClientError::Server(error)) if error.code == ErrorCode::WrongPassword));
}

#[tokio::test]
async fn the_record_and_the_members_are_kept_as_they_are_told() {
    for codec in Codec::ALL {
        let (client, mut peer) = session(codec, 1).await;
        let (room, ()) = tokio::join!(client.quick_join::<Duel>(), async {
            let asked = peer.expect("join_room").await;
            peer.admit(&asked, LANE, room_id(1)).await;
        });
        let mut room = room.unwrap();
        let data = [("level".to_owned(), Json::from(3))].into();
        let changes = RoomUpdated { locked: Some(true), data: Some(data), ..RoomUpdated::default() };
        peer.say(LANE, room_id(1), "room_updated", &changes).await;
        assert_eq!(room.next().await, Some(RoomEvent::RoomUpdated(Box::new(changes))));
        assert!(room.info().locked && room.info().data["level"] == Json::from(3));
        let watching = MemberUpdated {
            role: Some(Role::Spectator),
            seat: Some(None),
            ..MemberUpdated::of("ada".parse().unwrap(), 0)
        };
        peer.say(LANE, room_id(1), "member_updated", &watching).await;
        assert_eq!(room.next().await, Some(RoomEvent::MemberUpdated(watching)));
        assert_eq!((room.role(), room.seat(), room.members()[0].seat), (Role::Spectator, None, None));
        let entry = ChatEntry {
            message_id: MessageId(7),
            user_id: "ada".parse().unwrap(),
            username: "Ada".into(),
            text: "Hello".into(),
            at_ms: 1,
            edited: false,
            deleted: false,
        };
        peer.say(LANE, room_id(1), "chat", &entry).await;
        assert_eq!(room.next().await, Some(RoomEvent::Chat(entry.clone())));
        assert_eq!(room.info().chat, [entry]);
    }
}

#[tokio::test]
async fn what_is_asked_of_a_room_goes_to_it_and_is_answered_there() {
    for codec in Codec::ALL {
        let (client, mut peer) = session(codec, 1).await;
        let (room, ()) = tokio::join!(client.quick_join::<Duel>(), async {
            let asked = peer.expect("join_room").await;
            peer.admit(&asked, LANE, room_id(1)).await;
        });
        let (room, at) = (room.unwrap(), (LaneId(LANE), Some(room_id(1))));
        let (said, place, kicked, ()) =
            tokio::join!(room.chat("Hello"), room.queue_for_seat(true), room.kick("bob".parse().unwrap()), async {
                let chat = peer.expect("chat").await;
                assert_eq!(
                    (chat.room_id.clone(), chat.read::<Chat>().text),
                    (Some(room_id(1).to_string()), "Hello".into())
                );
                peer.answer_on(at.0, at.1, &chat, &ChatSaid { message_id: MessageId(7) }).await;
                let queue = peer.expect("queue_for_seat").await;
                peer.answer_on(at.0, at.1, &queue, &SeatQueued { position: Some(2) }).await;
                let kick = peer.expect("kick").await;
                assert_eq!(kick.read::<Kick>().user_id.as_str(), "bob");
                peer.refuse(&kick, &refusal(ErrorCode::NotOwner)).await;
            });
        assert_eq!((said, place), (Ok(MessageId(7)), Ok(Some(2))));
        assert!(matches!(kicked, Err(ClientError::Server(error)) if error.code == ErrorCode::NotOwner));
        let (done, ()) = tokio::join!(room.set_presence(SetPresence { typing: Some(true), away: None }), async {
            let asked = peer.expect("presence").await;
            assert_eq!(asked.read::<Asked>(), Asked { typing: Some(true), away: None });
            peer.answer_on(at.0, at.1, &asked, &Empty {}).await;
        });
        assert_eq!(done, Ok(()));
    }
}

//! As many rooms as a session may be in, over transports on which each has a stream that the client must allow.

use anteroom_client::{Client, Game, NewRoom, Role, Room, TransportChoice};
use anteroom_games::relay::{Action, Event, View};
use anteroom_tests::in_time;
use anteroom_tests::server::TestServer;
use anteroom_tests::switching::options;

/// More than any client lets a server have without being asked.
const ROOMS: u32 = 150;

#[derive(Debug)]
struct Relay;

impl Game for Relay {
    const KIND: &'static str = "relay";
    const VERSION: u16 = 2;
    type Action = Action;
    type Event = Event;
    type View = View;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_in_as_many_rooms_as_it_may_be_in() {
    let server = TestServer::with(|config| config.limits.rooms_per_session_max = ROOMS);
    for transport in [TransportChoice::Quic, TransportChoice::WebTransport, TransportChoice::WebSocket] {
        let client = Client::connect(options(&server, server.addr(), transport, "Ada")).await.unwrap();
        let mut rooms: Vec<Room<Relay>> = Vec::new();
        for _ in 0..ROOMS {
            rooms.push(in_time("a room", client.create_room(NewRoom::default())).await.unwrap());
        }
        // And again, on another connection.
        let to =
            if transport == TransportChoice::WebSocket { TransportChoice::Quic } else { TransportChoice::WebSocket };
        for transport in [to, transport] {
            in_time("a move", client.move_to(transport)).await.unwrap();
        }
        let room = rooms.pop().unwrap();
        in_time("to leave", room.leave()).await.unwrap();
        let room: Room<Relay> = in_time("a room", client.create_room(NewRoom::default())).await.unwrap();
        assert_eq!(room.role(), Role::Player);
        in_time("the end", client.close()).await;
    }
}

//! A server that closes the connection for what this program sent: the session stays closed until the program goes on.

use std::time::Duration;

use anteroom_client::{ClientError, CloseCode, Codec, ConnectError, RoomEnd, RoomEvent, SessionEnd, SessionState};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::support::{
    Action, LANE, Wanted, connected, lasting_in_room, next_event, reconnecting, room_id, state, wanted,
};

const FAULTS: [CloseCode; 3] = [CloseCode::Malformed, CloseCode::MessageTooLarge, CloseCode::WrongFrameKind];

fn by_server(code: CloseCode) -> SessionEnd {
    SessionEnd::ByServer { code: code.number(), reason: code.sentence().into() }
}

/// Nobody dials for half a minute.
async fn stays_away(dials: &mut mpsc::Receiver<Wanted>) {
    assert!(timeout(Duration::from_secs(30), dials.recv()).await.is_err(), "it connects by itself");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_closed_for_a_fault_goes_on_when_the_program_says_so() {
    for code in FAULTS {
        for says_goodbye in [false, true] {
            let (client, mut peer, mut dials, mut room) = lasting_in_room(Codec::Json).await;
            let (struck, ()) = tokio::join!(room.act(&Action::Strike { at: 1 }), async {
                assert_eq!(peer.expect("strike").await.n, Some(2));
                if says_goodbye {
                    peer.json("goodbye", &format!(r#"{{"code":{},"reason":""}}"#, code.number())).await;
                }
                peer.connection.close(code.number(), "").await;
            });
            let closed_at = Instant::now();
            assert_eq!(struck, Err(ClientError::OutcomeUnknown));
            let closed = SessionState::Closed { why: by_server(code), until: closed_at + client.grace() };
            assert_eq!(client.state(), closed);
            let refused = ClientError::Closed(by_server(code));
            assert_eq!(room.send(&Action::Strike { at: 2 }).await, Err(refused.clone()));
            assert_eq!(room.send_unreliable(&Action::Strike { at: 2 }), Err(refused.clone()));
            assert_eq!(client.ping().await.unwrap_err(), refused);
            stays_away(&mut dials).await;

            let (again, mut peer) = tokio::join!(client.reconnect(), async {
                // The network is bad, too.
                wanted(&mut dials).await.refuse();
                let mut peer = wanted(&mut dials).await.accept(2);
                let said = peer.reconnect(Codec::Json).await;
                assert_eq!((said.attempt, &*said.resume_token, said.fresh), (1, "token", false));
                assert!(matches!(client.state(), SessionState::Reconnecting { .. }));
                peer.go_on("token-1", &[(LANE, room_id(1))]).await;
                peer.open(0, None, 1, 1, false).await;
                peer.open(LANE, Some(room_id(1)), 2, 0, false).await;
                peer
            });
            assert!(again.is_ok(), "{again:?}");
            connected(&client).await;
            assert!(client.reconnect().await.is_ok(), "there is nothing to do");
            // What the server closed for is not said again.
            room.send(&Action::Say { words: "sorry".into() }).await.unwrap();
            let asked = peer.expect("say").await;
            assert!(asked.n > Some(2), "{asked:?}");
            peer.state(LANE, room_id(1), 7).await;
            assert!(matches!(next_event(&mut room).await, RoomEvent::State(view) if view.turn == 7));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_stays_closed_ends_when_its_seats_are_given_up() {
    let (client, peer, mut dials, mut room) = lasting_in_room(Codec::Bincode).await;
    peer.connection.close(4501, "").await;
    let closed_at = Instant::now();
    let end = by_server(CloseCode::Malformed);
    assert_eq!(client.ended().await, end);
    assert_eq!(closed_at.elapsed(), client.grace());
    assert_eq!(next_event(&mut room).await, RoomEvent::Closed(RoomEnd::Session(end.clone())));
    assert!(matches!(client.reconnect().await, Err(ConnectError::Ended(why)) if why == end));
    assert!(dials.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_again_is_left_alone() {
    let (client, peer, mut dials, _room) = lasting_in_room(Codec::Json).await;
    peer.connection.close(4502, "").await;
    let closed = state(&client, |state| matches!(state, SessionState::Closed { .. })).await;
    let (again, ()) = tokio::join!(client.reconnect(), async {
        let mut peer = wanted(&mut dials).await.accept(2);
        peer.reconnect(Codec::Json).await;
        peer.connection.close(4502, "").await;
    });
    assert!(matches!(again, Err(ConnectError::BrokenOff)), "{again:?}");
    assert_eq!(client.state(), closed, "the seats are kept no longer than before");
    stays_away(&mut dials).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_too_much_for_the_server_is_made_again_after_a_pause() {
    let (client, mut peer, mut dials, _room) = lasting_in_room(Codec::Json).await;
    for attempt in 1..4 {
        peer.json("goodbye", r#"{"code":4005,"reason":""}"#).await;
        peer.connection.close(CloseCode::Flooded.number(), "").await;
        let lost_at = Instant::now();
        let waits = reconnecting(&client).await;
        assert!(
            matches!(waits, SessionState::Reconnecting { next_try, .. } if next_try >= lost_at + Duration::from_secs(1))
        );
        let next = wanted(&mut dials).await;
        let pause = next.at - lost_at;
        assert!((1000..=2001).contains(&pause.as_millis()), "{pause:?}");
        assert!(pause.subsec_millis() > 0, "everyone comes back at once: {pause:?}");
        peer = next.accept(attempt + 1);
        assert_eq!(peer.reconnect(Codec::Json).await.attempt, attempt);
        peer.go_on("token-1", &[(LANE, room_id(1))]).await;
        peer.open(0, None, 1, 1, false).await;
        peer.open(LANE, Some(room_id(1)), 2, 0, false).await;
        connected(&client).await;
    }
}

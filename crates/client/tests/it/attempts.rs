//! How often a session that lost its connection tries, when it gives up, and what it takes for an answer.

use std::time::Duration;

use anteroom_client::{
    Client, CloseCode, Codec, ConnectError, RoomEnd, RoomEvent, SessionEnd, SessionState, TransportChoice,
};
use anteroom_protocol::LaneId;
use anteroom_transport::Closed;
use tokio::time::{Instant, sleep_until, timeout};

use crate::support::{
    self, Dials, LANE, connected, dialing, lasting, lasting_in_room, next_event, reconnecting, room_id, wanted,
};

#[tokio::test(start_paused = true)]
async fn attempts_come_at_once_then_ever_more_slowly_until_the_server_was_away_for_too_long() {
    let (client, peer, mut dials, mut room) = lasting_in_room(Codec::Json).await;
    peer.cut();
    let lost_at = Instant::now();
    let mut waits = Vec::new();
    let mut last = lost_at;
    let after = client.grace() + Duration::from_secs(3600);
    let end = loop {
        tokio::select! {
            biased;
            end = client.ended() => break end,
            asked = wanted(&mut dials) => {
                waits.push(asked.at - last);
                last = asked.at;
                let state = reconnecting(&client).await;
                let SessionState::Reconnecting { attempt, since, until, .. } = state else { panic!("{state:?}") };
                assert_eq!(u32::try_from(waits.len()).unwrap(), attempt);
                assert_eq!((since, until), (lost_at, lost_at + after));
                asked.refuse();
            }
        }
    };
    assert_eq!(lost_at.elapsed(), after);
    assert_eq!(waits[0], Duration::ZERO);
    for (wait, longest) in waits[1..].iter().zip([100, 200, 400, 800, 1600, 3200]) {
        assert!(*wait <= Duration::from_millis(longest + 1), "{waits:?}");
    }
    assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(5001)), "{waits:?}");
    assert!(waits.len() > 12 * 60, "{}", waits.len());
    assert!(matches!(&end, SessionEnd::Unreachable { after: tried, lost: Closed::Lost(_) } if *tried == after));
    assert_eq!(next_event(&mut room).await, RoomEvent::Closed(RoomEnd::Session(end.clone())));
    assert_eq!(client.state(), SessionState::Ended(end));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_reconnect_is_asked_for_with_the_same_token() {
    let (client, peer, mut dials, _room) = lasting_in_room(Codec::Json).await;
    peer.cut();
    let mut peer = wanted(&mut dials).await.accept(2);
    assert_eq!(peer.reconnect(Codec::Json).await.attempt, 1);
    peer.cut();
    // This one stays silent.
    let mut silent = wanted(&mut dials).await.accept(3);
    assert_eq!(silent.reconnect(Codec::Json).await.attempt, 2);
    let mut peer = wanted(&mut dials).await.accept(4);
    let said = peer.reconnect(Codec::Json).await;
    assert_eq!((said.attempt, &*said.resume_token), (3, "token"));
    // This one answers, but its lanes do not come.
    peer.go_on("token-1", &[(LANE, room_id(1))]).await;
    let mut peer = wanted(&mut dials).await.accept(5);
    let said = peer.reconnect(Codec::Json).await;
    assert_eq!((said.attempt, &*said.resume_token), (4, "token-1"));
    peer.go_on("token-2", &[(LANE, room_id(1))]).await;
    peer.open(0, None, 1, 1, false).await;
    connected(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_heard_nothing_in_time_is_asked_again() {
    let (code, reason) = (CloseCode::HandshakeTimeout.number(), CloseCode::HandshakeTimeout.sentence());
    let goodbye = format!(r#"{{"code":{code},"reason":"{reason}"}}"#);
    let (dials, mut asked) = Dials::new();
    let options = dialing(TransportChoice::Quic, Codec::Json);
    let (client, mut peer) = tokio::join!(Client::with_dial(dials, options), async {
        // What the client says is on its way still.
        wanted(&mut asked).await.accept(1).connection.close(code, reason).await;
        wanted(&mut asked).await.accept(2).json("goodbye", &goodbye).await;
        let mut peer = wanted(&mut asked).await.accept(3);
        peer.handshake().await;
        peer.accept(Codec::Json).await;
        peer
    });
    let client = client.unwrap();
    peer.cut();
    wanted(&mut asked).await.accept(4).connection.close(code, reason).await;
    wanted(&mut asked).await.accept(5).json("goodbye", &goodbye).await;
    peer = wanted(&mut asked).await.accept(6);
    assert_eq!(peer.reconnect(Codec::Json).await.attempt, 3);
    peer.go_on("token-1", &[]).await;
    peer.open(0, None, 1, 0, false).await;
    connected(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_asked_in_time_decides() {
    let (client, peer, mut dials, mut room) = lasting_in_room(Codec::Json).await;
    peer.cut();
    let until = Instant::now() + client.grace() + Duration::from_secs(3600);
    let asked = loop {
        let asked = wanted(&mut dials).await;
        if Instant::now() + Duration::from_secs(6) > until {
            break asked;
        }
        asked.refuse();
    };
    let mut peer = asked.accept(2);
    peer.reconnect(Codec::Json).await;
    sleep_until(until + Duration::from_secs(1)).await;
    peer.go_on("token-1", &[(LANE, room_id(1))]).await;
    peer.open(0, None, 1, 1, false).await;
    peer.open(LANE, Some(room_id(1)), 2, 0, false).await;
    connected(&client).await;
    peer.state(LANE, room_id(1), 1).await;
    assert!(matches!(next_event(&mut room).await, RoomEvent::State(_)));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_handshake_is_asked_for_with_the_same_nonce() {
    let (dials, mut asked) = Dials::new();
    let options = dialing(TransportChoice::Quic, Codec::Json);
    let (client, (first, second)) = tokio::join!(Client::with_dial(dials, options), async {
        let mut peer = wanted(&mut asked).await.accept(1);
        let first = peer.handshake().await;
        peer.cut();
        let mut peer = wanted(&mut asked).await.accept(2);
        let second = peer.handshake().await;
        peer.accept(Codec::Json).await;
        (first, second)
    });
    assert!(client.is_ok() && first.nonce.is_some());
    assert_eq!(first, second);
    // Not for ever, and not if the server says no.
    let (dials, mut asked) = Dials::new();
    let serving = tokio::spawn(async move {
        let mut handshakes = 0;
        while let Some(wanted) = asked.recv().await {
            let mut peer = wanted.accept(1);
            peer.handshake().await;
            handshakes += 1;
        }
        handshakes
    });
    let options = dialing(TransportChoice::Quic, Codec::Json);
    assert!(matches!(Client::with_dial(dials, options).await, Err(ConnectError::Lost(_))));
    assert_eq!(serving.await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_has_forgotten_ends_plainly() {
    for (answer, expected) in [
        (r#""error":{"code":"session_unknown","message":"No.","retryable":false}"#, SessionEnd::Unknown),
        (
            r#""error":{"code":"invalid_data","message":"Another codec.","retryable":false}"#,
            SessionEnd::Refused("Another codec.".into()),
        ),
    ] {
        let (client, peer, mut dials, mut room) = lasting_in_room(Codec::Json).await;
        peer.cut();
        let mut peer = wanted(&mut dials).await.accept(2);
        peer.reconnect(Codec::Json).await;
        let text = format!(r#"{{"type":"reconnect_result","success":false,{answer}}}"#);
        peer.raw(LaneId::CONTROL, Codec::Json, text.as_bytes()).await;
        assert_eq!(timeout(support::LONG, client.ended()).await.unwrap(), expected);
        assert_eq!(next_event(&mut room).await, RoomEvent::Closed(RoomEnd::Session(expected)));
    }
}

#[tokio::test(start_paused = true)]
async fn close_codes_say_whether_to_come_back() {
    for code in CloseCode::ALL {
        for says_goodbye in [false, true] {
            let (client, mut peer, mut dials) = lasting(Codec::Json).await;
            if says_goodbye {
                peer.json("goodbye", &format!(r#"{{"code":{},"reason":""}}"#, code.number())).await;
            }
            peer.connection.close(code.number(), "").await;
            let end = SessionEnd::ByServer { code: code.number(), reason: code.sentence().to_owned() };
            if code.number() < 4500 {
                wanted(&mut dials).await.accept(2).reconnect(Codec::Json).await;
            } else if [CloseCode::Malformed, CloseCode::MessageTooLarge, CloseCode::WrongFrameKind].contains(code) {
                // The session lives on, but only the program knows whether to go on with it.
                let closed = support::state(&client, |state| matches!(state, SessionState::Closed { .. })).await;
                assert!(matches!(closed, SessionState::Closed { why, .. } if why == end), "{code}");
                assert_eq!(client.ended().await, end);
                assert!(dials.recv().await.is_none(), "{code}");
            } else {
                assert_eq!(timeout(support::LONG, client.ended()).await.unwrap(), end);
                assert!(dials.recv().await.is_none(), "{code}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_elsewhere_is_not_fought_over() {
    let (client, peer, mut dials, _room) = lasting_in_room(Codec::Json).await;
    peer.cut();
    let mut peer = wanted(&mut dials).await.accept(2);
    peer.reconnect(Codec::Json).await;
    peer.connection.close(CloseCode::Superseded.number(), "").await;
    let end = timeout(support::LONG, client.ended()).await.unwrap();
    assert!(matches!(end, SessionEnd::ByServer { code: 4509, .. }), "{end:?}");
}

//! Who may go on with a session, and which of several connections wins.

use std::collections::BTreeMap;

use anteroom_core::Time;
use anteroom_core::flush::Outgoing;
use anteroom_core::lanes::{Carrying, Claim, ConnectionId, Lanes, NotMoving, Refused, SessionBounds, Verdict};
use anteroom_protocol::lane::Bounds;
use anteroom_protocol::{Codec, Header, LaneId};
use proptest::prelude::*;

use crate::lanes::words::{CONTROL, one, room_id};

const NOW: Time = Time::from_millis(1);

fn said() -> Outgoing {
    Outgoing::Reliable(one(Codec::Json, &Header::new("said"), &0_u8))
}

pub(crate) fn session() -> (Lanes, ConnectionId) {
    Lanes::new(Codec::Json, true, SessionBounds { control: Bounds::NONE, room: Bounds::NONE }, None)
}

pub(crate) fn claim(token: u64, attempt: u64) -> Claim {
    Claim { token, attempt, carrying: Carrying::Received(BTreeMap::new()) }
}

pub(crate) fn live(token: u64, attempt: u64) -> Claim {
    Claim { carrying: Carrying::Live, ..claim(token, attempt) }
}

#[test]
fn the_token_before_serves_until_the_answer_is_known_to_have_arrived() {
    let (mut session, first) = session();
    let second = session.reconnect(&claim(0, 1), None).unwrap();
    assert_eq!((second.token, &second.displaced), (1, &vec![first]));
    // Lost answers: the same token is offered, however often it is asked for.
    let third = session.reconnect(&claim(0, 2), None).unwrap();
    assert_eq!((third.token, &third.displaced), (1, &vec![second.connection]));
    session.heard(first);
    session.heard(second.connection);
    let fourth = session.reconnect(&claim(0, 3), None).unwrap();
    assert_eq!(fourth.token, 1, "nothing was heard on the connection of the answer");
    session.heard(fourth.connection);
    assert_eq!(session.reconnect(&claim(0, 4), None), Err(Refused::TokenReused));
    assert_eq!(session.reconnect(&claim(0, 3), None), Err(Refused::Superseded), "an old attempt comes late");
    assert_eq!(session.reconnect(&claim(1, 4), None).unwrap().token, 2);
}

#[test]
fn whoever_presents_the_token_that_was_offered_has_it() {
    let (mut session, _) = session();
    session.reconnect(&claim(0, 1), None).unwrap();
    assert_eq!(session.reconnect(&claim(1, 2), None).unwrap().token, 2);
    assert_eq!(session.reconnect(&claim(0, 3), None), Err(Refused::TokenReused));
}

#[test]
fn a_refused_claim_changes_nothing() {
    let (mut session, first) = session();
    let mut boast = claim(0, 5);
    boast.carrying = Carrying::Received(BTreeMap::from([(CONTROL, 1)]));
    assert!(matches!(session.reconnect(&boast, None), Err(Refused::Count(_))));
    assert_eq!(session.attached(), Some(first));
    assert_eq!(session.reconnect(&claim(0, 1), None).unwrap().token, 1, "its attempt does not count");
}

#[test]
fn the_lanes_move_when_they_are_called_and_not_before() {
    let (mut session, first) = session();
    assert_eq!(session.resume(first, &BTreeMap::new()), Err(NotMoving::NotAsked));
    let second = session.reconnect(&live(0, 1), None).unwrap();
    assert_eq!((second.displaced.len(), session.attached()), (0, Some(first)));
    assert_eq!(session.judge(second.connection, CONTROL, Some(1)), Verdict::Ignored);
    let boast = BTreeMap::from([(CONTROL, 1)]);
    assert!(matches!(session.resume(second.connection, &boast), Err(NotMoving::Count(_))));
    assert_eq!(session.resume(second.connection, &BTreeMap::new()), Ok(Some(first)));
    assert_eq!(session.judge(first, CONTROL, Some(1)), Verdict::Ignored, "the old connection is not listened to");
    assert_eq!(session.judge(second.connection, CONTROL, Some(1)), Verdict::New);
    assert_eq!(session.resume(second.connection, &BTreeMap::new()), Err(NotMoving::NotAsked), "only once");
}

#[test]
fn a_stale_connection_takes_nothing_with_it_when_it_goes() {
    let (mut session, first) = session();
    let second = session.reconnect(&claim(0, 1), None).unwrap().connection;
    session.lost(first);
    assert_eq!(session.attached(), Some(second));
    let third = session.reconnect(&live(0, 2), None).unwrap().connection;
    let fourth = session.reconnect(&live(0, 3), None).unwrap();
    assert_eq!(fourth.displaced, [third]);
    session.lost(third);
    session.lost(second);
    assert!(session.is_connected(), "the session is about to move");
    assert_eq!(session.resume(fourth.connection, &BTreeMap::new()), Ok(None));
    session.lost(fourth.connection);
    assert!(!session.is_connected());
}

#[test]
fn a_lane_has_a_number_of_its_own_whatever_became_of_the_one_before() {
    let (mut session, _) = session();
    let first = session.open(None);
    session.retract(first);
    let second = session.open(None);
    assert_eq!((first, second), (LaneId(1), LaneId(2)));
}

#[test]
fn what_was_refused_in_front_of_a_room_is_not_done_later() {
    let (mut session, connection) = session();
    let lane = session.open(None);
    session.saw(lane, Some(1));
    assert_eq!(session.judge(connection, lane, Some(1)), Verdict::Ignored);
    assert_eq!(session.take_ack(), BTreeMap::new(), "the room has not got it");
    assert_eq!(session.reconnect(&claim(0, 1), None).unwrap().last_n, 1);
    // The control lane begins anew, so the refusal may never have been heard.
    let fresh = Claim { carrying: Carrying::Fresh, ..claim(0, 2) };
    let connection = session.reconnect(&fresh, None).unwrap().connection;
    assert_eq!(session.judge(connection, lane, Some(1)), Verdict::New);
}

/// It is sent again because the end of the lane came before the acknowledgement: the end says more than a refusal.
#[test]
fn what_a_room_has_had_is_known_when_its_lane_has_ended() {
    let room_id = room_id(1);
    let (mut session, _) = session();
    session.took(NOW, CONTROL, Some(1), 10);
    let lane = session.open(Some(room_id));
    session.put(NOW, lane, said());
    session.handed(NOW, lane, Some(2), 10);
    assert!(session.has_passed(&room_id, Some(2)), "it has gone there, though the end is still to come");
    session.end(NOW, lane, vec![said()]);
    let passed = [None, Some(1), Some(2), Some(3)].map(|n| session.has_passed(&room_id, n));
    assert_eq!(passed, [false, false, true, false]);
    assert!(!session.has_passed(&crate::lanes::words::room_id(0), Some(2)), "it was not said there");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Ten connections at once, all with the same token. Some call the lanes, some do not, some are lost again.
    #[test]
    fn of_many_connections_one_wins(
        attempts in Just((1..=10_u64).collect::<Vec<_>>()).prop_shuffle(),
        lives in any::<u16>(),
        lost in any::<u16>(),
    ) {
        let (mut session, first) = session();
        let mut alive = vec![first];
        let mut newest = 0;
        for attempt in attempts {
            let claim = if lives & (1 << attempt) != 0 { live(0, attempt) } else { claim(0, attempt) };
            match session.reconnect(&claim, None) {
                Ok(accepted) => {
                    prop_assert!(attempt > newest);
                    newest = attempt;
                    alive.retain(|connection| !accepted.displaced.contains(connection));
                    if claim.carrying == Carrying::Live {
                        let before = session.resume(accepted.connection, &BTreeMap::new()).unwrap();
                        alive.retain(|connection| Some(*connection) != before);
                    }
                    alive.push(accepted.connection);
                    if lost & (1 << attempt) != 0 {
                        session.lost(accepted.connection);
                        alive.pop();
                    }
                }
                Err(refused) => {
                    prop_assert!(attempt < newest);
                    prop_assert_eq!(refused, Refused::Superseded, "nobody ends the session");
                }
            }
            prop_assert!(alive.len() <= 1, "{:?}", alive);
            prop_assert_eq!(session.attached(), alive.first().copied());
        }
        prop_assert_eq!(newest, 10);
    }
}

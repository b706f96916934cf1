//! The messages that go on with a session: whatever they say reads back the same, and what is no count of a lane is
//! refused.

use std::fmt::Debug;

use anteroom_protocol::bincode::Decode;
use anteroom_protocol::codec::{Body, Data, InvalidData};
use anteroom_protocol::message::request::{Handshake, JoinRoom};
use anteroom_protocol::message::resume::*;
use anteroom_protocol::{Json, LaneId, RoomId, SessionId, binary};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a body back from both codecs.
fn check<T: Body + DeserializeOwned + Decode<()> + PartialEq + Debug>(body: &T) -> Result<(), TestCaseError> {
    check_json(body)?;
    let mut bytes = Vec::new();
    binary::encode(body, &mut bytes).expect("a body that can be encoded");
    let decoded: T = Data::Binary(&bytes).decode().expect("a body");
    prop_assert_eq!(&decoded, body);
    Ok(())
}

fn check_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(body: &T) -> Result<(), TestCaseError> {
    let text = serde_json::to_string(body).expect("a body that can be encoded");
    prop_assert_eq!(&serde_json::from_str::<T>(&text).expect("a body"), body);
    Ok(())
}

fn lane() -> impl Strategy<Value = LaneId> {
    any::<u32>().prop_map(LaneId)
}

fn counts() -> impl Strategy<Value = Counts> {
    btree_map(lane(), any::<u64>(), 0..20)
}

fn room_id() -> impl Strategy<Value = RoomId> {
    any::<u128>().prop_map(RoomId::from_bits)
}

fn lane_of_room() -> impl Strategy<Value = LaneOfRoom> {
    (lane(), room_id()).prop_map(|(lane, room_id)| LaneOfRoom { lane, room_id })
}

fn json() -> impl Strategy<Value = Json> {
    any::<String>().prop_map(|text| Json::new(&text).expect("JSON"))
}

fn subscription() -> impl Strategy<Value = Subscription> {
    any::<(String, Option<String>)>().prop_map(|(to, game)| Subscription { to, game, filter: None })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_read_back(counts in counts()) {
        check(&Ack { counts: counts.clone() })?;
        check(&Resume { received: counts })?;
    }

    #[test]
    fn announcements_read_back(
        (lane, room_id) in (lane(), prop::option::of(room_id())),
        (next, applied, gap) in any::<(u64, u64, bool)>(),
    ) {
        check(&LaneOpened { lane, room_id, next, applied, gap })?;
    }

    #[test]
    fn snapshots_read_back(
        rooms in vec(lane_of_room(), 0..20),
        party in prop::option::of(json()),
        tickets in vec(json(), 0..5),
        subscriptions in vec(subscription(), 0..5),
    ) {
        check(&SessionState { rooms, party, tickets, subscriptions })?;
    }

    #[test]
    fn reconnecting_reads_back(
        (session, resume_token, attempt, fresh) in any::<(u128, String, u64, bool)>(),
        received in prop::option::of(counts()),
        (lanes, last_n) in (vec(lane_of_room(), 0..20), any::<u64>()),
    ) {
        let session_id = SessionId::from_bits(session);
        check_json(&Reconnect { session_id, resume_token: resume_token.clone(), attempt, received, fresh })?;
        check_json(&Reconnected { resume_token, lanes, last_n })?;
    }
}

#[test]
fn the_keys_of_counts_are_numbers_of_lanes() {
    let ack = |text: &str| Data::Json(text).decode::<Ack>();
    let one = Ack { counts: Counts::from([(LaneId(3), 402)]) };
    assert_eq!(ack(r#"{"3":402}"#), Ok(one));
    assert_eq!(ack("{}"), Ok(Ack::default()));
    for wrong in
        [r#"{"3":-1}"#, r#"{"3":1.5}"#, r#"{"3":"1"}"#, r#"{"-1":1}"#, r#"{"x":1}"#, r#"{"4294967296":1}"#, "[]", "1"]
    {
        assert!(matches!(ack(wrong), Err(InvalidData { .. })), "{wrong}");
    }
}

#[test]
fn what_may_be_left_out_is_nothing() {
    assert_eq!(Data::Json("{}").decode::<Resume>(), Ok(Resume::default()));
    assert_eq!(Data::Json(r#"{"rooms":[]}"#).decode::<SessionState>(), Ok(SessionState::default()));
    let least = r#"{"session_id":"014d2pf2dbsqqg28t5cy4tqkff","resume_token":"","attempt":0}"#;
    let Reconnect { received, fresh, .. } = serde_json::from_str(least).expect("the least");
    assert_eq!((received, fresh), (None, false));
    let null = least.replace(r#""attempt":0"#, r#""attempt":0,"received":null,"fresh":null"#);
    let Reconnect { received, fresh, .. } = serde_json::from_str(&null).expect("null is as if it were not there");
    assert_eq!((received, fresh), (None, false));
    assert_eq!(Data::Json(r#"{"received":null}"#).decode::<Resume>(), Ok(Resume::default()));
    let joins = Data::Json(r#"{"room_id":null,"game":null,"quick":null,"as":null}"#).decode::<JoinRoom>();
    assert_eq!(joins, Ok(JoinRoom::default()));
    let shakes = serde_json::from_str::<Handshake>(r#"{"version":1,"resume":null}"#).expect("the same here");
    assert!(!shakes.resume);
    for missing in ["session_id", "resume_token", "attempt"] {
        let without = least.replace(missing, "another");
        assert!(serde_json::from_str::<Reconnect>(&without).is_err(), "{missing}");
    }
}

//! What is kept of a session's lanes, and what is made of it again.

use std::collections::BTreeMap;

use anteroom_core::Time;
use anteroom_core::flush::Outgoing;
use anteroom_core::lanes::{Carrying, Claim, ConnectionId, KeptLanes, Lanes, Refused, SessionBounds, Verdict};
use anteroom_protocol::lane::Bounds;
use anteroom_protocol::{Codec, LaneId, RoomId};
use proptest::prelude::*;

use crate::lanes::claims::{claim, session};
use crate::lanes::words::{CONTROL, one};

const NOW: Time = Time::from_millis(1);
const ALL: SessionBounds = SessionBounds { control: Bounds::NONE, room: Bounds::NONE };

#[derive(Debug, Clone)]
enum Step {
    Open,
    Say(usize),
    End(usize),
    Hand(usize),
    Apply(usize),
    Take,
    Ask,
    Answer,
    Reconnect { newer: bool, attempts: u64 },
    Restart,
    Hear,
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Open),
        4 => any::<usize>().prop_map(Step::Say),
        1 => any::<usize>().prop_map(Step::End),
        3 => any::<usize>().prop_map(Step::Hand),
        2 => any::<usize>().prop_map(Step::Apply),
        2 => Just(Step::Take),
        2 => Just(Step::Ask),
        1 => Just(Step::Answer),
        3 => (any::<bool>(), 1..5_u64).prop_map(|(newer, attempts)| Step::Reconnect { newer, attempts }),
        1 => Just(Step::Restart),
        2 => Just(Step::Hear),
        1 => Just(Step::Rebuild),
    ]
}

struct Session {
    lanes: Lanes,
    connection: Option<ConnectionId>,
    opened: Vec<LaneId>,
    n: u64,
    asked: Vec<u64>,
}

impl Session {
    fn take(&mut self, step: &Step) {
        let pick = |place: &usize| self.opened.get(place % self.opened.len().max(1)).copied().unwrap_or(LaneId(99));
        let said = || Outgoing::Reliable(one(Codec::Json, &anteroom_protocol::Header::new("said"), &0_u8));
        match step {
            Step::Open => {
                let room_id = RoomId::from_bits(self.opened.len() as u128);
                self.opened.push(self.lanes.open(Some(room_id)));
            }
            Step::Say(place) => drop(self.lanes.put(NOW, pick(place), said())),
            Step::End(place) => self.lanes.end(NOW, pick(place), vec![said()]),
            Step::Hand(place) => {
                self.n += 1;
                self.lanes.handed(NOW, pick(place), Some(self.n), 10);
            }
            Step::Apply(place) => self.lanes.applied(pick(place), self.n),
            Step::Take => {
                self.n += 1;
                self.lanes.took(NOW, CONTROL, Some(self.n), 10);
            }
            Step::Ask => {
                self.n += 1;
                self.asked.push(self.n);
                self.lanes.handed(NOW, CONTROL, Some(self.n), 10);
            }
            Step::Answer => self.lanes.done(self.asked.pop()),
            Step::Reconnect { newer, attempts } => {
                let KeptLanes { token, attempt, .. } = self.lanes.kept();
                let token = token + u64::from(*newer);
                let claim = Claim { token, attempt: attempt.unwrap_or(0) + attempts, carrying: Carrying::Fresh };
                self.connection = Some(self.lanes.reconnect(&claim, None).unwrap().connection);
            }
            Step::Restart => self.connection = Some(self.lanes.restart(None).connection),
            Step::Hear => self.connection.into_iter().for_each(|connection| self.lanes.heard(connection)),
            Step::Rebuild => {
                let mut kept = read_back(&self.lanes.kept());
                kept.generation += 1;
                self.lanes = Lanes::restore(Codec::Json, true, ALL, &kept);
                (self.connection, self.asked) = (None, Vec::new());
            }
        }
    }
}

fn read_back(kept: &KeptLanes) -> KeptLanes {
    let read: KeptLanes = serde_json::from_slice(&serde_json::to_vec(kept).unwrap()).unwrap();
    assert_eq!(&read, kept);
    read
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_had_again(steps in prop::collection::vec(step(), 1..60), keeps: bool) {
        let (lanes, connection) = session();
        let mut session =
            Session { lanes, connection: Some(connection), opened: Vec::new(), n: 0, asked: Vec::new() };
        for step in steps {
            let before = session.lanes.kept();
            session.take(&step);
            let kept = read_back(&session.lanes.kept());
            // Whoever stores it late can tell which is newer.
            let newest = |kept: &KeptLanes| (kept.generation, kept.round, kept.attempt);
            match step {
                Step::Reconnect { .. } | Step::Restart | Step::Rebuild => prop_assert!(newest(&kept) > newest(&before)),
                _ => prop_assert_eq!(newest(&kept), newest(&before)),
            }
            prop_assert!(kept.token >= before.token && kept.applied >= before.applied);
            prop_assert!(kept.last_lane >= before.last_lane);
            // The same again, in the same generation.
            let restored = Lanes::restore(Codec::Json, keeps, ALL, &kept);
            prop_assert_eq!(&restored.kept(), &kept);
            // And in a higher one everything is counted above all that was.
            let generation = kept.generation + 1;
            let mut restored = Lanes::restore(Codec::Bincode, keeps, ALL, &KeptLanes { generation, ..kept.clone() });
            prop_assert!(!restored.is_connected());
            let last_lane = kept.last_lane.max(LaneId(u32::from(generation) << 16));
            prop_assert_eq!(restored.kept(), KeptLanes { generation, last_lane, ..kept.clone() });
            prop_assert_eq!(restored.open(None), LaneId(last_lane.0 + 1));
        }
    }
}

fn kept() -> KeptLanes {
    KeptLanes {
        generation: 1,
        token: 4,
        round: 2,
        attempt: Some(9),
        applied: 3,
        last_lane: LaneId(5),
        rooms: Vec::new(),
    }
}

#[test]
fn what_is_kept_is_read_strictly() {
    let text = serde_json::to_string(&kept()).unwrap();
    assert!(serde_json::from_str::<KeptLanes>(&text).is_ok());
    for changed in [text.replacen('{', r#"{"more":1,"#, 1), text.replace(r#""round":2,"#, "")] {
        assert_ne!(changed, text);
        assert!(serde_json::from_str::<KeptLanes>(&changed).is_err(), "{changed}");
    }
}

/// What is stored may be older than what the client was given: nobody else has made the token that it presents.
#[test]
fn a_genuine_token_that_is_newer_than_what_was_stored_is_accepted() {
    let mut session = Lanes::restore(Codec::Json, true, ALL, &kept());
    assert_eq!(session.reconnect(&claim(7, 9), None), Err(Refused::Superseded));
    let accepted = session.reconnect(&claim(7, 10), None).unwrap();
    assert_eq!((accepted.token, session.kept().token), (8, 7));
    for retired in [4, 6] {
        assert_eq!(session.reconnect(&claim(retired, 11), None), Err(Refused::TokenReused), "{retired}");
    }
    session.heard(accepted.connection);
    assert_eq!(session.reconnect(&claim(7, 11), None), Err(Refused::TokenReused));
    assert_eq!(session.reconnect(&claim(8, 11), None).unwrap().token, 9);
}

#[test]
fn a_client_that_begins_anew_counts_its_attempts_in_another_round() {
    let mut session = Lanes::restore(Codec::Json, true, ALL, &kept());
    session.restart(None);
    let KeptLanes { round, attempt, token, .. } = session.kept();
    assert_eq!((round, attempt, token), (3, None, 4));
    session.reconnect(&claim(4, 1), None).unwrap();
    let KeptLanes { round, attempt, .. } = session.kept();
    assert_eq!((round, attempt), (3, Some(1)));
}

#[test]
fn the_lanes_of_a_client_that_does_not_acknowledge_are_restored_as_well() {
    for keeps in [false, true] {
        let mut session = Lanes::restore(Codec::Json, keeps, ALL, &kept());
        let carrying = Carrying::Received(BTreeMap::from([(CONTROL, 17)]));
        let accepted = session.reconnect(&Claim { carrying, ..claim(4, 10) }, None).unwrap();
        assert_eq!(session.judge(accepted.connection, CONTROL, Some(3)), Verdict::Ignored);
        assert_eq!(session.judge(accepted.connection, CONTROL, Some(4)), Verdict::New);
        let mut records = 0;
        while session.next(NOW, accepted.connection, |_| false).is_some() {
            records += 1;
        }
        assert_eq!(records, 2, "the announcement of a gap, and the state of the session");
    }
}

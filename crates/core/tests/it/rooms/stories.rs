//! Random stories, told to a room and to a model of it: they must agree on every word that every member hears,
//! whenever the room flushes.

use std::collections::BTreeSet;

use anteroom_core::room::MemberId;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::LeftReason;
use proptest::prelude::*;

use crate::rooms::house::{House, shown};
use crate::rooms::model::{Model, What, action};
use crate::rooms::probe::{Hidden, Open};

const USERS: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];
#[derive(Debug, Clone)]
enum Step {
    Join {
        user: usize,
        watch: bool,
    },
    Leave(usize),
    /// The session goes; the seat is kept.
    Abandon(usize),
    Lose(usize),
    Find(usize),
    Expire(usize),
    Snapshot(usize),
    Act {
        who: usize,
        what: What,
        answer: bool,
    },
    Advance(u64),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        any::<u8>().prop_map(|n| What::Say(n.into())),
        (0..4_u16, any::<u8>()).prop_map(|(seat, n)| What::Whisper(seat, n.into())),
        Just(What::Publish),
        Just(What::Refuse),
        (0..40_u64, any::<u8>()).prop_map(|(ms, n)| What::Remind(ms, n.into())),
    ];
    prop_oneof![
        4 => (0..USERS.len(), any::<bool>()).prop_map(|(user, watch)| Step::Join { user, watch }),
        1 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Abandon),
        3 => any::<usize>().prop_map(Step::Lose),
        2 => any::<usize>().prop_map(Step::Find),
        1 => any::<usize>().prop_map(Step::Expire),
        2 => any::<usize>().prop_map(Step::Snapshot),
        8 => (any::<usize>(), what, any::<bool>()).prop_map(|(who, what, answer)| Step::Act { who, what, answer }),
        3 => (0..20_u64).prop_map(Step::Advance),
        3 => Just(Step::Flush),
    ]
}

/// Does a step in both worlds. Members are picked among all there ever were, so that commands come late, too.
fn take(step: &Step, house: &mut House, model: &mut Model) {
    let pick = |house: &House, place: usize| house.lanes.keys().nth(place % house.lanes.len().max(1)).copied();
    match *step {
        // Whether a spectator who is away in one window is there in another is nowhere said.
        Step::Join { user, .. } if model.is_watching_from_afar(USERS[user]) => {}
        Step::Join { user, watch } => {
            let user = USERS[user];
            let joined = house.knock(user, if watch { Role::Spectator } else { Role::Player });
            let (member, refusal) = match joined {
                Ok(member) => (member, None),
                Err(error) => (MemberId(u64::MAX), Some(error.code)),
            };
            let expected = if watch { model.watch(user, member) } else { model.sit(user, member) };
            assert_eq!(expected.err(), refusal);
        }
        Step::Leave(place) => {
            if let Some(member) = pick(house, place) {
                house.leave(member);
                model.go(member, LeftReason::Left);
            }
        }
        Step::Abandon(place) => {
            if let Some(member) = pick(house, place) {
                house.disconnect(member);
                model.go(member, LeftReason::Disconnected);
            }
        }
        // What others are told of somebody who is here twice is another matter.
        Step::Lose(place) => {
            if let Some(member) = pick(house, place).filter(|member| model.is_alone(*member)) {
                house.lose(member);
                model.connect(member, false);
            }
        }
        Step::Find(place) => {
            if let Some(member) = pick(house, place) {
                house.find(member);
                model.connect(member, true);
            }
        }
        Step::Expire(place) => {
            if let Some(member) = pick(house, place) {
                house.expire(member);
                model.go(member, LeftReason::TimedOut);
            }
        }
        Step::Snapshot(place) => {
            if let Some(member) = pick(house, place) {
                house.snapshot(member);
                model.snapshot(member);
            }
        }
        Step::Act { who, what, answer } => {
            if let Some(member) = pick(house, who) {
                if answer {
                    house.act(member, action(what));
                } else {
                    house.tell(member, action(what));
                }
                model.act(member, what, answer);
            }
        }
        Step::Advance(ms) => {
            house.advance(ms);
            model.advance(ms);
        }
        Step::Flush => {
            house.flush();
            model.flush();
            compare(house, model);
        }
    }
}

fn compare(house: &House, model: &Model) {
    assert_eq!(house.closed, model.closed);
    assert_eq!(house.released, model.released);
    for (member, lane) in &house.lanes {
        assert_eq!(lane.words, model.lanes[member], "what {member:?} heard");
    }
    for member in model.live() {
        // Nobody is told of their own coming and going.
        let own = format!("{}:", model.user_of(member).unwrap());
        let others = |names: Vec<String>| names.into_iter().filter(|name| !name.starts_with(&own)).collect();
        let (told, there): (BTreeSet<String>, BTreeSet<String>) = (others(roster(house, member)), others(model.list()));
        assert_eq!(told, there, "who is there, as {member:?} was told");
    }
    let row = house.room.summary();
    let taken = model.seats.iter().flatten().count();
    assert_eq!((usize::from(row.players), usize::from(row.spectators)), (taken, model.watching.len()));
    assert_eq!(house.room.seating().len(), taken);
}

/// Everyone a member knows of, by name.
fn roster(house: &House, member: MemberId) -> Vec<String> {
    house.lanes[&member].roster.values().map(shown).collect()
}

fn story(hidden: bool, steps: &[Step]) {
    let mut house = if hidden { House::new::<Hidden>() } else { House::new::<Open>() };
    let mut model = Model::new(hidden);
    take(&Step::Join { user: 0, watch: false }, &mut house, &mut model);
    for step in steps {
        take(step, &mut house, &mut model);
        if house.closed {
            return;
        }
    }
    take(&Step::Flush, &mut house, &mut model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_room_does_what_the_model_does(hidden: bool, steps in prop::collection::vec(step(), 1..120)) {
        story(hidden, &steps);
    }

    #[test]
    fn a_story_told_twice_goes_the_same_way(steps in prop::collection::vec(step(), 1..60)) {
        let tell = || {
            let mut house = House::new::<Open>();
            let mut model = Model::new(false);
            take(&Step::Join { user: 0, watch: false }, &mut house, &mut model);
            for step in steps.iter().chain([&Step::Flush]) {
                if !house.closed {
                    take(step, &mut house, &mut model);
                }
            }
            house.lanes.into_values().flat_map(|lane| lane.batches).collect::<Vec<_>>()
        };
        prop_assert_eq!(tell(), tell());
    }
}

//! Random stories of a room with doors, owners, bots, absences and queues. Whatever happens: no seat is held twice, there is one
//! owner or none, who is banned is not in, who has followed what was told knows what a snapshot tells, and a room that is made
//! anew from its snapshot goes on in the same way.

use std::collections::{BTreeMap, BTreeSet};

use anteroom_core::Command;
use anteroom_core::room::{Join, MemberId};
use anteroom_protocol::message::Role;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, by_ada};
use crate::rooms::rounds::Rounds;
use crate::rooms::rounds::{Botless, Rules, Told, WhenReady};

const USERS: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];

#[derive(Debug, Clone)]
enum Step {
    Join(usize, bool),
    Leave(usize),
    Lose(usize),
    Away(usize),
    Back(usize),
    Ask(usize, &'static str, Value),
    Act(usize, &'static str),
    Reserve(usize),
    Pass(u64),
}

fn request() -> impl Strategy<Value = (&'static str, Value)> {
    let user = || (0..USERS.len()).prop_map(|user| USERS[user]);
    let flag = any::<bool>;
    prop_oneof![
        2 => flag().prop_map(|ready| ("ready", json!({ "ready": ready }))),
        2 => (0..4_u16).prop_map(|seat| ("choose_seat", json!({ "seat": seat }))),
        2 => flag().prop_map(|queued| ("queue_for_seat", json!({ "queued": queued }))),
        2 => Just(("add_bot", json!({}))),
        1 => (0..3_u16).prop_map(|seat| ("remove_bot", json!({ "seat": seat }))),
        1 => Just(("pause", json!({}))),
        1 => Just(("unpause", json!({}))),
        2 => flag().prop_map(|goes_on| ("vote", json!({ "continue": goes_on }))),
        1 => user().prop_map(|user| ("kick", json!({ "user_id": user }))),
        1 => user().prop_map(|user| ("ban", json!({ "user_id": user }))),
        1 => user().prop_map(|user| ("unban", json!({ "user_id": user }))),
        1 => user().prop_map(|user| ("transfer_owner", json!({ "user_id": user }))),
        1 => (user(), flag()).prop_map(|(user, muted)| ("mute", json!({ "user_id": user, "muted": muted }))),
        1 => (flag(), 1..4_u16).prop_map(|(locked, seats)| {
            ("update_room", json!({ "locked": locked, "seats_max": seats }))
        }),
        2 => (0..2_u8, any::<u8>(), 0..4_usize).prop_map(|(key, value, access)| {
            let (key, level) = (format!("k{key}"), ["public", "members", "owner", "owner"][access]);
            ("update_room", json!({"data": {key.clone(): value}, "access": {key: level}}))
        }),
        2 => (any::<u8>(), flag()).prop_map(|(value, hidden)| {
            let level = if hidden { "owner" } else { "members" };
            ("set_member_data", json!({"data": {"k": value}, "access": {"k": level}}))
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..USERS.len(), any::<bool>()).prop_map(|(user, watches)| Step::Join(user, watches)),
        1 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Lose),
        2 => any::<usize>().prop_map(Step::Away),
        1 => any::<usize>().prop_map(Step::Back),
        12 => (any::<usize>(), request()).prop_map(|(who, (kind, data))| Step::Ask(who, kind, data)),
        3 => (any::<usize>(), 0..3_usize).prop_map(|(who, what)| Step::Act(who, ["begin", "finish", "count"][what])),
        1 => (0..USERS.len()).prop_map(Step::Reserve),
        4 => prop_oneof![Just(300_u64), Just(1500), Just(6000), Just(61_000)].prop_map(Step::Pass),
    ]
}

/// The hall, and who was ever in it, so that requests come late, too.
struct Lounge {
    hall: Hall,
    members: Vec<(MemberId, &'static str)>,
    banned: BTreeSet<String>,
    /// What each lane has told of the room.
    known: BTreeMap<MemberId, Known>,
}

/// A room as a client knows it that follows what it is told.
#[derive(Debug, Default)]
struct Known {
    room: BTreeMap<String, Value>,
    members: BTreeMap<String, Value>,
}

impl Lounge {
    fn new<R: Rules>(then: &str) -> Self {
        let options = json!({"seats": 3, "min": 1, "absent_ms": 5000, "then": then});
        let hall = Hall::of::<Rounds<R>>(&options, by_ada());
        Self { hall, members: Vec::new(), banned: BTreeSet::new(), known: BTreeMap::new() }
    }

    fn take<R: Rules>(&mut self, step: &Step) {
        let any = |who: &usize| self.members.get(who % self.members.len().max(1)).copied();
        match step {
            Step::Join(user, watches) => {
                let (user, role) = (USERS[*user], if *watches { Role::Spectator } else { Role::Player });
                let join: Join = Hall::visitor(user, role);
                if let Ok(member) = self.hall.knock(join) {
                    assert!(!self.banned.contains(user), "{user} is banned");
                    self.members.push((member, user));
                }
            }
            Step::Leave(who) => any(who).into_iter().for_each(|(member, _)| self.hall.leave(member)),
            Step::Lose(who) => any(who).into_iter().for_each(|(member, _)| self.hall.lose(member)),
            Step::Away(who) => {
                any(who)
                    .into_iter()
                    .for_each(|(member, _)| self.hall.handle(Command::Disconnect { member, kept: true }));
            }
            Step::Back(who) => {
                any(who).into_iter().for_each(|(member, _)| self.hall.handle(Command::Reconnect { member }));
            }
            Step::Ask(who, kind, data) => {
                let Some((member, _)) = any(who) else { return };
                let answer = self.hall.ask(member, kind, data.clone());
                let user = data["user_id"].as_str().unwrap_or_default().to_owned();
                match (*kind, answer.is_object()) {
                    ("ban", true) => drop(self.banned.insert(user)),
                    ("unban", true) => drop(self.banned.remove(&user)),
                    _ => {}
                }
            }
            Step::Act(who, kind) => {
                let Some((member, _)) = any(who) else { return };
                let data = if *kind == "count" { json!({"mine": null}) } else { json!({}) };
                self.hall.act(member, kind, data);
            }
            Step::Reserve(user) => self.hall.reserve(USERS[*user], 3000),
            Step::Pass(ms) => self.hall.pass(*ms),
        }
    }

    /// What holds whatever has happened.
    fn check(&mut self) {
        let seated: Vec<String> = self.hall.room.seating().taken().map(|(_, who)| who.user_id.to_string()).collect();
        let users: BTreeSet<&String> = seated.iter().collect();
        assert_eq!(users.len(), seated.len(), "nobody has two seats: {seated:?}");
        let seats_max = usize::from(self.hall.room.summary().seats_max);
        assert!(seated.len() <= seats_max, "{seated:?} of {seats_max}");
        for user in &self.banned {
            assert!(!self.hall.room.memberships().any(|member| member.user_id.as_str() == user), "{user} is banned");
            assert!(!seated.contains(user), "{user} is banned");
        }
        let seats: BTreeMap<MemberId, u16> =
            self.hall.room.seating().taken().filter_map(|(seat, who)| Some((who.member?, seat.0))).collect();
        for membership in self.hall.room.memberships() {
            assert_eq!(seats.contains_key(&membership.member), membership.role == Role::Player);
        }
    }

    /// Reads what every lane has told, and compares it with what a snapshot would tell now.
    fn follow(&mut self) {
        for (member, heard) in std::mem::take(&mut self.hall.heard) {
            let known = self.known.entry(member).or_default();
            heard.iter().for_each(|said| known.hear(said));
        }
        let live: Vec<MemberId> = self.hall.room.memberships().map(|membership| membership.member).collect();
        for member in live {
            let snapshot = self.hall.snapshot(member);
            let owner = snapshot["owner"].clone();
            assert!(owner.is_null() || !owner.as_str().unwrap().starts_with("bot-"), "{owner}");
            let mut now = Known::default();
            now.hear(&json!({"type": "join_room_result", "success": true, "data": snapshot}));
            let user = self.members.iter().find(|(id, _)| *id == member).unwrap().1;
            let (known, now) = (self.known[&member].lines(user), now.lines(user));
            let differs: Vec<_> = known.symmetric_difference(&now).collect();
            assert!(differs.is_empty(), "what {member:?} of {user} knows: {differs:?}");
        }
        self.hall.hush();
    }
}

impl Known {
    fn hear(&mut self, said: &Value) {
        let data = &said["data"];
        let user = data["user_id"].as_str().unwrap_or_default();
        match said["type"].as_str().unwrap() {
            "join_room_result" if said["success"] == true => self.welcome(data),
            "client_joined" => drop(self.members.insert(user.to_owned(), data.clone())),
            "client_left" => drop(self.members.remove(user)),
            "client_disconnected" => self.set(user, "connected", json!(false)),
            "client_reconnected" => self.set(user, "connected", json!(true)),
            "room_updated" => {
                for (key, value) in data.as_object().unwrap() {
                    match key.as_str() {
                        "data" => merge(self.room.get_mut("data").unwrap(), value),
                        key => drop(self.room.insert(key.to_owned(), value.clone())),
                    }
                }
            }
            "member_updated" => {
                let Some(there) = self.members.get_mut(user).filter(|there| there["number"] == data["number"]) else {
                    return;
                };
                for (key, value) in data.as_object().unwrap() {
                    match key.as_str() {
                        "data" => merge(&mut there["data"], value),
                        key => there[key] = value.clone(),
                    }
                }
            }
            _ => {}
        }
    }

    /// Each thing that is known. Nobody hears of the own connection, and the number of those who watch is told some time later.
    fn lines(&self, own: &str) -> BTreeSet<String> {
        let line = |(of, key, value): (&str, &String, &Value)| {
            let is_nothing = value.is_null() || *value == json!(false);
            let is_late = key == "spectators" || (of == own && key == "connected");
            (!is_nothing && !is_late).then(|| format!("{of} {key} {value}"))
        };
        let members = self.members.iter().flat_map(|(user, member)| {
            member.as_object().unwrap().iter().map(move |(key, value)| (user.as_str(), key, value))
        });
        self.room.iter().map(|(key, value)| ("room", key, value)).chain(members).filter_map(line).collect()
    }

    fn set(&mut self, user: &str, key: &str, value: Value) {
        if let Some(member) = self.members.get_mut(user) {
            member[key] = value;
        }
    }

    fn welcome(&mut self, data: &Value) {
        // Where one sits oneself is in the list.
        let told_otherwise = ["members", "view", "seat", "role", "lane", "chat"];
        let room = data.as_object().unwrap().iter().filter(|(key, _)| !told_otherwise.contains(&key.as_str()));
        self.room = room.map(|(key, value)| (key.clone(), value.clone())).collect();
        let members = data["members"].as_array().unwrap().iter();
        self.members = members.map(|member| (member["user_id"].as_str().unwrap().to_owned(), member.clone())).collect();
    }
}

fn merge(there: &mut Value, changes: &Value) {
    for (key, value) in changes.as_object().unwrap() {
        let there = there.as_object_mut().unwrap();
        if value.is_null() { drop(there.remove(key)) } else { drop(there.insert(key.clone(), value.clone())) }
    }
}

fn tell<R: Rules>(then: &str, steps: &[Step]) {
    let mut lounge = Lounge::new::<R>(then);
    for step in steps {
        lounge.take::<R>(step);
        if lounge.hall.closed {
            break;
        }
        lounge.check();
        lounge.follow();
    }
}

fn tell_twice<R: Rules>(then: &str, steps: &[Step]) {
    let [mut one, mut other] = [(); 2].map(|()| Lounge::new::<R>(then));
    for step in steps {
        one.take::<R>(step);
        other.take::<R>(step);
        assert_eq!(one.hall.heard, other.hall.heard);
        assert_eq!(one.hall.closed, other.hall.closed);
        if one.hall.closed {
            break;
        }
        other.hall.rebuild::<Rounds<R>>();
        assert_eq!(one.hall.room.next_deadline(), other.hall.room.next_deadline());
        one.hall.hush();
        other.hall.hush();
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let opening = [Step::Join(0, false), Step::Join(1, false), Step::Join(2, true), Step::Act(0, "begin")];
    proptest::collection::vec(step(), 1..60).prop_map(move |steps| opening.iter().cloned().chain(steps).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bots_stand_in_and_everyone_knows_what_a_newcomer_is_told(steps in steps()) {
        tell::<Told>("bot", &steps);
    }

    #[test]
    fn members_vote_and_everyone_knows_what_a_newcomer_is_told(steps in steps()) {
        tell::<Botless>("vote", &steps);
        tell::<WhenReady>("pause", &steps);
    }

    #[test]
    fn a_room_goes_on_after_its_snapshot_as_before(steps in steps()) {
        tell_twice::<Told>("vote", &steps);
        tell_twice::<WhenReady>("bot", &steps);
    }
}

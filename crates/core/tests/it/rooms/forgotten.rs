//! Each way in which a room can mention a user, and that nothing is left of it in what is stored once they are forgotten.

use std::time::Duration;

use anteroom_core::Command;
use anteroom_core::room::MemberId;
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, by_ada};
use crate::rooms::rounds::{Botless, Rounds};

/// Who is forgotten. Nothing else in a room reads like that.
const WHO: &str = "zebedee";

/// A room that Ada has made, who plays in it with Bob.
struct Scene {
    hall: Hall,
    ada: MemberId,
    bob: MemberId,
}

impl Scene {
    fn new(delay_ms: u64) -> Self {
        let options = json!({"seats": 4, "absent_ms": 1000, "then": "vote"});
        let mut terms = by_ada();
        terms.spectator_delay = Duration::from_millis(delay_ms);
        let mut hall = Hall::of::<Rounds<Botless>>(&options, terms);
        let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
        Self { hall, ada, bob }
    }

    fn owner(&mut self, kind: &str, data: Value) {
        assert!(self.hall.ask(self.ada, kind, data).is_object(), "{kind}");
    }

    fn who(&mut self, member: MemberId, kind: &str, data: Value) {
        assert!(self.hall.ask(member, kind, data).is_object(), "{kind}");
    }

    fn stored(&self) -> String {
        let mut stored = Vec::new();
        self.hall.room.snapshot().unwrap().encode(&mut stored).unwrap();
        String::from_utf8(stored).unwrap()
    }

    fn mentions(&self) -> bool {
        self.hall.room.snapshot().unwrap().mentions(&WHO.parse().unwrap())
    }

    fn assert_forgotten(&self, what: &str) {
        let stored = self.stored();
        assert!(!stored.to_lowercase().contains(WHO), "{what}: {stored}");
        // The binary form of what is shown later is kept as numbers.
        let name = format!("{:?}", WHO.as_bytes()).replace([' ', '[', ']'], "");
        assert!(!stored.contains(&name), "{what}: {stored}");
        assert!(!self.mentions(), "{what}");
    }
}

/// Two go on a vote: one who is away, and the others.
fn vote(scene: &mut Scene, away: MemberId) {
    scene.hall.act(scene.ada, "begin", json!({}));
    scene.hall.lose(away);
    scene.hall.pass(1000);
}

type Way = (&'static str, fn(&mut Scene));

const WAYS: [Way; 19] = [
    ("plays", |scene| {
        scene.hall.sit(WHO);
    }),
    ("watches", |scene| {
        scene.hall.watch(WHO);
    }),
    ("has a seat that is kept", |scene| {
        let who = scene.hall.sit(WHO);
        scene.hall.lose(who);
    }),
    ("had a seat", |scene| {
        let who = scene.hall.sit(WHO);
        scene.hall.leave(who);
    }),
    ("waits for a seat", |scene| {
        scene.hall.sit("cyd");
        scene.hall.sit("dan");
        let who = scene.hall.watch(WHO);
        scene.who(who, "queue_for_seat", json!({"queued": true}));
    }),
    ("has a seat reserved", |scene| scene.hall.reserve(WHO, 100_000)),
    ("owns the room", |scene| {
        scene.hall.sit(WHO);
        scene.owner("transfer_owner", json!({"user_id": WHO}));
    }),
    ("was kicked", |scene| {
        scene.hall.sit(WHO);
        scene.owner("kick", json!({"user_id": WHO}));
    }),
    ("is banned", |scene| scene.owner("ban", json!({"user_id": WHO}))),
    ("was muted, and is gone", |scene| {
        let who = scene.hall.watch(WHO);
        scene.owner("mute", json!({"user_id": WHO, "muted": true}));
        scene.hall.leave(who);
    }),
    ("said something", |scene| {
        let who = scene.hall.watch(WHO);
        scene.who(who, "chat", json!({"text": "hello"}));
        scene.hall.leave(who);
    }),
    ("has set data and shows that they write", |scene| {
        let who = scene.hall.watch(WHO);
        scene.who(who, "set_member_data", json!({"data": {"hat": 1}, "access": {"hat": "owner"}}));
        scene.who(who, "presence", json!({"typing": true}));
    }),
    ("is ready and wants another seat", |scene| {
        let who = scene.hall.sit(WHO);
        scene.who(who, "ready", json!({"ready": true}));
        scene.who(who, "choose_seat", json!({"seat": 1}));
    }),
    ("is away while the others vote", |scene| {
        let who = scene.hall.sit(WHO);
        vote(scene, who);
    }),
    ("has voted to go on", |scene| {
        let (who, bob) = (scene.hall.sit(WHO), scene.bob);
        scene.hall.sit("cyd");
        vote(scene, bob);
        scene.who(who, "vote", json!({"continue": true}));
    }),
    ("has voted to wait", |scene| {
        let (who, bob) = (scene.hall.sit(WHO), scene.bob);
        scene.hall.sit("cyd");
        vote(scene, bob);
        scene.who(who, "vote", json!({"continue": false}));
    }),
    ("has voted and left", |scene| {
        let (who, bob) = (scene.hall.sit(WHO), scene.bob);
        scene.hall.sit("cyd");
        vote(scene, bob);
        scene.who(who, "vote", json!({"continue": true}));
        scene.hall.leave(who);
    }),
    ("has made an invite", |scene| {
        scene.hall.sit(WHO);
        scene.owner("transfer_owner", json!({"user_id": WHO}));
        let who = scene.hall.room.memberships().find(|there| there.user_id.as_str() == WHO).unwrap().member;
        assert!(scene.hall.ask_with(who, "create_invite", json!({}), Some("CODE https://a.b/")).is_object());
    }),
    ("is named by the room", |scene| {
        scene.hall.sit(WHO);
        scene.owner("update_room", json!({"name": "ZEBEDEE's room"}));
    }),
];

#[test]
fn nothing_is_left_of_any_way_to_be_mentioned() {
    for delay_ms in [0, 10_000] {
        for (what, mention) in WAYS {
            // At once, when part of it is shown to those who watch, and when all of it was.
            for later_ms in [0, 9_500, 10_000, 60_000] {
                let mut scene = Scene::new(delay_ms);
                mention(&mut scene);
                assert!(later_ms > 0 || scene.mentions(), "{what}");
                assert_eq!(
                    scene.stored().to_lowercase().contains(WHO),
                    scene.mentions(),
                    "{what}, {later_ms} ms later"
                );
                scene.hall.pass(later_ms);
                let username = Some(WHO.to_uppercase());
                scene.hall.handle(Command::Erase { user_id: WHO.parse().unwrap(), username });
                scene.assert_forgotten(what);
                scene.hall.rebuild::<Rounds<Botless>>();
                scene.hall.pass(30_000);
                scene.assert_forgotten(what);
            }
        }
    }
}

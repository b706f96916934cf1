//! What holds when everybody is there, everything is answered, and nothing is told any more.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::record::Record;
use super::simulated::Gathering;

/// How long nothing is heard until all is at rest, in looks; longer than those who watch are behind.
const QUIET: u32 = 14;
/// How often to look, and how long.
const LOOK: Duration = Duration::from_millis(100);
/// Within so many looks everything is answered. Bots may play on.
const LOOKS_MAX: u32 = 250;

impl Gathering {
    /// Waits until all is at rest, and looks whether everybody has the room that there is.
    ///
    /// # Panics
    /// If something is not answered, or somebody has another room.
    pub(super) async fn rest(&mut self) {
        self.host.store.fail(false);
        let mut quiet = 0;
        for look in 0.. {
            sleep(LOOK).await;
            let has_heard = self.hear().await;
            let is_settled = self.guests.iter().all(|guest| guest.is_settled(&self.world));
            quiet = if has_heard || !is_settled { 0 } else { quiet + 1 };
            if quiet >= QUIET {
                break;
            }
            if look > LOOKS_MAX {
                assert!(is_settled, "not answered in time: {:?}, {:#?}", self.world.open, self.guests);
                return;
            }
        }
        for guest in &mut self.guests {
            if guest.record.is_some() {
                guest.look_again(&mut self.world, &self.host).await;
                self.story.compared += std::mem::take(&mut guest.compared);
            }
        }
        for watcher in &mut self.watchers {
            watcher.compare(&self.world).await;
        }
        for guest in &self.guests {
            if let Some(record) = &guest.record {
                self.check(record);
            }
        }
        self.knock().await;
    }

    fn check(&self, record: &Record) {
        let facts = &self.world.rooms[record.room_id()];
        let is_member = |user_id: &str| record.members.contains_key(user_id);
        match (record.owner(), &*facts.owner_policy) {
            (None, _) | (Some(_), "manual") => {}
            (Some(owner), "automatic") => assert!(is_member(owner), "{owner} owns it from outside: {record:?}"),
            (Some(owner), policy) => panic!("{owner} owns what nobody owns, {policy}: {record:?}"),
        }
        let is_computer = record.owner().is_some_and(|owner| owner.starts_with("bot-"));
        assert!(!is_computer, "a computer owns it: {record:?}");
        // Those who watch may be behind.
        if !record.is_behind() {
            let banned = record.members.keys().find(|user_id| facts.is_banned(user_id));
            assert_eq!(banned, None, "is banned, and there: {record:?}, {facts:?}");
        }
        let now = Instant::now();
        let kept = facts.reserved.iter().filter(|(user_id, until)| **until > now && !is_member(user_id)).count() as u64;
        let taken = record.players().count() as u64;
        assert!(taken + kept <= record.seats_max(), "{taken} taken, {kept} kept: {record:?}, {facts:?}");
        for queued in record.field("seat_queue").as_array().unwrap() {
            let member = record.members.get(queued.as_str().unwrap());
            assert!(member.is_some_and(|member| member["role"] == "spectator"), "{queued} waits: {record:?}");
        }
        for (user_id, member) in &record.members {
            let is_player = member["role"] == "player";
            assert!(is_player || member["ready"] == false && member["wants_seat"].is_null(), "{user_id}: {record:?}");
            assert!(!record.is_on() || member["ready"] == false, "{user_id} is ready in a match: {record:?}");
        }
    }
}

//! Somebody comes to a door of which everything is known: what they are told there is known, too.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::deeds::entrance;
use super::facts::{Facts, Invite};
use super::record::Record;
use super::simulated::Gathering;

impl Gathering {
    /// Has somebody who is in no room ask to come in.
    ///
    /// # Panics
    /// If they are let in and must not be, or the other way round, or refused for another reason.
    pub(super) async fn knock(&mut self) {
        let Some(number) = self.guests.iter().position(|guest| guest.record.is_none()) else { return };
        let mut records = self.guests.iter().filter_map(|guest| guest.record.clone());
        let Some(record) = records.find(|record| !record.is_behind()) else { return };
        let room_id = record.room_id().to_owned();
        let data = entrance(&mut self.rng, &self.world, &room_id);
        let user_id = self.guests[number].user_id().to_owned();
        let Some(expected) = expected(&self.world.rooms[&room_id], &record, &user_id, &data) else { return };
        self.guests[number].refusal = None;
        self.guests[number].ask(&mut self.world, "join_room", data.clone()).await;
        while self.world.open.keys().any(|(session, _)| *session == number) {
            sleep(Duration::from_millis(20)).await;
            self.hear().await;
        }
        let told = self.guests[number].refusal.unwrap_or("come in");
        if told == "rate_limited" {
            // Too many passwords were wrong before.
            return;
        }
        let facts = &self.world.rooms[&room_id];
        assert_eq!(told, expected, "{user_id} comes with {data}: {facts:?}, {record:?}");
        self.story.knocks += 1;
    }
}

/// What somebody is told who comes to a door, if that is known.
fn expected(facts: &Facts, record: &Record, user_id: &str, data: &Value) -> Option<&'static str> {
    let invite = facts.invites.iter().find(|invite| data["invite"] == invite.code);
    let is_doubtful = |invite: &Invite| invite.uses.is_some();
    if facts.had_reservations || facts.unsure.contains(user_id) || invite.is_some_and(is_doubtful) {
        return None;
    }
    let comes_back = record.members.contains_key(user_id) || record.owner() == Some(user_id);
    if record.field("visibility") == "private" && invite.is_none() && !comes_back {
        return Some("room_not_found");
    }
    if facts.is_banned(user_id) {
        return Some("banned");
    }
    if facts.is_kicked(user_id) && invite.is_none_or(|invite| !facts.readmits(invite, user_id)) {
        return Some("banned");
    }
    let is_player = data["as"] == "player";
    if !comes_back {
        if record.field("locked") == true {
            return Some("room_locked");
        }
        let knows = record.field("has_password") == false || data["password"].is_string();
        if !knows && invite.is_none() {
            return Some("wrong_password");
        }
        if is_player && record.field("game") == "closed_circle" && record.is_on() {
            return Some("room_locked");
        }
    }
    let has_seat = record.players().any(|player| player == user_id);
    let is_full = record.players().count() as u64 >= record.seats_max();
    Some(if is_player && !has_seat && is_full { "room_full" } else { "come in" })
}

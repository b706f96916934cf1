//! One story: who does what and when, when a connection is lost, when the store fails, and how the server goes away.

use std::time::Duration;

use anteroom_core::Rng;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::USERS;
use super::circle::registry;
use super::deeds::{creation, deed, entrance, one_in, pick};
use super::facts::World;
use super::guest::Guest;
use super::lists::Watcher;
use crate::lasting::server::Simulated;

/// When the first server starts, in Unix milliseconds.
const BEGIN_MS: u64 = 1_600_000_000_000;
/// In virtual time; no story is as long.
const DEADLINE: Duration = Duration::from_secs(24 * 3600);
/// How often the server goes away.
const ROUNDS: u32 = 2;
/// How much happens between: so many times something, and so many times more at most.
const STEPS: (u32, u32) = (15, 30);
/// How long seats are kept that are reserved, in milliseconds.
const RESERVED_MS_MAX: u32 = 20_000;
/// How long somebody is away at most who loses the connection, in milliseconds.
const AWAY_MS_MAX: u32 = 3000;
/// The next server goes on with all that there is, without any time passing.
const RECOVERED: Duration = Duration::from_millis(1);

/// What happened in a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Story {
    /// How often the server went away.
    pub ends: u64,
    /// How many things were asked for.
    pub deeds: u64,
    /// How often a record was seen to be what the room is.
    pub compared: u64,
    /// How often somebody came to a door of which all was known.
    pub knocks: u64,
}

/// Everybody, and the server that there is now.
pub(super) struct Gathering {
    pub(super) host: Simulated,
    pub(super) guests: Vec<Guest>,
    pub(super) watchers: Vec<Watcher>,
    pub(super) world: World,
    pub(super) rng: Rng,
    pub(super) story: Story,
    /// Until when each is away.
    away: Vec<Instant>,
    passwords: bool,
    /// The newest room.
    newest: Option<String>,
}

/// Plays the story of a seed, in a runtime of its own.
///
/// # Panics
/// If anything is told, shown or done that must not be.
#[must_use]
pub fn run(seed: u64) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let story = Box::pin(play(seed));
        timeout(DEADLINE, story).await.unwrap_or_else(|_| panic!("seed {seed}: the story does not end"))
    })
}

async fn play(seed: u64) -> Story {
    let began = Instant::now();
    let mut gathering = Gathering::begin(seed).await;
    for _ in 0..ROUNDS {
        gathering.act_for_a_while().await;
        if one_in(&mut gathering.rng, 2) {
            gathering.rest().await;
        }
        gathering.lose_server(began).await;
    }
    gathering.act_for_a_while().await;
    gathering.rest().await;
    let story = gathering.story;
    gathering.host.end().await;
    story
}

impl Gathering {
    async fn begin(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let host = Simulated::start(BEGIN_MS, registry(), seed);
        let mut guests = Vec::new();
        // The first of them comes twice.
        for (number, user_id) in USERS.iter().chain(&USERS[..1]).enumerate() {
            guests.push(Guest::enter(number, &host, user_id, &mut rng).await);
        }
        for guest in [0, USERS.len()] {
            guests[guest].has_twin = true;
        }
        let mut watchers = Vec::new();
        for number in 0..2 {
            watchers.push(Watcher::enter(number, &host, &mut rng).await);
        }
        let away = vec![Instant::now(); guests.len()];
        let passwords = one_in(&mut rng, 4);
        let (world, story) = (World::default(), Story::default());
        Self { host, guests, watchers, world, rng, story, away, passwords, newest: None }
    }

    async fn act_for_a_while(&mut self) {
        let steps = STEPS.0 + self.rng.below(STEPS.1);
        let fails_at = if one_in(&mut self.rng, 3) { self.rng.below(steps) } else { steps };
        for step in 0..steps {
            if step == fails_at {
                self.host.store.fail(true);
            }
            for _ in 0..=self.rng.below(3) {
                let guest = self.rng.below(self.guests.len() as u32) as usize;
                self.act(guest).await;
            }
            let ms_max = pick(&mut self.rng, &[10, 10, 50, 50, 50, 300, 300, 2500]);
            sleep(Duration::from_millis(self.rng.below(ms_max).into())).await;
            if step > fails_at && one_in(&mut self.rng, 3) {
                self.host.store.fail(false);
            }
            self.hear().await;
        }
        if one_in(&mut self.rng, 2) {
            self.host.store.fail(false);
        }
    }

    /// Everybody takes in what has come; some come back. Whether anything was heard.
    pub(super) async fn hear(&mut self) -> bool {
        let mut has_heard = false;
        for (number, guest) in self.guests.iter_mut().enumerate() {
            has_heard |= guest.hear(&mut self.world).await;
            if !guest.client.is_connected() && self.away[number] <= Instant::now() {
                guest.go_on(&mut self.world, &self.host, &mut self.rng).await;
                has_heard = true;
            }
            if let Some(record) = &guest.record {
                let facts = self.world.rooms.entry(record.room_id().to_owned()).or_default();
                // Who has come for a seat has none kept any more.
                facts.reserved.retain(|user_id, _| !record.players().any(|player| player == user_id));
                self.newest = Some(record.room_id().to_owned());
            }
        }
        for watcher in &mut self.watchers {
            has_heard |= watcher.hear(&self.world, &self.host).await;
        }
        has_heard
    }

    /// Somebody does something.
    async fn act(&mut self, number: usize) {
        if !self.guests[number].client.is_connected() {
            return;
        }
        let waits = |kind: &str| matches!(kind, "create_room" | "join_room" | "leave_room");
        if self.world.open.iter().any(|((session, _), asked)| *session == number && waits(asked.kind)) {
            return;
        }
        match self.rng.below(60) {
            0 | 1 => return self.lose_connection(number),
            2 => return self.say_goodbye(number).await,
            3 | 4 => return self.reserve().await,
            _ => {}
        }
        self.story.deeds += 1;
        if let Some(record) = &self.guests[number].record {
            let (kind, data) = deed(&mut self.rng, record, self.passwords);
            return self.guests[number].ask_room(&mut self.world, kind, data).await;
        }
        let (kind, data) = match self.room_to_enter(number) {
            Some(room_id) => ("join_room", entrance(&mut self.rng, &self.world, &room_id)),
            None if one_in(&mut self.rng, 6) => ("join_room", json!({"game": "circle", "quick": true})),
            None => ("create_room", creation(&mut self.rng, self.passwords)),
        };
        self.guests[number].ask(&mut self.world, kind, data).await;
    }

    /// A room in which somebody else is, or was; none to make another.
    fn room_to_enter(&mut self, number: usize) -> Option<String> {
        let others = self.guests.iter().enumerate().filter(|(other, _)| *other != number);
        let mut rooms: Vec<String> =
            others.filter_map(|(_, guest)| Some(guest.record.as_ref()?.room_id().to_owned())).collect();
        if rooms.is_empty() {
            rooms.extend(self.newest.clone().filter(|_| one_in(&mut self.rng, 2)));
        } else if one_in(&mut self.rng, 20) {
            return None;
        }
        (!rooms.is_empty()).then(|| pick(&mut self.rng, &rooms))
    }

    fn lose_connection(&mut self, number: usize) {
        self.guests[number].client.cut();
        self.away[number] = Instant::now() + Duration::from_millis(self.rng.below(AWAY_MS_MAX).into());
    }

    /// A session ends, and the user comes with another one.
    async fn say_goodbye(&mut self, number: usize) {
        let guest = &mut self.guests[number];
        if guest.client.kept() > 0 || !self.host.stores() {
            return;
        }
        guest.forget(&mut self.world);
        let gone = guest.change_session(&self.host, &mut self.rng).await;
        gone.leave().await;
    }

    /// A seat is kept for somebody, by whoever runs the server.
    async fn reserve(&mut self) {
        let Some(room_id) = self.guests.iter().find_map(|guest| guest.record.as_ref()).map(|record| record.room_id())
        else {
            return;
        };
        let (room_id, user_id) = (room_id.to_owned(), pick(&mut self.rng, &USERS).to_owned());
        let kept_for = Duration::from_millis(1 + u64::from(self.rng.below(RESERVED_MS_MAX)));
        let named = room_id.parse().unwrap();
        let reserving = self.host.server.reserve(&named, vec![user_id.parse().unwrap()], kept_for);
        let facts = self.world.rooms.entry(room_id.clone()).or_default();
        facts.had_reservations = true;
        let until = Instant::now() + kept_for;
        if let Ok(Ok(())) = timeout(Duration::from_millis(500), reserving).await
            && !facts.is_banned(&user_id)
            && !facts.unsure.contains(&user_id)
        {
            facts.reserved.insert(user_id, until);
        }
    }

    /// The server is stopped or killed, and another one goes on with what is stored.
    async fn lose_server(&mut self, began: Instant) {
        let is_good = self.host.stores();
        if is_good && one_in(&mut self.rng, 3) {
            self.host.server.clone().shutdown().await;
        }
        for guest in &mut self.guests {
            guest.hear(&mut self.world).await;
            guest.client.cut();
        }
        self.watchers.iter_mut().for_each(Watcher::lose);
        // Its time stands still, so nobody knows how long anything is kept now.
        self.world.rooms.values_mut().for_each(|facts| facts.reserved.clear());
        let wall_ms = BEGIN_MS + began.elapsed().as_millis() as u64 + u64::from(self.rng.below(20_000));
        let seed = self.rng.next_u64();
        self.host.replace(wall_ms, registry(), seed);
        self.story.ends += 1;
        // A server serves nobody until it has written that rooms which are not durable go on once, so its store may fail from
        // then on; who comes back waits for an answer, and would wait for a store that only this story makes well again.
        sleep(RECOVERED).await;
    }
}

//! All pairs of one store, as long as one process serves them.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use anteroom_core::Rng;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Host, Player, Table};
use crate::peer::Via;
use crate::resuming::Resuming;
use crate::{in_time, token};

/// How long to wait before something is tried again.
const BREATH: Duration = Duration::from_millis(20);

/// How long everything that was said may take to arrive; more than the store fails.
const SETTLED_IN: Duration = Duration::from_secs(60);

/// What goes on around the players: whether the server is there, and whether anything new is to be begun.
#[derive(Debug)]
pub struct Life {
    /// The transports that players come by.
    pub ways: Vec<Via>,
    /// How long a player thinks at most, in milliseconds.
    think_ms_max: u32,
    is_over: Cell<bool>,
    is_calm: Cell<bool>,
    /// Something that others may wait for has changed.
    changed: watch::Sender<()>,
}

impl Life {
    /// A server that is there, and everybody plays; each thinks so long at most before everything that it does.
    #[must_use]
    pub fn new(ways: &[Via], think_ms_max: u32) -> Self {
        Self {
            ways: ways.to_vec(),
            think_ms_max,
            is_over: Cell::default(),
            is_calm: Cell::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// The server is gone.
    pub fn end(&self) {
        self.is_over.set(true);
        self.has_changed();
    }

    /// A new one is there.
    pub fn begin(&self) {
        self.is_over.set(false);
    }

    /// Nothing new is begun, or everything again.
    pub fn calm(&self, is_calm: bool) {
        self.is_calm.set(is_calm);
        self.has_changed();
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    pub(super) fn is_calm(&self) -> bool {
        self.is_calm.get()
    }

    pub(super) fn thinks_for(&self, rng: &mut Rng) -> Duration {
        Duration::from_millis(rng.below(self.think_ms_max + 1).into())
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn has_changed(&self) {
        self.changed.send_replace(());
    }

    /// Waits until the server is gone.
    pub(super) async fn over(&self) {
        let mut changes = self.changes();
        while !self.is_over() {
            // The sender is ours.
            drop(changes.changed().await);
        }
    }

    /// Waits a moment, or until something changes.
    pub(super) async fn breathe(&self) {
        let mut changes = self.changes();
        tokio::select! {
            biased;
            _ = changes.changed() => {}
            () = sleep(BREATH) => {}
        }
    }
}

/// A session of a user; none if the server is not there for long enough.
pub(super) async fn client(host: &impl Host, life: &Life, rng: &mut Rng, user_id: &str) -> Option<Resuming> {
    let peer = host.dial(Player::way(rng, &life.ways)).await?;
    Resuming::try_over(peer, json!({"version": 1, "resume": true, "token": token::of(user_id)})).await
}

/// See the module.
#[derive(Debug)]
pub struct Pairs {
    pairs: Vec<[Player; 2]>,
}

impl Pairs {
    /// So many pairs, whose tokens the server knows the key of.
    ///
    /// # Panics
    /// If a server does not let them in.
    pub async fn enter(host: &impl Host, life: &Life, pairs: usize, rng: &mut Rng) -> Self {
        let mut all = Vec::new();
        for number in 0..pairs {
            let clients = [
                client(host, life, rng, &format!("ada-{number}")).await.unwrap(),
                client(host, life, rng, &format!("bob-{number}")).await.unwrap(),
            ];
            let users = [0, 1].map(|who: usize| clients[who].user_id.clone());
            let table = Rc::new(RefCell::new(Table::new(users)));
            let mut who = 0..;
            all.push(
                clients.map(|client| Player::new(who.next().unwrap(), client, table.clone(), Rng::new(rng.next_u64()))),
            );
        }
        Self { pairs: all }
    }

    /// Everybody comes back who was away for so long that their session is over.
    ///
    /// # Panics
    /// If a server does not let them in.
    pub async fn come_anew(&mut self, life: &Life, host: &impl Host) {
        for player in self.players() {
            let user_id = player.client.user_id.clone();
            let client = client(host, life, &mut player.rng, &user_id).await.unwrap();
            player.come_anew(client);
        }
    }

    fn players(&mut self) -> impl Iterator<Item = &mut Player> {
        self.pairs.iter_mut().flatten()
    }

    /// Lets everybody play until the server goes away; or, when it is calm, until all that was said has arrived.
    pub async fn play(&mut self, life: &Life, host: &impl Host) {
        let parts =
            self.players().map(|player| Box::pin(player.play(life, host)) as Pin<Box<dyn Future<Output = ()> + '_>>);
        crate::simulation::in_turn(parts.collect()).await;
    }

    /// The server is gone: takes in what had come from it.
    pub async fn lose(&mut self) {
        for player in self.players() {
            player.lose().await;
        }
        for [player, _] in &mut self.pairs {
            player.table.borrow_mut().server_is_gone();
        }
    }

    /// Everybody is back, and does nothing else.
    pub async fn go_on(&mut self, life: &Life, host: &impl Host) {
        let parts =
            self.players().map(|player| Box::pin(player.go_on(life, host)) as Pin<Box<dyn Future<Output = ()> + '_>>);
        crate::simulation::in_turn(parts.collect()).await;
    }

    /// When it is calm: the rooms are those that the players are in, and no other.
    ///
    /// # Panics
    /// If one is missing, or too many.
    async fn check_rooms(&mut self, life: &Life, host: &impl Host) {
        let mut expected: Vec<(String, u64)> = Vec::new();
        for pair in &mut self.pairs {
            for room_id in [pair[0].board_room(), pair[0].talk_room(), pair[1].talk_room()].into_iter().flatten() {
                let count = |player: &Player| u64::from(player.is_in(&room_id));
                expected.push((room_id.clone(), count(&pair[0]) + count(&pair[1])));
            }
        }
        expected.sort();
        expected.dedup();
        let way = crate::peer::Way::json(life.ways[0]);
        let mut watcher = host.dial(way).await.unwrap();
        watcher.handshake(json!({"version": 1, "token": token::of("watcher")})).await;
        let list = watcher.ask("list_rooms", json!({})).await.data;
        let room = |room: &Value| (room["room_id"].as_str().unwrap().to_owned(), room["players"].as_u64().unwrap());
        let mut listed: Vec<_> = list["rooms"].as_array().unwrap().iter().map(room).collect();
        listed.sort();
        assert_eq!(listed, expected, "the list has other rooms than the players");
        in_time("a goodbye", watcher.leave()).await;
    }

    /// Waits until it is calm: all that was said has arrived, within a deadline.
    ///
    /// # Panics
    /// If it has not, with what each waits for.
    pub async fn settle(&mut self, life: &Life, host: &impl Host) {
        life.calm(true);
        if tokio::time::timeout(SETTLED_IN, self.play(life, host)).await.is_err() {
            let waiting: Vec<String> = self.players().filter_map(|player| player.waits_for()).collect();
            panic!("not in time: all that was said; {waiting:#?}");
        }
        self.check_rooms(life, host).await;
    }

    /// How often anybody went on with a session, and how many moves were made.
    #[must_use]
    pub fn numbers(&self) -> (u64, u64) {
        let returns = self.pairs.iter().flatten().map(|player| player.returns).sum();
        let moves = |pair: &[Player; 2]| {
            pair[0].table.borrow().rounds.iter().map(|round| round.moves.len() as u64).sum::<u64>()
        };
        (returns, self.pairs.iter().map(moves).sum())
    }
}

//! The server of a simulated story: in the test's own process, with a store in memory, from which another one goes on.

use std::cell::RefCell;
use std::sync::Arc;

use anteroom_core::{Registry, Rng};
use anteroom_server::Server;
use anteroom_server::config::Config;
use anteroom_server::stores::{Medium as _, Memory, Store};
use anteroom_transport::{TransportConfig, memory};
use tokio::task::JoinHandle;

use super::Host;
use crate::peer::{Peer, Way};
use crate::token;

/// The server that there is now.
#[derive(Debug)]
pub(crate) struct Simulated {
    pub(crate) server: Server,
    pub(crate) store: Arc<Memory>,
    rng: RefCell<Rng>,
    /// Those that were there before, and end.
    gone: Vec<JoinHandle<()>>,
}

impl Host for Simulated {
    async fn dial(&self, way: Way) -> Option<Peer> {
        let (near, far) = memory::pair(TransportConfig::default(), self.rng.borrow_mut().next_u64());
        self.server.serve(far, None);
        Some(Peer::over(near, way))
    }
}

impl Simulated {
    /// The first one, which finds nothing.
    pub(crate) fn start(begin_ms: u64, games: Registry, seed: u64) -> Self {
        let store = Arc::new(Memory::new(begin_ms));
        Self { server: serve(&store, games, seed), store, rng: RefCell::new(Rng::new(seed)), gone: Vec::new() }
    }

    /// Another process finds what is committed of this one, which goes away.
    pub(crate) fn replace(&mut self, wall_ms: u64, games: Registry, seed: u64) {
        let store = Arc::new(self.store.reopen(wall_ms));
        // What it has not committed it never will.
        self.store.fail(false);
        let gone = std::mem::replace(&mut self.server, serve(&store, games, seed));
        self.gone.push(tokio::spawn(async move { gone.shutdown().await }));
        (self.store, self.rng) = (store, RefCell::new(Rng::new(seed)));
    }

    /// Whether what is written is stored.
    pub(crate) fn stores(&self) -> bool {
        self.store.health().is_good()
    }

    /// Waits for the end of all of them.
    pub(crate) async fn end(self) {
        self.server.shutdown().await;
        for gone in self.gone {
            gone.await.unwrap();
        }
    }
}

fn serve(store: &Arc<Memory>, games: Registry, seed: u64) -> Server {
    let mut config = Config::development();
    config.auth.token_key = Some(token::KEY.into());
    let store: Arc<dyn Store> = store.clone();
    Server::simulate_with(config, games, seed, Some(store)).unwrap()
}

//! What a server is put together from, besides its configuration: an embedder adds to it without changing the server.

use std::sync::Arc;

use anteroom_core::game::Registry;
use axum::Router;

use super::Server;
use super::assembly::start;
use crate::chat::{ChatFilter, Filter};
use crate::config::Config;
use crate::error::StartError;
use crate::hooks::{Hooked, Hooks};
use crate::mode::Mode;
use crate::stores::Store;

/// A server that has not started. See [`Server::builder`].
#[derive(Debug)]
#[must_use = "nothing runs until `start`"]
pub struct ServerBuilder {
    config: Config,
    mode: Mode,
    additions: Additions,
}

/// What an embedder brings.
#[derive(Debug, Default)]
pub(super) struct Additions {
    pub(super) games: Registry,
    pub(super) routes: Vec<Router>,
    pub(super) hooks: Hooked,
    pub(super) filter: Filter,
    pub(super) store: Option<Arc<dyn Store>>,
}

impl ServerBuilder {
    pub(super) fn new(config: Config, mode: Mode) -> Self {
        Self { config, mode, additions: Additions::default() }
    }

    /// The games that can be played. Without any the server lets players in and has no rooms for them.
    pub fn games(mut self, games: Registry) -> Self {
        self.additions.games = games;
        self
    }

    /// More to answer over HTTP, on the same port and under the same `public_url`; anything with state of its own.
    ///
    /// The server's own paths go first: `/ws`, `/healthz`, `/api/certificate`, `/api/games`, `/api/recordings`, `/sdk/`, and the demo's with `demo = true`, `/`
    /// among them. A route for one of those is never asked. Called again, it adds routes behind those that are there already.
    /// What no route is for is answered by the server with 404, so a fallback of the router's is not used: a route such as
    /// `/{*path}` takes the place of one.
    ///
    /// Requests reach them as they reach the server's own: with a `Host` that was checked, and answers carry
    /// `X-Content-Type-Options: nosniff`.
    pub fn routes(mut self, routes: Router) -> Self {
        self.additions.routes.push(routes);
        self
    }

    /// Who is told what happens. Called again, it replaces those before.
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.additions.hooks = Hooked::to(hooks);
        self
    }

    /// Who is asked which words are welcome. Called again, it replaces the one before.
    pub fn chat_filter(mut self, filter: impl ChatFilter) -> Self {
        self.additions.filter = Filter::by(filter);
        self
    }

    /// Where rooms and sessions are stored, in place of what the configuration says. One server at a time has a store.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.additions.store = Some(store);
        self
    }

    /// Starts the server in the tokio runtime of the caller.
    ///
    /// # Errors
    /// [`StartError`], before anything listens.
    pub fn start(self) -> Result<Server, StartError> {
        start(self.config, self.mode, self.additions)
    }
}

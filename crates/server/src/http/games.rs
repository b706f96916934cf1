//! What can be played here, for whoever makes a form of it: `GET /api/games`; and what is said there, for whoever writes a client:
//! `GET /api/games/{game}/schema`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anteroom_core::Json;
use anteroom_core::game::{Durable, Kind, Registry, Schemas, Start};
use anteroom_protocol::ErrorBody;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Extension, body::Bytes};
use serde::Serialize;

use super::address::Asked;
use super::readable;
use crate::parts::Parts;

#[derive(Debug, Serialize)]
struct Games {
    games: Vec<OneGame>,
}

#[derive(Debug, Serialize)]
struct OneGame {
    game: &'static str,
    version: u16,
    /// With the options that a room has if nothing is said; none if there are no such.
    seats: Option<Places>,
    spectators: bool,
    bots: bool,
    /// Whether players come in while a match is on.
    late_join: bool,
    /// What begins a match: the `game`, that all seats are taken (`full`), or that enough players are `ready`.
    start: &'static str,
    /// Whether a room outlives the server: `never`, `always`, or by its creator's `choice`.
    durable: &'static str,
    searchable: &'static [&'static str],
    /// Their JSON schema.
    options: Json,
}

#[derive(Debug, Serialize)]
struct Places {
    min: u16,
    max: u16,
    teams: u16,
}

impl OneGame {
    fn of(kind: &Kind, rooms_last: bool) -> Self {
        // A game that fails here fails whoever makes such a room, and nobody else.
        let seats = std::panic::catch_unwind(|| kind.seats(None)).ok().and_then(Result::ok);
        Self {
            game: kind.name,
            version: kind.version,
            spectators: seats.is_some_and(|seats| seats.spectators),
            seats: seats.map(|seats| Places { min: seats.min, max: seats.max, teams: seats.teams }),
            bots: kind.bots,
            late_join: kind.late_join,
            start: match kind.start {
                Start::Game => "game",
                Start::Full => "full",
                Start::Ready => "ready",
            },
            durable: match kind.durable {
                Durable::Never => "never",
                _ if !rooms_last => "never",
                Durable::Always => "always",
                Durable::Choice(_) => "choice",
            },
            searchable: kind.searchable,
            options: kind.schemas().options,
        }
    }
}

/// Games never change while the server runs, so what is said of them is written once.
pub(super) fn route(games: &Registry, rooms_last: bool) -> MethodRouter<Parts> {
    let kinds = games.names().filter_map(|name| games.kind(name).ok());
    let games = Games { games: kinds.map(|kind| OneGame::of(kind, rooms_last)).collect() };
    let body = serde_json::to_vec(&games).unwrap_or_default();
    let body: Arc<Bytes> = Arc::new(body.into());
    get(async move |State(parts): State<Parts>, Extension(asked): Extension<Asked>, headers: HeaderMap| -> Response {
        readable(json(StatusCode::OK, body.as_ref().clone()), &parts, &asked, &headers)
    })
}

#[derive(Debug, Serialize)]
struct OneSchema {
    game: &'static str,
    version: u16,
    #[serde(flatten)]
    schemas: Schemas,
}

#[derive(Debug, Serialize)]
struct Refused {
    error: ErrorBody,
}

/// As it is with the games: what is said of each is written once.
pub(super) fn schema_route(games: &Registry) -> MethodRouter<Parts> {
    let kinds = games.names().filter_map(|name| games.kind(name).ok());
    let body = |kind: &Kind| {
        let schema = OneSchema { game: kind.name, version: kind.version, schemas: kind.schemas() };
        (kind.name, Bytes::from(serde_json::to_vec(&schema).unwrap_or_default()))
    };
    let bodies: Arc<BTreeMap<&'static str, Bytes>> = Arc::new(kinds.map(body).collect());
    let games = games.clone();
    get(
        async move |State(parts): State<Parts>,
                    Extension(asked): Extension<Asked>,
                    Path(game): Path<String>,
                    headers: HeaderMap|
                    -> Response {
            let answer = match (bodies.get(game.as_str()), games.kind(&game)) {
                (_, Err(error)) => {
                    json(StatusCode::NOT_FOUND, serde_json::to_vec(&Refused { error }).unwrap_or_default().into())
                }
                (body, Ok(_)) => json(StatusCode::OK, body.cloned().unwrap_or_default()),
            };
            readable(answer, &parts, &asked, &headers)
        },
    )
}

fn json(status: StatusCode, body: Bytes) -> Response {
    let json = HeaderValue::from_static("application/json");
    let head = [(CONTENT_TYPE, json), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    (status, head, body).into_response()
}

//! Recordings for whoever looks at them: `GET /api/recordings`, `GET /api/recordings/{name}`. On this machine's own development
//! server all of them; else none, or where the configuration says so those of rooms that were public and are over.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use super::address::Asked;
use super::readable;
use crate::parts::Parts;
use crate::replaying::PlayError;

/// Whether somebody may look, and if so whether as a stranger.
fn stranger(Parts { services, settings, .. }: &Parts) -> Option<bool> {
    let public = services.rooms.recordings().are_public();
    match settings.is_local() {
        true => Some(false),
        false => (public || settings.mode.is_development()).then_some(true),
    }
}

pub(super) async fn list(
    State(parts): State<Parts>,
    Extension(asked): Extension<Asked>,
    headers: HeaderMap,
) -> Response {
    let Some(is_stranger) = stranger(&parts) else { return nothing() };
    match parts.services.rooms.recordings().list(is_stranger).await {
        Ok(recordings) => {
            let fresh = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            readable((fresh, Json(json!({ "recordings": recordings }))).into_response(), &parts, &asked, &headers)
        }
        Err(error) => {
            tracing::warn!(error, "recordings cannot be listed");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Recordings cannot be read just now.")
        }
    }
}

pub(super) async fn one(
    State(parts): State<Parts>,
    Path(name): Path<String>,
    Extension(asked): Extension<Asked>,
    headers: HeaderMap,
) -> Response {
    let Some(is_stranger) = stranger(&parts) else { return nothing() };
    let rooms = &parts.services.rooms;
    match rooms.recordings().show(&name, is_stranger, rooms.registry()).await {
        Ok(Some(body)) => {
            let json = HeaderValue::from_static("application/json");
            let head = [(CONTENT_TYPE, json), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            readable((head, Body::from(body)).into_response(), &parts, &asked, &headers)
        }
        Ok(None) => nothing(),
        Err(PlayError::Output(error)) => {
            tracing::warn!(name, %error, "a recording cannot be read");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The recording cannot be read just now.")
        }
        Err(error) => refusal(StatusCode::UNPROCESSABLE_ENTITY, "invalid_data", &format!("{error}.")),
    }
}

fn nothing() -> Response {
    refusal(StatusCode::NOT_FOUND, "not_found", "There is no such recording.")
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

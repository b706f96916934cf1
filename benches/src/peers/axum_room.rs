//! A room server as in axum's own chat example: one broadcast channel for each room, two tasks for each client.
//!
//! It forwards what it gets without looking at it: no sessions, no JSON, no bounds on what a client may do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// How far a client may fall behind before it misses messages.
const BEHIND_MAX: usize = 1024;

type Rooms = Arc<Mutex<HashMap<String, Sender<Utf8Bytes>>>>;

/// Serves until it is killed, with the runtime that `#[tokio::main]` would give it.
pub(crate) fn serve(listener: std::net::TcpListener) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(accept(listener))
}

async fn accept(listener: std::net::TcpListener) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let router = Router::new().route("/rooms/{room}", get(upgrade)).with_state(Rooms::default());
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    Ok(axum::serve(listener, router).await?)
}

async fn upgrade(State(rooms): State<Rooms>, Path(room): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    let sender = {
        let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(room).or_insert_with(|| broadcast::channel(BEHIND_MAX).0).clone()
    };
    let receiver = sender.subscribe();
    upgrade.on_upgrade(move |socket| member(socket, sender, receiver))
}

async fn member(socket: WebSocket, room: Sender<Utf8Bytes>, mut said: Receiver<Utf8Bytes>) {
    let (mut writer, mut reader) = socket.split();
    let mut writing = tokio::spawn(async move {
        loop {
            let text = match said.recv().await {
                Ok(text) => text,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => break,
            };
            if writer.send(Message::Text(text)).await.is_err() {
                break;
            }
        }
    });
    let mut reading = tokio::spawn(async move {
        while let Some(Ok(Message::Text(text))) = reader.next().await {
            // Fails only when nobody is there.
            drop(room.send(text));
        }
    });
    tokio::select! {
        _ = &mut writing => reading.abort(),
        _ = &mut reading => writing.abort(),
    }
}

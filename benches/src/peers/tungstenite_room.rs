//! The room that a careful programmer writes on tokio-tungstenite: one task and one queue for each client, on one thread;
//! whatever waits in the queue is fed together and flushed once.
//!
//! It forwards what it gets without looking at it. A client that leaves its queue full is dropped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Result, anyhow};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::{LocalSet, spawn_local};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How far a client may fall behind.
const BEHIND_MAX: usize = 4096;
/// How much is fed before a flush.
const FED_MAX: usize = 1024;
/// The defaults are made for few connections with large messages.
const BUFFER_BYTES: usize = 4 << 10;

type Rooms = Rc<RefCell<HashMap<String, Room>>>;
type Room = Rc<RefCell<Vec<Sender<Message>>>>;

/// Serves until it is killed.
pub(crate) fn serve(listener: std::net::TcpListener) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, accept(listener))
}

async fn accept(listener: std::net::TcpListener) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn_local(member(stream, rooms.clone()));
    }
}

async fn member(stream: TcpStream, rooms: Rooms) -> Result<()> {
    let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES);
    let mut path = String::new();
    // The error is the library's, and large.
    #[allow(clippy::result_large_err)]
    let note_path = |request: &Request, response: Response| {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let mut socket = accept_hdr_async_with_config(stream, note_path, Some(config)).await?;
    let room = rooms.borrow_mut().entry(path).or_default().clone();
    let (sender, mut said) = mpsc::channel(BEHIND_MAX);
    room.borrow_mut().push(sender);
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            biased;
            heard = socket.next() => {
                let heard = heard.ok_or_else(|| anyhow!("hung up"))??;
                if matches!(heard, Message::Text(_) | Message::Binary(_)) {
                    room.borrow_mut().retain(|member| member.try_send(heard.clone()).is_ok());
                }
            }
            count = said.recv_many(&mut waiting, FED_MAX) => {
                if count == 0 {
                    return Ok(());
                }
                for message in waiting.drain(..) {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

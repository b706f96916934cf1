//! A WebSocket client with nothing of ours in it, as a stranger would write one.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use crate::in_time;

/// The client.
#[derive(Debug)]
pub struct Bare {
    socket: WebSocketStream<TcpStream>,
    unread: VecDeque<Value>,
    goodbye: Option<(u16, String)>,
    close: Option<(u16, String)>,
}

impl Bare {
    /// Connects, with more headers.
    ///
    /// # Panics
    /// If the upgrade is refused.
    pub async fn connect(addr: SocketAddr, headers: &[(&str, &str)]) -> Self {
        let mut request = format!("ws://{addr}/ws").into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let stream = TcpStream::connect(addr).await.unwrap();
        let upgrade = tokio_tungstenite::client_async(request, stream);
        let (socket, _) = in_time("the upgrade", upgrade).await.unwrap();
        Self { socket, unread: VecDeque::new(), goodbye: None, close: None }
    }

    /// Connects and shakes hands as a guest.
    pub async fn enter(addr: SocketAddr, name: &str) -> Self {
        let mut bare = Self::connect(addr, &[]).await;
        bare.send(&json!({"type": "handshake", "data": {"version": 1, "name": name}})).await;
        assert_eq!(bare.next().await["type"], "handshake_accepted");
        bare
    }

    /// Sends a message.
    ///
    /// # Panics
    /// If the connection has ended.
    pub async fn send(&mut self, message: &Value) {
        self.frame(Message::text(message.to_string())).await;
    }

    /// Sends a message, unless the server is gone.
    pub async fn send_if_open(&mut self, message: &Value) {
        drop(in_time("sending", self.socket.send(Message::text(message.to_string()))).await);
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// If the connection has ended.
    pub async fn frame(&mut self, frame: Message) {
        in_time("sending a frame", self.socket.send(frame)).await.unwrap();
    }

    /// The next message.
    ///
    /// # Panics
    /// If the connection ends instead.
    pub async fn next(&mut self) -> Value {
        loop {
            if let Some(message) = self.unread.pop_front() {
                return message;
            }
            match in_time("a frame", self.socket.next()).await.unwrap().unwrap() {
                Message::Text(text) => match serde_json::from_str(&text).unwrap() {
                    Value::Array(batch) => self.unread.extend(batch),
                    message => self.unread.push_back(message),
                },
                Message::Ping(_) | Message::Pong(_) => {}
                frame => panic!("{frame:?}"),
            }
        }
    }

    /// The next message of a type; others are forgotten.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Shakes hands as a guest; none if the server closes instead.
    pub async fn try_handshake(&mut self) -> Option<Value> {
        let handshake = json!({"type": "handshake", "data": {"version": 1}}).to_string();
        // A server that is about to close may be quicker than we are.
        drop(self.socket.send(Message::text(handshake)).await);
        match in_time("a frame", self.socket.next()).await {
            Some(Ok(Message::Text(text))) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == "handshake_accepted" {
                    return Some(message);
                }
                self.goodbye = goodbye(&message);
            }
            Some(Ok(Message::Close(frame))) => {
                self.close = frame.map(|frame| (frame.code.into(), frame.reason.to_string()))
            }
            frame => panic!("{frame:?}"),
        }
        None
    }

    /// Reads until the close frame, and gives its code and reason, and those of `goodbye`.
    ///
    /// # Panics
    /// If there is no close frame.
    pub async fn end(mut self) -> ((u16, String), Option<(u16, String)>) {
        while self.close.is_none() {
            match in_time("a close frame", self.socket.next()).await.unwrap().unwrap() {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    self.goodbye = goodbye(&message).or(self.goodbye);
                }
                Message::Close(frame) => {
                    let frame = frame.unwrap();
                    self.close = Some((frame.code.into(), frame.reason.to_string()));
                }
                _ => {}
            }
        }
        (self.close.unwrap(), self.goodbye)
    }
}

fn goodbye(message: &Value) -> Option<(u16, String)> {
    let data = (message["type"] == "goodbye").then(|| &message["data"])?;
    Some((u16::try_from(data["code"].as_u64()?).ok()?, data["reason"].as_str()?.to_owned()))
}

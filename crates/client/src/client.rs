//! A session: its requests, and the rooms they lead to.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::bincode::Decode;
use anteroom_protocol::codec::{Body, InvalidData};
use anteroom_protocol::message::request::{CreateRoom, JoinRoom, ListRooms, Ping, SubscribeRooms};
use anteroom_protocol::message::result::{Pong, RoomList};
use anteroom_protocol::message::{Message, Role};
use anteroom_protocol::{Codec, Header, Json, Limits, RoomId, SessionId, UserId};
use anteroom_transport::{Connection, Transport};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::driver::Driver;
use crate::error::{ClientError, ConnectError, SessionEnd};
use crate::game::Game;
use crate::handshake;
use crate::lobby::RoomsWatch;
use crate::options::{ConnectOptions, SessionOptions};
use crate::room::Room;
use crate::shared::{Answer, Command, Shared};

/// One session with a server. Put it into an `Arc` to share it.
///
/// Every request waits at most [`SessionOptions::request_timeout`] and may be dropped: what was asked for may happen
/// all the same, except that a room whose answer nobody waits for is left again. At most 256 requests wait at a time;
/// further ones fail with [`ClientError::Busy`].
///
/// Dropping it ends the session with all its rooms, and says goodbye as far as the runtime lives on;
/// [`close`](Self::close) waits until that is done.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    /// Stops the task when it is dropped.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What to create a room with, besides its game.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewRoom {
    /// The name to show; made up without.
    pub name: Option<String>,
    /// The game's options; its defaults without.
    pub options: Option<Json>,
}

impl Client {
    /// Connects, and waits for the session. Needs a tokio runtime with time and IO enabled.
    ///
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// [`ConnectError`]; [`ConnectError::nobody_answers`] tells whether anyone is there at all.
    pub async fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        let limit = options.connect_timeout;
        let connecting = Box::pin(async move {
            let connection = handshake::dial(&options).await?;
            Self::begin(connection, options.session).await
        });
        timeout(limit, connecting).await.unwrap_or(Err(ConnectError::Timeout(limit)))
    }

    /// Begins a session over a connection that stands already, such as one in memory.
    ///
    /// # Errors
    /// [`ConnectError`], of which those about dialing do not occur; [`ConnectError::Timeout`] after
    /// [`SessionOptions::request_timeout`].
    pub async fn over(connection: Connection, options: SessionOptions) -> Result<Self, ConnectError> {
        let limit = options.request_timeout;
        timeout(limit, Self::begin(connection, options)).await.unwrap_or(Err(ConnectError::Timeout(limit)))
    }

    async fn begin(mut connection: Connection, options: SessionOptions) -> Result<Self, ConnectError> {
        let accepted = handshake::shake(&mut connection, &options).await?;
        let (shared, commands) = Shared::new(accepted, connection.transport(), options.request_timeout);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(Driver::new(connection, shared.clone(), commands, stopped).run());
        Ok(Self { shared, stop, task })
    }

    /// Makes a room and takes a seat in it.
    ///
    /// # Errors
    /// [`ClientError`]; of the server's codes `game_not_found`, `invalid_name`, `invalid_options` and
    /// `limit_reached` among others.
    pub async fn create_room<G: Game>(&self, room: NewRoom) -> Result<Room<G>, ClientError> {
        let NewRoom { name, options } = room;
        self.enter(&CreateRoom { game: G::KIND.to_owned(), name, options }).await
    }

    /// Joins a room, to play or to watch.
    ///
    /// # Errors
    /// [`ClientError`]; of the server's codes `room_not_found`, `room_full`, `already_in_room` and
    /// `spectators_refused` among others. [`ClientError::WrongGame`] if the room plays something else.
    pub async fn join_room<G: Game>(&self, room_id: RoomId, role: Role) -> Result<Room<G>, ClientError> {
        self.enter(&JoinRoom { room_id: Some(room_id.to_string()), role: Some(role), ..JoinRoom::default() }).await
    }

    /// Takes a seat in any room of the game that has one free; in a new one if there is none.
    ///
    /// # Errors
    /// [`ClientError`], as of [`create_room`](Self::create_room).
    pub async fn quick_join<G: Game>(&self) -> Result<Room<G>, ClientError> {
        self.enter(&JoinRoom { game: Some(G::KIND.to_owned()), quick: true, ..JoinRoom::default() }).await
    }

    async fn enter<G: Game, T: Message>(&self, request: &T) -> Result<Room<G>, ClientError> {
        match self.request(request).await? {
            Answer::Joined(joined) => Room::new(*joined),
            _ => Err(unexpected()),
        }
    }

    /// The rooms there are now, of one game or of all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_rooms(&self, game: Option<&str>) -> Result<RoomList, ClientError> {
        self.ask(&ListRooms { game: game.map(str::to_owned) }).await
    }

    /// The rooms there are now, and every change from then on. A session has one such subscription: a second one
    /// ends the first.
    ///
    /// # Errors
    /// [`ClientError`]; of the server's codes `game_not_found`.
    pub async fn subscribe_rooms(&self, game: Option<&str>) -> Result<RoomsWatch, ClientError> {
        let request = SubscribeRooms { game: game.map(str::to_owned) };
        let make = |header: &Header<'_>| self.shared.message(header, &request).map(Command::Subscribe);
        match self.request_as(SubscribeRooms::TYPE, make).await? {
            Answer::Subscribed(list, listed) => Ok(RoomsWatch::new(list, listed)),
            _ => Err(unexpected()),
        }
    }

    /// Asks the server for a sign of life, and measures the round trip, the way through both ends' queues included.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ping(&self) -> Result<Duration, ClientError> {
        let asked_at = Instant::now();
        let _pong: Pong = self.ask(&Ping::default()).await?;
        let took = asked_at.elapsed();
        if !matches!(self.transport(), Transport::Quic | Transport::WebTransport) {
            self.shared.note_rtt(took);
        }
        Ok(took)
    }

    async fn ask<T: Message, A: DeserializeOwned + Decode<()>>(&self, request: &T) -> Result<A, ClientError> {
        match self.request(request).await? {
            Answer::Done(content) => {
                content.data().decode().map_err(|error: InvalidData| ClientError::InvalidAnswer(error.to_string()))
            }
            _ => Err(unexpected()),
        }
    }

    async fn request<T: Message + Body>(&self, request: &T) -> Result<Answer, ClientError> {
        self.request_as(T::TYPE, |header| self.shared.message(header, request).map(Command::Send)).await
    }

    async fn request_as(
        &self,
        kind: &str,
        make: impl FnOnce(&Header<'_>) -> Result<Command, ClientError>,
    ) -> Result<Answer, ClientError> {
        self.shared.request(|reference| make(&Header { reference: Some(reference), ..Header::new(kind) })).await
    }

    /// What carries the session.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.shared.transport
    }

    /// The codec of the session: the one that was asked for, or JSON if the server decided so.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.shared.codec()
    }

    /// The round trip: QUIC's own estimate when something last arrived, elsewhere the last [`ping`](Self::ping)'s.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.shared.rtt()
    }

    /// Who this is.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.shared.accepted.user_id
    }

    /// The name that others see.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.shared.accepted.username
    }

    /// Names the session, in the server's log for one.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.shared.accepted.session_id
    }

    /// What the server allows this session.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.accepted.limits
    }

    /// How long a seat is kept for a player who lost the connection.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.shared.accepted.grace_ms)
    }

    /// Waits until the session has ended, and says why. Cancel-safe.
    pub async fn ended(&self) -> SessionEnd {
        let mut end = self.shared.end.subscribe();
        // `self` holds the sender, so the wait ends with a reason and not otherwise.
        let ended = end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| end.clone()).unwrap_or(SessionEnd::ByClient)
    }

    /// Says goodbye, and waits until the connection is closed: some round trips, and at most about 4 s. The seats in
    /// its rooms become free at once. Dropping the future does not take the goodbye back.
    pub async fn close(self) {
        drop(self.stop);
        drop(self.task.await);
    }
}

fn unexpected() -> ClientError {
    ClientError::InvalidAnswer("it answers another request".into())
}

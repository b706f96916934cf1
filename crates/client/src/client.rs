//! A session: its requests, and the rooms they lead to.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::bincode::Decode;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::message::request::{Handshake, JoinRoom, ListRooms, Ping, SubscribeRooms};
use anteroom_protocol::message::result::{HandshakeAccepted, Pong, RoomList};
use anteroom_protocol::message::{Message, Role};
use anteroom_protocol::{Codec, Json, Limits, RoomId, SessionId, UserId};
use anteroom_transport::{Closed, Connection, Transport};
use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::Backoff;
use crate::dial::{Dial, ServerDial};
use crate::draft::Draft;
use crate::driver::{Driver, Links};
use crate::error::{ClientError, ConnectError, SessionEnd};
use crate::game::Game;
use crate::handshake;
use crate::lobby::RoomsWatch;
use crate::new_room::{Key, NewRoom};
use crate::options::{ConnectOptions, SessionOptions, TransportChoice};
use crate::race::{Route, Won};
use crate::room::Room;
use crate::shared::{Answer, Command, Shared};
use crate::state::SessionState;

/// How often the handshake is said before its answer is given up.
const HANDSHAKES_MAX: u32 = 5;
/// How long each answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

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

impl Client {
    /// Connects, and waits for the session. Needs a tokio runtime with time and IO enabled.
    ///
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// [`ConnectError`]; [`ConnectError::nobody_answers`] tells whether anyone is there at all.
    pub async fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        let dial = ServerDial::new(&options)?;
        Self::with_dial(dial, options).await
    }

    /// Connects over connections that are made elsewhere, now and whenever the session needs another one. Of the
    /// options, `trust` is for others, and `address` only names the server in [`ConnectOptions::paths`].
    ///
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn with_dial(dial: impl Dial, options: ConnectOptions) -> Result<Self, ConnectError> {
        let ConnectOptions { transport, address, connect_timeout, paths, session, .. } = options;
        let route = Route::new(Arc::new(dial), paths, &address, transport, session.codec);
        let beginning = Box::pin(Self::dial_and_begin(route, session, Instant::now() + connect_timeout));
        timeout(connect_timeout, beginning).await.unwrap_or(Err(ConnectError::Timeout(connect_timeout)))
    }

    /// Begins a session over a connection that stands already, such as one in memory. It ends with that connection.
    ///
    /// # Errors
    /// [`ConnectError`], of which those about dialing do not occur; [`ConnectError::Timeout`] after
    /// [`SessionOptions::request_timeout`].
    pub async fn over(connection: Connection, options: SessionOptions) -> Result<Self, ConnectError> {
        let limit = options.request_timeout;
        let deadline = Instant::now() + limit;
        let beginning = async move {
            let mut connection = connection;
            let handshake = handshake::with_token(handshake::handshake(&options), &options, deadline).await?;
            let accepted = handshake::shake(&mut connection, &handshake).await?;
            Ok(Self::begin(Links::new(connection, None, None, handshake::seed(&options)), accepted, &options))
        };
        timeout(limit, Box::pin(beginning)).await.unwrap_or(Err(ConnectError::Timeout(limit)))
    }

    /// Says the same handshake again if the answer was lost on the way, so that it leads to one session all the same.
    async fn dial_and_begin(route: Route, options: SessionOptions, deadline: Instant) -> Result<Self, ConnectError> {
        let (handshake, seed) = (handshake::handshake(&options), handshake::seed(&options));
        let mut backoff = Backoff::new(seed);
        let shake = async || {
            // The one before may have expired meanwhile. The server is not kept waiting for it.
            let handshake = handshake::with_token(handshake.clone(), &options, deadline).await?;
            Self::shake(&route, &handshake).await
        };
        let mut shaken = shake().await;
        for _ in 1..HANDSHAKES_MAX {
            if !matches!(shaken, Err(ConnectError::Lost(_))) {
                break;
            }
            sleep(backoff.next()).await;
            shaken = shake().await;
        }
        let (Won { connection, better }, accepted) = shaken?;
        let route = route.with_codec(accepted.codec);
        Ok(Self::begin(Links::new(connection, better, Some(route), seed), accepted, &options))
    }

    async fn shake(route: &Route, handshake: &Handshake) -> Result<(Won, HandshakeAccepted), ConnectError> {
        let mut stood = route.stand().await?;
        let shaken = timeout(ANSWERED_WITHIN, handshake::shake(&mut stood.connection, handshake)).await;
        let accepted = shaken.unwrap_or(Err(ConnectError::Lost(Closed::Lost("the server does not answer".into()))))?;
        Ok((stood, accepted))
    }

    fn begin(links: Links, accepted: HandshakeAccepted, options: &SessionOptions) -> Self {
        let (shared, inlets) = Shared::new(accepted, links.transport(), options.request_timeout);
        let (stop, stopped) = oneshot::channel();
        let driver = Driver::new(shared.clone(), inlets, stopped, links, options);
        let task = tokio::spawn(Box::pin(driver.run()));
        Self { shared, stop, task }
    }

    /// Moves the session to another connection while it goes on, and waits until it is there. Nothing is lost or
    /// doubled by it. From then on the session resumes as chosen, too; if the move fails, everything is as before.
    ///
    /// If it is dropped, the session moves all the same.
    ///
    /// # Errors
    /// [`ConnectError`]: why there is no other connection; [`ConnectError::BrokenOff`] if another move is asked for
    /// meanwhile, or the connection there was is lost.
    pub async fn move_to(&self, choice: TransportChoice) -> Result<(), ConnectError> {
        self.shared.move_to(Some(choice)).await
    }

    /// Goes on with a session whose connection the server has closed for what this program sent
    /// ([`SessionState::Closed`]), and waits until it does. What was sent before and was not answered is not sent again;
    /// find out what made the server close, or it will do so again. While the client is looking for a connection by
    /// itself, it tries at once; while it has one, there is nothing to do.
    ///
    /// If it is dropped, the session goes on all the same.
    ///
    /// # Errors
    /// [`ConnectError::Ended`] if the server keeps the session no longer; [`ConnectError::BrokenOff`] if it closes again.
    pub async fn reconnect(&self) -> Result<(), ConnectError> {
        self.shared.move_to(None).await
    }

    /// Makes a room and takes a seat in it.
    ///
    /// # Errors
    /// [`ClientError`]; of the server's codes `game_not_found`, `invalid_name`, `invalid_options` and
    /// `limit_reached` among others.
    pub async fn create_room<G: Game>(&self, room: NewRoom) -> Result<Room<G>, ClientError> {
        self.enter(&room.request(G::KIND), None).await
    }

    /// Joins a room, to play or to watch.
    ///
    /// The server is not asked while this session has a [`Room`] for it that has not ended, nor while it has been asked
    /// to let it in before and has not answered: that fails with `already_in_room` at once.
    ///
    /// # Errors
    /// [`ClientError`]; of the server's codes `room_not_found`, `room_full`, `already_in_room` and
    /// `spectators_refused` among others. [`ClientError::WrongGame`] if the room plays something else.
    pub async fn join_room<G: Game>(&self, room_id: RoomId, role: Role) -> Result<Room<G>, ClientError> {
        self.join_room_with(room_id, Key { role, ..Key::default() }).await
    }

    /// Joins a room whose doors ask for something.
    ///
    /// # Errors
    /// As of [`join_room`](Self::join_room); of the server's codes also `wrong_password`, `room_locked` and `banned`. Without
    /// an invite a private room is `room_not_found`.
    pub async fn join_room_with<G: Game>(&self, room_id: RoomId, key: Key) -> Result<Room<G>, ClientError> {
        let Key { role, password, invite } = key;
        let room = Some(room_id.to_string());
        let request = JoinRoom { room_id: room, role: Some(role), password, invite, ..JoinRoom::default() };
        self.enter(&request, Some(room_id)).await
    }

    /// Takes a seat in any room of the game that has one free; in a new one if there is none.
    ///
    /// # Errors
    /// [`ClientError`], as of [`create_room`](Self::create_room).
    pub async fn quick_join<G: Game>(&self) -> Result<Room<G>, ClientError> {
        self.quick_join_where(None).await
    }

    /// The same among the rooms that pass a filter, `[[key, op, value], ...]`. A new one gets the data that the filter asks for
    /// with `=`, and need not pass otherwise.
    ///
    /// # Errors
    /// [`ClientError`], as of [`create_room`](Self::create_room); of the server's codes also `invalid_data`, which says where
    /// the filter is wrong.
    pub async fn quick_join_where<G: Game>(&self, filter: Option<Json>) -> Result<Room<G>, ClientError> {
        let request = JoinRoom { game: Some(G::KIND.to_owned()), quick: true, filter, ..JoinRoom::default() };
        self.enter(&request, None).await
    }

    async fn enter<G: Game, T: Message>(&self, request: &T, room_id: Option<RoomId>) -> Result<Room<G>, ClientError> {
        match self.shared.request(self.draft(request)?, |draft| Command::Enter(draft, room_id)).await? {
            Answer::Joined(joined) => Room::new(*joined),
            _ => Err(unexpected()),
        }
    }

    /// The rooms there are now, of one game or of all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_rooms(&self, game: Option<&str>) -> Result<RoomList, ClientError> {
        self.ask(&ListRooms { game: game.map(str::to_owned), ..ListRooms::default() }).await
    }

    /// A page of the rooms that pass a filter, in the order asked for.
    ///
    /// # Errors
    /// [`ClientError`]; of the server's codes `invalid_data`, which says where a filter is wrong.
    pub async fn find_rooms(&self, which: &ListRooms) -> Result<RoomList, ClientError> {
        self.ask(which).await
    }

    /// The rooms there are now, and every change from then on. A session has one such subscription: a second one
    /// ends the first.
    ///
    /// # Errors
    /// [`ClientError`]; of the server's codes `game_not_found`.
    pub async fn subscribe_rooms(&self, game: Option<&str>) -> Result<RoomsWatch, ClientError> {
        self.watch_rooms(SubscribeRooms { game: game.map(str::to_owned), filter: None }).await
    }

    /// The same of the rooms that pass a filter; one that does no longer is not listed any more.
    ///
    /// # Errors
    /// [`ClientError`]; of the server's codes `game_not_found`, and `invalid_data`, which says where the filter is wrong.
    pub async fn watch_rooms(&self, which: SubscribeRooms) -> Result<RoomsWatch, ClientError> {
        let draft = self.draft(&which)?;
        match self.shared.request(draft, |draft| Command::Subscribe(draft, which)).await? {
            Answer::Subscribed(list, listed) => Ok(RoomsWatch::new(list, listed)),
            _ => Err(unexpected()),
        }
    }

    /// Asks the server for a sign of life, and measures the round trip, the way through both ends' queues included. If
    /// the connection is lost meanwhile, it is asked again on the next one, and the time until then counts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ping(&self) -> Result<Duration, ClientError> {
        let (link, asked_at) = (self.shared.link(), Instant::now());
        let draft = self.draft(&Ping::default())?.unreliable();
        let _pong: Pong = answer(self.shared.request(draft, Command::Send).await?)?;
        let took = asked_at.elapsed();
        if !matches!(link.transport, Transport::Quic | Transport::WebTransport) {
            self.shared.note_rtt(link.number, took);
        }
        Ok(took)
    }

    async fn ask<T: Message, A: DeserializeOwned + Decode<()>>(&self, request: &T) -> Result<A, ClientError> {
        answer(self.request(request).await?)
    }

    async fn request<T: Message>(&self, request: &T) -> Result<Answer, ClientError> {
        self.shared.request(self.draft(request)?, Command::Send).await
    }

    fn draft<T: Message>(&self, request: &T) -> Result<Draft, ClientError> {
        Draft::of(self.shared.codec(), request).map_err(ClientError::Encode)
    }

    /// How the session is connected.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.shared.state.borrow().clone()
    }

    /// The same as it changes. Only the newest state is kept, so a slow reader skips those in between.
    #[must_use]
    pub fn state_changes(&self) -> watch::Receiver<SessionState> {
        self.shared.state.subscribe()
    }

    /// How often messages of the session itself were lost, because the connection was lost for longer than the server
    /// keeps them. A [`RoomsWatch`] is brought up to date by itself; requests whose answers were among them have
    /// failed with [`ClientError::OutcomeUnknown`].
    #[must_use]
    pub fn gaps(&self) -> watch::Receiver<u64> {
        self.shared.gaps.subscribe()
    }

    /// What carries the session, or carried it last.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.shared.link().transport
    }

    /// The codec of the session: the one that was asked for, or JSON if the server decided so.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.shared.codec()
    }

    /// The round trip on the connection there is: QUIC's own estimate when something last arrived, elsewhere the last
    /// [`ping`](Self::ping)'s.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.shared.link().rtt
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
        let mut state = self.shared.state.subscribe();
        // `self` holds the sender, so the wait ends with a reason and not otherwise.
        drop(state.wait_for(|state| matches!(state, SessionState::Ended(_))).await);
        self.shared.end()
    }

    /// Says goodbye, and waits until the connection is closed: some round trips, and at most about 4 s. The seats in
    /// its rooms become free at once, unless there is no connection to say it on: then they do when the grace time is over.
    /// Dropping the future does not take the goodbye back.
    pub async fn close(self) {
        drop(self.stop);
        drop(self.task.await);
    }
}

fn answer<A: DeserializeOwned + Decode<()>>(answer: Answer) -> Result<A, ClientError> {
    match answer {
        Answer::Done(content) => {
            content.data().decode().map_err(|error: InvalidData| ClientError::InvalidAnswer(error.to_string()))
        }
        _ => Err(unexpected()),
    }
}

fn unexpected() -> ClientError {
    ClientError::InvalidAnswer("it answers another request".into())
}

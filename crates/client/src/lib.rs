//! The native client of Anteroom: one session over QUIC, WebTransport or WebSocket, and the rooms it is in.
//!
//! [`Client::connect`] gives a session, the session gives rooms, and a [`Room`] is typed by the [`Game`] that is
//! played in it. A task in the background owns the connections; everything public is a handle to it. Every queue has a
//! bound, every request a deadline, and every public future may be dropped at any time.
//!
//! A session outlives its connections. When one is lost another is made, over whatever gets through, and when a better
//! one is to be had the session moves over: every reliable message arrives exactly once and in order, or
//! [`RoomEvent::Gap`] tells that some did not. What the server did with a request is answered, or
//! [`ClientError::OutcomeUnknown`] says that it cannot be known; nothing is ever done twice. [`Client::state`] tells
//! how things stand.
//!
//! Knows nothing of any game's rules, and does not resume a session that another process began.
//!
//! ```no_run
//! use anteroom_client::{Client, ConnectOptions, Game, RoomEvent, TransportChoice, bincode};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, bincode::Encode, bincode::Decode)]
//! #[serde(rename_all = "snake_case")]
//! #[bincode(crate = "anteroom_client::bincode")]
//! enum Action {
//!     Roll { dice: u8 },
//! }
//!
//! #[derive(Debug, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
//! #[serde(rename_all = "snake_case")]
//! #[bincode(crate = "anteroom_client::bincode")]
//! enum Event {
//!     Rolled { eyes: Vec<u8> },
//! }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
//! #[bincode(crate = "anteroom_client::bincode")]
//! struct View {
//!     total: u32,
//! }
//!
//! #[derive(Debug)]
//! struct Dice;
//! impl Game for Dice {
//!     const KIND: &'static str = "dice";
//!     const VERSION: u16 = 1;
//!     type Action = Action;
//!     type Event = Event;
//!     type View = View;
//! }
//!
//! # async fn play() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ConnectOptions::new(TransportChoice::Automatic, "127.0.0.1:7350").name("Ada")).await?;
//! let mut room = client.quick_join::<Dice>().await?;
//! room.act(&Action::Roll { dice: 2 }).await?;
//! while let Some(event) = room.next().await {
//!     match event {
//!         RoomEvent::State(view) => println!("{} in all", view.total),
//!         RoomEvent::Game(Event::Rolled { eyes }) => println!("rolled {eyes:?}"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | where to connect, over what, trusting whom, as whom |
//! | [`token`] | [`Token`]: one that is known, or asked for when a session begins |
//! | [`client`] | [`Client`]: the session's requests |
//! | [`state`] | [`SessionState`]: how it is connected just now |
//! | [`dial`] | [`Dial`]: where connections come from |
//! | [`paths`] | [`PathMemory`]: which ways to a server have failed lately |
//! | [`room`] | [`Room`]: acting, and what happens |
//! | [`lobby`] | [`RoomsWatch`]: the list of rooms as it changes |
//! | [`game`] | [`Game`]: the types of one kind of game |
//! | [`session`] | the protocol of a session without IO, for programs with connections of their own |
//! | [`error`] | why connecting, a request or a session failed |

mod backoff;
mod certificate;
pub mod client;
pub mod dial;
mod draft;
mod driver;
mod endpoint;
pub mod error;
pub mod game;
mod handshake;
mod inbox;
pub mod lobby;
mod new_room;
pub mod options;
pub mod paths;
mod race;
mod record;
pub mod room;
pub mod session;
mod shared;
pub mod state;
pub mod token;

pub use client::Client;
pub use dial::Dial;
pub use error::{CertificateError, ClientError, ConnectError, RoomEnd, SessionEnd, TokenError};
pub use game::{Game, NoEvents};
pub use lobby::RoomsWatch;
pub use new_room::{Key, NewRoom};
pub use options::{ConnectOptions, SessionOptions, TransportChoice, Trust};
pub use paths::PathMemory;
pub use record::RoomInfo;
pub use room::{Room, RoomEvent};
pub use state::SessionState;
pub use token::Token;

pub use anteroom_protocol::message::chat::{ChatEntry, MessageId};
pub use anteroom_protocol::message::member::{
    BotAdded, ChatHistory, ChatPage, CreateInvite, InviteCreated, Participants, SetPresence, UpdateRoom,
};
pub use anteroom_protocol::message::push::{
    ClosedReason, LeftReason, MemberUpdated, PresenceChanged, RoomUpdated, SystemEvent, SystemSaid, Vote,
};
pub use anteroom_protocol::message::request::{ListRooms, SubscribeRooms};
pub use anteroom_protocol::message::result::RoomList;
pub use anteroom_protocol::message::{
    Access, AccessMap, DataMap, Member, OwnerPolicy, Role, RoomState, RoomSummary, Visibility,
};
pub use anteroom_protocol::{CloseCode, Codec, ErrorBody, ErrorCode, Json, Limits, RoomId, SessionId, UserId, bincode};
pub use anteroom_transport::{Closed, Connection, DialError, Transport};

//! The players: in each room one who tells everybody a state twenty times a second, and those who listen.
//!
//! All of them are the native client, resuming and acknowledging as players do. Who sends is in the server's namespace,
//! so only what listeners hear crosses the link, and their acknowledgements on the way back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anteroom_client::{Client, Codec, ConnectOptions, Game, Json, NewRoom, Role, Room, RoomEvent, RoomId, Trust};
use anteroom_games::relay::{Action, Event, View};
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::cell::{Carrier, Cell, Schedule};

/// What a state's payload is filled up to, in bytes: a handful of players with positions.
const STATE_BYTES: usize = 200;
/// What the second room of a session is told, if it has one: so many bytes, cut into pieces, so often.
pub(crate) const TRANSFER_BYTES: usize = 64 << 10;
const PIECE_BYTES: usize = 8 << 10;
const TRANSFER_PERIOD: Duration = Duration::from_secs(1);
/// How long what is under way at the end may still arrive.
pub(crate) const TAIL: Duration = Duration::from_secs(5);

/// The relay game, as its clients see it.
#[derive(Debug)]
pub(crate) struct Relay;

impl Game for Relay {
    const KIND: &'static str = "relay";
    const VERSION: u16 = 2;
    type Action = Action;
    type Event = Event;
    type View = View;
}

/// What is sent.
#[derive(Debug, Serialize, Deserialize)]
struct State<'a> {
    number: u32,
    filling: &'a str,
}

fn state(number: u32, bytes: usize) -> Result<Json> {
    const EMPTY: usize = r#"{"number":0000,"filling":""}"#.len();
    let filling = "x".repeat(bytes - EMPTY);
    Ok(Json::new(&State { number, filling: &filling })?)
}

/// Somebody in a room. The session ends with the client.
#[derive(Debug)]
pub(crate) struct Member {
    client: Client,
    room: Room<Relay>,
    /// The second room.
    beside: Option<Room<Relay>>,
}

/// Where the members of one cell sit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rooms {
    pub(crate) told: RoomId,
    pub(crate) beside: Option<RoomId>,
}

/// Where the server is, and how it is known.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) trust: Trust,
}

impl Target {
    async fn connect(&self, carrier: Carrier) -> Result<Client> {
        let address = match carrier {
            // Only this scheme says that there is no TLS beyond this machine.
            Carrier::WebSocket => format!("ws://{}/ws", self.addr),
            _ => self.addr.to_string(),
        };
        let options = ConnectOptions::new(carrier.choice(), address).codec(Codec::Json).trust(self.trust.clone());
        let client = Client::connect(options).await?;
        ensure!(carrier.is(client.transport()), "the session went over {}", client.transport());
        Ok(client)
    }

    /// Makes a room, in which the state is going to be told.
    pub(crate) async fn open(&self) -> Result<Member> {
        let client = self.connect(Carrier::WebSocket).await?;
        let room = client.create_room(NewRoom::default()).await?;
        Ok(Member { client, room, beside: None })
    }

    /// Sits down to listen.
    pub(crate) async fn join(&self, carrier: Carrier, rooms: Rooms) -> Result<Member> {
        let client = self.connect(carrier).await?;
        let room = client.join_room(rooms.told, Role::Player).await?;
        let beside = match rooms.beside {
            Some(room_id) => Some(client.join_room(room_id, Role::Player).await?),
            None => None,
        };
        Ok(Member { client, room, beside })
    }
}

/// What one listener heard: which state, and when it was in the player's hands.
pub(crate) type Heard = Vec<(u32, Instant)>;

impl Member {
    pub(crate) fn room_id(&self) -> RoomId {
        self.room.room_id()
    }

    /// Tells every state when it is due; gives how late each was handed to the client, in microseconds.
    pub(crate) async fn tell(mut self, cell: Cell, schedule: Schedule) -> Result<Vec<u32>> {
        let mut late = Vec::with_capacity(schedule.numbers().len());
        for number in schedule.numbers() {
            let due = schedule.due(number);
            self.listen_until(due, &mut Vec::new()).await?;
            let action = Action::Send {
                payload: state(number, STATE_BYTES)?,
                delivery: Some(cell.class.delivery()),
                key: None,
                to: None,
            };
            self.room.send(&action).await?;
            late.push(due.elapsed().as_micros() as u32);
        }
        // What it has said may still be on its way, and the room lives as long as somebody is in it.
        self.listen_until(Instant::now() + TAIL, &mut Vec::new()).await?;
        self.client.close().await;
        Ok(late)
    }

    /// Tells a lot, as long as the schedule lasts.
    pub(crate) async fn transfer(mut self, schedule: Schedule) -> Result<()> {
        let (_, end) = schedule.window();
        let mut due = schedule.start;
        while due < end {
            self.listen_until(due, &mut Vec::new()).await?;
            for _ in 0..TRANSFER_BYTES / PIECE_BYTES {
                self.room
                    .send(&Action::Send { payload: state(0, PIECE_BYTES)?, delivery: None, key: None, to: None })
                    .await?;
            }
            due += TRANSFER_PERIOD;
        }
        self.listen_until(end + TAIL, &mut Vec::new()).await?;
        self.client.close().await;
        Ok(())
    }

    /// Listens until all that is told can have arrived.
    pub(crate) async fn listen(mut self, schedule: Schedule) -> Result<Heard> {
        let mut heard = Vec::with_capacity(schedule.numbers().len());
        let (_, end) = schedule.window();
        self.listen_until(end + TAIL, &mut heard).await?;
        // Said on a link that loses packets: nobody waits for the end of that.
        drop(self.client);
        Ok(heard)
    }

    /// What happens next, and whether in the second room.
    async fn next(&mut self) -> (Option<RoomEvent<Relay>>, bool) {
        let Some(beside) = &mut self.beside else { return (self.room.next().await, false) };
        tokio::select! {
            biased;
            event = self.room.next() => (event, false),
            event = beside.next() => (event, true),
        }
    }

    async fn listen_until(&mut self, end: Instant, heard: &mut Heard) -> Result<()> {
        while let Ok((event, is_beside)) = timeout_at(end.into(), self.next()).await {
            let event = event.context("the room has ended")?;
            let now = Instant::now();
            match event {
                RoomEvent::Game(_) if is_beside => {}
                RoomEvent::Game(Event::Message { payload, .. }) => {
                    let state: State<'_> = payload.decode()?;
                    heard.push((state.number, now));
                }
                RoomEvent::Closed(_) | RoomEvent::Error(_) | RoomEvent::Unreadable { .. } => bail!("{event:?}"),
                RoomEvent::Gap { .. } | RoomEvent::Missed { .. } => bail!("a listener is too slow: {event:?}"),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Waits for all, and gives what they give in order; the first failure ends it.
pub(crate) async fn all<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let mut running = JoinSet::new();
    for (place, task) in tasks.into_iter().enumerate() {
        running.spawn(async move { task.await.map(|given| (place, given)) });
    }
    let mut given = Vec::with_capacity(running.len());
    while let Some(ended) = running.join_next().await {
        given.push(ended??);
    }
    given.sort_by_key(|(place, _)| *place);
    Ok(given.into_iter().map(|(_, given)| given).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_as_long_as_they_are_said_to_be_and_tell_their_number() {
        for bytes in [STATE_BYTES, PIECE_BYTES] {
            assert_eq!(state(1234, bytes).unwrap().text().len(), bytes);
        }
        assert_eq!(state(1234, STATE_BYTES).unwrap().decode::<State<'_>>().unwrap().number, 1234);
    }
}

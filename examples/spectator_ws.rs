//! Watches a match of tic-tac-toe with nothing but a WebSocket and JSON: no client library, only what `PROTOCOL.md`
//! says. `cargo run --example spectator_ws -- --help`.
//!
//! It lists the rooms, waits for one with players in it, watches it to the end and every rematch, and goes when the
//! players have gone.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Watches a match of tic-tac-toe over a WebSocket.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// The server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7350")]
    server: String,

    /// The room to watch, instead of the first with players in it
    #[arg(long, value_name = "ID")]
    room: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let watched = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(watch(&cli)),
        Err(error) => Err(format!("Cannot start: {error}")),
    };
    match watched {
        Ok(sentence) if say(&sentence).is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(sentence) => {
            anteroom_examples::complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

async fn watch(cli: &Cli) -> Result<String, String> {
    let server = &cli.server;
    let stream = TcpStream::connect(server)
        .await
        .map_err(|_| format!("No Anteroom server answers at {server}. Start one with `cargo run --release`."))?;
    // Without a subprotocol the session speaks JSON.
    let (socket, _) = client_async(format!("ws://{server}/ws"), stream)
        .await
        .map_err(|error| format!("Cannot open a WebSocket at {server}: {error}"))?;
    let mut session = Session { socket, waiting: Vec::new() };
    session.send(&json!({"type": "handshake", "data": {"version": 1, "name": "Spectator"}})).await?;
    tokio::select! {
        watched = follow(&mut session, cli) => watched,
        _ = tokio::signal::ctrl_c() => {
            session.send(&json!({"type": "goodbye", "data": {"code": 1000}})).await?;
            Ok("You stopped watching.".into())
        }
    }
}

/// A WebSocket on which envelopes travel, each a text frame of one or of an array of them.
struct Session {
    socket: WebSocketStream<TcpStream>,
    waiting: Vec<Value>,
}

impl Session {
    async fn send(&mut self, message: &Value) -> Result<(), String> {
        self.socket.send(Message::text(message.to_string())).await.map_err(lost)
    }

    /// The next envelope. Pings are answered on the way.
    async fn next(&mut self) -> Result<Value, String> {
        while self.waiting.is_empty() {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    self.waiting = match serde_json::from_str(&text) {
                        Ok(Value::Array(batch)) => batch,
                        Ok(message) => vec![message],
                        Err(error) => return Err(format!("The server sent something that is not JSON: {error}")),
                    };
                }
                Some(Ok(Message::Close(frame))) => {
                    let reason = frame.map(|frame| format!("{} ({})", frame.reason, frame.code)).unwrap_or_default();
                    return Err(format!("The server closed the connection. {reason}"));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(lost(error)),
                None => return Err("The connection was lost.".into()),
            }
        }
        Ok(self.waiting.remove(0))
    }
}

fn lost(error: tungstenite::Error) -> String {
    format!("The connection was lost: {error}")
}

/// What the program is about.
enum Stage {
    Looking,
    Joining,
    Watching(Watched),
}

/// Finds a room, watches it, and says how it ended.
async fn follow(session: &mut Session, cli: &Cli) -> Result<String, String> {
    let mut stage = Stage::Looking;
    loop {
        let message = session.next().await?;
        let data = &message["data"];
        match (message["type"].as_str().unwrap_or_default(), &mut stage) {
            ("join_room_result", _) if message["success"] == false && cli.room.is_none() => {
                // It is gone, or full; there will be others.
                stage = Stage::Looking;
            }
            _ if message["error"].is_object() => return Err(text(&message["error"]["message"])),
            ("handshake_accepted", _) => {
                say(&format!("Connected over WebSocket as {}.", text(&data["username"])))?;
                let first = match &cli.room {
                    Some(room_id) => join(room_id),
                    None => json!({"type": "subscribe_rooms", "ref": 1, "data": {"game": "tic_tac_toe"}}),
                };
                session.send(&first).await?;
            }
            ("subscribe_rooms_result", _) => {
                say(&list(&data["rooms"]))?;
                stage = choose(session, [&data["rooms"], &Value::Null]).await?;
                if matches!(stage, Stage::Looking) {
                    say("Waiting for players.")?;
                }
            }
            ("rooms_changed", Stage::Looking) => stage = choose(session, [&data["added"], &data["updated"]]).await?,
            ("join_room_result", _) => {
                let room = Watched::new(data);
                say(&format!("\nWatching {} ({}).", text(&data["name"]), text(&data["room_id"])))?;
                say(&room.told(&data["view"]))?;
                session.send(&json!({"type": "unsubscribe_rooms"})).await?;
                stage = Stage::Watching(room);
            }
            ("room_closed", _) => return Ok(text(&data["message"])),
            ("goodbye", _) => return Err(text(&data["reason"])),
            (kind, Stage::Watching(room)) => {
                if let Some(line) = room.hear(kind, data) {
                    say(&line)?;
                }
            }
            _ => {}
        }
        if matches!(&stage, Stage::Watching(room) if room.players.is_empty()) {
            return Ok("The players have gone.".into());
        }
    }
}

fn join(room_id: &str) -> Value {
    json!({"type": "join_room", "ref": 2, "data": {"room_id": room_id, "as": "spectator"}})
}

fn list(rooms: &Value) -> String {
    let rooms = rooms.as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |room: &Value| {
        let (id, name, state) = (text(&room["room_id"]), text(&room["name"]), text(&room["state"]));
        format!("\n  {id}  {}/{} players  {state:8}  {name}", room["players"], room["seats_max"])
    };
    format!("Rooms: {}{}", rooms.len(), rooms.iter().map(row).collect::<String>())
}

/// Joins one of these rooms: the first where a match is on, else the first that has players in it.
async fn choose(session: &mut Session, lists: [&Value; 2]) -> Result<Stage, String> {
    let rooms = || lists.into_iter().filter_map(Value::as_array).flatten();
    let playing = rooms().find(|room| room["state"] == "playing");
    let Some(room) = playing.or_else(|| rooms().find(|room| room["players"].as_u64() > Some(0))) else {
        return Ok(Stage::Looking);
    };
    session.send(&join(&text(&room["room_id"]))).await?;
    Ok(Stage::Joining)
}

/// The room that is watched: the names of its members, and the seats that are taken.
struct Watched {
    names: BTreeMap<String, String>,
    players: Vec<String>,
}

impl Watched {
    fn new(joined: &Value) -> Self {
        let mut room = Self { names: BTreeMap::new(), players: Vec::new() };
        for member in joined["members"].as_array().into_iter().flatten() {
            room.add(member);
        }
        room
    }

    fn add(&mut self, member: &Value) {
        let user_id = text(&member["user_id"]);
        if member["role"] == "player" {
            self.players.push(user_id.clone());
        }
        self.names.insert(user_id, text(&member["username"]));
    }

    /// Takes in a message of the room, and puts it into words.
    fn hear(&mut self, kind: &str, data: &Value) -> Option<String> {
        let name = text(&data["username"]);
        Some(match kind {
            "game_state" => self.told(data),
            "client_joined" => {
                self.add(data);
                format!("{name} came in.")
            }
            "client_disconnected" => format!("{name} lost the connection."),
            "client_reconnected" => format!("{name} is back."),
            "client_left" => {
                let user_id = text(&data["user_id"]);
                self.players.retain(|player| *player != user_id);
                format!("{name} left.")
            }
            _ => return None,
        })
    }

    /// The board, and how the match stands.
    fn told(&self, view: &Value) -> String {
        let row = |row: &Value| {
            let cells = row.as_array().into_iter().flatten();
            let cells: Vec<_> = cells.map(|cell| cell.as_str().unwrap_or(".")).collect();
            format!("\n  {}", cells.join(" "))
        };
        let rows: String = view["board"].as_array().into_iter().flatten().map(row).collect();
        format!("{rows}\n{}", self.said(view))
    }

    fn said(&self, view: &Value) -> String {
        let name = |user_id: &Value| {
            let user_id = text(user_id);
            self.names.get(&user_id).cloned().unwrap_or(user_id)
        };
        match view["status"].as_str() {
            Some("waiting") => "Waiting for a second player.".into(),
            Some("playing") => {
                let players = &view["players"];
                format!(
                    "{} (X) against {} (O): {} moves.",
                    name(&players["X"]),
                    name(&players["O"]),
                    name(&view["current_turn"])
                )
            }
            Some("won") => format!("{} wins.", name(&view["winner"])),
            Some("draw") => "A draw.".into(),
            _ => "In a state that this program does not know.".into(),
        }
    }
}

fn say(line: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(|error| format!("Nobody reads this any more: {error}"))
}

/// A string of a message, without what would move the terminal's cursor.
fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or("?");
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

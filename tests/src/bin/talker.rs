//! Somebody in a relay room, in a process of their own: says each line of JSON that it reads, and prints everything
//! that it hears, and how it is connected, as lines of JSON.
//!
//! `talker HOST:PORT TRANSPORT NAME ROOM_ID`. Ends, with a goodbye, when there is nothing more to read.

use std::error::Error;
use std::io::BufRead;

use anteroom_client::{Client, ConnectOptions, Json, Role, RoomEvent, SessionState};
use anteroom_games::relay::{Action, Event};
use anteroom_tests::switching::Relay;
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, transport, name, room_id] = &arguments[..] else { return Err("four arguments expected".into()) };
    let client = Client::connect(ConnectOptions::new(transport.parse()?, server).name(name)).await?;
    let mut room = client.join_room::<Relay>(room_id.parse()?, Role::Player).await?;
    let mut states = client.state_changes();
    let mut lines = lines();
    println!("{}", json!({"session": client.session_id(), "user": client.user_id(), "seat": room.seat()}));
    loop {
        let told = tokio::select! {
            event = room.next() => heard(event),
            _ = states.changed() => state(&states.borrow_and_update()),
            line = lines.recv() => match line {
                None => break,
                Some(line) => {
                    let payload = Json::new(&serde_json::from_str::<Value>(&line)?)?;
                    room.act(&Action::Send { payload, delivery: None, key: None, to: None }).await?;
                    json!({"said": line, "session": client.session_id(), "seat": room.seat()})
                }
            }
        };
        println!("{told}");
    }
    room.leave().await?;
    client.close().await;
    Ok(())
}

/// What is read, without making the runtime wait for it.
fn lines() -> mpsc::Receiver<String> {
    let (read, lines) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if read.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn heard(event: Option<RoomEvent<Relay>>) -> Value {
    match event {
        Some(RoomEvent::Game(Event::Message { from, payload })) => json!({"heard": payload, "from": from}),
        Some(RoomEvent::Gap { missed }) => json!({"gap": missed}),
        Some(
            RoomEvent::Joined(_)
            | RoomEvent::Disconnected { .. }
            | RoomEvent::Reconnected { .. }
            | RoomEvent::System(_),
        ) => json!({}),
        other => json!({"unexpected": format!("{other:?}")}),
    }
}

fn state(state: &SessionState) -> Value {
    match state {
        SessionState::Connected { transport } => json!({"over": transport.to_string()}),
        SessionState::Reconnecting { .. } => json!({"lost": true}),
        other => json!({"unexpected": format!("{other:?}")}),
    }
}

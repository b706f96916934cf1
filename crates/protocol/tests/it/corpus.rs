//! Inputs to begin from, and every body they can be read as.

use std::path::Path;

use anteroom_protocol::codec::Data;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::request::{CreateRoom, JoinRoom, LeaveRoom, ListRooms, Ping};
use anteroom_protocol::message::result::{Pong, RoomJoined, RoomList};
use anteroom_protocol::message::resume::{Ack, LaneOpened, Reconnect, Reconnected, Resume, SessionState};
use anteroom_protocol::message::{Member, chat, member, push};
use anteroom_protocol::{Codec, ErrorBody, Json};

/// The payloads of the golden vectors.
pub(crate) fn payloads() -> Vec<(Codec, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut payloads = Vec::new();
    for file in ["session", "requests", "results", "pushes"] {
        let text = std::fs::read_to_string(folder.join(file).with_extension("json")).expect("vectors");
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        for row in rows {
            payloads.push((Codec::Json, row["json"].to_string().into_bytes()));
            if let Some(hex) = row["bincode_hex"].as_str() {
                payloads.push((Codec::Bincode, unhex(hex)));
            }
        }
    }
    payloads
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// A reader that throws its result away.
type Reader = fn(Data<'_>);

/// One reader for every body.
pub(crate) const BODIES: &[Reader] = &[
    |data| drop(data.decode::<Empty>()),
    |data| drop(data.decode::<Ping>()),
    |data| drop(data.decode::<CreateRoom>()),
    |data| drop(data.decode::<JoinRoom>()),
    |data| drop(data.decode::<LeaveRoom>()),
    |data| drop(data.decode::<ListRooms>()),
    |data| drop(data.decode::<Pong>()),
    |data| drop(data.decode::<RoomJoined>()),
    |data| drop(data.decode::<RoomList>()),
    |data| drop(data.decode::<Member>()),
    |data| drop(data.decode::<ErrorBody>()),
    |data| drop(data.decode::<Json>()),
    |data| drop(data.decode::<push::ClientJoined>()),
    |data| drop(data.decode::<push::ClientDisconnected>()),
    |data| drop(data.decode::<push::ClientReconnected>()),
    |data| drop(data.decode::<push::ClientLeft>()),
    |data| drop(data.decode::<push::RoomsChanged>()),
    |data| drop(data.decode::<push::RoomClosed>()),
    |data| drop(data.decode::<push::RoomUpdated>()),
    |data| drop(data.decode::<push::MemberUpdated>()),
    |data| drop(data.decode::<push::PresenceChanged>()),
    |data| drop(data.decode::<push::SystemSaid>()),
    |data| drop(data.decode::<chat::ChatEntry>()),
    |data| drop(data.decode::<member::UpdateRoom>()),
    |data| drop(data.decode::<member::SetMemberData>()),
    |data| drop(data.decode::<member::CreateInvite>()),
    |data| drop(data.decode::<member::CastVote>()),
    |data| drop(data.decode::<member::ChatEdit>()),
    |data| drop(data.decode::<member::ChatHistory>()),
    |data| drop(data.decode::<member::SetPresence>()),
    |data| drop(data.decode::<member::Participants>()),
    |data| drop(data.decode::<member::ChatPage>()),
    |data| drop(data.decode::<Ack>()),
    |data| drop(data.decode::<Resume>()),
    |data| drop(data.decode::<LaneOpened>()),
    |data| drop(data.decode::<SessionState>()),
    |data| drop(json::<Reconnect>(data)),
    |data| drop(json::<Reconnected>(data)),
];

/// Reads a body that is JSON in every codec.
fn json<T: serde::de::DeserializeOwned>(data: Data<'_>) -> Option<T> {
    let Data::Json(text) = data else { return None };
    serde_json::from_str(text).ok()
}

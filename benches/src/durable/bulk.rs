//! Rooms as they sleep, written into a store without a server: two players each, who have moved and gone.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anteroom_core::room::{Join, RoomPolicy, RoomSpec};
use anteroom_core::{Command, Flush, Registry, Room, Time};
use anteroom_protocol::message::Role;
use anteroom_protocol::{Codec, Data, LaneId, RoomId, UserId};
use anteroom_server::stores::{Kind, Medium, Receipt, RoomRow, RoomStore, Sealed, Sqlite};
use anyhow::{Context, Result, anyhow};

/// How many writes are under way: a few transactions' worth.
const UNDER_WAY: usize = 4096;
/// For how long a seat is kept: as configured by default.
const SEAT_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The id of the room of a number: as far from its neighbours as ids at random are.
pub(super) fn room_id(number: usize) -> RoomId {
    RoomId::from_bits((number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3)
}

/// Writes so many rooms into the store of a folder.
pub(super) fn write(folder: &Path, rooms: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let store = Sqlite::open(folder, now_ms)?;
    let registry = anteroom_games::registry()?;
    runtime.block_on(async {
        let mut receipts: VecDeque<Receipt> = VecDeque::new();
        for number in 0..rooms {
            let room = left(&registry, number, Time::from_millis(now_ms))?;
            let mut snapshot = Vec::new();
            room.snapshot()?.encode(&mut snapshot)?;
            let snapshot = Sealed::seal(Kind::Snapshot, &snapshot).context("the room is too large")?;
            let row = RoomRow {
                durable: true,
                members: 0,
                due: room.next_deadline().map(Time::as_millis),
                down_ms: 0,
                entry: serde_json::to_vec(&room.entry())?,
            };
            if receipts.len() == UNDER_WAY
                && let Some(mut oldest) = receipts.pop_front()
            {
                oldest.committed().await?;
            }
            let place = store.place().await;
            receipts.push_back(store.snapshot(place, now_ms, room_id(number), 1, row, snapshot));
        }
        store.close().await;
        Ok(())
    })
}

/// A room whose players have gone.
fn left(registry: &Registry, number: usize, now: Time) -> Result<Room> {
    let policy = RoomPolicy { grace: Duration::from_secs(60), seat_kept: Some(SEAT_KEPT), spectators_max: 256 };
    let spec = RoomSpec {
        room_id: room_id(number),
        name: format!("Player {number}'s room"),
        options: None,
        seed: number as u64,
        policy,
        durable: true,
        terms: anteroom_core::room::Terms::default(),
    };
    let kind = registry.kind("tic_tac_toe").map_err(|error| anyhow!(error.message))?;
    let mut flush = Flush::default();
    let mut room = Room::create(kind, spec, now).map_err(|error| anyhow!(error.message))?;
    let mut members = Vec::new();
    for seat in 0..2 {
        let join = Join {
            user_id: UserId::guest((2 * number + seat + 1) as u128 * 0x0001_0003_0005_0007_0009_000b),
            username: format!("Player {number}"),
            role: Role::Player,
            lane: LaneId(1),
            codec: Codec::Json,
            answer: "join_room_result",
            reference: None,
            applied: 0,
            session_id: None,
            n: None,
            password: None,
            invite: None,
        };
        members.push(room.join(now, join, &mut flush).map_err(|error| anyhow!(error.message))?);
    }
    let data = Data::Json(r#"{"row":1,"col":1}"#);
    room.handle(
        now,
        Command::Act { member: members[0], kind: "make_move", data, reference: None, n: None },
        &mut flush,
    );
    for member in members {
        room.handle(now, Command::Abandon { member }, &mut flush);
    }
    room.flush(&mut flush).map_err(|_| anyhow!("the game failed"))?;
    Ok(room)
}

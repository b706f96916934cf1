//! What is stored of a durable room, and the room that is made of it again.
//!
//! A snapshot, and the turns since: each with what came in, and what the room was like after it. A room that comes out otherwise
//! when they are replayed is not let go on.

use anteroom_core::game::Registry;
use anteroom_core::room::{Deed, Flush, Log, Room, Snapshot};
use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::{UserId, binary};
use aws_lc_rs::digest::{SHA256, digest};

use crate::panics::guarded;
use crate::stores::{Kept, Kind, Sealed};

/// Which program stored a turn: another one may replay it otherwise.
pub(super) const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("BUILD_COMMIT"));

/// One turn.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
pub(super) struct TurnRecord {
    /// Which program it was.
    pub(super) build: String,
    /// What came in.
    pub(super) log: Log,
    /// What the room was like afterwards: the first bytes of SHA-256 of its state.
    pub(super) state: [u8; 16],
}

impl TurnRecord {
    pub(super) fn seal(&self) -> Option<Sealed> {
        let mut bytes = Vec::new();
        binary::encode(self, &mut bytes).ok()?;
        Sealed::seal(Kind::Turn, &bytes)
    }

    pub(super) fn open(sealed: &Sealed) -> Result<Self, String> {
        let bytes = sealed.open(Kind::Turn).map_err(|error| error.to_string())?;
        binary::decode(bytes).map_err(|error| error.to_string())
    }
}

/// What a room is like, but for the time and the number of its flushes, which turns that are not stored move on.
pub(super) fn state_of(snapshot: &Snapshot) -> Option<[u8; 16]> {
    let mut bytes = Vec::new();
    snapshot.encode_but_for_time(&mut bytes).ok()?;
    let mut state = [0; 16];
    state.copy_from_slice(&digest(&SHA256, &bytes).as_ref()[..16]);
    Some(state)
}

/// The room that is stored, and the number of its last turn.
///
/// # Errors
/// A sentence, if it cannot be restored. It is to be kept as it is then.
pub(crate) fn restore(registry: &Registry, kept: &Kept) -> Result<(Room, u64), String> {
    replayed(registry, kept, |_| ())
}

/// What the turns behind the snapshot of a stored room have of a user.
///
/// # Errors
/// The same.
pub(crate) fn deeds(registry: &Registry, kept: &Kept, user_id: &UserId) -> Result<Vec<Deed>, String> {
    let (mut members, mut deeds) = (Vec::new(), Vec::new());
    replayed(registry, kept, |turn| match turn {
        Replayed::Before(room) => {
            let there = room.memberships().filter(|there| there.user_id == *user_id);
            members.extend(there.map(|there| there.member));
        }
        Replayed::After(log, flush) => {
            let answers = flush.answers.iter().filter(|answer| answer.user_id == *user_id);
            members.extend(answers.filter_map(|answer| answer.joined.clone().ok()));
            deeds.extend(log.deeds(user_id, &members));
        }
    })?;
    Ok(deeds)
}

/// A turn that is replayed, for whoever looks on.
enum Replayed<'a> {
    Before(&'a Room),
    After(&'a Log, &'a Flush),
}

fn replayed(registry: &Registry, kept: &Kept, mut look: impl FnMut(Replayed<'_>)) -> Result<(Room, u64), String> {
    let bytes = kept.snapshot.open(Kind::Snapshot).map_err(|error| error.to_string())?;
    let snapshot = Snapshot::decode(bytes).map_err(|error| error.to_string())?;
    let kind = registry.kind(snapshot.game()).map_err(|error| error.message)?;
    let is_migrated = snapshot.version() != kind.version;
    if is_migrated && !kept.turns.is_empty() {
        return Err(format!("the room has turns of version {} of {}", snapshot.version(), kind.name));
    }
    guarded(|| {
        let mut room = Room::restore(kind, snapshot).map_err(|error| error.to_string())?;
        let mut index = kept.index;
        let mut flush = Flush::default();
        for turn in &kept.turns {
            let TurnRecord { log, state, build } = TurnRecord::open(&turn.turn)?;
            flush.clear();
            look(Replayed::Before(&room));
            room.replay(&log, &mut flush).map_err(|error| error.to_string())?;
            room.flush(&mut flush).map_err(|error| error.to_string())?;
            let after = room.snapshot().map_err(|error| error.to_string())?;
            if state_of(&after) != Some(state) {
                return Err(format!("turn {} does not come out as it did under {build}", turn.index));
            }
            look(Replayed::After(&log, &flush));
            index = turn.index;
        }
        Ok((if room.is_durable() || room.is_recorded() { room.logged() } else { room }, index))
    })
    .unwrap_or_else(|panic| Err(format!("the game failed while the room was restored: {panic}")))
}

/// Whether the room that is made of a snapshot is the one it was taken from. Costs what a restart costs, so it is for debug builds.
///
/// # Errors
/// A sentence, if it is another.
#[cfg(debug_assertions)]
pub(super) fn check(room: &Room, snapshot: &Snapshot, bytes: &[u8]) -> Result<(), String> {
    let read =
        Snapshot::decode(bytes).map_err(|error| format!("the game does not read back what it wrote: {error}"))?;
    let again = guarded(|| Room::restore(room.kind(), read).map(|room| room.snapshot()));
    match again {
        Ok(Ok(Ok(again))) if again == *snapshot => Ok(()),
        Ok(Ok(Ok(_))) => Err("the game is another one after a snapshot and a restore".into()),
        Ok(Ok(Err(error))) => Err(format!("the restored game cannot be stored: {error}")),
        Ok(Err(error)) => Err(format!("the game does not read back what it wrote: {error}")),
        Err(panic) => Err(format!("the game failed while it was restored: {panic}")),
    }
}

//! The room's recording, if it has one, and the one that a failed game leaves behind. Nothing here waits for a file.

use std::sync::Arc;

use anteroom_core::replay::Ending;
use anteroom_core::room::{Log, Room, Snapshot};

use super::RoomTask;
use crate::recordings::Tape;
use crate::rooms::journal::Next;
use crate::rooms::record::{BUILD, TurnRecord};
use crate::rooms::{Ended, Rooms};
use crate::stores::{Kept, Kind};

/// Begins the recording of a room that is to be recorded, before its next turn.
pub(super) fn begin(rooms: &Arc<Rooms>, room: &Room) -> Option<Box<Tape>> {
    if !room.is_recorded() || !rooms.recordings.is_possible() {
        return None;
    }
    // Its first turn is still to come, or it is between two.
    let snapshot = room.snapshot_at_birth().or_else(|_| room.snapshot());
    match snapshot {
        Ok(snapshot) => Some(Box::new(Tape::begin(rooms.recordings.clone(), BUILD, snapshot))),
        Err(error) => {
            let room_id = room.summary().room_id;
            tracing::warn!(%room_id, %error, "a room that is to be recorded is not");
            None
        }
    }
}

impl RoomTask {
    /// Records the turn that has ended.
    pub(super) fn record_turn(&mut self) {
        let Some(tape) = &mut self.tape else { return };
        if tape.is_erased() {
            // From here on, without whoever was erased.
            self.tape = None;
            if !self.ends {
                self.tape = begin(&self.rooms, &self.room);
            }
            return;
        }
        tape.turn(&self.turn.flush.log, &self.room);
        if self.turn.flush.effects.closed {
            self.stop_recording(Ending::Closed);
        }
    }

    /// Ends the recording.
    pub(super) fn stop_recording(&mut self, ending: Ending) {
        if let Some(tape) = self.tape.take() {
            tape.end(ending, Some(&self.room));
        }
    }

    /// The room goes out of memory, or stops.
    pub(super) fn pause_recording(&mut self) {
        self.stop_recording(Ending::Cut("The room left memory; where it goes on is another recording.".into()));
    }

    /// The room's time was put off, which is in no turn.
    pub(super) fn record_anew(&mut self) {
        if let (Some(tape), Ok(snapshot)) = (&mut self.tape, self.room.snapshot()) {
            tape.anew(snapshot);
        }
    }

    /// The game has failed: what came in in the turn is how.
    pub(super) fn record_failure(&mut self, why: &str) {
        let log = std::mem::take(&mut self.turn.flush.log);
        if let Some(tape) = self.tape.take() {
            let ending = Ending::Failed { why: why.to_owned(), log: Box::new(log) };
            tape.end(ending, None);
        } else if self.journal.is_some() && self.rooms.recordings.is_possible() {
            self.failed = Some((why.to_owned(), log));
        }
    }

    /// Makes a recording of what is stored of a durable room whose game has failed. Everything that happened before is stored by
    /// then, if the store takes anything.
    pub(super) async fn leave_recording(&mut self) -> Option<Ended> {
        let (why, log) = self.failed.take()?;
        while let Some(journal) = self.journal.as_mut().filter(|journal| !journal.is_idle()) {
            if !journal.store().health().is_good() {
                return None;
            }
            match journal.next().await {
                Next::Show(turn) => {
                    self.shown = *turn;
                    self.deliver().await;
                }
                Next::Closed => return Some(Ended::Lost),
            }
        }
        let store = self.journal.as_ref()?.store().clone();
        let kept = store.load(self.room_id).await.ok()??;
        match tape_of(&self.rooms, &kept) {
            Ok(tape) => tape.end(Ending::Failed { why, log: Box::new(log) }, None),
            Err(why) => tracing::warn!(room_id = %self.room_id, why, "a game that failed leaves no recording"),
        }
        None
    }
}

fn tape_of(rooms: &Arc<Rooms>, kept: &Kept) -> Result<Tape, String> {
    let bytes = kept.snapshot.open(Kind::Snapshot).map_err(|error| error.to_string())?;
    let snapshot = Snapshot::decode(bytes).map_err(|error| error.to_string())?;
    let mut tape = Tape::begin(rooms.recordings.clone(), BUILD, snapshot);
    for turn in &kept.turns {
        tape.stored_turn(&TurnRecord::open(&turn.turn)?.log);
    }
    Ok(tape)
}

/// What came in in the turn in which a durable room's game failed, until that is written down.
pub(super) type Failed = Option<(String, Log)>;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anteroom_core::replay::{Ended, Player, Step};
    use serde_json::json;

    use super::super::tests::{enter, hear, say, tell};
    use crate::app::Server;
    use crate::config::Config;
    use crate::stores::{Memory, Store};

    /// While nothing can be stored its time stands, which is in no turn.
    #[tokio::test(start_paused = true)]
    async fn a_room_that_stood_still_comes_out_as_it_did() {
        let folder = std::env::temp_dir().join(format!("anteroom-stood-still-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        let mut config = Config::development();
        config.recordings.folder = Some(folder.clone());
        let store = std::sync::Arc::new(Memory::new(1_700_000_000_000));
        let games = anteroom_games::registry().unwrap();
        let kept: std::sync::Arc<dyn Store> = store.clone();
        let server = Server::simulate_with(config, games.clone(), 1, Some(kept)).unwrap();
        let (mut ada, mut bob) = (enter(&server).await, enter(&server).await);
        let room = json!({"game": "tic_tac_toe", "durable": true, "record": true});
        say(&mut ada, "create_room", room).await;
        let room_id = hear(&mut ada, "create_room_result").await["room_id"].clone();
        say(&mut bob, "join_room", json!({"room_id": room_id})).await;
        hear(&mut bob, "join_room_result").await;
        // From here on something is counted down: the seat is kept for a while.
        drop(bob);
        hear(&mut ada, "client_disconnected").await;
        let ask = json!({"type": "chat", "ref": 7, "room_id": room_id, "data": {"text": "Bob?"}});
        store.fail(true);
        tell(&mut ada, &ask).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        store.fail(false);
        hear(&mut ada, "chat_result").await;
        let said = json!({"type": "chat", "ref": 8, "room_id": room_id, "data": {"text": "Where is Bob?"}});
        tell(&mut ada, &said).await;
        hear(&mut ada, "chat_result").await;
        server.parts.services.rooms.recordings().settled().await;
        let entry = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let mut player = Player::open(&games, &bytes[..]).unwrap();
        let ended = loop {
            if let Step::End(ended) = player.step().unwrap() {
                break ended;
            }
        };
        assert_eq!(ended, Ended::CutShort, "it goes on");
        assert!(player.hashes() >= 4, "{}", player.hashes());
        std::fs::remove_dir_all(folder).unwrap();
    }
}

//! What happens between the start of a server and its first connection: what is stored goes on.
//!
//! Rooms are the truth of who is in them, so they are read first, and the lanes of sessions are made from them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::rooms::Rejoin;
use crate::services::Services;
use crate::session::Membership;
use crate::sessions::NotRestored;
use crate::stores::{Store, StoreError};

/// How long to wait before a store is read again that could not be.
const PAUSE: Duration = Duration::from_secs(1);

/// Restores rooms and sessions. A store that cannot be read is asked again until it can: without it nobody could be let in
/// truthfully.
pub(crate) async fn recover(services: &Services, store: &Arc<dyn Store>) {
    loop {
        match try_to(services, store).await {
            Ok(()) => return,
            Err(error) => tracing::error!(%error, "what is stored cannot be read; it is tried again"),
        }
        sleep(PAUSE).await;
    }
}

async fn try_to(services: &Services, store: &Arc<dyn Store>) -> Result<(), StoreError> {
    let Services { rooms, sessions, .. } = services;
    let begun = Instant::now();
    // Both are read before anything goes on, so that it can be begun anew.
    let rows = store.sessions().await?;
    let recovered = rooms.recover().await?;
    let (mut lanes, mut restored, mut damaged) = (recovered.lanes(), 0_usize, Vec::new());
    for row in &rows {
        let of_session = lanes.remove(&row.session_id).unwrap_or_default();
        match sessions.restore(row, of_session) {
            Ok(_) => restored += 1,
            Err(why) => {
                tracing::error!(session_id = %row.session_id, %why, "a stored session cannot be restored");
                // What a newer program has stored waits for it.
                if let NotRestored::Damaged(_) = why {
                    damaged.push(row.session_id);
                }
            }
        }
    }
    if !damaged.is_empty() {
        drop(store.forget(store.place().await, damaged));
    }
    let in_play = recovered.len();
    recovered.go_on(rooms, |session_id, Rejoin { room, lane, member, share, n }| {
        let session = sessions.find(session_id)?;
        let applied = session.carrier.rejoin(lane)?;
        session.rejoin(Membership { room, lane, member, share, joined_by: n });
        Some((session.carrier.clone(), applied))
    });
    if in_play + restored + rooms.asleep() > 0 {
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(rooms = in_play, asleep = rooms.asleep(), sessions = restored, took_ms, "restored");
    }
    Ok(())
}

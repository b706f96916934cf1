//! What is stored of a session, and the session that is made of it again.
//!
//! Rooms know who is in them, so what is stored here says nothing of that.

use std::sync::Arc;

use anteroom_core::lanes::{KeptLane, KeptLanes, Lanes};
use anteroom_protocol::Codec;
use serde::{Deserialize, Serialize};

use super::Sessions;
use crate::carrier::Carrier;
use crate::identity::Identity;
use crate::session::Session;
use crate::stores::{Kind, Sealed, SealedError, SessionRow};

/// All of a session that is not a column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    username: String,
    is_guest: bool,
    codec: Codec,
    keeps: bool,
    nonce: Option<String>,
    lanes: KeptLanes,
}

/// What is stored of a session now; nothing if it cannot be encoded, which does not happen.
pub(super) fn row(session: &Session, nonce: Option<&str>) -> Option<SessionRow> {
    let lanes = KeptLanes { rooms: Vec::new(), ..session.carrier.kept() };
    let generation = lanes.generation;
    let Identity { user_id, username, is_guest } = &session.identity;
    let record = Record {
        username: username.clone(),
        is_guest: *is_guest,
        codec: session.codec,
        keeps: session.carrier.keeps,
        nonce: nonce.map(str::to_owned),
        lanes,
    };
    let session_row =
        |sealed| SessionRow { session_id: session.id, user_id: user_id.clone(), generation, session: sealed };
    Sealed::seal(Kind::Session, &serde_json::to_vec(&record).ok()?).map(session_row)
}

/// Why a session cannot be restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRestored {
    /// A newer program may.
    #[error(transparent)]
    Newer(SealedError),
    /// Nobody can.
    #[error("{0}")]
    Damaged(String),
}

impl Sessions {
    /// Goes on with a session that was stored, which has these lanes. Nobody is connected to it, and its grace time begins.
    ///
    /// # Errors
    /// [`NotRestored`], if the record is none that is known here.
    pub(crate) fn restore(&self, row: &SessionRow, rooms: Vec<KeptLane>) -> Result<Arc<Session>, NotRestored> {
        let bytes = row.session.open(Kind::Session).map_err(|error| match error {
            SealedError::OtherVersion(_) => NotRestored::Newer(error),
            error => NotRestored::Damaged(error.to_string()),
        })?;
        let damaged = |error: serde_json::Error| NotRestored::Damaged(error.to_string());
        let record: Record = serde_json::from_slice(bytes).map_err(damaged)?;
        let Record { username, is_guest, codec, keeps, nonce, lanes } = record;
        let lanes = KeptLanes { generation: row.generation, rooms, ..lanes };
        let lanes = Lanes::restore(codec, keeps, self.limits.bounds, &lanes);
        let (outbox, budget) = (self.limits.outbox_bytes_max, self.budget.clone());
        let carrier = Carrier::restored(self.clock, row.session_id, lanes, outbox, budget);
        let identity = Identity { user_id: row.user_id.clone(), username, is_guest };
        let session = Session::new(identity, carrier, self.budget.clone());
        self.add(&session, nonce.as_deref());
        if let Some(since) = session.carrier.away_since() {
            self.waiting.add(since + self.limits.grace, session.id);
        }
        Ok(session)
    }
}

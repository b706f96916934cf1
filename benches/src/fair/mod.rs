//! What others notice of somebody who takes all there is: moves in quiet rooms, with a disturbance on the same server
//! and, just before, without it.
//!
//! Moves are due by a plan that waits for nobody, and count from when they were due. Who disturbs is a process of its own,
//! of low priority; how late the moves themselves were sent is measured, too.

mod players;
mod tally;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::carrier::{Carrier, Reach};
use crate::disturb::{Disturbance, Kind};
use crate::pace::Urgent;
use crate::quic;
use crate::servers::{Contender, Starting};
use crate::speaker::Speaker;

use self::players::Table;
pub(crate) use self::tally::Beat;

/// How long a disturbance goes on before anybody looks.
const SETTLE: Duration = Duration::from_secs(1);

/// How moves fared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) without: Beat,
    pub(crate) beside: Beat,
}

/// Plays in quiet rooms, by themselves and then beside something.
pub(crate) fn run(starting: &Starting, contender: &Contender, kind: Kind) -> Result<Pair> {
    let server = starting.start(contender, kind.needs())?;
    let runtime = quic::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let _urgent = Urgent::this_thread();
        // Watchers need a room to watch, so there all moves are made in that one.
        let rooms = if kind == Kind::Spectators { 1 } else { players::ROOMS };
        let table = Table::open(&server, rooms).await?;
        let without = table.measure().await?;
        let mut more = Vec::new();
        let mut speaker = None;
        if kind == Kind::Spectators {
            more.push(("--room", table.room_id()?.to_string()));
        }
        if kind == Kind::Stalled {
            let reach = Reach::new(Carrier::Ws, server.addr, None, 1)?;
            let busy = speaker.insert(Speaker::open(&reach).await?);
            more.push(("--room", busy.room_id.to_string()));
            busy.speak_on();
        }
        let mut disturbance = Disturbance::start(kind, server.addr, &more).await?;
        sleep(SETTLE).await;
        let beside = table.measure().await.with_context(|| format!("beside {kind}"))?;
        ensure!(disturbance.goes_on(), "nobody disturbs any more");
        Ok(Pair { without, beside })
    })
}

//! One room of a thousand, played by the load generator.

use std::net::SocketAddr;
use std::time::Duration;

use anteroom_bench::{Anteroom, Load, Plan, Target};
use anyhow::Result;

use super::{READY, tell};

const MEMBERS: usize = 1000;
/// 50 messages a second, each to all.
const RATE: f64 = 50_000.0;
const WARM_UP: Duration = Duration::from_secs(1);
/// Longer than anybody looks.
const TIME: Duration = Duration::from_secs(600);

/// Members who send at a rate, in turn.
pub(super) fn rated(addr: SocketAddr) -> Result<()> {
    play(addr, Load::Deliveries(RATE))
}

/// Members who each keep one message under way.
pub(super) fn closed(addr: SocketAddr) -> Result<()> {
    play(addr, Load::Closed)
}

fn play(addr: SocketAddr, load: Load) -> Result<()> {
    let plan = Plan { rooms: 1, members: MEMBERS, load, warm_up: WARM_UP, measured: TIME, threads: 1 };
    let (mut stage, mut told) = ("entering", false);
    anteroom_bench::run(&Target { addr, pid: None }, &Anteroom::default(), &plan, &mut |live| {
        // Entering is over and the warm-up, too.
        if !told && live.stage != stage && stage != "entering" {
            told = tell(READY).is_ok();
        }
        stage = live.stage;
    })?;
    Ok(())
}

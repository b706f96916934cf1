//! Readers who stall: what a thousand of them in a busy room cost the server in memory, what those notice who read, and
//! whether each one that wakes gets the newest state.
//!
//! The server's bound on how long a reader may stall is raised, so that it is memory that gets looked at and not
//! connections that end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anteroom_bench::{Latencies, Memory, Stamp};
use anteroom_protocol::Data;
use anyhow::{Context, Result, bail};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use crate::carrier::{Carrier, Reach};
use crate::disturb::{Disturbance, Kind};
use crate::entry::Destination;
use crate::member::Member;
use crate::pace::Urgent;
use crate::quic;
use crate::resuming::now_us;
use crate::servers::{Contender, Starting};
pub(crate) use crate::speaker::STATE;
use crate::speaker::{EVENT, Speaker};

/// How many stall, and how many read.
pub(crate) const READERS: usize = 1000;
const HEALTHY: usize = 10;
/// How long the room is watched, and how long it is busy before: then everybody is behind who will be.
const TIME: Duration = Duration::from_secs(5);
const FIRST: Duration = Duration::from_secs(3);
/// How long a server has to come to rest.
const SETTLE: Duration = Duration::from_secs(1);

/// What came of it on one carrier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stall {
    /// Growth of the server's resident memory for each reader, in KiB: when all have entered and the room was still, and
    /// when all were behind.
    pub(crate) entered: f64,
    pub(crate) stalled: f64,
    /// What those who read waited.
    pub(crate) without: Waits,
    pub(crate) beside: Waits,
    /// How many readers got the newest state when they woke, and how many of all were told of a gap.
    pub(crate) newest: u64,
    pub(crate) gaps: u64,
}

/// How long it took until those who read had what was said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// What they never had.
    pub(crate) missing: u64,
}

/// See the module.
pub(crate) fn run(starting: &Starting, contender: &Contender, carrier: Carrier) -> Result<Stall> {
    let needs = Kind::Stalled.needs();
    let server = match carrier {
        Carrier::Wss => starting.start_secure(contender, needs)?,
        _ => starting.start(contender, needs)?,
    };
    let certificate = server.certificate_file();
    let runtime = quic::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let _urgent = Urgent::this_thread();
        let reach = Reach::new(carrier, server.addr, certificate.as_deref(), HEALTHY + 1)?;
        let speaker = Speaker::open(&reach).await?;
        let listening = Listening::enter(&reach, &speaker).await?;
        let without = listening.watch(&speaker).await?;
        sleep(SETTLE).await;
        let memory = || -> Result<f64> { Ok(Memory::of(server.pid())?.resident as f64) };
        let before = memory()?;
        let mut more = vec![("--room", speaker.room_id.to_string()), ("--carrier", name(carrier)?)];
        if let Some(path) = certificate {
            more.push(("--certificate", path.display().to_string()));
        }
        let mut readers = Disturbance::start(Kind::Stalled, server.addr, &more).await?;
        sleep(SETTLE).await;
        let entered = memory()?;
        let beside = listening.watch(&speaker).await?;
        sleep(SETTLE).await;
        let stalled = memory()?;
        let newest = speaker.spoken.get().checked_sub(1).context("nobody spoke")?;
        let said = readers.ask(&format!("wake {newest}")).await?;
        let (newest, gaps) = woken(&said).with_context(|| format!("readers say `{said}`"))?;
        let each = |memory: f64| (memory - before) / READERS as f64;
        Ok(Stall { entered: each(entered), stalled: each(stalled), without, beside, newest, gaps })
    })
}

fn name(carrier: Carrier) -> Result<String> {
    use clap::ValueEnum;
    Ok(carrier.to_possible_value().context("it has no name")?.get_name().to_owned())
}

/// How many have the newest state, and how many had a gap.
fn woken(said: &str) -> Option<(u64, u64)> {
    let (newest, gaps) = said.strip_prefix("woken ")?.split_once(' ')?;
    Some((newest.parse().ok()?, gaps.parse().ok()?))
}

/// Those who read.
struct Listening {
    heard: Rc<RefCell<Heard>>,
}

#[derive(Debug, Default)]
struct Heard {
    from_us: u64,
    latencies: Latencies,
    failure: Option<String>,
}

impl Listening {
    async fn enter(reach: &Reach, speaker: &Speaker) -> Result<Self> {
        let heard = Rc::<RefCell<Heard>>::default();
        for place in 1..=HEALTHY {
            let member = Member::enter(reach.dial(place).await?, Destination::Room(speaker.room_id)).await?;
            let heard = heard.clone();
            spawn_local(async move {
                if let Err(error) = listen(member, &heard).await {
                    heard.borrow_mut().failure.get_or_insert_with(|| format!("{error:#}"));
                }
            });
        }
        Ok(Self { heard })
    }

    /// Lets the room be busy, and looks at the later part of that.
    async fn watch(&self, speaker: &Speaker) -> Result<Waits> {
        let from_us = now_us() + FIRST.as_micros() as u64;
        let failure = self.heard.borrow_mut().failure.take();
        self.heard.replace(Heard { from_us, failure, ..Heard::default() });
        speaker.speak_for(FIRST + TIME).await?;
        sleep(SETTLE).await;
        let heard = self.heard.borrow();
        if let Some(failure) = &heard.failure {
            bail!("one who reads had to go: {failure}");
        }
        let at = |share| heard.latencies.quantile_ms(share);
        let all = Speaker::count(TIME) * HEALTHY as u64;
        let missing = all.saturating_sub(heard.latencies.count());
        Ok(Waits { p50_ms: at(0.5), p99_ms: at(0.99), max_ms: heard.latencies.max_ms(), missing })
    }
}

async fn listen(mut member: Member, heard: &RefCell<Heard>) -> Result<()> {
    loop {
        let event = member.next().await?;
        member
            .take(event, |message| {
                let Data::Json(text) = message.data else { return };
                let (mut heard, now_us) = (heard.borrow_mut(), now_us());
                for stamp in Stamp::all(text.as_bytes()) {
                    if stamp.sender == EVENT && stamp.at_us >= heard.from_us {
                        heard.latencies.record_us(now_us.saturating_sub(stamp.at_us));
                    }
                }
            })
            .await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_say_is_read() {
        assert_eq!(woken("woken 999 12"), Some((999, 12)));
        assert_eq!(woken("woken 999"), None);
        assert_eq!(woken("ready"), None);
    }
}

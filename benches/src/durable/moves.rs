//! Durable moves as players make them, beside what the disk gives; and rooms that are not durable beside them.

use std::fmt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anteroom_bench::{Anteroom, Load, Outcome, Plan};
use anyhow::{Context, Result, anyhow, ensure};
use rusqlite::{Connection, OpenFlags};

use super::bare::{self, Bare, Records};
use super::server::Bench;

/// How long a load goes on before it counts.
const WARM_UP: Duration = Duration::from_secs(1);
/// The rooms that are not durable and are looked at: how many, of how many, and how often each member moves.
const LOOKED_AT: (usize, usize, f64) = (20, 2, 10.0);
/// The rooms beside them.
const BESIDE: (usize, usize, f64) = (100, 2, 5.0);

/// Moves that were stored before they were shown, beside rows that were stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// CPU of the server for each.
    pub(super) cpu_us: f64,
    /// The share of a core that the generator used.
    pub(super) own_share: f64,
    /// How large a record is.
    pub(super) record_bytes: usize,
    /// Lost, repeated or out of order.
    pub(super) wrong: u64,
    pub(super) bare: Bare,
    /// The same moves in rooms that are not durable, a second.
    pub(super) fleeting_per_second: f64,
    /// CPU of the server for each of those.
    pub(super) fleeting_cpu_us: f64,
}

/// In each room one member has one move under way, as where players move by turns.
pub(super) fn run(bench: &Bench, rooms: usize, seconds: u64) -> Result<Pair> {
    let data = bench.fresh("moves")?;
    let plan = plan(rooms, 1, Load::Closed, seconds);
    let server = bench.start(&data, &[])?;
    let fleeting = play(&server.target(), &plan, false)?;
    drop(server);
    let data = bench.fresh("moves")?;
    let server = bench.start(&data, &[])?;
    let (outcome, records) = thread::scope(|scope| {
        // In the middle: rooms that are left in the end are gone from the store.
        let records = scope.spawn(|| {
            thread::sleep(WARM_UP + plan.measured / 2);
            stored(&data, rooms)
        });
        let outcome = play(&server.target(), &plan, true)?;
        let records = records.join().map_err(|_| anyhow!("the reader crashed"))??;
        Ok::<_, anyhow::Error>((outcome, records))
    })?;
    drop(server);
    let bare = bare::run(&bench.fresh("bare")?, records, seconds)?;
    let measured = outcome.measured.as_secs_f64();
    Ok(Pair {
        per_second: outcome.delivered as f64 / measured,
        p50_ms: outcome.latencies.quantile_ms(0.5),
        p99_ms: outcome.latencies.quantile_ms(0.99),
        cpu_us: outcome.cpu_us().unwrap_or(f64::NAN),
        own_share: outcome.generator.busiest,
        record_bytes: records.record_bytes,
        wrong: outcome.wrong(),
        bare,
        fleeting_per_second: fleeting.rate(),
        fleeting_cpu_us: fleeting.cpu_us().unwrap_or(f64::NAN),
    })
}

fn plan(rooms: usize, members: usize, load: Load, seconds: u64) -> Plan {
    Plan { rooms, members, load, warm_up: WARM_UP, measured: Duration::from_secs(seconds), threads: 1 }
}

fn play(target: &anteroom_bench::Target, plan: &Plan, durable: bool) -> Result<Outcome> {
    let dialect = Anteroom { durable: Some(durable), ..Anteroom::default() };
    Ok(anteroom_bench::run(target, &dialect, plan, &mut |_| {})?)
}

/// What the server has written of its rooms by now.
fn stored(data: &Path, rooms: usize) -> Result<Records> {
    let path = data.join("anteroom.db");
    // A log is read through memory that is shared, which has to be written.
    let store = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .with_context(|| format!("cannot open {}", path.display()))?;
    store.busy_timeout(WARM_UP)?;
    let sizes = "SELECT count(*), avg(length(snapshot)), avg(length(entry)) FROM rooms";
    let (found, record, entry) =
        store.query_row(sizes, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?, row.get::<_, f64>(2)?)))?;
    ensure!(found > 0 && found <= rooms as i64, "{found} rooms are stored of {rooms}");
    Ok(Records { rows: rooms, record_bytes: record as usize, entry_bytes: entry as usize })
}

/// What is beside the rooms that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Beside {
    Nothing,
    Fleeting,
    Durable,
}

impl Beside {
    pub(super) const ALL: [Self; 3] = [Self::Nothing, Self::Fleeting, Self::Durable];
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rooms, members, hz) = BESIDE;
        let moves = rooms as f64 * members as f64 * hz;
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Fleeting => write!(f, "{moves:.0} moves/s in {rooms} rooms that are not durable"),
            Self::Durable => write!(f, "{moves:.0} moves/s in {rooms} durable rooms"),
        }
    }
}

/// How moves fared in rooms that are not durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) wrong: u64,
    /// How the moves beside them fared.
    pub(super) beside_p50_ms: f64,
    pub(super) beside_p99_ms: f64,
}

/// Looks at rooms that are not durable, beside others.
pub(super) fn beside(bench: &Bench, beside: Beside, seconds: u64) -> Result<Figures> {
    let server = bench.start(&bench.fresh("beside")?, &[])?;
    let target = server.target();
    let (rooms, members, hz) = BESIDE;
    // It begins before and ends after.
    let around = Plan { warm_up: 3 * WARM_UP, ..plan(rooms, members, Load::Hertz(hz), seconds + 3) };
    thread::scope(|scope| {
        let others = (beside != Beside::Nothing).then(|| {
            let others = scope.spawn(move || play(&target, &around, beside == Beside::Durable));
            thread::sleep(2 * WARM_UP);
            others
        });
        let (rooms, members, hz) = LOOKED_AT;
        let outcome = play(&target, &plan(rooms, members, Load::Hertz(hz), seconds), false)?;
        let others = others.map(|others| others.join().map_err(|_| anyhow!("the generator crashed"))?).transpose()?;
        let of_others = |share| others.as_ref().map_or(f64::NAN, |others| others.latencies.quantile_ms(share));
        Ok(Figures {
            p50_ms: outcome.latencies.quantile_ms(0.5),
            p99_ms: outcome.latencies.quantile_ms(0.99),
            wrong: outcome.wrong() + others.as_ref().map_or(0, Outcome::wrong),
            beside_p50_ms: of_others(0.5),
            beside_p99_ms: of_others(0.99),
        })
    })
}

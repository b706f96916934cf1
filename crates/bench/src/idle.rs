//! The workload `idle`: sessions that do nothing, and what each costs the server in memory.

use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::watch;

use crate::error::BenchError;
use crate::job::Job;
use crate::plan::Load;
use crate::report::Findings;
use crate::session::Destination;
use crate::shared::Phase;
use crate::streams::Players;
use crate::way;

/// Opens sessions, lets them settle for the warm-up, and weighs the server.
pub(crate) fn run(job: &mut Job<'_>, sessions: usize) -> Result<Findings, BenchError> {
    let plan = job.plan(sessions, 1, Load::Silent);
    let outcome = job.play(&plan, "messages/s", stay)?;
    let mut findings = Findings { course_unit: "messages/s", ..Findings::default() };
    findings.add("sessions", "idle sessions", sessions as f64, "");
    let grown = |of: fn(&crate::process::Memory) -> u64| {
        outcome.server.map(|server| of(&server.after) as f64 - of(&server.before) as f64)
    };
    let resident = grown(|memory| memory.resident);
    let anonymous = grown(|memory| memory.anonymous);
    let each = |kib: Option<f64>| kib.map(|kib| kib / sessions as f64);
    findings.add("resident_kib_per_session", "resident memory of each", each(resident), "KiB");
    findings.add("anonymous_kib_per_session", "anonymous memory of each", each(anonymous), "KiB");
    findings.add("resident_kib", "resident memory of all", resident, "KiB");
    let seconds = outcome.measured.as_secs_f64();
    let cpu = outcome.server.map(|server| server.cpu.used.as_secs_f64() / seconds * 1e6 / sessions as f64);
    findings.add("cpu_us_per_session_second", "server's CPU for each, in a second", cpu, "us");
    findings.add_generator(&outcome);
    findings
        .notes
        .push("Memory is what the server's process grew by, with all of its caches, divided by sessions.".into());
    if job.target.pid.is_none() {
        findings.notes.push("Nothing is known of the server's process; give --pid to weigh it.".into());
    }
    findings.course = outcome.course;
    Ok(findings)
}

async fn stay(players: Rc<Players>, place: usize, mut phase: watch::Receiver<Phase>) -> Result<(), BenchError> {
    let mut client = players.enter(place, Destination::Lobby).await?;
    players.shared.entered.fetch_add(1, SeqCst);
    loop {
        tokio::select! {
            biased;
            over = phase.wait_for(|phase| *phase == Phase::Over) => {
                over.map_err(BenchError::failed)?;
                break;
            }
            heard = client.hear(|_| {}) => drop(heard?),
        }
    }
    client.leave().await;
    Ok(())
}

/// Waits until a workload begins.
pub(crate) async fn begin(players: &Players, phase: &mut watch::Receiver<Phase>) -> Result<(), BenchError> {
    players.shared.entered.fetch_add(1, SeqCst);
    let begun = phase.wait_for(|phase| *phase != Phase::Entering).await;
    begun.map(|_| ()).map_err(BenchError::failed)
}

/// Waits until a workload is over, and hears what comes.
pub(crate) async fn wait_for_end(
    client: &mut way::Client,
    phase: &mut watch::Receiver<Phase>,
) -> Result<(), BenchError> {
    loop {
        tokio::select! {
            biased;
            over = phase.wait_for(|phase| *phase == Phase::Over) => return over.map(|_| ()).map_err(BenchError::failed),
            heard = client.hear(|_| {}) => drop(heard?),
        }
    }
}

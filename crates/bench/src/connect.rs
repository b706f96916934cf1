//! The workload `connect`: sessions that begin and end, and what each beginning costs the server.

use std::rc::Rc;

use tokio::sync::watch;

use crate::error::BenchError;
use crate::idle::begin;
use crate::job::Job;
use crate::plan::Load;
use crate::report::{Findings, PerServer, Times};
use crate::session::Destination;
use crate::shared::Phase;
use crate::streams::Players;

/// Keeps so many connections at a time busy with beginning.
pub(crate) fn run(job: &mut Job<'_>, at_a_time: usize) -> Result<Findings, BenchError> {
    let plan = job.plan(at_a_time, 1, Load::Silent);
    let outcome = job.play(&plan, "handshakes/s", connect)?;
    let mut findings = Findings { course_unit: "handshakes/s", ..Findings::default() };
    findings.add("at_a_time", "connections being made at a time", at_a_time as f64, "");
    findings.add("handshakes_per_second", "handshakes", outcome.rate(), "/s");
    findings.add("handshakes", "handshakes in all, with the warm-up", outcome.delivered_in_all as f64, "");
    findings.add_server(&outcome, &PER_HANDSHAKE);
    findings.add_generator(&outcome);
    if outcome.measured_nothing() {
        findings.failures.push("No handshake was completed in the measured time.".to_owned());
    }
    let meaning = "from dialing to handshake_accepted, in a closed loop";
    findings.times.push(Times { key: "handshake", name: "Handshake", latencies: outcome.latencies, meaning });
    findings.course = outcome.course;
    Ok(findings)
}

const PER_HANDSHAKE: PerServer = PerServer {
    rate_key: "handshakes_per_cpu_second",
    rate_name: "handshakes per second of the server's CPU",
    cpu_key: "cpu_us_per_handshake",
    cpu_name: "server's CPU per handshake and goodbye",
};

async fn connect(players: Rc<Players>, place: usize, mut phase: watch::Receiver<Phase>) -> Result<(), BenchError> {
    begin(&players, &mut phase).await?;
    while players.shared.phase().is_sending() {
        let begin_us = players.shared.now_us();
        let client = players.way.enter(players.dialer(place), Destination::Lobby).await?;
        players.meter.borrow_mut().did(begin_us);
        client.leave().await;
    }
    Ok(())
}

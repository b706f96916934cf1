//! The workloads `broadcast` and `game`: relay rooms full of members who all hear each other.

use anteroom_protocol::Json;
use anteroom_transport::Transport;

use crate::anteroom::Anteroom;
use crate::error::BenchError;
use crate::job::Job;
use crate::outcome::Outcome;
use crate::plan::{Load, Plan};
use crate::report::{Findings, PerServer, Times};
use crate::run as running;
use crate::streams::talk;

/// Fills rooms, and puts a load on them.
pub(crate) fn run(
    job: &mut Job<'_>,
    (rooms, members): (usize, usize),
    load: Load,
    options: Option<Json>,
) -> Result<Findings, BenchError> {
    let plan = job.plan(rooms, members, load);
    plan.validate()?;
    let outcome = if is_plain(job) {
        let dialect = Anteroom { codec: job.way.codec, options, durable: None, token: job.way.token.clone() };
        running::run(&job.target, &dialect, &plan, job.watch)?
    } else {
        job.play(&plan, "deliveries/s", |players, place, phase| talk(players, place, phase, options.clone()))?
    };
    Ok(findings(job, &plan, outcome))
}

/// Whether members speak WebSocket without TLS, for which the generator has sockets of its own that cost it less.
fn is_plain(job: &Job<'_>) -> bool {
    job.way.transport == Transport::WebSocket && !job.way.tls
}

fn findings(job: &Job<'_>, plan: &Plan, outcome: Outcome) -> Findings {
    let mut findings = Findings { course_unit: "deliveries/s", ..Findings::default() };
    let seconds = outcome.measured.as_secs_f64();
    findings.add("sessions", "sessions", plan.sessions() as f64, "");
    findings.add("seconds", "measured", seconds, "s");
    findings.add("messages_per_second", "messages sent", outcome.sent as f64 / seconds, "/s");
    findings.add("deliveries_per_second", "deliveries", outcome.rate(), "/s");
    findings.add("sent", "messages sent in all, with the warm-up", outcome.sent_in_all as f64, "");
    findings.add("delivered", "deliveries in all, with the warm-up", outcome.delivered_in_all as f64, "");
    findings.add_server(&outcome, &PER_DELIVERY);
    let each = |bytes: u64| (outcome.delivered > 0).then(|| bytes as f64 / outcome.delivered as f64);
    findings.add("bytes_up_per_delivery", "bytes from clients, per delivery", each(outcome.bytes_up), "B");
    findings.add("bytes_down_per_delivery", "bytes from the server, per delivery", each(outcome.bytes_down), "B");
    findings.add("unsent", "due and not sent", outcome.unsent as f64, "");
    findings.add("under_way", "still under way when it ended", outcome.under_way as f64, "");
    findings.add("lost", "lost", outcome.lost as f64, "");
    findings.add("duplicated", "duplicated", outcome.duplicated as f64, "");
    findings.add("out_of_order", "out of order", outcome.out_of_order as f64, "");
    findings.add_generator(&outcome);
    let lag = plan.period().map(|_| outcome.generator.lag_p99.as_secs_f64() * 1000.0);
    findings.add("generator_lag_p99_ms", "generator behind its schedule, p99", lag, "ms");
    findings.failures.extend(failures(&outcome));
    if !is_plain(job) {
        let note = "Bytes are those of records; what the transport and TLS add to them is not counted.";
        findings.notes.push(note.to_owned());
    }
    let meaning = match plan.period() {
        Some(_) => "from when a message was due until a member heard it (corrected for coordinated omission)",
        None => {
            "from sending to hearing in a closed loop, which has no schedule: what a queue of one message for each member \
             waits, and not what a player would see"
        }
    };
    findings.times.push(Times { key: "latency", name: "Latency", latencies: outcome.latencies, meaning });
    findings.course = outcome.course;
    findings
}

const PER_DELIVERY: PerServer = PerServer {
    rate_key: "deliveries_per_cpu_second",
    rate_name: "deliveries per second of the server's CPU",
    cpu_key: "cpu_us_per_delivery",
    cpu_name: "server's CPU per delivery",
};

/// What must not be, each in a sentence.
fn failures(outcome: &Outcome) -> Vec<String> {
    let Outcome { lost, duplicated, out_of_order, unsent, under_way, .. } = outcome;
    let mut failures = Vec::new();
    if outcome.wrong() > 0 {
        let why = outcome.refused.as_ref().map(|words| format!(" The server refused messages: {words}"));
        failures.push(format!(
            "Reliable delivery failed: {lost} messages lost, {duplicated} duplicated, {out_of_order} out of order.{}",
            why.unwrap_or_default()
        ));
    }
    if *under_way > 0 {
        failures.push(format!("{under_way} messages had not come when it ended: the server cannot carry this rate."));
    }
    if *unsent > 0 {
        failures.push(format!("{unsent} messages that were due could not be sent: the server did not take them."));
    }
    if outcome.measured_nothing() {
        failures.push("Nothing was delivered in the measured time.".to_owned());
    }
    failures
}

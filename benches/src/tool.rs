//! `anteroom bench` on QUIC and WebTransport: there the generator speaks only Anteroom's protocol, and it is used as it is
//! shipped.

use std::process::Command;

use anteroom_bench::{Load, Plan};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::scenes::Figures;
use crate::servers::{Needs, Server, Starting};

/// Puts a game's load on a server of Anteroom.
pub(crate) fn run(starting: &Starting, server: &Server, transport: &str, plan: &Plan, needs: Needs) -> Result<Figures> {
    let Load::Hertz(hz) = plan.load else { bail!("only games are played there") };
    let options = [
        ("--server", server.addr.to_string()),
        ("--pid", server.pid().to_string()),
        ("--transport", transport.to_owned()),
        ("--rooms", plan.rooms.to_string()),
        ("--members", plan.members.to_string()),
        ("--threads", plan.threads.to_string()),
        ("--hz", hz.to_string()),
        ("--tick-ms", needs.tick_ms.unwrap_or_default().to_string()),
        ("--warm-up", plan.warm_up.as_secs().to_string()),
        ("--seconds", plan.measured.as_secs().to_string()),
    ];
    let mut command = Command::new(&starting.anteroom);
    command.args(["bench", "game", "--json"]);
    for (name, value) in options {
        command.args([name, &value]);
    }
    let done = command.output().context("cannot run anteroom bench")?;
    ensure!(!done.stdout.is_empty(), "{}", String::from_utf8_lossy(&done.stderr).trim());
    figures(&done.stdout)
}

/// Reads what it says.
fn figures(json: &[u8]) -> Result<Figures> {
    let report: Value = serde_json::from_slice(json).context("anteroom bench says something else")?;
    let number = |group: &Value, name: &str| group[name].as_f64().with_context(|| format!("there is no {name}"));
    let (figures, latency) = (&report["figures"], &report["times_ms"]["latency"]);
    let count = |name| Ok(number(figures, name)? as u64);
    let wrong: Result<Vec<u64>> = ["lost", "duplicated", "out_of_order"].into_iter().map(count).collect();
    Ok(Figures {
        cpu_us: number(figures, "cpu_us_per_delivery")?,
        deliveries_per_second: number(figures, "deliveries_per_second")?,
        p50_ms: number(latency, "p50")?,
        p99_ms: number(latency, "p99")?,
        server_share: number(figures, "server_cpu_percent")? / 100.0,
        own_share: number(figures, "generator_cpu_percent")? / 100.0,
        // It does not tell.
        waited_share: 0.0,
        wrong: wrong?.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let report = br#"{"figures":{"cpu_us_per_delivery":4.5,"deliveries_per_second":200.0,"server_cpu_percent":50.0,
            "generator_cpu_percent":25.0,"lost":1.0,"duplicated":2.0,"out_of_order":4.0},
            "times_ms":{"latency":{"p50":1.5,"p99":9.0}}}"#;
        let read = figures(report).unwrap();
        assert_eq!((read.cpu_us, read.p99_ms, read.own_share, read.wrong), (4.5, 9.0, 0.25, 7));
        assert!(figures(b"{}").is_err());
        assert!(figures(b"no").is_err());
    }
}

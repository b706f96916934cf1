//! The tables about what resuming costs, and what it gives.

use std::fmt::Write;
use std::time::Duration;

use anteroom_transport::Transport;

use super::{Report, median, ratio};
use crate::held;
use crate::idle::Growth;
use crate::scenes::Scene;
use crate::servers::{Contender, Subject};
use crate::switching::Route;

impl Report {
    /// CPU of sessions that can be resumed, beside the same that cannot.
    pub(super) fn retention(&self, out: &mut String) {
        let mut rows = String::new();
        for (scene, name) in [
            (Scene::ClosedRooms, "closed, 100 x 10"),
            (Scene::ClosedCrowd, "closed, 1 x 1000"),
            (Scene::Rate(50_000), "50k"),
        ] {
            let plain = self.cpu_us(scene, Subject::Unresumed);
            let (Some(plain), Some(kept)) = (plain, self.cpu_us(scene, Subject::Anteroom)) else { continue };
            let _ = writeln!(rows, "| {name} | {plain:.2} | {kept:.2} | {} |", ratio(kept, Some(plain)));
        }
        if !rows.is_empty() {
            out.push_str("\n### Retention: server CPU for each delivery on WebSocket\n\n");
            let _ = write!(out, "| load | us | us with resume | ratio |\n|---|---:|---:|---:|\n{rows}");
        }
    }

    /// Memory of sessions that can be resumed, beside the same that cannot.
    pub(super) fn retained(&self, out: &mut String) {
        let idle = |subject| median(self.idle.get(&Contender::plain(subject))?.iter().map(resident));
        let idle = (idle(Subject::Unresumed), idle(Subject::Anteroom));
        let held = |resumes| median(self.held.get(&resumes)?.iter().map(resident));
        let messages = format!("{} messages of a room of ten, none acknowledged", held::MESSAGES);
        let mut rows = String::new();
        for (name, figures) in [("idle", idle), (messages.as_str(), (held(false), held(true)))] {
            let (Some(plain), Some(kept)) = figures else { continue };
            let _ = writeln!(rows, "| {name} | {plain:.1} | {kept:.1} | {:.1} |", kept - plain);
        }
        if !rows.is_empty() {
            out.push_str("\n### Retention: memory for each session on WebSocket, resident KiB\n\n");
            let _ = write!(out, "| session | KiB | KiB with resume | difference |\n|---|---:|---:|---:|\n{rows}");
        }
    }

    /// From a cut to the next message, and the pauses of live moves.
    pub(super) fn switches(&self, out: &mut String) {
        let switches = &self.switches;
        if switches.outages.is_empty() {
            return;
        }
        out.push_str("\n### From a cut to the next delivered message, at 20 messages a second\n\n");
        out.push_str("| connection | cuts | lane back p50 ms | p99 ms | next message p50 ms | p99 ms |\n");
        out.push_str("|---|---:|---:|---:|---:|---:|\n");
        for (route, outages) in &switches.outages {
            let quantiles = |time: fn(&_) -> Duration| quantiles(outages.iter().map(time));
            let (attached, delivered) = (quantiles(|outage| outage.attached), quantiles(|outage| outage.delivered));
            let _ = writeln!(out, "| {} | {} | {attached} | {delivered} |", name(*route), outages.len());
        }
        out.push_str("\n### Longest pause between two messages around a live move, at 50 messages a second\n\n");
        out.push_str("| connection | moves | p50 ms | p99 ms |\n|---|---:|---:|---:|\n");
        for (route, pauses) in &switches.pauses {
            let _ = writeln!(out, "| {} | {} | {} |", name(*route), pauses.len(), quantiles(pauses.iter().copied()));
        }
    }

    /// What idle sessions send and receive.
    pub(super) fn wire(&self, out: &mut String) {
        if self.wire.is_empty() {
            return;
        }
        out.push_str("\n### An idle session on the wire, for each minute\n\n");
        out.push_str("| connection | bytes up | bytes down | bytes | packets up | packets down |\n");
        out.push_str("|---|---:|---:|---:|---:|---:|\n");
        for (transport, used) in &self.wire {
            let _ = writeln!(
                out,
                "| {transport} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} |",
                used.bytes_up,
                used.bytes_down,
                used.bytes_up + used.bytes_down,
                used.packets_up,
                used.packets_down,
            );
        }
    }
}

fn resident(growth: &Growth) -> f64 {
    growth.resident
}

fn name((from, to): Route) -> String {
    let name: fn(Transport) -> String = |transport| transport.to_string();
    if from == to { name(from) } else { format!("{from} -> {to}") }
}

/// The times that a half and 99 of 100 do not exceed, as two cells.
fn quantiles(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len().saturating_sub(1) as f64 * share).round() as usize;
        times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    };
    format!("{:.1} | {:.1}", at(0.5), at(0.99))
}

//! The tables about what a session costs: lying idle, coming in, and entering a room.

use std::fmt::Write;

use super::target::{Bound, Target, verdicts};
use super::{Report, median, ratio};
use crate::handshakes;
use crate::idle::{self, Growth};
use crate::joins;
use crate::servers::{Contender, Subject};

impl Report {
    pub(super) fn weights(&self, out: &mut String) {
        if self.idle.is_empty() {
            return;
        }
        let figure = |growths: &[Growth], figure: fn(&Growth) -> f64| median(growths.iter().map(figure));
        let resident = |subject| figure(self.idle.get(&Contender::plain(subject))?, |growth| growth.resident);
        out.push_str("\n### Memory for each idle session\n\n");
        out.push_str("| session | resident KiB | anonymous KiB | x bare session |\n|---|---:|---:|---:|\n");
        let mut row = |name: &str, growths: &[Growth], bare| {
            let cell = |of| figure(growths, of).unwrap_or(f64::NAN);
            let (resident, anonymous) = (cell(|growth| growth.resident), cell(|growth| growth.anonymous));
            let _ = writeln!(out, "| {name} | {resident:.1} | {anonymous:.1} | {} |", ratio(resident, bare));
        };
        if !self.idle_members.is_empty() {
            row("Anteroom, in a room of ten", &self.idle_members, None);
        }
        for subject in idle::SUBJECTS.into_iter().filter(|subject| *subject != Subject::Unresumed) {
            let bare = match subject {
                Subject::Quic => resident(Subject::BareQuinn),
                Subject::Webtransport => resident(Subject::BareSessions),
                _ => None,
            };
            for (contender, growths) in self.idle.iter().filter(|(contender, _)| contender.subject == subject) {
                row(&contender.to_string(), growths, bare);
            }
        }
        verdicts(
            out,
            &[
                Target::new("KiB on WebSocket", Bound::AtMost(6.0), 4.0, resident(Subject::Anteroom)),
                Target::new("KiB on WebTransport", Bound::AtMost(60.0), 42.0, resident(Subject::Webtransport)),
            ],
        );
    }

    pub(super) fn entering(&self, out: &mut String) {
        if self.handshakes.is_empty() {
            return;
        }
        let cost = |subject| median(self.handshakes.get(&Contender::plain(subject))?.iter().copied());
        out.push_str("\n### Coming in: server CPU for each handshake\n\n");
        out.push_str("| session | us | of bare |\n|---|---:|---:|\n");
        for subject in handshakes::SUBJECTS {
            let bare = match subject {
                Subject::Quic => cost(Subject::BareQuinn),
                Subject::Webtransport => cost(Subject::BareSessions),
                Subject::Anteroom => cost(Subject::Limit),
                _ => None,
            };
            for (contender, costs) in self.handshakes.iter().filter(|(contender, _)| contender.subject == subject) {
                let us = median(costs.iter().copied()).unwrap_or(f64::NAN);
                let _ = writeln!(out, "| {contender} | {us:.0} | {} |", ratio(us, bare));
            }
        }
        let of = || Some(cost(Subject::Quic)? / cost(Subject::BareQuinn)?);
        verdicts(out, &[Target::new("of bare quinn's CPU on QUIC", Bound::AtMost(1.5), 1.3, of())]);
    }

    pub(super) fn joining(&self, out: &mut String) {
        if self.joins.is_empty() {
            return;
        }
        out.push_str("\n### Entering a room: server CPU for one that is created, joined, and left by both\n\n");
        out.push_str("| server | rooms besides | us |\n|---|---:|---:|\n");
        for ((contender, rooms), costs) in &self.joins {
            let us = median(costs.iter().copied()).unwrap_or(f64::NAN);
            let _ = writeln!(out, "| {contender} | {rooms} | {us:.1} |");
        }
        let cost = |rooms| median(self.joins.get(&(Contender::plain(Subject::Anteroom), rooms))?.iter().copied());
        let [fewest, .., most] = joins::ROOMS;
        let grows = || Some(cost(most)? / cost(fewest)?);
        verdicts(out, &[Target::new("of the CPU with 10 rooms, at 5000", Bound::AtMost(1.15), None, grows())]);
    }
}

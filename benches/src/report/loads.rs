//! The tables about rooms full of members.

use std::fmt::Write;

use super::target::{Bound, Target, verdicts};
use super::{Report, ms, ratio, share};
use crate::scenes::{Figures, Scene, TICK_MS};
use crate::servers::{Contender, Subject};

const RATES: [(u32, &str); 2] = [(50_000, "50k"), (200_000, "200k")];
/// How many rooms there are while work grows.
pub(crate) const GROWTH: [u32; 3] = [10, 100, 1000];

impl Report {
    pub(super) fn closed(&self, out: &mut String) {
        for (scene, title) in [(Scene::ClosedRooms, "100 rooms x 10"), (Scene::ClosedCrowd, "1 room x 1000")] {
            if self.contenders(scene).next().is_none() {
                continue;
            }
            let _ = writeln!(out, "\n### Closed loop, {title}: deliveries for each second of server CPU\n");
            out.push_str("| server | M/CPU-s | of the limit | p50 ms | p99 ms | its core | generator |\n");
            out.push_str("|---|---:|---:|---:|---:|---:|---:|\n");
            let limit = self.cpu_us(scene, Subject::Limit);
            for contender in self.contenders(scene) {
                let cell = |figure: fn(&Figures) -> f64| self.median(scene, contender, figure).unwrap_or(f64::NAN);
                let cpu = cell(|figures| figures.cpu_us);
                let _ = writeln!(
                    out,
                    "| {contender} | {:.3} | {} | {} | {} | {:.0} % | {} |",
                    1.0 / cpu,
                    limit.map(|limit| format!("{:.2}", limit / cpu)).unwrap_or_default(),
                    ms(cell(|figures| figures.p50_ms)),
                    ms(cell(|figures| figures.p99_ms)),
                    cell(|figures| figures.server_share) * 100.0,
                    share(cell(|figures| figures.own_share)),
                );
            }
            let times = |other| Some(self.cpu_us(scene, other)? / self.cpu_us(scene, Subject::Anteroom)?);
            let least = |of, now, later, other| Target::new(of, Bound::AtLeast(now), later, times(other));
            let targets = if scene == Scene::ClosedRooms {
                vec![
                    least("of the limit", 0.6, Some(0.8), Subject::Limit),
                    least("x Colyseus", 10.0, None, Subject::Colyseus),
                    least("x axum", 6.0, None, Subject::Axum),
                    least("x tokio-tungstenite", 1.0, None, Subject::Tungstenite),
                ]
            } else {
                vec![
                    least("of the limit", 0.7, Some(0.9), Subject::Limit),
                    least("x Colyseus", 15.0, None, Subject::Colyseus),
                ]
            };
            verdicts(out, &targets);
        }
    }

    pub(super) fn game(&self, out: &mut String) {
        let scene = Scene::Game;
        let title = "Game, 100 rooms x 10 x 20 Hz, written once in 16 ms: server CPU for each delivery";
        if !self.rate_table(out, title, &[(scene, "game")], Subject::Limit) {
            return;
        }
        let anteroom = Contender::plain(Subject::Anteroom);
        let ticks = |figure: fn(&Figures) -> f64| Some(self.median(scene, &anteroom, figure)? / TICK_MS as f64);
        verdicts(
            out,
            &[
                Target::new("of the limit's CPU", Bound::AtMost(1.6), 1.25, self.of(scene, Subject::Limit)),
                Target::new("of a tick, p50", Bound::AtMost(0.6), None, ticks(|figures| figures.p50_ms)),
                Target::new("of a tick, p99", Bound::AtMost(1.5), None, ticks(|figures| figures.p99_ms)),
            ],
        );
    }

    pub(super) fn rates(&self, out: &mut String) {
        let scenes = RATES.map(|(rate, name)| (Scene::Rate(rate), name));
        if !self.rate_table(out, "Fixed rate, written at once: server CPU for each delivery", &scenes, Subject::Limit) {
            return;
        }
        let p99 = |scene, subject| self.median(scene, &Contender::plain(subject), |figures| figures.p99_ms);
        let p99 = |scene| Some(p99(scene, Subject::Anteroom)? / p99(scene, Subject::Limit)?);
        let at = |scene, cpu, tail| {
            [
                Target::new(cpu, Bound::AtMost(1.35), 1.2, self.of(scene, Subject::Limit)),
                Target::new(tail, Bound::AtMost(2.0), None, p99(scene)),
            ]
        };
        let [low, high] = scenes.map(|(scene, _)| scene);
        let low = at(low, "of the limit's CPU at 50k", "of the limit's p99 at 50k");
        let high = at(high, "of the limit's CPU at 200k", "of the limit's p99 at 200k");
        verdicts(out, &low.into_iter().chain(high).collect::<Vec<_>>());
    }

    pub(super) fn fan_out(&self, out: &mut String) {
        let title = "QUIC fan-out, the same game: server CPU for each delivery";
        if !self.rate_table(out, title, &[(Scene::FanOut, "game")], Subject::BareQuinn) {
            return;
        }
        let quic = self.cpu_us(Scene::FanOut, Subject::Quic);
        let of = || Some(quic? / self.cpu_us(Scene::FanOut, Subject::BareQuinn)?);
        verdicts(out, &[Target::new("of bare quinn's CPU", Bound::AtMost(1.5), 1.25, of())]);
    }

    pub(super) fn growth(&self, out: &mut String) {
        let scenes = GROWTH.map(|rooms| (Scene::Growth(rooms), format!("{rooms} rooms")));
        let scenes: Vec<_> = scenes.iter().map(|(scene, name)| (*scene, name.as_str())).collect();
        let title = "As work grows, 100 deliveries a second for each room: server CPU for each delivery";
        if !self.rate_table(out, title, &scenes, Subject::Limit) {
            return;
        }
        let cpu = |rooms| self.cpu_us(Scene::Growth(rooms), Subject::Anteroom);
        let grows = |from, to| Some(cpu(to)? / cpu(from)?);
        verdicts(
            out,
            &[
                Target::new("of the CPU with 100 rooms, at 1000", Bound::AtMost(1.15), None, grows(100, 1000)),
                Target::new("of the CPU with 10 rooms, at 1000", Bound::AtMost(1.15), None, grows(10, 1000)),
                Target::new("of the CPU with 10 rooms, at 1000", Bound::AtLeast(0.85), None, grows(10, 1000)),
            ],
        );
    }

    /// Anteroom's CPU as a multiple of somebody else's.
    fn of(&self, scene: Scene, other: Subject) -> Option<f64> {
        Some(self.cpu_us(scene, Subject::Anteroom)? / self.cpu_us(scene, other)?)
    }

    /// A table of loads at fixed rates; false if there is nothing to put into it.
    fn rate_table(&self, out: &mut String, title: &str, scenes: &[(Scene, &str)], yardstick: Subject) -> bool {
        if scenes.iter().all(|(scene, _)| self.contenders(*scene).next().is_none()) {
            return false;
        }
        let _ = writeln!(
            out,
            "\n### {title}\n\n| load | server | reached/s | us | of {yardstick} | p50 ms | p99 ms | generator |"
        );
        out.push_str("|---|---|---:|---:|---:|---:|---:|---:|\n");
        for &(scene, name) in scenes {
            for contender in self.contenders(scene) {
                let cell = |figure: fn(&Figures) -> f64| self.median(scene, contender, figure).unwrap_or(f64::NAN);
                let cpu = cell(|figures| figures.cpu_us);
                let _ = writeln!(
                    out,
                    "| {name} | {contender} | {:.1}k | {cpu:.2} | {} | {} | {} | {} |",
                    cell(|figures| figures.deliveries_per_second) / 1000.0,
                    ratio(cpu, self.cpu_us(scene, yardstick)),
                    ms(cell(|figures| figures.p50_ms)),
                    ms(cell(|figures| figures.p99_ms)),
                    share(cell(|figures| figures.own_share)),
                );
            }
        }
        true
    }
}

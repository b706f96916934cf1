//! The parts of a comparison: who does what in which order, so that neighbours in a table were neighbours in time.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::ValueEnum;

use crate::budget::{self, Budget};
use crate::carrier::Carrier;
use crate::disturb::Kind;
use crate::report::Report;
use crate::scenes::Scene;
use crate::servers::{Contender, Needs, Server, Starting, Subject};
use crate::watching::{self, Show, WATCHERS};
use crate::{Arguments, fair, handshakes, held, idle, joins, stalled, switching, wire};

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Every member keeps one message under way: 100 rooms of ten, and one of a thousand.
    Closed,
    /// 100 rooms of ten at 20 Hz, written once a tick.
    Game,
    /// 50,000 and 200,000 deliveries a second, written at once.
    Immediate,
    /// Memory for each idle session.
    Idle,
    /// The game on QUIC and WebTransport.
    Fanout,
    /// CPU for each handshake.
    Handshake,
    /// CPU for each delivery with 10, 100 and 1,000 rooms.
    Growth,
    /// CPU for each room that is entered, with more and more rooms there.
    Join,
    /// Memory for what is not acknowledged.
    Held,
    /// Time from a cut to the next message, and pauses of live moves.
    Switch,
    /// Moves in quiet rooms beside floods, crowds, storms and readers who stall.
    Fair,
    /// 1,000 readers who stall in a busy room.
    Stalled,
    /// Memory for 10,000 sessions that are away.
    Budget,
    /// 10,000 spectators of a room, and 10,000 watchers of a filter of the lobby.
    Watching,
    /// Bytes of an idle session; once, whatever the repeats.
    Wire,
}

impl Part {
    /// Its loads, if it is about such.
    fn scenes(self) -> &'static [Scene] {
        match self {
            Self::Closed => &[Scene::ClosedRooms, Scene::ClosedCrowd],
            Self::Game => &[Scene::Game],
            Self::Immediate => &[Scene::Rate(50_000), Scene::Rate(200_000)],
            Self::Fanout => &[Scene::FanOut],
            Self::Growth => &[Scene::Growth(10), Scene::Growth(100), Scene::Growth(1000)],
            _ => &[],
        }
    }
}

/// A comparison under way.
pub(crate) struct Run {
    pub(crate) arguments: Arguments,
    pub(crate) starting: Starting,
    pub(crate) report: Report,
}

impl Run {
    /// Does all that was asked for, as often as was asked for.
    pub(crate) fn all(mut self) -> Result<Report> {
        let repeats = self.arguments.repeats;
        for repeat in 1..=repeats {
            eprintln!("repeat {repeat} of {repeats}: loads, memory and costs");
            self.load();
            self.weigh();
            self.enter();
            self.join();
            self.disturb();
            self.stall();
            self.go_away();
            self.watch();
        }
        self.lasting()?;
        Ok(self.report)
    }

    fn takes(&self, part: Part) -> bool {
        self.arguments.part.is_empty() || self.arguments.part.contains(&part)
    }

    /// Those of the subjects that take part, Anteroom with all its variants.
    fn contenders(&mut self, subjects: &[Subject]) -> Vec<Contender> {
        let Arguments { only, variant, .. } = &self.arguments;
        let mut contenders = Vec::new();
        for &subject in subjects.iter().filter(|subject| only.is_empty() || only.contains(subject)) {
            if let Some(why) = subject.missing() {
                self.report.absent.insert(subject.to_string(), why.to_owned());
                continue;
            }
            contenders.push(Contender::plain(subject));
            if subject.is_anteroom() {
                let variants = variant.iter().cloned();
                contenders.extend(variants.map(|variant| Contender { subject, variant: Some(variant) }));
            }
        }
        contenders
    }

    /// Notes that somebody could not do something, which is no reason to stop comparing.
    fn excuse<T>(&mut self, what: &str, contender: &Contender, done: Result<T>) -> Option<T> {
        done.inspect_err(|error| {
            eprintln!("      {error:#}");
            self.report.absent.insert(format!("{contender} ({what})"), format!("{error:#}"));
        })
        .ok()
    }

    fn load(&mut self) {
        let parts = Part::value_variants().iter().filter(|part| self.takes(**part));
        let scenes: Vec<Scene> = parts.flat_map(|part| part.scenes()).copied().collect();
        let measured = Duration::from_secs(self.arguments.seconds);
        for scene in scenes {
            eprintln!("  {scene:?}");
            for contender in self.contenders(scene.subjects()) {
                let started = self.starting.start(&contender, scene.needs());
                let done = started.and_then(|server| scene.run(&self.starting, contender.subject, &server, measured));
                let Some(figures) = self.excuse(&format!("{scene:?}"), &contender, done) else { continue };
                eprintln!(
                    "    {contender}: {:.2} us, {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, server {:.0} % and waited {:.0} %, \
                     generator {:.0} %, {} wrong",
                    figures.cpu_us,
                    figures.deliveries_per_second,
                    figures.p50_ms,
                    figures.p99_ms,
                    figures.server_share * 100.0,
                    figures.waited_share * 100.0,
                    figures.own_share * 100.0,
                    figures.wrong,
                );
                self.report.loads.entry((scene, contender)).or_default().push(figures);
            }
        }
    }

    fn weigh(&mut self) {
        if !self.takes(Part::Idle) {
            return;
        }
        eprintln!("  idle sessions");
        for contender in self.contenders(&idle::SUBJECTS) {
            let done = idle::run(&self.starting, &contender);
            let Some(growth) = self.excuse("idle", &contender, done) else { continue };
            eprintln!("    {contender}: {:.1} KiB", growth.resident);
            self.report.idle.entry(contender).or_default().push(growth);
        }
        for contender in self.contenders(&[Subject::Anteroom]).iter().filter(|contender| contender.variant.is_none()) {
            let done = idle::members(&self.starting, contender);
            let growth = self.excuse("idle members", contender, done);
            self.report.idle_members.extend(growth);
        }
    }

    fn enter(&mut self) {
        if !self.takes(Part::Handshake) {
            return;
        }
        eprintln!("  handshakes");
        for contender in self.contenders(&handshakes::SUBJECTS) {
            let started = self.starting.start(&contender, Needs::default());
            let done = started.and_then(|server| handshakes::run(contender.subject, &server));
            let Some(cost_us) = self.excuse("handshake", &contender, done) else { continue };
            eprintln!("    {contender}: {cost_us:.0} us");
            self.report.handshakes.entry(contender).or_default().push(cost_us);
        }
    }

    fn join(&mut self) {
        if !self.takes(Part::Join) {
            return;
        }
        eprintln!("  rooms entered");
        for contender in self.contenders(&[Subject::Anteroom]) {
            let done = self.starting.start(&contender, Needs::default()).and_then(|server| joins::run(&server));
            for (rooms, cost_us) in self.excuse("join", &contender, done).into_iter().flatten() {
                eprintln!("    {contender}, {rooms} rooms besides: {cost_us:.1} us");
                self.report.joins.entry((contender.clone(), rooms)).or_default().push(cost_us);
            }
        }
    }

    fn disturb(&mut self) {
        if !self.takes(Part::Fair) {
            return;
        }
        eprintln!("  moves in quiet rooms");
        let asked = self.arguments.beside.clone();
        for &kind in Kind::value_variants().iter().filter(|kind| asked.is_empty() || asked.contains(kind)) {
            for contender in self.contenders(&[Subject::Anteroom]) {
                let done = fair::run(&self.starting, &contender, kind);
                let Some(pair) = self.excuse(&format!("beside {kind}"), &contender, done) else { continue };
                eprintln!("    {contender}, beside {kind}: {}, without {}", pair.beside, pair.without);
                self.report.fair.entry((kind, contender)).or_default().push(pair);
            }
        }
    }

    fn stall(&mut self) {
        if !self.takes(Part::Stalled) {
            return;
        }
        eprintln!("  readers who stall");
        for &carrier in Carrier::value_variants() {
            for contender in self.contenders(&[Subject::Anteroom]) {
                let done = stalled::run(&self.starting, &contender, carrier);
                let Some(stall) = self.excuse(&format!("stalled, {carrier}"), &contender, done) else { continue };
                eprintln!("    {contender}, {carrier}: {:.1} KiB each, {} woke", stall.stalled, stall.newest);
                self.report.stalled.entry((carrier, contender)).or_default().push(stall);
            }
        }
    }

    fn go_away(&mut self) {
        if !self.takes(Part::Budget) {
            return;
        }
        eprintln!("  sessions that are away");
        for contender in self.contenders(&[Subject::Anteroom]) {
            let budgets = Budget::all(&self.starting);
            for &budget in self.excuse("budget", &contender, budgets).unwrap_or_default() {
                let done = budget::run(&self.starting, &contender, budget);
                let Some(away) = self.excuse(&format!("budget {budget}"), &contender, done) else { continue };
                eprintln!("    {contender}, budget {budget}: {} away, {:.0} MiB", away.sessions, away.growth());
                self.report.away.entry((budget, contender.clone())).or_default().push(away);
            }
        }
    }

    fn watch(&mut self) {
        if !self.takes(Part::Watching) {
            return;
        }
        eprintln!("  many who watch");
        for (&show, count) in Show::value_variants().iter().flat_map(|show| WATCHERS.map(|count| (show, count))) {
            for contender in self.contenders(&[Subject::Anteroom]) {
                let done = watching::run(&self.starting, &contender, show, count);
                let Some(watched) = self.excuse(&format!("{count} {show}"), &contender, done) else { continue };
                eprintln!("    {contender}, {count} {show}: {watched:?}");
                self.report.watched.entry((show, count, contender)).or_default().push(watched);
            }
        }
    }

    /// What is kept for sessions, and connections that are lost and changed. Beside them, on a server of their own,
    /// those that only last: these take two minutes, and next to nothing else.
    fn lasting(&mut self) -> Result<()> {
        let watched = self.takes(Part::Wire).then(|| self.anteroom()).transpose()?;
        let Arguments { wire_seconds, repeats, .. } = self.arguments;
        thread::scope(|scope| {
            let watching = watched.as_ref().map(|server| scope.spawn(move || wire::run(server, wire_seconds)));
            for repeat in 1..=repeats {
                if self.takes(Part::Held) || self.takes(Part::Switch) {
                    eprintln!("repeat {repeat} of {repeats}: what is kept, connections cut and changed");
                }
                self.hold()?;
                self.switch()?;
            }
            if let Some(watching) = watching {
                eprintln!("idle sessions on the wire, {wire_seconds} s in all");
                self.report.wire = watching.join().map_err(|_| anyhow!("watching the wire failed"))??;
            }
            Ok(())
        })
    }

    fn anteroom(&self) -> Result<Server> {
        self.starting.start(&Contender::plain(Subject::Anteroom), Needs::default())
    }

    fn hold(&mut self) -> Result<()> {
        if self.takes(Part::Held) {
            for resumes in [false, true] {
                let growth = held::run(&self.anteroom()?, resumes)?;
                self.report.held.entry(resumes).or_default().push(growth);
            }
        }
        Ok(())
    }

    fn switch(&mut self) -> Result<()> {
        if self.takes(Part::Switch) {
            let Arguments { repeats, cuts, .. } = self.arguments;
            let switches = switching::run(&self.anteroom()?, cuts.div_ceil(repeats))?;
            self.report.switches.add(switches);
        }
        Ok(())
    }
}

//! The tables: medians over the repeats, ratios within the run, and what was aimed at beside what was reached.

mod fair;
mod loads;
mod resuming;
mod sessions;
mod target;
mod watching;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anteroom_transport::Transport;
use anyhow::{Context, Result};

use crate::budget::{Away, Budget};
use crate::carrier::Carrier;
use crate::disturb::Kind;
use crate::fair::Pair;
use crate::idle::Growth;
use crate::machine::FOLDER;
use crate::scenes::{Figures, Scene};
use crate::servers::{Contender, Subject};
use crate::stalled::Stall;
use crate::switching::Switches;
use crate::watching::{Show, Watched};
use crate::wire::Use;

/// What marks the beginning and the end of each block of tables in the README.
const MARKS: [(&str, &str); 2] =
    [("<!-- measured: begin -->\n", "<!-- measured: end -->"), ("<!-- shared: begin -->\n", "<!-- shared: end -->")];
/// Up to this share of its core, the generator is believed.
const OWN_SHARE_MAX: f64 = 0.8;

/// Everything measured so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) repeats: usize,
    pub(crate) seconds: u64,
    pub(crate) loads: BTreeMap<(Scene, Contender), Vec<Figures>>,
    pub(crate) idle: BTreeMap<Contender, Vec<Growth>>,
    /// Anteroom's, in rooms of ten.
    pub(crate) idle_members: Vec<Growth>,
    /// Server CPU for each, in microseconds.
    pub(crate) handshakes: BTreeMap<Contender, Vec<f64>>,
    /// Server CPU for each, in microseconds, by the number of rooms besides.
    pub(crate) joins: BTreeMap<(Contender, u32), Vec<f64>>,
    /// By whether the sessions ask to be resumed.
    pub(crate) held: BTreeMap<bool, Vec<Growth>>,
    pub(crate) switches: Switches,
    pub(crate) wire: BTreeMap<Transport, Use>,
    /// Moves beside disturbances.
    pub(crate) fair: BTreeMap<(Kind, Contender), Vec<Pair>>,
    pub(crate) stalled: BTreeMap<(Carrier, Contender), Vec<Stall>>,
    pub(crate) away: BTreeMap<(Budget, Contender), Vec<Away>>,
    /// By what is watched, and by how many.
    pub(crate) watched: BTreeMap<(Show, usize, Contender), Vec<Watched>>,
    /// Who could not take part in what, and why.
    pub(crate) absent: BTreeMap<String, String>,
}

impl Report {
    /// What goes between each pair of markers: what things cost, and what some may take from others. A block is empty if
    /// nothing of it was measured.
    pub(crate) fn tables(&self, machine: &str) -> [String; 2] {
        let Self { repeats, seconds, .. } = self;
        let costs = format!("{machine} Medians of {repeats}, each load measured for {seconds} s.\n");
        let shares = format!("{machine} Medians of {repeats}.\n");
        [(costs, self.costs()), (shares, self.shares())].map(|(machine, mut tables)| {
            if tables.is_empty() {
                return tables;
            }
            for (name, why) in &self.absent {
                let _ = writeln!(tables, "\n{name} is left out: {why}.");
            }
            machine + &tables
        })
    }

    fn costs(&self) -> String {
        let mut out = String::new();
        self.closed(&mut out);
        self.game(&mut out);
        self.rates(&mut out);
        self.weights(&mut out);
        self.fan_out(&mut out);
        self.entering(&mut out);
        self.growth(&mut out);
        self.joining(&mut out);
        self.retention(&mut out);
        self.retained(&mut out);
        self.switches(&mut out);
        self.wire(&mut out);
        self.remarks(&mut out);
        out
    }

    fn shares(&self) -> String {
        let mut out = String::new();
        self.fairness(&mut out);
        self.stalls(&mut out);
        self.budgets(&mut out);
        self.watches(&mut out);
        out
    }

    /// A median of all repeats of a load.
    fn median(&self, scene: Scene, contender: &Contender, figure: impl Fn(&Figures) -> f64) -> Option<f64> {
        self.loads.get(&(scene, contender.clone())).and_then(|figures| median(figures.iter().map(figure)))
    }

    fn cpu_us(&self, scene: Scene, subject: Subject) -> Option<f64> {
        self.median(scene, &Contender::plain(subject), |figures| figures.cpu_us)
    }

    /// Everybody who was in a load and has a row there.
    fn contenders(&self, scene: Scene) -> impl Iterator<Item = &Contender> {
        let in_it = self.loads.keys().filter(move |(other, _)| *other == scene).map(|(_, contender)| contender);
        in_it.filter(|contender| contender.subject != Subject::Unresumed)
    }

    fn remarks(&self, out: &mut String) {
        let mut wrong: BTreeMap<String, u64> = BTreeMap::new();
        for ((_, contender), figures) in &self.loads {
            let of_all = figures.iter().map(|figures| figures.wrong).sum::<u64>();
            let name = if contender.subject.is_anteroom() { "Anteroom".to_owned() } else { contender.to_string() };
            *wrong.entry(name).or_default() += of_all;
        }
        let names = |(name, count): (&String, &u64)| format!("{count} from {name}");
        let wrong: Vec<String> =
            wrong.iter().filter(|(name, count)| **count > 0 || *name == "Anteroom").map(names).collect();
        let waited = self.loads.values().flatten().map(|figures| figures.waited_share).fold(0.0, f64::max);
        if !self.loads.is_empty() {
            let _ = writeln!(
                out,
                "\nMessages lost, repeated, out of order or more than 3 s late, in all loads together: {}; none from the \
                 others. Largest share of a load in which a server was ready and its core was somebody else's: {:.0} %.",
                wrong.join(", "),
                waited * 100.0
            );
        }
        let Switches { messages, missing, repeated_or_late, .. } = &self.switches;
        if *messages > 0 {
            let _ = writeln!(
                out,
                "\nOf {messages} messages to sessions whose connections were cut or changed, {missing} were lost and \
                 {repeated_or_late} repeated or out of order."
            );
        }
    }
}

fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn ratio(figure: f64, other: Option<f64>) -> String {
    other.map(|other| format!("{:.2}", figure / other)).unwrap_or_default()
}

/// Milliseconds, if any are known.
fn ms(time: f64) -> String {
    if time.is_nan() { "-".to_owned() } else { format!("{time:.2}") }
}

/// A share of the generator's core, marked where it is too large for the row to be believed.
fn share(share: f64) -> String {
    let mark = if share > OWN_SHARE_MAX { " (!)" } else { "" };
    format!("{:.0} %{mark}", share * 100.0)
}

/// Puts the tables between the markers of `benches/README.md`; what was not measured stays as it is.
pub(crate) fn write(tables: &[String; 2]) -> Result<()> {
    let path = Path::new(FOLDER).join("README.md");
    Ok(std::fs::write(&path, placed(std::fs::read_to_string(&path)?, tables)?)?)
}

fn placed(mut text: String, tables: &[String; 2]) -> Result<String> {
    for ((begin, end), tables) in MARKS.into_iter().zip(tables).filter(|(_, tables)| !tables.is_empty()) {
        let (before, rest) = text.split_once(begin).context("the README has no begin marker")?;
        let (_, after) = rest.split_once(end).context("the README has no end marker")?;
        text = format!("{before}{begin}{tables}{end}{after}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_stays() {
        let [(begin, end), (other_begin, other_end)] = MARKS;
        let text = format!("a {begin}old{end} b {other_begin}older{other_end} c");
        let tables = |first: &str, second: &str| [first.to_owned(), second.to_owned()];
        let both = placed(text.clone(), &tables("x", "y")).unwrap();
        assert_eq!(both, format!("a {begin}x{end} b {other_begin}y{other_end} c"));
        let second = placed(text.clone(), &tables("", "y")).unwrap();
        assert_eq!(second, format!("a {begin}old{end} b {other_begin}y{other_end} c"));
        assert!(placed("no markers".to_owned(), &tables("x", "")).is_err());
        assert_eq!(Report::default().tables("a machine"), tables("", ""));
    }
}

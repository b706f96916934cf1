//! From what the listeners of one cell heard to figures, without IO.
//!
//! The age of a state is counted from when it was due, so a sender that falls behind makes it older. Staleness is the
//! age of the newest state that a player has, looked at each millisecond: it is what a player sees, whatever the
//! delivery class, since it counts waiting for a state that is late as much as having lost one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cell::{PERIOD, Schedule};
use super::stream::Heard;

/// How often a player looks at what it knows.
const LOOK: Duration = Duration::from_millis(1);

/// Milliseconds that so many percent of the samples do not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of samples in microseconds; all zero if there are none.
    pub(crate) fn of(mut samples_us: Vec<u32>) -> Self {
        samples_us.sort_unstable();
        let at = |share: f64| {
            let place = (samples_us.len().saturating_sub(1) as f64 * share) as usize;
            samples_us.get(place).map_or(0.0, |sample| f64::from(*sample) / 1000.0)
        };
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) }
    }
}

/// What one cell comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// From when a state was due until it was in the player's hands.
    pub(crate) age_ms: Spread,
    /// The share of states that never came.
    pub(crate) missing: f64,
    /// How old the newest state is that the player has.
    pub(crate) staleness_ms: Spread,
    /// The longest time between two states that were news.
    pub(crate) pause_ms: f64,
}

impl Figures {
    /// Of all listeners of a cell.
    pub(crate) fn of(listeners: &[Heard], schedule: Schedule) -> Self {
        let (mut ages, mut staleness, mut missing, mut pause) = (Vec::new(), Vec::new(), 0, Duration::ZERO);
        for heard in listeners {
            let own = ages_us(heard, schedule);
            missing += schedule.states as usize - own.len();
            ages.extend(own);
            staleness.extend(staleness_us(heard, schedule));
            pause = pause.max(longest_pause(heard, schedule));
        }
        Self {
            age_ms: Spread::of(ages),
            missing: missing as f64 / (listeners.len() * schedule.states as usize).max(1) as f64,
            staleness_ms: Spread::of(staleness),
            pause_ms: f64::from(micros(pause)) / 1000.0,
        }
    }
}

/// The age of each state that counts when it first came.
fn ages_us(heard: &Heard, schedule: Schedule) -> Vec<u32> {
    let mut came = vec![false; schedule.numbers().len()];
    let first =
        |(number, _): &&(u32, _)| came.get_mut(*number as usize).is_some_and(|came| !std::mem::replace(came, true));
    let counts = |(number, _): &&(u32, _)| *number >= schedule.warm_up;
    let age = |(number, at): &(u32, std::time::Instant)| micros(at.saturating_duration_since(schedule.due(*number)));
    heard.iter().filter(first).filter(counts).map(age).collect()
}

/// How old the newest state is, at each look. A player who has none yet sees the age of the first.
fn staleness_us(heard: &Heard, schedule: Schedule) -> Vec<u32> {
    let (mut look, end) = schedule.window();
    let (mut coming, mut newest) = (heard.iter().peekable(), 0);
    let mut staleness = Vec::with_capacity(end.duration_since(look).as_millis() as usize);
    while look < end {
        while let Some((number, _)) = coming.next_if(|(_, at)| *at <= look) {
            newest = newest.max(*number);
        }
        staleness.push(micros(look.saturating_duration_since(schedule.due(newest))));
        look += LOOK;
    }
    staleness
}

fn longest_pause(heard: &Heard, schedule: Schedule) -> Duration {
    let (begin, end) = schedule.window();
    let mut newest = None;
    let news =
        |(number, _): &&(u32, _)| newest.replace(newest.unwrap_or(0).max(*number)).is_none_or(|last| *number > last);
    let times: Vec<_> =
        heard.iter().filter(news).map(|(_, at)| *at).filter(|at| (begin..end + PERIOD).contains(at)).collect();
    times.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max().unwrap_or_default()
}

fn micros(duration: Duration) -> u32 {
    duration.as_micros().try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn schedule(warm_up: u32, states: u32) -> Schedule {
        Schedule { start: Instant::now(), warm_up, states }
    }

    /// Everything after 20 ms, except what has another time here.
    fn heard(schedule: Schedule, except: &[(u32, Option<u64>)]) -> Heard {
        let age = |number| except.iter().find(|(other, _)| *other == number).map_or(Some(20), |(_, age)| *age);
        let come = |number| age(number).map(|age| (number, schedule.due(number) + ms(age)));
        let mut heard: Heard = schedule.numbers().filter_map(come).collect();
        heard.sort_by_key(|(_, at)| *at);
        heard
    }

    #[test]
    fn a_perfect_link_shows_its_delay_and_the_distance_of_two_states() {
        let schedule = schedule(2, 100);
        let figures = Figures::of(&[heard(schedule, &[])], schedule);
        assert_eq!(figures.age_ms, Spread { p50: 20.0, p90: 20.0, p99: 20.0, max: 20.0 });
        assert_eq!((figures.missing, figures.pause_ms), (0.0, 50.0));
        assert_eq!((figures.staleness_ms.p50, figures.staleness_ms.max), (44.0, 69.0));
    }

    #[test]
    fn a_lost_state_makes_the_one_before_it_older() {
        let schedule = schedule(2, 10);
        let figures = Figures::of(&[heard(schedule, &[(5, None)])], schedule);
        assert_eq!((figures.missing, figures.age_ms.max), (0.1, 20.0));
        assert_eq!((figures.staleness_ms.max, figures.pause_ms), (119.0, 100.0));
    }

    #[test]
    fn a_late_state_counts_as_late_but_is_no_news() {
        let schedule = schedule(2, 10);
        let figures = Figures::of(&[heard(schedule, &[(5, Some(130))])], schedule);
        assert_eq!((figures.missing, figures.age_ms.max), (0.0, 130.0));
        assert_eq!((figures.staleness_ms.max, figures.pause_ms), (119.0, 100.0));
    }

    #[test]
    fn what_comes_twice_counts_once_and_the_beginning_does_not() {
        let schedule = schedule(2, 10);
        let mut twice = heard(schedule, &[(0, None), (1, Some(45))]);
        twice.extend(twice.clone());
        let figures = Figures::of(&[twice, heard(schedule, &[])], schedule);
        assert_eq!((figures.missing, figures.age_ms.max), (0.0, 20.0));
    }

    #[test]
    fn nobody_heard_nothing() {
        let schedule = schedule(2, 10);
        let figures = Figures::of(&[Vec::new()], schedule);
        assert_eq!((figures.missing, figures.age_ms.max), (1.0, 0.0));
    }
}

//! Dice, in the way of Farkle: two to six players throw six dice, set aside what scores, and stop in time or lose the turn.
//!
//! The state that travels is the whole story, so there are no events. What dice are worth is in [`score`]. The game keeps seats;
//! the view names their players by user id.

mod bot;
mod messages;
mod score;

use std::ops::RangeInclusive;
use std::time::Duration;

use anteroom_core::game::{Start, TimerId};
use anteroom_core::{
    Absence, Context, Durable, ErrorCode, Game, Outcome, Rejection, Rng, Seat, Seating, Seats, Then, Viewer, Views,
};
use serde::{Deserialize, Serialize};

pub use messages::{Action, Options, Status, View};
pub use score::{DICE, any_scores, score};

/// One room of dice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dice {
    target: u32,
    bust_ms: u16,
    chairs: Vec<Chair>,
    phase: Phase,
    /// Whose turn it is in a match, and who began the last one.
    turn: Seat,
    first: Option<Seat>,
    /// What lies on the table, and which of it is selected.
    table: Vec<Die>,
    /// Whether these dice, or all six, are to be thrown next.
    can_roll: bool,
    set_aside: Vec<u8>,
    turn_score: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Chair {
    is_taken: bool,
    /// In the match that is on, or was.
    plays: bool,
    points: u32,
    wants_rematch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Die {
    value: u8,
    is_selected: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Phase {
    Waiting,
    Playing,
    /// Until the timer goes off; none if there could be none.
    Busted {
        timer: Option<TimerId>,
    },
    Won {
        winner: Seat,
    },
}

/// What the game asks to be reminded of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// A bust was shown for long enough.
    Bust,
}

/// What the options may be.
const PLAYERS: RangeInclusive<u32> = 2..=6;
const TARGET: RangeInclusive<u32> = 50..=100_000;
const BUST_MS: RangeInclusive<u32> = 0..=10_000;
const BOT_AFTER_S: RangeInclusive<u32> = 1..=600;

impl Options {
    fn check(&self) -> Result<(), Rejection> {
        let fields = [
            ("players", u32::from(self.players), PLAYERS),
            ("target", self.target, TARGET),
            ("bust_ms", self.bust_ms.into(), BUST_MS),
            ("bot_after_s", self.bot_after_s.into(), BOT_AFTER_S),
        ];
        match fields.into_iter().find(|(_, value, range)| !range.contains(value)) {
            Some((name, _, range)) => {
                let refusal = format!("{name} is a number from {} to {}.", range.start(), range.end());
                Err(Rejection::new(ErrorCode::InvalidOptions, refusal))
            }
            None => Ok(()),
        }
    }
}

impl Dice {
    fn chair(&mut self, seat: Seat) -> Option<&mut Chair> {
        self.chairs.get_mut(usize::from(seat.0))
    }

    /// The seats with such a chair, in order.
    fn seats_where(&self, is_such: impl Fn(&Chair) -> bool) -> impl Iterator<Item = Seat> {
        (0..).zip(&self.chairs).filter(move |(_, chair)| is_such(chair)).map(|(seat, _)| Seat(seat))
    }

    /// The next seat of the match behind this one, around the table.
    fn next_after(&self, seat: Seat) -> Option<Seat> {
        let mut playing = self.seats_where(|chair| chair.plays);
        playing.find(|other| *other > seat).or_else(|| self.seats_where(|chair| chair.plays).next())
    }

    fn begin_match(&mut self) {
        for chair in &mut self.chairs {
            (chair.plays, chair.points, chair.wants_rematch) = (chair.is_taken, 0, false);
        }
        let first = match self.first {
            Some(last) => self.next_after(last),
            None => self.seats_where(|chair| chair.plays).next(),
        };
        self.phase = Phase::Playing;
        self.first = first;
        self.begin_turn(first.unwrap_or(Seat(0)));
    }

    fn begin_turn(&mut self, seat: Seat) {
        self.turn = seat;
        self.table.clear();
        self.set_aside.clear();
        (self.can_roll, self.turn_score) = (true, 0);
    }

    fn pass_turn(&mut self) {
        self.phase = Phase::Playing;
        if let Some(next) = self.next_after(self.turn) {
            self.begin_turn(next);
        }
    }

    /// Clears the table for whoever comes.
    fn wait(&mut self, ctx: &mut Context<'_, Self>) {
        for chair in &mut self.chairs {
            *chair = Chair { is_taken: chair.is_taken, ..Chair::default() };
        }
        self.begin_turn(Seat(0));
        self.can_roll = false;
        self.phase = Phase::Waiting;
        ctx.wait();
    }

    fn win(&mut self, winner: Seat, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Won { winner };
        self.can_roll = false;
        ctx.finish(Outcome::won_by(winner));
    }

    /// Whether this seat may do something now.
    fn check_turn(&self, seat: Seat) -> Result<(), Rejection> {
        match self.phase {
            Phase::Waiting => Err(Rejection::not_playing("The match begins when all seats are taken.")),
            Phase::Won { .. } => Err(Rejection::not_playing("The match is over.")),
            Phase::Playing | Phase::Busted { .. } if self.turn != seat => Err(Rejection::not_your_turn()),
            Phase::Busted { .. } => Err(Rejection::invalid_move("Nothing scored; the turn passes on.")),
            Phase::Playing => Ok(()),
        }
    }

    fn roll(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        if !self.can_roll {
            return Err(Rejection::invalid_move("Set aside dice that score before you roll again."));
        }
        let count = if self.table.is_empty() { DICE } else { self.table.len() };
        let values = score::throw(count, ctx.rng());
        self.can_roll = false;
        if !any_scores(&values) {
            self.turn_score = 0;
            let timer = ctx.after(Duration::from_millis(self.bust_ms.into()), Timer::Bust);
            self.phase = Phase::Busted { timer };
        }
        self.table = values.into_iter().map(|value| Die { value, is_selected: false }).collect();
        Ok(())
    }

    fn select(&mut self, dice_index: i32) -> Result<(), Rejection> {
        if self.can_roll {
            return Err(Rejection::invalid_move("Roll first."));
        }
        let count = self.table.len();
        let die = usize::try_from(dice_index).ok().and_then(|index| self.table.get_mut(index)).ok_or_else(|| {
            Rejection::invalid_move(format!("There is no die {dice_index} on the table: there are 0 to {}.", count - 1))
        })?;
        die.is_selected = !die.is_selected;
        Ok(())
    }

    fn selection(&self) -> Vec<u8> {
        self.table.iter().filter(|die| die.is_selected).map(|die| die.value).collect()
    }

    fn set_aside(&mut self, end_turn: bool, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        if self.can_roll {
            return Err(Rejection::invalid_move("Roll first."));
        }
        let selection = self.selection();
        if selection.is_empty() {
            return Err(Rejection::invalid_move("Select the dice to set aside first."));
        }
        let worth = score(&selection)
            .ok_or_else(|| Rejection::invalid_move("Each of the dice that are set aside has to score."))?;
        self.turn_score = self.turn_score.saturating_add(worth);
        self.table.retain(|die| !die.is_selected);
        self.set_aside.extend(selection);
        if !end_turn {
            self.can_roll = true;
            if self.table.is_empty() {
                self.set_aside.clear();
            }
            return Ok(());
        }
        let (turn, turn_score, target) = (self.turn, self.turn_score, self.target);
        let points = self.chair(turn).map_or(0, |chair| {
            chair.points = chair.points.saturating_add(turn_score);
            chair.points
        });
        if points >= target {
            self.win(turn, ctx);
        } else {
            self.pass_turn();
        }
        Ok(())
    }

    fn rematch(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        if !matches!(self.phase, Phase::Won { .. }) {
            return Err(Rejection::not_playing("There can be a rematch once a match is over."));
        }
        if let Some(chair) = self.chair(seat) {
            chair.wants_rematch = true;
        }
        self.settle_rematch(ctx);
        Ok(())
    }

    /// Once all who are there want a rematch it begins, or the table waits for the others.
    fn settle_rematch(&mut self, ctx: &mut Context<'_, Self>) {
        let mut taken = self.chairs.iter().filter(|chair| chair.is_taken).peekable();
        if taken.peek().is_none() || !taken.all(|chair| chair.wants_rematch) {
            return;
        }
        if self.chairs.iter().all(|chair| chair.is_taken) {
            self.begin_match();
            ctx.begin();
        } else {
            self.wait(ctx);
        }
    }
}

impl Game for Dice {
    type Options = Options;
    type Action = Action;
    type Event = anteroom_core::game::Nothing;
    type View = View;
    type Timer = Timer;

    const KIND: &'static str = "dice";
    const VERSION: u16 = 1;
    const DURABLE: Durable = Durable::Choice(true);
    const VIEWS: Views = Views::Shared;
    const BOTS: bool = true;
    const LATE_JOIN: bool = false;
    const START: Start = Start::Full;
    const SEARCHABLE: &'static [&'static str] = &["language", "level", "map", "mode", "region"];

    fn seats(options: &Options) -> Seats {
        Seats::exactly(options.players)
    }

    fn absence(options: &Options) -> Absence {
        Absence { after: Duration::from_secs(options.bot_after_s.into()), then: Then::Bot }
    }

    fn new(options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        options.check()?;
        let Options { players, target, bust_ms, .. } = options;
        Ok(Self {
            target,
            bust_ms,
            chairs: vec![Chair::default(); players.into()],
            phase: Phase::Waiting,
            turn: Seat(0),
            first: None,
            table: Vec::new(),
            can_roll: false,
            set_aside: Vec::new(),
            turn_score: 0,
        })
    }

    fn joined(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        if let Some(chair) = self.chair(seat) {
            *chair = Chair { is_taken: true, ..Chair::default() };
        }
        // A result stays until somebody comes.
        if matches!(self.phase, Phase::Won { .. }) {
            self.wait(ctx);
        }
        ctx.publish(self);
    }

    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        let was_playing = self.chair(seat).map(std::mem::take).is_some_and(|chair| chair.plays);
        match self.phase {
            Phase::Playing | Phase::Busted { .. } if was_playing => {
                let mut others = self.seats_where(|chair| chair.plays);
                let last = others.next().filter(|_| others.next().is_none());
                drop(others);
                if let Phase::Busted { timer: Some(timer) } = self.phase
                    && (last.is_some() || self.turn == seat)
                {
                    ctx.cancel(timer);
                }
                match last {
                    Some(winner) => self.win(winner, ctx),
                    None if self.turn == seat => self.pass_turn(),
                    None => {}
                }
            }
            Phase::Won { .. } => self.settle_rematch(ctx),
            _ => {}
        }
        ctx.publish(self);
    }

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        self.begin_match();
        ctx.publish(self);
    }

    fn act(&mut self, seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        if let Action::Rematch {} = action {
            self.rematch(seat, ctx)?;
        } else {
            self.check_turn(seat)?;
            match action {
                Action::Roll {} => self.roll(ctx)?,
                Action::Select { dice_index } => self.select(dice_index)?,
                Action::SetAside { end_turn } => self.set_aside(end_turn, ctx)?,
                Action::Rematch {} => {}
            }
        }
        ctx.publish(self);
        Ok(())
    }

    fn timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) {
        let Timer::Bust = timer;
        self.pass_turn();
        ctx.publish(self);
    }

    fn view(&self, _viewer: Viewer, seating: &Seating) -> View {
        // The seat of a player who is leaving is free as far as the game goes, and not for the room yet.
        let user = |seat: Seat| {
            let chair = self.chairs.get(usize::from(seat.0)).filter(|chair| chair.is_taken)?;
            Some((seating.occupant(seat)?.user_id.clone(), chair))
        };
        let seats = || self.seats_where(|_| true);
        let (status, winner) = match self.phase {
            Phase::Waiting => (Status::Waiting, None),
            Phase::Playing => (Status::Playing, None),
            Phase::Busted { .. } => (Status::Busted, None),
            // Whoever has won stays named after leaving.
            Phase::Won { winner } => (Status::Won, seating.last_user(winner).cloned()),
        };
        let is_on = matches!(status, Status::Playing | Status::Busted);
        let selected = (0..).zip(&self.table).filter(|(_, die)| die.is_selected).map(|(place, _)| place);
        let wants = seats().filter_map(user).filter(|(_, chair)| chair.wants_rematch);
        View {
            status,
            current_turn: if is_on { user(self.turn).map(|(user, _)| user) } else { None },
            dice: self.table.iter().map(|die| die.value).collect(),
            selected: selected.collect(),
            set_aside: self.set_aside.clone(),
            roll_score: score(&self.selection()).unwrap_or_default(),
            turn_score: self.turn_score,
            scores: seats().filter_map(user).map(|(user, chair)| (user, chair.points)).collect(),
            target: self.target,
            winner,
            can_roll: self.can_roll,
            players: seats().map(|seat| user(seat).map(|(user, _)| user)).collect(),
            rematch_wanted: wants.map(|(user, _)| user).collect(),
        }
    }

    /// Goes on while that promises more than it risks, and always wants a rematch.
    fn bot(view: &View, seat: Seat, _rng: &mut Rng) -> Option<Action> {
        bot::next(view, seat)
    }
}

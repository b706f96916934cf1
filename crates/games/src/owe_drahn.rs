//! Owe drahn: two to ten players roll one die by turns onto a shared total, and whoever gets it above 15 is out. A life can be
//! given to be spared.
//!
//! The state that travels is the whole story, so there are no events. The game keeps seats; the view names their players by
//! user id.

mod bets;
mod bot;
mod messages;

use std::ops::RangeInclusive;
use std::time::Duration;

use anteroom_core::game::{Nothing, Start, TimerId};
use anteroom_core::{
    Absence, Context, Durable, ErrorCode, Game, Outcome, Rejection, Rng, Seat, Seating, Seats, Then, UserId, Viewer,
    Views,
};
use serde::{Deserialize, Serialize};

use bets::{Bet, Bets};
pub use messages::{Action, Options, Phase, Sidebet, Status, View};

/// The most players.
pub const PLAYERS_MAX: u16 = 10;
/// The lives of everybody when a match begins.
pub const LIVES: u8 = 6;
/// The highest total that nobody is out by.
pub const TOTAL_MAX: u8 = 15;
/// What does not count.
const BLANK: u8 = 3;

/// One room of owe drahn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OweDrahn {
    pause_ms: u16,
    chairs: Vec<Chair>,
    stage: Stage,
    /// Whose turn it is in a match.
    turn: Seat,
    total: u8,
    last_roll: Option<u8>,
    /// Who is out in this match, the first first.
    fallen: Vec<Seat>,
    /// How many began it.
    players: u16,
    bets: Bets,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Chair {
    is_taken: bool,
    is_ready: bool,
    /// In the match that is on, or was.
    plays: bool,
    lives: u8,
    score: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Stage {
    Waiting,
    Roll,
    ChooseNext,
    /// Until the timer goes off; none if there could be none.
    Over {
        winner: Seat,
        timer: Option<TimerId>,
    },
}

/// What the game asks to be reminded of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// The table is to be set for a new game.
    NewGame,
}

/// What the options may be.
const PAUSE_MS: RangeInclusive<u16> = 0..=60_000;
const BOT_AFTER_S: RangeInclusive<u16> = 1..=600;

fn check(name: &str, value: u16, range: &RangeInclusive<u16>) -> Result<(), Rejection> {
    if range.contains(&value) {
        return Ok(());
    }
    let refusal = format!("{name} is a number from {} to {}.", range.start(), range.end());
    Err(Rejection::new(ErrorCode::InvalidOptions, refusal))
}

fn seat_of(user_id: &UserId, ctx: &Context<'_, OweDrahn>) -> Option<Seat> {
    ctx.players().find(|(_, player)| player.user_id == *user_id).map(|(seat, _)| seat)
}

impl OweDrahn {
    fn chair(&mut self, seat: Seat) -> Option<&mut Chair> {
        self.chairs.get_mut(usize::from(seat.0))
    }

    fn is_alive(&self, seat: Seat) -> bool {
        self.chairs.get(usize::from(seat.0)).is_some_and(|chair| chair.plays && chair.lives > 0)
    }

    /// The seats that are not out, in order.
    fn living(&self) -> impl Iterator<Item = Seat> {
        (0..).map(Seat).zip(&self.chairs).filter(|(_, chair)| chair.plays && chair.lives > 0).map(|(seat, _)| seat)
    }

    fn next_after(&self, seat: Seat) -> Option<Seat> {
        self.living().find(|other| *other > seat).or_else(|| self.living().next())
    }

    fn is_on(&self) -> bool {
        matches!(self.stage, Stage::Roll | Stage::ChooseNext)
    }

    /// Sets the table for a new game; who is ready for it already stays so.
    fn set_up(&mut self, ctx: &mut Context<'_, Self>) {
        self.stage = Stage::Waiting;
        (self.total, self.last_roll) = (0, None);
        self.fallen.clear();
        for chair in &mut self.chairs {
            chair.plays = false;
            chair.lives = if chair.is_taken { LIVES } else { 0 };
        }
        ctx.wait();
    }

    /// Whether this seat may do something now.
    fn check_turn(&self, seat: Seat, due: Stage) -> Result<(), Rejection> {
        match self.stage {
            Stage::Waiting => Err(Rejection::not_playing("The match begins when all are ready.")),
            Stage::Over { .. } => Err(Rejection::not_playing("The match is over.")),
            _ if self.turn != seat => Err(Rejection::not_your_turn()),
            stage if stage == due => Ok(()),
            Stage::ChooseNext => Err(Rejection::invalid_move("Choose who goes on first.")),
            Stage::Roll => Err(Rejection::invalid_move("Who goes on is chosen after a life was given.")),
        }
    }

    fn roll(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        self.check_turn(seat, Stage::Roll)?;
        let rolled = u8::try_from(1 + ctx.rng().below(6)).unwrap_or(BLANK);
        self.last_roll = Some(rolled);
        if rolled != BLANK {
            self.total += rolled;
        }
        if self.total > TOTAL_MAX {
            self.falls(seat, ctx);
        } else if let Some(next) = self.next_after(seat) {
            self.turn = next;
        }
        Ok(())
    }

    fn lose_life(&mut self, seat: Seat) -> Result<(), Rejection> {
        self.check_turn(seat, Stage::Roll)?;
        if let Some(chair) = self.chair(seat) {
            if chair.lives <= 1 {
                return Err(Rejection::invalid_move("The last life cannot be given."));
            }
            chair.lives -= 1;
        }
        self.total = 0;
        self.stage = Stage::ChooseNext;
        Ok(())
    }

    fn choose_next(&mut self, seat: Seat, user_id: &UserId, ctx: &Context<'_, Self>) -> Result<(), Rejection> {
        self.check_turn(seat, Stage::ChooseNext)?;
        let chosen = seat_of(user_id, ctx).filter(|chosen| *chosen != seat && self.is_alive(*chosen));
        self.turn = chosen.ok_or_else(|| Rejection::invalid_move("Choose one of the others who are not out."))?;
        self.stage = Stage::Roll;
        Ok(())
    }

    /// A player is out. If it was their turn, the next one begins at 0.
    fn falls(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        self.fallen.push(seat);
        if let Some(chair) = self.chair(seat) {
            chair.lives = 0;
        }
        let mut living = self.living();
        let (first, second) = (living.next(), living.next());
        drop(living);
        match (first, second) {
            (Some(winner), None) => self.wins(winner, ctx),
            _ if self.turn == seat => {
                (self.total, self.stage) = (0, Stage::Roll);
                self.turn = self.next_after(seat).unwrap_or(seat);
            }
            _ => {}
        }
    }

    fn wins(&mut self, winner: Seat, ctx: &mut Context<'_, Self>) {
        self.total = 0;
        for (seat, chair) in (0..).map(Seat).zip(&mut self.chairs).filter(|(_, chair)| chair.plays) {
            let points = if seat == winner { i32::from(self.players) - 1 } else { -1 };
            chair.score = chair.score.saturating_add(points);
        }
        let Self { bets, fallen, chairs, .. } = self;
        let fell_at = |seat: Seat| fallen.iter().position(|fallen| *fallen == seat).unwrap_or(usize::MAX);
        bets.settle(
            |one, other| fell_at(one) > fell_at(other),
            |loser, winner, amount| {
                for (seat, points) in [(loser, -amount), (winner, amount)] {
                    // Who has left has taken the score along.
                    if let Some(chair) = chairs.get_mut(usize::from(seat.0)).filter(|chair| chair.plays) {
                        chair.score = chair.score.saturating_add(points);
                    }
                }
            },
        );
        let timer = ctx.after(Duration::from_millis(self.pause_ms.into()), Timer::NewGame);
        self.stage = Stage::Over { winner, timer };
        ctx.finish(Outcome::won_by(winner));
    }

    fn bet(&mut self, seat: Seat, action: &Action, ctx: &Context<'_, Self>) -> Result<(), Rejection> {
        if self.is_on() {
            return Err(Rejection::new(ErrorCode::Conflict, "Side bets are made before a match."));
        }
        let named = |user_id: &UserId| {
            let other = seat_of(user_id, ctx).filter(|other| *other != seat);
            other.ok_or_else(|| Rejection::invalid_move("A side bet is with another player at the table."))
        };
        match action {
            Action::SidebetPropose { user_id, amount } => self.bets.propose(seat, named(user_id)?, *amount),
            Action::SidebetAccept { user_id } => self.bets.accept(seat, user_id.as_ref().map(named).transpose()?),
            Action::SidebetDecline { user_id } => self.bets.decline(seat, user_id.as_ref().map(named).transpose()?),
            Action::Roll {} | Action::LoseLife {} | Action::ChooseNext { .. } => Ok(()),
        }
    }
}

impl Game for OweDrahn {
    type Options = Options;
    type Action = Action;
    type Event = Nothing;
    type View = View;
    type Timer = Timer;

    const KIND: &'static str = "owe_drahn";
    const VERSION: u16 = 1;
    const DURABLE: Durable = Durable::Choice(true);
    const VIEWS: Views = Views::Shared;
    const BOTS: bool = true;
    const LATE_JOIN: bool = false;
    const START: Start = Start::Ready;
    const SEARCHABLE: &'static [&'static str] = &["language", "level", "map", "mode", "region"];

    fn seats(_options: &Options) -> Seats {
        Seats { min: 2, max: PLAYERS_MAX, teams: 1, spectators: true }
    }

    fn absence(options: &Options) -> Absence {
        Absence { after: Duration::from_secs(options.bot_after_s.into()), then: Then::Bot }
    }

    fn new(options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        check("pause_ms", options.pause_ms, &PAUSE_MS)?;
        check("bot_after_s", options.bot_after_s, &BOT_AFTER_S)?;
        Ok(Self {
            pause_ms: options.pause_ms,
            chairs: vec![Chair::default(); PLAYERS_MAX.into()],
            stage: Stage::Waiting,
            turn: Seat(0),
            total: 0,
            last_roll: None,
            fallen: Vec::new(),
            players: 0,
            bets: Bets::default(),
        })
    }

    fn joined(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        self.fallen.retain(|fallen| *fallen != seat);
        if let Some(chair) = self.chair(seat) {
            *chair = Chair { is_taken: true, lives: LIVES, ..Chair::default() };
        }
        // Whoever sits where the winner sat has not won.
        if let Stage::Over { winner, timer } = self.stage
            && winner == seat
        {
            if let Some(timer) = timer {
                ctx.cancel(timer);
            }
            self.set_up(ctx);
        }
        ctx.publish(self);
    }

    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        let was_alive = self.is_alive(seat);
        if let Some(chair) = self.chair(seat) {
            *chair = Chair::default();
        }
        if !self.is_on() {
            self.bets.drop_of(seat);
        } else if was_alive {
            self.falls(seat, ctx);
        }
        ctx.publish(self);
    }

    fn ready_changed(&mut self, seat: Seat, ready: bool, ctx: &mut Context<'_, Self>) {
        if let Some(chair) = self.chair(seat) {
            chair.is_ready = ready;
        }
        ctx.publish(self);
    }

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        if let Stage::Over { timer: Some(timer), .. } = self.stage {
            ctx.cancel(timer);
        }
        self.fallen.clear();
        self.bets.drop_proposals();
        for chair in &mut self.chairs {
            (chair.plays, chair.is_ready) = (chair.is_taken, false);
            chair.lives = if chair.is_taken { LIVES } else { 0 };
        }
        let seats: Vec<Seat> = self.living().collect();
        self.players = u16::try_from(seats.len()).unwrap_or(PLAYERS_MAX);
        let first = ctx.rng().below(u32::from(self.players.max(1)));
        self.turn = seats.get(first as usize).copied().unwrap_or(Seat(0));
        (self.total, self.last_roll, self.stage) = (0, None, Stage::Roll);
        ctx.publish(self);
    }

    fn act(&mut self, seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match &action {
            Action::Roll {} => self.roll(seat, ctx)?,
            Action::LoseLife {} => self.lose_life(seat)?,
            Action::ChooseNext { user_id } => self.choose_next(seat, user_id, ctx)?,
            bet => self.bet(seat, bet, ctx)?,
        }
        ctx.publish(self);
        Ok(())
    }

    fn timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) {
        let Timer::NewGame = timer;
        self.set_up(ctx);
        ctx.publish(self);
    }

    fn view(&self, _viewer: Viewer, seating: &Seating) -> View {
        // The seat of a player who is leaving is free as far as the game goes, and not for the room yet.
        let player = |seat: Seat| {
            let chair = self.chairs.get(usize::from(seat.0)).filter(|chair| chair.is_taken)?;
            Some((seating.occupant(seat)?, chair))
        };
        let user = |seat: Seat| player(seat).map(|(who, _)| who.user_id.clone());
        let players =
            || (0..PLAYERS_MAX).map(Seat).filter_map(player).map(|(who, chair)| (who.user_id.clone(), who, chair));
        let (status, winner) = match self.stage {
            Stage::Waiting => (Status::Waiting, None),
            Stage::Roll | Stage::ChooseNext => (Status::Playing, None),
            // Whoever has won stays named after leaving.
            Stage::Over { winner, .. } => (Status::Over, seating.last_user(winner).cloned()),
        };
        let sidebet = |bet: &Bet| {
            let Bet { from, to, amount, is_accepted } = *bet;
            Some(Sidebet { from: user(from)?, to: user(to)?, amount, accepted: is_accepted })
        };
        // Bots are always ready.
        let ready = players().filter(|(_, who, chair)| status != Status::Playing && (who.bot || chair.is_ready));
        let seats = (0..PLAYERS_MAX).map(Seat);
        let last = seats.clone().rfind(|seat| player(*seat).is_some());
        View {
            status,
            phase: if self.stage == Stage::ChooseNext { Phase::ChooseNext } else { Phase::Roll },
            current_turn: if self.is_on() { user(self.turn) } else { None },
            total: self.total,
            last_roll: self.last_roll,
            lives: players().map(|(user, _, chair)| (user, chair.lives)).collect(),
            out: self.fallen.iter().filter_map(|seat| user(*seat)).collect(),
            ready: ready.map(|(user, ..)| user).collect(),
            scores: players().map(|(user, _, chair)| (user, chair.score)).collect(),
            winner,
            sidebets: self.bets.iter().filter_map(sidebet).collect(),
            players: seats.take_while(|seat| Some(*seat) <= last).map(user).collect(),
        }
    }

    /// Rolls while that is safe enough, gives a life before, and turns bets down.
    fn bot(view: &View, seat: Seat, rng: &mut Rng) -> Option<Action> {
        bot::next(view, seat, rng)
    }
}

//! Tic-tac-toe: two players, three in a row, and rematches with the sides swapped.
//!
//! The state that travels is the whole story, so there are no events. The game keeps seats; the view names their players by
//! user id.

mod board;

use std::ops::RangeInclusive;
use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::Nothing;
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{
    Absence, Context, Durable, ErrorCode, Game, Json, Outcome, Rejection, Rng, Seat, Seating, Seats, Then, UserId,
    Viewer, Views,
};
use serde::{Deserialize, Serialize};

pub use board::{Board, Cell, Mark, best_moves};

/// One room of tic-tac-toe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicTacToe {
    board: Board,
    /// Which seats are taken.
    taken: [bool; 2],
    /// The seat that plays X in this match.
    x: Seat,
    /// Whose turn it is while the match is on; X begins.
    turn: Mark,
    phase: Phase,
    wants_rematch: [bool; 2],
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Phase {
    Waiting,
    Playing,
    Won { winner: Seat, line: Option<[Cell; 3]> },
    Draw,
}

/// What a room of tic-tac-toe is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub struct Options {
    /// For a player who is away; 1 to 600.
    #[schemars(title = "Seconds until a bot takes over", range(min = 1, max = 600))]
    pub bot_after_s: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { bot_after_s: 30 }
    }
}

/// What players do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Action {
    /// Marks a free cell. Rows and columns count from 0 at the top left; a number off the board is an
    /// `invalid_move`.
    MakeMove {
        /// 0 to 2.
        row: i32,
        /// 0 to 2.
        col: i32,
    },
    /// Asks for another match once one is over. It begins when both have asked, with the sides swapped.
    Rematch {},
}

/// What everyone sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct View {
    /// Three rows of three.
    pub board: Board,
    /// Who plays which mark.
    pub players: Players,
    /// The seat that plays X, whoever has it; the other one plays O.
    pub x_seat: Seat,
    /// Whose turn it is; none unless a match is on.
    pub current_turn: Option<UserId>,
    /// Where the match stands.
    pub status: Status,
    /// Who won.
    pub winner: Option<UserId>,
    /// The three cells that won; none if the other player left.
    pub line: Option<[Cell; 3]>,
    /// Who wants a rematch.
    pub rematch_wanted: Vec<UserId>,
}

/// Who plays which mark; none where the seat is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct Players {
    /// Moves first.
    #[serde(rename = "X")]
    pub x: Option<UserId>,
    /// Moves second.
    #[serde(rename = "O")]
    pub o: Option<UserId>,
}

/// Where the match stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Status {
    /// For a second player.
    Waiting,
    /// It is somebody's turn.
    Playing,
    /// Somebody won, by a line or because the other left.
    Won,
    /// The board is full.
    Draw,
}

/// What [`Options::bot_after_s`] may be.
const BOT_AFTER_S: RangeInclusive<u16> = 1..=600;

const FIRST: Seat = Seat(0);
const SECOND: Seat = Seat(1);

const fn opponent(seat: Seat) -> Seat {
    if seat.0 == 0 { SECOND } else { FIRST }
}

impl TicTacToe {
    fn seat_of(&self, mark: Mark) -> Seat {
        if mark == Mark::X { self.x } else { opponent(self.x) }
    }

    /// Clears the table, and begins if there are two.
    fn set_up(&mut self, x: Seat, ctx: &mut Context<'_, Self>) {
        let ready = self.taken == [true; 2];
        *self = Self {
            board: Board::default(),
            taken: self.taken,
            x,
            turn: Mark::X,
            phase: if ready { Phase::Playing } else { Phase::Waiting },
            wants_rematch: [false; 2],
        };
        if ready { ctx.begin() } else { ctx.wait() }
    }

    fn make_move(&mut self, seat: Seat, row: i32, col: i32, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match self.phase {
            Phase::Waiting => return Err(Rejection::not_playing("The second player is not here yet.")),
            Phase::Won { .. } | Phase::Draw => return Err(Rejection::not_playing("The match is over.")),
            Phase::Playing if self.seat_of(self.turn) != seat => return Err(Rejection::not_your_turn()),
            Phase::Playing => {}
        }
        let cell = Cell::new(row, col).ok_or_else(|| {
            Rejection::invalid_move(format!("Row {row}, column {col} is not on the board: both are 0, 1 or 2."))
        })?;
        if self.board.at(cell).is_some() {
            return Err(Rejection::invalid_move(format!("Row {row}, column {col} is taken already.")));
        }
        self.board.set(cell, self.turn);
        self.turn = self.turn.other();
        if let Some((mark, line)) = self.board.complete_line() {
            self.won(self.seat_of(mark), Some(line), ctx);
        } else if self.board.is_full() {
            self.phase = Phase::Draw;
            ctx.finish(Outcome::draw());
        }
        Ok(())
    }

    fn won(&mut self, seat: Seat, line: Option<[Cell; 3]>, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Won { winner: seat, line };
        ctx.finish(Outcome::won_by(seat));
    }

    fn rematch(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        if matches!(self.phase, Phase::Waiting | Phase::Playing) {
            return Err(Rejection::not_playing("There can be a rematch once a match is over."));
        }
        self.wants_rematch[usize::from(seat.0)] = true;
        if self.wants_rematch == [true; 2] {
            self.set_up(opponent(self.x), ctx);
        }
        Ok(())
    }
}

impl Game for TicTacToe {
    type Options = Options;
    type Action = Action;
    type Event = Nothing;
    type View = View;
    type Timer = Nothing;

    const KIND: &'static str = "tic_tac_toe";
    const VERSION: u16 = 2;
    const DURABLE: Durable = Durable::Choice(true);
    const VIEWS: Views = Views::Shared;
    const BOTS: bool = true;
    const SEARCHABLE: &'static [&'static str] = &["language", "level", "map", "mode", "region"];

    fn seats(_options: &Options) -> Seats {
        Seats::exactly(2)
    }

    fn absence(options: &Options) -> Absence {
        Absence { after: Duration::from_secs(options.bot_after_s.into()), then: Then::Bot }
    }

    fn new(options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        if !BOT_AFTER_S.contains(&options.bot_after_s) {
            let (min, max) = BOT_AFTER_S.into_inner();
            let refusal = format!("bot_after_s is a number from {min} to {max}.");
            return Err(Rejection::new(ErrorCode::InvalidOptions, refusal));
        }
        Ok(Self {
            board: Board::default(),
            taken: [false; 2],
            x: FIRST,
            turn: Mark::X,
            phase: Phase::Waiting,
            wants_rematch: [false; 2],
        })
    }

    fn joined(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        self.taken[usize::from(seat.0)] = true;
        self.set_up(FIRST, ctx);
        ctx.publish(self);
    }

    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        if self.phase == Phase::Playing {
            self.won(opponent(seat), None, ctx);
        }
        self.taken[usize::from(seat.0)] = false;
        self.wants_rematch[usize::from(seat.0)] = false;
        ctx.publish(self);
    }

    fn act(&mut self, seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::MakeMove { row, col } => self.make_move(seat, row, col, ctx)?,
            Action::Rematch {} => self.rematch(seat, ctx)?,
        }
        ctx.publish(self);
        Ok(())
    }

    fn view(&self, _viewer: Viewer, seating: &Seating) -> View {
        let (status, winner, line) = match &self.phase {
            Phase::Waiting => (Status::Waiting, None, None),
            Phase::Playing => (Status::Playing, None, None),
            // Whoever has won stays named after leaving.
            Phase::Won { winner, line } => (Status::Won, seating.last_user(*winner).cloned(), *line),
            Phase::Draw => (Status::Draw, None, None),
        };
        // The seat of a player who is leaving is free as far as the game goes, and not for the room yet.
        let user = |seat: Seat| {
            let occupant = seating.occupant(seat).filter(|_| self.taken[usize::from(seat.0)]);
            occupant.map(|player| player.user_id.clone())
        };
        let player = |mark| user(self.seat_of(mark));
        let wants = [FIRST, SECOND].into_iter().filter(|seat| self.wants_rematch[usize::from(seat.0)]);
        View {
            board: self.board,
            players: Players { x: player(Mark::X), o: player(Mark::O) },
            x_seat: self.x,
            current_turn: if status == Status::Playing { player(self.turn) } else { None },
            status,
            winner,
            line,
            rematch_wanted: wants.filter_map(user).collect(),
        }
    }

    /// Plays perfectly, each time another of the best moves, and always wants a rematch.
    fn bot(view: &View, seat: Seat, rng: &mut Rng) -> Option<Action> {
        let (mark, player) = match view.x_seat == seat {
            true => (Mark::X, &view.players.x),
            false => (Mark::O, &view.players.o),
        };
        match view.status {
            Status::Playing if view.current_turn == *player => {
                let moves = best_moves(&view.board, mark);
                let count = u32::try_from(moves.len()).unwrap_or_default();
                let cell = moves.get(rng.below(count) as usize)?;
                Some(Action::MakeMove { row: cell.row().into(), col: cell.col().into() })
            }
            Status::Won | Status::Draw if !player.as_ref().is_some_and(|me| view.rematch_wanted.contains(me)) => {
                Some(Action::Rematch {})
            }
            _ => None,
        }
    }

    /// What is seen has changed since, what is stored has not.
    fn migrate(version: u16, state: Json) -> Option<Json> {
        (version == 1).then_some(state)
    }
}

//! The board of tic-tac-toe: marks, lines, and the best moves there are.
//!
//! Knows nothing of players, seats or turns.

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a player draws.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode, JsonSchema,
)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Mark {
    /// Moves first.
    X,
    /// Moves second.
    O,
}

impl Mark {
    /// The mark of the opponent.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::X => Self::O,
            Self::O => Self::X,
        }
    }
}

/// A cell of the board: row and column, each 0 to 2, counted from the top left.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode, JsonSchema,
)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct Cell(u8, u8);

impl Cell {
    /// The cell at a place, if that is on the board.
    #[must_use]
    pub fn new(row: i32, col: i32) -> Option<Self> {
        let place = |number: i32| u8::try_from(number).ok().filter(|number| *number < 3);
        Some(Self(place(row)?, place(col)?))
    }

    /// The row.
    #[must_use]
    pub const fn row(self) -> u8 {
        self.0
    }

    /// The column.
    #[must_use]
    pub const fn col(self) -> u8 {
        self.1
    }
}

const fn row(row: u8) -> [Cell; 3] {
    [Cell(row, 0), Cell(row, 1), Cell(row, 2)]
}

const fn column(col: u8) -> [Cell; 3] {
    [Cell(0, col), Cell(1, col), Cell(2, col)]
}

const LINES: [[Cell; 3]; 8] = [
    row(0),
    row(1),
    row(2),
    column(0),
    column(1),
    column(2),
    [Cell(0, 0), Cell(1, 1), Cell(2, 2)],
    [Cell(0, 2), Cell(1, 1), Cell(2, 0)],
];

/// Every cell, those in the most lines first: a search that begins there is cut off soonest.
const CELLS: [Cell; 9] =
    [Cell(1, 1), Cell(0, 0), Cell(0, 2), Cell(2, 0), Cell(2, 2), Cell(0, 1), Cell(1, 0), Cell(1, 2), Cell(2, 1)];

/// Nine cells, each with a mark or free. Travels as three rows of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(transparent)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct Board([[Option<Mark>; 3]; 3]);

impl From<[[Option<Mark>; 3]; 3]> for Board {
    fn from(rows: [[Option<Mark>; 3]; 3]) -> Self {
        Self(rows)
    }
}

impl Board {
    /// The mark in a cell.
    #[must_use]
    pub const fn at(&self, cell: Cell) -> Option<Mark> {
        self.0[cell.0 as usize][cell.1 as usize]
    }

    /// The rows, from the top.
    #[must_use]
    pub const fn rows(&self) -> &[[Option<Mark>; 3]; 3] {
        &self.0
    }

    /// Puts a mark into a cell.
    pub const fn set(&mut self, cell: Cell, mark: Mark) {
        self.0[cell.0 as usize][cell.1 as usize] = Some(mark);
    }

    /// The first complete line, and whose it is.
    #[must_use]
    pub fn complete_line(&self) -> Option<(Mark, [Cell; 3])> {
        LINES.into_iter().find_map(|line| {
            let mark = self.at(line[0])?;
            line.iter().all(|cell| self.at(*cell) == Some(mark)).then_some((mark, line))
        })
    }

    /// Whether no cell is free.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.free().next().is_none()
    }

    /// The cells that are free now, whatever becomes of the board meanwhile.
    fn free(&self) -> impl Iterator<Item = Cell> + use<> {
        let board = *self;
        CELLS.into_iter().filter(move |cell| board.at(*cell).is_none())
    }
}

/// More than any position scores: one more than the moves of the longest match.
const SCORE_MAX: i8 = 10;

/// The moves that are best for a mark whose turn it is: with any of them it never loses, wins as soon as it can, and holds out
/// as long as it can. None if the match is over.
#[must_use]
pub fn best_moves(board: &Board, mark: Mark) -> Vec<Cell> {
    if board.complete_line().is_some() {
        return Vec::new();
    }
    if *board == Board::default() {
        // None is better than another; finding that out takes longest of all.
        return CELLS.to_vec();
    }
    let mut best = (-SCORE_MAX, Vec::new());
    for cell in board.free() {
        // One below the best there is, for equals count.
        let score = score_of(board, cell, mark, (best.0.max(1 - SCORE_MAX) - 1, SCORE_MAX));
        if score > best.0 {
            best = (score, Vec::new());
        }
        if score == best.0 {
            best.1.push(cell);
        }
    }
    best.1
}

/// How good a move is for the mark that makes it, as far as it lies within `bounds` (alpha-beta search): positive
/// if it wins, the more the sooner.
fn score_of(board: &Board, cell: Cell, mark: Mark, (floor, ceiling): (i8, i8)) -> i8 {
    let mut board = *board;
    board.set(cell, mark);
    if board.complete_line().is_some() {
        return 1 + i8::try_from(board.free().count()).unwrap_or(SCORE_MAX);
    }
    if board.is_full() {
        return 0;
    }
    let mut score = ceiling;
    for reply in board.free() {
        score = score.min(-score_of(&board, reply, mark.other(), (-score, -floor)));
        if score <= floor {
            break;
        }
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(text: &str) -> Board {
        let rows: Vec<_> = text.split('/').map(|row| row.bytes().map(mark).collect::<Vec<_>>()).collect();
        Board::from(std::array::from_fn(|row| std::array::from_fn(|col| rows[row][col])))
    }

    fn mark(byte: u8) -> Option<Mark> {
        match byte {
            b'X' => Some(Mark::X),
            b'O' => Some(Mark::O),
            _ => None,
        }
    }

    #[test]
    fn cells_are_on_the_board() {
        for (row, col) in [(-1, 0), (0, -1), (3, 0), (0, 3), (i32::MIN, i32::MAX), (256, 0)] {
            assert_eq!(Cell::new(row, col), None);
        }
        assert_eq!(Cell::new(2, 1).map(|cell| (cell.row(), cell.col())), Some((2, 1)));
    }

    #[test]
    fn all_eight_lines_are_found() {
        for (text, winner) in [
            ("XXX/OO./...", Mark::X),
            ("XX./OOO/X..", Mark::O),
            ("OO./.O./XXX", Mark::X),
            ("X.O/X.O/X..", Mark::X),
            (".OX/.O./XOX", Mark::O),
            ("O.X/O.X/..X", Mark::X),
            ("XO./.XO/..X", Mark::X),
            ("X.O/XO./O..", Mark::O),
        ] {
            let (mark, line) = board(text).complete_line().unwrap();
            assert_eq!(mark, winner);
            assert!(line.iter().all(|cell| board(text).at(*cell) == Some(winner)), "{text}: {line:?}");
        }
        assert_eq!(board("XOX/XOO/OXX").complete_line(), None);
        assert!(board("XOX/XOO/OXX").is_full());
    }

    #[test]
    fn the_best_move_wins_at_once_or_prevents_it() {
        let best = |text, mark| match best_moves(&board(text), mark).as_slice() {
            [cell] => Some((cell.row(), cell.col())),
            _ => None,
        };
        assert_eq!(best_moves(&Board::default(), Mark::X).len(), 9);
        assert_eq!(best("XX./OO./...", Mark::X), Some((0, 2)));
        assert_eq!(best("XX./OO./...", Mark::O), Some((1, 2)));
        assert_eq!(best("X../.X./...", Mark::O), Some((2, 2)));
        assert_eq!(best("XXX/OO./...", Mark::O), None);
        assert_eq!(best("XOX/XOO/OXX", Mark::X), None);
    }

    #[test]
    fn a_lost_match_is_held_out_for() {
        // X threatens two lines; only one of them can be blocked.
        let best = best_moves(&board("X.X/.O./OX."), Mark::O);
        assert!(best.contains(&Cell(0, 1)), "{best:?}");
        // It threatens three, so that no move holds out longer than another.
        assert_eq!(best_moves(&board("X.X/.../X.O"), Mark::O).len(), 5);
    }

    /// Lets the opponent try every move there is, and the other every best one, in every position that can come up.
    fn never_loses(board: Board, turn: Mark, perfect: Mark) -> usize {
        if let Some((winner, _)) = board.complete_line() {
            assert_eq!(winner, perfect, "{board:?}");
            return 1;
        }
        let moves: Vec<Cell> = if turn == perfect { best_moves(&board, turn) } else { board.free().collect() };
        let after = moves.iter().map(|cell| {
            let mut after = board;
            after.set(*cell, turn);
            never_loses(after, turn.other(), perfect)
        });
        after.sum::<usize>() + usize::from(moves.is_empty())
    }

    #[test]
    fn perfect_play_never_loses() {
        for perfect in [Mark::X, Mark::O] {
            assert!(never_loses(Board::default(), Mark::X, perfect) > 50);
        }
    }
}

//! The board of tic-tac-toe: marks, lines, and the best move there is.
//!
//! Knows nothing of players, seats or turns.

use anteroom_core::bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// What a player draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_core::bincode")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_core::bincode")]
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

/// Three cells in a row.
pub type Line = [Cell; 3];

const fn line(cells: [(u8, u8); 3]) -> Line {
    let [a, b, c] = cells;
    [Cell(a.0, a.1), Cell(b.0, b.1), Cell(c.0, c.1)]
}

const LINES: [Line; 8] = [
    line([(0, 0), (0, 1), (0, 2)]),
    line([(1, 0), (1, 1), (1, 2)]),
    line([(2, 0), (2, 1), (2, 2)]),
    line([(0, 0), (1, 0), (2, 0)]),
    line([(0, 1), (1, 1), (2, 1)]),
    line([(0, 2), (1, 2), (2, 2)]),
    line([(0, 0), (1, 1), (2, 2)]),
    line([(0, 2), (1, 1), (2, 0)]),
];

/// Every cell, those in the most lines first: a search that begins there is cut off soonest.
const CELLS: [Cell; 9] =
    [Cell(1, 1), Cell(0, 0), Cell(0, 2), Cell(2, 0), Cell(2, 2), Cell(0, 1), Cell(1, 0), Cell(1, 2), Cell(2, 1)];

/// Nine cells, each with a mark or free. Travels as three rows of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(transparent)]
#[bincode(crate = "anteroom_core::bincode")]
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

    /// Puts a mark into a cell, or takes it away.
    pub const fn set(&mut self, cell: Cell, mark: Option<Mark>) {
        self.0[cell.0 as usize][cell.1 as usize] = mark;
    }

    /// The first complete line, and whose it is.
    #[must_use]
    pub fn complete_line(&self) -> Option<(Mark, Line)> {
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

    fn free(&self) -> impl Iterator<Item = Cell> + '_ {
        CELLS.into_iter().filter(|cell| self.at(*cell).is_none())
    }
}

/// The move that is best for a mark whose turn it is: it never loses, wins as soon as it can, and holds out as long
/// as it can. `None` if the match is over.
#[must_use]
pub fn best_move(board: &Board, mark: Mark) -> Option<Cell> {
    if board.complete_line().is_some() {
        return None;
    }
    let mut board = *board;
    let mut best = None;
    for cell in board.free().collect::<Vec<_>>() {
        let floor = best.map_or(-SCORE_MAX, |(score, _)| score);
        let score = score_of(&mut board, cell, mark, (floor, SCORE_MAX));
        if best.is_none_or(|(before, _)| score > before) {
            best = Some((score, cell));
        }
        if board.free().count() == CELLS.len() {
            // On an empty board no move is better than the centre; finding that out takes longest.
            break;
        }
    }
    best.map(|(_, cell)| cell)
}

/// More than any position scores: one more than the moves of the longest match.
const SCORE_MAX: i8 = 10;

/// How good a move is for the mark that makes it, as far as it lies within `bounds` (alpha-beta search): positive
/// if it wins, the more the sooner.
fn score_of(board: &mut Board, cell: Cell, mark: Mark, (floor, ceiling): (i8, i8)) -> i8 {
    board.set(cell, Some(mark));
    let free: Vec<Cell> = board.free().collect();
    let score = if board.complete_line().is_some() {
        1 + i8::try_from(free.len()).unwrap_or(SCORE_MAX)
    } else {
        let mut worst = ceiling;
        for reply in &free {
            if worst <= floor {
                break;
            }
            worst = worst.min(-score_of(board, *reply, mark.other(), (-worst, -floor)));
        }
        if free.is_empty() { 0 } else { worst }
    };
    board.set(cell, None);
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(text: &str) -> Board {
        let mark = |c| match c {
            'X' => Some(Mark::X),
            'O' => Some(Mark::O),
            _ => None,
        };
        let mut board = Board::default();
        for (row, line) in (0..).zip(text.split('/')) {
            for (col, c) in (0..).zip(line.chars()) {
                board.set(Cell::new(row, col).unwrap(), mark(c));
            }
        }
        board
    }

    fn cell(row: i32, col: i32) -> Option<Cell> {
        Cell::new(row, col)
    }

    #[test]
    fn cells_are_on_the_board() {
        for (row, col) in [(-1, 0), (0, -1), (3, 0), (0, 3), (i32::MIN, i32::MAX), (256, 0)] {
            assert_eq!(cell(row, col), None);
        }
        assert_eq!(cell(2, 1).map(|cell| (cell.row(), cell.col())), Some((2, 1)));
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
        assert_eq!(best_move(&Board::default(), Mark::X), cell(1, 1));
        assert_eq!(best_move(&board("XX./OO./..."), Mark::X), cell(0, 2));
        assert_eq!(best_move(&board("XX./OO./..."), Mark::O), cell(1, 2));
        assert_eq!(best_move(&board("X../.X./..."), Mark::O), cell(2, 2));
        assert_eq!(best_move(&board("XXX/OO./..."), Mark::O), None);
        assert_eq!(best_move(&board("XOX/XOO/OXX"), Mark::X), None);
    }

    /// Lets the opponent try every move there is, in every position that can come up.
    fn never_loses(board: &mut Board, turn: Mark, perfect: Mark) -> usize {
        if let Some((winner, _)) = board.complete_line() {
            assert_eq!(winner, perfect, "{board:?}");
            return 1;
        }
        let moves: Vec<Cell> =
            if turn == perfect { best_move(board, turn).into_iter().collect() } else { board.free().collect() };
        let mut ends = usize::from(moves.is_empty());
        for cell in moves {
            board.set(cell, Some(turn));
            ends += never_loses(board, turn.other(), perfect);
            board.set(cell, None);
        }
        ends
    }

    #[test]
    fn perfect_play_never_loses() {
        for perfect in [Mark::X, Mark::O] {
            assert!(never_loses(&mut Board::default(), Mark::X, perfect) > 50);
        }
    }
}

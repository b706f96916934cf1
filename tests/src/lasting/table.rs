//! What a pair has said and seen, whoever of the two it was.

use std::collections::BTreeSet;

use anteroom_games::tic_tac_toe::{Board, Cell, Mark, Status, View};

/// How far their matches are. Each state that the game shows is the next after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stage {
    /// How many matches are over and played again.
    pub round: usize,
    /// Whether both are there.
    pub is_on: bool,
    /// How many marks are on the board.
    pub marks: usize,
    /// How many of the two want a rematch.
    pub wishes: usize,
}

impl Stage {
    /// Whether it is what follows another at once.
    fn follows(self, before: Self) -> bool {
        let steps = [
            Self { is_on: true, ..before },
            Self { marks: before.marks + 1, ..before },
            Self { wishes: before.wishes + 1, ..before },
            Self { round: before.round + 1, is_on: true, marks: 0, wishes: 0 },
        ];
        self != before && steps.contains(&self)
    }
}

/// What may be between two states that somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Anything: it was told that something was missed.
    Gap,
    /// Nothing; the first one is what they saw when they came in.
    Entrance,
    /// Nothing.
    Before,
}

/// The cells of the board.
pub(super) fn cells() -> impl Iterator<Item = Cell> {
    (0..9).filter_map(|place| Cell::new(place / 3, place % 3))
}

/// One match.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The moves that were said, in their order: whose turn it is knows the one before.
    pub(super) moves: Vec<Cell>,
    /// Who wants another one.
    pub(super) wishes: [bool; 2],
}

/// What is said in one relay room after the other.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// The number of the room.
    pub(super) number: u64,
    /// Its id, when it is there.
    pub(super) room_id: Option<String>,
    /// Who has come in.
    pub(super) entered: [bool; 2],
    /// Who has said everything.
    pub(super) done: [bool; 2],
    /// Who has gone again.
    pub(super) left: [bool; 2],
    /// What was refused, by speaker and number, and so was never said.
    pub(super) refused: BTreeSet<(usize, u64)>,
}

/// See the module.
#[derive(Debug)]
pub struct Table {
    /// Who they are.
    pub(super) users: [String; 2],
    /// The room they play in, when it is there.
    pub(super) room_id: Option<String>,
    /// Whether both have come in there.
    pub(super) is_on: bool,
    pub(super) rounds: Vec<Round>,
    /// The newest that anybody has seen.
    pub(super) seen: Stage,
    /// What was seen before the server went away: none shows less.
    pub(super) floor: Stage,
    pub(super) talk: Talk,
}

impl Table {
    pub(super) fn new(users: [String; 2]) -> Self {
        Self {
            users,
            room_id: None,
            is_on: false,
            rounds: vec![Round::default()],
            seen: Stage::default(),
            floor: Stage::default(),
            talk: Talk { left: [true; 2], ..Talk::default() },
        }
    }

    /// The server is gone: what was seen is never undone.
    pub fn server_is_gone(&mut self) {
        self.floor = self.seen;
    }

    /// Where they are when everything has arrived that was said.
    pub(super) fn said(&self) -> Stage {
        let last = self.rounds.len() - 1;
        let Round { moves, wishes } = &self.rounds[last];
        let wishes = wishes.iter().filter(|wish| **wish).count();
        if wishes == 2 {
            Stage { round: last + 1, is_on: true, marks: 0, wishes: 0 }
        } else {
            Stage { round: last, is_on: self.is_on, marks: moves.len(), wishes }
        }
    }

    /// Somebody says a move; whose turn it is.
    pub(super) fn say_move(&mut self, stage: Stage, cell: Cell) {
        if self.rounds.len() == stage.round {
            self.rounds.push(Round::default());
        }
        assert_eq!(self.rounds.len(), stage.round + 1, "a move in a match of before: {stage:?}");
        let moves = &mut self.rounds[stage.round].moves;
        assert_eq!(moves.len(), stage.marks, "somebody else has moved already: {stage:?}");
        moves.push(cell);
    }

    /// Somebody says that they want a rematch.
    pub(super) fn say_rematch(&mut self, stage: Stage, who: usize) {
        let wish = &mut self.rounds[stage.round].wishes[who];
        assert!(!*wish, "said already: {stage:?}");
        *wish = true;
    }

    /// Somebody sees the game, who has seen `before` at last, and whether that match was over.
    ///
    /// # Panics
    /// If it is not what the moves that were said lead to, if something that was seen is undone, or something was missed.
    pub(super) fn see(&mut self, view: &View, before: Option<(Stage, bool)>, since: Since) -> Stage {
        let is_over = matches!(view.status, Status::Won | Status::Draw);
        let round = match before {
            Some((stage, was_over)) => stage.round + usize::from(was_over && !is_over),
            None => self.seen.round,
        };
        let x = round % 2;
        let marks = cells().filter(|cell| view.board.at(*cell).is_some()).count();
        let stage = Stage { round, is_on: view.status != Status::Waiting, marks, wishes: view.rematch_wanted.len() };
        assert_eq!(view.players.x.as_ref().map(|user| user.as_str()), Some(&*self.users[x]), "{stage:?}: {view:?}");
        let moves = self.rounds.get(round).map_or(&[][..], |round| &round.moves);
        assert!(marks <= moves.len(), "{marks} marks of {} moves, {stage:?}: {view:?}", moves.len());
        let mut board = Board::default();
        for (number, cell) in moves[..marks].iter().enumerate() {
            board.set(*cell, if number % 2 == 0 { Mark::X } else { Mark::O });
        }
        assert_eq!(board, view.board, "not the moves that were made: {stage:?}");
        for user in &view.rematch_wanted {
            let who = self.users.iter().position(|known| known == user.as_str()).unwrap();
            assert!(self.rounds[round].wishes[who], "{user} has not said so: {view:?}");
        }
        if is_over {
            assert!(marks >= 5, "nobody has left: {view:?}");
        }
        assert!(stage >= self.floor, "{stage:?} behind {:?}, which was seen before the server went away", self.floor);
        if let Some((before, _)) = before {
            let fits = match since {
                Since::Gap => stage >= before,
                Since::Entrance => stage == before || stage.follows(before),
                Since::Before => stage.follows(before),
            };
            assert!(fits, "{stage:?} behind {before:?}, and no gap was told: {view:?}");
        }
        self.seen = self.seen.max(stage);
        stage
    }
}

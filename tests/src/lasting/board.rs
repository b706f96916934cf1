//! Tic-tac-toe: a random move whenever it is one's turn, and another match after each.

use std::time::Duration;

use anteroom_games::tic_tac_toe::{Cell, Status, View};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Life;
use super::player::{Answer, Asked, Place, Player};
use super::table::{Since, Stage, cells};

/// How long to wait before something is said again that was refused.
const AGAIN_AFTER: Duration = Duration::from_millis(400);

/// What a player knows of the room that it plays in.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) place: Place,
    /// What it has seen last.
    seen: Option<(Stage, View)>,
    /// It has seen nothing since it came in.
    pub(super) has_entered: bool,
    /// What it has said last, so that it says it once.
    said_at: Option<Stage>,
    /// What was refused, and is to be said again.
    again: Option<Asked>,
    pub(super) again_at: Option<Instant>,
}

impl Board {
    pub(super) fn seen_stage(&self) -> Option<Stage> {
        self.seen.as_ref().map(|(stage, _)| *stage)
    }

    pub(super) fn answered(&mut self, asked: Asked, answer: Answer) {
        match (asked, answer) {
            (Asked::Board, Answer::Refused) => self.place = Place::Out,
            (Asked::Board, Answer::Unknown) if self.place == Place::Entering => self.place = Place::Unsure,
            (Asked::Move(..) | Asked::Rematch(_), Answer::Refused) => {
                self.again = Some(asked);
                self.again_at = Some(Instant::now() + AGAIN_AFTER);
            }
            _ => {}
        }
    }
}

fn is_over(view: &View) -> bool {
    matches!(view.status, Status::Won | Status::Draw)
}

impl Player {
    pub(super) async fn play_board(&mut self, life: &Life) {
        let room_id = self.table.borrow().room_id.clone();
        match (self.board.place, room_id) {
            (Place::Out, None) if self.who == 0 => {
                self.board.place = Place::Entering;
                self.ask(Asked::Board, "create_room", json!({"game": "tic_tac_toe"})).await;
            }
            (Place::Out, Some(room_id)) => {
                self.board.place = Place::Entering;
                self.ask(Asked::Board, "join_room", json!({"room_id": room_id})).await;
            }
            (Place::In, Some(_)) if self.board.again.is_some() => self.repeat_move().await,
            (Place::In, Some(room_id)) => self.make_move(&room_id, life).await,
            _ => {}
        }
    }

    /// Says again what was refused, when it is time.
    pub(super) async fn repeat_move(&mut self) {
        let room_id = self.table.borrow().room_id.clone();
        if self.board.again_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.board.again_at = None;
        match (self.board.again.take(), room_id) {
            (Some(Asked::Move(stage, cell)), Some(room_id)) => self.say_move(&room_id, stage, cell).await,
            (Some(asked), Some(room_id)) => self.ask_in(&room_id, asked, "rematch", json!({})).await,
            _ => {}
        }
    }

    async fn make_move(&mut self, room_id: &str, life: &Life) {
        let Some((stage, view)) = &self.board.seen else { return };
        let stage = *stage;
        if self.board.said_at == Some(stage) {
            return;
        }
        let mine = |user: &Option<_>| {
            user.as_ref().is_some_and(|user: &anteroom_protocol::UserId| user.as_str() == self.client.user_id)
        };
        if mine(&view.current_turn) {
            let free: Vec<Cell> = cells().filter(|cell| view.board.at(*cell).is_none()).collect();
            let cell = free[self.rng.below(free.len() as u32) as usize];
            self.board.said_at = Some(stage);
            self.table.borrow_mut().say_move(stage, cell);
            life.has_changed();
            self.say_move(room_id, stage, cell).await;
        } else if is_over(view) && !self.table.borrow().rounds[stage.round].wishes[self.who] {
            self.table.borrow_mut().say_rematch(stage, self.who);
            life.has_changed();
            self.ask_in(room_id, Asked::Rematch(stage), "rematch", json!({})).await;
        }
    }

    async fn say_move(&mut self, room_id: &str, stage: Stage, cell: Cell) {
        let data = json!({"row": cell.row(), "col": cell.col()});
        self.ask_in(room_id, Asked::Move(stage, cell), "make_move", data).await;
    }

    pub(super) fn enter_board(&mut self, room_id: &str) {
        let mut table = self.table.borrow_mut();
        let known = table.room_id.get_or_insert_with(|| room_id.to_owned());
        assert_eq!(known, room_id, "another room than before");
        table.is_on |= self.who == 1;
        self.board.place = Place::In;
    }

    /// Sees the game.
    pub(super) fn see(&mut self, view: &Value, since: Since) {
        let view: View = serde_json::from_value(view.clone()).unwrap();
        let before = self.board.seen.as_ref().map(|(stage, view)| (*stage, is_over(view)));
        let stage = self.table.borrow_mut().see(&view, before, since);
        self.board.seen = Some((stage, view));
        self.board.has_entered = false;
    }
}

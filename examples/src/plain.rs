//! The table as lines of text, for when there is no terminal: a pipe, a file, a test.
//!
//! Reads `row col`, `rematch`, `transport` and `quit`, one to a line.

use std::io::{self, BufRead, Write};
use std::thread;

use anteroom_client::{Role, RoomEvent};
use anteroom_games::tic_tac_toe::Mark;
use tokio::sync::mpsc;

use crate::table::{Intent, Table, read_line, told};
use crate::{TicTacToe, printable};

/// How many lines wait; the reader of lines waits with further ones.
const LINES_MAX: usize = 16;

/// Lines in, lines out.
#[derive(Debug)]
pub struct Plain {
    lines: mpsc::Receiver<String>,
    ended: bool,
}

impl Plain {
    /// Says where the player has come to, and begins to read lines.
    ///
    /// # Errors
    /// Nobody reads what is written.
    pub fn open(table: &Table) -> io::Result<Self> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        let doing = if table.setting.role == Role::Player { "play" } else { "watch" };
        let (room, transport) = (table.room(), &table.link);
        let me = table.name(&table.setting.me);
        write(&format!("You {doing} in {room} over {transport} as {me}.\n{}", described(table)))?;
        Ok(Self { lines, ended: false })
    }

    /// Says what has happened.
    ///
    /// # Errors
    /// Nobody reads what is written.
    pub fn say(&self, event: &RoomEvent<TicTacToe>, table: &Table) -> io::Result<()> {
        match event {
            RoomEvent::State(_) => write(&described(table)),
            event => told(event).map_or(Ok(()), |sentence| write(&format!("{sentence}\n"))),
        }
    }

    /// Says something that is not about the match.
    ///
    /// # Errors
    /// Nobody reads what is written.
    pub fn tell(&self, sentence: &str) -> io::Result<()> {
        write(&format!("{}\n", printable(sentence)))
    }

    /// Waits for a line that asks for something. Cancel-safe. When the input has ended a player quits, and a spectator
    /// watches on.
    pub async fn intent(&mut self, table: &Table) -> Option<Intent> {
        if self.ended {
            std::future::pending::<()>().await;
        }
        let Some(line) = self.lines.recv().await else {
            self.ended = true;
            return (table.setting.role == Role::Player).then_some(Intent::Quit);
        };
        let intent = read_line(&line);
        if intent.is_none() && !line.trim().is_empty() {
            // If nobody reads this, nobody reads the next state either, and that ends the program.
            let _ = write("Type a row and a column, each 0 to 2, such as: 1 2 (or rematch, transport, quit)\n");
        }
        intent
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The board, who plays, and what is next.
#[must_use]
pub fn described(table: &Table) -> String {
    let view = &table.setting.view;
    let cell = |mark: &Option<Mark>| match mark {
        Some(Mark::X) => "X",
        Some(Mark::O) => "O",
        None => ".",
    };
    let rows = (0..).zip(view.board.rows()).map(|(number, row): (u8, _)| {
        let [a, b, c] = row.each_ref().map(cell);
        format!("{number} {a} {b} {c}\n")
    });
    let player = |mark| match table.player(mark) {
        Some(player) if table.my_mark() == Some(mark) => format!("{} (you)", table.name(player)),
        Some(player) => table.name(player),
        None => "nobody yet".into(),
    };
    let rows: String = rows.collect();
    let (x, o) = (player(Mark::X), player(Mark::O));
    format!("\n  0 1 2\n{rows}X is {x}, O is {o}.\n{} {}\n", table.standing().0, table.hint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::table;

    #[test]
    fn a_state_is_readable_as_text() {
        assert_eq!(
            described(&table("bob", "X../.O./..X")),
            "\n  0 1 2\n0 X . .\n1 . O .\n2 . . X\nX is ADA!, O is BOB! (you).\n\
             ADA! is thinking. It is the other player's move.\n"
        );
    }
}

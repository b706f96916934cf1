//! What the examples share: tic-tac-toe as a client sees it, and a terminal to play it in.
//!
//! An example file shows how something is used; what would hide that is here.
//!
//! | module | what it holds |
//! |---|---|
//! | [`args`] | where the server is, and who plays |
//! | [`table`] | what a player knows: the match, the others, what may be done now |
//! | [`picture`] | a table drawn on 80 by 24 characters |
//! | [`screen`] | the terminal: drawing in place, keys, and leaving it as it was |
//! | [`plain`] | the same without a terminal: lines in, lines out |
//! | [`play`] | the whole program |

pub mod args;
pub mod picture;
pub mod plain;
pub mod play;
pub mod screen;
pub mod table;

use std::io::{self, Write};

use anteroom_client::{Game, NoEvents};
use anteroom_core::Game as Rules;
use anteroom_games::tic_tac_toe::{Action, View};

/// Tic-tac-toe, for [`anteroom_client::Room`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicTacToe;

impl Game for TicTacToe {
    const KIND: &'static str = anteroom_games::TicTacToe::KIND;
    const VERSION: u16 = <anteroom_games::TicTacToe as Rules>::VERSION;
    type Action = Action;
    type Event = NoEvents;
    type View = View;
}

/// A text from elsewhere, fit for a terminal: without what would move its cursor or change its colours.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Says something on stderr. Whoever has closed it, as `| tee` has after Ctrl-C, is no reason to stop.
pub fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "{sentence}");
}

/// Waits until somebody wants the program to end: Ctrl-C, or SIGTERM where there is such a thing. Cancel-safe.
pub async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a handler Ctrl-C ends the program all the same, only less politely.
    drop(tokio::signal::ctrl_c().await);
}

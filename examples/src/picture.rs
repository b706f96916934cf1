//! A table of tic-tac-toe drawn on 80 by 24 characters.
//!
//! Pure: places styled texts; knows no terminal. Colour only ever repeats what shape or words say, so a terminal
//! without colours loses nothing.

use std::time::Instant;

use anteroom_games::tic_tac_toe::{Cell, Mark, Status};
use crossterm::style::{Color, ContentStyle, Stylize};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::table::{Link, Mood, Table, time};

/// How many columns a picture has.
pub const COLUMNS: u16 = 80;
/// How many rows a picture has.
pub const ROWS: u16 = 24;

const LEFT: u16 = 3;
const RIGHT: u16 = COLUMNS - LEFT;
const BOARD_TOP: u16 = 5;
const BOARD_LEFT: u16 = 8;
const CELL_WIDTH: u16 = 9;
const CELL_HEIGHT: u16 = 3;
const PANEL_LEFT: u16 = 46;

const X_COLOR: Color = Color::Cyan;
const O_COLOR: Color = Color::Yellow;

/// A text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins, counted from 0 at the left.
    pub column: u16,
    /// What it says; no wider than what is left of the row.
    pub text: String,
    /// How.
    pub style: ContentStyle,
}

/// The pieces of each row, from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture(pub Vec<Vec<Piece>>);

impl Picture {
    /// Draws a table as it is at a time.
    #[must_use]
    pub fn of(table: &Table, now: Instant) -> Self {
        let mut picture = Self(vec![Vec::new(); usize::from(ROWS)]);
        picture.header(table);
        picture.board(table);
        picture.panel(table, now);
        picture.footer(table, now);
        picture
    }

    fn put(&mut self, row: u16, column: u16, style: ContentStyle, text: &str) {
        let text = fitting(text, usize::from(RIGHT.saturating_sub(column)));
        if let Some(pieces) = self.0.get_mut(usize::from(row)) {
            pieces.push(Piece { column, text, style });
        }
    }

    fn put_right(&mut self, row: u16, style: ContentStyle, text: &str) {
        let text = fitting(text, usize::from(RIGHT - LEFT));
        let width = u16::try_from(text.width()).unwrap_or(RIGHT);
        self.put(row, RIGHT.saturating_sub(width), style, &text);
    }

    fn rule(&mut self, row: u16) {
        self.put(row, LEFT, faint(), &"─".repeat(usize::from(RIGHT - LEFT)));
    }

    fn header(&mut self, table: &Table) {
        self.put(1, LEFT, plain().bold(), "Tic-tac-toe");
        self.put(1, LEFT + 14, faint(), &fitting(&table.room(), 40));
        let link = match (table.rtt, &table.link) {
            (Some(rtt), Link::Up { transport }) => format!("{transport} · {:.1} ms", rtt.as_secs_f64() * 1e3),
            (_, link) => link.to_string(),
        };
        let style = if matches!(table.link, Link::Up { .. }) { faint() } else { plain().yellow() };
        self.put_right(1, style, &link);
        self.rule(2);
    }

    fn board(&mut self, table: &Table) {
        for place in 0..3 {
            let number = place.to_string();
            self.put(BOARD_TOP - 1, BOARD_LEFT + place * (CELL_WIDTH + 1) + CELL_WIDTH / 2, faint(), &number);
            self.put(BOARD_TOP + place * (CELL_HEIGHT + 1) + CELL_HEIGHT / 2, BOARD_LEFT - 3, faint(), &number);
        }
        let line = "─".repeat(usize::from(CELL_WIDTH));
        for gap in 0..2 {
            let below = BOARD_TOP + gap * (CELL_HEIGHT + 1) + CELL_HEIGHT;
            self.put(below, BOARD_LEFT, faint(), &format!("{line}┼{line}┼{line}"));
            let beside = BOARD_LEFT + gap * (CELL_WIDTH + 1) + CELL_WIDTH;
            for row in (0..3 * CELL_HEIGHT + 2).filter(|row| row % (CELL_HEIGHT + 1) != CELL_HEIGHT) {
                self.put(BOARD_TOP + row, beside, faint(), "│");
            }
        }
        for (row, col) in (0..3).flat_map(|row| (0..3).map(move |col| (row, col))) {
            if let Some(cell) = Cell::new(row, col) {
                self.cell(table, cell);
            }
        }
    }

    fn cell(&mut self, table: &Table, cell: Cell) {
        let view = &table.setting.view;
        let top = BOARD_TOP + u16::from(cell.row()) * (CELL_HEIGHT + 1);
        let left = BOARD_LEFT + u16::from(cell.col()) * (CELL_WIDTH + 1);
        if let Some(mark) = view.board.at(cell) {
            let is_over = matches!(view.status, Status::Won | Status::Draw);
            let wins = view.line.is_some_and(|line| line.contains(&cell));
            let style = match (is_over, wins) {
                (true, true) => plain().green().bold(),
                (true, false) => faint(),
                (false, _) => mark_style(mark),
            };
            let glyph = glyph(mark);
            for (row, text) in (top..).zip(glyph) {
                self.put(row, left + 2, style, text);
            }
        }
        if table.my_mark().is_some() && view.status == Status::Playing && table.cursor == (cell.row(), cell.col()) {
            let style = if table.is_my_turn() { plain().bold() } else { faint() };
            for (row, corners) in [(top, ["┌", "┐"]), (top + CELL_HEIGHT - 1, ["└", "┘"])] {
                self.put(row, left, style, corners[0]);
                self.put(row, left + CELL_WIDTH - 1, style, corners[1]);
            }
        }
    }

    fn panel(&mut self, table: &Table, now: Instant) {
        for (mark, sign, row) in [(Mark::X, "X", BOARD_TOP), (Mark::O, "O", BOARD_TOP + 3)] {
            let Some(player) = table.player(mark) else {
                self.put(row, PANEL_LEFT, faint(), sign);
                self.put(row, PANEL_LEFT + 3, faint(), "nobody yet");
                continue;
            };
            let is_turn = table.setting.view.current_turn.as_ref() == Some(player);
            let style = if is_turn { mark_style(mark) } else { plain() };
            if is_turn {
                self.put(row, PANEL_LEFT - 3, mark_style(mark), "▸");
            }
            self.put(row, PANEL_LEFT, mark_style(mark), sign);
            let you = if table.my_mark() == Some(mark) { " (you)" } else { "" };
            self.put(row, PANEL_LEFT + 3, style, &format!("{}{you}", fitting(&table.name(player), 20)));
            if let Some(kept) = table.kept(player, now) {
                let text = format!("lost, seat kept for {}", time(kept));
                self.put(row + 1, PANEL_LEFT + 3, plain().red(), &text);
            }
        }
        match table.spectators() {
            0 => {}
            1 => self.put(BOARD_TOP + 6, PANEL_LEFT + 3, faint(), "1 spectator"),
            more => self.put(BOARD_TOP + 6, PANEL_LEFT + 3, faint(), &format!("{more} spectators")),
        }
    }

    fn footer(&mut self, table: &Table, now: Instant) {
        let (headline, mood) = table.headline(now);
        let style = match mood {
            Mood::Calm => plain().bold(),
            Mood::Asking | Mood::Glad => plain().green().bold(),
            Mood::Sorry => plain().yellow().bold(),
        };
        self.put(17, LEFT, style, &headline);
        self.put(18, LEFT, plain(), &table.hint());
        if !table.typed.is_empty() {
            self.put(20, LEFT, plain().bold(), &format!("› {}▏", table.typed));
        } else if let Some(notice) = table.current_notice(now) {
            self.put(20, LEFT, faint(), "·");
            self.put(20, LEFT + 2, plain(), notice);
        }
        self.rule(21);
        let keys = if table.setting.role == anteroom_client::Role::Player {
            "←↑↓→ choose   Enter place   r rematch   t other transport   q quit"
        } else {
            "t other transport   q quit"
        };
        self.put(22, LEFT, faint(), keys);
    }
}

fn plain() -> ContentStyle {
    ContentStyle::new()
}

fn faint() -> ContentStyle {
    plain().dark_grey()
}

fn mark_style(mark: Mark) -> ContentStyle {
    plain().bold().with(if mark == Mark::X { X_COLOR } else { O_COLOR })
}

fn glyph(mark: Mark) -> [&'static str; 3] {
    match mark {
        Mark::X => [" ╲ ╱ ", "  ╳  ", " ╱ ╲ "],
        Mark::O => ["╭───╮", "│   │", "╰───╯"],
    }
}

/// As much of a text as fits into so many columns.
fn fitting(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut width = 1;
    let mut fits: String = text
        .chars()
        .take_while(|c| {
            width += c.width().unwrap_or(0);
            width <= columns
        })
        .collect();
    fits.push('…');
    fits
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anteroom_client::RoomEvent;

    use super::*;
    use crate::table::tests::{table, user};

    /// The picture as text, one line for each row.
    fn text(picture: &Picture) -> String {
        let row = |pieces: &Vec<Piece>| {
            let mut line = vec![' '; usize::from(COLUMNS)];
            for piece in pieces {
                for (place, c) in (usize::from(piece.column)..).zip(piece.text.chars()) {
                    line[place] = c;
                }
            }
            line.into_iter().collect::<String>().trim_end().to_owned()
        };
        picture.0.iter().map(row).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_match_in_play() {
        let mut table = table("ada", "X.O/.../...");
        table.rtt = Some(Duration::from_micros(1234));
        let now = Instant::now();
        let grace = Duration::from_secs(60);
        let members = table.setting.members.clone();
        table.on_event(&RoomEvent::Disconnected { user_id: user("bob"), username: "Bob".into(), grace }, &members, now);
        let expected = "
   Tic-tac-toe   Ada's room (0j6hb7h6nw)                        QUIC · 1.2 ms
   ──────────────────────────────────────────────────────────────────────────

            0         1         2
           ╲ ╱   │         │  ╭───╮        ▸  X  ADA! (you)
     0      ╳    │         │  │   │
           ╱ ╲   │         │  ╰───╯
        ─────────┼─────────┼─────────         O  BOB!
                 │┌       ┐│                     lost, seat kept for 60 s
     1           │         │
                 │└       ┘│
        ─────────┼─────────┼─────────
                 │         │
     2           │         │
                 │         │

   Your turn.
   Move with the arrow keys and press Enter, or type row and column.

   · Bob lost the connection; the seat is kept for 60 s.
   ──────────────────────────────────────────────────────────────────────────
   ←↑↓→ choose   Enter place   r rematch   t other transport   q quit
";
        assert_eq!(text(&Picture::of(&table, now)), expected);
    }

    #[test]
    fn no_connection() {
        let mut table = table("ada", "X.O/.../...");
        let now = Instant::now();
        table.rtt = Some(Duration::from_micros(1234));
        table.link = Link::Down { attempt: 12, next_try: now + 3 * GRACE / 60, is_away: false };
        let text = text(&Picture::of(&table, now));
        assert!(text.contains("Ada's room (0j6hb7h6nw)                        no connection\n"), "{text}");
        assert!(text.contains("   Reconnecting (12, next try in 3.0 s) - your seat is kept meanwhile.\n"), "{text}");
    }

    const GRACE: Duration = Duration::from_secs(60);

    #[test]
    fn nothing_reaches_over_the_edge() {
        let mut table = table("eve", "XOX/OXO/X..");
        table.setting.room_name = "漢字".repeat(40);
        for member in &mut table.setting.members {
            member.username = "🦊 很长的名字".repeat(20);
        }
        table.reply(&"sentence ".repeat(20), Instant::now());
        table.typed = String::new();
        let picture = Picture::of(&table, Instant::now());
        assert_eq!(picture.0.len(), usize::from(ROWS));
        for piece in picture.0.iter().flatten() {
            assert!(usize::from(piece.column) + piece.text.width() <= usize::from(RIGHT), "{piece:?}");
        }
    }

    #[test]
    fn a_long_text_ends_with_dots() {
        assert_eq!(fitting("abcdef", 6), "abcdef");
        assert_eq!(fitting("abcdefg", 6), "abcde…");
        assert_eq!(fitting("漢字漢字", 6), "漢字…");
    }
}

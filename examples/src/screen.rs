//! The terminal: drawing in place on the alternate screen, keys, and leaving it as it was, however the program ends.
//!
//! Only rows that changed are written, so nothing flickers. crossterm leaves colours out if `NO_COLOR` is set.

use std::io::{self, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::StyledContent;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue, style};
use tokio::sync::mpsc;

use crate::picture::{COLUMNS, Picture, Piece, ROWS};
use crate::table::{Intent, Table};

/// How many keys wait; further ones are dropped.
const KEYS_MAX: usize = 64;
/// How often the reader of keys looks whether it is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// Whether the terminal is ours just now. A panic restores it before the screen is dropped, and giving it back twice
/// would move the cursor over what was said in between.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A terminal in use. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Screen {
    shown: Picture,
    /// Its columns and rows when it was last drawn on.
    window: (u16, u16),
    keys: mpsc::Receiver<Event>,
    wanted: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn open() -> io::Result<Self> {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // Else the message would be drawn over, or vanish with the alternate screen.
            restore();
            before(panic);
        }));
        let (sender, keys) = mpsc::channel(KEYS_MAX);
        let wanted = Arc::new(AtomicBool::new(true));
        // From here on dropping it restores the terminal, however far it gets.
        let screen = Self { shown: Picture(Vec::new()), window: (0, 0), keys, wanted: wanted.clone() };
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        thread::spawn(move || read_keys(&sender, &wanted));
        Ok(screen)
    }

    /// Draws the table in the middle of the window, as far as it has changed.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn show(&mut self, table: &Table, now: Instant) -> io::Result<()> {
        let window = size()?;
        let resized = self.window != window;
        self.window = window;
        let (columns, rows) = window;
        let mut out = io::stdout().lock();
        if columns < COLUMNS || rows < ROWS {
            if resized {
                let asked = format!("Please enlarge this window to {COLUMNS} by {ROWS} (it is {columns} by {rows}).");
                execute!(out, Clear(ClearType::All), MoveTo(0, 0), style::Print(asked))?;
            }
            return Ok(());
        }
        let picture = Picture::of(table, now);
        if picture == self.shown && !resized {
            return Ok(());
        }
        queue!(out, BeginSynchronizedUpdate)?;
        if resized {
            queue!(out, Clear(ClearType::All))?;
        }
        let (left, top) = ((columns - COLUMNS) / 2, (rows - ROWS) / 2);
        for (row, pieces) in (0..).zip(&picture.0) {
            if resized || self.shown.0.get(usize::from(row)) != Some(pieces) {
                draw(&mut out, left, top + row, pieces)?;
            }
        }
        queue!(out, EndSynchronizedUpdate)?;
        self.shown = picture;
        out.flush()
    }

    /// Waits for a key and lets the table have it; gives what the player wants by it. Cancel-safe.
    pub async fn intent(&mut self, table: &mut Table) -> Option<Intent> {
        match self.keys.recv().await {
            Some(Event::Key(key)) if key.kind != KeyEventKind::Release => on_key(key, table),
            // A new size shows when the table is drawn next.
            Some(_) => None,
            // The terminal is gone.
            None => Some(Intent::Quit),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        restore();
    }
}

/// Whatever of it fails: there is no better terminal to say so on.
fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

fn draw(out: &mut impl Write, left: u16, row: u16, pieces: &[Piece]) -> io::Result<()> {
    queue!(out, MoveTo(0, row), Clear(ClearType::CurrentLine))?;
    for Piece { column, text, style } in pieces {
        queue!(out, MoveTo(left + column, row), style::PrintStyledContent(StyledContent::new(*style, text)))?;
    }
    Ok(())
}

fn read_keys(sender: &mpsc::Sender<Event>, wanted: &AtomicBool) {
    while wanted.load(Ordering::Relaxed) {
        match event::poll(POLL) {
            Ok(false) => {}
            Ok(true) => match event::read() {
                // A player who types faster than the program reads loses keys, not the program.
                Ok(event) => drop(sender.try_send(event)),
                Err(_) => return,
            },
            Err(_) => return,
        }
    }
}

fn on_key(key: KeyEvent, table: &mut Table) -> Option<Intent> {
    match key.code {
        KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => return Some(Intent::Quit),
        KeyCode::Up => table.move_cursor(-1, 0),
        KeyCode::Down => table.move_cursor(1, 0),
        KeyCode::Left => table.move_cursor(0, -1),
        KeyCode::Right => table.move_cursor(0, 1),
        KeyCode::Backspace => drop(table.typed.pop()),
        KeyCode::Esc => table.typed.clear(),
        KeyCode::Enter => return table.enter(Instant::now()),
        KeyCode::Char(c) => return table.type_char(c),
        _ => {}
    }
    None
}

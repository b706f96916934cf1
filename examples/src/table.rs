//! What a player at a table of tic-tac-toe knows: the match, the others, and what may be done now.
//!
//! Pure: knows neither a terminal nor a connection, and is told the time.

mod link;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anteroom_client::{Client, LeftReason, Member, Role, Room, RoomEvent, RoomId, UserId};
use anteroom_games::tic_tac_toe::{Action, Cell, Mark, Status, View};

pub use self::link::Link;
use crate::{TicTacToe, printable};

/// How long a notice is shown.
const NOTICE_TIME: Duration = Duration::from_secs(8);
/// The longest line that can be typed.
const TYPED_CHARS_MAX: usize = 16;

/// What the player wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// To do something in the game.
    Act(Action),
    /// To play on over another transport.
    Move,
    /// To go.
    Quit,
}

/// How a sentence is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Nothing to be done.
    Calm,
    /// It is the player's turn, in one way or another.
    Asking,
    /// A match was won.
    Glad,
    /// A match was lost, or something went wrong.
    Sorry,
}

/// Where a player has come to.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The room.
    pub room_id: RoomId,
    /// The room's name.
    pub room_name: String,
    /// Who the player is.
    pub me: UserId,
    /// Whether the player only watches.
    pub role: Role,
    /// Who is there.
    pub members: Vec<Member>,
    /// The game.
    pub view: View,
}

impl Setting {
    /// A session's place in a room.
    #[must_use]
    pub fn of(client: &Client, room: &Room<TicTacToe>) -> Self {
        Self {
            room_id: room.room_id(),
            room_name: printable(room.name()),
            me: client.user_id().clone(),
            role: room.role(),
            members: room.members().to_vec(),
            view: room.view().clone(),
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Table {
    /// Where, and who.
    pub setting: Setting,
    /// How the session is connected.
    pub link: Link,
    /// The round trip, if it is known.
    pub rtt: Option<Duration>,
    /// The row and column of the cursor.
    pub cursor: (u8, u8),
    /// What was typed and not entered yet.
    pub typed: String,
    /// Until when the seats of those who lost the connection are kept.
    away: BTreeMap<UserId, Instant>,
    notice: Option<Notice>,
}

/// A sentence that is shown for a while.
#[derive(Debug, Clone)]
struct Notice {
    sentence: String,
    until: Instant,
    /// Whether it is about something the player did, so that the next state answers it.
    is_reply: bool,
}

impl Table {
    /// The table as it is on joining.
    #[must_use]
    pub fn new(setting: Setting, link: Link) -> Self {
        let (cursor, typed) = ((1, 1), String::new());
        Self { setting, link, rtt: None, cursor, typed, away: BTreeMap::new(), notice: None }
    }

    /// Takes in what happened in the room, where these are the members now.
    pub fn on_event(&mut self, event: &RoomEvent<TicTacToe>, members: &[Member], now: Instant) {
        self.setting.members = members.to_vec();
        match event {
            RoomEvent::State(view) => {
                self.setting.view = view.clone();
                self.notice.take_if(|notice| notice.is_reply);
            }
            RoomEvent::Disconnected { user_id, grace, .. } => {
                self.away.insert(user_id.clone(), now + *grace);
            }
            RoomEvent::Reconnected { user_id, .. } | RoomEvent::Left { user_id, .. } => {
                self.away.remove(user_id);
            }
            RoomEvent::Missed { .. } | RoomEvent::Gap { .. } => {
                let members = &self.setting.members;
                let is_away = |user_id: &UserId| members.iter().any(|one| one.user_id == *user_id && !one.connected);
                self.away.retain(|user_id, _| is_away(user_id));
            }
            _ => {}
        }
        if let Some(sentence) = told(event) {
            let is_reply = matches!(event, RoomEvent::Error(_));
            self.notice = Some(Notice { sentence, until: now + NOTICE_TIME, is_reply });
        }
    }

    /// Shows a sentence about what has happened.
    pub fn tell(&mut self, sentence: &str, now: Instant) {
        self.notice = Some(Notice { sentence: printable(sentence), until: now + NOTICE_TIME, is_reply: false });
    }

    /// Shows a sentence about what the player did.
    pub fn reply(&mut self, sentence: &str, now: Instant) {
        self.notice = Some(Notice { sentence: printable(sentence), until: now + NOTICE_TIME, is_reply: true });
    }

    /// The last thing worth telling.
    #[must_use]
    pub fn current_notice(&self, now: Instant) -> Option<&str> {
        self.notice.as_ref().filter(|notice| notice.until > now).map(|notice| notice.sentence.as_str())
    }

    /// The room, in words.
    #[must_use]
    pub fn room(&self) -> String {
        format!("{} ({})", self.setting.room_name, self.setting.room_id)
    }

    fn plays(&self) -> bool {
        self.setting.role == Role::Player
    }

    /// The player's mark in this match; none for a spectator.
    #[must_use]
    pub fn my_mark(&self) -> Option<Mark> {
        [Mark::X, Mark::O].into_iter().find(|mark| self.plays() && self.player(*mark) == Some(&self.setting.me))
    }

    /// Who plays a mark.
    #[must_use]
    pub fn player(&self, mark: Mark) -> Option<&UserId> {
        match mark {
            Mark::X => self.setting.view.players.x.as_ref(),
            Mark::O => self.setting.view.players.o.as_ref(),
        }
    }

    /// The name of a user, as far as it is known.
    #[must_use]
    pub fn name(&self, user_id: &UserId) -> String {
        let member = self.setting.members.iter().find(|member| member.user_id == *user_id);
        printable(member.map_or(user_id.as_str(), |member| &member.username))
    }

    /// How long the seat of someone who lost the connection is still kept.
    #[must_use]
    pub fn kept(&self, user_id: &UserId, now: Instant) -> Option<Duration> {
        self.away.get(user_id).map(|until| until.saturating_duration_since(now))
    }

    /// How many only watch.
    #[must_use]
    pub fn spectators(&self) -> usize {
        self.setting.members.iter().filter(|member| member.role == Role::Spectator).count()
    }

    /// Whether this player moves next.
    #[must_use]
    pub fn is_my_turn(&self) -> bool {
        self.plays()
            && self.setting.view.status == Status::Playing
            && self.setting.view.current_turn.as_ref() == Some(&self.setting.me)
    }

    /// Whether the player whose turn it is has lost the connection.
    fn is_waited_for(&self) -> bool {
        self.setting.view.current_turn.as_ref().is_some_and(|user_id| self.away.contains_key(user_id))
    }

    /// Whose turn it is, how the match ended, or that there is no connection.
    #[must_use]
    pub fn headline(&self, now: Instant) -> (String, Mood) {
        match self.link.trouble(now) {
            Some(trouble) => (trouble, Mood::Sorry),
            None => self.standing(),
        }
    }

    /// Whose turn it is, or how the match ended.
    #[must_use]
    pub fn standing(&self) -> (String, Mood) {
        let name = |user_id: &Option<UserId>| user_id.as_ref().map_or_else(|| "Nobody".into(), |id| self.name(id));
        match self.setting.view.status {
            Status::Waiting => ("Waiting for a second player.".into(), Mood::Calm),
            Status::Playing if self.is_my_turn() => ("Your turn.".into(), Mood::Asking),
            Status::Playing if self.is_waited_for() => {
                (format!("{} lost the connection.", name(&self.setting.view.current_turn)), Mood::Sorry)
            }
            Status::Playing => (format!("{} is thinking.", name(&self.setting.view.current_turn)), Mood::Calm),
            Status::Draw => ("A draw.".into(), Mood::Calm),
            Status::Won if self.plays() && self.setting.view.winner.as_ref() == Some(&self.setting.me) => (
                if self.setting.view.line.is_some() { "You win!" } else { "You win: the other player left." }.into(),
                Mood::Glad,
            ),
            Status::Won => (
                format!("{} wins.", name(&self.setting.view.winner)),
                if self.plays() { Mood::Sorry } else { Mood::Glad },
            ),
        }
    }

    /// What can be done now.
    #[must_use]
    pub fn hint(&self) -> String {
        let is_over = matches!(self.setting.view.status, Status::Won | Status::Draw);
        let both = self.player(Mark::X).is_some() && self.player(Mark::O).is_some();
        if matches!(self.link, Link::Down { .. }) {
            return "What you do meanwhile is sent when the connection is back.".into();
        }
        let wants =
            |me: bool| self.setting.view.rematch_wanted.iter().find(|user_id| (**user_id == self.setting.me) == me);
        match self.setting.view.status {
            Status::Waiting => format!("Others join by themselves, or with --room {}", self.setting.room_id),
            _ if !self.plays() => "You are watching.".into(),
            _ if is_over && !both => "The next one to come starts a new match.".into(),
            _ if is_over && wants(true).is_some() => "You want a rematch; the other player has to want it, too.".into(),
            _ if is_over => match wants(false) {
                Some(other) => format!("{} wants a rematch: press r.", self.name(other)),
                None => "Press r for a rematch, with the sides swapped.".into(),
            },
            Status::Playing if self.is_my_turn() => {
                "Move with the arrow keys and press Enter, or type row and column.".into()
            }
            _ if self.is_waited_for() => "The match goes on when they are back; if they are not, you win.".into(),
            _ => "It is the other player's move.".into(),
        }
    }

    /// Moves the cursor, staying on the board.
    pub fn move_cursor(&mut self, rows: i8, cols: i8) {
        let place = |at: u8, by: i8| at.saturating_add_signed(by).min(2);
        self.cursor = (place(self.cursor.0, rows), place(self.cursor.1, cols));
    }

    /// Adds a character to what is typed; commands of one letter count at once.
    pub fn type_char(&mut self, c: char) -> Option<Intent> {
        match c {
            'q' if self.typed.is_empty() => Some(Intent::Quit),
            't' if self.typed.is_empty() => Some(Intent::Move),
            'r' if self.typed.is_empty() => Some(Intent::Act(Action::Rematch {})),
            '0'..='9' | ' ' | ',' if self.typed.len() < TYPED_CHARS_MAX => {
                self.typed.push(c);
                None
            }
            _ => None,
        }
    }

    /// Enters what was typed, or the cell under the cursor.
    pub fn enter(&mut self, now: Instant) -> Option<Intent> {
        let typed = std::mem::take(&mut self.typed);
        if typed.trim().is_empty() {
            let (row, col) = self.cursor;
            return Some(Intent::Act(Action::MakeMove { row: row.into(), col: col.into() }));
        }
        let intent = read_line(&typed);
        if let Some(Intent::Act(Action::MakeMove { row, col })) = intent
            && let Some(cell) = Cell::new(row, col)
        {
            self.cursor = (cell.row(), cell.col());
        }
        if intent.is_none() {
            self.reply("Type a row and a column, each 0 to 2, such as: 1 2", now);
        }
        intent
    }
}

/// Reads a line such as `1 2`, `rematch`, `transport` or `quit`.
#[must_use]
pub fn read_line(line: &str) -> Option<Intent> {
    match line.trim() {
        "q" | "quit" => return Some(Intent::Quit),
        "r" | "rematch" => return Some(Intent::Act(Action::Rematch {})),
        "t" | "transport" => return Some(Intent::Move),
        _ => {}
    }
    let mut numbers = line.split([' ', ',']).filter(|part| !part.is_empty()).map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(row)), Some(Ok(col)), None) => Some(Intent::Act(Action::MakeMove { row, col })),
        _ => None,
    }
}

/// How long something still takes, in a unit that one can imagine.
#[must_use]
pub fn time(left: Duration) -> String {
    let seconds = left.as_secs_f64();
    match seconds / 60.0 {
        minutes if minutes <= 2.0 => format!("{} s", seconds.ceil()),
        minutes if minutes <= 120.0 => format!("{} min", minutes.round()),
        minutes if minutes <= 48.0 * 60.0 => format!("{} h", (minutes / 60.0).round()),
        minutes => format!("{} days", (minutes / 60.0 / 24.0).round()),
    }
}

/// What an event is worth telling in words; states and the like show by themselves.
#[must_use]
pub fn told(event: &RoomEvent<TicTacToe>) -> Option<String> {
    Some(match event {
        RoomEvent::Joined(Member { username, role: Role::Player, .. }) => format!("{} sat down.", printable(username)),
        RoomEvent::Joined(Member { username, .. }) => format!("{} is watching.", printable(username)),
        RoomEvent::Disconnected { username, grace, .. } => {
            format!("{} lost the connection; the seat is kept for {}.", printable(username), time(*grace))
        }
        RoomEvent::Reconnected { username, .. } => format!("{} is back.", printable(username)),
        RoomEvent::Left { username, reason: LeftReason::TimedOut, .. } => {
            format!("{} did not come back in time.", printable(username))
        }
        RoomEvent::Left { username, .. } => format!("{} left.", printable(username)),
        RoomEvent::Error(error) => printable(&error.message),
        RoomEvent::Unreadable { kind, reason } => printable(&format!("{kind} could not be read: {reason}")),
        RoomEvent::Missed { events } => format!("{events} events were missed."),
        RoomEvent::Gap { missed: 0 } => "The server was started anew; this is how things stand.".into(),
        RoomEvent::Gap { missed } => format!("{missed} messages or more were lost; this is how things stand now."),
        RoomEvent::Closed(end) => printable(&end.to_string()),
        _ => return None,
    })
}

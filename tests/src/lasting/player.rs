//! One of a pair: does in each room what there is to do, as soon as it can be done, and goes on after every break.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use anteroom_core::Rng;
use anteroom_games::tic_tac_toe::Cell;
use anteroom_protocol::Codec;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::board::Board;
use super::chat::Chat;
use super::table::{Since, Stage, Table};
use super::{Host, Life};
use crate::message::Message;
use crate::peer::{Via, Way};
use crate::resuming::{Back, Resuming};

/// In one of so many looks at what there is to do, the player's connection is lost.
const LOSS_IN: u32 = 150;
/// How many messages wait for the server at most before more is said.
const UNACKNOWLEDGED_MAX: usize = 24;

/// A request that may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A room to play in, made or joined.
    Board,
    Move(Stage, Cell),
    Rematch(Stage),
    /// A room to talk in, made or joined.
    Talk,
    Say(u64),
    Leave,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// Not done, and nothing of it happened.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// Where a player is with a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    #[default]
    Out,
    Entering,
    /// Nobody knows whether the request to enter was carried out.
    Unsure,
    In,
    Leaving,
}

/// See the module.
#[derive(Debug)]
pub struct Player {
    /// Which of the two; the first makes the rooms.
    pub(super) who: usize,
    pub(super) client: Resuming,
    pub(super) table: Rc<RefCell<Table>>,
    pub(super) rng: Rng,
    pub(super) board: Board,
    pub(super) chat: Chat,
    pub(super) asked: BTreeMap<u64, Asked>,
    /// What nothing but a failure answers.
    pub(super) unanswered: BTreeMap<u64, Asked>,
    /// How often it went on with its session.
    pub(super) returns: u64,
    unknown_read: usize,
    /// Whether this session has been in any room.
    has_entered: bool,
    /// When it does something next of its own accord.
    acts_at: Instant,
}

impl Player {
    pub(super) fn new(who: usize, client: Resuming, table: Rc<RefCell<Table>>, rng: Rng) -> Self {
        let mut player = Self {
            who,
            client,
            table,
            rng,
            board: Board::default(),
            chat: Chat::default(),
            asked: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            returns: 0,
            unknown_read: 0,
            has_entered: false,
            acts_at: Instant::now(),
        };
        player.client.outlives = true;
        player
    }

    /// The session is over, or nobody knows it any more: the same user comes with another one, and goes on where they were.
    pub(super) fn come_anew(&mut self, client: Resuming) {
        assert!(self.asked.is_empty(), "something was waited for: {:?}", self.asked);
        assert_eq!(client.user_id, self.client.user_id, "another user");
        self.client = client;
        self.client.outlives = true;
        (self.unknown_read, self.has_entered) = (0, false);
        (self.board.place, self.chat.place) = (Place::Out, Place::Out);
        self.chat.misses();
    }

    /// A way to the server.
    pub(super) fn way(rng: &mut Rng, ways: &[Via]) -> Way {
        let via = ways[rng.below(ways.len() as u32) as usize];
        Way { via, codec: if rng.below(2) == 0 { Codec::Json } else { Codec::Bincode } }
    }

    /// Plays until the server goes away, or, if nothing new is to be begun, until all that was said has arrived.
    ///
    /// # Panics
    /// If the server has shown anything that the table does not allow.
    pub(super) async fn play(&mut self, life: &Life, host: &impl Host) {
        let mut changes = life.changes();
        loop {
            if self.hear() {
                // The other one may wait for that.
                life.has_changed();
            }
            if life.is_over() {
                return;
            }
            if !self.client.is_connected() || self.rng.below(LOSS_IN) == 0 {
                self.go_on(life, host).await;
                continue;
            }
            let is_calm = life.is_calm();
            if is_calm && self.is_settled() {
                return;
            }
            let thinks = self.acts_at > Instant::now();
            if is_calm {
                self.repeat_move().await;
            } else if !thinks && self.client.kept() < UNACKNOWLEDGED_MAX {
                self.play_board(life).await;
                self.talk(life).await;
                self.acts_at = Instant::now() + life.thinks_for(&mut self.rng);
            }
            let acts_at = Some(self.acts_at).filter(|_| thinks && !is_calm).or(self.board.again_at);
            let woken = async {
                tokio::select! {
                    biased;
                    _ = changes.changed() => {}
                    () = sleep_until(acts_at.unwrap_or_else(Instant::now)), if acts_at.is_some() => {}
                }
            };
            self.client.step_unless(woken).await;
        }
    }

    /// The server is gone: takes in what had arrived, and loses the connections.
    pub(super) async fn lose(&mut self) {
        while self.client.is_connected() && self.client.step_if_ready().await {}
        self.hear();
        self.client.cut();
    }

    /// Goes on with the session, unless the server goes away.
    pub(super) async fn go_on(&mut self, life: &Life, host: &impl Host) {
        self.client.cut();
        while !life.is_over() {
            let via = life.ways[self.rng.below(life.ways.len() as u32) as usize];
            let coming = async {
                match host.dial(self.client.way(via)).await {
                    Some(peer) => self.client.try_reconnect(peer).await,
                    None => Back::Gone,
                }
            };
            let back = tokio::select! {
                biased;
                () = life.over() => return,
                back = coming => back,
            };
            match back {
                Back::Here => {
                    self.returns += 1;
                    return;
                }
                Back::Unknown => return self.begin_anew(life, host).await,
                Back::Gone => life.breathe().await,
            }
        }
    }

    /// The room that it plays in.
    pub(super) fn board_room(&self) -> Option<String> {
        self.table.borrow().room_id.clone().filter(|_| self.board.place == Place::In)
    }

    /// The room that it talks in.
    pub(super) fn talk_room(&self) -> Option<String> {
        self.chat.room_id.clone().filter(|_| self.chat.place == Place::In)
    }

    pub(super) fn is_in(&self, room_id: &str) -> bool {
        [self.board_room(), self.talk_room()].iter().any(|room| room.as_deref() == Some(room_id))
    }

    /// The server does not know the session, which has been in no room: it had not been stored when the server went away.
    async fn begin_anew(&mut self, life: &Life, host: &impl Host) {
        let was_nowhere = |place| matches!(place, Place::Out | Place::Entering);
        assert!(
            was_nowhere(self.board.place) && was_nowhere(self.chat.place),
            "a session in a room is forgotten: {self:?}"
        );
        assert!(!self.has_entered, "a session that was in rooms is forgotten: {self:?}");
        let user_id = self.client.user_id.clone();
        self.asked.clear();
        self.unanswered.clear();
        while !life.is_over() {
            let client = tokio::select! {
                biased;
                () = life.over() => return,
                client = super::life::client(host, life, &mut self.rng, &user_id) => client,
            };
            match client {
                Some(client) => return self.come_anew(client),
                None => life.breathe().await,
            }
        }
    }

    /// Whether all that was said has arrived, and nothing is waited for.
    fn is_settled(&self) -> bool {
        let is_in = |place| matches!(place, Place::Out | Place::In);
        let all_seen = self.board.place == Place::Out || self.board.seen_stage() == Some(self.table.borrow().said());
        let all_open = self.client.is_open();
        all_open
            && self.asked.is_empty()
            && is_in(self.board.place)
            && is_in(self.chat.place)
            && all_seen
            && self.client.kept() == 0
            && self.chat.has_heard_all(self.who)
    }

    /// What it waits for, if it does.
    pub(super) fn waits_for(&self) -> Option<String> {
        let (seen, said) = (self.board.seen_stage(), self.table.borrow().said());
        let (kept, is_open, is_there) = (self.client.kept(), self.client.is_open(), self.client.is_connected());
        let (board, chat, asked) = (self.board.place, &self.chat, &self.asked);
        (!self.is_settled()).then(|| {
            format!(
                "{}: {asked:?}, {kept} kept, open {is_open}, there {is_there}, {board:?} at {seen:?} of {said:?}, {chat:?}",
                self.client.user_id
            )
        })
    }

    /// Takes what has come. Whether that led it into a room, or out of one.
    fn hear(&mut self) -> bool {
        let places = (self.board.place, self.chat.place);
        self.client.forget();
        for heard in std::mem::take(&mut self.client.log) {
            self.take(heard.message);
        }
        for n in self.client.unknown.split_off(self.unknown_read) {
            if let Some(asked) = self.asked.remove(&n) {
                self.answered(asked, Answer::Unknown);
            }
        }
        places != (self.board.place, self.chat.place)
    }

    fn take(&mut self, message: Message) {
        let n = message.reference.as_ref().and_then(Value::as_u64).or_else(|| message.refused_n());
        let asked = n.and_then(|n| self.asked.remove(&n).or_else(|| self.unanswered.remove(&n)));
        match (&*message.kind, &message.error) {
            (_, Some(error)) => {
                let asked = asked.unwrap_or_else(|| panic!("nobody has asked: {message:?}"));
                assert!(error.retryable, "{asked:?}: {message:?}");
                self.answered(asked, Answer::Refused);
            }
            ("create_room_result" | "join_room_result", None) => self.enter(asked, &message),
            ("session_state", None) => self.look_around(&message.data),
            ("lane", None) if message.room_id.is_some() => self.miss(&message),
            ("game_state", None) => {
                let since = if self.board.has_entered { Since::Entrance } else { Since::Before };
                self.see(&message.data, since);
            }
            ("message", None) => self.chat.hear(self.who, &self.table.borrow(), &message.data),
            ("room_closed", None) => panic!("nobody closes rooms: {message:?}"),
            _ => {
                if let Some(asked) = asked {
                    self.answered(asked, Answer::Done);
                }
            }
        }
    }

    /// It is in a room, and sees it: because it has asked for it, or because something was missed.
    fn enter(&mut self, asked: Option<Asked>, message: &Message) {
        let room_id = message.room_id.as_deref().unwrap();
        assert_eq!(message.data["durable"], json!(true), "{message:?}");
        self.check_seat(message);
        self.has_entered = true;
        let is_board = message.data["game"] == "tic_tac_toe";
        if let Some(asked) = &asked {
            assert_eq!(*asked, if is_board { Asked::Board } else { Asked::Talk }, "{message:?}");
        }
        if is_board {
            self.enter_board(room_id);
            self.see(&message.data["view"], Since::Gap);
            self.board.has_entered = asked.is_some();
        } else {
            self.enter_talk(room_id);
        }
    }

    /// Its seat is the one that it has had from the beginning.
    fn check_seat(&self, message: &Message) {
        let user_id = &self.client.user_id;
        let members = message.data["members"].as_array().unwrap();
        let mine = members.iter().find(|member| member["user_id"] == json!(user_id));
        assert_eq!(mine.map(|member| &member["seat"]), Some(&json!(self.who)), "{user_id}: {message:?}");
        assert_eq!(message.data["seat"], json!(self.who), "{user_id}: {message:?}");
        for member in members {
            let seat = member["seat"].as_u64().unwrap() as usize;
            assert_eq!(member["user_id"], json!(self.table.borrow().users[seat]), "{message:?}");
        }
    }

    fn miss(&mut self, message: &Message) {
        if message.room_id.as_ref() == self.table.borrow().talk.room_id.as_ref() {
            self.chat.misses();
        }
    }

    /// Which rooms it is in, as the session says after a gap.
    fn look_around(&mut self, state: &Value) {
        let rooms: Vec<&str> =
            state["rooms"].as_array().unwrap().iter().map(|room| room["room_id"].as_str().unwrap()).collect();
        let board = self.table.borrow().room_id.clone();
        if self.board.place == Place::In {
            assert!(board.as_deref().is_some_and(|board| rooms.contains(&board)), "not at the board any more: {state}");
        }
        let is_talk = |room: &&str| Some(*room) != board.as_deref();
        self.look_around_talk(rooms.into_iter().find(is_talk), board.is_some());
    }

    pub(super) fn answered(&mut self, asked: Asked, answer: Answer) {
        match asked {
            Asked::Board | Asked::Move(..) | Asked::Rematch(_) => self.board.answered(asked, answer),
            Asked::Talk | Asked::Say(_) | Asked::Leave => self.answered_in_talk(asked, answer),
        }
    }

    /// Asks for something on control.
    pub(super) async fn ask(&mut self, asked: Asked, kind: &str, data: Value) {
        let n = self.client.request(kind, data).await;
        self.asked.insert(n, asked);
    }

    /// Asks for something in a room.
    pub(super) async fn ask_in(&mut self, room_id: &str, asked: Asked, kind: &str, data: Value) {
        let n = self.client.request_in(room_id, kind, data).await;
        self.asked.insert(n, asked);
    }
}

//! What each side is told, and what it may type. The tables made here serve other modules' tests, too.

use anteroom_client::{ErrorBody, ErrorCode};
use anteroom_games::tic_tac_toe::{Board, Players};

use super::*;

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn member(name: &str, seat: Option<u16>) -> Member {
    let role = if seat.is_some() { Role::Player } else { Role::Spectator };
    Member::of(user(name), format!("{}!", name.to_uppercase()), role, seat, true)
}

/// A match of ada against bob, on a board such as `X.O/.X./...`.
pub(crate) fn table(me: &str, board: &str) -> Table {
    let mut rows = [[None; 3]; 3];
    for (row, line) in rows.iter_mut().zip(board.split('/')) {
        for (cell, c) in row.iter_mut().zip(line.chars()) {
            *cell = match c {
                'X' => Some(Mark::X),
                'O' => Some(Mark::O),
                _ => None,
            };
        }
    }
    let mut members = vec![member("ada", Some(0)), member("bob", Some(1))];
    let role = if me == "eve" { Role::Spectator } else { Role::Player };
    if role == Role::Spectator {
        members.push(member(me, None));
    }
    let view = View {
        board: Board::from(rows),
        players: Players { x: Some(user("ada")), o: Some(user("bob")) },
        x_seat: anteroom_core::Seat(0),
        current_turn: Some(user("ada")),
        status: Status::Playing,
        winner: None,
        line: None,
        rematch_wanted: Vec::new(),
    };
    let room_id = RoomId::from_bits(0x1234_5678_9abc);
    let room_name = "Ada's room".into();
    let setting = Setting { room_id, room_name, me: user(me), role, members, view };
    Table::new(setting, Link::Up { transport: "QUIC".into() })
}

#[test]
fn each_side_is_told_what_it_can_do() {
    let (mut ada, mut bob, mut eve) = (table("ada", ""), table("bob", ""), table("eve", ""));
    assert_eq!((ada.headline(Instant::now()), ada.my_mark()), (("Your turn.".into(), Mood::Asking), Some(Mark::X)));
    assert_eq!((bob.headline(Instant::now()).0, bob.my_mark()), ("ADA! is thinking.".into(), Some(Mark::O)));
    assert_eq!((eve.hint(), eve.my_mark()), ("You are watching.".into(), None));
    for table in [&mut ada, &mut bob, &mut eve] {
        let view = &mut table.setting.view;
        (view.status, view.current_turn, view.winner) = (Status::Won, None, Some(user("bob")));
        view.rematch_wanted = vec![user("bob")];
    }
    assert_eq!(ada.headline(Instant::now()), ("BOB! wins.".into(), Mood::Sorry));
    assert_eq!(ada.hint(), "BOB! wants a rematch: press r.");
    assert_eq!(bob.headline(Instant::now()).0, "You win: the other player left.");
    assert_eq!(bob.hint(), "You want a rematch; the other player has to want it, too.");
    ada.setting.view.players.o = None;
    assert_eq!(ada.hint(), "The next one to come starts a new match.");
}

#[test]
fn a_lost_player_is_waited_for() {
    let mut table = table("ada", "");
    let now = Instant::now();
    let grace = Duration::from_secs(60);
    let members = table.setting.members.clone();
    let lost = RoomEvent::Disconnected { user_id: user("bob"), username: "Bob".into(), grace };
    table.on_event(&lost, &members, now);
    assert_eq!(table.kept(&user("bob"), now + Duration::from_secs(20)), Some(Duration::from_secs(40)));
    assert_eq!(table.current_notice(now), Some("Bob lost the connection; the seat is kept for 60 s."));
    assert_eq!(table.current_notice(now + NOTICE_TIME), None);
    let back = RoomEvent::Reconnected { user_id: user("bob"), username: "Bob".into() };
    table.on_event(&back, &members, now);
    assert_eq!(table.kept(&user("bob"), now), None);
}

#[test]
fn a_player_without_a_connection_is_told_and_plays_on() {
    let mut table = table("ada", "");
    let now = Instant::now();
    table.link = Link::Down { attempt: 1, next_try: now, is_away: false };
    let (headline, mood) = table.headline(now);
    assert_eq!(mood, Mood::Sorry);
    assert_eq!(headline, "Reconnecting (1, trying now) - your seat is kept meanwhile.");
    assert!(table.hint().contains("sent when the connection is back"));
    assert!(table.enter(now).is_some());
    let members = vec![member("ada", Some(0)), member("bob", Some(1))];
    let grace = Duration::from_secs(60);
    let lost = RoomEvent::Disconnected { user_id: user("bob"), username: "Bob".into(), grace };
    table.on_event(&lost, &members, now);
    // Bob came back while nobody could tell.
    table.on_event(&RoomEvent::Gap { missed: 3 }, &members, now);
    assert_eq!(table.kept(&user("bob"), now), None);
    let notice = "3 messages or more were lost; this is how things stand now.";
    assert_eq!(table.current_notice(now), Some(notice));
}

#[test]
fn moves_are_typed_or_pointed_at() {
    let mut table = table("ada", "");
    let now = Instant::now();
    let place = |row, col| Some(Intent::Act(Action::MakeMove { row, col }));
    table.move_cursor(-1, 0);
    table.move_cursor(-1, 1);
    table.move_cursor(0, 1);
    assert_eq!(table.enter(now), place(0, 2));
    for c in "2 1".chars() {
        assert_eq!(table.type_char(c), None);
    }
    assert_eq!((table.enter(now), table.cursor), (place(2, 1), (2, 1)));
    assert_eq!(table.type_char('7'), None);
    assert_eq!(table.enter(now), None);
    assert!(table.current_notice(now).unwrap().contains("0 to 2"));
    assert_eq!(table.type_char('r'), Some(Intent::Act(Action::Rematch {})));
    assert_eq!(table.type_char('q'), Some(Intent::Quit));
    assert_eq!((table.type_char('t'), read_line("transport")), (Some(Intent::Move), Some(Intent::Move)));
    assert_eq!((read_line(" 0,2 "), read_line("9 9"), read_line("0 1 2")), (place(0, 2), place(9, 9), None));
    assert_eq!((read_line("rematch"), read_line("quit")), (table.type_char('r'), Some(Intent::Quit)));
}

#[test]
fn what_others_say_cannot_touch_the_terminal() {
    let error = ErrorBody::new(ErrorCode::InvalidMove, "no\u{1b}[2J");
    assert_eq!(told(&RoomEvent::Error(error)).unwrap(), "no\u{fffd}[2J");
}

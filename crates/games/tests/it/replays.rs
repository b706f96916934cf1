//! Recordings of real matches: they come out as they did, and what is wrong with one is said.

mod every_game;
mod glass;

use std::time::Duration;

use anteroom_core::replay::{Ended, Frame, Header, Player, ReplayError, Step, mentions};
use anteroom_core::testing::Table;
use anteroom_core::{Registry, Rng};
use anteroom_games::TicTacToe;
use anteroom_games::tic_tac_toe::Action;

fn games() -> Registry {
    anteroom_games::registry().unwrap()
}

/// A match with all that comes and goes.
fn recording() -> Vec<u8> {
    let mut table = Table::<TicTacToe>::new();
    table.sit("ada");
    table.watch("eve");
    table.sit("bob");
    let place = |table: &mut Table<TicTacToe>, name: &str, row, col| {
        let _ = table.act(name, Action::MakeMove { row, col });
        table.advance(Duration::from_millis(1200));
    };
    place(&mut table, "ada", 0, 0);
    place(&mut table, "ada", 0, 1);
    place(&mut table, "bob", 1, 0);
    table.disconnect("bob");
    table.advance(Duration::from_secs(2));
    place(&mut table, "ada", 0, 1);
    table.reconnect("bob");
    place(&mut table, "bob", 1, 1);
    place(&mut table, "ada", 0, 2);
    table.leave("eve");
    table.recording()
}

fn play(bytes: &[u8]) -> (Vec<Frame>, Result<Ended, ReplayError>) {
    let mut frames = Vec::new();
    let games = games();
    let mut player = match Player::open(&games, bytes) {
        Ok(player) => player,
        Err(error) => return (frames, Err(error)),
    };
    loop {
        match player.step() {
            Ok(Step::Turn(frame)) => frames.push(frame),
            Ok(Step::End(ended)) => return (frames, Ok(ended)),
            Ok(Step::Failing(failing)) => panic!("{failing:?}"),
            Err(error) => return (frames, Err(error)),
        }
    }
}

#[test]
fn a_match_is_played_again_turn_by_turn() {
    let bytes = recording();
    let (frames, ended) = play(&bytes);
    assert_eq!(ended, Ok(Ended::Stopped("The test has gone on.".into())));
    let said: Vec<String> = frames
        .iter()
        .flat_map(|frame| &frame.events)
        .map(|event| {
            let who = event.user_id.as_ref().map_or("-", |user_id| user_id.as_str());
            format!("{who} {} {}", event.kind, event.data.as_ref().map_or("", |data| data.text()))
        })
        .collect();
    assert_eq!(
        said,
        [
            r#"ada join {"role":"player","username":"ada"}"#,
            r#"eve join {"role":"spectator","username":"eve"}"#,
            r#"bob join {"role":"player","username":"bob"}"#,
            r#"ada make_move {"row":0,"col":0}"#,
            r#"ada make_move {"row":0,"col":1}"#,
            r#"bob make_move {"row":1,"col":0}"#,
            "bob disconnect ",
            r#"ada make_move {"row":0,"col":1}"#,
            r#"bob join {"role":"player","username":"bob"}"#,
            r#"bob make_move {"row":1,"col":1}"#,
            r#"ada make_move {"row":0,"col":2}"#,
            "eve leave ",
        ]
    );
    let last = frames.last().unwrap();
    assert!(last.view.text().contains(r#""status":"won""#), "{last:?}");
    assert_eq!(last.members.iter().map(|there| there.user_id.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
    assert!(frames.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms && pair[0].turn <= pair[1].turn));
}

/// Cut anywhere, it plays up to there and says so, or says that there is nothing to play.
#[test]
fn a_recording_that_is_cut_short_anywhere_says_so() {
    let bytes = recording();
    let (whole, _) = play(&bytes);
    let mut longest = 0;
    for len in 0..bytes.len() {
        let (frames, ended) = play(&bytes[..len]);
        match ended {
            Ok(ended) => assert_eq!(ended, Ended::CutShort, "cut at {len}"),
            Err(ReplayError::NotARecording) => assert!(len < 12, "cut at {len}"),
            Err(error) => assert_eq!(error, ReplayError::TooShort, "cut at {len}"),
        }
        assert_eq!(frames, whole[..frames.len()], "cut at {len}");
        assert!(frames.len() >= longest, "cut at {len}");
        longest = frames.len();
    }
    assert!(longest >= whole.len() - 1, "{longest} of {}", whole.len());
}

/// Whatever is changed, what comes before it is played, and the rest is not.
#[test]
fn a_recording_that_is_changed_anywhere_says_so() {
    let bytes = recording();
    let (whole, _) = play(&bytes);
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let (frames, ended) = play(&changed);
        let error = ended.expect_err(&format!("changed at {place}"));
        match (place, error) {
            (0..12, ReplayError::NotARecording) | (12..14, ReplayError::OtherFormat(_)) => {}
            (14.., ReplayError::Damaged { turn, .. }) => {
                assert_eq!(turn, frames.last().map_or(0, |frame| frame.turn), "changed at {place}");
            }
            (_, error) => panic!("changed at {place}: {error}"),
        }
        assert_eq!(frames, whole[..frames.len()], "changed at {place}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(play(&longer).1, Err(ReplayError::Damaged { .. })));
}

/// Where the pieces of a recording are.
fn pieces(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut pieces, mut at) = (Vec::new(), 14);
    while at < bytes.len() {
        let len = u32::from_le_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
        pieces.push(at..at + 9 + len + 8);
        at += 9 + len + 8;
    }
    pieces
}

#[test]
fn a_piece_that_is_left_out_moved_or_doubled_is_noticed() {
    let bytes = recording();
    let pieces = pieces(&bytes);
    assert!(pieces.len() > 10, "{pieces:?}");
    for (place, piece) in pieces.iter().enumerate().skip(1) {
        let without = [&bytes[..piece.start], &bytes[piece.end..]].concat();
        let twice = [&bytes[..piece.end], &bytes[piece.start..]].concat();
        let before = &pieces[place - 1];
        let swapped =
            [&bytes[..before.start], &bytes[piece.clone()], &bytes[before.clone()], &bytes[piece.end..]].concat();
        for changed in [without, twice, swapped] {
            let is_end = place + 1 == pieces.len();
            match play(&changed).1 {
                Err(ReplayError::Damaged { .. }) => {}
                // Without its end it is one that was cut short.
                Ok(Ended::CutShort) if is_end => {}
                other => panic!("piece {place}: {other:?}"),
            }
        }
    }
}

#[test]
fn another_game_or_version_is_refused_with_a_sentence() {
    let bytes = recording();
    let refusal = Player::open(&Registry::new(), &bytes[..]).err().unwrap();
    assert_eq!(refusal.to_string(), "the recording is one of \"tic_tac_toe\", a game that is not known here");
    let header = Header::read(&bytes[..]).unwrap();
    assert_eq!((header.game.as_str(), header.seed, header.room_name.as_str()), ("tic_tac_toe", 1, "Table"));
}

#[test]
fn whom_a_recording_mentions_is_known() {
    let bytes = recording();
    for (name, is_there) in [("ada", true), ("eve", true), ("mallory", false), ("ad", false), ("a", false)] {
        assert_eq!(mentions(&bytes, &name.parse().unwrap()), is_there, "{name}");
    }
}

/// What is in memory does not grow with what was played.
#[test]
fn a_recording_of_many_turns_is_read_piece_by_piece() {
    let mut table = Table::<TicTacToe>::new();
    table.sit("ada");
    table.sit("bob");
    let mut rng = Rng::new(7);
    for _ in 0..20_000 {
        let name = if rng.below(2) == 0 { "ada" } else { "bob" };
        let (row, col) = (rng.below(3) as i32, rng.below(3) as i32);
        if table.act(name, Action::MakeMove { row, col }).is_err() {
            let _ = table.act(name, Action::Rematch {});
        }
        table.heard("ada");
        table.heard("bob");
    }
    let bytes = table.recording();
    struct Counted<'a>(&'a [u8], usize);
    impl std::io::Read for Counted<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.1 = self.1.max(into.len());
            std::io::Read::read(&mut self.0, into)
        }
    }
    let games = games();
    let mut player = Player::open(&games, Counted(&bytes, 0)).unwrap();
    let mut turns = 0;
    let ended = loop {
        match player.step().unwrap() {
            Step::Turn(frame) => turns = frame.turn,
            Step::End(ended) => break ended,
            Step::Failing(failing) => panic!("{failing:?}"),
        }
    };
    assert!(turns >= 20_000, "{turns}");
    assert_eq!((ended, player.hashes()), (Ended::Stopped("The test has gone on.".into()), 1));
}

//! A recording as it is shown: one JSON object, or lines for a person. Whoever asks says how much of it they take at most.

use std::io::{self, Read, Write};

use anteroom_core::game::Registry;
use anteroom_core::replay::{Ended, Event, Frame, Header, Player, ReplayError, Step};
use serde::Serialize;

use crate::panics::guarded;

/// How much is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) turns: u64,
    pub(crate) bytes: usize,
}

impl Most {
    pub(crate) const ALL: Self = Self { turns: u64::MAX, bytes: usize::MAX };
}

/// How a recording has come out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) turns: u64,
    /// `closed`, `failed`, or `cut`.
    pub(crate) ended: &'static str,
    /// Whether everything came out as it did.
    pub(crate) verified: bool,
    /// Whether it was looked at whole.
    pub(crate) whole: bool,
    /// What there is to say of it besides.
    pub(crate) remark: Option<String>,
}

/// Plays a recording, and shows each frame that is not like the one before.
///
/// # Errors
/// Whatever the shower gives.
fn play<R: Read>(
    player: &mut Player<R>,
    mut most: Most,
    mut show: impl FnMut(&Frame) -> io::Result<usize>,
) -> io::Result<Played> {
    let mut played = Played { turns: 0, ended: "cut", verified: true, whole: true, remark: None };
    let mut before: Option<Frame> = None;
    loop {
        // The game is not to be trusted more than it was when it was played.
        let step = guarded(|| player.step()).unwrap_or_else(|panic| {
            let why = format!("the game fails in the turn that follows: {panic}");
            Err(ReplayError::Damaged { turn: played.turns, why })
        });
        match step {
            Ok(Step::Turn(frame)) => {
                played.turns = frame.turn;
                let is_news = !frame.events.is_empty()
                    || before.as_ref().is_none_or(|before| {
                        (&before.state, &before.members, &before.view) != (&frame.state, &frame.members, &frame.view)
                    });
                if is_news {
                    let bytes = show(&frame)?;
                    most.bytes = most.bytes.saturating_sub(bytes);
                }
                before = Some(frame);
                if most.bytes == 0 || played.turns >= most.turns {
                    played.whole = false;
                    played.remark = Some("There is more of it than is shown here; `anteroom replay` shows all.".into());
                    return Ok(played);
                }
            }
            Ok(Step::Failing(failing)) => {
                played.ended = "failed";
                let again = guarded(|| player.fail(&failing));
                played.verified = !matches!(again, Ok(Ok(())));
                let why = failing.why();
                played.remark = Some(match played.verified {
                    true => format!("The game failed in the turn that follows: {why}"),
                    false => format!("The game failed in the turn that follows, and does not now: {why}"),
                });
                let mut frame = before.take();
                if let Some(frame) = &mut frame {
                    frame.turn += 1;
                    frame.events = failing.events;
                    show(frame)?;
                }
                return Ok(played);
            }
            Ok(Step::End(ended)) => {
                played.whole = ended != Ended::CutShort;
                (played.ended, played.remark) = match ended {
                    Ended::Closed => ("closed", None),
                    Ended::Failed(why) => ("failed", Some(why)),
                    Ended::CutShort => {
                        ("cut", Some(format!("The recording is cut short behind turn {}.", played.turns)))
                    }
                    Ended::Stopped(why) => ("cut", Some(format!("The recording was stopped: {why}"))),
                };
                return Ok(played);
            }
            Err(error) => {
                played.verified = false;
                played.remark = Some(format!("{}.", capital(&error.to_string())));
                return Ok(played);
            }
        }
    }
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Writes a recording as one JSON object. A room that is recorded still is `running` where the file ends.
///
/// # Errors
/// Why it cannot be opened, with nothing written; or why it cannot be written.
pub(crate) fn write_json(
    games: &Registry,
    from: impl Read,
    is_running: bool,
    most: Most,
    out: &mut impl Write,
) -> Result<Played, PlayError> {
    let mut player = open(games, from)?;
    let header = player.header().clone();
    write_head(&header, out)?;
    let mut is_first = true;
    let mut played = play(&mut player, most, |frame| {
        let text = serde_json::to_vec(frame)?;
        if !std::mem::take(&mut is_first) {
            out.write_all(b",")?;
        }
        out.write_all(&text)?;
        Ok(text.len())
    })?;
    let is_cut_short = !played.whole && played.verified && played.ended == "cut";
    if is_running && is_cut_short && most.turns > played.turns {
        (played.ended, played.remark, played.whole) = ("running", None, true);
    }
    #[derive(Serialize)]
    struct Tail<'a> {
        players: Vec<anteroom_core::replay::Seated>,
        ended: &'a str,
        verified: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        remark: Option<&'a str>,
    }
    let Played { ended, verified, remark, .. } = &played;
    let tail = Tail { players: player.players(), ended, verified: *verified, remark: remark.as_deref() };
    let tail = serde_json::to_string(&tail).map_err(io::Error::from)?;
    write!(out, "],{}", &tail[1..])?;
    Ok(played)
}

fn write_head(header: &Header, out: &mut impl Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Head<'a> {
        format: u16,
        #[serde(flatten)]
        header: &'a Header,
    }
    let head = serde_json::to_string(&Head { format: anteroom_core::replay::FORMAT, header })?;
    write!(out, "{},\"frames\":[", &head[..head.len() - 1])
}

/// Writes a recording as lines for a person.
///
/// # Errors
/// The same.
pub(crate) fn write_transcript(games: &Registry, from: impl Read, out: &mut impl Write) -> Result<Played, PlayError> {
    let mut player = open(games, from)?;
    let Header { build, game, version, room_id, room_name, created_at_ms, seed, options, .. } = player.header().clone();
    let options = options.map_or_else(|| "{}".to_owned(), |options| options.text().to_owned());
    line(out, &format!("{game} version {version} in room {room_id} ({room_name}), recorded by {build}"))?;
    line(out, &format!("made at {created_at_ms} ms, seed {seed}, options {options}"))?;
    let played = play(&mut player, Most::ALL, |frame| {
        write_frame(frame, created_at_ms, out)?;
        Ok(0)
    })?;
    let hashes = player.hashes();
    if let Some(remark) = &played.remark {
        line(out, remark)?;
    }
    let came_out = if played.verified { "All of them" } else { "Not all" };
    line(out, &format!("{} turns, {hashes} states compared. {came_out} came out as they did.", played.turns))?;
    Ok(played)
}

/// Gives the frame after a turn, if there are so many.
///
/// # Errors
/// The same as of the others.
pub(crate) fn frame_at(games: &Registry, from: impl Read, turn: u64) -> Result<(Option<Frame>, Played), PlayError> {
    let mut player = open(games, from)?;
    let mut found = None;
    let most = Most { turns: turn, ..Most::ALL };
    // Frames that are like the one before are not shown, but have happened.
    let played = play(&mut player, most, |frame| {
        found = Some(frame.clone());
        Ok(0)
    })?;
    if let Some(frame) = found.as_mut().filter(|_| played.turns >= turn)
        && frame.turn < turn
    {
        frame.turn = turn;
        frame.events.clear();
    }
    Ok((found.filter(|_| played.turns >= turn), played))
}

/// Writes a frame as lines.
pub(crate) fn write_frame(frame: &Frame, since_ms: u64, out: &mut impl Write) -> io::Result<()> {
    let Frame { turn, at_ms, events, state, members, view } = frame;
    let state = serde_json::to_string(state)?;
    line(out, &format!("turn {turn}, +{} ms, {}", at_ms.saturating_sub(since_ms), state.trim_matches('"')))?;
    for Event { kind, user_id, data } in events {
        let who = user_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let data = data.as_ref().map_or_else(String::new, |data| format!(" {}", data.text()));
        line(out, &format!("  {who}: {kind}{data}"))?;
    }
    let names: Vec<String> = members
        .iter()
        .map(|there| {
            let seat = there.seat.map_or_else(|| "watches".to_owned(), |seat| format!("seat {seat}"));
            let away = if there.connected { "" } else { ", away" };
            let bot = if there.bot { ", bot" } else { "" };
            format!("{} ({seat}{away}{bot})", there.username)
        })
        .collect();
    line(out, &format!("  members {}", if names.is_empty() { "nobody".into() } else { names.join(", ") }))?;
    line(out, &format!("  view {}", view.text()))
}

/// A line, without what a terminal would act on.
fn line(out: &mut impl Write, text: &str) -> io::Result<()> {
    let plain: String = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    writeln!(out, "{plain}")
}

fn open<R: Read>(games: &Registry, from: R) -> Result<Player<R>, PlayError> {
    let opened = guarded(|| Player::open(games, from));
    opened
        .map_err(|panic| PlayError::Failed(format!("the game fails when it is restored: {panic}")))?
        .map_err(Into::into)
}

/// Why a recording is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("{0}")]
    Failed(String),
    #[error("cannot be written: {0}")]
    Output(#[from] io::Error),
}

//! `anteroom replay`: plays a recording, and says whether it comes out as it did.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anteroom_core::game::Registry;

use super::Failure;
use crate::output;
use crate::replaying::{self, Most, PlayError, Played};

#[derive(Debug, clap::Args)]
pub(super) struct ReplayCommand {
    /// The recording.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Print only what the room is like after this turn; 0 is how the recording begins.
    #[arg(long, value_name = "TURN")]
    at: Option<u64>,
}

pub(super) fn run(ReplayCommand { file, json, at }: &ReplayCommand, games: &Registry) -> Result<ExitCode, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure(1, format!("{}: {why}", file.display()));
    let from = File::open(file).map(BufReader::new).map_err(|error| failed(&error))?;
    let mut out = BufWriter::new(stdout().lock());
    let played = match (*at, *json) {
        (Some(turn), json) => at_turn(games, from, turn, json, &mut out),
        (None, true) => replaying::write_json(games, from, false, Most::ALL, &mut out).and_then(|played| {
            writeln!(out)?;
            Ok(played)
        }),
        (None, false) => replaying::write_transcript(games, from, &mut out),
    };
    // Whoever reads only the beginning has what they want.
    let is_closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    let played = match played.and_then(|played| Ok(out.flush().map(|()| played)?)) {
        Err(PlayError::Output(error)) if is_closed(&error) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(failed(&error)),
        Ok(played) => played,
    };
    Ok(verdict(&played, file, at.is_some()))
}

fn at_turn(
    games: &Registry,
    from: impl std::io::Read,
    turn: u64,
    json: bool,
    out: &mut impl Write,
) -> Result<Played, PlayError> {
    let (frame, played) = replaying::frame_at(games, from, turn)?;
    match frame {
        Some(frame) if json => writeln!(out, "{}", serde_json::to_string(&frame).map_err(std::io::Error::from)?)?,
        Some(frame) => replaying::write_frame(&frame, frame.at_ms, out)?,
        None if played.verified => {
            return Err(PlayError::Failed(format!("the recording has {} turns, so there is no {turn}", played.turns)));
        }
        None => {}
    }
    Ok(Played { whole: true, remark: played.remark.filter(|_| !played.verified), ..played })
}

fn verdict(Played { verified, whole, remark, .. }: &Played, file: &Path, is_part: bool) -> ExitCode {
    if *verified && (*whole || is_part) {
        return ExitCode::SUCCESS;
    }
    output::complain(&format!("{}: {}", file.display(), remark.as_deref().unwrap_or_default()));
    ExitCode::FAILURE
}

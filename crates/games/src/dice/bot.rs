//! A computer that plays dice: it weighs what it has against what it may lose.

use super::score::{DICE, score};
use super::{Action, Status, View};
use anteroom_core::Seat;

/// For so many dice left over, where none means all six again: how likely it is that a throw of them scores, in thousandths, and
/// about what the turn then gains. The first follows from the rules; the second is a rough guess that plays well.
const ODDS: [(u32, u32); DICE + 1] =
    [(977, 550), (333, 300), (556, 200), (722, 220), (843, 260), (923, 370), (977, 550)];

/// What to do next.
pub(super) fn next(view: &View, seat: Seat) -> Option<Action> {
    let me = view.players.get(usize::from(seat.0))?.as_ref()?;
    match view.status {
        Status::Won if !view.rematch_wanted.contains(me) => return Some(Action::Rematch {}),
        Status::Playing if view.current_turn.as_ref() == Some(me) => {}
        _ => return None,
    }
    if view.can_roll {
        return Some(Action::Roll {});
    }
    let own = view.scores.get(me).copied().unwrap_or_default();
    let (selection, end_turn) = plan(&view.dice, view.turn_score, view.target.saturating_sub(own))?;
    let toggle = (0..view.dice.len()).find(|place| {
        let index = i32::try_from(*place).unwrap_or_default();
        view.selected.contains(&index) != (selection >> place & 1 == 1)
    });
    Some(match toggle {
        Some(place) => Action::Select { dice_index: i32::try_from(place).ok()? },
        None => Action::SetAside { end_turn },
    })
}

/// Which dice to set aside, as bits, and whether to end the turn with that.
fn plan(dice: &[u8], turn_score: u32, wanted: u32) -> Option<(u32, bool)> {
    let mut best: Option<(u64, u32, bool)> = None;
    for selection in 1..1u32 << dice.len().min(DICE) {
        let chosen: Vec<u8> =
            (0..).zip(dice).filter(|(place, _)| selection >> place & 1 == 1).map(|(_, v)| *v).collect();
        let Some(worth) = score(&chosen) else { continue };
        let has = turn_score.saturating_add(worth);
        let (odds, gain) = ODDS[dice.len().min(DICE) - chosen.len()];
        let goes_on = u64::from(has.saturating_add(gain)) * u64::from(odds) / 1000;
        let ends = u64::from(has);
        let end_turn = has >= wanted || ends >= goes_on;
        let value = if has >= wanted { u64::MAX } else { ends.max(goes_on) };
        if best.is_none_or(|(highest, ..)| value > highest) {
            best = Some((value, selection, end_turn));
        }
    }
    best.map(|(_, selection, end_turn)| (selection, end_turn))
}

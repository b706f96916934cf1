//! A computer that plays owe drahn: it rolls as long as that is safe enough, and gives a life before.

use anteroom_core::{Rng, Seat, UserId};

use super::{Action, Phase, Status, TOTAL_MAX, View};

/// What to do next.
pub(super) fn next(view: &View, seat: Seat, rng: &mut Rng) -> Option<Action> {
    let me = view.players.get(usize::from(seat.0))?.as_ref()?;
    if view.status != Status::Playing {
        // A computer has nothing to win by a bet.
        let open = view.sidebets.iter().find(|bet| bet.to == *me && !bet.accepted)?;
        return Some(Action::SidebetDecline { user_id: Some(open.from.clone()) });
    }
    if view.current_turn.as_ref() != Some(me) {
        return None;
    }
    Some(match view.phase {
        Phase::ChooseNext => Action::ChooseNext { user_id: weakest(view, me, rng)? },
        Phase::Roll if is_too_risky(view.total, lives_of(view, me)) => Action::LoseLife {},
        Phase::Roll => Action::Roll {},
    })
}

fn lives_of(view: &View, user: &UserId) -> u8 {
    view.lives.get(user).copied().unwrap_or_default()
}

/// The more lives there are, the sooner one is given.
fn is_too_risky(total: u8, lives: u8) -> bool {
    // A 3 does not count.
    let fatal = [1, 2, 4, 5, 6].into_iter().filter(|value| total + value > TOTAL_MAX).count();
    match lives {
        0 | 1 => false,
        2 | 3 => fatal >= 3,
        _ => fatal >= 2,
    }
}

/// One of those who have the fewest lives.
fn weakest(view: &View, me: &UserId, rng: &mut Rng) -> Option<UserId> {
    let others = || view.lives.iter().filter(|(user, lives)| *user != me && **lives > 0);
    let fewest = others().map(|(_, lives)| *lives).min()?;
    let weakest: Vec<&UserId> = others().filter(|(_, lives)| **lives == fewest).map(|(user, _)| user).collect();
    let place = rng.below(u32::try_from(weakest.len()).ok()?);
    weakest.get(place as usize).map(|user| (*user).clone())
}

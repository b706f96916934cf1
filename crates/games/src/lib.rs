//! The games that come with Anteroom: rules only, each a state machine behind [`anteroom_core::Game`].
//!
//! Pure: a game knows players and time as arguments, never a connection, a clock or a socket. A client that plays
//! one of them shares its types from here.
//!
//! | module | game |
//! |---|---|
//! | [`dice`] | two to six players, six dice, and the nerve to stop |
//! | [`owe_drahn`] | two to ten players, one die, and six lives each |
//! | [`tic_tac_toe`] | two players, three in a row, rematch |
//! | [`relay`] | up to 1,024 members, whatever one says is heard by all |

pub mod dice;
pub mod owe_drahn;
pub mod relay;
pub mod tic_tac_toe;

pub use dice::Dice;
pub use owe_drahn::OweDrahn;
pub use relay::Relay;
pub use tic_tac_toe::TicTacToe;

use anteroom_core::Registry;
use anteroom_core::game::RegistryError;

/// A registry with every game of this crate.
///
/// # Errors
/// [`RegistryError`] if two of them clash, which the tests rule out.
pub fn registry() -> Result<Registry, RegistryError> {
    let mut registry = Registry::new();
    registry.register::<TicTacToe>()?;
    registry.register::<Dice>()?;
    registry.register::<OweDrahn>()?;
    registry.register::<Relay>()?;
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_game_is_registered() {
        assert_eq!(registry().unwrap().names().collect::<Vec<_>>(), ["dice", "owe_drahn", "relay", "tic_tac_toe"]);
    }
}

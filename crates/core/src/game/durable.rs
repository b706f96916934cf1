//! Which rooms outlive the server that runs them. Where and how they are kept is not known here.

use anteroom_protocol::{ErrorBody, ErrorCode};

/// Whether the rooms of a game outlive the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durable {
    /// None does.
    #[default]
    Never,
    /// Every one does.
    Always,
    /// Whoever makes a room says so; this is what holds for those who do not.
    Choice(bool),
}

impl Durable {
    /// Whether a room outlives the server, given what its creator asked for.
    ///
    /// # Errors
    /// `invalid_options` if that is not to be had.
    pub fn settle(self, asked: Option<bool>) -> Result<bool, ErrorBody> {
        let refuse = |sentence| Err(ErrorBody::new(ErrorCode::InvalidOptions, sentence));
        match (self, asked) {
            (Self::Never, Some(true)) => refuse("Rooms of this game do not last: leave `durable` out."),
            (Self::Always, Some(false)) => refuse("Rooms of this game always last: leave `durable` out."),
            (Self::Never, _) => Ok(false),
            (Self::Always, _) => Ok(true),
            (Self::Choice(by_default), asked) => Ok(asked.unwrap_or(by_default)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_had_or_refused() {
        for (durable, asked, settled) in [
            (Durable::Never, None, Some(false)),
            (Durable::Never, Some(false), Some(false)),
            (Durable::Never, Some(true), None),
            (Durable::Always, None, Some(true)),
            (Durable::Always, Some(false), None),
            (Durable::Always, Some(true), Some(true)),
            (Durable::Choice(true), None, Some(true)),
            (Durable::Choice(true), Some(false), Some(false)),
            (Durable::Choice(false), None, Some(false)),
            (Durable::Choice(false), Some(true), Some(true)),
        ] {
            let refused = durable.settle(asked).map_err(|error| error.code);
            assert_eq!(refused, settled.ok_or(ErrorCode::InvalidOptions), "{durable:?}, {asked:?}");
        }
    }
}

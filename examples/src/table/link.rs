//! How the session is connected, in a player's words.

use std::fmt;
use std::time::Instant;

use anteroom_client::SessionState;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Everything flows.
    Up {
        /// Over what.
        transport: String,
    },
    /// Everything flows, and the session goes over to something else.
    Moving {
        /// From what.
        from: String,
        /// To what.
        to: String,
    },
    /// There is no connection.
    Down {
        /// The number of the next attempt, or of the one that is being made.
        attempt: u32,
        /// When it is made.
        next_try: Instant,
        /// When the seat is given up.
        until: Instant,
    },
    /// There will be none.
    Over,
}

impl Link {
    /// A session's.
    #[must_use]
    pub fn of(state: &SessionState) -> Self {
        match state {
            SessionState::Connected { transport } => Self::Up { transport: transport.to_string() },
            SessionState::Moving { from, to } => Self::Moving { from: from.to_string(), to: to.to_string() },
            SessionState::Reconnecting { attempt, next_try, until, .. } => {
                Self::Down { attempt: *attempt, next_try: next_try.into_std(), until: until.into_std() }
            }
            _ => Self::Over,
        }
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn trouble(&self, now: Instant) -> Option<String> {
        let Self::Down { attempt, next_try, until } = self else { return None };
        let kept = until.saturating_duration_since(now).as_secs_f64().ceil();
        let wait = next_try.saturating_duration_since(now);
        let next =
            if wait.is_zero() { "trying now".into() } else { format!("next try in {:.1} s", wait.as_secs_f64()) };
        Some(format!("Reconnecting ({attempt}, {next}) - your seat is kept for {kept} s."))
    }

    /// What has changed since it was another, if that is worth telling.
    #[must_use]
    pub fn told_since(&self, before: &Self, now: Instant) -> Option<String> {
        match (before, self) {
            (Self::Down { .. }, Self::Down { .. }) | (_, Self::Moving { .. } | Self::Over) => None,
            (_, Self::Down { until, .. }) => {
                let kept = until.saturating_duration_since(now).as_secs_f64().ceil();
                Some(format!("The connection is lost; your seat is kept for {kept} s."))
            }
            (Self::Down { .. }, Self::Up { transport }) => Some(format!("Connected again, over {transport}.")),
            (Self::Moving { from, .. }, Self::Up { transport }) if from == transport => None,
            (Self::Up { transport: from }, Self::Up { transport }) if from == transport => None,
            (_, Self::Up { transport }) => Some(format!("The match goes on over {transport}.")),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { transport } => f.write_str(transport),
            Self::Moving { from, to } => write!(f, "{from} → {to}"),
            Self::Down { .. } | Self::Over => f.write_str("no connection"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_happens_to_the_connection_is_told_once() {
        let now = Instant::now();
        let up = |transport: &str| Link::Up { transport: transport.into() };
        let down = |attempt, ms| Link::Down {
            attempt,
            next_try: now + Duration::from_millis(ms),
            until: now + Duration::from_millis(51_200),
        };
        assert_eq!(up("QUIC").trouble(now), None);
        let trouble = "Reconnecting (2, next try in 0.8 s) - your seat is kept for 52 s.";
        assert_eq!(down(2, 800).trouble(now).unwrap(), trouble);
        let told = "The connection is lost; your seat is kept for 52 s.";
        assert_eq!(down(2, 800).told_since(&up("QUIC"), now).unwrap(), told);
        assert_eq!(down(3, 0).told_since(&down(2, 800), now), None);
        assert!(down(3, 0).trouble(now).unwrap().contains("(3, trying now)"));
        assert_eq!(up("QUIC").told_since(&down(3, 0), now).unwrap(), "Connected again, over QUIC.");
        let moving = Link::Moving { from: "WebSocket".into(), to: "quic".into() };
        assert_eq!((moving.told_since(&up("WebSocket"), now), moving.to_string()), (None, "WebSocket → quic".into()));
        assert_eq!(up("WebSocket").told_since(&moving, now), None);
        assert_eq!(up("QUIC").told_since(&moving, now).unwrap(), "The match goes on over QUIC.");
    }
}

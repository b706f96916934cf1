//! How the session is connected, in a player's words.

use std::fmt;
use std::time::Instant;

use anteroom_client::{CloseCode, Closed, SessionState};

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
        /// Whether the server has said that it goes and comes back.
        is_away: bool,
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
            SessionState::Reconnecting { attempt, next_try, why, .. } => {
                let is_away = matches!(why, Closed::ByPeer { code, .. } if *code == CloseCode::ShuttingDown.number());
                Self::Down { attempt: *attempt, next_try: next_try.into_std(), is_away }
            }
            _ => Self::Over,
        }
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn trouble(&self, now: Instant) -> Option<String> {
        let Self::Down { attempt, next_try, is_away } = self else { return None };
        let wait = next_try.saturating_duration_since(now);
        let next =
            if wait.is_zero() { "trying now".into() } else { format!("next try in {:.1} s", wait.as_secs_f64()) };
        let meanwhile = if *is_away { "the server is away" } else { "your seat is kept meanwhile" };
        Some(format!("Reconnecting ({attempt}, {next}) - {meanwhile}."))
    }

    /// What has changed since it was another, if that is worth telling.
    #[must_use]
    pub fn told_since(&self, before: &Self) -> Option<String> {
        match (before, self) {
            (Self::Down { .. }, Self::Down { .. }) | (_, Self::Moving { .. } | Self::Over) => None,
            (_, Self::Down { is_away: true, .. }) => {
                Some("The server is away; the match goes on when it is back.".into())
            }
            (_, Self::Down { .. }) => Some("The connection is lost; your seat is kept meanwhile.".into()),
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
        let down = |attempt, ms| Link::Down { attempt, next_try: now + Duration::from_millis(ms), is_away: false };
        assert_eq!(up("QUIC").trouble(now), None);
        let trouble = "Reconnecting (2, next try in 0.8 s) - your seat is kept meanwhile.";
        assert_eq!(down(2, 800).trouble(now).unwrap(), trouble);
        let told = "The connection is lost; your seat is kept meanwhile.";
        assert_eq!(down(2, 800).told_since(&up("QUIC")).unwrap(), told);
        let away = Link::Down { attempt: 1, next_try: now, is_away: true };
        assert_eq!(away.trouble(now).unwrap(), "Reconnecting (1, trying now) - the server is away.");
        assert!(away.told_since(&up("QUIC")).unwrap().starts_with("The server is away"));
        assert_eq!(down(3, 0).told_since(&down(2, 800)), None);
        assert!(down(3, 0).trouble(now).unwrap().contains("(3, trying now)"));
        assert_eq!(up("QUIC").told_since(&down(3, 0)).unwrap(), "Connected again, over QUIC.");
        let moving = Link::Moving { from: "WebSocket".into(), to: "quic".into() };
        assert_eq!((moving.told_since(&up("WebSocket")), moving.to_string()), (None, "WebSocket → quic".into()));
        assert_eq!(up("WebSocket").told_since(&moving), None);
        assert_eq!(up("QUIC").told_since(&moving).unwrap(), "The match goes on over QUIC.");
    }
}

//! For whom a server runs: for whoever works on it, or for everybody.

/// How a server is to run, besides its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Guests, any page of this machine, a certificate made on the spot.
    Development {
        /// Whether other machines may connect.
        on_network: bool,
    },
    /// What is configured, and nothing else.
    Production,
}

impl Mode {
    /// Whether it is for whoever works on it.
    pub(crate) fn is_development(self) -> bool {
        self != Self::Production
    }

    /// Whether it is a development server that other machines may reach.
    pub(crate) fn is_on_network(self) -> bool {
        self == Self::Development { on_network: true }
    }
}

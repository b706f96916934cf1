//! What is measured: one transport and one delivery class at a time, and the clock that all of them share.

use std::fmt;
use std::time::{Duration, Instant};

use anteroom_client::{Transport, TransportChoice};
use anteroom_games::relay::DeliveryClass;
use serde::{Deserialize, Serialize};

/// The transports, as tables list them.
pub(crate) const TRANSPORTS: [Carrier; 3] = [Carrier::WebSocket, Carrier::WebTransport, Carrier::Quic];
/// The delivery classes, as tables list them.
pub(crate) const CLASSES: [Class; 3] = [Class::Reliable, Class::Latest, Class::Unreliable];
/// Between two states.
pub(crate) const PERIOD: Duration = Duration::from_millis(50);

/// What carries the listeners' sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Carrier {
    WebSocket,
    WebTransport,
    #[serde(rename = "QUIC")]
    Quic,
}

impl Carrier {
    pub(crate) fn choice(self) -> TransportChoice {
        match self {
            Self::WebSocket => TransportChoice::WebSocket,
            Self::WebTransport => TransportChoice::WebTransport,
            Self::Quic => TransportChoice::Quic,
        }
    }

    pub(crate) fn is(self, transport: Transport) -> bool {
        matches!(
            (self, transport),
            (Self::WebSocket, Transport::WebSocket)
                | (Self::WebTransport, Transport::WebTransport)
                | (Self::Quic, Transport::Quic)
        )
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "WebSocket",
            Self::WebTransport => "WebTransport",
            Self::Quic => "QUIC",
        })
    }
}

/// How the states are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    Reliable,
    Latest,
    Unreliable,
}

impl Class {
    pub(crate) fn delivery(self) -> DeliveryClass {
        match self {
            Self::Reliable => DeliveryClass::Reliable,
            Self::Latest => DeliveryClass::Latest,
            Self::Unreliable => DeliveryClass::Unreliable,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reliable => "reliable",
            Self::Latest => "latest",
            Self::Unreliable => "unreliable",
        })
    }
}

/// One transport and one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) transport: Carrier,
    pub(crate) class: Class,
    /// Whether each listener's session is in a second room, too, in which a lot is told.
    pub(crate) beside: bool,
}

impl Cell {
    /// A stream that the listeners' sessions have for themselves.
    pub(crate) fn alone(transport: Carrier, class: Class) -> Self {
        Self { transport, class, beside: false }
    }

    /// A reliable stream beside another room's.
    pub(crate) fn beside(transport: Carrier) -> Self {
        Self { transport, class: Class::Reliable, beside: true }
    }

    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let alone = TRANSPORTS.into_iter().flat_map(|transport| CLASSES.map(|class| Self::alone(transport, class)));
        alone.chain(TRANSPORTS.map(Self::beside)).collect()
    }
}

/// When each state of a stream is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) start: Instant,
    /// States before those that count, until the connections have settled with the loss.
    pub(crate) warm_up: u32,
    /// States that count.
    pub(crate) states: u32,
}

impl Schedule {
    /// The schedule of a stream among others: they take turns, so that the link carries no bursts.
    pub(crate) fn staggered(self, place: usize, of: usize) -> Self {
        Self { start: self.start + PERIOD * place as u32 / of as u32, ..self }
    }

    pub(crate) fn due(&self, number: u32) -> Instant {
        self.start + PERIOD * number
    }

    /// From the first state that counts to the last.
    pub(crate) fn window(&self) -> (Instant, Instant) {
        (self.due(self.warm_up), self.due(self.warm_up + self.states))
    }

    /// The numbers of all states.
    pub(crate) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.warm_up + self.states
    }
}

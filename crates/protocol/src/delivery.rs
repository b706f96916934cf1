//! What a sender promises about a message, and what the wire does to keep it.

use std::borrow::Cow;

/// The delivery class of one message, chosen by its sender. It keeps its meaning on every transport.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Delivery {
    /// Ordered in its lane, exactly once.
    #[default]
    Reliable,
    /// Only the newest value of the key matters: it replaces one not yet written, and it is never delivered
    /// before a reliable message that was sent before it.
    Latest {
        /// What the value is of; at most [`crate::limits::KEY_BYTES_MAX`] bytes.
        key: Cow<'static, str>,
    },
    /// A datagram where the transport has them, dropped when lost; [`Delivery::Latest`] elsewhere, or when it
    /// does not fit. May arrive out of order.
    Unreliable {
        /// The key to conflate by where datagrams are not to be had.
        key: Cow<'static, str>,
    },
}

impl Delivery {
    /// The key that marks the message on the wire, if its class has one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Reliable => None,
            Self::Latest { key } | Self::Unreliable { key } => Some(key),
        }
    }
}

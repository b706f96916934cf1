//! What a world is like.

use anteroom_core::lanes::SessionBounds;
use anteroom_protocol::Codec;
use anteroom_protocol::lane::Bounds;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Climate {
    pub(crate) codec: Codec,
    /// The client acknowledges.
    pub(crate) keeps: bool,
    pub(crate) space: Space,
}

/// How much may be kept and may wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Space {
    /// Nothing has to be dropped, ever.
    All,
    /// Few messages.
    Few,
    /// Few bytes, and as with a real server more of them may wait than may be kept. Some messages are larger than that.
    Little,
}

impl Climate {
    /// Those of both codecs.
    pub(crate) fn all(keeps: bool, spaces: &[Space]) -> Vec<Self> {
        let of = |space: &Space| Codec::ALL.map(|codec| Self { codec, keeps, space: *space });
        spaces.iter().flat_map(of).collect()
    }

    pub(crate) fn is_roomy(self) -> bool {
        self.space == Space::All
    }

    pub(crate) fn bounds(self) -> SessionBounds {
        match self.space {
            Space::All => SessionBounds { control: Bounds::NONE, room: Bounds::NONE },
            Space::Few => {
                let room = Bounds {
                    messages_max: 16,
                    age_max_ms: 20_000,
                    kept_bytes_max: 2500,
                    waiting_bytes_max: 1800,
                    values_max: 4,
                    value_bytes_max: usize::MAX,
                };
                let control = Bounds { messages_max: 30, waiting_bytes_max: 4000, ..room };
                SessionBounds { control, room }
            }
            Space::Little => {
                let room = Bounds {
                    messages_max: 100,
                    age_max_ms: 20_000,
                    kept_bytes_max: 700,
                    waiting_bytes_max: 2800,
                    values_max: usize::MAX,
                    value_bytes_max: 2000,
                };
                SessionBounds { control: Bounds { waiting_bytes_max: 5000, ..room }, room }
            }
        }
    }
}

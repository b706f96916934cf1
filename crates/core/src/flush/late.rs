//! What those who watch hear later than the others: kept in the form in which it was said, and said again when it is due. Of
//! themselves they hear with the others.
//!
//! When that is, and how much is kept, is decided elsewhere.

use std::sync::Arc;

use anteroom_protocol::message::Role;
use anteroom_protocol::{Codec, UserId};
use serde::{Deserialize, Serialize};

use crate::room::MemberId;

use super::{About, Class, Heard, Item, PerCodec, Said, To};

/// What a message takes besides its texts, in bytes.
const MESSAGE_BYTES: usize = 64;

/// A message that has not been heard by those who watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withheld {
    to: To,
    /// What it is the newest of; none of what is reliable.
    key: Option<String>,
    is_datagram: bool,
    /// Whom it is about, who has heard it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<UserId>,
    json: String,
    binary: Vec<u8>,
}

impl Withheld {
    /// How much it takes.
    pub(crate) fn bytes(&self) -> usize {
        MESSAGE_BYTES + self.json.len() + self.binary.len()
    }

    /// What it is the newest of, and for whom: it need not be said if there is a newer one. None of what is reliable.
    pub(crate) fn value(&self) -> Option<(&str, To, bool)> {
        Some((self.key.as_deref()?, self.to, self.is_datagram))
    }

    /// Whom it is about, if it is about somebody.
    pub(crate) fn about(&self) -> Option<&UserId> {
        self.about.as_ref()
    }

    /// Whether a text is in it.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.json.contains(text) || has(&self.binary, text)
    }

    fn text(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Json => self.json.as_bytes(),
            Codec::Bincode => &self.binary,
        }
    }
}

/// Whether a text is among bytes.
pub(crate) fn has(bytes: &[u8], text: &str) -> bool {
    !text.is_empty() && bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

impl Said {
    /// From now on those who watch hear nothing but answers and farewells, until it is [said late](Self::say_late).
    pub(crate) fn withhold(&mut self) {
        self.withholds = true;
    }

    /// What those who watch have not heard since this was asked last. Everything must be sealed.
    pub(crate) fn take_withheld(&mut self) -> Vec<Withheld> {
        std::mem::take(&mut self.withheld)
    }

    /// The same, and it still is to be taken.
    pub(crate) fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// Says something to those who watch that the others heard before, and these sessions of whom it is about.
    pub(crate) fn say_late(&mut self, withheld: &Withheld, sessions: Vec<MemberId>) {
        self.say_again(withheld, withheld.to, Heard::Late, sessions);
    }

    /// Says something to one who has ceased to watch, if it was for them.
    pub(crate) fn say_late_to(&mut self, member: MemberId, withheld: &Withheld) {
        if withheld.to.includes(member, Role::Spectator) {
            self.say_again(withheld, To::Only(member), Heard::AtOnce, Vec::new());
        }
    }

    fn say_again(&mut self, withheld: &Withheld, to: To, heard: Heard, sessions: Vec<MemberId>) {
        let spans: PerCodec<_> = std::array::from_fn(|codec| {
            let bytes = &mut self.bytes[codec];
            let start = bytes.len();
            bytes.extend_from_slice(withheld.text(Codec::ALL[codec]));
            start..bytes.len()
        });
        let class = match withheld.key.as_deref().map(Arc::from) {
            None => Class::Reliable,
            Some(key) if withheld.is_datagram => Class::Unreliable(key),
            Some(key) => Class::Latest(key),
        };
        let about = withheld.about.clone().map(|user_id| About { user_id, sessions });
        self.items.push(Item { to, class, heard, about, spans });
    }

    /// Keeps what those who watch do not hear now.
    pub(super) fn keep_withheld(&mut self) {
        for (place, item) in self.items.iter().enumerate() {
            let is_for_watchers = match item.to {
                To::Only(member) if item.is_about(member) => false,
                To::Only(member) => self.listeners.get(&member).is_some_and(|who| who.role == Role::Spectator),
                To::Everyone | To::Spectators | To::Except(_) => true,
            };
            if item.heard != Heard::InTurn
                || !is_for_watchers
                || item.class != Class::Reliable && self.is_outdated(place)
            {
                continue;
            }
            let json = String::from_utf8_lossy(self.text(item, Codec::Json)).into_owned();
            let binary = self.text(item, Codec::Bincode).to_vec();
            let (key, is_datagram) = match &item.class {
                Class::Reliable => (None, false),
                Class::Latest(key) => (Some(key.to_string()), false),
                Class::Unreliable(key) => (Some(key.to_string()), true),
            };
            let about = item.about.as_ref().map(|about| about.user_id.clone());
            self.withheld.push(Withheld { to: item.to, key, is_datagram, about, json, binary });
        }
    }
}

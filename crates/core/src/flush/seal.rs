//! Sealing: what was said becomes batches, and each batch goes to everyone it is for.
//!
//! The cost is that of one batch for each group of members that hear the same, and a pointer for each member.

use std::sync::Arc;

use anteroom_protocol::limits::{BATCH_BYTES_SOFT_MAX, BATCH_MESSAGES_MAX};
use anteroom_protocol::message::Role;
use anteroom_protocol::{Batch, BatchBuilder, Codec};

use super::{Class, Dispatch, Heard, Item, Listener, Outgoing, PerCodec, Said, To};
use crate::room::MemberId;

/// How much memory for items are kept for what is said next.
const ITEMS_KEPT: usize = 256;

impl To {
    pub(super) fn includes(self, member: MemberId, role: Role) -> bool {
        match self {
            Self::Everyone => true,
            Self::Spectators => role == Role::Spectator,
            Self::Only(only) => only == member,
            Self::Except(except) => except != member,
        }
    }
}

impl Said {
    /// What was said becomes batches for the members there are.
    pub(crate) fn seal(&mut self, out: &mut Vec<Dispatch>) {
        if self.items.is_empty() {
            return;
        }
        if self.withholds {
            self.keep_withheld();
        }
        self.seal_reliable(out);
        self.seal_single(out);
        self.items.clear();
        self.items.shrink_to(ITEMS_KEPT);
        for bytes in self.bytes.iter_mut().chain([&mut self.scratch]) {
            bytes.clear();
            bytes.shrink_to(BATCH_BYTES_SOFT_MAX);
        }
    }

    fn seal_reliable(&self, out: &mut Vec<Dispatch>) {
        let reliable = || self.items.iter().filter(|item| item.class == Class::Reliable);
        if reliable().next().is_none() {
            return;
        }
        // Members who hear something that others do not, or the other way round.
        let mut apart: Vec<MemberId> = reliable()
            .filter_map(|item| match item.to {
                To::Only(member) | To::Except(member) => Some(member),
                To::Everyone | To::Spectators => None,
            })
            .chain(reliable().filter_map(|item| item.about.as_ref()).flat_map(|about| about.sessions.iter().copied()))
            .collect();
        apart.sort_unstable();
        let roles_differ = self.withholds || reliable().any(|item| item.to == To::Spectators);
        let mut shared: [PerCodec<Option<Vec<Arc<Batch>>>>; 2] = Default::default();
        for (&member, &listener) in &self.listeners {
            let own;
            let batches = if apart.binary_search(&member).is_ok() {
                own = self.batches(member, listener);
                &own
            } else {
                let group = if roles_differ { listener.role } else { Role::Player };
                shared[group as usize][listener.codec.index()].get_or_insert_with(|| self.batches(member, listener))
            };
            let dispatch =
                |batch: &Arc<Batch>| Dispatch::Say { to: member, outgoing: Outgoing::Reliable(batch.clone()) };
            out.extend(batches.iter().map(dispatch));
        }
    }

    /// The reliable messages that a member hears, cut where a batch is full.
    fn batches(&self, member: MemberId, listener: Listener) -> Vec<Arc<Batch>> {
        let hears = |item: &&Item| item.class == Class::Reliable && self.is_heard(item, member, listener.role);
        let (messages, bytes) =
            self.items.iter().filter(hears).fold((0, 0), |(messages, bytes), item| {
                (messages + 1, bytes + item.spans[listener.codec.index()].len())
            });
        let mut batches = Vec::new();
        let mut builder = BatchBuilder::with_capacity(
            listener.codec,
            messages.min(BATCH_MESSAGES_MAX),
            bytes.min(BATCH_BYTES_SOFT_MAX),
        );
        for item in &self.items {
            if hears(&item) {
                let message = self.text(item, listener.codec);
                let overflows = !builder.is_empty() && builder.len() + message.len() > BATCH_BYTES_SOFT_MAX;
                if overflows || builder.is_full() {
                    let full = std::mem::replace(&mut builder, BatchBuilder::new(listener.codec));
                    batches.push(Arc::new(full.finish().counted(&self.tally)));
                }
                builder.push_encoded(message);
            }
        }
        if !builder.is_empty() {
            batches.push(Arc::new(builder.finish().counted(&self.tally)));
        }
        batches
    }

    /// Messages that are not reliable go one by one, behind what is.
    fn seal_single(&self, out: &mut Vec<Dispatch>) {
        for (place, item) in self.items.iter().enumerate() {
            let outgoing: fn(Arc<str>, Arc<Batch>) -> Outgoing = match &item.class {
                Class::Reliable => continue,
                Class::Latest(_) if self.is_outdated(place) => continue,
                Class::Latest(_) => |key, message| Outgoing::Latest { key, message },
                Class::Unreliable(_) => |key, message| Outgoing::Unreliable { key, message },
            };
            let (Class::Latest(key) | Class::Unreliable(key)) = &item.class else { continue };
            let mut messages: PerCodec<Option<Arc<Batch>>> = Default::default();
            for (member, listener) in self.hearing(item) {
                let message = messages[listener.codec.index()].get_or_insert_with(|| {
                    let text = self.text(item, listener.codec);
                    let mut builder = BatchBuilder::with_capacity(listener.codec, 1, text.len());
                    builder.push_encoded(text);
                    Arc::new(builder.finish().counted(&self.tally))
                });
                out.push(Dispatch::Say { to: member, outgoing: outgoing(key.clone(), message.clone()) });
            }
        }
    }

    /// Whether a member hears it now.
    fn is_heard(&self, item: &Item, member: MemberId, role: Role) -> bool {
        let is_in_time = match item.heard {
            Heard::AtOnce => true,
            Heard::InTurn => !self.withholds || role == Role::Player || item.is_about(member),
            Heard::Late => role == Role::Spectator && !item.is_about(member),
        };
        is_in_time && item.to.includes(member, role)
    }

    fn hearing(&self, item: &Item) -> impl Iterator<Item = (MemberId, Listener)> {
        let (first, last) = match item.to {
            To::Only(member) => (member, member),
            _ => (MemberId(0), MemberId(u64::MAX)),
        };
        let hears = move |(id, who): &(MemberId, Listener)| self.is_heard(item, *id, who.role);
        self.listeners.range(first..=last).map(|(id, who)| (*id, *who)).filter(hears)
    }

    /// Whether the same members hear a newer value of the same key, said since.
    pub(super) fn is_outdated(&self, place: usize) -> bool {
        let item = &self.items[place];
        self.items[place + 1..]
            .iter()
            .any(|later| later.to == item.to && later.class == item.class && later.heard == item.heard)
    }

    pub(super) fn text(&self, item: &Item, codec: Codec) -> &[u8] {
        &self.bytes[codec.index()][item.spans[codec.index()].clone()]
    }
}

//! Rooms that give way to others when there is no space: those that nobody is in, the one that has been so for the longest first.
//!
//! Each room says of itself whether it is one of them, and is asked to go, one for each room that needs a place: whoever comes at
//! that very moment keeps it. What going means is the room's affair.

use std::collections::{BTreeMap, BTreeSet};

use anteroom_protocol::RoomId;

use super::link::Mail;
use super::{Places, Rooms};

/// How many rooms are on their way out at a time; each may take as long as it takes to store it.
const GOING_MAX: usize = 64;
/// How many are asked for one that comes: more than one only if others have stayed that were asked.
const ASKED_MAX: usize = 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Spare {
    since: BTreeMap<RoomId, u64>,
    order: BTreeMap<u64, RoomId>,
    /// How many there ever were, which orders them.
    numbered: u64,
    /// Those that were asked to go. They do not count any more.
    going: BTreeSet<RoomId>,
}

impl Spare {
    fn add(&mut self, room_id: RoomId) {
        self.numbered += 1;
        self.since.insert(room_id, self.numbered);
        self.order.insert(self.numbered, room_id);
    }

    /// A room is in use, or gone.
    pub(super) fn remove(&mut self, room_id: &RoomId) {
        self.going.remove(room_id);
        if let Some(number) = self.since.remove(room_id) {
            self.order.remove(&number);
        }
    }

    /// The next that is to go.
    fn next(&mut self) -> Option<RoomId> {
        if self.going.len() >= GOING_MAX {
            return None;
        }
        let (_, room_id) = self.order.pop_first()?;
        self.since.remove(&room_id);
        self.going.insert(room_id);
        Some(room_id)
    }

    /// How many have been asked and are there still.
    pub(super) fn going(&self) -> usize {
        self.going.len()
    }
}

impl Rooms {
    /// Notes whether a room would give way. One that was asked to and says so anew has not gone.
    pub(super) fn note_spare(&self, room_id: &RoomId, is_spare: bool) {
        let mut places = self.lock();
        places.spare.remove(room_id);
        if is_spare && places.running.contains_key(room_id) {
            places.spare.add(*room_id);
        }
    }

    /// Whether there is space for another room, which others make if need be.
    pub(super) fn make_space(&self, places: &mut Places) -> bool {
        let missing = (places.in_use() + 1).saturating_sub(self.limits.rooms_max);
        if missing > GOING_MAX.min(self.limits.rooms_max) {
            // Those that were asked do not get out: what they are cannot be stored.
            return false;
        }
        let mut has_space = missing == 0;
        for _ in 0..missing.min(ASKED_MAX) {
            let Some(room_id) = places.spare.next() else { break };
            if let Some(room) = places.running.get(&room_id) {
                room.insist(Mail::GiveWay);
            }
            has_space = true;
        }
        has_space
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_used_last_goes_last_and_few_are_on_their_way_out_at_a_time() {
        let mut spare = Spare::default();
        let id = |number: usize| RoomId::from_bits(number as u128);
        (0..100).for_each(|number| spare.add(id(number)));
        spare.remove(&id(1));
        spare.remove(&id(0));
        spare.add(id(0));
        let going: Vec<RoomId> = std::iter::from_fn(|| spare.next()).collect();
        assert_eq!(going, (2..2 + GOING_MAX).map(id).collect::<Vec<_>>());
        assert_eq!(spare.going(), GOING_MAX);
        // One has gone, and another one may go.
        spare.remove(&id(2));
        assert_eq!((spare.next(), spare.next()), (Some(id(2 + GOING_MAX)), None));
        going.iter().for_each(|room_id| spare.remove(room_id));
        let rest: Vec<RoomId> = std::iter::from_fn(|| spare.next()).collect();
        assert_eq!(rest.last(), Some(&id(0)));
    }
}

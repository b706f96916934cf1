//! A session's lanes: from what a room puts there to what its connection is told to write.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use anteroom_core::Time;
use anteroom_core::flush::Outgoing;
use anteroom_core::lanes::{Lanes, SessionBounds};
use anteroom_protocol::{Codec, RoomId};

use crate::lane::BOUNDS;
use crate::messages;
use crate::{Operation, Step};

/// Batches between two acknowledgements.
const BATCHES: u32 = 64;

pub(crate) const ALL: &[Operation] =
    &[Operation { group: "pipe", name: "session_put_next_64", repetitions: 128, messages: BATCHES, prepare: put_next }];

/// Each batch is written as it comes, and all are acknowledged at once.
fn put_next() -> Step {
    let bounds = SessionBounds { control: BOUNDS, room: BOUNDS };
    let (mut session, pipe) = Lanes::new(Codec::Json, true, bounds, None);
    let lane = session.open(Some(RoomId::from_bits(1)));
    let (now, batch) = (Time::default(), Arc::new(messages::events(Codec::Json, 1)));
    let mut written = 0;
    Box::new(move || {
        for _ in 0..BATCHES {
            session.put(now, lane, Outgoing::Reliable(black_box(&batch).clone()));
            while let Some(write) = session.next(now, pipe, |_| false) {
                black_box(write);
            }
        }
        written += u64::from(BATCHES);
        session.acknowledge(&BTreeMap::from([(lane, written)])).expect("a count of what was written");
    })
}

//! The sending end of a lane: keeping until acknowledged, newest values, and going on after a loss.

use std::hint::black_box;
use std::sync::Arc;

use anteroom_protocol::lane::{Bounds, Outbound};
use anteroom_protocol::{Batch, Codec};

use crate::messages;
use crate::{Operation, Step};

/// Batches on the lane at a time; as many as a client lets come before it acknowledges.
const BATCHES: u32 = 64;
/// Messages of each batch.
const MESSAGES: u32 = 4;
/// Keys of newest values, and how often each gets another one before it is written.
const KEYS: u32 = 8;
const VALUES: u32 = 8;

/// More than is ever on the lane.
pub(crate) const BOUNDS: Bounds = Bounds {
    messages_max: 10_000,
    age_max_ms: 120_000,
    kept_bytes_max: 4 << 20,
    waiting_bytes_max: 4 << 20,
    ..Bounds::NONE
};

pub(crate) const ALL: &[Operation] = &[
    operation("put_next_acknowledge_64", BATCHES * MESSAGES, put_next_acknowledge),
    operation("conflate_64", KEYS * VALUES, conflate),
    operation("resume_from_the_middle", BATCHES * MESSAGES, resume_from_the_middle),
];

const fn operation(name: &'static str, messages: u32, prepare: fn() -> Step) -> Operation {
    Operation { group: "lane", name, repetitions: 128, messages, prepare }
}

fn fill(lane: &mut Outbound, batch: &Arc<Batch>) {
    for _ in 0..BATCHES {
        lane.put(0, black_box(batch).clone(), &BOUNDS).expect("a lane within its bounds");
    }
}

fn drain(lane: &mut Outbound) {
    while let Some(next) = lane.next() {
        black_box(next);
    }
}

fn put_next_acknowledge() -> Step {
    let (mut lane, batch) = (Outbound::new(true, true), Arc::new(messages::events(Codec::Json, MESSAGES as usize)));
    Box::new(move || {
        fill(&mut lane, &batch);
        drain(&mut lane);
        lane.acknowledge(lane.last()).expect("what was written");
    })
}

fn conflate() -> Step {
    let (mut lane, message) = (Outbound::new(true, true), Arc::new(messages::events(Codec::Json, 1)));
    let keys: Vec<Arc<str>> = (0..KEYS).map(|key| format!("position-{key}").into()).collect();
    Box::new(move || {
        for _ in 0..VALUES {
            for key in &keys {
                lane.put_latest(black_box(key).clone(), message.clone(), &BOUNDS).expect("a lane within its bounds");
            }
        }
        drain(&mut lane);
    })
}

/// The connection is lost with everything written and half of it received, the last batch of that in part.
fn resume_from_the_middle() -> Step {
    let (mut lane, batch) = (Outbound::new(true, true), Arc::new(messages::events(Codec::Json, MESSAGES as usize)));
    let received = u64::from(BATCHES / 2 * MESSAGES + MESSAGES / 2);
    Box::new(move || {
        let before = lane.last();
        fill(&mut lane, &batch);
        drain(&mut lane);
        lane.detach(&BOUNDS);
        lane.attach(Some(before + received), true).expect("a count of what was written");
        drain(&mut lane);
        lane.acknowledge(lane.last()).expect("what was written");
    })
}

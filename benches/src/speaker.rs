//! One who makes a room busy: so many times a second something that all have to hear, and the newest state.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anteroom_bench::{BODY, Stamp};
use anteroom_protocol::{BatchBuilder, Codec, RoomId};
use anyhow::{Context, Result};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};

use crate::carrier::Reach;
use crate::entry::Destination;
use crate::member::Member;
use crate::pace::{AHEAD_MAX, Pace};
use crate::resuming::now_us;

/// The senders that stamps name: of what all hear, and of the state.
pub(crate) const EVENT: usize = 0;
pub(crate) const STATE: usize = 1;
/// How often it speaks.
const PERIOD: Duration = Duration::from_millis(20);
/// What is in an event besides its stamp: readers who stall are soon behind.
const PADDING_BYTES: usize = 4096;
/// Longer than anybody listens.
const FOREVER: usize = 50 * 600;

/// See the module.
pub(crate) struct Speaker {
    pub(crate) room_id: RoomId,
    turns: Sender<u64>,
    /// How often it has spoken.
    pub(crate) spoken: Rc<Cell<u32>>,
    speaking: JoinHandle<Result<()>>,
}

impl Speaker {
    /// Opens a room.
    pub(crate) async fn open(reach: &Reach) -> Result<Self> {
        let member = Member::enter(reach.dial(0).await?, Destination::NewRoom).await?;
        let (room_id, spoken) = (member.room_id, Rc::new(Cell::new(0)));
        let (turns, told) = channel(AHEAD_MAX);
        let speaking = spawn_local(speak(member, told, spoken.clone()));
        Ok(Self { room_id, turns, spoken, speaking })
    }

    /// Speaks for so long, from now on; says when that began.
    pub(crate) async fn speak_for(&self, time: Duration) -> Result<u64> {
        let count = (time.as_micros() / PERIOD.as_micros()) as usize;
        let pace = Pace { start_us: now_us(), period: PERIOD, count };
        let turns = [self.turns.clone()];
        spawn_blocking(move || pace.tell(&turns)).await?;
        Ok(pace.start_us)
    }

    /// Speaks until it is dropped.
    pub(crate) fn speak_on(&self) {
        let pace = Pace { start_us: now_us(), period: PERIOD, count: FOREVER };
        let turns = [self.turns.clone()];
        spawn_blocking(move || pace.tell(&turns));
    }

    /// How often it speaks in so long a time.
    pub(crate) fn count(time: Duration) -> u64 {
        (time.as_micros() / PERIOD.as_micros()) as u64
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.speaking.abort();
    }
}

async fn speak(mut member: Member, mut told: Receiver<u64>, spoken: Rc<Cell<u32>>) -> Result<()> {
    let event = BODY.replace("up", &"x".repeat(PADDING_BYTES));
    loop {
        tokio::select! {
            event = member.next() => member.take(event?, |_| {}).await?,
            due = told.recv() => {
                let Some(at_us) = due else { return Ok(()) };
                let number = spoken.get();
                let room_id = member.room_id;
                let mut batch = BatchBuilder::new(Codec::Json);
                let mut push = |sender, body: &str, more: &str| -> Result<()> {
                    let body = stamped(body, Stamp { sender, number, at_us })?;
                    let message =
                        format!(r#"{{"type":"send","room_id":"{room_id}","data":{{"payload":{body}{more}}}}}"#);
                    batch.push_encoded(message.as_bytes());
                    Ok(())
                };
                push(EVENT, &event, "")?;
                push(STATE, BODY, r#","delivery":"latest","key":"state""#)?;
                member.say(batch.finish()).await?;
                spoken.set(number + 1);
            }
        }
    }
}

fn stamped(body: &str, stamp: Stamp) -> Result<String> {
    let mut body = body.as_bytes().to_vec();
    let start = Stamp::place(&body).context("the body has no stamp")?;
    stamp.put(&mut body, start);
    Ok(String::from_utf8(body)?)
}

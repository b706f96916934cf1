//! What is kept for a session that does not acknowledge: the growth of a server's memory while rooms talk and nobody
//! answers.

use std::thread::sleep;
use std::time::Duration;

use anteroom_bench::{Memory, Stamp};
use anteroom_protocol::Codec;
use anyhow::{Result, bail, ensure};

use crate::entry::Destination;
use crate::frames::{Dialed, text_frame};
use crate::idle::{Growth, grown};
use crate::servers::Server;
use crate::socket::{self, message};

const ROOMS: usize = 100;
const MEMBERS: usize = 10;
/// How many messages each room hears.
pub(crate) const MESSAGES: u32 = 100;
/// How far apart they are, so that each of them is sent by itself.
const APART: Duration = Duration::from_millis(15);
/// How long a server has to come to rest.
const SETTLE: Duration = Duration::from_secs(1);

/// Growth of the memory for each session of a room that heard [`MESSAGES`] messages, in KiB.
pub(crate) fn run(server: &Server, resumes: bool) -> Result<Growth> {
    let mut members = Vec::with_capacity(ROOMS * MEMBERS);
    // The first of each room speaks: its place among the members, and what it says.
    let mut speakers = Vec::with_capacity(ROOMS);
    for _ in 0..ROOMS {
        let mut destination = Destination::NewRoom;
        for _ in 0..MEMBERS {
            let (connection, arrived) = socket::enter(server.addr, destination, resumes)?;
            let Some((room_id, _)) = arrived else { bail!("not in a room") };
            if matches!(destination, Destination::NewRoom) {
                speakers.push((members.len(), text_frame(&message(Codec::Json, room_id)?).0));
            }
            destination = Destination::Room(room_id);
            members.push(connection);
        }
    }
    // The first round pays for what grows once.
    let mut rounds = 0..=MESSAGES;
    rounds.by_ref().take(1).try_for_each(|number| speak(&mut members, &mut speakers, number))?;
    sleep(SETTLE);
    let before = Memory::of(server.pid())?;
    rounds.try_for_each(|number| speak(&mut members, &mut speakers, number))?;
    sleep(SETTLE);
    let after = Memory::of(server.pid())?;
    for member in &mut members {
        hear_all(member)?;
    }
    let grown = grown(before, after, members.len());
    eprintln!("      {:.2} KiB resident, {:.2} KiB anonymous", grown.resident, grown.anonymous);
    Ok(grown)
}

/// Says something in every room.
fn speak(members: &mut [Dialed], speakers: &mut [(usize, Vec<u8>)], number: u32) -> Result<()> {
    for (place, frame) in speakers {
        let Some(start) = Stamp::place(frame) else { bail!("the message has no stamp") };
        Stamp { sender: 0, number, at_us: 0 }.put(frame, start);
        members[*place].write(frame)?;
    }
    sleep(APART);
    Ok(())
}

/// Everything was sent, and lay in the sockets so far.
fn hear_all(member: &mut Dialed) -> Result<()> {
    let mut expected = 0;
    while expected <= MESSAGES {
        let mut in_order = true;
        member.hear(|payload| {
            for stamp in Stamp::all(payload) {
                in_order &= stamp.number == expected;
                expected += 1;
            }
        })?;
        ensure!(in_order, "messages were lost");
    }
    Ok(())
}

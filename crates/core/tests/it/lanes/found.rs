//! What random stories have found, told as shortly as can be.

use std::sync::Arc;

use anteroom_core::Time;
use anteroom_core::flush::Outgoing;
use anteroom_core::lanes::{Carrying, Claim, ConnectionId, LANES_KEPT_MAX, Lanes, SessionBounds, Write};
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::lane::Bounds;
use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::{Batch, Codec, Header, LaneId};

use crate::lanes::words::room_id;

const NOW: Time = Time::from_millis(1);

/// A session in one room, which has said one thing.
struct Tale {
    session: Lanes,
    connection: ConnectionId,
    lane: LaneId,
    attempts: u64,
}

fn message(header: &Header<'_>, bytes: usize) -> Arc<Batch> {
    Arc::new(Batch::one(Codec::Json, header, &" ".repeat(bytes)).unwrap())
}

fn said(kind: &str, bytes: usize) -> Outgoing {
    Outgoing::Reliable(message(&Header::new(kind), bytes))
}

/// A newest value; its type tells which of a key's it is.
fn value(key: &str, kind: &str, bytes: usize) -> Outgoing {
    Outgoing::Latest { key: key.into(), message: message(&Header { latest: Some(key), ..Header::new(kind) }, bytes) }
}

fn datagram(key: &str, kind: &str, bytes: usize) -> Outgoing {
    let Outgoing::Latest { key, message } = value(key, kind, bytes) else { unreachable!() };
    Outgoing::Unreliable { key, message }
}

impl Tale {
    fn new(room: Bounds, datagram_bytes_max: Option<usize>) -> Self {
        let bounds = SessionBounds { control: Bounds::NONE, room };
        let (mut session, connection) = Lanes::new(Codec::Json, true, bounds, datagram_bytes_max);
        let lane = session.open(Some(room_id(0)));
        session.put(NOW, lane, said("opens", 0));
        Self { session, connection, lane, attempts: 0 }
    }

    fn put(&mut self, outgoing: Outgoing) {
        self.session.put(NOW, self.lane, outgoing);
    }

    fn end(&mut self, last: Vec<Outgoing>) {
        self.session.end(NOW, self.lane, last);
    }

    /// Everything that is written now on lanes of rooms, by type; whether a `lane` tells a gap is not said.
    fn writes(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(write) = self.session.next(NOW, self.connection, |_| false) {
            match write {
                Write::Record(LaneId(1..), batch) | Write::Datagram(_, _, batch) => {
                    let kinds = decode_batch(Codec::Json, batch.payload()).unwrap();
                    words.extend(kinds.map(|message| message.unwrap().kind.into_owned()));
                }
                Write::Snapshot(_) => words.push("?".to_owned()),
                Write::Record(..) | Write::LaneEnded(_) => {}
            }
        }
        words
    }

    /// The connection is lost, and so many messages of the room had arrived.
    fn comes_back(&mut self, received: u64) -> Vec<String> {
        self.session.lost(self.connection);
        self.attempts += 1;
        let carrying = Carrying::Received(Counts::from([(self.lane, received)]));
        let claim = Claim { token: 0, attempt: self.attempts, carrying };
        self.connection = self.session.reconnect(&claim, None).unwrap().connection;
        self.writes()
    }
}

/// Beyond its bound on values a lane gives up one that nobody has read, and does not tell, if that is for a value which is
/// said last.
#[test]
fn a_value_that_is_said_last_does_not_push_out_another_untold() {
    let mut tale = Tale::new(Bounds { values_max: 1, ..Bounds::NONE }, None);
    tale.writes();
    tale.put(value("a", "newest", 0));
    tale.end(vec![value("b", "last", 0), said("room_closed", 0)]);
    let written = tale.writes();
    assert!(written == ["newest", "last", "room_closed"] || written == ["lane", "room_closed"], "{written:?}");
}

/// A datagram takes the place of a value that was written. At the end of the lane it is put where that value was, in front
/// of what was said before it.
#[test]
fn what_was_a_datagram_does_not_overtake_what_was_said_before_it() {
    let mut tale = Tale::new(Bounds::NONE, Some(1000));
    tale.put(value("a", "older", 0));
    tale.writes();
    tale.put(said("said", 0));
    tale.writes();
    tale.put(datagram("a", "newer", 0));
    tale.end(vec![said("room_closed", 0)]);
    tale.writes();
    let again = tale.comes_back(0);
    let place = |kind: &str| again.iter().position(|other| other == kind);
    assert!(place("newer").is_none_or(|newer| Some(newer) > place("said")), "{again:?}");
}

/// The same where what was said before it waits still.
#[test]
fn what_was_a_datagram_does_not_overtake_what_waits() {
    let mut tale = Tale::new(Bounds::NONE, Some(1000));
    tale.put(value("a", "older", 0));
    tale.writes();
    tale.put(said("said", 0));
    tale.put(datagram("a", "newer", 0));
    tale.end(vec![said("room_closed", 0)]);
    let again = tale.comes_back(0);
    let place = |kind: &str| again.iter().position(|other| other == kind);
    assert!(place("newer").is_none_or(|newer| Some(newer) > place("said")), "{again:?}");
}

/// Values that are put among the reliable messages at the end of a lane count as such, and push them out.
#[test]
fn values_push_nothing_out_at_the_end_of_a_lane() {
    let mut tale = Tale::new(Bounds { kept_bytes_max: 500, ..Bounds::NONE }, None);
    tale.put(value("a", "newest", 600));
    tale.writes();
    tale.end(vec![said("room_closed", 0)]);
    assert_eq!(tale.comes_back(0), ["lane", "opens", "newest", "room_closed"]);
}

/// A value that was put among the reliable messages at the end of a lane has no number, so nobody finds out that it is
/// lost when the server needs its memory.
#[test]
fn a_value_of_a_lane_that_has_ended_is_not_given_up_untold() {
    let mut tale = Tale::new(Bounds::NONE, None);
    tale.put(value("a", "newest", 0));
    tale.writes();
    tale.end(vec![said("room_closed", 0)]);
    tale.session.relieve();
    tale.writes();
    let again = tale.comes_back(1);
    assert!(again == ["lane", "room_closed"] || again.contains(&"newest".to_owned()), "{again:?}");
}

/// The same if the server needs the memory before the lane ends.
#[test]
fn a_value_that_was_given_up_is_still_told_when_its_lane_ends() {
    let mut tale = Tale::new(Bounds::NONE, None);
    tale.put(value("a", "newest", 0));
    tale.writes();
    tale.session.relieve();
    tale.end(vec![said("said", 0), said("room_closed", 0)]);
    let again = tale.comes_back(1);
    assert_eq!(again, ["lane", "room_closed"], "the end stands for what is lost");
}

/// PROTOCOL.md: "It keeps the ends of the last 64 lanes that ended." Not if what was said at the end is more than may be
/// kept: then the client does not even hear why the room is closed.
#[test]
fn the_end_of_a_lane_is_kept_however_much_was_said_before_it() {
    let mut tale = Tale::new(Bounds { kept_bytes_max: 500, ..Bounds::NONE }, None);
    tale.writes();
    tale.end(vec![said("said", 600), said("room_closed", 0)]);
    tale.writes();
    // Another one ends, far below the number of lanes that are kept.
    const { assert!(LANES_KEPT_MAX > 2) };
    let other = tale.session.open(Some(room_id(1)));
    tale.session.end(NOW, other, vec![said("room_closed", 0)]);
    let again = tale.comes_back(1);
    assert!(again.iter().filter(|kind| *kind == "room_closed").count() == 2, "{again:?}");
}

/// A datagram that turns out not to fit goes the way of newest values, as [`Write::Datagram`] says, and takes a newer one
/// of its key with it, which waits behind it.
#[test]
fn a_datagram_that_does_not_fit_takes_no_newer_one_with_it() {
    let mut tale = Tale::new(Bounds::NONE, Some(1000));
    tale.writes();
    tale.put(datagram("a", "older", 900));
    tale.put(datagram("a", "newer", 10));
    let Some(Write::Datagram(lane, key, message)) = tale.session.next(NOW, tale.connection, |_| false) else {
        panic!("a datagram")
    };
    // The path turns out to be narrower.
    tale.session.put_back(NOW, lane, key, message);
    assert_eq!(tale.writes().last().map(String::as_str), Some("newer"));
}

/// A message to a room is refused in its place, on control, which moves no mark. If the server needs the memory of that
/// refusal, nobody will ever tell the client: the connection is whole, so it does not send the message again, and waits.
#[test]
fn a_refusal_that_is_given_up_on_a_living_connection_is_made_good() {
    let mut tale = Tale::new(Bounds::NONE, None);
    tale.writes();
    tale.session.saw(LaneId::CONTROL, Some(1));
    tale.session.put(NOW, LaneId::CONTROL, said("error", 0));
    tale.session.put(NOW, LaneId::CONTROL, said("note", 0));
    tale.session.relieve();
    let mut refusals = 0;
    while let Some(write) = tale.session.next(NOW, tale.connection, |_| false) {
        if let Write::Record(LaneId::CONTROL, batch) = write {
            let kinds = decode_batch(Codec::Json, batch.payload()).unwrap();
            refusals += kinds.filter(|message| message.as_ref().unwrap().kind == "error").count();
        }
    }
    // Either it is told after all, or the connection ends, and with it the wait.
    assert!(refusals == 1 || tale.session.is_beyond_hope(), "nobody is told");
}

/// What was on its way at a cut is to be written again, and as long as it is nothing of it is forgotten. So a client that
/// never acknowledges makes a lane grow with every connection, as long as nothing is said between its reading and its cut.
#[test]
fn a_lane_does_not_grow_with_every_connection() {
    let bounds = Bounds { kept_bytes_max: 500, waiting_bytes_max: 2000, ..Bounds::NONE };
    let mut tale = Tale::new(bounds, None);
    tale.writes();
    for _ in 0..10 {
        (0..10).for_each(|_| tale.put(said("said", 100)));
        tale.writes();
        tale.session.lost(tale.connection);
        tale.attempts += 1;
        let carrying = Carrying::Received(Counts::new());
        tale.connection =
            tale.session.reconnect(&Claim { token: 0, attempt: tale.attempts, carrying }, None).unwrap().connection;
    }
    tale.put(said("said", 100));
    let kept = tale.session.kept_bytes(tale.lane);
    assert!(kept <= 500 + 2000 + 3 * 200, "{kept} bytes are kept");
}

use anteroom_core::lanes::Write;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::lane::Bounds;
use anteroom_protocol::message::resume::Subscription;
use anteroom_protocol::{Header, RoomId};

use super::*;

pub(crate) fn carrier() -> (Arc<Carrier>, Place) {
    carrier_of(SessionId::from_bits(1))
}

pub(crate) fn carrier_of(id: SessionId) -> (Arc<Carrier>, Place) {
    let bounds = Bounds { messages_max: 9999, kept_bytes_max: 1 << 20, waiting_bytes_max: 1 << 20, ..Bounds::NONE };
    let beginning = Beginning {
        id,
        codec: Codec::Json,
        keeps: true,
        bounds: SessionBounds { control: bounds, room: bounds },
        outbox_bytes_max: 1 << 20,
        datagram_bytes_max: None,
        budget: Arc::new(Budget::new(usize::MAX)),
    };
    Carrier::new(Clock::start(), beginning)
}

fn batch(kind: &str) -> Batch {
    Batch::one(Codec::Json, &Header::new(kind), &Empty {}).unwrap()
}

fn rooms() -> Subscription {
    Subscription { to: "rooms".to_owned(), game: None, filter: None }
}

impl Carrier {
    /// The types of what is written on a connection now.
    fn written(&self, id: ConnectionId) -> Vec<String> {
        let lanes = &mut self.lock().lanes;
        let mut written = Vec::new();
        while let Some(Write::Record(_, batch)) = lanes.next(self.clock.now(), id, |_| false) {
            let messages = anteroom_protocol::envelope::decode_batch(Codec::Json, batch.payload()).unwrap();
            written.extend(messages.map(|message| message.unwrap().kind.into_owned()));
        }
        written
    }
}

#[tokio::test]
async fn what_has_ended_does_nothing_more() {
    let (carrier, place) = carrier();
    assert!(carrier.take(place.id, Some(1), 1));
    let knock = carrier.open_lane(None, 0).unwrap();
    assert!(knock.door.is_waiting());
    assert!(carrier.end(Unless::Never, Some(CloseCode::Malformed)));
    assert!(!carrier.end(Unless::Never, None), "it ends once");
    assert_eq!(place.over.code(), Some(CloseCode::Malformed));
    assert!(!knock.door.is_waiting());
    // Its connection may be busy with a batch of messages still.
    assert!(!carrier.take(place.id, Some(2), 1));
    assert!(carrier.open_lane(None, 0).is_none());
    assert!(carrier.enter(knock.lane, RoomId::from_bits(1), || {}).is_none());
    assert!(carrier.hand_over(place.id, knock.lane, None, 1, || unreachable!()).is_some_and(|handed| handed.is_ok()));
    assert!(carrier.restart(None).is_none());
}

#[tokio::test]
async fn whichever_fact_is_told_last_the_newest_is_true() {
    let (carrier, first) = carrier();
    let here = carrier.presence();
    let knock = carrier.open_lane(None, 0).unwrap();
    assert!(carrier.lost(first.id).is_some());
    let away = carrier.presence();
    assert!(!knock.door.is_waiting(), "who has gone takes no seat");
    let (_, second) = carrier.restart(None).unwrap();
    let back = carrier.presence();
    assert!(knock.door.is_waiting());
    assert!(here < away && away < back);
    assert_eq!([here, away, back].map(Presence::is_here), [true, false, true]);
    // A connection that has gone long ago says nothing about another.
    assert!(carrier.lost(first.id).is_none());
    assert_eq!(carrier.presence(), back);
    assert!(carrier.lost(second.id).is_some());
    assert!(!carrier.presence().is_here());
}

#[tokio::test(start_paused = true)]
async fn a_fault_counts_until_it_is_forgotten() {
    let forgotten_after = Duration::from_secs(120);
    let (carrier, mut place) = carrier();
    let outlives = |place: &mut Place| {
        let outlives = carrier.outlives_fault(place.id, forgotten_after);
        carrier.lost(place.id);
        (_, *place) = carrier.restart(None).unwrap();
        outlives
    };
    for _ in 0..3 {
        assert!(outlives(&mut place) && outlives(&mut place), "twice in a row");
        tokio::time::advance(forgotten_after).await;
    }
    assert!(outlives(&mut place) && outlives(&mut place));
    tokio::time::advance(forgotten_after - Duration::from_millis(1)).await;
    assert!(!outlives(&mut place), "not long enough");
}

/// Whoever tells everyone of a publication may get to a session when it has begun anew.
#[tokio::test]
async fn what_is_in_the_snapshot_already_is_not_told_again() {
    let (carrier, place) = carrier();
    let tell = |publication| {
        carrier.tell_changes("rooms", publication, &[Arc::new(batch(&format!("told {publication}")))]);
    };
    tell(1);
    carrier.watch("rooms", 1, rooms(), batch("list"));
    tell(1);
    tell(2);
    assert_eq!(carrier.written(place.id), ["list", "told 2"]);
    carrier.watch("rooms", 3, rooms(), batch("list"));
    tell(3);
    carrier.stop_watching("rooms");
    tell(4);
    assert_eq!(carrier.written(place.id), ["list"]);
}

#[tokio::test]
async fn who_does_not_read_is_told_no_changes_and_gets_a_snapshot_later() {
    let (carrier, place) = carrier();
    carrier.watch("rooms", 0, rooms(), batch("list"));
    let change = Arc::new(batch(&"x".repeat(64)));
    let told = (1..=10_000).find(|publication| {
        carrier.tell_changes("rooms", *publication, std::slice::from_ref(&change));
        !carrier.wanted_topics().is_empty()
    });
    let told = told.unwrap();
    assert!(!carrier.lock().wants_topics(), "there is something to read first");
    assert_eq!(carrier.written(place.id).len() as u64, told, "the list, and all changes but the last");
    assert!(carrier.lock().wants_topics());
    carrier.tell_changes("rooms", told + 1, std::slice::from_ref(&change));
    assert!(carrier.written(place.id).is_empty(), "changes of what the client does not have");
    carrier.watch("rooms", told + 1, rooms(), batch("list"));
    carrier.tell_changes("rooms", told + 2, std::slice::from_ref(&change));
    assert_eq!(carrier.written(place.id).len(), 2);
    assert!(carrier.wanted_topics().is_empty());
}

#[tokio::test]
async fn what_a_room_has_applied_is_acknowledged_whether_the_room_or_the_time_is_first() {
    let (carrier, place) = carrier();
    let lane = carrier.open_lane(None, 0).unwrap().lane;
    let applied = carrier.enter(lane, RoomId::from_bits(1), || {}).unwrap();
    let hand = |n| carrier.hand_over(place.id, lane, Some(n), 1, || Ok(())).unwrap().unwrap();
    let look = |ms| {
        let mut state = carrier.lock();
        let at = state.look_at_applied(Time::from_millis(ms));
        (at.is_some(), state.lanes.take_ack())
    };
    let later = carrier.clock.now().as_millis() + 5000;
    hand(1);
    assert_eq!(look(0), (true, Counts::new()), "at a time");
    assert!(!applied.tell(1), "nobody waits for it yet");
    assert_eq!(look(0), (false, Counts::from([(lane, 1)])));
    hand(2);
    hand(3);
    assert_eq!(look(later), (false, Counts::new()), "the room is late, and tells");
    assert!(applied.tell(2) && !applied.tell(2), "once");
    assert_eq!(look(later), (false, Counts::from([(lane, 2)])));
    assert!(applied.tell(3));
    assert_eq!(look(later).1, Counts::from([(lane, 3)]));
}

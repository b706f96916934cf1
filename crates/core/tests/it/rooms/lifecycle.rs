//! How long rooms stay: empty, idle, and in any case.

use std::time::Duration;

use anteroom_core::flush::Outgoing;
use anteroom_core::room::{Ask, Lifecycle, MemberId, Terms};
use anteroom_core::{Command, Flush, Room, Time};
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::push::{ClosedReason, RoomClosed};
use anteroom_protocol::{Codec, Data, ErrorCode};

use super::probe::{Open, Ticking};
use super::script::{FIRST, GRACE, SEAT_KEPT, START, Step, What, rebuilt, room_on, take, turn};

const TTL: Duration = Duration::from_millis(1000);

fn staying(lifecycle: Lifecycle) -> Room {
    room_on::<Open>(false, Terms { lifecycle, ..Terms::default() })
}

fn when_empty() -> Lifecycle {
    Lifecycle { empty_ttl: TTL, ..Lifecycle::default() }
}

fn when_idle() -> Lifecycle {
    Lifecycle { idle_ttl: Some(TTL), ..Lifecycle::default() }
}

fn in_any_case() -> Lifecycle {
    Lifecycle { lifetime_max: Some(TTL), ..Lifecycle::default() }
}

fn at(ms: u64) -> Time {
    START + Duration::from_millis(ms)
}

/// A turn at a time, in milliseconds from the beginning.
fn turn_at(ms: u64, steps: &[Step], room: &mut Room) -> Flush {
    turn(steps, &mut at(ms), room)
}

fn pass(ms: u64, room: &mut Room) -> Flush {
    turn_at(ms, &[Step::Wait(0)], room)
}

/// With what the members' lanes end, one for each.
fn ends(flush: &Flush) -> Vec<ClosedReason> {
    let said = flush.effects.dispatches.iter().filter_map(|dispatch| dispatch.said());
    let mut ends = Vec::new();
    for (_, outgoing) in said {
        assert!(matches!(outgoing, Outgoing::Reliable { .. }), "an end is not lost");
        for envelope in decode_batch(outgoing.batch().codec(), outgoing.batch().payload()).unwrap() {
            let envelope = envelope.unwrap();
            if envelope.kind == RoomClosed::TYPE {
                ends.push(envelope.data.decode::<RoomClosed>().unwrap().reason);
            }
        }
    }
    ends
}

fn act(member: u64, what: What, n: Option<u64>) -> Step {
    Step::Act { member: MemberId(member), what, codec: Codec::Json, answer: false, n }
}

fn watcher(user: usize) -> Step {
    Step::Join { user, watch: true, codec: Codec::Json }
}

#[test]
fn a_room_closes_with_the_turn_that_leaves_it_empty_unless_it_is_to_stay() {
    let mut room = staying(Lifecycle::default());
    assert!(!turn_at(0, &[FIRST], &mut room).effects.closed);
    // Whoever comes in the same turn finds it.
    let change = [Step::Leave(MemberId(1)), Step::Join { user: 1, watch: false, codec: Codec::Json }];
    assert!(!turn_at(5, &change, &mut room).effects.closed);
    assert_eq!(room.next_deadline(), None);
    assert!(turn_at(9, &[Step::Leave(MemberId(2))], &mut room).effects.closed);
}

#[test]
fn an_empty_room_stays_for_its_time_and_closes_by_itself() {
    let mut room = staying(when_empty());
    turn_at(0, &[FIRST], &mut room);
    assert_eq!(room.next_deadline(), None, "somebody is in it");
    assert!(!turn_at(100, &[Step::Leave(MemberId(1))], &mut room).effects.closed);
    assert_eq!(room.next_deadline(), Some(at(1100)));
    assert!(!pass(1099, &mut room).effects.closed);
    assert!(pass(1100, &mut room).effects.closed);
    assert_eq!(room.next_deadline(), None);
    let mut flush = Flush::default();
    take(&FIRST, &mut at(1200), &mut room, &mut flush);
    assert_eq!(flush.answers[0].joined.as_ref().unwrap_err().code, ErrorCode::RoomNotFound);
}

#[test]
fn a_room_that_nobody_has_come_into_stays_for_its_time_as_well() {
    let mut room = staying(when_empty());
    assert!(!pass(0, &mut room).effects.closed);
    assert!(!pass(999, &mut room).effects.closed);
    assert!(pass(1000, &mut room).effects.closed);
}

#[test]
fn whoever_comes_ends_the_wait_and_it_begins_anew_with_the_last_who_goes() {
    let mut room = staying(when_empty());
    turn_at(0, &[FIRST, Step::Leave(MemberId(1))], &mut room);
    turn_at(999, &[watcher(1)], &mut room);
    assert!(!pass(5000, &mut room).effects.closed, "one who watches is somebody");
    // Somebody was there in the middle of this turn.
    turn_at(6000, &[Step::Leave(MemberId(2))], &mut room);
    turn_at(6500, &[FIRST, Step::Leave(MemberId(3))], &mut room);
    assert_eq!(room.next_deadline(), Some(at(7500)));
    // Whoever is not let in changes nothing: this one comes when it is over.
    let mut flush = Flush::default();
    take(&FIRST, &mut at(7500), &mut room, &mut flush);
    assert_eq!(flush.answers[0].joined.as_ref().unwrap_err().code, ErrorCode::RoomNotFound);
    room.flush(&mut flush).unwrap();
    assert!(flush.effects.closed);
}

#[test]
fn a_seat_that_is_kept_is_somebody_and_the_wait_begins_when_it_is_given_up() {
    for (durable, kept) in [(false, GRACE), (true, SEAT_KEPT)] {
        let mut room = room_on::<Open>(durable, Terms { lifecycle: when_empty(), ..Terms::default() });
        turn_at(0, &[FIRST, Step::Abandon(MemberId(1))], &mut room);
        assert_eq!(room.next_deadline(), Some(START + kept));
        // In one go, long afterwards: it counts from when it was.
        let mut again = rebuilt::<Open>(&room);
        pass(900, &mut room);
        assert_eq!(room.next_deadline(), Some(START + kept + TTL));
        assert!(pass(5000, &mut again).effects.closed);
    }
}

#[test]
fn a_room_in_which_nobody_does_anything_closes_for_all_who_are_in_it() {
    let mut room = staying(when_idle());
    turn_at(0, &[FIRST, watcher(1)], &mut room);
    turn_at(300, &[act(1, What::Say(1), Some(3))], &mut room);
    assert_eq!(room.next_deadline(), Some(at(1300)));
    // Neither what was dealt with before, nor lines that break and mend, nor who goes.
    turn_at(500, &[act(1, What::Say(1), Some(3))], &mut room);
    let lost = Step::Disconnect { member: MemberId(1), kept: true };
    turn_at(600, &[lost, Step::Reconnect(MemberId(1))], &mut room);
    assert_eq!(room.next_deadline(), Some(at(1300)));
    // What is refused has not been done; who comes in does something.
    turn_at(700, &[act(2, What::Say(2), Some(4))], &mut room);
    assert_eq!(room.next_deadline(), Some(at(1300)));
    turn_at(800, &[Step::Join { user: 2, watch: false, codec: Codec::Json }], &mut room);
    assert_eq!(room.next_deadline(), Some(at(1800)));
    let flush = pass(1800, &mut room);
    assert!(flush.effects.closed);
    assert_eq!(ends(&flush), [ClosedReason::Idle; 3]);
    assert_eq!(flush.effects.released.len(), 3);
}

#[test]
fn what_is_asked_of_the_room_is_something_that_is_done() {
    let mut room = staying(when_idle());
    turn_at(0, &[FIRST], &mut room);
    let ask = |n| Ask { kind: "get_participants", data: Data::Json("{}"), with: None, reference: None, n };
    let mut flush = Flush::default();
    room.handle(at(400), Command::Ask { member: MemberId(1), ask: ask(Some(3)) }, &mut flush);
    room.handle(at(600), Command::Ask { member: MemberId(1), ask: ask(Some(3)) }, &mut flush);
    room.flush(&mut flush).unwrap();
    assert_eq!(room.next_deadline(), Some(at(1400)), "the second time it was not");
}

#[test]
fn a_room_closes_in_any_case_when_its_time_is_over() {
    let mut room = staying(in_any_case());
    turn_at(0, &[FIRST, watcher(1)], &mut room);
    turn_at(900, &[act(1, What::Say(1), None)], &mut room);
    // What comes at that moment comes too late.
    let flush = turn_at(1000, &[act(1, What::Say(2), None), Step::Leave(MemberId(1))], &mut room);
    assert!(flush.effects.closed);
    assert_eq!(ends(&flush), [ClosedReason::Expired; 2]);
}

#[test]
fn what_falls_due_before_the_end_happens_and_what_falls_due_later_does_not() {
    let lifecycle = in_any_case();
    let mut room = room_on::<Ticking>(false, Terms { lifecycle, ..Terms::default() });
    turn_at(0, &[FIRST, act(1, What::Remind(1000, 1), None), act(1, What::Remind(1001, 2), None)], &mut room);
    pass(970, &mut room);
    let flush = pass(5000, &mut room);
    let mut heard = Vec::new();
    for (_, outgoing) in flush.effects.dispatches.iter().filter_map(|dispatch| dispatch.said()) {
        for envelope in decode_batch(outgoing.batch().codec(), outgoing.batch().payload()).unwrap() {
            let envelope = envelope.unwrap();
            let Data::Json(text) = envelope.data else { unreachable!() };
            heard.push(format!("{} {text}", envelope.kind));
        }
    }
    let heard = heard.join("\n");
    assert!(heard.contains("rang 1 at") && !heard.contains("rang 2 at"), "{heard}");
    assert!(heard.lines().last().unwrap().starts_with("room_closed"), "{heard}");
}

#[test]
fn the_first_time_that_is_over_ends_a_room_and_of_equal_ones_the_last_possible() {
    let all = |empty: u64, idle: u64, most: u64| {
        let [empty_ttl, idle_ttl, lifetime_max] = [empty, idle, most].map(Duration::from_millis);
        staying(Lifecycle { empty_ttl, idle_ttl: Some(idle_ttl), lifetime_max: Some(lifetime_max), persistent: false })
    };
    for (idle, most, reason) in
        [(10, 20, ClosedReason::Idle), (20, 10, ClosedReason::Expired), (10, 10, ClosedReason::Expired)]
    {
        let mut room = all(5, idle, most);
        turn_at(0, &[FIRST], &mut room);
        assert_eq!(room.next_deadline(), Some(at(10)));
        assert_eq!(ends(&pass(10, &mut room)), [reason]);
    }
    // An empty room is as idle as any other.
    let mut room = all(30, 10, 20);
    turn_at(0, &[FIRST, Step::Leave(MemberId(1))], &mut room);
    assert!(pass(10, &mut room).effects.closed);
}

#[test]
fn a_persistent_room_stays_whatever_happens_until_it_is_closed() {
    let times = Lifecycle { idle_ttl: Some(TTL), lifetime_max: Some(TTL), persistent: true, ..Lifecycle::default() };
    let mut room = staying(times);
    assert!(!pass(0, &mut room).effects.closed);
    turn_at(10, &[FIRST, Step::Leave(MemberId(1))], &mut room);
    assert_eq!(room.next_deadline(), None);
    assert!(!pass(100_000_000, &mut room).effects.closed);
    let flush = turn_at(100_000_001, &[FIRST, Step::Close], &mut room);
    assert!(flush.effects.closed);
}

#[test]
fn the_time_in_which_nobody_ran_a_room_does_not_count() {
    for lifecycle in [when_empty(), when_idle(), in_any_case()] {
        let mut room = staying(lifecycle);
        let steps = if lifecycle == when_empty() { vec![FIRST, Step::Leave(MemberId(1))] } else { vec![FIRST] };
        turn_at(0, &steps, &mut room);
        pass(400, &mut room);
        let mut room = rebuilt::<Open>(&room);
        room.put_off(Duration::from_secs(3600));
        assert_eq!(room.next_deadline(), Some(at(3_600_000 + 1000)));
        assert_eq!(room.summary().created_at_ms, START.as_millis(), "when it was made is as it was");
        assert!(!pass(3_600_999, &mut room).effects.closed);
        assert!(pass(3_601_000, &mut room).effects.closed);
    }
}

#[test]
fn times_that_never_come_are_no_times() {
    let most = Some(Duration::MAX);
    let mut room =
        staying(Lifecycle { empty_ttl: Duration::MAX, idle_ttl: most, lifetime_max: most, persistent: false });
    turn_at(0, &[FIRST, Step::Leave(MemberId(1))], &mut room);
    assert!(!pass(u64::from(u32::MAX), &mut room).effects.closed);
    room.put_off(Duration::MAX / 4);
    assert!(room.next_deadline().is_some());
}

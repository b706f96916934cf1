//! What time does to a room.

use anteroom_core::Time;

use crate::rooms::house::{GRACE_MS, House};
use crate::rooms::probe::{Action, Open, Ticking};

fn rang(n: u32, at: u64) -> String {
    format!("rang {n} at {at}")
}

fn ticks(at: &[u64]) -> Vec<String> {
    at.iter().map(|at| format!("tick at {at}")).collect()
}

#[test]
fn timers_ring_at_their_time_and_equal_ones_in_the_order_of_asking() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.hush();
    for (ms, n) in [(20, 1), (10, 2), (20, 3), (10, 4), (0, 5)] {
        house.tell(ada, Action::Remind { ms, n });
    }
    assert_eq!(house.room.next_deadline(), Some(Time::from_millis(1)));
    house.advance(19);
    assert_eq!(house.heard(ada), [rang(5, 1), rang(2, 10), rang(4, 10)]);
    house.advance(100);
    assert_eq!(house.heard(ada), [rang(1, 20), rang(3, 20)]);
    assert_eq!(house.room.next_deadline(), None);
}

#[test]
fn a_cancelled_timer_never_rings() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.hush();
    house.tell(ada, Action::Remind { ms: 10, n: 1 });
    house.tell(ada, Action::Cancel {});
    house.tell(ada, Action::Remind { ms: 10, n: 2 });
    house.advance(10);
    house.tell(ada, Action::Cancel {});
    assert_eq!(house.heard(ada), ["cancelled Some(1)".into(), rang(2, 10), "cancelled None".into()]);
}

#[test]
fn commands_happen_after_what_fell_due_before_them() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.hush();
    house.tell(ada, Action::Remind { ms: 10, n: 1 });
    house.now = Time::from_millis(10);
    house.tell(ada, Action::Say { n: 7 });
    assert_eq!(house.heard(ada), [rang(1, 10), "0 said 7".into()]);
}

#[test]
fn at_equal_times_seats_come_first_and_ticks_last() {
    let mut house = House::new::<Ticking>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    house.tell(ada, Action::Remind { ms: GRACE_MS, n: 1 });
    house.disconnect(bob);
    house.advance(GRACE_MS);
    let expected =
        [ticks(&[10, 20]), vec!["-bob TimedOut".into(), "left 1 bob".into(), rang(1, GRACE_MS)], ticks(&[30])];
    assert_eq!(house.heard(ada)[2..], expected.concat());
}

#[test]
fn ticks_come_every_so_often_in_whole_milliseconds() {
    let mut house = House::new::<Ticking>();
    let ada = house.sit("ada");
    house.hush();
    house.advance(9);
    assert!(house.heard(ada).is_empty());
    house.advance(1);
    house.advance(15);
    assert_eq!(house.heard(ada), ticks(&[10, 20]));
    assert_eq!(house.room.next_deadline(), Some(Time::from_millis(30)));
}

#[test]
fn a_room_that_slept_makes_up_for_a_few_ticks_and_keeps_the_beat() {
    let mut house = House::new::<Ticking>();
    let ada = house.sit("ada");
    house.hush();
    house.advance(50);
    assert_eq!(house.heard(ada), ticks(&[10, 20, 30, 40, 50]));
    house.advance(60);
    assert_eq!(house.heard(ada), ticks(&[70, 80, 90, 100, 110]));
    house.advance(3_600_005);
    let last = 3_600_110;
    assert_eq!(house.heard(ada), ticks(&[last - 40, last - 30, last - 20, last - 10, last]));
    assert_eq!(house.room.next_deadline(), Some(Time::from_millis(last + 10)));
    house.advance(u64::MAX / 2);
    assert_eq!(house.heard(ada).len(), 5);
}

#[test]
fn one_call_does_a_bounded_amount() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.hush();
    // Rings every millisecond, for ever.
    house.tell(ada, Action::Remind { ms: 1, n: 1000 });
    house.advance(100_000);
    let first = house.heard(ada).len();
    assert!((100..10_000).contains(&first), "{first}");
    assert!(house.room.next_deadline().unwrap() <= house.now, "there is more to do at once");
    house.advance(0);
    assert!(!house.heard(ada).is_empty());
}

#[test]
fn how_often_time_is_told_makes_no_difference() {
    let story = |step: usize| {
        let mut house = House::new::<Open>();
        let (ada, bob) = (house.sit("ada"), house.sit("bob"));
        for (ms, n) in [(7, 1), (40, 2), (25, 3)] {
            house.tell(ada, Action::Remind { ms, n });
        }
        house.disconnect(bob);
        for _ in (0..60).step_by(step) {
            house.advance(step as u64);
            if step < 10 {
                house.flush();
            }
        }
        house.heard(ada)
    };
    let heard = story(60);
    assert_eq!(heard.len(), 11);
    assert_eq!(heard, story(1));
    assert_eq!(heard, story(4));
    assert_eq!(heard, story(30));
}

#[test]
fn the_time_of_a_room_never_goes_back() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.advance(100);
    house.tell(ada, Action::Remind { ms: 50, n: 1 });
    house.hush();
    // Whoever reads the clock has read it earlier than somebody else.
    house.now = Time::from_millis(40);
    house.tell(ada, Action::Remind { ms: 10, n: 2 });
    assert_eq!(house.room.next_deadline(), Some(Time::from_millis(110)));
    house.disconnect(ada);
    house.advance(5);
    house.sit("bob");
    house.flush();
    assert_eq!(house.room.next_deadline(), Some(Time::from_millis(110)));
    house.now = Time::from_millis(100);
    house.advance(GRACE_MS - 1);
    house.flush();
    assert_eq!(house.room.next_deadline(), Some(Time::from_millis(100 + GRACE_MS)), "the seat of ada");
}

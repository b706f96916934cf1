use super::*;
use crate::BatchBuilder;
use crate::codec::Codec;
use crate::envelope::{Header, decode_batch};

const ROOMY: Bounds = Bounds::NONE;

/// A batch of messages, each of which says its number.
fn batch(numbers: impl IntoIterator<Item = u64>) -> Arc<Batch> {
    let mut builder = BatchBuilder::new(Codec::Json);
    numbers.into_iter().for_each(|number| builder.push(&Header::new("said"), &number).unwrap());
    Arc::new(builder.finish())
}

fn latest(number: u64) -> Arc<Batch> {
    Arc::new(Batch::one(Codec::Json, &Header { latest: Some("k"), ..Header::new("value") }, &number).unwrap())
}

fn kept(attached: bool) -> Outbound {
    Outbound::new(true, attached)
}

impl Outbound {
    fn values(&mut self, key: &str, number: u64) {
        self.put_latest(key.into(), latest(number), &ROOMY).unwrap();
    }

    fn puts(&mut self, numbers: impl IntoIterator<Item = u64>) {
        self.put(0, batch(numbers), &ROOMY).unwrap();
    }

    /// What is written now, as text: messages by their numbers, `v` in front of values.
    fn writes(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(next) = self.next() {
            match next {
                Next::Opening { next, gap } => words.push(format!("[{next}{}]", if gap { " gap" } else { "" })),
                Next::Snapshot => words.push("?".into()),
                Next::Record(batch) => {
                    for message in decode_batch(batch.codec(), batch.payload()).unwrap().map(Result::unwrap) {
                        let number: u64 = message.data.decode().unwrap();
                        words.push(format!("{}{number}", if message.latest.is_some() { "v" } else { "" }));
                    }
                }
            }
        }
        words.join(" ")
    }

    /// A new connection.
    fn moves(&mut self, received: u64) -> String {
        self.attach(Some(received), true).unwrap();
        self.writes()
    }
}

#[test]
fn what_is_put_is_written_once_and_kept_until_it_is_acknowledged() {
    let mut lane = kept(true);
    lane.puts([1, 2]);
    lane.puts([3]);
    assert_eq!((lane.writes().as_str(), lane.writes().as_str()), ("1 2 3", ""));
    let all = lane.kept_bytes();
    lane.acknowledge(1).unwrap();
    assert_eq!(lane.kept_bytes(), all, "a batch is kept whole");
    lane.acknowledge(2).unwrap();
    assert_eq!(lane.kept_bytes(), batch([3]).payload().len());
    assert!(lane.is_written() && !lane.is_received());
    lane.acknowledge(3).unwrap();
    lane.acknowledge(1).unwrap();
    assert_eq!((lane.kept_bytes(), lane.waiting_bytes(), lane.last()), (0, 0, 3));
    assert!(lane.is_received());
}

#[test]
fn more_than_was_written_cannot_be_acknowledged() {
    let mut lane = kept(true);
    lane.puts([1]);
    assert_eq!(lane.acknowledge(1), Err(CountNotSent { count: 1, written: 0 }));
    assert_eq!(lane.attach(Some(1), true), Err(CountNotSent { count: 1, written: 0 }));
    assert_eq!(lane.writes(), "1");
    assert_eq!(lane.acknowledge(2), Err(CountNotSent { count: 2, written: 1 }));
    lane.acknowledge(1).unwrap();
}

#[test]
fn a_new_connection_goes_on_behind_what_was_received_even_inside_a_batch() {
    for received in 0..=5 {
        let mut lane = kept(true);
        lane.puts([1]);
        lane.puts([2, 3, 4]);
        lane.puts([5]);
        lane.writes();
        lane.puts([6]);
        lane.detach(&ROOMY);
        lane.puts([7]);
        assert_eq!(lane.next(), None, "there is no connection");
        let rest: Vec<String> = (received + 1..=7).map(|number| number.to_string()).collect();
        assert_eq!(lane.moves(received), format!("[{}] {}", received + 1, rest.join(" ")));
        assert!(lane.is_written() && lane.waiting_bytes() == 0);
    }
}

#[test]
fn a_lane_with_nothing_new_is_announced() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.writes();
    assert_eq!(lane.moves(1), "[2]");
    assert!(lane.is_received());
    lane.attach(Some(1), false).unwrap();
    assert_eq!(lane.next(), None);
}

#[test]
fn an_acknowledgement_while_a_resend_is_running_takes_nothing_from_it() {
    let mut lane = kept(true);
    lane.puts([1, 2]);
    lane.puts([3]);
    lane.writes();
    // Both arrived on the old connection after the counts were sent.
    lane.attach(Some(1), true).unwrap();
    lane.acknowledge(3).unwrap();
    assert_eq!(lane.writes(), "[2] 2 3");
    lane.acknowledge(3).unwrap();
    assert_eq!(lane.kept_bytes(), 0);
}

#[test]
fn an_acknowledgement_may_be_faster_than_the_counts_that_were_sent_before_it() {
    let mut lane = kept(true);
    lane.puts([1, 2]);
    lane.writes();
    lane.acknowledge(2).unwrap();
    lane.puts([3]);
    assert_eq!(lane.moves(0), "[3] 3");
}

#[test]
fn what_is_not_kept_any_more_is_a_gap() {
    let mut lane = kept(true);
    (1..=3).for_each(|number| lane.puts([number]));
    lane.writes();
    lane.put(0, batch([4]), &Bounds { messages_max: 1, ..ROOMY }).unwrap();
    assert_eq!(lane.kept_bytes(), batch([3]).payload().len() + batch([4]).payload().len());
    assert_eq!(lane.moves(1), "?");
    assert_eq!(lane.writes(), "", "it is asked once");
    lane.puts([5]);
    lane.put_snapshot(0, batch([100]));
    lane.put_snapshot(0, batch([101]));
    lane.puts([6]);
    // 5 was the burned number.
    assert_eq!(lane.writes(), "[6 gap] 100 6");
    assert_eq!(lane.acknowledge(8), Err(CountNotSent { count: 8, written: 7 }));
    lane.acknowledge(7).unwrap();
}

#[test]
fn a_gap_burns_a_number_so_nobody_can_be_in_front_of_it_unknowing() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.writes();
    lane.start_gap();
    lane.start_gap();
    assert_eq!(lane.last(), 2, "one gap is one number");
    assert_eq!(lane.writes(), "?");
    lane.put_snapshot(0, batch([100]));
    // The announcement never arrives: the receiver has message 1, and hears of the gap on the next connection.
    assert_eq!(lane.moves(1), "?");
    lane.put_snapshot(0, batch([101]));
    assert_eq!(lane.next(), Some(Next::Opening { next: 5, gap: true }));
    // It has arrived, and what follows goes on from there.
    assert_eq!(lane.moves(4), "[5] 101");
}

#[test]
fn a_snapshot_that_was_asked_for_on_a_lost_connection_is_asked_for_again() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.writes();
    lane.start_gap();
    assert_eq!(lane.writes(), "?");
    lane.detach(&ROOMY);
    assert_eq!(lane.moves(1), "?");
    lane.ask_again();
    assert_eq!(lane.writes(), "?");
    lane.put_snapshot(0, batch([100]));
    lane.ask_again();
    assert_eq!(lane.writes(), "[3 gap] 100");
}

#[test]
fn too_much_that_waits_overflows_and_too_much_that_was_written_is_forgotten() {
    let size = batch([1]).payload().len();
    let bounds = Bounds { waiting_bytes_max: 3 * size, kept_bytes_max: 5 * size, ..ROOMY };
    let mut lane = kept(true);
    for _ in 0..3 {
        assert_eq!(lane.put(0, batch([1]), &bounds), Ok(()));
    }
    assert_eq!(lane.put(0, batch([1]), &bounds), Err(Overflow));
    for _ in 0..3 {
        lane.writes();
        for _ in 0..3 {
            assert_eq!(lane.put(0, batch([1]), &bounds), Ok(()), "what was written is none of what waits");
        }
    }
    assert_eq!(lane.kept_bytes(), 9 * size, "the oldest that was written, five behind it, and three that wait");
    assert_eq!(lane.put(0, batch([1]), &bounds), Err(Overflow));
    lane.start_gap();
    assert_eq!((lane.kept_bytes(), lane.waiting_bytes()), (0, 0));
    assert_eq!(lane.put(0, batch([1; 50]), &bounds), Ok(()), "it is dropped");
    lane.put_snapshot(0, batch([1; 50]));
    lane.writes();
    assert_eq!(lane.put(0, batch([1; 50]), &bounds), Ok(()), "a single batch may have any size");
}

#[test]
fn what_was_on_its_way_at_a_cut_takes_nothing_from_what_may_wait() {
    let bounds = Bounds { waiting_bytes_max: 1 << 20, kept_bytes_max: 256 << 10, ..ROOMY };
    let heavy = |bytes: usize| Arc::new(Batch::one(Codec::Json, &Header::new("said"), &"x".repeat(bytes)).unwrap());
    for in_flight in [20, 300_000] {
        let mut lane = kept(true);
        lane.put(0, heavy(in_flight), &bounds).unwrap();
        while lane.next().is_some() {}
        lane.put(0, heavy(20), &bounds).unwrap();
        while lane.next().is_some() {}
        lane.detach(&ROOMY);
        for _ in 0..30 {
            assert_eq!(lane.put(0, heavy(10_000), &bounds), Ok(()));
        }
        lane.attach(Some(0), true).unwrap();
        assert_eq!(lane.next(), Some(Next::Opening { next: 1, gap: false }), "{in_flight}");
        assert_eq!(std::iter::from_fn(|| lane.next()).count(), 32);
    }
}

#[test]
fn what_is_to_be_written_again_is_not_forgotten_meanwhile() {
    let size = batch([1]).payload().len();
    let bounds = Bounds { kept_bytes_max: 3 * size, messages_max: 4, age_max_ms: 10, ..ROOMY };
    let mut lane = kept(true);
    for number in 1..=4 {
        lane.put(0, batch([number]), &bounds).unwrap();
    }
    assert_eq!(lane.writes(), "1 2 3 4");
    lane.attach(Some(0), true).unwrap();
    lane.put(99, batch([5]), &bounds).unwrap();
    assert_eq!(lane.writes(), "[1] 1 2 3 4 5", "whoever was told of 1 gets it");
}

#[test]
fn values_that_wait_do_not_push_out_what_is_reliable() {
    let bounds = Bounds { waiting_bytes_max: 1 << 20, kept_bytes_max: 256 << 10, ..ROOMY };
    let header = Header { latest: Some("k"), ..Header::new("value") };
    let large = Arc::new(Batch::one(Codec::Json, &header, &"x".repeat(60_000)).unwrap());
    let mut lane = kept(true);
    for key in 0..26 {
        lane.put_latest(key.to_string().into(), large.clone(), &bounds).unwrap();
    }
    for number in 1..=3 {
        assert_eq!(lane.put(0, batch([number]), &bounds), Ok(()));
    }
    assert!(lane.next().is_some_and(|next| next == Next::Record(batch([1]))));
}

#[test]
fn only_what_was_written_grows_old() {
    let bounds = Bounds { age_max_ms: 10, ..ROOMY };
    let mut lane = kept(false);
    lane.put(0, batch([1]), &bounds).unwrap();
    lane.put(10, batch([2]), &bounds).unwrap();
    assert_eq!(lane.put(11, batch([3]), &bounds), Ok(()), "what waits has a reader to come");
    assert_eq!(lane.kept_bytes(), 3 * batch([3]).payload().len());
    let mut lane = kept(true);
    lane.put(0, batch([1]), &bounds).unwrap();
    lane.writes();
    assert_eq!(lane.put(11, batch([2]), &bounds), Ok(()));
    assert_eq!(lane.kept_bytes(), batch([2]).payload().len(), "what was written is forgotten instead");
}

#[test]
fn the_newest_value_is_written_behind_what_is_pending_and_again_on_a_new_connection() {
    let mut lane = kept(true);
    lane.values("a", 10);
    lane.puts([1]);
    lane.values("b", 20);
    lane.values("a", 11);
    assert_eq!(lane.writes(), "1 v11 v20");
    assert_eq!(lane.waiting_bytes(), 0);
    lane.puts([2]);
    lane.values("b", 21);
    assert_eq!(lane.writes(), "2 v21");
    assert_eq!(lane.moves(1), "[2] 2 v11 v21");
    // Message 3 was written behind the values, so they have arrived with it.
    lane.puts([3]);
    lane.writes();
    lane.acknowledge(3).unwrap();
    assert_eq!(lane.moves(3), "[4]");
    assert!(lane.is_received());
}

#[test]
fn a_value_that_may_not_have_arrived_stays() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.values("a", 10);
    lane.writes();
    lane.acknowledge(1).unwrap();
    assert_eq!(lane.moves(1), "[2] v10");
}

#[test]
fn values_outlive_a_gap_and_come_behind_the_snapshot() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.values("a", 10);
    lane.writes();
    lane.start_gap();
    lane.values("b", 20);
    assert_eq!(lane.writes(), "?");
    lane.put_snapshot(0, batch([100]));
    assert_eq!(lane.writes(), "[3 gap] 100 v20");
    // The snapshot came behind the first.
    assert_eq!(lane.moves(3), "[4] v20");
}

#[test]
fn giving_up_a_value_that_nobody_has_read_starts_a_gap() {
    let bounds = Bounds { values_max: 3, ..ROOMY };
    let put = |lane: &mut Outbound, key: &str, number| lane.put_latest(key.into(), latest(number), &bounds);
    let mut lane = kept(true);
    for (key, number) in [("a", 1), ("b", 2), ("c", 3), ("b", 4)] {
        assert_eq!(put(&mut lane, key, number), Ok(()));
    }
    assert_eq!(put(&mut lane, "d", 5), Err(Overflow));
    lane.start_gap();
    assert_eq!(put(&mut lane, "e", 6), Ok(()), "the snapshot stands for it");
    lane.put_snapshot(0, batch([100]));
    assert_eq!(lane.writes(), "[2 gap] 100 v3 v5 v6");
    // What was written goes first, and only a connection that is lost makes it matter.
    assert_eq!(put(&mut lane, "f", 7), Ok(()));
    assert_eq!(lane.writes(), "v7");
    assert_eq!(lane.moves(2), "?");
    lane.put_snapshot(0, batch([200]));
    assert_eq!(lane.writes(), "[4 gap] 200 v5 v6 v7");
    assert_eq!(put(&mut lane, "g", 8), Ok(()));
    lane.puts([5]);
    lane.writes();
    assert_eq!(lane.moves(5), "[6] v8", "what came behind it shows that it has arrived");
}

#[test]
fn values_have_a_bound_in_bytes() {
    let size = latest(10).payload().len();
    let bounds = Bounds { value_bytes_max: 2 * size, ..ROOMY };
    let mut lane = Outbound::new(false, true);
    assert_eq!(lane.put_latest("a".into(), latest(10), &bounds), Ok(()));
    assert_eq!(lane.put_latest("b".into(), latest(11), &bounds), Ok(()));
    assert_eq!(lane.put_latest("a".into(), latest(12), &bounds), Ok(()));
    assert_eq!(lane.put_latest("c".into(), latest(13), &bounds), Err(Overflow));
    assert_eq!(lane.put_latest("d".into(), batch([1; 50]), &bounds), Err(Overflow), "one may have any size");
    assert_eq!(lane.retained_bytes() - lane.capacity_bytes(), batch([1; 50]).payload().len());
}

#[test]
fn every_key_has_its_turn_however_often_others_change() {
    let mut lane = kept(true);
    for number in 10..14 {
        lane.values("a", number);
        lane.values("b", 20);
        lane.values("c", 30);
        let Some(Next::Record(written)) = lane.next() else { panic!("there are three to write") };
        let expected = [10, 20, 30, 13][number as usize - 10];
        assert_eq!(written, latest(expected), "{number}");
    }
}

#[test]
fn what_goes_another_way_takes_the_place_of_an_older_value() {
    let mut lane = kept(true);
    assert_eq!(lane.replace_latest("a", &latest(1)), None);
    lane.values("a", 1);
    assert_eq!(lane.replace_latest("a", &latest(2)), Some(true));
    assert_eq!(lane.writes(), "v2");
    assert_eq!(lane.replace_latest("a", &latest(3)), Some(false));
    assert_eq!((lane.writes().as_str(), lane.moves(0).as_str()), ("", "[1] v3"));
}

#[test]
fn memory_is_counted_while_it_is_there() {
    let total = Tally::default();
    let tally = Tally::within(&total);
    let mut lane = kept(true).counted(Some(&total));
    let counted = |numbers: [u64; 1]| Arc::new(Arc::into_inner(batch(numbers)).unwrap().counted(&tally));
    for number in 0..100 {
        lane.put(0, counted([number]), &ROOMY).unwrap();
        lane.put_latest(number.to_string().into(), counted([number]), &ROOMY).unwrap();
    }
    assert_eq!(tally.bytes(), lane.kept_bytes() + lane.values.bytes());
    let batches = 200 * batch([0]).memory_bytes() + (tally.bytes() - 200 * batch([0]).payload().len());
    assert_eq!(total.bytes(), batches + lane.capacity_bytes());
    assert!(lane.retained_bytes() > tally.bytes());
    lane.shed_all();
    assert_eq!((tally.bytes(), lane.retained_bytes()), (0, total.bytes()));
    lane.puts([1]);
    drop(lane);
    assert_eq!(total.bytes(), 0);
}

#[test]
fn whoever_lost_nothing_notices_nothing_of_what_was_shed() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.values("a", 10);
    lane.writes();
    lane.puts([2]);
    lane.writes();
    lane.detach(&ROOMY);
    lane.shed_all();
    assert_eq!((lane.kept_bytes(), lane.moves(2).as_str()), (0, "[3]"), "2 came behind the value");
    lane.detach(&ROOMY);
    lane.puts([3]);
    lane.shed_all();
    lane.puts([4]);
    assert_eq!((lane.kept_bytes(), lane.moves(2).as_str()), (0, "?"));
    lane.put_snapshot(0, batch([100]));
    lane.writes();
    lane.values("a", 11);
    lane.writes();
    lane.detach(&ROOMY);
    lane.shed_all();
    assert_eq!(lane.moves(5), "?", "a value may have been lost, and is not there");
}

#[test]
fn settled_values_stand_in_front_of_the_end_and_are_not_lost_with_a_connection() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.values("a", 10);
    lane.writes();
    lane.puts([2]);
    lane.values("b", 20);
    lane.settle(0);
    lane.puts([3]);
    assert_eq!(lane.writes(), "2 v20 3");
    for (received, written) in [(0, "[1] 1 v10 2 v20 3"), (1, "[2] v10 2 v20 3"), (2, "[3] v20 3"), (3, "[4]")] {
        assert_eq!(lane.moves(received), written);
    }
    assert!(lane.is_received() && lane.kept_bytes() == 0);
}

#[test]
fn a_settled_value_does_not_hide_a_gap() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.values("a", 10);
    lane.writes();
    lane.start_gap();
    lane.put_snapshot(0, batch([100]));
    lane.settle(0);
    lane.puts([2]);
    assert_eq!(lane.moves(1), "?");

    let mut lane = kept(true);
    lane.puts([1]);
    lane.values("a", 10);
    lane.writes();
    (2..=3).for_each(|number| lane.puts([number]));
    lane.writes();
    lane.put(0, batch([4]), &Bounds { messages_max: 1, ..ROOMY }).unwrap();
    lane.settle(0);
    assert_eq!(lane.moves(1), "?");
}

#[test]
fn without_keeping_every_new_connection_begins_with_a_gap() {
    let mut lane = Outbound::new(false, true);
    lane.puts([1]);
    lane.values("a", 10);
    assert_eq!(lane.writes(), "1 v10");
    assert_eq!((lane.kept_bytes(), lane.is_received()), (0, true));
    assert_eq!(lane.moves(1), "?", "the value may not have arrived");
    lane.put_snapshot(0, batch([100]));
    assert_eq!(lane.writes(), "[3 gap] 100");
    lane.detach(&ROOMY);
    lane.puts([4]);
    assert_eq!(lane.moves(3), "?");

    let mut lane = Outbound::new(false, true);
    lane.detach(&ROOMY);
    lane.puts([1]);
    assert!(lane.is_whole() && !lane.is_known());
    assert_eq!(lane.moves(0), "[1] 1", "nothing was lost");
}

#[test]
fn a_peer_that_knows_nothing_gets_a_snapshot() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.writes();
    assert!(lane.is_whole());
    lane.attach(None, true).unwrap();
    assert!(!lane.is_whole() && lane.is_in_gap());
    assert_eq!(lane.writes(), "?");
}

use super::*;
use crate::BatchBuilder;
use crate::codec::Codec;
use crate::envelope::{Header, decode_batch};

const ROOMY: Bounds =
    Bounds { messages_max: u64::MAX, age_max_ms: u64::MAX, kept_bytes_max: usize::MAX, waiting_bytes_max: usize::MAX };

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
        lane.detach();
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
    lane.put(0, batch([4]), &Bounds { messages_max: 2, ..ROOMY }).unwrap();
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
    lane.detach();
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
    lane.writes();
    for _ in 0..3 {
        assert_eq!(lane.put(0, batch([1]), &bounds), Ok(()));
        assert!(lane.kept_bytes() <= 5 * size, "{}", lane.kept_bytes());
    }
    assert_eq!(lane.put(0, batch([1]), &bounds), Err(Overflow), "{}", lane.waiting_bytes());
    lane.start_gap();
    assert_eq!((lane.kept_bytes(), lane.waiting_bytes()), (0, 0));
    assert_eq!(lane.put(0, batch([1; 50]), &bounds), Ok(()), "it is dropped");
    lane.put_snapshot(0, batch([1; 50]));
    lane.writes();
    assert_eq!(lane.put(0, batch([1; 50]), &bounds), Ok(()), "a single batch may have any size");
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
    lane.put_latest("a".into(), latest(10));
    lane.puts([1]);
    lane.put_latest("b".into(), latest(20));
    lane.put_latest("a".into(), latest(11));
    assert_eq!(lane.writes(), "1 v20 v11");
    assert_eq!(lane.waiting_bytes(), 0);
    lane.puts([2]);
    lane.put_latest("b".into(), latest(21));
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
    lane.put_latest("a".into(), latest(10));
    lane.writes();
    lane.acknowledge(1).unwrap();
    assert_eq!(lane.moves(1), "[2] v10");
}

#[test]
fn values_outlive_a_gap_and_come_behind_the_snapshot() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.put_latest("a".into(), latest(10));
    lane.writes();
    lane.start_gap();
    lane.put_latest("b".into(), latest(20));
    assert_eq!(lane.writes(), "?");
    lane.put_snapshot(0, batch([100]));
    assert_eq!(lane.writes(), "[3 gap] 100 v20");
    // The snapshot came behind the first.
    assert_eq!(lane.moves(3), "[4] v20");
}

#[test]
fn one_lane_has_so_many_values_and_no_more() {
    let mut lane = kept(true);
    for key in 0..=LATEST_KEYS_MAX as u64 {
        lane.put_latest(key.to_string().into(), latest(key));
    }
    let words = lane.writes();
    assert_eq!(words.split(' ').count(), LATEST_KEYS_MAX);
    assert!(words.starts_with("v1 v2 "));
    assert_eq!(lane.waiting_bytes(), 0);
}

#[test]
fn settled_values_stand_in_front_of_the_end_and_are_not_lost_with_a_connection() {
    let mut lane = kept(true);
    lane.puts([1]);
    lane.put_latest("a".into(), latest(10));
    lane.writes();
    lane.puts([2]);
    lane.put_latest("b".into(), latest(20));
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
    lane.put_latest("a".into(), latest(10));
    lane.writes();
    lane.start_gap();
    lane.put_snapshot(0, batch([100]));
    lane.settle(0);
    lane.puts([2]);
    assert_eq!(lane.moves(1), "?");

    let mut lane = kept(true);
    lane.puts([1]);
    lane.put_latest("a".into(), latest(10));
    lane.writes();
    (2..=3).for_each(|number| lane.puts([number]));
    lane.writes();
    lane.put(0, batch([4]), &Bounds { messages_max: 2, ..ROOMY }).unwrap();
    lane.settle(0);
    assert_eq!(lane.moves(1), "?");
}

#[test]
fn without_keeping_every_new_connection_begins_with_a_gap() {
    let mut lane = Outbound::new(false, true);
    lane.puts([1]);
    lane.put_latest("a".into(), latest(10));
    assert_eq!(lane.writes(), "1 v10");
    assert_eq!((lane.kept_bytes(), lane.is_received()), (0, true));
    assert_eq!(lane.moves(1), "?", "the value may not have arrived");
    lane.put_snapshot(0, batch([100]));
    assert_eq!(lane.writes(), "[3 gap] 100");
    lane.detach();
    lane.puts([4]);
    assert_eq!(lane.moves(3), "?");

    let mut lane = Outbound::new(false, true);
    lane.detach();
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

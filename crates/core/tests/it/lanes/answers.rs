//! The control lane, where some requests are answered at once and others after a while: what is acknowledged, and what becomes of
//! answers that a gap swallows.

use std::collections::{BTreeMap, BTreeSet};

use anteroom_core::Time;
use anteroom_core::lanes::{Carrying, Claim, ConnectionId, Lanes, Verdict};
use proptest::prelude::*;

use crate::lanes::claims::session;
use crate::lanes::words::CONTROL;

const NOW: Time = Time::from_millis(1);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// It is answered at once, on the control lane.
    Once,
    /// It is refused in front of whoever would do it.
    Refused,
    /// It is answered after a while, on a lane of its own.
    Later,
}

#[derive(Debug, Clone)]
enum Step {
    Ask(Kind),
    /// One that waits is answered.
    Answer(usize),
    /// The client reads what there is to read.
    Read,
    /// The connection is lost, and what waited there; another one comes.
    Gap,
}

/// Both ends, as far as requests on the control lane go.
struct Both {
    session: Lanes,
    connection: ConnectionId,
    attempt: u64,
    next_n: u64,
    asked: BTreeMap<u64, Kind>,
    waiting: BTreeSet<u64>,
    /// Answers that the client has not read.
    said: BTreeSet<u64>,
    /// Requests of which the client knows what became, or that nobody will tell.
    settled: BTreeSet<u64>,
}

impl Both {
    fn new() -> Self {
        let (session, connection) = session();
        let (asked, waiting, said, settled) = Default::default();
        Self { session, connection, attempt: 0, next_n: 1, asked, waiting, said, settled }
    }

    fn ask(&mut self, kind: Kind) {
        // Numbers between go on other lanes.
        let n = self.next_n + u64::from(self.next_n.is_multiple_of(3));
        self.next_n = n + 1;
        self.asked.insert(n, kind);
        self.arrive(n, kind);
    }

    fn arrive(&mut self, n: u64, kind: Kind) {
        if self.session.judge(self.connection, CONTROL, Some(n)) == Verdict::Ignored {
            assert!(self.waiting.contains(&n) || self.settled.contains(&n), "{n} came again, and nobody answers it");
            return;
        }
        assert!(!self.waiting.contains(&n), "{n} waits, and was handed over again");
        match kind {
            Kind::Once => self.session.took(NOW, CONTROL, Some(n), 10),
            Kind::Refused => self.session.saw_on_control(Some(n)),
            Kind::Later => {
                assert!(!self.settled.contains(&n), "{n} was done, and was handed over again");
                self.session.handed(NOW, CONTROL, Some(n), 10);
                self.waiting.insert(n);
                return;
            }
        }
        self.said.insert(n);
    }

    fn answer(&mut self, place: usize) {
        if let Some(&n) = self.waiting.iter().nth(place % self.waiting.len().max(1)) {
            self.waiting.remove(&n);
            self.settled.insert(n);
            self.session.done(Some(n));
        }
    }

    fn read(&mut self) {
        self.settled.append(&mut self.said);
    }

    fn gap(&mut self) {
        self.said.clear();
        self.session.lost(self.connection);
        self.attempt += 1;
        let claim = Claim { token: 0, attempt: self.attempt, carrying: Carrying::Fresh };
        self.connection = self.session.reconnect(&claim, None).unwrap().connection;
        // What is announced with the gap is acknowledged; answers to it are lost.
        let applied = self.applied();
        self.settled.extend(self.asked.range(..=applied).map(|(n, _)| *n));
        let again: Vec<_> = self.asked.range(applied + 1..).map(|(n, kind)| (*n, *kind)).collect();
        again.into_iter().for_each(|(n, kind)| self.arrive(n, kind));
    }

    fn applied(&self) -> u64 {
        self.session.kept().applied
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Ask(Kind::Once)),
        1 => Just(Step::Ask(Kind::Refused)),
        3 => Just(Step::Ask(Kind::Later)),
        3 => any::<usize>().prop_map(Step::Answer),
        1 => Just(Step::Read),
        2 => Just(Step::Gap),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_acknowledged_behind_a_request_that_waits(steps in prop::collection::vec(step(), 1..60)) {
        let mut both = Both::new();
        for step in steps {
            match step {
                Step::Ask(kind) => both.ask(kind),
                Step::Answer(place) => both.answer(place),
                Step::Read => both.read(),
                Step::Gap => both.gap(),
            }
            let first = both.waiting.first().copied();
            prop_assert!(first.is_none_or(|first| both.applied() < first), "{} for {first:?}", both.applied());
        }
        // In the end everything is answered, and the next request takes with it what nobody asks for any more.
        while !both.waiting.is_empty() {
            both.answer(0);
        }
        both.read();
        both.ask(Kind::Once);
        both.read();
        let asked: BTreeSet<u64> = both.asked.keys().copied().collect();
        prop_assert_eq!(&both.settled, &asked);
        prop_assert_eq!(both.applied(), both.next_n - 1);
        prop_assert_eq!(both.session.take_ack().get(&CONTROL).copied(), Some(both.next_n - 1));
    }
}

#[test]
fn a_later_answer_acknowledges_no_earlier_join() {
    let (mut session, connection) = session();
    session.took(NOW, CONTROL, Some(1), 10);
    session.handed(NOW, CONTROL, Some(4), 10);
    session.took(NOW, CONTROL, Some(5), 10);
    session.handed(NOW, CONTROL, Some(6), 10);
    session.done(Some(6));
    assert_eq!(session.take_ack(), BTreeMap::from([(CONTROL, 1)]));
    assert_eq!(session.kept().applied, 1);
    for n in [1, 4, 5, 6] {
        assert_eq!(session.judge(connection, CONTROL, Some(n)), Verdict::Ignored, "{n} is taken once");
    }
    session.done(Some(4));
    assert_eq!(session.ack_at(), Some(Time::from_millis(1001)), "a second after they came");
    assert_eq!(session.take_ack(), BTreeMap::from([(CONTROL, 6)]));
    session.done(Some(4));
    session.done(Some(9));
    session.done(None);
    assert_eq!(session.take_ack(), BTreeMap::new(), "what nobody waits for is not done");
}

#[test]
fn of_more_requests_than_a_client_may_have_on_its_way_not_all_answers_are_kept() {
    let (mut session, _) = session();
    session.handed(NOW, CONTROL, Some(1), 10);
    (2..10_000).for_each(|n| session.took(NOW, CONTROL, Some(n), 10));
    assert_eq!(session.take_ack(), BTreeMap::new());
    session.done(Some(1));
    assert_eq!(session.take_ack(), BTreeMap::from([(CONTROL, 9999)]));
}

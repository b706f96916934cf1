//! Members who send very different amounts into one room: nobody is refused for what others send.

use std::collections::VecDeque;
use std::sync::Arc;

use anteroom_core::room::{Place, Share, WAITING_BYTES_MAX, WAITING_MESSAGES_MAX, Waiting};
use proptest::prelude::*;

/// The largest message of these stories.
const BYTES_MAX: usize = 64 << 10;

/// The mailbox of a room, and who is in it.
struct Mailbox {
    waiting: Arc<Waiting>,
    members: Vec<Arc<Share>>,
    /// Whose message, how large it is, and its place.
    mails: VecDeque<(usize, usize, Place)>,
    /// Messages and bytes that wait, of each member.
    counts: Vec<(usize, usize)>,
}

impl Mailbox {
    fn new(members: usize) -> Self {
        let waiting = Arc::<Waiting>::default();
        let shares = (0..members).map(|_| Share::new(waiting.clone(), true)).collect();
        Self { waiting, members: shares, mails: VecDeque::new(), counts: vec![(0, 0); members] }
    }

    fn send(&mut self, who: usize, bytes: usize) -> bool {
        let place = self.members[who].take(bytes);
        let Some(place) = place else { return false };
        self.mails.push_back((who, bytes, place));
        self.counts[who].0 += 1;
        self.counts[who].1 += bytes;
        true
    }

    fn handle(&mut self, messages: usize) {
        for (who, bytes, _) in self.mails.drain(..messages.min(self.mails.len())) {
            self.counts[who].0 -= 1;
            self.counts[who].1 -= bytes;
        }
    }

    fn fill(&mut self, who: usize, bytes: usize) -> usize {
        (0..).take_while(|_| self.send(who, bytes)).count()
    }
}

#[test]
fn one_alone_leaves_as_much_to_the_others() {
    let mut mailbox = Mailbox::new(3);
    assert_eq!(mailbox.fill(0, 1), WAITING_MESSAGES_MAX / 2);
    // What clients are promised: with 256 messages unanswered nobody hears `busy`, whoever else floods.
    assert!((0..256).all(|_| mailbox.send(1, 1)));
    assert!((0..256).all(|_| mailbox.send(2, 1)));
    mailbox.handle(usize::MAX);
    assert_eq!((mailbox.waiting.messages(), mailbox.waiting.bytes()), (0, 0));
    assert_eq!(mailbox.fill(0, BYTES_MAX), WAITING_BYTES_MAX / BYTES_MAX / 2);
}

#[test]
fn floods_come_to_equal_shares() {
    let mut mailbox = Mailbox::new(4);
    for _ in 0..20 {
        for who in 0..4 {
            mailbox.fill(who, 1);
        }
        mailbox.handle(256);
    }
    for who in 0..4 {
        mailbox.fill(who, 1);
        let (messages, _) = mailbox.counts[who];
        assert!((300..600).contains(&messages), "{who}: {messages}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send { who: usize, bytes: usize, times: usize },
    Handle(usize),
}

fn step(members: usize) -> impl Strategy<Value = Step> {
    // The first few do most of it.
    let who = prop_oneof![6 => 0..members.div_ceil(8), 1 => 0..members];
    let bytes = prop_oneof![8 => 0..200_usize, 1 => 0..=BYTES_MAX];
    prop_oneof![
        6 => (who, bytes, 1..600_usize).prop_map(|(who, bytes, times)| Step::Send { who, bytes, times }),
        2 => (0..600_usize).prop_map(Step::Handle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Members with unequal shares: whoever has nothing waiting is never refused, and neither is who has waiting at most
    /// what is free; all of it together is bounded.
    #[test]
    fn members_with_unequal_shares(
        (members, steps) in (1..200_usize).prop_flat_map(|n| (Just(n), prop::collection::vec(step(n), 1..60)))
    ) {
        let mut mailbox = Mailbox::new(members);
        for step in steps {
            match step {
                Step::Send { who, bytes, times } => for _ in 0..times {
                    let (mine, mine_bytes) = mailbox.counts[who];
                    let free = WAITING_MESSAGES_MAX.saturating_sub(mailbox.waiting.messages());
                    let free_bytes = WAITING_BYTES_MAX.saturating_sub(mailbox.waiting.bytes());
                    let is_due = mine == 0 || mine < free && mine_bytes + bytes <= free_bytes;
                    let is_taken = mailbox.send(who, bytes);
                    prop_assert_eq!(is_taken, is_due, "{} has {}, {} are free", who, mine, free);
                },
                Step::Handle(messages) => mailbox.handle(messages),
            }
            let (messages, bytes) = mailbox.counts.iter().fold((0, 0), |(m, b), of| (m + of.0, b + of.1));
            prop_assert_eq!((mailbox.waiting.messages(), mailbox.waiting.bytes()), (messages, bytes));
            prop_assert!(messages <= WAITING_MESSAGES_MAX + members);
            prop_assert!(bytes <= WAITING_BYTES_MAX + members * BYTES_MAX);
        }
    }
}

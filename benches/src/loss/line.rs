//! One direction of the link, without IO: which packets get lost, and when the others come out.
//!
//! Time is an argument. Packets come out in the order in which they went in, each after the same delay; whether one is
//! lost depends on the seed and on how many came before it, on nothing else.

use std::collections::VecDeque;
use std::time::Duration;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    Tcp,
    Udp,
    Other,
}

impl Carried {
    /// Reads the header of an IP packet.
    pub(crate) fn by(packet: &[u8]) -> Self {
        let protocol = match packet.first().map(|first| first >> 4) {
            Some(4) => packet.get(9),
            Some(6) => packet.get(6),
            _ => None,
        };
        match protocol {
            Some(6) => Self::Tcp,
            Some(17) => Self::Udp,
            _ => Self::Other,
        }
    }
}

/// What became of packets of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) lost: u64,
    /// Found the queue full. A run in which that happens measures the queue.
    pub(crate) refused: u64,
}

/// What became of all packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) tcp: Count,
    pub(crate) udp: Count,
    pub(crate) other: Count,
}

impl Counts {
    fn of(&mut self, carried: Carried) -> &mut Count {
        match carried {
            Carried::Tcp => &mut self.tcp,
            Carried::Udp => &mut self.udp,
            Carried::Other => &mut self.other,
        }
    }
}

/// One direction of the link.
#[derive(Debug)]
pub(crate) struct Line {
    chance: Chance,
    loss: f64,
    delay: Duration,
    queue: VecDeque<(Duration, Vec<u8>)>,
    packets_max: usize,
    counts: Counts,
}

impl Line {
    /// A line that loses nothing yet, and has room for so many packets on their way.
    pub(crate) fn new(seed: u64, delay: Duration, packets_max: usize) -> Self {
        let (queue, counts) = (VecDeque::new(), Counts::default());
        Self { chance: Chance(seed), loss: 0.0, delay, queue, packets_max, counts }
    }

    /// From now on this share of all packets is lost; counting begins anew.
    pub(crate) fn lose(&mut self, share: f64) {
        self.loss = share;
        self.counts = Counts::default();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// A packet goes in.
    pub(crate) fn enters(&mut self, now: Duration, packet: &[u8]) {
        let lost = self.chance.next() < self.loss;
        let count = self.counts.of(Carried::by(packet));
        if lost {
            count.lost += 1;
        } else if self.queue.len() == self.packets_max {
            count.refused += 1;
        } else {
            count.passed += 1;
            self.queue.push_back((now + self.delay, packet.to_vec()));
        }
    }

    /// When the next packet comes out.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.queue.front().map(|(due, _)| *due)
    }

    /// A packet that comes out now, if there is one.
    pub(crate) fn leaves(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.next_due().filter(|due| *due <= now)?;
        self.queue.pop_front().map(|(_, packet)| packet)
    }
}

/// Numbers from 0 to 1 that only the seed decides: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(20);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// An IPv4 packet of a protocol, told from others by its last byte.
    fn packet(protocol: u8, number: u8) -> Vec<u8> {
        let mut packet = vec![0; 21];
        (packet[0], packet[9], packet[20]) = (0x45, protocol, number);
        packet
    }

    #[test]
    fn packets_come_out_in_order_after_the_delay_and_not_before() {
        let mut line = Line::new(1, DELAY, 10);
        line.enters(ms(0), &packet(6, 1));
        line.enters(ms(3), &packet(17, 2));
        assert_eq!(line.next_due(), Some(ms(20)));
        assert_eq!(line.leaves(ms(19)), None);
        assert_eq!(line.leaves(ms(20)), Some(packet(6, 1)));
        assert_eq!(line.leaves(ms(20)), None);
        assert_eq!(line.next_due(), Some(ms(23)));
        assert_eq!(line.leaves(ms(30)), Some(packet(17, 2)));
        assert_eq!((line.next_due(), line.leaves(ms(99))), (None, None));
    }

    fn survivors(seed: u64, loss: f64, count: usize) -> Vec<usize> {
        let mut line = Line::new(seed, Duration::ZERO, 1);
        line.lose(loss);
        let survives = |_: &usize| {
            line.enters(ms(0), &packet(17, 0));
            line.leaves(ms(0)).is_some()
        };
        (0..count).filter(survives).collect()
    }

    #[test]
    fn the_seed_decides_what_is_lost() {
        assert_eq!(survivors(7, 0.05, 1000), survivors(7, 0.05, 1000));
        assert_ne!(survivors(7, 0.05, 1000), survivors(8, 0.05, 1000));
        assert_eq!(survivors(7, 0.0, 1000).len(), 1000);
        assert_eq!(survivors(7, 1.0, 1000).len(), 0);
    }

    #[test]
    fn losses_have_the_share_asked_for_and_do_not_hang_together() {
        const COUNT: usize = 200_000;
        let kept = survivors(7, 0.05, COUNT);
        let lost = COUNT - kept.len();
        // Five standard deviations of a binomial distribution are 487 and 110.
        assert!(lost.abs_diff(COUNT / 20) < 500, "{lost}");
        let twice = kept.windows(2).map(|pair| (pair[1] - pair[0]).saturating_sub(2)).sum::<usize>();
        assert!(twice.abs_diff(COUNT / 400) < 150, "{twice} pairs of neighbours");
    }

    #[test]
    fn what_became_of_packets_is_counted_by_what_they_carry() {
        let mut line = Line::new(1, DELAY, 2);
        line.enters(ms(0), &packet(6, 1));
        line.lose(0.0);
        line.enters(ms(0), &packet(17, 2));
        line.enters(ms(0), &packet(17, 3));
        assert_eq!(line.counts().udp, Count { passed: 1, lost: 0, refused: 1 });
        line.lose(1.0);
        line.enters(ms(0), &packet(6, 4));
        line.enters(ms(0), &packet(1, 5));
        let lost = Count { lost: 1, ..Count::default() };
        assert_eq!(line.counts(), Counts { tcp: lost, udp: Count::default(), other: lost });
    }

    #[test]
    fn headers_of_both_versions_are_read() {
        let mut version_6 = vec![0; 40];
        (version_6[0], version_6[6]) = (0x60, 17);
        assert_eq!(Carried::by(&version_6), Carried::Udp);
        assert_eq!(Carried::by(&packet(6, 0)), Carried::Tcp);
        for odd in [&[][..], &[0x45], &[0x00; 40]] {
            assert_eq!(Carried::by(odd), Carried::Other);
        }
    }
}

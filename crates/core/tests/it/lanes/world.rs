//! Both ends and what is between them; what can happen there, one step at a time.

use std::time::Duration;

use anteroom_core::Time;
use anteroom_protocol::Header;

use crate::lanes::client::Client;
use crate::lanes::climate::Climate;
use crate::lanes::ledger::Ledger;
use crate::lanes::link::Link;
use crate::lanes::server::Server;
use crate::lanes::words::{CONTROL, ROOMS};
use crate::lanes::writing::Pumping;

/// How many connections there are at most, before everything comes to rest.
const LINKS_MAX: usize = 40;
/// How many rounds it may take to come to rest.
const ROUNDS_MAX: usize = 60;
/// How long faults of connections count.
const FAULT_FORGOTTEN_MS: u64 = 3000;

pub(crate) struct World {
    climate: Climate,
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) links: Vec<Link>,
    pub(crate) ledger: Ledger,
    restarted: bool,
    /// The lanes, by the rest of their numbers, on which the client reads nothing for now.
    stalled: u32,
    /// How often something came that cannot be read, and when last.
    faults_in_a_row: u32,
    last_fault: Time,
}

impl World {
    pub(crate) fn new(climate: Climate) -> Self {
        let Climate { codec, keeps, .. } = climate;
        let mut world = Self {
            climate,
            server: Server::new(codec, keeps, climate.bounds()),
            client: Client::new(codec, keeps),
            links: Vec::new(),
            ledger: Ledger::default(),
            restarted: false,
            stalled: 0,
            faults_in_a_row: 0,
            last_fault: Time::default(),
        };
        world.dial(1, false);
        world
    }

    fn dial(&mut self, dice: u32, live: bool) {
        self.links.push(Link { streams: dice & 1 != 0, ..Link::default() });
        self.server.meet(dice & 1 != 0);
        self.client.dial(self.links.len() - 1, live, &mut self.links);
    }

    fn may_dial(&self) -> bool {
        self.links.len() < LINKS_MAX
    }

    /// One thing happens; which one, and how, is in the dice.
    pub(crate) fn step(&mut self, dice: u32) {
        let (event, dice) = (dice & 63, dice >> 6);
        let room = (dice & 1) as usize % ROOMS;
        let more = dice >> 1;
        if self.server.session.is_some() {
            self.act(event, room, more);
        }
        match event {
            28..=33 => self.pump(more),
            34..=40 => self.deliver_down(more),
            41..=45 => self.deliver_up(more),
            46..=48 => self.pass_time(u64::from(more % 900)),
            49..=50 => self.cut(more),
            51..=52 => self.server.notice(&mut self.links),
            53..=55 => self.client_notices(more),
            56..=57 if self.may_dial() && self.climate.keeps => self.dial(more, true),
            58..=59 => self.client.call(&mut self.links),
            // It does not wait for an answer.
            60 if self.may_dial() => self.dial(more, false),
            61 if self.may_dial()
                && more.is_multiple_of(4)
                && self.client.restart(&mut self.links, &mut self.ledger) =>
            {
                self.restarted = true;
                self.dial(more >> 2, false);
            }
            62 if more.is_multiple_of(2) => self.garble(more >> 1),
            63 => self.stalled = [u32::MAX, more >> 2, 0, 0][more as usize % 4],
            _ => {}
        }
        self.check();
    }

    /// What the two ends have to say.
    fn act(&mut self, event: u32, room: usize, more: u32) {
        let Self { server, client, links, ledger, .. } = self;
        match event {
            0..=3 => client.ask("join_room", room, true, links, ledger),
            4 => {
                client.ask("leave_room", room, true, links, ledger);
                client.ask_out(room, links, ledger);
                // And in again at once.
                if more & 1 != 0 {
                    client.ask("join_room", room, true, links, ledger);
                }
            }
            5..=8 => client.ask(if more.is_multiple_of(5) { "err" } else { "act" }, room, true, links, ledger),
            9 => {
                // Now and then a flood, of what has to be done at least once or at most once.
                let times = if more.is_multiple_of(8) { 24 } else { 1 };
                let kind = if more.is_multiple_of(5) { "err" } else { "act" };
                (0..times).for_each(|_| client.ask(kind, room, more % 16 == 8, links, ledger));
            }
            10..=15 => {
                for _ in 0..=more % 3 {
                    server.work(room, more % 11 == 3, ledger);
                }
            }
            16..=18 => server.say(room, 1 + more as usize % 4, more >> 2),
            19..=20 => server.set(room, more),
            21 if more & 1 == 0 => (0..8).for_each(|time| server.say(room, 3, (more >> 1).rotate_right(time))),
            21 => (0..20).for_each(|time| server.set(room, (more >> 1).rotate_right(3 * time))),
            22 => server.kick(room, more),
            23..=24 => {
                let words = vec![(Header::new("note"), 0); 1 + more as usize % 3];
                server.tell(CONTROL, None, &words, more >> 2);
            }
            25 if more.is_multiple_of(4) => {
                (0..12).for_each(|_| server.tell(CONTROL, None, &[(Header::new("note"), 0); 3], more >> 2));
            }
            26 if more & 4 == 0 => server.rooms[room].busy = more % 3,
            26 => server.give_up_join(room, ledger),
            27 if !self.climate.is_roomy() && more.is_multiple_of(8) => server.relieve(),
            27 if !self.climate.is_roomy() && more.is_multiple_of(4) => server.shed(room),
            _ => {}
        }
    }

    fn pump(&mut self, dice: u32) {
        let place = self.server.carrying();
        if let Some(place) = place {
            let blocked = self.stalled | (dice >> 4) & (dice >> 12);
            let is_only = (dice >> 3).is_multiple_of(4) && self.stalled == 0;
            let lanes = &self.server.told;
            let only = lanes.keys().nth(dice as usize % lanes.len()).copied().filter(|_| is_only);
            let pumping = Pumping { records: 1 + dice % 6, only, blocked };
            self.server.pump(place, pumping, &mut self.links, &mut self.ledger);
        }
    }

    fn any_link(&self, dice: u32, has_something: impl Fn(&Link) -> bool) -> Option<usize> {
        let places: Vec<usize> = (0..self.links.len()).filter(|place| has_something(&self.links[*place])).collect();
        places.get(dice as usize % places.len().max(1)).copied()
    }

    fn deliver_down(&mut self, dice: u32) {
        let Some(place) = self.any_link(dice & 7, |link| !link.is_drained() || !link.datagrams.is_empty()) else {
            return;
        };
        for round in 0..1 + (dice >> 3) % 4 {
            self.deliver_one(place, (dice >> 5).rotate_right(round));
        }
    }

    /// Whether there was one.
    fn deliver_one(&mut self, place: usize, dice: u32) -> bool {
        let is_heard = self.client.is_using(place) && !self.links[place].left;
        let link = &mut self.links[place];
        if !link.datagrams.is_empty() && (link.is_drained() || (dice >> 10).is_multiple_of(3)) {
            if let Some((lane, message)) = link.next_datagram(dice).filter(|_| is_heard) {
                self.client.receive_datagram(place, lane, &message);
            }
            return true;
        }
        let Some((stream, batch)) = link.next_down(dice) else { return false };
        if is_heard {
            self.client.receive(place, stream, &batch, &mut self.links, &mut self.ledger);
        }
        true
    }

    fn deliver_up(&mut self, dice: u32) {
        let Some(place) = self.any_link(dice & 7, |link| !link.up.is_empty()) else { return };
        for _ in 0..1 + (dice >> 3) % 4 {
            if let Some(batch) = self.links[place].up.pop_front() {
                self.server.receive(place, &batch, &mut self.links, &mut self.ledger);
            }
        }
    }

    fn pass_time(&mut self, ms: u64) {
        self.server.now = self.server.now + Duration::from_millis(ms);
        self.client.now_ms += ms;
        self.client.tend(&mut self.links);
    }

    fn cut(&mut self, dice: u32) {
        let newest = self.links.len() - 1;
        let place = if dice & 1 == 0 { newest } else { newest.saturating_sub(1) };
        self.links[place].cut(dice >> 1);
    }

    /// Something arrives on a connection that cannot be read. Never so often that the session is over by it.
    fn garble(&mut self, dice: u32) {
        let Some(place) = self.any_link(dice, |link| !link.cut && !link.left && link.closed.is_none()) else { return };
        if self.faults_in_a_row == 2 {
            self.pass_time(FAULT_FORGOTTEN_MS);
        }
        if self.server.now.since(self.last_fault) >= Duration::from_millis(FAULT_FORGOTTEN_MS) {
            self.faults_in_a_row = 0;
        }
        if self.server.garbled(place, Duration::from_millis(FAULT_FORGOTTEN_MS), &mut self.links) {
            (self.faults_in_a_row, self.last_fault) = (self.faults_in_a_row + 1, self.server.now);
        }
    }

    fn client_notices(&mut self, dice: u32) {
        if self.client.notice(&mut self.links) && self.may_dial() {
            self.dial(dice, false);
        }
    }

    /// What holds at any time.
    fn check(&mut self) {
        self.server.tend(&mut self.links);
        self.server.check_memory();
        self.server.forget_ends();
        let lossless = self.climate.is_roomy() && self.climate.keeps && !self.restarted;
        assert!(!lossless || self.ledger.gaps == 0, "there was room for everything, and a gap");
    }

    /// Lets everything arrive that can, and checks that everything has.
    pub(crate) fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.server.notice(&mut self.links);
            if self.client.notice(&mut self.links) {
                self.dial(self.links.len() as u32, false);
            }
            self.client.call(&mut self.links);
            let mut moved = false;
            for place in 0..self.links.len() {
                moved |= self.drain(place);
            }
            for room in 0..ROOMS {
                while self.server.work(room, false, &mut self.ledger) {
                    moved = true;
                }
            }
            self.pass_time(1100);
            self.check();
            if !moved && self.client.is_connected() && self.is_quiet() {
                return self.check_at_rest();
            }
        }
        panic!("it never comes to rest");
    }

    fn is_quiet(&self) -> bool {
        self.links.iter().all(|link| link.up.is_empty() && link.is_drained())
    }

    /// Moves everything that is on one connection. Whether there was anything.
    fn drain(&mut self, place: usize) -> bool {
        let mut moved = false;
        if self.server.carrying() == Some(place) {
            self.server.pump(place, Pumping::ALL, &mut self.links, &mut self.ledger);
        }
        while let Some(batch) = self.links[place].up.pop_front() {
            self.server.receive(place, &batch, &mut self.links, &mut self.ledger);
            moved = true;
        }
        while self.deliver_one(place, 1 << 8) {
            moved = true;
        }
        moved
    }

    fn check_at_rest(&mut self) {
        let session = self.server.session.as_ref().expect("it has begun");
        let waits = self.client.waits();
        assert!(waits.is_empty(), "the client still waits for {waits:?}: {:?}", self.client.kept);
        assert_eq!(self.client.kept.bytes(), 0);
        self.ledger.check_at_rest();
        for (lane, told) in &self.server.told {
            let is_there =
                self.server.rooms.iter().any(|room| room.lane_of_member() == Some(*lane)) || *lane == CONTROL;
            assert_eq!(session.kept_bytes(*lane), 0, "{lane:?} keeps what was acknowledged");
            match self.client.lanes.get(lane) {
                Some(reading) if is_there || (self.climate.keeps && !self.restarted && !reading.over) => {
                    reading.check_at_rest(told, !is_there);
                }
                Some(reading) => assert!(reading.ended || reading.over, "{lane:?} is over, and nobody told the client"),
                None => assert!(!is_there, "the client does not know {lane:?}"),
            }
        }
        let listed = session.lanes().into_iter().map(|listed| listed.lane);
        let there = self.server.rooms.iter().filter_map(|room| room.lane_of_member());
        assert!(listed.eq({
            let mut there: Vec<_> = there.collect();
            there.sort();
            there
        }));
    }
}

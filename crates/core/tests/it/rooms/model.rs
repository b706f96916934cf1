//! What a room does, written down as plainly as possible: one list of words for each member.

use std::collections::{BTreeMap, BTreeSet};

use anteroom_core::room::MemberId;
use anteroom_core::{ErrorCode, Seat};
use anteroom_protocol::message::push::LeftReason;

use crate::rooms::house::{GRACE_MS, SPECTATORS_MAX, left};
use crate::rooms::probe::Action;

const SEATS: usize = 3;

#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Say(u32),
    Whisper(u16, u32),
    Publish,
    Refuse,
    Remind(u64, u32),
}

#[derive(Debug)]
pub(crate) struct Seated {
    user: &'static str,
    member: Option<MemberId>,
    kept_until: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    hidden: bool,
    now: u64,
    pub(crate) seats: [Option<Seated>; SEATS],
    pub(crate) watching: BTreeMap<MemberId, &'static str>,
    /// Who is here, in the order in which they came.
    stays: Vec<&'static str>,
    /// Members who have lost their connection.
    away: BTreeSet<MemberId>,
    pub(crate) lanes: BTreeMap<MemberId, Vec<String>>,
    pub(crate) released: BTreeSet<MemberId>,
    /// By when they ring, then in the order of asking.
    timers: BTreeMap<(u64, usize), u32>,
    asked: usize,
    turn: u32,
    pub(crate) closed: bool,
}

impl Model {
    pub(crate) fn new(hidden: bool) -> Self {
        Self { hidden, ..Self::default() }
    }

    pub(crate) fn live(&self) -> Vec<MemberId> {
        let players = self.seats.iter().flatten().filter_map(|seated| seated.member);
        players.chain(self.watching.keys().copied()).collect()
    }

    fn tell(&mut self, member: MemberId, words: impl Into<String>) {
        self.lanes.entry(member).or_default().push(words.into());
    }

    fn tell_all(&mut self, words: &str) {
        self.live().into_iter().for_each(|member| self.tell(member, words));
    }

    fn tell_others(&mut self, member: MemberId, words: &str) {
        self.live().into_iter().filter(|other| *other != member).for_each(|other| self.tell(other, words));
    }

    fn seat_of(&self, user: &str) -> Option<usize> {
        self.seats.iter().position(|seated| seated.as_ref().is_some_and(|seated| seated.user == user))
    }

    fn is_watching(&self, user: &str) -> bool {
        self.watching.values().any(|other| *other == user)
    }

    pub(crate) fn list(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (seat, seated) in self.seats.iter().enumerate() {
            if let Some(Seated { user, member, .. }) = seated {
                let is_here = member.is_some_and(|member| !self.away.contains(&member));
                names.push(format!("{user}:{seat}{}", if is_here { "" } else { "?" }));
            }
        }
        for user in self.stays.iter().filter(|user| self.seat_of(user).is_none() && self.is_watching(user)) {
            let mut windows = self.watching.iter().filter(|(_, other)| *other == user);
            let is_away = windows.all(|(member, _)| self.away.contains(member));
            names.push(format!("{user}:w{}", if is_away { "?" } else { "" }));
        }
        names
    }

    /// Somebody comes in, or is here already.
    fn stay(&mut self, user: &'static str) {
        let stays = std::mem::take(&mut self.stays);
        let stays = stays.into_iter().filter(|user| self.seat_of(user).is_some() || self.is_watching(user));
        self.stays = stays.collect();
        if !self.stays.contains(&user) {
            self.stays.push(user);
        }
    }

    fn as_seat(&self, seat: Option<usize>) -> String {
        seat.filter(|_| self.hidden).map(|seat| format!(" as {seat}")).unwrap_or_default()
    }

    fn welcome(&mut self, member: MemberId, seat: Option<usize>) {
        let words = format!("welcome [{}] {}{}", self.list().join(" "), self.turn, self.as_seat(seat));
        self.lanes.entry(member).or_default().insert(0, words);
    }

    pub(crate) fn sit(&mut self, user: &'static str, member: MemberId) -> Result<(), ErrorCode> {
        let seat = match self.seat_of(user) {
            Some(seat) => seat,
            None => self.seats.iter().position(Option::is_none).ok_or(ErrorCode::RoomFull)?,
        };
        self.stay(user);
        let before = self.seats[seat].replace(Seated { user, member: Some(member), kept_until: 0 });
        match before.map(|seated| seated.member) {
            None => {
                self.tell_others(member, &format!("+{user}:{seat}"));
                self.tell_all(&format!("joined {seat}"));
            }
            Some(None) => {
                self.tell_others(member, &format!("^{user}"));
                self.tell_all(&format!("back {seat}"));
            }
            Some(Some(before)) => {
                self.tell(before, "closed Replaced");
                self.released.insert(before);
                if self.away.contains(&before) {
                    self.tell_others(member, &format!("^{user}"));
                    self.tell_all(&format!("back {seat}"));
                }
            }
        }
        self.welcome(member, Some(seat));
        Ok(())
    }

    pub(crate) fn watch(&mut self, user: &'static str, member: MemberId) -> Result<(), ErrorCode> {
        if self.watching.len() >= usize::from(SPECTATORS_MAX) {
            return Err(ErrorCode::RoomFull);
        }
        self.stay(user);
        let known = self.is_watching(user) || self.seat_of(user).is_some();
        self.watching.insert(member, user);
        if !known {
            self.tell_others(member, &format!("+{user}:w"));
        }
        self.welcome(member, None);
        Ok(())
    }

    fn give_up(&mut self, seat: usize, reason: LeftReason) {
        let Some(Seated { user, .. }) = self.seats[seat].take() else { return };
        self.tell_all(&left(user, reason));
        if self.is_watching(user) {
            let mut windows = self.watching.iter().filter(|(_, other)| **other == user);
            let is_away = windows.all(|(member, _)| self.away.contains(member));
            self.tell_all(&format!("+{user}:w{}", if is_away { "?" } else { "" }));
        }
        self.tell_all(&format!("left {seat} {user}"));
    }

    fn place_of(&self, member: MemberId) -> Option<Option<usize>> {
        let seat = self.seats.iter().position(|seat| seat.as_ref().is_some_and(|seat| seat.member == Some(member)));
        seat.map(Some).or_else(|| self.watching.contains_key(&member).then_some(None))
    }

    pub(crate) fn go(&mut self, member: MemberId, reason: LeftReason) {
        let Some(place) = self.place_of(member) else { return };
        self.released.insert(member);
        if reason == LeftReason::Left {
            self.tell(member, "ok leave_room_result");
        }
        match place {
            Some(seat) if reason != LeftReason::Disconnected => {
                self.seats[seat].as_mut().unwrap().member = None;
                self.give_up(seat, reason);
            }
            Some(seat) => {
                let kept = self.seats[seat].as_mut().unwrap();
                (kept.member, kept.kept_until) = (None, self.now + GRACE_MS);
                let user = kept.user;
                if !self.away.contains(&member) {
                    self.tell_all(&format!("~{user}"));
                    self.tell_all(&format!("lost {seat}"));
                }
            }
            None => {
                let user = self.watching.remove(&member).unwrap();
                if !self.is_watching(user) && self.seat_of(user).is_none() {
                    let reason = if reason == LeftReason::Left { reason } else { LeftReason::Disconnected };
                    self.tell_all(&left(user, reason));
                }
            }
        }
    }

    pub(crate) fn user_of(&self, member: MemberId) -> Option<&'static str> {
        let place = self.place_of(member)?;
        Some(place.map_or_else(|| self.watching[&member], |seat| self.seats[seat].as_ref().unwrap().user))
    }

    /// Whether somebody is in the room by this membership only, as a player or to watch.
    pub(crate) fn is_alone(&self, member: MemberId) -> bool {
        let Some(user) = self.user_of(member) else { return false };
        usize::from(self.seat_of(user).is_some()) + self.watching.values().filter(|other| **other == user).count() == 1
    }

    /// Whether somebody watches, and has lost the connection.
    pub(crate) fn is_watching_from_afar(&self, user: &str) -> bool {
        self.watching.iter().any(|(member, other)| *other == user && self.away.contains(member))
    }

    fn is_seen_elsewhere(&self, member: MemberId, user: &str) -> bool {
        let watches =
            |(other, name): (&MemberId, &&str)| *other != member && *name == user && !self.away.contains(other);
        self.seat_of(user).is_some() || self.watching.iter().any(watches)
    }

    /// Somebody loses the connection, or has one again.
    pub(crate) fn connect(&mut self, member: MemberId, connected: bool) {
        let Some(place) = self.place_of(member) else { return };
        let is_news = if connected { self.away.remove(&member) } else { self.away.insert(member) };
        if is_news {
            let user = self.user_of(member).unwrap();
            if place.is_some() || !self.is_seen_elsewhere(member, user) {
                self.tell_others(member, &format!("{}{user}", if connected { "^" } else { "~" }));
            }
            if let Some(seat) = place {
                self.tell_all(&format!("{} {seat}", if connected { "back" } else { "lost" }));
            }
        }
    }

    pub(crate) fn snapshot(&mut self, member: MemberId) {
        if let Some(place) = self.place_of(member) {
            let words = format!("welcome [{}] {}{}", self.list().join(" "), self.turn, self.as_seat(place));
            self.tell(member, words);
        }
    }

    pub(crate) fn act(&mut self, member: MemberId, what: What, answer: bool) {
        let Some(place) = self.place_of(member) else { return };
        let kind = kind(what);
        let refused = match (place, what) {
            (None, _) => Some(ErrorCode::NotAPlayer),
            (_, What::Refuse) => Some(ErrorCode::Rejected),
            _ => None,
        };
        match (refused, answer) {
            (Some(code), true) => self.tell(member, format!("{kind}_result {code}")),
            (Some(code), false) => self.tell(member, format!("error {code}")),
            (None, true) => self.tell(member, format!("ok {kind}_result")),
            (None, false) => {}
        }
        if let (Some(seat), None) = (place, refused) {
            self.do_it(seat, what);
        }
    }

    fn do_it(&mut self, seat: usize, what: What) {
        match what {
            What::Say(n) => self.tell_all(&format!("{seat} said {n}")),
            What::Whisper(to, n) => {
                if let Some(member) = self.seats.get(usize::from(to)).and_then(|to| to.as_ref()?.member) {
                    self.tell(member, format!("{seat} said {n}"));
                }
            }
            What::Publish => {
                self.turn += 1;
                for member in self.live() {
                    let place = self.place_of(member).unwrap();
                    self.tell(member, format!("state {}{}", self.turn, self.as_seat(place)));
                }
            }
            What::Refuse => unreachable!("it is refused"),
            What::Remind(ms, n) => {
                self.timers.insert((self.now + ms.max(1), self.asked), n);
                self.asked += 1;
            }
        }
    }

    pub(crate) fn advance(&mut self, ms: u64) {
        let until = self.now + ms;
        loop {
            let kept = self.seats.iter().enumerate().filter_map(|(seat, seated)| {
                seated.as_ref().filter(|seated| seated.member.is_none()).map(|seated| (seated.kept_until, seat))
            });
            let kept = kept.min().filter(|(at, _)| *at <= until);
            let timer = self.timers.keys().next().copied().filter(|(at, _)| *at <= until);
            match (kept, timer) {
                (Some((at, seat)), timer) if timer.is_none_or(|(rings, _)| at <= rings) => {
                    self.give_up(seat, LeftReason::TimedOut);
                }
                (_, Some(timer)) => {
                    let n = self.timers.remove(&timer).unwrap();
                    self.tell_all(&format!("rang {n} at {}", timer.0));
                }
                _ => break,
            }
        }
        self.now = until;
    }

    pub(crate) fn flush(&mut self) {
        self.closed |= self.watching.is_empty() && self.seats.iter().all(Option::is_none);
    }
}

fn kind(what: What) -> &'static str {
    match what {
        What::Say(_) => "say",
        What::Whisper(..) => "whisper",
        What::Publish => "publish",
        What::Refuse => "refuse",
        What::Remind(..) => "remind",
    }
}

pub(crate) fn action(what: What) -> Action {
    match what {
        What::Say(n) => Action::Say { n },
        What::Whisper(seat, n) => Action::Whisper { seat: Seat(seat), n },
        What::Publish => Action::Publish {},
        What::Refuse => Action::Refuse {},
        What::Remind(ms, n) => Action::Remind { ms, n },
    }
}

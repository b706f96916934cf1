//! What the client hears: from whichever connection a lane is on, once and in order.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use anteroom_protocol::lane::{UNCOUNTED_TYPES, Upstream};
use anteroom_protocol::{Codec, LaneId};
use anteroom_transport::{Closed, Event};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::reading::{Reading, opens};
use super::{Heard, Link, Resuming};
use crate::DEADLINE;
use crate::message::{self, By, Message};
use crate::peer::End;

impl Resuming {
    /// The next message.
    pub async fn next(&mut self) -> Message {
        self.until("a message", |_| true).await
    }

    /// The next message, which must be of this type.
    ///
    /// # Panics
    /// If it is another.
    pub async fn expect(&mut self, kind: &str) -> Message {
        let message = self.until(kind, |_| true).await;
        assert_eq!(message.kind, kind, "{message:?}");
        message
    }

    /// The first message of this type; what comes before stays unread.
    pub async fn find(&mut self, kind: &str) -> Message {
        self.until(kind, |message| message.kind == kind).await
    }

    /// The first message that is wanted; what comes before stays unread.
    ///
    /// # Panics
    /// If there is no connection to hear it on.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        let mut known = 0;
        loop {
            if let Some(place) = self.unread.iter().skip(known).position(&wanted) {
                return self.unread.remove(known + place).unwrap();
            }
            known = self.unread.len();
            assert!(!self.links.is_empty(), "waiting for {what}: {:?}; unread: {:?}", self.ends, self.unread);
            self.step().await;
        }
    }

    /// Forgets what has come and was not looked at.
    pub fn forget(&mut self) {
        self.unread.clear();
    }

    /// What was heard of a type on a lane, in order.
    pub fn heard<'a>(&'a self, lane: u32, kind: &'a str) -> impl Iterator<Item = &'a Message> {
        let heard = self.log.iter().filter(move |heard| heard.lane == lane && heard.message.kind == kind);
        heard.map(|heard| &heard.message)
    }

    /// Takes in what comes next, on whichever connection; acknowledges meanwhile when it is time.
    ///
    /// # Panics
    /// If nothing comes before the deadline, or something that may not.
    pub async fn step(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ack_at = self.ack.at_ms().filter(|_| self.acknowledges && !self.links.is_empty());
            let ack_at = ack_at.map(|at_ms| self.began + Duration::from_millis(at_ms));
            tokio::select! {
                biased;
                () = sleep_until(ack_at.unwrap_or(deadline)), if ack_at.is_some() => self.acknowledge().await,
                (place, event) = next_event(&mut self.links) => return self.on_event(place, event).await,
                () = sleep_until(deadline) => panic!("nothing comes; unread: {:?}", self.unread),
            }
        }
    }

    /// Acknowledges what has come.
    pub async fn acknowledge(&mut self) {
        self.ack.reset();
        let (on, ack) = (self.lanes[&0].on, json!({"type": "ack", "data": self.received()}));
        if let Some(link) = self.links.iter_mut().find(|link| Some(link.number) == on) {
            let _ = link.peer.try_bytes(self.codec, &message::write(self.codec, &ack)).await;
        }
    }

    async fn on_event(&mut self, place: usize, event: Result<Event, Closed>) {
        let (codec, payload, by) = match event {
            Ok(Event::Record { lane, codec, payload }) => {
                (codec, payload, lane.map_or(By::Frame, |lane| By::Stream(lane.0)))
            }
            Ok(Event::Datagram { lane, payload }) => (Codec::of_payload(&payload), payload, By::Datagram(lane.0)),
            Ok(Event::LaneEnded { .. } | Event::Writable) => return,
            Err(closed) => return self.on_end(place, closed),
        };
        let messages = message::read(codec, &payload, by, &mut self.games);
        self.last_bytes = payload.len();
        let bytes = payload.len() / messages.len().max(1);
        for message in messages {
            self.on_message(place, message, bytes).await;
        }
    }

    fn on_end(&mut self, place: usize, closed: Closed) {
        let Link { number, goodbye, .. } = self.links.remove(place);
        self.lanes.values_mut().filter(|lane| lane.on == Some(number)).for_each(|lane| lane.on = None);
        if let Closed::ByPeer { code, reason } = closed {
            self.ends.push(End { code, reason, goodbye, rest: Vec::new() });
        }
    }

    async fn on_message(&mut self, place: usize, message: Message, bytes: usize) {
        let link = &mut self.links[place];
        match (&mut link.held, &message.by) {
            (_, By::Frame | By::Stream(0)) if message.kind == "goodbye" => {
                let code = u16::try_from(message.data["code"].as_u64().unwrap()).unwrap();
                link.goodbye = Some((code, message.data["reason"].as_str().unwrap().to_owned()));
            }
            (Some(_), By::Frame | By::Stream(0)) => self.on_answer(place, message).await,
            (Some(held), By::Stream(_)) => held.push((message, bytes)),
            (Some(_), By::Datagram(_)) => {}
            (None, _) => self.on_lane(place, message, bytes).await,
        }
    }

    async fn on_answer(&mut self, place: usize, answer: Message) {
        assert_eq!(answer.kind, "reconnect_result", "{answer:?}");
        let held = self.links[place].held.take().unwrap();
        if answer.success == Some(true) {
            self.token = answer.data["resume_token"].as_str().unwrap().to_owned();
            self.kept.skip_to(answer.data["last_n"].as_u64().unwrap());
            self.lanes.entry(0).or_default();
            self.end_unlisted(&answer.data["lanes"]);
        }
        self.answer = Some(answer);
        for (message, bytes) in held {
            Box::pin(self.on_lane(place, message, bytes)).await;
        }
    }

    /// Lanes that are not listed have ended. One that is kept does not end without saying so.
    fn end_unlisted(&mut self, listed: &Value) {
        let listed: Vec<u64> = listed.as_array().unwrap().iter().map(|row| row["lane"].as_u64().unwrap()).collect();
        let ended = self.lanes.iter_mut().filter(|(lane, _)| **lane != 0 && !listed.contains(&u64::from(**lane)));
        for (lane, reading) in ended {
            assert!(reading.ended || !self.keeps, "lane {lane} is not listed, and nobody said that it ended");
            reading.ended = true;
            self.unknown.extend(give_up(&mut self.asked, *lane, u64::MAX));
            self.kept.end_lane(LaneId(*lane));
        }
    }

    /// The lane of a message; without streams, the one that was opened last for its room.
    fn lane_down(&mut self, place: usize, message: &Message) -> u32 {
        let named = (message.kind == "lane" || opens(message)).then(|| message.data["lane"].as_u64().unwrap() as u32);
        let lane = match (message.by, &message.room_id) {
            (By::Stream(lane) | By::Datagram(lane), _) => lane,
            (By::Frame, None) => 0,
            (By::Frame, Some(room_id)) => {
                let opened = &mut self.links[place].opened;
                opened.extend(named.map(|lane| (room_id.clone(), lane)));
                *opened.get(room_id).unwrap_or_else(|| panic!("on a lane that was not opened: {message:?}"))
            }
        };
        assert!(named.is_none_or(|named| named == lane), "on lane {lane}: {message:?}");
        lane
    }

    async fn on_lane(&mut self, place: usize, message: Message, bytes: usize) {
        let (number, lane) = (self.links[place].number, self.lane_down(place, &message));
        if message.kind == "lane" {
            return self.on_opened(lane, number, message).await;
        }
        if opens(&message) {
            self.lanes.entry(lane).or_insert_with(|| Reading::new(message.room_id.clone(), number));
        }
        if message.kind == "ack" {
            for (lane, n) in message.data.as_object().unwrap() {
                self.kept.acknowledge(LaneId(lane.parse().unwrap()), n.as_u64().unwrap());
            }
            return;
        }
        let Some(reading) = self.lanes.get_mut(&lane) else {
            // A datagram may be faster than what opens its lane.
            return assert!(matches!(message.by, By::Datagram(_)), "on a lane that was not opened: {message:?}");
        };
        // What concerns one connection alone is on no lane.
        let is_own = lane == 0 && UNCOUNTED_TYPES.contains(&&*message.kind);
        if !is_own && reading.on != Some(number) {
            assert!(reading.on.is_some_and(|on| on > number), "the lane is not open here: {message:?}");
            return;
        }
        let is_counted = message.latest.is_none() && !is_own && !matches!(message.by, By::Datagram(_));
        if is_counted {
            self.ack.note(self.began.elapsed().as_millis() as u64, bytes);
        }
        if is_counted && !reading.take(&message) {
            self.repeated += 1;
            return;
        }
        if let Some(n) = message.reference.as_ref().and_then(Value::as_u64) {
            self.asked.remove(&n);
            self.kept.answered(n);
        }
        if reading.ended {
            self.unknown.extend(give_up(&mut self.asked, lane, u64::MAX));
            self.kept.end_lane(LaneId(lane));
        }
        self.deliver(lane, message);
    }

    async fn on_opened(&mut self, lane: u32, number: u64, message: Message) {
        let reading = self.lanes.entry(lane).or_insert_with(|| Reading::new(message.room_id.clone(), number));
        let applied = message.data["applied"].as_u64().unwrap();
        if reading.opened(number, &message) {
            self.unknown.extend(give_up(&mut self.asked, lane, applied));
            self.deliver(lane, message);
        }
        let again: Vec<Upstream> = self.kept.resend(LaneId(lane), applied).cloned().collect();
        for message in again {
            self.transmit(&message).await;
        }
    }

    fn deliver(&mut self, lane: u32, message: Message) {
        self.log.push(Heard { lane, message: message.clone() });
        self.unread.push_back(message);
    }
}

/// Takes out the requests of a lane up to a number: nobody will ever know.
fn give_up(asked: &mut BTreeMap<u64, u32>, lane: u32, applied: u64) -> Vec<u64> {
    let given_up: Vec<u64> = asked.range(..=applied).filter(|(_, on)| **on == lane).map(|(n, _)| *n).collect();
    asked.retain(|n, _| !given_up.contains(n));
    given_up
}

/// The next thing that happens on any connection. Cancel-safe.
async fn next_event(links: &mut [Link]) -> (usize, Result<Event, Closed>) {
    poll_fn(|cx| {
        for (place, link) in links.iter_mut().enumerate() {
            if let Poll::Ready(event) = pin!(link.peer.connection().recv()).poll(cx) {
                return Poll::Ready((place, event));
            }
        }
        Poll::Pending
    })
    .await
}

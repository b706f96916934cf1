//! What the client hears: from whichever connection a lane is on, once and in order.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use anteroom_client::session::opening::Held;
use anteroom_client::session::{Arrival, ConnectionId, Opened};
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::lane::is_counted;
use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::{Batch, Codec, Header, LaneId};
use anteroom_transport::{Closed, Event};
use tokio::time::{Instant, sleep, sleep_until};

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
            let ack_at = self.protocol.ack_at_ms().filter(|_| self.acknowledges);
            let ack_at = ack_at.map(|at_ms| self.began + Duration::from_millis(at_ms));
            tokio::select! {
                biased;
                () = sleep_until(ack_at.unwrap_or(deadline)), if ack_at.is_some() => self.acknowledge().await,
                (place, event) = next_event(&mut self.links) => return self.on_event(place, event).await,
                () = sleep_until(deadline) => panic!("nothing comes; unread: {:?}", self.unread),
            }
        }
    }

    /// The same, unless something else is done first. What has begun to come is taken in all the same.
    pub async fn step_unless(&mut self, other: impl Future<Output = ()>) {
        if self.acknowledges && self.protocol.owes_ack(self.began.elapsed().as_millis() as u64) {
            return self.acknowledge().await;
        }
        tokio::select! {
            biased;
            () = other => {}
            (place, event) = next_event(&mut self.links) => self.on_event(place, event).await,
            () = sleep(DEADLINE) => panic!("nothing comes; unread: {:?}", self.unread),
        }
    }

    /// Takes in what has come already. Whether there was anything.
    pub async fn step_if_ready(&mut self) -> bool {
        tokio::select! {
            biased;
            (place, event) = next_event(&mut self.links) => self.on_event(place, event).await,
            () = std::future::ready(()) => return false,
        }
        true
    }

    /// Acknowledges what has come, whether it is time to or not.
    pub async fn acknowledge(&mut self) {
        if let Some(ack) = self.protocol.ack(u64::MAX) {
            let batch = Batch::one(self.codec, &Header::new("ack"), &ack).unwrap();
            self.transmit(&batch).await;
        }
    }

    async fn on_event(&mut self, place: usize, event: Result<Event, Closed>) {
        let number = self.links[place].number;
        match event {
            Ok(Event::Record { lane, codec, payload }) => {
                self.last_bytes = payload.len();
                let record = Held { lane, codec, payload, taken: 0 };
                if self.links[place].waiting.is_some() {
                    self.on_waiting(place, record).await;
                } else {
                    self.on_record(number, &record).await;
                }
            }
            Ok(Event::Datagram { lane, payload }) => self.on_datagram(number, lane, &payload),
            Ok(Event::LaneEnded { .. } | Event::Writable) => {}
            Err(closed) => self.on_end(place, closed),
        }
    }

    fn on_end(&mut self, place: usize, closed: Closed) {
        let Link { number, goodbye, .. } = self.links.remove(place);
        self.protocol.lost(ConnectionId(number));
        if let Closed::ByPeer { code, reason } = closed {
            self.ends.push(End { code, reason, goodbye, rest: Vec::new() });
        }
    }

    /// Takes what comes before the answer to `reconnect`, and the answer.
    async fn on_waiting(&mut self, place: usize, record: Held) {
        let Held { lane, codec, payload, .. } = record;
        let link = &mut self.links[place];
        let (number, moves) = (link.number, link.moves);
        let mut waiting = link.waiting.take().unwrap();
        if lane.is_none_or(|lane| lane == LaneId::CONTROL) {
            let answer = message::read(codec, &payload, By::Frame, &mut self.games).remove(0);
            if answer.kind == "goodbye" {
                link.goodbye = Some(goodbye(&answer));
                link.waiting = Some(waiting);
                return;
            }
            assert_eq!(answer.kind, "reconnect_result", "{answer:?}");
            if answer.code() == "session_unknown" && self.outlives {
                self.answer = Some(answer);
                return;
            }
            assert_eq!(answer.success, Some(true), "{answer:?}");
            self.answer = Some(answer);
        }
        let Some(result) = waiting.take(lane, codec, payload).unwrap() else {
            link.waiting = Some(waiting);
            return;
        };
        self.token.clone_from(&result.resume_token);
        let held = waiting.into_held();
        if moves {
            assert!(held.is_empty(), "the lanes were not called over: {held:?}");
            self.ready = Some((number, result));
            return;
        }
        self.current = number;
        // One that is kept does not end without saying so, but for a server that forgot what it had said.
        for ended in self.protocol.reconnected(ConnectionId(number), result) {
            assert!(self.outlives || !self.keeps, "lane {} is not listed, and nobody said that it ended", ended.lane);
            self.lanes.entry(ended.lane.0).or_default().ended = true;
            self.unknown.extend(ended.unanswered);
        }
        for record in held {
            self.on_record(number, &record).await;
        }
    }

    async fn on_record(&mut self, number: u64, record: &Held) {
        let Held { lane, codec, payload, taken } = record;
        let by = lane.map_or(By::Frame, |lane| By::Stream(lane.0));
        for envelope in decode_batch(*codec, payload).unwrap().skip(*taken) {
            let envelope = envelope.unwrap();
            let now_ms = self.began.elapsed().as_millis() as u64;
            let before = self.protocol.received();
            let arrival = self.protocol.arrive(now_ms, ConnectionId(number), *lane, &envelope);
            let arrival = arrival.unwrap_or_else(|violation| panic!("{violation}: {envelope:?}"));
            let counts = is_counted(&envelope);
            let message = message::message(envelope, by, &mut self.games);
            match arrival {
                Arrival::Deliver(lane) | Arrival::Snapshot { lane, .. } => self.on_message(lane, message, counts),
                Arrival::Opened(opened) => self.on_opened(opened, message).await,
                Arrival::Dropped => self.on_dropped(number, message, counts, &before),
            }
        }
    }

    fn on_datagram(&mut self, number: u64, lane: LaneId, payload: &[u8]) {
        // It may be faster than what opens its lane, and slower than what moves it.
        let is_open = self.protocol.connection_of(lane) == Some(ConnectionId(number));
        let is_waiting = self.links.iter().any(|link| link.number == number && link.waiting.is_some());
        if is_open && !is_waiting {
            let by = By::Datagram(lane.0);
            for message in message::read(Codec::of_payload(payload), payload, by, &mut self.games) {
                self.on_message(lane, message, false);
            }
        }
    }

    fn on_message(&mut self, lane: LaneId, message: Message, counts: bool) {
        if opens(&message) {
            assert_eq!(message.data["lane"], lane.0, "on lane {lane}: {message:?}");
            self.lanes.entry(lane.0).or_insert_with(|| Reading::new(message.room_id.clone()));
        }
        let reading = self.lanes.get_mut(&lane.0).unwrap_or_else(|| panic!("on a lane of nobody's: {message:?}"));
        if counts {
            reading.take(&message, self.outlives);
        }
        // A message that was refused in front of its lane's owner has no mark.
        if let Some(n) = message.refused_n().filter(|_| self.outlives && message.reference.is_none()) {
            self.protocol.refused(n);
        }
        if let Some(n) = message.reference.as_ref().and_then(serde_json::Value::as_u64) {
            self.protocol.answered(n);
        }
        if reading.ended {
            self.unknown.extend(self.protocol.end_lane(lane).unanswered);
        }
        self.deliver(lane.0, message);
    }

    async fn on_opened(&mut self, opened: Opened, message: Message) {
        let Opened { lane, resend, unanswered } = opened;
        assert!(matches!(message.by, By::Frame) || message.by == By::Stream(lane.0), "on lane {lane}: {message:?}");
        let reading = self.lanes.entry(lane.0).or_insert_with(|| Reading::new(message.room_id.clone()));
        let has_gap = reading.opened(&message);
        assert!(has_gap || unanswered.is_empty(), "{unanswered:?} without a gap: {message:?}");
        self.unknown.extend(unanswered);
        if has_gap {
            self.deliver(lane.0, message);
        }
        for batch in resend {
            self.transmit(&batch).await;
        }
    }

    /// What is not handed on concerns the connection alone, has come before, on another connection or on this one, or says
    /// the end again.
    fn on_dropped(&mut self, number: u64, message: Message, counts: bool, before: &Counts) {
        if message.kind == "goodbye" {
            let link = self.links.iter_mut().find(|link| link.number == number);
            link.unwrap().goodbye = Some(goodbye(&message));
        } else if message.error.is_some() && !counts {
            // A claim that a connection with a session is refused.
            self.deliver(0, message);
        } else if counts && number >= self.current {
            assert_eq!(number, self.current, "the lane is not open here: {message:?}");
            let after = self.protocol.received();
            let new = after.iter().find(|(lane, count)| before.get(lane) != Some(count));
            if let Some(reading) = new.and_then(|(lane, _)| self.lanes.get_mut(&lane.0)) {
                reading.take_again(&message);
            }
            self.repeated += 1;
        }
    }

    fn deliver(&mut self, lane: u32, message: Message) {
        self.log.push(Heard { lane, message: message.clone() });
        self.unread.push_back(message);
    }
}

fn goodbye(message: &Message) -> (u16, String) {
    let code = u16::try_from(message.data["code"].as_u64().unwrap()).unwrap();
    (code, message.data["reason"].as_str().unwrap().to_owned())
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

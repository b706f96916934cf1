//! Readers who are slow, or do not read at all: they miss what did not fit and are told so, and nobody else misses
//! anything.

use std::collections::VecDeque;

use anteroom_protocol::record::{RecordReader, put_varint};
use anteroom_tests::in_time;
use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::resuming::pair::other;
use anteroom_tests::resuming::{Heard, Resuming};
use anteroom_tests::server::TestServer;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Endpoint};

/// How much each word weighs.
const FILL_BYTES: usize = 16 << 10;
/// How much of what a room says may wait for one member.
const LANE_BYTES_MAX: u32 = 128 << 10;
/// More words than any transport takes off the server's hands and a lane keeps.
const WORDS: u64 = 320;

/// As long a list as there is.
fn all() -> Value {
    json!({"limit": 500})
}

/// Somebody who talks in a relay room.
struct Speaker {
    peer: Peer,
    room_id: String,
    said: u64,
}

impl Speaker {
    async fn open(server: &TestServer) -> Self {
        let mut peer = Peer::enter(server, Way::json(Via::WebSocket), "Ada").await;
        let room_id = peer.create("relay", json!({})).await;
        Self { peer, room_id, said: 0 }
    }

    /// Says numbers until somebody's connection is lost.
    async fn say_until_gone(&mut self, user_id: &str) {
        let gone =
            |message: &Message| message.kind == "client_disconnected" && message.data["user_id"] == json!(user_id);
        while !self.peer.unread().iter().any(gone) {
            self.peer.forget();
            self.said += 1;
            let payload = json!({"number": self.said, "fill": "z".repeat(FILL_BYTES)});
            assert_eq!(self.peer.ask_in(&self.room_id, "send", json!({"payload": payload})).await.success, Some(true));
        }
        self.say(0, 0, &mut []).await;
    }

    /// Says numbers, not much faster than they are read; the last of them once more, as the newest value.
    async fn say(&mut self, words: u64, fill: usize, readers: &mut [Reader]) {
        let fill = "z".repeat(fill);
        for _ in 0..words {
            self.said += 1;
            let payload = json!({"number": self.said, "fill": fill});
            let said = self.peer.ask_in(&self.room_id, "send", json!({"payload": payload})).await;
            assert_eq!(said.success, Some(true));
            for reader in &mut *readers {
                reader.hears(self.said.saturating_sub(2)).await;
            }
        }
        let newest = json!({"payload": {"newest": self.said}, "delivery": "latest", "key": "newest"});
        assert_eq!(self.peer.ask_in(&self.room_id, "send", newest).await.success, Some(true));
        self.peer.forget();
    }
}

fn number(message: &Message) -> Option<u64> {
    (message.kind == "message").then(|| message.data["payload"]["number"].as_u64()).flatten()
}

fn newest(message: &Message) -> Option<u64> {
    message.latest.as_ref().and_then(|_| message.data["payload"]["newest"].as_u64())
}

/// What was heard on the room's lane between gaps: each piece has no hole. Behind a gap comes a snapshot.
fn pieces(log: &[Heard]) -> Vec<Vec<u64>> {
    let mut pieces = vec![Vec::new()];
    let mut lane = log.iter().filter(|heard| heard.lane == 1).map(|heard| &heard.message);
    while let Some(message) = lane.next() {
        if message.kind == "lane" {
            // Its snapshot may not have fitted either; then another gap is told.
            let snapshot = lane.by_ref().find(|message| message.kind != "lane").unwrap();
            assert_eq!(snapshot.kind, "join_room_result");
            pieces.push(Vec::new());
        } else if let Some(number) = number(message) {
            let before = pieces.iter().flatten().last().copied();
            assert!(before.is_none_or(|before| before < number), "{number} behind {before:?}");
            let piece: &mut Vec<u64> = pieces.last_mut().unwrap();
            assert!(piece.is_empty() || before == Some(number - 1), "{number} behind {piece:?}");
            piece.push(number);
        }
    }
    pieces
}

/// Somebody who will not read.
async fn sleeper(server: &TestServer, way: Way, resume: bool) -> Resuming {
    Resuming::over(Peer::dial_narrow(server, way).await, json!({"version": 1, "resume": resume})).await
}

/// Hears the newest value.
async fn hears_newest(sleeper: &mut Resuming, value: u64) {
    sleeper.until(&format!("the newest value {value}"), |message| newest(message) == Some(value)).await;
}

/// Somebody who reads all the time, on a task of its own.
struct Reader {
    heard: watch::Receiver<u64>,
    reading: JoinHandle<()>,
}

impl Reader {
    /// Comes in, and reads words to the last, without a hole.
    async fn join(server: &TestServer, way: Way, room_id: &str, last: u64) -> Self {
        let mut peer = Peer::enter(server, way, "Reader").await;
        peer.join(room_id, "player").await;
        let (sender, heard) = watch::channel(0);
        let reading = tokio::spawn(async move {
            while *sender.borrow() < last {
                let message = peer.next().await;
                assert_ne!(message.kind, "lane", "{way:?}: a gap");
                if let Some(number) = number(&message) {
                    assert_eq!(number, sender.send_replace(number) + 1, "{way:?}");
                }
            }
        });
        Self { heard, reading }
    }

    async fn hears(&mut self, number: u64) {
        in_time("a reader", self.heard.wait_for(|heard| *heard >= number)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_is_told_what_it_missed_and_goes_on() {
    let server = TestServer::with(|config| config.limits.lane_bytes_max = LANE_BYTES_MAX);
    for way in Way::all() {
        for resume in [false, true] {
            let mut ada = Speaker::open(&server).await;
            let mut sleeper = sleeper(&server, way, resume).await;
            sleeper.join(&ada.room_id, "player").await;
            let mut readers = [Reader::join(&server, other(way), &ada.room_id, 2 * WORDS + 20).await];
            let mut gaps = 0;
            for _ in 1..=2 {
                ada.say(WORDS, FILL_BYTES, &mut readers).await;
                hears_newest(&mut sleeper, ada.said).await;
                let heard = pieces(&sleeper.log);
                assert!(heard.len() > gaps + 1, "{way:?} {resume}: no gap");
                let fitted = heard[gaps].len() as u64;
                assert!(fitted < WORDS, "{way:?} {resume}: what fitted: {fitted}");
                gaps = heard.len() - 1;
                // Awake it hears everything again.
                ada.say(10, 0, &mut readers).await;
                hears_newest(&mut sleeper, ada.said).await;
                let heard = pieces(&sleeper.log);
                assert_eq!(heard.len(), gaps + 1, "{way:?} {resume}: a gap while it reads");
                assert!(heard[gaps].ends_with(&(ada.said - 9..=ada.said).collect::<Vec<_>>()));
            }
            assert!(sleeper.ends.is_empty(), "{way:?} {resume}");
            for reader in readers {
                in_time("a reader", reader.reading).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_for_too_long_is_closed_and_may_come_back() {
    let server = TestServer::with(|config| {
        config.limits.lane_bytes_max = LANE_BYTES_MAX;
        config.times.stall_ms = 500;
    });
    for way in Way::all() {
        for resume in [false, true] {
            let mut ada = Speaker::open(&server).await;
            let mut sleeper = sleeper(&server, way, resume).await;
            sleeper.join(&ada.room_id, "player").await;
            ada.say_until_gone(&sleeper.user_id).await;
            while sleeper.ends.is_empty() {
                sleeper.step().await;
            }
            assert_eq!(sleeper.ends[0].code, 4002, "{way:?}");
            sleeper.reconnect(&server, other(way).via).await;
            hears_newest(&mut sleeper, ada.said).await;
            ada.say(10, 0, &mut []).await;
            hears_newest(&mut sleeper, ada.said).await;
            let heard = pieces(&sleeper.log);
            assert!(heard.len() > 1, "{way:?} {resume}: no gap");
            assert!(
                heard.last().unwrap().ends_with(&(ada.said - 9..=ada.said).collect::<Vec<_>>()),
                "{way:?} {resume}"
            );
        }
    }
}

/// A server with a long list of rooms, and how many bytes the list is in a codec.
async fn with_many_rooms(lane_bytes_max: u32) -> (TestServer, Peer) {
    let server = TestServer::with(|config| {
        config.limits.rooms_per_session_max = 1000;
        config.limits.outbox_bytes_max = 1 << 20;
        config.limits.lane_bytes_max = lane_bytes_max;
    });
    let mut host = Peer::enter(&server, Way::json(Via::WebSocket), "Host").await;
    for place in 0..400 {
        let name = format!("{place} {}", "ü".repeat(28));
        assert_eq!(host.ask("create_room", json!({"game": "relay", "name": name})).await.success, Some(true));
    }
    host.forget();
    (server, host)
}

/// Waits until the connection is closed for what nobody reads of it.
async fn overflows(sleeper: &mut Resuming) {
    while sleeper.ends.is_empty() {
        sleeper.step().await;
    }
    assert_eq!(sleeper.ends[0].code, 4002);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_too_much_is_closed_and_may_come_back() {
    let (server, _host) = with_many_rooms(1 << 20).await;
    for way in Way::all() {
        for resume in [false, true] {
            let mut sleeper = Resuming::begin(&server, way, json!({"version": 1, "resume": resume})).await;
            let room_id = sleeper.create("relay", json!({})).await;
            sleeper.ask("subscribe_rooms", json!({"game": "tic_tac_toe"})).await;
            // Much more than twice what may wait.
            let asked = sleeper.request_at_once("list_rooms", &all(), 200).await;
            overflows(&mut sleeper).await;
            sleeper.acknowledges = false;
            sleeper.reconnect(&server, other(way).via).await;
            sleeper.settle().await;
            let state = sleeper.find("session_state").await;
            assert_eq!(state.data["rooms"], json!([{"lane": 1, "room_id": room_id}]), "{way:?}");
            assert_eq!(state.data["subscriptions"][0]["game"], "tic_tac_toe");
            assert!(sleeper.unknown.starts_with(&asked[..10]), "{way:?} {resume}: {:?}", sleeper.unknown);
        }
    }
}

/// What waited when the connection was closed is more than may wait on one that is read.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_to_a_long_queue_may_read_it() {
    let (server, mut host) = with_many_rooms(2 << 20).await;
    for way in Way::all() {
        let mut sleeper = Resuming::enter(&server, way, "Sleeper").await;
        sleeper.acknowledges = false;
        sleeper.ask("list_rooms", all()).await;
        let list_bytes = sleeper.last_bytes;
        // Between what may wait and twice that.
        let asked = sleeper.request_at_once("list_rooms", &all(), (3 << 19) / list_bytes).await;
        overflows(&mut sleeper).await;
        sleeper.reconnect(&server, way.via).await;
        sleeper.settle().await;
        for n in asked {
            let is_known = !sleeper.unknown.contains(&n);
            assert!(is_known, "{way:?}");
            assert_eq!(sleeper.answer(n).await.success, Some(true), "{way:?}");
        }
        sleeper.ask("list_rooms", json!({})).await;
        assert_eq!(sleeper.ends.len(), 1, "{way:?}: {:?}", sleeper.ends);
    }
    host.ask("ping", json!({})).await;
}

/// One stream of a WebTransport session, read only when asked.
struct Stream {
    stream: wtransport::RecvStream,
    reader: RecordReader,
    unread: VecDeque<Value>,
}

impl Stream {
    fn new(stream: wtransport::RecvStream) -> Self {
        Self { stream, reader: RecordReader::new(1 << 20), unread: VecDeque::new() }
    }

    async fn fill(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        let read = in_time("a stream", self.stream.read(&mut buffer)).await.unwrap().unwrap();
        self.reader.push(&buffer[..read]);
    }

    async fn lane(&mut self) -> u64 {
        loop {
            match self.reader.next_varint() {
                Some(lane) => return lane,
                None => self.fill().await,
            }
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some(message) = self.unread.pop_front() {
                return message;
            }
            match self.reader.next_record().unwrap().map(|payload| serde_json::from_slice(&payload).unwrap()) {
                Some(Value::Array(batch)) => self.unread.extend(batch),
                Some(message) => self.unread.push_back(message),
                None => self.fill().await,
            }
        }
    }

    async fn find(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The next number said.
    async fn number(&mut self) -> u64 {
        loop {
            if let Some(number) = self.find("message").await["data"]["payload"]["number"].as_u64() {
                return number;
            }
        }
    }
}

async fn put(control: &mut wtransport::SendStream, message: &Value) {
    let (payload, mut record) = (message.to_string(), Vec::new());
    put_varint(payload.len() as u64, &mut record);
    record.extend_from_slice(payload.as_bytes());
    control.write_all(&record).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_not_read_holds_no_other_up() {
    let server = TestServer::with(|config| config.limits.lane_bytes_max = LANE_BYTES_MAX);
    let (mut loud, mut quiet) = (Speaker::open(&server).await, Speaker::open(&server).await);
    let config = ClientConfig::builder()
        .with_bind_default()
        .with_server_certificate_hashes([Sha256Digest::new(server.hash())])
        .build();
    let endpoint = Endpoint::client(config).unwrap();
    let connection = in_time("a session", endpoint.connect(format!("https://{}/wt", server.addr()))).await.unwrap();
    let (mut send, receive) = connection.open_bi().await.unwrap().await.unwrap();
    let mut control = Stream::new(receive);
    put(&mut send, &json!({"type": "handshake", "data": {"version": 1}})).await;
    control.find("handshake_accepted").await;
    let mut lanes = Vec::new();
    for (lane, speaker) in [(1, &loud), (2, &quiet)] {
        put(&mut send, &json!({"type": "join_room", "data": {"room_id": speaker.room_id}})).await;
        let mut stream = Stream::new(in_time("a stream", connection.accept_uni()).await.unwrap());
        assert_eq!(stream.lane().await, lane);
        assert_eq!(stream.next().await["type"], "join_room_result");
        lanes.push(stream);
    }
    let [mut unread, mut read] = <[Stream; 2]>::try_from(lanes).ok().unwrap();
    // More than QUIC lets wait on one stream.
    for round in 1..=4 {
        loud.say(WORDS, FILL_BYTES, &mut []).await;
        quiet.say(10, 0, &mut []).await;
        while read.number().await < 10 * round {}
    }
    put(&mut send, &json!({"type": "ping", "data": {"ts": 7}})).await;
    assert_eq!(control.find("pong").await["data"]["ts"], 7);
    let gap = unread.find("lane").await;
    assert_eq!((&gap["data"]["lane"], &gap["data"]["gap"]), (&json!(1), &json!(true)));
    assert_eq!(unread.next().await["type"], "join_room_result");
    loud.say(1, 0, &mut []).await;
    while unread.number().await < loud.said {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_room_keeps_is_bounded_at_the_cost_of_those_who_are_behind() {
    const WORDS: u64 = 100;
    let server = TestServer::with(|config| {
        config.limits.room_bytes_max = 2 << 20;
        // No lane overflows by itself: it is the words in both codecs that are too many.
        config.limits.lane_bytes_max = 2 << 20;
        config.limits.kept_bytes_max = 2 << 20;
    });
    let mut ada = Speaker::open(&server).await;
    let mut sleepers = Vec::new();
    let mut readers = Vec::new();
    for way in Way::all() {
        let mut sleeper = sleeper(&server, way, true).await;
        sleeper.join(&ada.room_id, "player").await;
        sleepers.push(sleeper);
        readers.push(Reader::join(&server, way, &ada.room_id, WORDS).await);
    }
    ada.say(WORDS, FILL_BYTES, &mut readers).await;
    for sleeper in &mut sleepers {
        hears_newest(sleeper, ada.said).await;
        assert!(pieces(&sleeper.log).len() > 1, "no gap");
    }
    for reader in readers {
        in_time("a reader", reader.reading).await.unwrap();
    }
    ada.say(1, 0, &mut []).await;
    for sleeper in &mut sleepers {
        sleeper.until("a new word", |message| number(message) == Some(ada.said)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_who_stall_keep_nobody_from_hearing_everything() {
    const STALLED: usize = 300;
    const WORDS: u64 = 40;
    let server = TestServer::with(|config| {
        config.limits.lane_bytes_max = 64 << 10;
        config.limits.spectators_per_room_max = STALLED as u16;
        config.times.stall_ms = 120_000;
    });
    let mut ada = Speaker::open(&server).await;
    let ways: Vec<Way> = Way::all().collect();
    let mut readers = Vec::new();
    for way in ways.iter().copied().cycle().take(10) {
        readers.push(Reader::join(&server, way, &ada.room_id, WORDS).await);
    }
    let mut sleepers = Vec::new();
    // Most on WebSocket: each of the others costs the encryption of a third of a megabyte that nobody reads.
    let (quic, websocket): (Vec<Way>, Vec<Way>) = ways.iter().partition(|way| way.via.is_quic());
    let ways = quic.iter().cycle().take(80).chain(websocket.iter().cycle()).take(STALLED);
    for (place, way) in ways.copied().enumerate() {
        let mut sleeper = sleeper(&server, way, place % 2 == 0).await;
        sleeper.join(&ada.room_id, "spectator").await;
        sleepers.push(sleeper);
    }
    ada.say(WORDS, FILL_BYTES, &mut readers).await;
    for reader in readers {
        in_time("a reader", reader.reading).await.unwrap();
    }
    let last = ada.said;
    let waking = sleepers.into_iter().map(|mut sleeper| {
        tokio::spawn(async move {
            hears_newest(&mut sleeper, last).await;
            let heard = pieces(&sleeper.log);
            assert!(heard.len() > 1, "no gap: {heard:?}");
            sleeper
        })
    });
    let mut awake = Vec::new();
    for waking in waking.collect::<Vec<_>>() {
        awake.push(in_time("a sleeper", waking).await.unwrap());
    }
    ada.say(1, 0, &mut []).await;
    for sleeper in &mut awake {
        sleeper.until("a new word", |message| number(message) == Some(last + 1)).await;
    }
}

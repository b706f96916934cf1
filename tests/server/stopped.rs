//! Programs that are stopped for longer than silence may last, as a laptop that sleeps: they wake up in their seats.

use std::process::Stdio;
use std::time::Duration;

use anteroom_client::TransportChoice;
use anteroom_tests::program::{Ended, Running, command};
use anteroom_tests::server::TestServer;
use anteroom_tests::switching::{Member, Session, Told, options};
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

/// How long they stand still. Connections count as lost after 60 s, and seats are kept for 60 s from then on; this is
/// the one test that waits by the clock, because it tests that those times, as they are set, fit together.
const STOPPED_FOR: Duration = Duration::from_secs(90);
/// How often something is said meanwhile.
const APART: Duration = Duration::from_secs(1);

/// A talker of its own process.
struct Talker {
    name: &'static str,
    program: Running,
    /// Its session, its user and its seat, as it has told them.
    begun: Value,
}

impl Talker {
    async fn start(server: &TestServer, transport: &str, name: &'static str, room_id: &str) -> Self {
        let addr = server.addr().to_string();
        let mut command = command(env!("CARGO_BIN_EXE_talker"), &[&addr, transport, name, room_id]);
        command.stdin(Stdio::piped());
        let mut program = Running::start(command);
        let begun = program.json().await;
        Self { name, program, begun }
    }

    fn user_id(&self) -> &str {
        self.begun["user"].as_str().unwrap()
    }

    /// Reads what it prints until it has heard this from somebody; gives everything it has heard until then.
    async fn hears(&mut self, from: &str, word: &Value) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            let line = self.program.json().await;
            for unwanted in ["unexpected", "gap"] {
                assert_eq!(line.get(unwanted), None, "{}: {line}", self.name);
            }
            if line.get("said").is_some() {
                assert_eq!(["session", "seat"].map(|of| &line[of]), ["session", "seat"].map(|of| &self.begun[of]));
            }
            if line.get("heard").is_some() {
                let is_last = line["from"] == from && line["heard"] == *word;
                heard.push(line);
                if is_last {
                    return heard;
                }
            }
        }
    }
}

/// What was heard from one of them.
fn of<'a>(heard: &'a [Value], user_id: &str) -> Vec<&'a Value> {
    heard.iter().filter(|line| line["from"] == user_id).map(|line| &line["heard"]).collect()
}

fn word(number: u64) -> Value {
    json!([number, false])
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_were_stopped_for_ninety_seconds_go_on_in_their_seats() {
    let server = TestServer::start();
    let near = Session::connect(options(&server, server.addr(), TransportChoice::WebSocket, "Bob")).await;
    let mut bob = Member::host(&near).await;
    let (me, room_id) = (near.user_id(), bob.room().room_id().to_string());
    let mut talkers = Vec::new();
    for (transport, name) in [("quic", "Quinn"), ("webtransport", "Wanda"), ("websocket", "Wes")] {
        talkers.push(Talker::start(&server, transport, name, &room_id).await);
    }
    for talker in &mut talkers {
        talker.program.say(&word(0).to_string()).await;
        bob.hears(talker.user_id(), 1).await;
    }
    bob.say(false).await;
    for talker in &mut talkers {
        talker.hears(&me, &word(0)).await;
        talker.program.signal("STOP").await;
    }
    say_for(STOPPED_FOR, &mut bob, &me).await;
    for talker in &mut talkers {
        // Who wakes up says this first, on a connection that is none any more.
        talker.program.say(&word(1).to_string()).await;
        let (lost, back) = (Told::Lost(talker.name.into()), Told::Back(talker.name.into()));
        assert!(bob.told.contains(&lost) && !bob.told.contains(&back), "{:?}", bob.told);
        talker.program.signal("CONT").await;
    }
    for talker in &talkers {
        bob.is_told(&Told::Back(talker.name.into())).await;
        bob.hears(talker.user_id(), 2).await;
    }
    bob.say(false).await;
    let last = bob.talked().0 - 1;
    assert!(last > STOPPED_FOR.as_secs() / 2, "{last}");
    let words: Vec<Value> = (1..=last).map(word).collect();
    let users: Vec<String> = talkers.iter().map(|talker| talker.user_id().to_owned()).collect();
    for talker in &mut talkers {
        let heard = talker.hears(&me, &word(last)).await;
        assert_eq!(of(&heard, &me), words.iter().collect::<Vec<_>>(), "{}", talker.name);
        for user_id in &users {
            assert_eq!(of(&heard, user_id), [&word(1)], "{}", talker.name);
        }
    }
    assert_eq!(bob.told.iter().filter(|told| matches!(told, Told::Gone(_))).count(), 0, "{:?}", bob.told);
    for mut talker in talkers {
        talker.program.hush();
        let Ended { code, stderr, .. } = talker.program.end().await;
        assert_eq!((code, &*stderr), (Some(0), ""), "{}", talker.name);
    }
}

/// Says something every second, and hears all there is.
async fn say_for(long: Duration, bob: &mut Member, me: &str) {
    let until = Instant::now() + long;
    let mut pace = interval(APART);
    while Instant::now() < until {
        pace.tick().await;
        bob.say(false).await;
        let said = bob.talked().0;
        bob.hears(me, said).await;
    }
}

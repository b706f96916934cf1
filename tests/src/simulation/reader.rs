//! Somebody who watches, and reads by fits and starts: the connection fills up, what is said waits at the server, and
//! whoever wakes hears all of it, or is told what was lost and sees the newest.

use std::time::Duration;

use anteroom_core::Rng;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::Notes;
use super::hearing::{Hearing, Said};
use crate::message::By;
use crate::peer::{Peer, Via, Way};
use crate::resuming::Resuming;

/// The longest sleep, in virtual milliseconds: shorter than the silence after which a connection counts as lost.
const SLEEP_MS_MAX: u32 = 2500;
/// How long it reads between.
const AWAKE_FOR: Duration = Duration::from_millis(600);

/// See the module.
pub(super) struct Reader {
    client: Resuming,
    hearing: Hearing,
    rng: Rng,
    notes: Notes,
}

impl Reader {
    pub(super) async fn enter(peer: Peer, room_id: &str, mut rng: Rng, notes: Notes, heavy: bool) -> Self {
        let resume = rng.below(2) == 0;
        let mut client = Resuming::over(peer, json!({"version": 1, "resume": resume, "name": "Reader"})).await;
        client.join(room_id, "spectator").await;
        Self { client, hearing: Hearing::new("the reader".into(), heavy), rng, notes }
    }

    /// A transport and a codec.
    pub(super) fn way(rng: &mut Rng) -> Way {
        let via = if rng.below(2) == 0 { Via::Quic } else { Via::WebSocket };
        if rng.below(2) == 0 { Way::json(via) } else { Way::binary(via) }
    }

    /// Reads until everything has come, and goes without a word.
    pub(super) async fn read(mut self, users: &[String]) {
        while !self.hearing.is_done(users) {
            // It answers no pings as long as it sleeps, so it catches up in between.
            let until = Instant::now() + AWAKE_FOR;
            while timeout_at(until, self.client.step()).await.is_ok() {
                self.client.forget();
                self.hear();
            }
            assert!(self.client.ends.is_empty(), "{:?}", self.client.ends);
            sleep(Duration::from_millis(self.rng.below(SLEEP_MS_MAX).into())).await;
        }
        self.notes.note("the reader", &format!("is done, with {} gaps", self.hearing.gaps));
    }

    fn hear(&mut self) {
        for heard in std::mem::take(&mut self.client.log) {
            let message = heard.message;
            match &*message.kind {
                "lane" => self.hearing.misses(),
                "message" => {
                    let said: Said = serde_json::from_value(message.data["payload"].clone()).unwrap();
                    let by = if matches!(message.by, By::Datagram(_)) { " by datagram" } else { "" };
                    self.notes.note("the reader", &format!("hears {}, {:?}{by}", said.number, said.class));
                    self.hearing.hear(message.data["from"].as_str().unwrap(), &said);
                }
                _ => {}
            }
        }
    }
}

//! Somebody who comes and goes: takes a seat in any room, gives up before the answer is there, asks again at once, says a
//! lot, and leaves in every way there is. No seat stays behind.

use std::time::Duration;

use anteroom_client::{Client, ClientError, ConnectError, Json};
use anteroom_core::Rng;
use anteroom_games::relay::{Action, DeliveryClass};
use tokio::time::{sleep, timeout};

use super::Notes;
use super::player::{Relay, RelayRoom};

/// How many rooms are entered at most in one session.
const ROOMS_MAX: u32 = 4;

/// See the module.
pub(super) struct Guest {
    pub(super) number: usize,
    pub(super) rng: Rng,
    pub(super) notes: Notes,
}

impl Guest {
    fn name(&self) -> String {
        format!("guest {}", self.number)
    }

    /// There is no way to the server for now.
    pub(super) fn fails(&self, error: &ConnectError) {
        self.notes.note(&self.name(), &error.to_string());
    }

    /// Spends a session.
    pub(super) async fn spend(&mut self, client: Client) {
        for _ in 0..self.rng.below(ROOMS_MAX) + 1 {
            let patience = Duration::from_millis(u64::from(self.rng.below(120)));
            let is_patient = self.rng.below(2) == 0;
            let joining = client.quick_join::<Relay>();
            let joined = if is_patient { Ok(joining.await) } else { timeout(patience, joining).await };
            match joined {
                Err(_) => self.notes.note(&self.name(), "gives up"),
                Ok(Ok(room)) => self.visit(room).await,
                Ok(Err(ClientError::OutcomeUnknown)) => {}
                Ok(Err(error)) => panic!("{}: {error}", self.name()),
            }
            if self.rng.below(2) == 0 {
                sleep(Duration::from_millis(u64::from(self.rng.below(2000)))).await;
            }
        }
        if self.rng.below(3) == 0 {
            // Without a word.
            drop(client);
        } else {
            client.close().await;
        }
        self.notes.note(&self.name(), "is gone");
    }

    async fn visit(&mut self, room: RelayRoom) {
        self.notes.note(&self.name(), &format!("is in {}", room.room_id()));
        let delivery = [DeliveryClass::Reliable, DeliveryClass::Latest][self.rng.below(2) as usize];
        for number in 0..self.rng.below(30) {
            let key = Some(number.to_string());
            let say = Action::Send { payload: Json::new(&number).unwrap(), delivery: Some(delivery), key, to: None };
            // Who has been told of the end meanwhile can say no more.
            if room.send(&say).await.is_err() {
                break;
            }
        }
        match self.rng.below(3) {
            0 => drop(room),
            1 => room.leave().await.unwrap(),
            _ => {
                sleep(Duration::from_millis(u64::from(self.rng.below(1500)))).await;
                room.leave().await.unwrap();
            }
        }
    }
}

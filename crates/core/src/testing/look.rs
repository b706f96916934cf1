//! Looking at a table: what people heard, what the game looks like, what the lobby would show.

use anteroom_protocol::message::RoomState;
use anteroom_protocol::{Codec, Json};

use super::heard::read_data;
use super::{Heard, Table};
use crate::game::{Game, Outcome, Seat, Viewer};
use crate::time::Time;

impl<G: Game> Table<G> {
    /// Everything that somebody heard since this was last asked, in order.
    pub fn heard(&mut self, name: &str) -> Vec<Heard<G>> {
        std::mem::take(&mut self.person_mut(name).heard)
    }

    /// The events that somebody heard since this was last asked. The rest stays for [`Table::heard`].
    pub fn events(&mut self, name: &str) -> Vec<G::Event> {
        self.take(name, |heard| match heard {
            Heard::Event(event) => Ok(event),
            other => Err(other),
        })
    }

    /// The states of the game that somebody was shown since this was last asked, apart from that of the welcome. The
    /// rest stays for [`Table::heard`].
    pub fn states(&mut self, name: &str) -> Vec<G::View> {
        self.take(name, |heard| match heard {
            Heard::State(view) => Ok(view),
            other => Err(other),
        })
    }

    fn take<T>(&mut self, name: &str, pick: impl Fn(Heard<G>) -> Result<T, Heard<G>>) -> Vec<T> {
        let mut picked = Vec::new();
        for heard in self.heard(name) {
            match pick(heard) {
                Ok(one) => picked.push(one),
                Err(other) => self.person_mut(name).heard.push(other),
            }
        }
        picked
    }

    /// What the game looks like to a viewer now.
    ///
    /// # Panics
    /// If it does not look the same in both codecs.
    #[must_use]
    pub fn view(&self, viewer: Viewer) -> G::View {
        let [text, binary] = Codec::ALL.map(|codec| {
            let encoded =
                self.room.view(viewer, codec).unwrap_or_else(|failure| panic!("{} failed: {failure}", G::KIND));
            read_data::<G::View>("view", encoded.data())
        });
        let [shown, also] = [&text, &binary].map(|view| Json::new(view).expect("a view that can be JSON"));
        assert_eq!(shown, also, "the view differs between JSON and binary");
        text
    }

    /// The game itself, by way of its snapshot.
    ///
    /// # Panics
    /// If the snapshot cannot be read back.
    #[must_use]
    pub fn game(&self) -> G {
        let state = self.state();
        let game = state.lines().next().unwrap_or_default();
        serde_json::from_str(game)
            .unwrap_or_else(|error| panic!("the snapshot of {} cannot be read back: {error}", G::KIND))
    }

    pub(super) fn state(&self) -> String {
        self.room.state().unwrap_or_else(|failure| panic!("{} failed: {failure}", G::KIND))
    }

    /// Everything that was sent to anyone, one line for each batch.
    pub(super) fn transcript(&self) -> &[String] {
        &self.transcript
    }

    /// The seat of somebody, connected or not.
    #[must_use]
    pub fn seat(&self, name: &str) -> Option<Seat> {
        self.room.seating().of_user(&name.parse().ok()?)
    }

    /// The matches that ended since this was last asked.
    pub fn outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// What the lobby shows of the match.
    #[must_use]
    pub fn room_state(&self) -> RoomState {
        self.room.summary().state
    }

    /// The time, which begins at zero.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }
}

//! The subscription to the list of rooms. It outlives connections: after a gap the task subscribes again by itself.

use anteroom_protocol::Data;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::request::{SubscribeRooms, UnsubscribeRooms};
use anteroom_protocol::message::result::RoomList;
use anteroom_protocol::message::resume::SessionState;
use tokio::sync::watch;

use super::Driver;
use crate::lobby::Listed;
use crate::shared::Answer;

/// A subscription that somebody watches.
#[derive(Debug)]
pub(super) struct Lobby {
    listed: watch::Sender<Listed>,
    /// Which rooms.
    which: SubscribeRooms,
}

impl Driver {
    pub(super) fn subscribed(&mut self, reference: u64, data: Data<'_>) -> Answer {
        let list = match data.decode::<RoomList>() {
            Ok(list) => list,
            Err(error) => return Answer::Invalid(error.to_string()),
        };
        let asked = self.subscribing.take_if(|(asked, _)| *asked == reference);
        let which = asked.map(|(_, which)| which).unwrap_or_default();
        if let Some(lobby) = &self.lobby {
            // This task has asked on behalf of the subscription there is.
            lobby.listed.send_replace(Listed::new(&list));
            return Answer::Lost;
        }
        let (sender, listed) = watch::channel(Listed::new(&list));
        self.lobby = Some(Lobby { listed: sender, which });
        Answer::Subscribed(list, listed)
    }

    /// The whole list, unasked: changes were not told, since this end did not read so fast.
    pub(super) fn on_rooms_listed(&mut self, data: Data<'_>) {
        let Some(lobby) = &self.lobby else { return };
        match data.decode::<RoomList>() {
            Ok(list) => drop(lobby.listed.send_replace(Listed::new(&list))),
            Err(error) => tracing::warn!(%error, "a list of rooms could not be read"),
        }
    }

    pub(super) fn subscribe_again(&mut self) {
        let Some(which) = self.lobby.as_ref().map(|lobby| lobby.which.clone()) else { return };
        let reference = self.request(|draft| draft, &which);
        self.subscribing = reference.map(|reference| (reference, which));
    }

    fn unsubscribe(&mut self) {
        self.lobby = None;
        self.request(|draft| draft, &UnsubscribeRooms {});
    }

    pub(super) fn on_rooms_changed(&mut self, data: Data<'_>) {
        let Some(lobby) = &self.lobby else { return };
        if lobby.listed.is_closed() {
            return self.unsubscribe();
        }
        match data.decode::<RoomsChanged>() {
            Ok(changed) => lobby.listed.send_modify(|listed| listed.apply(changed)),
            Err(error) => tracing::warn!(%error, "rooms_changed could not be read"),
        }
    }

    /// The session as it is now, because messages of its own were lost.
    pub(super) fn on_session_state(&mut self, missed: u64, data: Data<'_>) {
        tracing::debug!(missed, "messages of the session were lost");
        self.shared.gaps.send_modify(|gaps| *gaps += 1);
        if self.lobby.is_some() {
            return self.subscribe_again();
        }
        let subscribed =
            data.decode::<SessionState>().is_ok_and(|state| state.subscriptions.iter().any(|held| held.to == "rooms"));
        if subscribed && self.subscribing.is_none() {
            // The answer was lost, and whoever asked was told so.
            self.unsubscribe();
        }
    }
}

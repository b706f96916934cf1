//! What members ask for of what was said, beyond what the room has at hand: read from the store, beside the room's turns.

use anteroom_core::room::Wanted;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::member::ChatPage;

use super::RoomTask;
use crate::rooms::link::Mail;

impl RoomTask {
    /// Has what the turn that was shown asks for looked up. The answer comes to the room like anything else that happens.
    pub(super) fn look_up(&mut self) {
        for wanted in self.shown.flush.effects.wanted.drain(..) {
            let Wanted { member, reference, before, limit, change } = wanted;
            let Some(store) = self.journal.as_ref().map(|journal| journal.store().clone()) else {
                self.handle.insist(Mail::History { member, reference, page: None, change });
                continue;
            };
            let (handle, room_id) = (self.handle.clone(), self.room_id);
            self.rooms.tasks.spawn(async move {
                // One more says whether there is more.
                let page = match store.said(room_id, before, usize::from(limit) + 1).await {
                    Ok(messages) => Some(page(messages, usize::from(limit))),
                    Err(error) => {
                        tracing::warn!(%room_id, %error, "what was said in a room cannot be read");
                        None
                    }
                };
                handle.insist(Mail::History { member, reference, page, change });
            });
        }
    }
}

fn page(mut messages: Vec<ChatEntry>, limit: usize) -> ChatPage {
    let more = messages.len().saturating_sub(limit);
    messages.drain(..more);
    let first: Option<MessageId> = messages.first().map(|entry| entry.message_id);
    ChatPage { messages, next: first.filter(|_| more > 0) }
}

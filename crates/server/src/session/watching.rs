//! Whether a session hears of changes of the list of rooms.
//!
//! Each publication has a number. A session is given the list as of one, and told the changes of those that follow,
//! whoever tells it of which meanwhile.

use std::sync::Arc;

use anteroom_core::flush::Outgoing;
use anteroom_protocol::message::resume::Subscription;
use anteroom_protocol::{Batch, LaneId};

use super::Session;

impl Session {
    /// Gives the session the list as of a publication: it hears of the next one.
    pub(crate) fn watch(&self, publication: u64, game: Option<String>, list: Batch) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.watches_since = Some(publication);
        state.lanes.set_subscription(Some(Subscription { to: "rooms".into(), game }));
        let list = list.counted(self.budget.control());
        if state.lanes.put(now, LaneId::CONTROL, Outgoing::Reliable(Arc::new(list))) {
            state.wake();
        }
        self.keep_to_budget(&mut state);
    }

    /// The session hears of no more changes.
    pub(crate) fn stop_watching(&self) {
        let mut state = self.lock();
        state.watches_since = None;
        state.lanes.set_subscription(None);
    }

    /// Tells the changes of a publication, unless they are in a list that the session has been given since.
    pub(crate) fn tell_changes(&self, publication: u64, changes: &[Arc<Batch>]) {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.watches_since.is_none_or(|since| since >= publication) {
            return;
        }
        for batch in changes {
            if state.lanes.put(now, LaneId::CONTROL, Outgoing::Reliable(batch.clone())) {
                state.wake();
            }
        }
        self.keep_to_budget(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use anteroom_core::lanes::Write;
    use anteroom_protocol::envelope::Empty;
    use anteroom_protocol::{Codec, Header};

    use super::super::tests::session;
    use super::*;

    /// Whoever tells everyone of a publication may get to a session when it has begun anew.
    #[tokio::test]
    async fn what_is_in_the_list_already_is_not_told_again() {
        let (session, place) = session();
        let batch = |kind: &str| Batch::one(Codec::Json, &Header::new(kind), &Empty {}).unwrap();
        let tell = |publication| session.tell_changes(publication, &[Arc::new(batch(&format!("told {publication}")))]);
        let written = || {
            let lanes = &mut session.lock().lanes;
            let mut written = Vec::new();
            while let Some(Write::Record(_, batch)) = lanes.next(session.clock.now(), place.id, |_| false) {
                written.push(String::from_utf8(batch.payload().to_vec()).unwrap());
            }
            written
        };
        let texts =
            |kinds: &[&str]| kinds.iter().map(|kind| format!(r#"{{"type":"{kind}","data":{{}}}}"#)).collect::<Vec<_>>();
        tell(1);
        session.watch(1, None, batch("list"));
        tell(1);
        tell(2);
        assert_eq!(written(), texts(&["list", "told 2"]));
        session.watch(3, None, batch("list"));
        tell(3);
        session.stop_watching();
        tell(4);
        assert_eq!(written(), texts(&["list"]));
    }
}

//! The sessions of one server: how they begin, wait for their client, go on, and end. A connection owns nothing of that.
//!
//! A session is found by its id, by its user, or by the nonce of a handshake whose answer was lost. One that nobody is connected
//! to waits for the grace time. Who may come back is proven by a token; what was sent meanwhile, the session's
//! [carrier](crate::carrier) knows.

mod grace;
mod keeping;
mod limits;
mod record;
mod relief;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_core::lanes::{Accepted, Claim, ConnectionId, Refused};
use anteroom_protocol::{CloseCode, SessionId, UserId};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::budget::{Budget, SESSION_BYTES};
use crate::carrier::{Beginning, Carrier, Place};
use crate::clock::Clock;
use crate::hooks::Hooked;
use crate::identity::Identity;
use crate::lobby::Lobby;
use crate::session::{Departure, Session};
use crate::stores::Store;
use grace::Waiting;
use keeping::Keeping;
pub(crate) use limits::SessionLimits;
pub(crate) use record::NotRestored;
pub(crate) use relief::keep_to_budget;

/// Bytes of a resume token's number.
const NUMBER_BYTES: usize = 8;
/// Bytes of a resume token's HMAC that travel.
const TAG_BYTES: usize = 24;

/// Every session of one server.
#[derive(Debug)]
pub(crate) struct Sessions {
    key: hmac::Key,
    limits: SessionLimits,
    clock: Clock,
    budget: Arc<Budget>,
    lobby: Arc<Lobby>,
    hooks: Hooked,
    live: Mutex<Live>,
    waiting: Waiting,
    /// What is written behind to the store, if there is one.
    keeping: Option<Keeping>,
}

/// What the sessions of a server need to know of it.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) limits: SessionLimits,
    pub(crate) clock: Clock,
    pub(crate) budget: Arc<Budget>,
    pub(crate) lobby: Arc<Lobby>,
    /// Who is told that sessions begin and end.
    pub(crate) hooks: Hooked,
    /// Where they are stored, if they outlive the server.
    pub(crate) store: Option<Arc<dyn Store>>,
}

#[derive(Debug, Default)]
struct Live {
    by_id: HashMap<SessionId, Entry>,
    by_nonce: HashMap<Box<str>, SessionId>,
    /// Those of one user, in the order in which they began.
    by_user: HashMap<UserId, Vec<SessionId>>,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    nonce: Option<Box<str>>,
}

impl Live {
    fn add(&mut self, session: &Arc<Session>) {
        // Mostly there is one, which takes the room of one.
        let of_user = self.by_user.entry(session.identity.user_id.clone()).or_insert_with(|| Vec::with_capacity(1));
        of_user.push(session.id);
        self.by_id.insert(session.id, Entry { session: session.clone(), nonce: None });
    }

    fn add_nonce(&mut self, session: &Session, nonce: &str) {
        if let Some(entry) = self.by_id.get_mut(&session.id) {
            entry.nonce = Some(nonce.into());
            self.by_nonce.insert(nonce.into(), session.id);
        }
    }

    /// Whether it was there.
    fn remove(&mut self, session: &Session) -> bool {
        let Some(Entry { nonce, .. }) = self.by_id.remove(&session.id) else { return false };
        if let Some(nonce) = nonce
            && self.by_nonce.get(&nonce) == Some(&session.id)
        {
            self.by_nonce.remove(&nonce);
        }
        let user_id = &session.identity.user_id;
        if let Some(of_user) = self.by_user.get_mut(user_id) {
            of_user.retain(|id| *id != session.id);
            if of_user.is_empty() {
                self.by_user.remove(user_id);
            }
        }
        true
    }
}

impl Sessions {
    /// No sessions yet. `key` signs their tokens.
    pub(crate) fn new(key: &[u8], surroundings: Surroundings) -> Self {
        let Surroundings { limits, clock, budget, lobby, hooks, store } = surroundings;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let (live, waiting) = (Mutex::default(), Waiting::default());
        Self { key, limits, clock, budget, lobby, hooks, live, waiting, keeping: store.map(Keeping::new) }
    }

    /// What each session may use, and all of them.
    pub(crate) fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        // Nothing panics while it holds the lock.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session on its first connection, to be found by its nonce, too, if it has one. A session that has the same one
    /// is found by its id alone from now on. Nothing if there are too many.
    pub(crate) fn begin(
        &self,
        identity: Identity,
        nonce: Option<&str>,
        beginning: Beginning,
    ) -> Option<(Arc<Session>, Place)> {
        let (carrier, place) = Carrier::new(self.clock, beginning);
        let session = Session::new(identity, carrier, self.budget.clone());
        {
            let mut live = self.lock();
            if live.by_id.len() >= self.limits.sessions_max {
                return None;
            }
            live.add(&session);
        }
        self.budget.total().add(SESSION_BYTES);
        self.budget.is_too_much(|| 0);
        self.has_come(&session);
        self.hooks.tell(|hooks| hooks.session_began(&session.facts()));
        // Only now can a client find it, and end it.
        if let Some(nonce) = nonce {
            self.lock().add_nonce(&session, nonce);
        }
        Some((session, place))
    }

    /// Adds a session that was stored.
    fn add(&self, session: &Arc<Session>, nonce: Option<&str>) {
        let mut live = self.lock();
        live.add(session);
        if let Some(nonce) = nonce {
            live.add_nonce(session, nonce);
        }
        self.budget.total().add(SESSION_BYTES);
    }

    /// The nonce that a session is found by.
    fn nonce_of(&self, session: &Session) -> Option<Box<str>> {
        self.lock().by_id.get(&session.id).and_then(|entry| entry.nonce.clone())
    }

    /// Whether sessions outlive the server.
    pub(crate) fn last(&self) -> bool {
        self.keeping.is_some()
    }

    /// A connection of a session is gone. If it was the last one, the rooms are told, and the session waits for its client.
    pub(crate) fn away(&self, session: &Arc<Session>, connection: ConnectionId) -> bool {
        let Some(since) = session.lost(connection) else { return false };
        self.waiting.add(since + self.limits.grace, session.id);
        session.tell_rooms();
        true
    }

    /// Goes on with a session on a new connection; the rooms are told.
    ///
    /// # Errors
    /// [`Refused`]. After [`Refused::TokenReused`] the session is over: somebody has a copy of a token.
    pub(crate) fn back(
        &self,
        session: &Arc<Session>,
        claim: &Claim,
        datagram_bytes_max: Option<usize>,
    ) -> Result<(Accepted, Place), Refused> {
        let accepted = session.carrier.reconnect(claim, datagram_bytes_max);
        match &accepted {
            Ok(_) => self.is_back(session),
            Err(Refused::TokenReused) => {
                let code = CloseCode::TokenReused;
                tracing::warn!(session_id = %session.id, user_id = %session.identity.user_id, "resume token used twice");
                self.end(session, Departure::Abandoned, Some(code), &code.to_string());
            }
            Err(_) => {}
        }
        accepted
    }

    /// Begins a session again on a new connection, for a client that has not heard of it; `None` if it has ended.
    pub(crate) fn restart(
        &self,
        session: &Arc<Session>,
        datagram_bytes_max: Option<usize>,
    ) -> Option<(Accepted, Place)> {
        let accepted = session.carrier.restart(datagram_bytes_max)?;
        self.is_back(session);
        Some(accepted)
    }

    /// Whoever is back may go again before this is noted, so nobody is taken off those who wait: their time shows it.
    fn is_back(&self, session: &Session) {
        self.has_changed(session);
        session.tell_rooms();
    }

    /// Ends a session everywhere, if nobody else does. Those who have to do with it hear of it in this order; whoever has
    /// something that does not outlive a session adds it here.
    pub(crate) fn end(&self, session: &Session, departure: Departure, code: Option<CloseCode>, why: &str) -> bool {
        // Its connections, unless one has come at the last moment. From here on nothing more is said or taken.
        if !session.carrier.end(departure.unless(), code) {
            return false;
        }
        // Whoever looks for it.
        self.waiting.remove(session.id);
        if self.lock().remove(session) {
            self.budget.total().take(SESSION_BYTES);
        }
        // What is stored of it.
        self.is_over(session);
        // What it watches.
        self.lobby.topic.unwatch(&session.carrier);
        // Its rooms.
        session.depart(departure);
        // Whoever else wants to know.
        self.hooks.tell(|hooks| hooks.session_ended(&session.facts(), why));
        tracing::info!(session_id = %session.id, user_id = %session.identity.user_id, why, "session ended");
        true
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.lock().by_id.values().map(|entry| entry.session.clone()).collect()
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<Arc<Session>> {
        self.lock().by_id.get(&id).map(|entry| entry.session.clone())
    }

    pub(crate) fn find_by_nonce(&self, nonce: &str) -> Option<Arc<Session>> {
        let live = self.lock();
        let id = live.by_nonce.get(nonce)?;
        live.by_id.get(id).map(|entry| entry.session.clone())
    }

    /// The sessions of a user, in the order in which they began.
    pub(crate) fn of_user(&self, user_id: &UserId) -> Vec<Arc<Session>> {
        let live = self.lock();
        let ids = live.by_user.get(user_id).into_iter().flatten();
        ids.filter_map(|id| live.by_id.get(id)).map(|entry| entry.session.clone()).collect()
    }

    /// A session's token of this number: nobody can guess it, and nothing but the number needs to be remembered.
    pub(crate) fn token(&self, session: SessionId, number: u64) -> String {
        let mut token = number.to_be_bytes().to_vec();
        token.extend_from_slice(&self.tag(session, number)[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The number of a session's token; `None` if it is not one.
    pub(crate) fn read_token(&self, session: SessionId, token: &str) -> Option<u64> {
        let mut bytes = [0; NUMBER_BYTES + TAG_BYTES];
        let len = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        let (number, tag) = bytes.split_at(NUMBER_BYTES);
        let number = u64::from_be_bytes(number.try_into().ok()?);
        let expected = &self.tag(session, number)[..TAG_BYTES];
        (len == bytes.len() && constant_time::verify_slices_are_equal(tag, expected).is_ok()).then_some(number)
    }

    fn tag(&self, session: SessionId, number: u64) -> [u8; 32] {
        let mut message = session.as_str().as_bytes().to_vec();
        message.extend_from_slice(&number.to_be_bytes());
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.key, &message).as_ref());
        tag
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anteroom_core::lanes::SessionBounds;
    use anteroom_protocol::Codec;
    use anteroom_protocol::lane::Bounds;

    use super::*;
    use crate::tables::{LimitList, Times};

    fn sessions(key: &[u8]) -> Arc<Sessions> {
        let budget = Arc::new(Budget::new(usize::MAX));
        let lobby = Arc::new(Lobby::default());
        let limits = SessionLimits { sessions_max: 3, ..SessionLimits::of(&LimitList::default(), &Times::default()) };
        let (clock, hooks, store) = (Clock::start(), Hooked::default(), None);
        Arc::new(Sessions::new(key, Surroundings { limits, clock, budget, lobby, hooks, store }))
    }

    fn begin(sessions: &Sessions, user: &str, id: u128, nonce: Option<&str>) -> Option<(Arc<Session>, Place)> {
        let identity = Identity { user_id: user.parse().unwrap(), username: user.into(), is_guest: true };
        let beginning = Beginning {
            id: SessionId::from_bits(id),
            codec: Codec::Json,
            keeps: true,
            bounds: SessionBounds { control: Bounds::NONE, room: Bounds::NONE },
            outbox_bytes_max: 999,
            datagram_bytes_max: None,
            budget: sessions.budget.clone(),
        };
        sessions.begin(identity, nonce, beginning)
    }

    #[test]
    fn a_token_is_one_session_s_and_one_number_s() {
        let (sessions, others) = (sessions(&[7; 32]), sessions(&[8; 32]));
        let (ada, bob) = (SessionId::from_bits(1), SessionId::from_bits(2));
        let token = sessions.token(ada, 3);
        assert_eq!(sessions.read_token(ada, &token), Some(3));
        assert_eq!(sessions.read_token(bob, &token), None);
        assert_eq!(others.read_token(ada, &token), None);
        for forged in ["", "nonsense", &token[1..], &format!("{token}A"), &sessions.token(ada, 4)[..42]] {
            assert_eq!(sessions.read_token(ada, forged), None, "{forged}");
        }
        let mut other_number = URL_SAFE_NO_PAD.decode(&token).unwrap();
        other_number[7] ^= 1;
        assert_eq!(sessions.read_token(ada, &URL_SAFE_NO_PAD.encode(other_number)), None);
    }

    #[tokio::test]
    async fn a_session_is_found_by_its_user_and_its_nonce_until_it_ends() {
        let sessions = sessions(&[7; 32]);
        let of = |user: &str| -> Vec<SessionId> {
            sessions.of_user(&user.parse().unwrap()).iter().map(|session| session.id).collect()
        };
        let (first, _) = begin(&sessions, "ada", 1, Some("once")).unwrap();
        let (second, _) = begin(&sessions, "ada", 2, Some("once")).unwrap();
        begin(&sessions, "bob", 3, None).unwrap();
        assert!(begin(&sessions, "eve", 4, None).is_none(), "there are too many");
        assert_eq!(of("ada"), [first.id, second.id]);
        assert_eq!(sessions.find_by_nonce("once").map(|session| session.id), Some(second.id));
        let bytes = sessions.budget.total().bytes();
        assert!(sessions.end(&second, Departure::Goodbye, None, "goodbye"));
        assert!(!sessions.end(&second, Departure::Abandoned, None, "again"));
        assert_eq!(sessions.budget.total().bytes(), bytes - SESSION_BYTES);
        assert_eq!((of("ada"), of("eve")), (vec![first.id], vec![]));
        assert!(sessions.find_by_nonce("once").is_none());
        assert!(begin(&sessions, "eve", 4, None).is_some());
        assert!(sessions.end(&first, Departure::Goodbye, None, "goodbye"));
        assert!(sessions.lock().by_user.keys().all(|user| user.as_str() != "ada"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_in_time_is_not_given_up() {
        let sessions = sessions(&[7; 32]);
        let keeper = sessions.clone();
        tokio::spawn(async move { keeper.end_those_who_stay_away().await });
        let (session, place) = begin(&sessions, "ada", 1, None).unwrap();
        let (other, elsewhere) = begin(&sessions, "bob", 2, None).unwrap();
        assert!(sessions.away(&session, place.id));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(sessions.away(&other, elsewhere.id));
        tokio::time::sleep(Duration::from_secs(30) - Duration::from_millis(1)).await;
        let (_, place) = sessions.restart(&session, None).unwrap();
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert!(!session.carrier.has_ended() && !other.carrier.has_ended());
        assert!(!sessions.end(&session, Departure::Expired, None, "somebody is there"));
        assert!(sessions.away(&session, place.id));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!session.carrier.has_ended() && other.carrier.has_ended(), "each at its own time");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(session.carrier.has_ended());
        assert!(sessions.all().is_empty() && sessions.waiting.is_empty());
    }
}

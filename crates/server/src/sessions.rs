//! The sessions of one server: found by their id, or by the nonce of a handshake whose answer was lost.

mod limits;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_protocol::SessionId;
use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::budget::{Budget, SESSION_BYTES};
use crate::session::Session;
pub(crate) use limits::SessionLimits;

/// Bytes of a resume token's number.
const NUMBER_BYTES: usize = 8;
/// Bytes of a resume token's HMAC that travel.
const TAG_BYTES: usize = 24;

/// Every session of one server.
#[derive(Debug)]
pub(crate) struct Sessions {
    key: hmac::Key,
    limits: SessionLimits,
    budget: Arc<Budget>,
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    by_id: HashMap<SessionId, Entry>,
    by_nonce: HashMap<Box<str>, SessionId>,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    nonce: Option<Box<str>>,
}

impl Sessions {
    /// No sessions yet. `key` signs their tokens.
    pub(crate) fn new(key: &[u8], limits: SessionLimits, budget: Arc<Budget>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), limits, budget, live: Mutex::default() }
    }

    /// What each session may use, and all of them.
    pub(crate) fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        // Nothing panics while it holds the lock.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session, to be found by its nonce, too, if it has one. A session that has the same one is found by its
    /// id alone from now on. `false` if there are too many.
    pub(crate) fn add(&self, session: &Arc<Session>, nonce: Option<&str>) -> bool {
        let mut live = self.lock();
        if live.by_id.len() >= self.limits.sessions_max {
            return false;
        }
        let nonce: Option<Box<str>> = nonce.map(Into::into);
        if let Some(nonce) = &nonce {
            live.by_nonce.insert(nonce.clone(), session.id);
        }
        live.by_id.insert(session.id, Entry { session: session.clone(), nonce });
        self.budget.total().add(SESSION_BYTES);
        self.budget.is_too_much(|| 0);
        true
    }

    /// Forgets a session.
    pub(crate) fn remove(&self, id: SessionId) {
        let mut live = self.lock();
        let Some(Entry { nonce, .. }) = live.by_id.remove(&id) else { return };
        self.budget.total().take(SESSION_BYTES);
        if let Some(nonce) = nonce
            && live.by_nonce.get(&nonce) == Some(&id)
        {
            live.by_nonce.remove(&nonce);
        }
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
    use super::*;
    use crate::tables::{LimitList, Times};

    #[test]
    fn a_token_is_one_session_s_and_one_number_s() {
        let of = |key| {
            let limits = SessionLimits::of(&LimitList::default(), &Times::default());
            Sessions::new(key, limits, Arc::new(Budget::new(0)))
        };
        let sessions = of(&[7; 32]);
        let (ada, bob) = (SessionId::from_bits(1), SessionId::from_bits(2));
        let token = sessions.token(ada, 3);
        assert_eq!(sessions.read_token(ada, &token), Some(3));
        assert_eq!(sessions.read_token(bob, &token), None);
        assert_eq!(of(&[8; 32]).read_token(ada, &token), None);
        for forged in ["", "nonsense", &token[1..], &format!("{token}A"), &sessions.token(ada, 4)[..42]] {
            assert_eq!(sessions.read_token(ada, forged), None, "{forged}");
        }
        let mut other_number = URL_SAFE_NO_PAD.decode(&token).unwrap();
        other_number[7] ^= 1;
        assert_eq!(sessions.read_token(ada, &URL_SAFE_NO_PAD.encode(other_number)), None);
    }
}

//! What has to be proved or made in front of a room, since it takes a processor's time or the server's randomness: passwords, and
//! the codes of invites.
//!
//! Whether that opens the door is for the room to say. Who is not to know of a room learns nothing of it here: for one that there
//! is not, and for one that takes no password from strangers, the same is computed and counted.

use anteroom_core::room::{Door, Knock};
use anteroom_protocol::message::member::UpdateRoom;
use anteroom_protocol::message::{Request, RequestKind, table::MemberRequest};
use anteroom_protocol::{Envelope, ErrorBody, ErrorCode, RoomId};
use tokio::time::timeout;

use crate::passwords::{self, Attempt};
use crate::rooms::{JOIN_PATIENCE, Stranger};
use crate::services::Services;
use crate::session::Session;

/// The longest code of an invite that is handed on to a room; it makes shorter ones.
const INVITE_BYTES_MAX: usize = 64;
/// Of which characters they are: without those that are taken for others when they are read out (Crockford's base32).
const INVITE_CHARACTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many they have: 100 bits.
const INVITE_LENGTH: u32 = 20;

/// What a room asks of somebody.
enum Asked {
    /// There is nothing to prove.
    Nothing,
    /// Its password, of which this is the hash and the number.
    Password(String, u32),
    /// They are not to know of it.
    WhatNobodyKnows,
}

fn asked_of(door: &Door, knock: &Knock<'_>) -> Asked {
    if door.is_hidden_from(knock) {
        return Asked::WhatNobodyKnows;
    }
    match &door.password {
        Some((hash, number)) if !door.knows(knock) => Asked::Password(hash.clone(), *number),
        _ => Asked::Nothing,
    }
}

/// What is proved to a room.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// Which of the room's passwords is known.
    pub(super) password: Option<u32>,
    /// One that may have been wrong.
    attempt: Option<Attempt>,
}

impl Proof {
    /// Tries a password for a room, which there may not be. Whoever has nothing to prove tries none.
    ///
    /// # Errors
    /// `invalid_data`, `rate_limited`, `busy`.
    pub(super) async fn of(
        services: &Services,
        session: &Session,
        room_id: &str,
        password: Option<&str>,
        invite: Option<&str>,
    ) -> Result<Self, ErrorBody> {
        // What is no id at all can be no room's, as everybody sees.
        let (Some(password), Ok(room_id)) = (passwords::checked(password)?, room_id.parse::<RoomId>()) else {
            return Ok(Self::default());
        };
        let (passwords, rooms, user_id) = (&services.passwords, &services.rooms, &session.identity.user_id);
        let of = Stranger { user_id, invite, password: None };
        let look = || rooms.look(&room_id, of, asked_of);
        let mut asked = look();
        if asked.is_none()
            && let Ok(room) = rooms.find(room_id.as_str())
        {
            // It is waking, and says then what it asks for.
            drop(timeout(JOIN_PATIENCE, room.shows_door()).await);
            asked = look();
        }
        let asked = match asked {
            Some(Asked::Nothing) => return Ok(Self::default()),
            Some(Asked::Password(hash, number)) => Some((hash, number)),
            Some(Asked::WhatNobodyKnows) | None => None,
        };
        let attempt = passwords.attempt(user_id, room_id, services.clock.now())?;
        match passwords.is_of(password, asked.as_ref().map(|(hash, _)| hash.as_str())).await {
            Ok(true) => {
                passwords.forgive(attempt);
                Ok(Self { password: asked.map(|(_, number)| number), attempt: None })
            }
            Ok(false) => Ok(Self { password: None, attempt: Some(attempt) }),
            Err(error) => {
                passwords.forgive(attempt);
                Err(error)
            }
        }
    }

    /// The room has said no more about the password than that it was not needed.
    pub(super) fn was_not_needed(self, services: &Services) {
        if let Some(attempt) = self.attempt {
            services.passwords.forgive(attempt);
        }
    }
}

/// The code of an invite as it was made: whoever read it out may have spelled it in capitals.
///
/// # Errors
/// `invalid_data`.
pub(super) fn invite_given(invite: Option<&str>) -> Result<Option<String>, ErrorBody> {
    if invite.is_some_and(|invite| invite.len() > INVITE_BYTES_MAX) {
        let sentence = format!("The code of an invite has at most {INVITE_BYTES_MAX} bytes.");
        return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
    }
    Ok(invite.map(str::to_ascii_lowercase))
}

/// The code of a new invite, and the link to the page that comes in with it: `CODE URL`.
pub(super) fn new_invite(services: &Services, room_id: &str) -> Box<str> {
    let bits = services.randomness.bits();
    let characters = (0..INVITE_LENGTH).map(|place| INVITE_CHARACTERS[(bits >> (5 * place)) as usize % 32]);
    let code: String = characters.map(char::from).collect();
    // In the fragment, which a browser keeps to itself.
    let Services { page, .. } = services;
    format!("{code} {page}#room={}&invite={code}", room_id.to_ascii_lowercase()).into()
}

/// The password that a request sets, which is to be hashed in front of the room; none if it sets none, or one that no room has.
pub(super) fn new_password(message: &Envelope<'_>) -> Option<Box<str>> {
    let Ok(Request::Member(MemberRequest::UpdateRoom(UpdateRoom { password, .. }))) =
        Request::parse(RequestKind::UpdateRoom, message)
    else {
        return None;
    };
    let password = password??;
    passwords::checked(Some(&password)).ok().flatten().map(Into::into)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anteroom_protocol::message::Visibility;
    use anteroom_protocol::message::request::CreateRoom;

    use super::*;
    use crate::app::Hosting;
    use crate::app::Server;
    use crate::config::Config;

    #[tokio::test]
    async fn codes_are_hard_to_guess_and_easy_to_read_out() {
        let server = |public_url: Option<&str>| {
            let config = Config { public_url: public_url.map(Into::into), ..Config::development() };
            Server::simulate(config, anteroom_games::registry().unwrap(), 1).unwrap()
        };
        let made = |public_url| new_invite(&server(public_url).parts.services, "K3V9K3V9K3");
        let made_there = made(Some("https://play.example.com:8443/game"));
        let (code, url) = made_there.split_once(' ').unwrap();
        assert_eq!(code.len(), 20);
        assert!(code.bytes().all(|byte| INVITE_CHARACTERS.contains(&byte)), "{code}");
        assert_eq!(url, format!("https://play.example.com:8443/game/#room=k3v9k3v9k3&invite={code}"));
        assert!(made(None).contains(" http://127.0.0.1:0/#room="), "{}", made(None));
        assert_eq!(invite_given(Some(&code.to_uppercase())).unwrap().as_deref(), Some(code));
        assert_eq!(invite_given(Some(&"x".repeat(65))).unwrap_err().code, ErrorCode::InvalidData);
        let server = server(None);
        let another = || new_invite(&server.parts.services, "k3v9k3v9k3");
        assert_ne!(another(), another());
    }
    /// What a stranger can measure or count is the same.
    #[tokio::test(start_paused = true)]
    async fn an_absent_room_and_a_private_one_cost_the_same() {
        let server = Server::simulate(Config::development(), anteroom_games::registry().unwrap(), 1).unwrap();
        let services = &server.parts.services;
        let (session, _place) = crate::session::tests::session();
        let made = async |visibility, password: Option<&str>| {
            let password = password.map(Into::into);
            let request = CreateRoom { game: "relay".into(), visibility, password, ..CreateRoom::default() };
            let hosting = Hosting { kept_for: Duration::from_secs(60), persistent: true, ..Hosting::default() };
            server.open_room(&request, hosting).await.unwrap().to_string()
        };
        let private = made(Some(Visibility::Private), Some("sesame")).await;
        let private_and_bare = made(Some(Visibility::Private), None).await;
        let guarded = made(None, Some("sesame")).await;
        let bare = made(None, None).await;
        let hashes = async |room_id: &str, password| {
            let before = services.passwords.hashes();
            let proof = Proof::of(services, &session, room_id, password, None).await.map(|proof| proof.password);
            (services.passwords.hashes() - before, proof.map_err(|error| error.code))
        };
        for room_id in ["k3v9k3v9k3", &*private, &*private_and_bare] {
            for password in ["sesame", "a", "b", "c", "d"] {
                assert_eq!(hashes(room_id, Some(password)).await, (1, Ok(None)), "{room_id} {password}");
            }
            assert_eq!(hashes(room_id, Some("sesame")).await, (0, Err(ErrorCode::RateLimited)), "{room_id}");
            assert_eq!(hashes(room_id, None).await, (0, Ok(None)), "{room_id}");
        }
        for _ in 0..10 {
            assert_eq!(hashes(&guarded, Some("sesame")).await, (1, Ok(Some(0))));
            assert_eq!(hashes(&bare, Some("sesame")).await, (0, Ok(None)), "nothing is asked for");
            assert_eq!(hashes("no id", Some("sesame")).await, (0, Ok(None)), "as everybody sees");
        }
    }
}

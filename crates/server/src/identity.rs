//! Who a player is: what a token says, or a guest.

use anteroom_core::name;
use anteroom_protocol::limits::TOKEN_BYTES_MAX;
use anteroom_protocol::message::request::Handshake;
use anteroom_protocol::{ErrorBody, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::random::Randomness;

/// Decides who may come in, and as whom.
pub(crate) struct Authority {
    tokens: Option<(DecodingKey, Validation)>,
    guests: bool,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("tokens", &self.tokens.is_some()).field("guests", &self.guests).finish()
    }
}

/// A player, as a session knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user_id: UserId,
    pub(crate) username: String,
    /// Whether nothing but the session says who it is.
    pub(crate) is_guest: bool,
}

impl Identity {
    /// Whether two handshakes can have been one player's.
    pub(crate) fn is_same_player(&self, other: &Self) -> bool {
        if self.is_guest { other.is_guest } else { !other.is_guest && self.user_id == other.user_id }
    }
}

/// Why someone is not let in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refused {
    /// The connection ends; the sentence goes with the close code.
    Unauthorized(&'static str),
    /// The handshake may be tried again.
    Again(ErrorBody),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    name: Option<String>,
}

impl Authority {
    /// Accepts tokens signed with `token_key` (HS256), if there is one, and guests if they are welcome.
    #[must_use]
    pub(crate) fn new(token_key: Option<&[u8]>, guests: bool) -> Self {
        let tokens = token_key.map(|key| {
            let mut validation = Validation::new(Algorithm::HS256);
            validation.set_required_spec_claims(&["exp", "sub"]);
            validation.leeway = 5;
            // Audiences and issuers are not configured, so a token is free to name some.
            validation.validate_aud = false;
            validation.validate_nbf = true;
            (DecodingKey::from_secret(key), validation)
        });
        Self { tokens, guests }
    }

    pub(crate) fn identify(&self, handshake: &Handshake, randomness: &Randomness) -> Result<Identity, Refused> {
        match (&handshake.token, &self.tokens) {
            (Some(token), Some((key, validation))) => {
                let claims = read_token(token, key, validation).ok_or(Refused::Unauthorized(
                    "The token was not accepted: it is expired, or not signed for this server.",
                ))?;
                let no_id = Refused::Unauthorized("The token's `sub` must be 1 to 64 bytes of text.");
                let user_id: UserId = claims.sub.parse().map_err(|_| no_id)?;
                // Whoever connects cannot correct what the token says, so that much of it is shown as can be.
                let username = match (claims.name.as_deref().and_then(name::cleaned), &handshake.name) {
                    (Some(name), _) => name,
                    (None, Some(name)) => name::checked(name).map_err(Refused::Again)?,
                    (None, None) => name::checked(user_id.as_str()).unwrap_or_else(|_| made_up_name(randomness)),
                };
                Ok(Identity { user_id, username, is_guest: false })
            }
            (Some(_), None) => Err(Refused::Unauthorized("This server has no token key, so it accepts no tokens.")),
            (None, _) if self.guests => {
                let username = match &handshake.name {
                    Some(name) => name::checked(name).map_err(Refused::Again)?,
                    None => made_up_name(randomness),
                };
                Ok(Identity { user_id: UserId::guest(randomness.bits()), username, is_guest: true })
            }
            (None, _) => Err(Refused::Unauthorized("This server needs a token in the handshake.")),
        }
    }
}

fn read_token(token: &str, key: &DecodingKey, validation: &Validation) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    Some(jsonwebtoken::decode::<Claims>(token, key, validation).ok()?.claims)
}

fn made_up_name(randomness: &Randomness) -> String {
    format!("Guest {}", 1000 + randomness.seed() % 9000)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn token(claims: &Value) -> String {
        encode(&Header::default(), claims, &EncodingKey::from_secret(KEY)).unwrap()
    }

    fn identify(token: Option<String>, name: Option<&str>) -> Result<Identity, Refused> {
        let handshake = Handshake { token, name: name.map(Into::into), ..Handshake::default() };
        Authority::new(Some(KEY), false).identify(&handshake, &Randomness::System)
    }

    const FAR: u64 = 4_000_000_000;

    #[test]
    fn a_good_token_says_who_it_is() {
        let good = identify(Some(token(&json!({"sub": "u1", "name": "Ada", "exp": FAR}))), Some("Other")).unwrap();
        assert_eq!((good.user_id.as_str(), good.username.as_str()), ("u1", "Ada"));
        let unnamed = identify(Some(token(&json!({"sub": "u1", "exp": FAR}))), Some("Other")).unwrap();
        assert_eq!(unnamed.username, "Other");
    }

    #[test]
    fn a_name_in_a_token_is_cleaned_and_never_refused() {
        let named = |name: &str, other: Option<&str>| {
            identify(Some(token(&json!({"sub": "u1", "name": name, "exp": FAR}))), other).map(|who| who.username)
        };
        for (name, shown) in [
            ("👩\u{200d}🚀 Sally", "👩\u{200d}🚀 Sally"),
            ("A\u{200d}da\u{202e}", "Ada"),
            ("  Ada\n", "Ada"),
            ("Ada of the thirty-three characters", "Ada of the thirty-three characte"),
        ] {
            assert_eq!(named(name, Some("Other")).as_deref(), Ok(shown));
        }
        for nothing in ["", "\u{200b}", "\u{2800}\n"] {
            assert_eq!(named(nothing, Some("Other")).as_deref(), Ok("Other"));
            assert_eq!(named(nothing, None).as_deref(), Ok("u1"));
            assert!(matches!(named(nothing, Some("\n")), Err(Refused::Again(_))), "that can be corrected");
        }
    }

    #[test]
    fn bad_tokens_are_refused() {
        let other_key = EncodingKey::from_secret(b"another key of thirty-two bytes!");
        let forged = encode(&Header::default(), &json!({"sub": "u1", "exp": FAR}), &other_key).unwrap();
        let other_algorithm = {
            let header = Header::new(Algorithm::HS512);
            encode(&header, &json!({"sub": "u1", "exp": FAR}), &EncodingKey::from_secret(KEY)).unwrap()
        };
        // {"alg":"none","typ":"JWT"} . {"sub":"u1","exp":4000000000} . nothing
        let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1MSIsImV4cCI6NDAwMDAwMDAwMH0.".to_owned();
        for bad in [
            token(&json!({"sub": "u1", "exp": 1})),
            token(&json!({"sub": "u1"})),
            token(&json!({"exp": FAR})),
            token(&json!({"sub": "u1", "exp": "4000000000"})),
            token(&json!({"sub": "u1", "exp": FAR, "nbf": FAR - 10})),
            token(&json!({"sub": "", "exp": FAR})),
            token(&json!({"sub": "x".repeat(65), "exp": FAR})),
            token(&json!({"sub": "u1", "exp": FAR, "pad": "x".repeat(5000)})),
            forged,
            other_algorithm,
            unsigned,
            "nonsense".into(),
            String::new(),
        ] {
            assert!(matches!(identify(Some(bad.clone()), None), Err(Refused::Unauthorized(_))), "{bad}");
        }
        assert!(matches!(identify(None, None), Err(Refused::Unauthorized(_))));
    }

    #[test]
    fn guests_have_names_of_their_own() {
        let welcome = Authority::new(None, true);
        let named = |name: Option<&str>| {
            welcome.identify(&Handshake { name: name.map(Into::into), ..Handshake::default() }, &Randomness::System)
        };
        assert_eq!(named(Some(" Ada ")).unwrap().username, "Ada");
        assert!(named(None).unwrap().username.starts_with("Guest "));
        assert!(matches!(named(Some("\n")), Err(Refused::Again(_))));
        let token = Handshake { token: Some("x".into()), ..Handshake::default() };
        assert!(matches!(welcome.identify(&token, &Randomness::System), Err(Refused::Unauthorized(_))));
    }
}

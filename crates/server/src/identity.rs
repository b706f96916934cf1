//! Who a player is: what a token says, or a guest.

mod auth;

use anteroom_core::name;
use anteroom_protocol::limits::TOKEN_BYTES_MAX;
use anteroom_protocol::message::request::Handshake;
use anteroom_protocol::{ErrorBody, UserId};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use crate::random::Randomness;
pub use auth::Auth;

/// How far the clock that signs tokens may be from ours, in seconds.
pub(crate) const LEEWAY_S: u64 = 5;

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
    /// The connection ends.
    Unauthorized(Unauthorized),
    /// The handshake may be tried again.
    Again(ErrorBody),
}

/// What is wrong with a token, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unauthorized {
    /// What the client hears, with the close code: what concerns it, a sentence.
    pub(crate) told: &'static str,
    /// What the log says: which of all faults it is. Never a part of the token.
    pub(crate) why: &'static str,
}

/// Who a token says its bearer is.
#[derive(Debug)]
struct Bearer {
    user_id: UserId,
    name: Option<String>,
}

impl Authority {
    /// Accepts tokens signed with `token_key` (HS256), if there is one, and guests if they are welcome.
    #[must_use]
    pub(crate) fn new(token_key: Option<&[u8]>, guests: bool) -> Self {
        let tokens = token_key.map(|key| {
            let mut validation = Validation::new(Algorithm::HS256);
            // `read_token` looks for the claims itself: it tells one that is missing from one that is malformed.
            validation.required_spec_claims.clear();
            validation.leeway = LEEWAY_S;
            // Audiences and issuers are not configured, so a token is free to name some.
            validation.validate_aud = false;
            validation.validate_nbf = true;
            (DecodingKey::from_secret(key), validation)
        });
        Self { tokens, guests }
    }

    pub(crate) fn identify(&self, handshake: &Handshake, randomness: &Randomness) -> Result<Identity, Refused> {
        let unauthorized = |told, why| Refused::Unauthorized(Unauthorized { told, why });
        match (&handshake.token, &self.tokens) {
            (Some(token), Some((key, validation))) => {
                let Bearer { user_id, name } = read_token(token, key, validation).map_err(Refused::Unauthorized)?;
                // Whoever connects cannot correct what the token says, so that much of it is shown as can be.
                let username = match (name.as_deref().and_then(name::cleaned), &handshake.name) {
                    (Some(name), _) => name,
                    (None, Some(name)) => name::checked(name).map_err(Refused::Again)?,
                    (None, None) => name::checked(user_id.as_str()).unwrap_or_else(|_| made_up_name(randomness)),
                };
                Ok(Identity { user_id, username, is_guest: false })
            }
            (Some(_), None) => Err(unauthorized(
                "This server has no token key, so it accepts no tokens.",
                "there is a token, and no key to check it with",
            )),
            (None, _) if self.guests => {
                let username = match &handshake.name {
                    Some(name) => name::checked(name).map_err(Refused::Again)?,
                    None => made_up_name(randomness),
                };
                Ok(Identity { user_id: UserId::guest(randomness.bits()), username, is_guest: true })
            }
            (None, _) => Err(unauthorized(
                "This server needs a token in the handshake.",
                "there is no token, and guests are not welcome",
            )),
        }
    }
}

fn read_token(token: &str, key: &DecodingKey, validation: &Validation) -> Result<Bearer, Unauthorized> {
    let fault = |told, why| Unauthorized { told, why };
    if token.len() > TOKEN_BYTES_MAX {
        return Err(fault("The token is longer than 4096 bytes.", "the token is longer than 4096 bytes"));
    }
    let claims: Map<String, Value> = match jsonwebtoken::decode(token, key, validation) {
        Ok(token) => token.claims,
        Err(error) => return Err(unauthorized(error.kind())),
    };
    let claim = |name| claims.get(name).filter(|value| !value.is_null());
    if claim("exp").is_none() {
        return Err(fault("The token has no `exp`, the time when it expires.", "the token has no `exp`"));
    }
    let user_id = match claim("sub") {
        None => Err("the token has no `sub`"),
        Some(Value::String(sub)) => sub.parse().map_err(|_| "the token's `sub` is not 1 to 64 bytes of text"),
        Some(_) => Err("the token's `sub` is no text"),
    };
    let user_id = user_id.map_err(|why| fault("The token's `sub` must be 1 to 64 bytes of text.", why))?;
    let name = match claim("name") {
        None => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err(fault("The token's `name` must be text.", "the token's `name` is no text")),
    };
    Ok(Bearer { user_id, name })
}

/// In words what jsonwebtoken says. Until the signature is known to be right, a client hears nothing about the claims.
fn unauthorized(kind: &ErrorKind) -> Unauthorized {
    const NOT_OURS: &str = "The token is not signed for this server.";
    const NO_TOKEN: &str = "That is no token: a JWT is expected, signed with HS256.";
    let (told, why) = match kind {
        ErrorKind::ExpiredSignature => ("The token has expired.", "the token has expired"),
        ErrorKind::ImmatureSignature => ("The token is not valid yet.", "the token's `nbf` is in the future"),
        ErrorKind::InvalidSignature => (NOT_OURS, "the token's signature is wrong: another key, or other claims"),
        ErrorKind::InvalidAlgorithm => ("The token must be signed with HS256.", "the token is not signed with HS256"),
        ErrorKind::InvalidClaimFormat(claim) if claim == "exp" => {
            ("The token's `exp` must be a number of seconds.", "the token's `exp` is no time")
        }
        ErrorKind::InvalidClaimFormat(_) => {
            ("The token's `nbf` must be a number of seconds.", "the token's `nbf` is no time")
        }
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
            (NO_TOKEN, "the token is no JWT that is signed with HS256")
        }
        _ => (NOT_OURS, "the token cannot be checked"),
    };
    Unauthorized { told, why }
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

    /// The longest reason that a close frame has room for.
    const TOLD_BYTES_MAX: usize = 123;

    #[track_caller]
    fn refused(token: Option<String>) -> Unauthorized {
        match identify(token.clone(), None) {
            Err(Refused::Unauthorized(unauthorized)) => unauthorized,
            other => panic!("{token:?}: {other:?}"),
        }
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

    /// The log says which fault it is; the client what concerns it, and nothing of claims that nobody has signed.
    #[test]
    fn each_bad_token_is_refused_with_its_own_reason() {
        const NOT_OURS: &str = "not signed for this server";
        let forged = |claims: &Value| {
            let other_key = EncodingKey::from_secret(b"another key of thirty-two bytes!");
            encode(&Header::default(), claims, &other_key).unwrap()
        };
        let other_algorithm = |algorithm| {
            let claims = json!({"sub": "u1", "exp": FAR});
            encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(KEY)).unwrap()
        };
        // {"alg":"none","typ":"JWT"} . {"sub":"u1","exp":4000000000} . nothing
        let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1MSIsImV4cCI6NDAwMDAwMDAwMH0.".to_owned();
        for (bad, told, why) in [
            (token(&json!({"sub": "u1", "exp": 1})), "has expired", "has expired"),
            (token(&json!({"sub": "u1"})), "no `exp`", "no `exp`"),
            (token(&json!({"sub": "u1", "exp": null})), "a number of seconds", "`exp` is no time"),
            (token(&json!({"sub": "u1", "exp": "4000000000"})), "a number of seconds", "`exp` is no time"),
            (token(&json!({"sub": "u1", "exp": FAR, "nbf": FAR - 10})), "not valid yet", "`nbf` is in the future"),
            (token(&json!({"sub": "u1", "exp": FAR, "nbf": "now"})), "a number of seconds", "`nbf` is no time"),
            (token(&json!({"exp": FAR})), "`sub` must be", "no `sub`"),
            (token(&json!({"sub": 42, "exp": FAR})), "`sub` must be", "`sub` is no text"),
            (token(&json!({"sub": "", "exp": FAR})), "`sub` must be", "not 1 to 64 bytes"),
            (token(&json!({"sub": "x".repeat(65), "exp": FAR})), "`sub` must be", "not 1 to 64 bytes"),
            (token(&json!({"sub": "u1", "name": 42, "exp": FAR})), "`name` must be", "`name` is no text"),
            (token(&json!({"sub": "u1", "exp": FAR, "pad": "x".repeat(5000)})), "longer than 4096", "longer than 4096"),
            (forged(&json!({"sub": "u1", "exp": FAR})), NOT_OURS, "signature is wrong"),
            (forged(&json!({"sub": "u1", "exp": 1})), NOT_OURS, "signature is wrong"),
            (forged(&json!({"sub": 42})), NOT_OURS, "signature is wrong"),
            (other_algorithm(Algorithm::HS512), "signed with HS256", "not signed with HS256"),
            (other_algorithm(Algorithm::HS384), "signed with HS256", "not signed with HS256"),
            (unsigned, "no token", "no JWT"),
            (token(&json!(["u1", FAR])), "no token", "no JWT"),
            ("nonsense".into(), "no token", "no JWT"),
            ("a.b.c".into(), "no token", "no JWT"),
            (String::new(), "no token", "no JWT"),
        ] {
            let unauthorized = refused(Some(bad.clone()));
            assert!(unauthorized.told.contains(told) && unauthorized.told.ends_with('.'), "{bad}: {unauthorized:?}");
            assert!(unauthorized.why.contains(why), "{bad}: {unauthorized:?}");
            assert!(unauthorized.told.len() <= TOLD_BYTES_MAX, "{unauthorized:?}");
        }
        assert!(refused(None).told.contains("needs a token"));
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

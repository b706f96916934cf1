//! Tokens, as a studio's own backend would sign them.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// The secret that test servers know.
pub const KEY: &str = "a secret for tests of 32 bytes, or more";

/// An hour in the year 2096.
pub const FAR: u64 = 4_000_000_000;

/// A good token for a user.
#[must_use]
pub fn of(user_id: &str) -> String {
    sign(&json!({"sub": user_id, "name": user_id, "exp": FAR}))
}

/// A token with any claims.
#[must_use]
pub fn sign(claims: &Value) -> String {
    sign_with(Algorithm::HS256, KEY, claims)
}

/// A token with any claims, signed in another way.
#[must_use]
pub fn sign_with(algorithm: Algorithm, key: &str, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
}

//! Tokens by hand: signed to try a server out, and looked into when one is refused.

use std::fmt::Write;
use std::io::{self, Read};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anteroom_core::name as names;
use anteroom_protocol::UserId;
use anteroom_protocol::limits::TOKEN_BYTES_MAX;
use anteroom_protocol::message::request::Handshake;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;
use serde_json::{Map, Value};
use x509_parser::time::ASN1Time;

use super::Failure;
use crate::identity::{Authority, Refused};
use crate::random::Randomness;

/// Longer than any token should be good for: whoever has it comes in, and nothing takes it back.
const TTL_MAX: Duration = Duration::from_secs(365 * DAY_S);
const DAY_S: u64 = 24 * 3600;

/// Reads `--sub`.
pub(super) fn user_id(text: &str) -> Result<UserId, String> {
    text.parse().map_err(|_| "1 to 64 bytes without control characters are needed".to_owned())
}

/// Reads `--name`.
pub(super) fn name(text: &str) -> Result<String, String> {
    names::checked(text).map_err(|error| error.message.to_string())
}

/// Reads `--ttl`: a number and a unit.
pub(super) fn ttl(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => DAY_S,
        _ => 0,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if seconds == 0 || !is_number {
        return Err("a number and a unit are needed, such as 90s, 15m, 12h or 7d".to_owned());
    }
    // Digits that are too many for a number are too long a time, too.
    let ttl = Duration::from_secs(digits.parse().unwrap_or(u64::MAX).saturating_mul(seconds));
    if ttl.is_zero() || ttl > TTL_MAX {
        return Err("a token is good for at least a second, and at most 365d".to_owned());
    }
    Ok(ttl)
}

/// What a token says. The names are in the order in which they are written, so that the README's snippets write the same.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    exp: u64,
}

/// Signs a token that is good from now on.
pub(super) fn mint(key: &[u8], sub: &UserId, name: Option<String>, ttl: Duration) -> Result<String, Failure> {
    let claims = Claims { sub: sub.as_str(), name, exp: now_s() + ttl.as_secs() };
    let signed = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(key));
    signed.map_err(|error| Failure(1, format!("cannot sign a token: {error}")))
}

/// The token that was typed, or that stdin holds.
pub(super) fn read(argument: String) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.trim().to_owned());
    }
    // One that is longer is not read to its end, and is too long all the same.
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(16 * TOKEN_BYTES_MAX as u64).read_to_end(&mut bytes);
    read.map_err(|error| Failure(1, format!("cannot read stdin: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// What there is to see in a token.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) words: String,
    /// Whether the server would let its bearer in.
    pub(super) is_good: bool,
}

/// Looks into a token, and asks of it what the server asks.
pub(super) fn inspect(token: &str, key: &[u8], guests: bool) -> Seen {
    let mut words = String::new();
    let mut parts = token.split('.');
    if let (Some(header), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) {
        show("Header", header, &mut words);
        show("Claims", claims, &mut words);
    }
    let verdict = verdict(token, key, guests);
    let is_good = verdict.is_ok();
    let (Ok(verdict) | Err(verdict)) = verdict;
    words += &verdict;
    Seen { words, is_good }
}

fn verdict(token: &str, key: &[u8], guests: bool) -> Result<String, String> {
    let handshake = Handshake { token: Some(token.to_owned()), ..Handshake::default() };
    let ask = |key: &[u8]| Authority::new(Some(key), guests).identify(&handshake, &Randomness::System);
    let why = match ask(key) {
        Ok(identity) => {
            let (id, name) = (printable(identity.user_id.as_str()), printable(&identity.username));
            return Ok(format!("This server lets its bearer in, as {id}, with the name {name}.\n"));
        }
        Err(Refused::Unauthorized(unauthorized)) => unauthorized.why.to_owned(),
        Err(Refused::Again(error)) => format!("its name will not do. {}", error.message.trim_end_matches('.')),
    };
    let mut words = format!("This server does not let its bearer in: {why}.\n");
    let fits = |key: Vec<u8>| !matches!(ask(&key), Err(Refused::Unauthorized(unauthorized)) if unauthorized.why == why);
    if why.contains("signature") && STANDARD.decode(key).is_ok_and(fits) {
        words += "It was signed with what the key is in base64; the key is its text, as it stands.\n";
    }
    Err(words)
}

/// One part of a token, a line for each name, if it can be read at all.
fn show(title: &str, part: &str, words: &mut String) {
    let Some(Ok(part)) = URL_SAFE_NO_PAD.decode(part).ok().map(|json| serde_json::from_slice::<Map<_, _>>(&json))
    else {
        return;
    };
    let width = part.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    // Strings never refuse to be written to.
    let _ = writeln!(words, "{title}:");
    for (name, value) in &part {
        let time = when(name, value).map_or_else(String::new, |when| format!("  ({when})"));
        let _ = writeln!(words, "  {:width$}  {}{time}", printable(name), printable(&value.to_string()));
    }
    words.push('\n');
}

/// A claim that is a time, in words.
fn when(name: &str, value: &Value) -> Option<String> {
    let at = ["exp", "nbf", "iat"].contains(&name).then(|| value.as_u64())??;
    let date = ASN1Time::from_timestamp(i64::try_from(at).ok()?).ok()?.to_rfc2822().ok()?;
    let now = now_s();
    let far = span(at.abs_diff(now));
    Some(if at > now { format!("{date}, in {far}") } else { format!("{date}, {far} ago") })
}

fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / DAY_S, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A text without what a terminal could take for a command, or what turns the text around it.
fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, c| {
        if c.is_ascii() && !c.is_control() {
            shown.push(c)
        } else {
            shown.extend(c.escape_debug())
        }
        shown
    })
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    fn minted(ttl: Duration) -> String {
        mint(KEY, &"ada".parse().unwrap(), Some("Zoë 🦊".into()), ttl).unwrap()
    }

    #[test]
    fn times_have_a_number_and_a_unit_and_a_bound() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("15m", 900), ("12h", 43_200), ("365d", 31_536_000)] {
            assert_eq!(ttl(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "s", "0s", "1", "1 h", "-1h", "+1h", "1.5h", "1w", "366d", "99999999999999999999d", "1ü"] {
            assert!(ttl(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_minted_token_is_good_and_is_shown_in_words() {
        let seen = inspect(&minted(Duration::from_secs(3600)), KEY, false);
        assert!(seen.is_good, "{}", seen.words);
        for words in
            ["alg  \"HS256\"", "sub   \"ada\"", "name  \"Zoë 🦊\"", "in 59 minutes", "lets its bearer in, as ada"]
        {
            assert!(seen.words.contains(words) || words == "in 59 minutes" && seen.words.contains("in 60"), "{words}");
        }
        assert!(seen.words.lines().all(|line| line.chars().count() <= 80), "{}", seen.words);
    }

    #[test]
    fn what_is_wrong_is_said_exactly() {
        let refused = |token: &str, key: &[u8]| {
            let seen = inspect(token, key, true);
            assert!(!seen.is_good, "{}", seen.words);
            seen.words
        };
        let other = refused(&minted(TTL_MAX), b"another key of thirty-two bytes!");
        assert!(
            other.contains("another key") && other.contains("sub   \"ada\"") && !other.contains("base64"),
            "{other}"
        );
        let decoded = mint(&STANDARD.decode(KEY).unwrap(), &"ada".parse().unwrap(), None, TTL_MAX).unwrap();
        let decoded = refused(&decoded, KEY);
        assert!(decoded.contains("in base64; the key is its text"), "{decoded}");
        let sign =
            |claims: &Value| jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(KEY)).unwrap();
        let expired = refused(&sign(&serde_json::json!({"sub": "ada", "exp": 1_000_000_000})), KEY);
        assert!(expired.contains("Sun, 09 Sep 2001") && expired.contains("ago)"), "{expired}");
        assert!(expired.contains("in: the token has expired."), "{expired}");
        // Nothing in it reaches the terminal as a command.
        let evil =
            inspect(&sign(&serde_json::json!({"sub": "ada", "\u{1b}[2J": "\u{9b}31m", "exp": u64::MAX})), KEY, true);
        assert!(!evil.words.chars().any(|c| c.is_control() && c != '\n'), "{evil:?}");
        assert!(evil.is_good && evil.words.contains("\\u{9b}31m"), "{evil:?}");
        for garbage in ["", "-", "a.b", "a.b.c.d", "\u{202e}.\u{1b}.x"] {
            assert_eq!(refused(garbage, KEY).lines().count(), 1, "{garbage}");
        }
    }
}

//! What a request asks for: a session, or something that is not here.

use anteroom_protocol::record::put_varint;

use super::kind::frame;
use super::qpack::{self, Field};

/// The largest block of compressed fields that is read. A page's request takes a few hundred bytes.
pub(super) const HEADERS_BYTES_MAX: u64 = 8 << 10;

/// A session that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::quic) struct Request {
    pub(in crate::quic) authority: String,
    pub(in crate::quic) path: String,
    pub(in crate::quic) origin: Option<String>,
    /// Whether the client wants to be told that draft 2 is spoken.
    draft02: bool,
}

/// What a session is called in `:protocol`: up to draft 14, and from draft 15 on.
const PROTOCOLS: [&str; 2] = ["webtransport", "webtransport-h3"];

/// What there is to do about a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Session(Request),
    /// An answer with this status.
    Answer(u16),
    /// It breaks the rules of a request; its stream is given up.
    Malformed,
}

/// The fields that count, each of them at most once.
#[derive(Default)]
struct Fields {
    method: Option<String>,
    protocol: Option<String>,
    scheme: Option<String>,
    authority: Option<String>,
    path: Option<String>,
    host: Option<String>,
    origin: Option<String>,
    draft02: Option<String>,
}

impl Asked {
    pub(super) fn of(fields: Vec<Field>) -> Self {
        let Some(fields) = Fields::collect(fields) else { return Self::Malformed };
        let Fields { method: Some(method), protocol, scheme, authority, path, origin, draft02, .. } = fields else {
            return Self::Malformed;
        };
        let is_session = |protocol: &str| PROTOCOLS.contains(&protocol);
        match (&*method, protocol.as_deref(), scheme, authority, path) {
            ("CONNECT", Some(protocol), Some(scheme), Some(authority), Some(path))
                if is_session(protocol) && scheme == "https" && !authority.is_empty() && path.starts_with('/') =>
            {
                Self::Session(Request { authority, path, origin, draft02: draft02.as_deref() == Some("1") })
            }
            ("CONNECT", Some(protocol), ..) if is_session(protocol) => Self::Malformed,
            // RFC 9220, section 3.
            ("CONNECT", Some(_), Some(_), Some(_), Some(_)) => Self::Answer(501),
            // No tunnels; RFC 9114, section 4.4.
            ("CONNECT", None, None, Some(_), None) => Self::Answer(405),
            ("CONNECT", ..) | (_, Some(_), ..) => Self::Malformed,
            (_, None, Some(_), _, Some(_)) => Self::Answer(404),
            _ => Self::Malformed,
        }
    }
}

impl Fields {
    /// `None` if they break the rules of RFC 9114, sections 4.2 and 4.3.
    fn collect(fields: Vec<Field>) -> Option<Self> {
        let mut collected = Self::default();
        let mut pseudo_over = false;
        for Field { name, value } in fields {
            let is_pseudo = name.first() == Some(&b':');
            let is_sound = is_name(&name) && is_value(&value) && !is_of_connection(&name, &value);
            if !is_sound || is_pseudo && pseudo_over {
                return None;
            }
            pseudo_over |= !is_pseudo;
            let place = match &*name {
                b":method" => &mut collected.method,
                b":protocol" => &mut collected.protocol,
                b":scheme" => &mut collected.scheme,
                b":authority" => &mut collected.authority,
                b":path" => &mut collected.path,
                b"host" => &mut collected.host,
                b"origin" => &mut collected.origin,
                b"sec-webtransport-http3-draft02" => &mut collected.draft02,
                _ if is_pseudo => return None,
                _ => continue,
            };
            if place.replace(String::from_utf8(value).ok()?).is_some() {
                return None;
            }
        }
        collected.is_of_one_place().then_some(collected)
    }

    /// Whether what names the server does so without a user, and twice only in the same words.
    fn is_of_one_place(&self) -> bool {
        let mut named = self.authority.iter().chain(&self.host);
        let is_same = self.authority.is_none() || self.host.is_none() || self.authority == self.host;
        is_same && named.all(|place| !place.is_empty() && !place.contains('@'))
    }
}

fn is_name(name: &[u8]) -> bool {
    let letters = name.strip_prefix(b":").unwrap_or(name);
    !letters.is_empty() && letters.iter().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
}

/// Whether a field concerns one connection of HTTP/1.1, which HTTP/3 does without.
fn is_of_connection(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => true,
        b"te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}

fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\0' | b'\r' | b'\n'))
}

impl Request {
    /// The answer that opens the session.
    pub(super) fn accepted(&self) -> Vec<u8> {
        let draft = ("sec-webtransport-http3-draft", "draft02");
        let fields = [(":status", "200"), draft];
        headers(if self.draft02 { &fields } else { &fields[..1] })
    }
}

/// An answer that says no more than a status.
pub(super) fn answer(status: u16) -> Vec<u8> {
    let status = status.to_string();
    let allow = [(":status", &*status), ("allow", "")];
    // RFC 9110, section 15.5.6, wants to know which methods there are.
    headers(if status == "405" { &allow } else { &allow[..1] })
}

fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    let section = qpack::encode(fields);
    let mut bytes = Vec::new();
    put_varint(frame::HEADERS, &mut bytes);
    put_varint(section.len() as u64, &mut bytes);
    bytes.extend_from_slice(&section);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: [(&str, &str); 5] = [
        (":method", "CONNECT"),
        (":protocol", "webtransport"),
        (":scheme", "https"),
        (":authority", "game.example:7350"),
        (":path", "/wt?a=b"),
    ];

    fn asked(fields: &[(&str, &str)]) -> Asked {
        let field = |(name, value): &(&str, &str)| Field { name: (*name).into(), value: (*value).into() };
        Asked::of(fields.iter().map(field).collect())
    }

    fn with(more: &[(&str, &str)]) -> Asked {
        asked(&[&SESSION[..], more].concat())
    }

    #[test]
    fn a_session_is_asked_for() {
        let Asked::Session(request) = with(&[("x", "y"), ("origin", "https://a.example")]) else { panic!() };
        assert_eq!((&*request.authority, &*request.path), ("game.example:7350", "/wt?a=b"));
        assert_eq!(request.origin.as_deref(), Some("https://a.example"));
        assert_eq!(request.accepted(), b"\x01\x0f\x00\x00\x27\x00:status\x03200");
        let Asked::Session(request) = with(&[("sec-webtransport-http3-draft02", "1")]) else { panic!() };
        assert!(request.accepted().ends_with(b"\x27\x15sec-webtransport-http3-draft\x07draft02"));
    }

    #[test]
    fn a_session_is_asked_for_by_its_later_name() {
        let mut later = SESSION;
        later[1].1 = "webtransport-h3";
        let Asked::Session(request) = asked(&later) else { panic!() };
        assert_eq!(request.accepted(), b"\x01\x0f\x00\x00\x27\x00:status\x03200");
        assert_eq!(asked(&later[..4]), Asked::Malformed);
        for protocol in ["webtransport-h2", "webtransport-h3x", "WebTransport-h3", "webtransport-"] {
            later[1].1 = protocol;
            assert_eq!(asked(&later), Asked::Answer(501), "{protocol}");
        }
    }

    #[test]
    fn each_field_of_a_session_is_needed_once() {
        for (place, field) in SESSION.iter().enumerate() {
            let mut fewer = SESSION.to_vec();
            fewer.remove(place);
            // Without a protocol it would be a tunnel, which has no path.
            assert_eq!(asked(&fewer), Asked::Malformed, "{field:?}");
            assert_eq!(with(&[*field]), Asked::Malformed, "{field:?} twice");
            fewer.extend([("x", "y"), *field]);
            assert_eq!(asked(&fewer), Asked::Malformed, "{field:?} late");
        }
        let more = [("X", "y"), ("", "y"), (":x", "y"), (":status", "200"), ("a b", "c"), ("x", "a\r\nb"), ("x", "\0")];
        for field in more {
            assert_eq!(with(&[field]), Asked::Malformed, "{field:?}");
        }
        assert_eq!(with(&[("origin", "a"), ("origin", "b")]), Asked::Malformed);
        for (place, value) in [(2, "http"), (3, ""), (4, ""), (4, "wt")] {
            let mut other = SESSION;
            other[place].1 = value;
            assert_eq!(asked(&other), Asked::Malformed, "{:?}", other[place]);
        }
    }

    #[test]
    fn fields_of_one_connection_have_no_place_in_a_request() {
        for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"] {
            assert_eq!(with(&[(name, "x")]), Asked::Malformed, "{name}");
        }
        let Asked::Session(_) = with(&[("te", "trailers")]) else { panic!() };
    }

    #[test]
    fn a_request_is_for_one_place() {
        let Asked::Session(_) = with(&[("host", SESSION[3].1)]) else { panic!() };
        for host in ["", "game.example", "other.example:7350"] {
            assert_eq!(with(&[("host", host)]), Asked::Malformed, "{host:?}");
        }
        assert_eq!(with(&[("host", SESSION[3].1), ("host", SESSION[3].1)]), Asked::Malformed);
        for authority in ["me@game.example:7350", "me:secret@game.example", "@game.example"] {
            let mut other = SESSION;
            other[3].1 = authority;
            assert_eq!(asked(&other), Asked::Malformed, "{authority:?}");
        }
    }

    #[test]
    fn anything_else_gets_a_status() {
        let get = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/wt")];
        assert_eq!(asked(&get), Asked::Answer(404));
        assert_eq!(asked(&get[..3]), Asked::Malformed);
        assert_eq!(asked(&[(":method", "CONNECT"), (":authority", "a:1")]), Asked::Answer(405));
        let mut other = SESSION;
        other[1].1 = "websocket";
        assert_eq!(asked(&other), Asked::Answer(501));
        other[0].1 = "GET";
        assert_eq!(asked(&other), Asked::Malformed);
        assert_eq!(answer(404), b"\x01\x0f\x00\x00\x27\x00:status\x03404");
        assert!(answer(405).ends_with(b"405\x25allow\x00"));
    }
}

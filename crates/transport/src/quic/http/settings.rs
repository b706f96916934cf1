//! The settings of both sides (RFC 9114, section 7.2.4), and the stream that ours go out on.

use anteroom_protocol::record::{put_varint, read_varint};

use super::fault::{Code, Fault};
use super::{kind, qpack};

/// A peer's settings are small; so is what checking them for repetition costs.
pub(super) const SETTINGS_BYTES_MAX: u64 = 1024;

const QPACK_MAX_TABLE_CAPACITY: u64 = 0x01;
const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
const QPACK_BLOCKED_STREAMS: u64 = 0x07;
/// RFC 9220.
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;
/// RFC 9297.
const H3_DATAGRAM: u64 = 0x33;
/// Draft 2 of WebTransport over HTTP/3.
const ENABLE_WEBTRANSPORT: u64 = 0x2b60_3742;
/// Draft 7.
const WEBTRANSPORT_MAX_SESSIONS: u64 = 0xc671_706a;
/// Drafts 15 and later.
const WT_ENABLED: u64 = 0x2c7c_f000;

/// What WebTransport needs, in every draft that browsers and libraries speak. The later drafts have limits for each
/// session, which are in force only if both sides announce some; one session to a connection has QUIC's.
const OURS: [(u64, u64); 8] = [
    (QPACK_MAX_TABLE_CAPACITY, 0),
    (MAX_FIELD_SECTION_SIZE, qpack::FIELDS_BYTES_MAX as u64),
    (QPACK_BLOCKED_STREAMS, 0),
    (ENABLE_CONNECT_PROTOCOL, 1),
    (H3_DATAGRAM, 1),
    (ENABLE_WEBTRANSPORT, 1),
    (WEBTRANSPORT_MAX_SESSIONS, 1),
    (WT_ENABLED, 1),
];

/// What matters of a peer's settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::quic) struct Settings {
    pub(in crate::quic) datagrams: bool,
}

/// What our control stream begins with, and all that it says.
pub(super) fn control_stream() -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in OURS {
        put_varint(id, &mut payload);
        put_varint(value, &mut payload);
    }
    let mut stream = Vec::new();
    put_varint(kind::stream::CONTROL, &mut stream);
    put_varint(kind::frame::SETTINGS, &mut stream);
    put_varint(payload.len() as u64, &mut stream);
    stream.append(&mut payload);
    stream
}

/// Reads the payload of a SETTINGS frame.
pub(super) fn parse(mut payload: &[u8]) -> Result<Settings, Fault> {
    let mut settings = Settings::default();
    let mut seen = Vec::new();
    while !payload.is_empty() {
        let (id, value) = pair(&mut payload).ok_or(Code::Frame.says("settings end early"))?;
        seen.push(id);
        match (id, value) {
            // Those of HTTP/2 that have no meaning any more.
            (0x00 | 0x02..=0x05, _) => return Err(Code::Settings.says("a reserved setting")),
            (H3_DATAGRAM | ENABLE_CONNECT_PROTOCOL, 2..) => {
                return Err(Code::Settings.says("a setting that is neither on nor off"));
            }
            (H3_DATAGRAM, value) => settings.datagrams = value == 1,
            _ => {}
        }
    }
    seen.sort_unstable();
    if seen.windows(2).any(|two| two[0] == two[1]) {
        return Err(Code::Settings.says("a setting twice"));
    }
    Ok(settings)
}

fn pair(payload: &mut &[u8]) -> Option<(u64, u64)> {
    let mut next = || {
        let (value, len) = read_varint(payload)?;
        *payload = &payload[len..];
        Some(value)
    };
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use wtransport::proto::frame::Frame;
    use wtransport::proto::settings::{SettingId, Settings as Theirs};

    use super::*;

    #[test]
    fn ours_are_understood_by_others() {
        let stream = control_stream();
        assert_eq!(stream[0], 0);
        let frame = Frame::read(&mut &stream[1..]).unwrap().unwrap();
        let theirs = Theirs::with_frame(&frame).unwrap();
        for (id, value) in [
            (SettingId::EnableConnectProtocol, 1),
            (SettingId::H3Datagram, 1),
            (SettingId::EnableWebTransport, 1),
            (SettingId::WebTransportMaxSessions, 1),
            (SettingId::QPackMaxTableCapacity, 0),
            (SettingId::QPackBlockedStreams, 0),
        ] {
            assert_eq!(theirs.get(id).map(|value| value.into_inner()), Some(value), "{id:?}");
        }
        assert!(parse(frame.payload()).unwrap().datagrams);
    }

    #[test]
    fn a_peer_s_settings_are_checked() {
        let code = |payload: &[u8]| parse(payload).map_err(|fault| fault.code);
        assert_eq!(code(b""), Ok(Settings { datagrams: false }));
        assert_eq!(code(b"\x21\x05\x33\x01\x40\x52\x80\x00\x00\x07"), Ok(Settings { datagrams: true }));
        assert_eq!(code(b"\x33\x00"), Ok(Settings { datagrams: false }));
        for id in [0, 2, 3, 4, 5] {
            assert_eq!(code(&[id, 0]), Err(Code::Settings), "{id}");
        }
        for payload in [&b"\x33\x02"[..], b"\x08\x40\x02", b"\x21\x00\x33\x01\x21\x00"] {
            assert_eq!(code(payload), Err(Code::Settings), "{payload:x?}");
        }
        for payload in [&b"\x33"[..], b"\x33\x40", b"\xc0\x00"] {
            assert_eq!(code(payload), Err(Code::Frame), "{payload:x?}");
        }
    }
}

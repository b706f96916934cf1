//! The numbers of streams, frames and capsules.

/// What a unidirectional stream begins with (RFC 9114, section 6.2), or a stream of WebTransport.
pub(in crate::quic) mod stream {
    pub(in crate::quic) const CONTROL: u64 = 0x00;
    pub(in crate::quic) const PUSH: u64 = 0x01;
    pub(in crate::quic) const QPACK_ENCODER: u64 = 0x02;
    pub(in crate::quic) const QPACK_DECODER: u64 = 0x03;
    /// A unidirectional one; the session's id follows.
    pub(in crate::quic) const WEBTRANSPORT: u64 = 0x54;
    /// A bidirectional one, where other streams begin with a frame; the session's id follows.
    pub(in crate::quic) const WEBTRANSPORT_BIDI: u64 = 0x41;
}

/// What begins a frame (RFC 9114, section 7.2).
pub(super) mod frame {
    pub(in crate::quic::http) const DATA: u64 = 0x00;
    pub(in crate::quic::http) const HEADERS: u64 = 0x01;
    pub(in crate::quic::http) const CANCEL_PUSH: u64 = 0x03;
    pub(in crate::quic::http) const SETTINGS: u64 = 0x04;
    pub(in crate::quic::http) const PUSH_PROMISE: u64 = 0x05;
    pub(in crate::quic::http) const GOAWAY: u64 = 0x07;
    pub(in crate::quic::http) const MAX_PUSH_ID: u64 = 0x0d;

    /// Whether it is one of HTTP/2 that must not occur.
    pub(in crate::quic::http) const fn is_reserved(kind: u64) -> bool {
        matches!(kind, 0x02 | 0x06 | 0x08 | 0x09)
    }
}

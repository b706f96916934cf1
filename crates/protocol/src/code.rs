//! The two tables of numbers that a peer may act on: [`ErrorCode`] (a request failed, the connection lives) and
//! [`CloseCode`] (the connection ends).
//!
//! Each row declares number, name and sentence once; a test pins the numbers, and other languages' copies are
//! checked against this one.

use std::fmt;

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $retryable:literal;)*) => {
        /// Why a request failed. The connection lives on. Its name travels in JSON, its number in binary.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number that travels in the binary codec.
            #[must_use]
            pub const fn number(self) -> u16 { match self { $(Self::$variant => $number,)* } }

            /// The name that travels in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// Whether the same request may succeed later without being changed.
            #[must_use]
            pub const fn retryable(self) -> bool { match self { $(Self::$variant => $retryable,)* } }
        }
    };
}

error_codes! {
    /// A code this build does not know, from a newer peer.
    Unrecognized = 0, "unrecognized", false;
    /// No message of that type exists here.
    UnknownType = 1, "unknown_type", false;
    /// The message's data does not have the shape its type asks for, or a field is out of bounds.
    InvalidData = 2, "invalid_data", false;
    /// Something failed inside the server; it is in its log.
    Internal = 3, "internal", true;
    /// The receiver's queue is full.
    Busy = 4, "busy", true;
    /// More messages than allowed in the time.
    RateLimited = 5, "rate_limited", true;
    /// A bound of this server is reached.
    LimitReached = 6, "limit_reached", true;
    /// The server is draining and takes on nothing new.
    ShuttingDown = 7, "shutting_down", true;
    /// What has to be stored cannot be stored just now. Said in front of a room, and nothing was done.
    StorageUnavailable = 8, "storage_unavailable", true;
    /// A second handshake on a session that has one.
    AlreadyAuthenticated = 20, "already_authenticated", false;
    /// The name is empty, too long, or has characters that names may not have.
    InvalidName = 21, "invalid_name", false;
    /// The session to resume does not exist here; the connection waits for one `handshake`.
    SessionUnknown = 22, "session_unknown", false;
    /// The connection was lost before the answer came, and it cannot be known any more.
    OutcomeUnknown = 23, "outcome_unknown", false;
    /// No answer came in time.
    Timeout = 24, "timeout", true;
    /// No such room, or none that this player may know of.
    RoomNotFound = 40, "room_not_found", false;
    /// No free place in the role asked for.
    RoomFull = 41, "room_full", true;
    /// This session is not in that room.
    NotInRoom = 42, "not_in_room", false;
    /// This session is in that room already.
    AlreadyInRoom = 43, "already_in_room", false;
    /// No game of that kind is registered.
    GameNotFound = 44, "game_not_found", false;
    /// The options are not ones the game accepts.
    InvalidOptions = 45, "invalid_options", false;
    /// Spectators may not do this.
    NotAPlayer = 46, "not_a_player", false;
    /// This game does not allow spectators.
    SpectatorsRefused = 47, "spectators_refused", false;
    /// The room has a password, and that was not it.
    WrongPassword = 48, "wrong_password", false;
    /// Nobody else is let in just now: the room is locked, or its match takes nobody in late.
    RoomLocked = 49, "room_locked", true;
    /// The player was sent out of the room and is not let in again.
    Banned = 50, "banned", false;
    /// Only the room's owner may do that.
    NotOwner = 51, "not_owner", false;
    /// The room is kept, and cannot be played: what is stored of it cannot be read by this server.
    RoomSuspended = 52, "room_suspended", false;
    /// It is another player's turn.
    NotYourTurn = 60, "not_your_turn", false;
    /// The rules do not allow that move.
    InvalidMove = 61, "invalid_move", false;
    /// No match is being played in the room just now.
    NotPlaying = 62, "not_playing", true;
    /// The game refused for a reason of its own, given in the message.
    Rejected = 63, "rejected", false;
    /// It does not go together with how things stand: somebody was faster, or it is not the time for it.
    Conflict = 64, "conflict", true;
}

impl ErrorCode {
    /// The code with this name; [`ErrorCode::Unrecognized`] if none has it.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL.iter().copied().find(|code| code.name() == name).unwrap_or(Self::Unrecognized)
    }

    /// The code with this number; [`ErrorCode::Unrecognized`] if none has it.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        Self::ALL.iter().copied().find(|code| code.number() == number).unwrap_or(Self::Unrecognized)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Self::from_name(&name))
    }
}

impl bincode::Encode for ErrorCode {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.number().encode(encoder)
    }
}

impl<C> bincode::Decode<C> for ErrorCode {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <u16 as bincode::Decode<C>>::decode(decoder).map(Self::from_number)
    }
}

impl<'de, C> bincode::BorrowDecode<'de, C> for ErrorCode {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <u16 as bincode::Decode<C>>::decode(decoder).map(Self::from_number)
    }
}

macro_rules! close_codes {
    ($($variant:ident = $number:literal, $name:literal, $sentence:literal;)*) => {
        /// Why a connection ended: the same number on every transport. 4000-4499: reconnecting may help;
        /// 4500-4999: it will not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum CloseCode { $(#[doc = $sentence] $variant,)* }

        impl CloseCode {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number that travels.
            #[must_use]
            pub const fn number(self) -> u16 { match self { $(Self::$variant => $number,)* } }

            /// The name used in documents and logs.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// The default reason: one sentence of at most [`CLOSE_REASON_BYTES_MAX`] bytes.
            #[must_use]
            pub const fn sentence(self) -> &'static str { match self { $(Self::$variant => $sentence,)* } }
        }
    };
}

close_codes! {
    ShuttingDown = 4000, "shutting_down", "The server is shutting down; connect again in a moment.";
    Silence = 4001, "silence", "Nothing was heard from the client for too long.";
    SlowConsumer = 4002, "slow_consumer", "The client reads more slowly than messages arrive.";
    Move = 4003, "move", "The session moves to another connection.";
    Busy = 4004, "busy", "The server has no room for another session just now.";
    Flooded = 4005, "flooded", "Too many control frames or fragments came at once; connect again in a moment.";
    ProtocolVersion = 4500, "protocol_version", "This server speaks protocol version 1.";
    Malformed = 4501, "malformed", "That was not a message of this protocol.";
    MessageTooLarge = 4502, "message_too_large", "The message is larger than the server accepts.";
    HandshakeRequired = 4503, "handshake_required", "The first message must be a handshake.";
    HandshakeTimeout = 4504, "handshake_timeout", "No handshake came in time.";
    Unauthorized = 4505, "unauthorized", "The token was not accepted.";
    OriginRefused = 4506, "origin_refused", "Pages of this origin may not connect here.";
    WrongFrameKind = 4507, "wrong_frame_kind", "Text and binary do not mix: the session has one codec.";
    Replaced = 4508, "replaced", "The player is connected elsewhere.";
    Superseded = 4509, "superseded", "A newer connection has taken over this session.";
    TokenReused = 4510, "token_reused", "A resume token was used twice; the session has ended.";
    BadAck = 4511, "bad_ack", "More was acknowledged than was ever sent.";
}

/// The longest close reason, in bytes of UTF-8: what a WebSocket close frame can carry (RFC 6455, section 5.5).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

impl CloseCode {
    /// The code with this number, if this build knows it.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }

    /// Whether connecting again may help. Holds for numbers this build does not know, too.
    #[must_use]
    pub const fn reconnect_may_help(number: u16) -> bool {
        !(number >= 4500 && number < 5000)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

/// Cuts a close reason to [`CLOSE_REASON_BYTES_MAX`] without splitting a character.
#[must_use]
pub fn close_reason(reason: &str) -> &str {
    &reason[..floor_char_boundary(reason, CLOSE_REASON_BYTES_MAX)]
}

/// The last place at or before `max` that does not split a character; `str::floor_char_boundary` is younger than
/// the oldest compiler supported.
#[must_use]
pub fn floor_char_boundary(text: &str, max: usize) -> usize {
    if text.len() <= max {
        return text.len();
    }
    (0..=max).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_pinned() {
        let table: Vec<String> =
            ErrorCode::ALL.iter().map(|code| format!("{} {}", code.number(), code.name())).collect();
        assert_eq!(
            table,
            [
                "0 unrecognized",
                "1 unknown_type",
                "2 invalid_data",
                "3 internal",
                "4 busy",
                "5 rate_limited",
                "6 limit_reached",
                "7 shutting_down",
                "8 storage_unavailable",
                "20 already_authenticated",
                "21 invalid_name",
                "22 session_unknown",
                "23 outcome_unknown",
                "24 timeout",
                "40 room_not_found",
                "41 room_full",
                "42 not_in_room",
                "43 already_in_room",
                "44 game_not_found",
                "45 invalid_options",
                "46 not_a_player",
                "47 spectators_refused",
                "48 wrong_password",
                "49 room_locked",
                "50 banned",
                "51 not_owner",
                "52 room_suspended",
                "60 not_your_turn",
                "61 invalid_move",
                "62 not_playing",
                "63 rejected",
                "64 conflict",
            ]
        );
    }

    #[test]
    fn close_codes_are_pinned_and_their_sentences_fit() {
        let table: Vec<String> = CloseCode::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(
            table,
            [
                "4000 shutting_down",
                "4001 silence",
                "4002 slow_consumer",
                "4003 move",
                "4004 busy",
                "4005 flooded",
                "4500 protocol_version",
                "4501 malformed",
                "4502 message_too_large",
                "4503 handshake_required",
                "4504 handshake_timeout",
                "4505 unauthorized",
                "4506 origin_refused",
                "4507 wrong_frame_kind",
                "4508 replaced",
                "4509 superseded",
                "4510 token_reused",
                "4511 bad_ack",
            ]
        );
        for code in CloseCode::ALL {
            assert!(code.sentence().len() <= CLOSE_REASON_BYTES_MAX, "{code}");
            assert_eq!(CloseCode::reconnect_may_help(code.number()), code.number() < 4500, "{code}");
        }
    }

    #[test]
    fn the_document_lists_every_code() {
        let document = include_str!("../PROTOCOL.md");
        for code in ErrorCode::ALL.iter().filter(|code| **code != ErrorCode::Unrecognized) {
            assert!(
                document.contains(&format!("| {} | `{}` |", code.number(), code.name())),
                "{code} is not in PROTOCOL.md"
            );
        }
        for code in CloseCode::ALL {
            assert!(
                document.contains(&format!("| {} | `{}` |", code.number(), code.name())),
                "{code} is not in PROTOCOL.md"
            );
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "ü".repeat(100);
        assert_eq!(close_reason(&reason).len(), 122);
    }
}

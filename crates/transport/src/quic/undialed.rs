//! Where nothing dials, no session is a client's: the types of `dialed`, without a value.

use bytes::Bytes;

use crate::error::Closed;

#[derive(Debug, Clone)]
pub(super) enum Connection {}

#[derive(Debug)]
pub(super) enum SendStream {}

#[derive(Debug)]
pub(super) enum RecvStream {}

impl Connection {
    pub(super) fn quic(&self) -> &quinn::Connection {
        match *self {}
    }

    pub(super) fn id(&self) -> u64 {
        match *self {}
    }

    pub(super) async fn open(&self) -> Result<SendStream, Closed> {
        match *self {}
    }

    pub(super) async fn accept(&self) -> Result<RecvStream, Closed> {
        match *self {}
    }

    pub(super) async fn datagram(&self) -> Result<Bytes, Closed> {
        match *self {}
    }
}

impl SendStream {
    pub(super) fn quic(&mut self) -> &mut quinn::SendStream {
        match *self {}
    }
}

impl RecvStream {
    pub(super) fn quic(&mut self) -> &mut quinn::RecvStream {
        match *self {}
    }
}

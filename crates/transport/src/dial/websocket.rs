//! Dialing by WebSocket: TCP, TLS for `wss://`, and the upgrade, which tungstenite asks for and checks.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use anteroom_protocol::Codec;
use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::error::{Error, UrlError};
use tokio_tungstenite::tungstenite::http::Uri;

use super::trust::ClientTls;
use super::{Address, DialError};
use crate::config::TransportConfig;
use crate::connection::Connection;
use crate::metered::Metered;
use crate::tls::BUFFER_BYTES_MAX;
use crate::websocket;

/// What an HTTP response head ends with.
const HEAD_END: &[u8] = b"\r\n\r\n";

pub(super) async fn connect(
    tls: &ClientTls,
    config: &TransportConfig,
    url: &str,
    codec: Codec,
) -> Result<Connection, DialError> {
    let target = Target::parse(url)?;
    let socket = TcpStream::connect((&*target.address.host, target.address.port)).await?;
    websocket::tune(&socket)?;
    let peer = socket.peer_addr()?;
    over(socket, peer, tls, config, target, codec).await
}

/// The rest of dialing, over a stream that leads to the target.
pub(super) async fn over<S>(
    socket: S,
    peer: SocketAddr,
    tls: &ClientTls,
    config: &TransportConfig,
    target: Target,
    codec: Codec,
) -> Result<Connection, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Target { uri, secure, address } = target;
    if !secure {
        let (io, early) = upgrade(socket, uri, codec).await?;
        return Ok(websocket::connected(io, early, peer, *config));
    }
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let tls = tls.config(&versions, b"http/1.1").map_err(|error| DialError::Handshake(error.to_string().into()))?;
    let name = ServerName::try_from(address.host)
        .map_err(|_| DialError::InvalidAddress("the host is not a name that a certificate can have".into()))?;
    let socket = TlsConnector::from(Arc::new(tls))
        .connect_with(name, Metered::new(socket), |tls| tls.set_buffer_limit(Some(BUFFER_BYTES_MAX)))
        .await
        .map_err(|error| DialError::Handshake(error.to_string().into()))?;
    let (io, early) = upgrade(socket, uri, codec).await?;
    Ok(websocket::connected_tls(io, early, peer, *config))
}

/// What a URL says.
pub(super) struct Target {
    uri: Uri,
    secure: bool,
    pub(super) address: Address,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, DialError> {
        if url.contains('#') {
            // It would get lost without a word.
            return Err(DialError::InvalidAddress("a WebSocket URL has no fragment".into()));
        }
        let uri: Uri = url.parse().map_err(|_| DialError::InvalidAddress("not a URL".into()))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(DialError::InvalidAddress("a WebSocket URL has no user and password".into()));
        }
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(DialError::InvalidAddress("a WebSocket URL begins with ws:// or wss://".into())),
        };
        let host = uri.host().ok_or(DialError::InvalidAddress("a URL without a host".into()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { uri, secure, address: Address { host, port } })
    }
}

async fn upgrade<S>(io: S, uri: Uri, codec: Codec) -> Result<(S, Bytes), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(codec.subprotocol());
    let head = HeadReader { io, read: BytesMut::new(), given: 0, head_len: None };
    let (stream, _) = tokio_tungstenite::client_async(request, head).await.map_err(|error| match error {
        Error::Io(error) => DialError::Io(error),
        Error::Url(UrlError::NoHostName | UrlError::EmptyHostName) => DialError::InvalidAddress("no host".into()),
        Error::Http(response) => DialError::Refused(response.status().to_string().into()),
        error => DialError::Refused(error.to_string().into()),
    })?;
    let HeadReader { io, mut read, head_len, .. } = stream.into_inner();
    Ok((io, read.split_off(head_len.unwrap_or(read.len())).freeze()))
}

/// Gives a reader the response head and not a byte more, and keeps what follows it: the handshake would keep that
/// for itself.
struct HeadReader<S> {
    io: S,
    read: BytesMut,
    given: usize,
    /// Known when the head has arrived whole.
    head_len: Option<usize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadReader<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let end = this.head_len.unwrap_or(this.read.len());
        if this.given == end {
            if this.head_len.is_some() {
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; 1024];
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut buffer))?;
            this.read.extend_from_slice(buffer.filled());
            let place = this.read.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END);
            this.head_len = place.map(|place| place + HEAD_END.len());
        }
        let end = this.head_len.unwrap_or(this.read.len());
        let part = &this.read[this.given..end];
        let part = &part[..part.len().min(out.remaining())];
        out.put_slice(part);
        this.given += part.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadReader<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

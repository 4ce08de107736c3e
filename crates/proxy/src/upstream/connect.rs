//! Making a connection: resolve, connect, handshake, within one deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use murphy_core::route::Upstream;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use super::error::{BoxError, UpstreamErrorKind};
use super::tls::{Tls, host_of};
use crate::listen::stream::MaybeTls;

/// The bytes of a connection to an upstream.
pub(super) type Transport = MaybeTls<TcpStream, TlsStream<TcpStream>>;

/// A new connection.
pub(super) struct Connected {
    pub(super) transport: Transport,
    pub(super) peer: SocketAddr,
    /// Whether ALPN chose HTTP/2.
    pub(super) alpn_h2: bool,
}

type Failure = (UpstreamErrorKind, BoxError);

/// Connects to an upstream within `limit`, with TLS if `tls` is given.
pub(super) async fn connect(
    upstream: &Upstream,
    tls: Option<&Tls>,
    http1: bool,
    limit: Duration,
    never: &[SocketAddr],
) -> Result<Connected, Failure> {
    let deadline = Instant::now() + limit;
    let connecting = async {
        let stream = connect_tcp(upstream, deadline).await?;
        let peer = stream.peer_addr().map_err(unreachable)?;
        if never.iter().any(|own| is_at(*own, peer)) {
            return Err((
                UpstreamErrorKind::BadRequest,
                "it is Murphy's own listener".into(),
            ));
        }
        let Some(tls) = tls else {
            return Ok(Connected {
                transport: Transport::Clear(stream),
                peer,
                alpn_h2: false,
            });
        };
        let (connector, name) = tls.connector(http1);
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| (UpstreamErrorKind::Tls, error.into()))?;
        let alpn_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Connected {
            transport: Transport::Tls(Box::new(stream)),
            peer,
            alpn_h2,
        })
    };
    timeout(limit, connecting)
        .await
        .unwrap_or_else(|_| Err(too_slow(limit)))
}

/// Tries the addresses of the upstream in turn; each gets its share of the time that is left.
async fn connect_tcp(upstream: &Upstream, deadline: Instant) -> Result<TcpStream, Failure> {
    let port = upstream.authority.port_u16().unwrap_or_else(|| {
        if upstream.scheme == http::uri::Scheme::HTTPS {
            443
        } else {
            80
        }
    });
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host_of(upstream), port))
        .await
        .map_err(|error| (UpstreamErrorKind::Resolve, error.into()))?
        .collect();
    let mut failure: Failure = (UpstreamErrorKind::Resolve, "the name has no address".into());
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) if !is_own_echo(&stream) => {
                stream.set_nodelay(true).map_err(unreachable)?;
                return Ok(stream);
            }
            Ok(Ok(_)) => unreachable(io::ErrorKind::ConnectionRefused.into()),
            Ok(Err(error)) => unreachable(error),
            Err(_) => too_slow(share),
        };
    }
    Err(failure)
}

/// Whether a connection to `peer` reached a listener at `own`, by whichever name it was found.
fn is_at(own: SocketAddr, peer: SocketAddr) -> bool {
    let (at, to) = (own.ip().to_canonical(), peer.ip().to_canonical());
    let here = at.is_unspecified() && to.is_loopback();
    own.port() == peer.port() && (at == to || here)
}

/// Linux can connect a socket to itself when nothing listens at a local port that it may choose as its own.
fn is_own_echo(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

fn too_slow(limit: Duration) -> Failure {
    let text = format!(
        "no connection within {}",
        murphy_core::span::print_duration(limit)
    );
    (UpstreamErrorKind::ConnectTimeout, text.into())
}

fn unreachable(error: io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => UpstreamErrorKind::Refused,
        io::ErrorKind::TimedOut => UpstreamErrorKind::ConnectTimeout,
        io::ErrorKind::ConnectionReset => UpstreamErrorKind::Reset,
        _ => UpstreamErrorKind::Unreachable,
    };
    (kind, error.into())
}

/// The socket, for options.
pub(super) fn socket(transport: &Transport) -> SockRef<'_> {
    match transport {
        Transport::Clear(stream) => SockRef::from(stream),
        Transport::Tls(stream) => SockRef::from(stream.get_ref().0),
    }
}

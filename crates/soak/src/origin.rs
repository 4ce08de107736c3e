//! The upstream: answers every [`Ask`] with the content that it names, and keeps the ledger. A process of its own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRAILER, UPGRADE,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::ask::Ask;
use crate::content::{Comparison, Content, EVENT_BYTES, Kind};
use crate::ledger::Ledger;

/// The trailer of an answer without a length: the id.
pub const TRAILER_NAME: &str = "x-soak-id";

/// How much of a body is sent at once.
const PIECE: usize = 16 * 1024;
const BACKLOG: u32 = 4096;

/// Listens on `addr`, prints `origin http://…`, and serves until it is killed.
///
/// # Errors
/// If it cannot listen or open its ledger.
pub async fn run(addr: SocketAddr, ledger: &Path) -> io::Result<()> {
    let ledger = Arc::new(Ledger::open(ledger)?);
    let listener = listen(addr)?;
    #[allow(clippy::print_stdout)] // whoever started it reads this line
    {
        println!("origin http://{}", listener.local_addr()?);
    }
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&ledger)))),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await, // no descriptor is left: some will be
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?; // it comes back where it was
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

async fn serve(stream: TcpStream, ledger: Arc<Ledger>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| answer(request, Arc::clone(&ledger)));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http2().max_concurrent_streams(1_000);
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    connection.await.ok(); // its end is the client's to judge
}

async fn answer(
    mut request: Request<Incoming>,
    ledger: Arc<Ledger>,
) -> Result<Response<Generated>, hyper::Error> {
    let uri = request.uri();
    let Some(ask) = Ask::parse(uri.path(), uri.query().unwrap_or_default()) else {
        return Ok(plain(StatusCode::NOT_FOUND));
    };
    ledger.arrived(ask.id);
    if request.headers().contains_key(UPGRADE) {
        return Ok(switch(&mut request));
    }
    if let Some(up) = ask.up {
        let mut comparison = Comparison::with(up);
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            comparison.feed(frame?.data_ref().map_or(&[], |data| data)); // a broken one is nobody's whole request
        }
        if comparison.fault().is_some() {
            ledger.was_wrong(ask.id);
            return Ok(plain(StatusCode::UNPROCESSABLE_ENTITY));
        }
    }
    if ask.head_ms > 0 {
        tokio::time::sleep(Duration::from_millis(ask.head_ms)).await;
    }
    let mut response = Response::new(Generated::of(&ask));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(ask.down.kind.media_type()));
    if ask.open {
        headers.insert(TRAILER, HeaderValue::from_static(TRAILER_NAME));
    }
    Ok(response)
}

fn plain(status: StatusCode) -> Response<Generated> {
    let mut response = Response::new(Generated::empty());
    *response.status_mut() = status;
    response
}

/// Becomes a WebSocket that gives back every message.
fn switch(request: &mut Request<Incoming>) -> Response<Generated> {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut response = plain(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = accept {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// A body that is made while it is sent.
#[derive(Debug)]
pub struct Generated {
    content: Content,
    at: u64,
    piece: usize,
    open: bool,
    trailer: Option<u64>,
    pace: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Generated {
    /// The answer to a question.
    #[must_use]
    pub fn of(ask: &Ask) -> Self {
        let mut body = Self::content(ask.down, ask.open);
        body.trailer = ask.open.then_some(ask.id);
        body.pace = Duration::from_millis(ask.pace_ms);
        body
    }

    /// This content, with its length told or left open.
    #[must_use]
    pub fn content(content: Content, open: bool) -> Self {
        let piece = if content.kind == Kind::Events {
            usize::try_from(EVENT_BYTES).unwrap_or(PIECE)
        } else {
            PIECE
        };
        Self {
            content,
            at: 0,
            piece,
            open,
            trailer: None,
            pace: Duration::ZERO,
            waiting: None,
        }
    }

    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        let nothing = Content {
            kind: Kind::Bytes,
            seed: 0,
            length: 0,
        };
        Self::content(nothing, false)
    }

    fn is_all_sent(&self) -> bool {
        self.at >= self.content.length
    }
}

impl Body for Generated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_all_sent() {
            let Some(id) = self.trailer.take() else {
                return Poll::Ready(None);
            };
            let trailers =
                HeaderMap::from_iter([(http::HeaderName::from_static(TRAILER_NAME), HeaderValue::from(id))]);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if self.at > 0 && !self.pace.is_zero() {
            let pace = self.pace;
            let waiting = self
                .waiting
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pace)));
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        let data = self.content.bytes(self.at, self.piece);
        self.at += data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_all_sent() && self.trailer.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.open {
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.content.length.saturating_sub(self.at))
        }
    }
}

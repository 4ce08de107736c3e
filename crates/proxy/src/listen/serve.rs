//! One connection, from its first byte to its last.

use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use murphy_core::effect::AbortHow;
use murphy_wire::http1::GuardLimits;
use pin_project_lite::pin_project;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::conn::{Conn, InFlight, Switch};
use super::drain::Stage;
use super::io::{ClientIo, Patience, Transport};
use super::sniff::{Sniffed, sniff};
use super::stream::Socket;
use super::watched::WatchedIo;
use super::{BoxError, Listening, Service, count};

/// hyper keeps the fields of a head on the stack up to this many, and on the heap beyond.
const FIELDS_ON_STACK: usize = 100;
/// Bytes that hyper buffers of an HTTP/1.1 connection in each direction, beside a head.
const BUFFER_BYTES: usize = 256 * 1024;
/// Streams that a client may open at once.
const STREAMS_MAX: u32 = 128;
/// Bytes that a client may send on one stream, and on a connection, before we have taken them.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// Bytes of one stream that wait for the client to take them.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Streams that a client may reset before we saw them, and that we may reset for its errors, at once: more is an
/// attack (CVE-2023-44487).
const RESETS_PENDING_MAX: usize = 20;
const RESETS_OWN_MAX: usize = 256;
/// A connection with streams is asked for a sign of life this often,
const PING_EVERY: Duration = Duration::from_secs(20);
/// and must give it within this.
const PING_WAIT: Duration = Duration::from_secs(10);
/// A connection without streams that was told to go has this long to answer.
const GO_AWAY_WAIT: Duration = Duration::from_millis(300);
/// After our last byte, how long and for how many bytes of the client's we wait for its end: bytes that nobody
/// reads make the kernel reset the connection, which can destroy the answer on its way.
const LINGER_TIME_MAX: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 1 << 20;

/// How a connection has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// The client reads all that was written.
    Gently,
    /// Without a wait.
    Now,
    /// By a TCP reset.
    Reset,
    /// Not here: it is a tunnel now.
    Tunnel,
}

/// Serves a connection to its end.
pub(super) async fn connection<S: Service>(
    stream: TcpStream,
    conn: Arc<Conn>,
    listening: Arc<Listening>,
    service: S,
) {
    let socket = Arc::new(stream);
    let closing = match service.accepted(&conn) {
        Some(AbortHow::Fin) => Closing::Gently,
        Some(AbortHow::Rst | AbortHow::H2Reset(_)) => Closing::Reset,
        None => serve(Socket(Arc::clone(&socket)), &conn, &listening, service).await,
    };
    close(&socket, closing).await;
}

async fn serve<S: Service>(
    socket: Socket,
    conn: &Arc<Conn>,
    listening: &Arc<Listening>,
    service: S,
) -> Closing {
    let options = &listening.options;
    let mut stage = listening.drain.subscribe();
    // On the heap: a connection's task lives long, and should not keep the room that its beginning needed.
    let opening = Box::pin(open(socket, listening));
    let opened = tokio::select! {
        biased;
        opened = opening => opened,
        _ended = stage.wait_for(|stage| *stage >= Stage::Draining) => None,
    };
    let Some((transport, Sniffed { http2, first })) = opened else {
        return Closing::Now;
    };
    let theirs = Arc::clone(conn);
    let service = service_fn(move |request| answer(service.clone(), Arc::clone(&theirs), request));
    if http2 {
        conn.set_http2();
        let io = WatchedIo::new(transport, Arc::clone(conn), first);
        return Box::pin(serve_http2(io, conn, service, stage, options)).await;
    }
    let limits = GuardLimits {
        head_bytes_max: options.head_bytes_max,
        fields_max: options.fields_max,
    };
    let patience = Patience {
        head: options.header_timeout,
        idle: options.idle_timeout,
    };
    let io = ClientIo::new(transport, Arc::clone(conn), &first, limits, patience);
    drop(first);
    serve_http1(io, conn, service, stage, options).await
}

/// The TLS handshake, if there is to be one, and the version: both within deadlines of their own.
async fn open(socket: Socket, listening: &Listening) -> Option<(Transport, Sniffed)> {
    let options = &listening.options;
    let mut transport = match &options.tls {
        None => Transport::Clear(socket),
        Some(config) => {
            let handshake = TlsAcceptor::from(Arc::clone(config)).accept(socket);
            let Ok(Ok(stream)) = timeout(options.handshake_timeout, handshake).await else {
                count(&listening.counters.handshakes_failed);
                return None;
            };
            Transport::Tls(Box::new(stream))
        }
    };
    let Ok(Ok(sniffed)) = timeout(options.header_timeout, sniff(&mut transport)).await else {
        count(&listening.counters.silent);
        return None;
    };
    Some((transport, sniffed))
}

async fn serve_http1<S, B>(
    io: ClientIo,
    conn: &Conn,
    service: S,
    mut stage: watch::Receiver<Stage>,
    options: &super::ListenOptions,
) -> Closing
where
    S: HttpService<Incoming, ResBody = B, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>> + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // `ClientIo` keeps this deadline, and tells half-closed clients from those that hung up.
        .header_read_timeout(None)
        .half_close(false)
        .preserve_header_case(true)
        .auto_date_header(false)
        .max_buf_size(BUFFER_BYTES.saturating_add(options.head_bytes_max));
    if options.fields_max > FIELDS_ON_STACK {
        builder.max_headers(options.fields_max);
    }
    let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                let closing = if conn.is_reset() {
                    Closing::Reset
                } else if conn.switch() == Switch::Yes {
                    Closing::Tunnel
                } else {
                    Closing::Gently
                };
                if let Err(error) = ended {
                    tracing::debug!(id = conn.id(), %error, "a client's connection broke");
                }
                return closing;
            }
            _changed = stage.changed() => match *stage.borrow_and_update() {
                Stage::Open => {}
                Stage::Draining => connection.as_mut().graceful_shutdown(),
                Stage::Aborting => return Closing::Now,
            }
        }
    }
}

async fn serve_http2<S, B>(
    io: WatchedIo,
    conn: &Conn,
    service: S,
    mut stage: watch::Receiver<Stage>,
    options: &super::ListenOptions,
) -> Closing
where
    S: HttpService<Incoming, ResBody = B, Future: Send + 'static, Error: Into<BoxError>>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(u32::try_from(options.head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_OWN_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT);
    let mut connection = pin!(builder.serve_connection(io, service));
    let started = Instant::now();
    let mut idle = pin!(sleep_until(started + options.idle_timeout));
    let mut told_to_go = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(id = conn.id(), %error, "a client's connection broke");
                }
                return if conn.is_reset() { Closing::Reset } else { Closing::Gently };
            }
            () = conn.cut() => return Closing::Reset,
            _changed = stage.changed() => match *stage.borrow_and_update() {
                Stage::Open => {}
                Stage::Draining => connection.as_mut().graceful_shutdown(),
                Stage::Aborting => return Closing::Now,
            },
            () = idle.as_mut() => {
                let now = Instant::now();
                let since = conn.quiet_since().unwrap_or(started);
                let quiet = conn.in_flight() == 0 && since + options.idle_timeout <= now;
                if quiet && told_to_go {
                    return Closing::Now; // it does not answer the shutdown's PING
                }
                if quiet {
                    connection.as_mut().graceful_shutdown();
                    told_to_go = true;
                    idle.as_mut().reset(now + GO_AWAY_WAIT);
                } else {
                    let since = if conn.in_flight() > 0 { now } else { since };
                    idle.as_mut().reset(since + options.idle_timeout);
                }
            }
        }
    }
}

/// Answers a request, and accounts for it from its head to the end of its answer.
fn answer<S: Service>(
    service: S,
    conn: Arc<Conn>,
    request: http::Request<Incoming>,
) -> impl Future<Output = Answer<S>> {
    // Before anything is polled: `ClientIo` asks whether a request is in flight as soon as hyper has its head.
    let in_flight = conn.begin(&request);
    async move {
        let response = service.call(request, conn).await?;
        in_flight.answered(&response);
        Ok(response.map(|body| Accounted { body, in_flight }))
    }
}

type Answer<S> = Result<http::Response<Accounted<<S as Service>::Body>>, <S as Service>::Error>;

pin_project! {
    /// A response's body; the exchange is over when it is dropped.
    struct Accounted<B> {
        #[pin]
        body: B,
        in_flight: InFlight,
    }
}

impl<B: Body> Body for Accounted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Closes a connection. hyper has dropped its handle, so this is the last.
async fn close(socket: &TcpStream, closing: Closing) {
    let done = match closing {
        Closing::Tunnel => return,
        Closing::Reset => socket.set_zero_linger(),
        Closing::Now => SockRef::from(socket).shutdown(Shutdown::Write),
        Closing::Gently => match SockRef::from(socket).shutdown(Shutdown::Write) {
            Ok(()) => timeout(LINGER_TIME_MAX, read_to_end(socket))
                .await
                .unwrap_or(Ok(())),
            Err(error) => Err(error),
        },
    };
    if let Err(error) = done {
        tracing::trace!(%error, "the client closed first");
    }
}

async fn read_to_end(socket: &TcpStream) -> io::Result<()> {
    let mut bytes = 0;
    let mut scratch = [0; 1024];
    while bytes < LINGER_BYTES_MAX {
        socket.readable().await?;
        match socket.try_read(&mut scratch) {
            Ok(0) => break,
            Ok(count) => bytes += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! An HTTP/1.1 and HTTP/2 upstream that keeps each request and answers by a given function.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::peer::listen;

/// The largest body that is kept.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The request's target: path and query, or as it was given.
    pub target: String,
    /// HTTP/2's `:authority`, or the host of a target in absolute form.
    pub authority: Option<String>,
    /// The version.
    pub version: Version,
    /// The headers; iterating gives names in the order in which each first came, repeated ones together.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: Option<HeaderMap>,
    /// Why the body is incomplete, if it is.
    pub broken: Option<String>,
    /// The number of the connection, from 0.
    pub connection: usize,
}

impl Recorded {
    /// Names and values in order, values as ISO 8859-1.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
        let pairs = self.headers.iter();
        pairs
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect()
    }

    /// All values of a header that are text, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok()).collect()
    }
}

/// How a request is answered.
pub type Answer = dyn Fn(&Recorded) -> Response<Full<Bytes>> + Send + Sync;

/// The upstream. It ends when it is dropped.
pub struct Recorder {
    addr: SocketAddr,
    scheme: &'static str,
    seen: watch::Sender<Vec<Recorded>>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

/// A short answer.
#[must_use]
pub fn text(status: u16, body: &str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "text/plain")
        .body(Full::from(body.to_owned()))
        .expect("a response")
}

impl Recorder {
    /// Starts in the clear.
    #[must_use]
    pub fn start(answer: impl Fn(&Recorded) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Self {
        Self::run(None, Arc::new(answer))
    }

    /// Starts over TLS.
    #[must_use]
    pub fn start_tls(
        config: Arc<ServerConfig>,
        answer: impl Fn(&Recorded) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self::run(Some(config), Arc::new(answer))
    }

    fn run(tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> Self {
        let (listener, addr) = listen();
        let seen = watch::Sender::new(Vec::new());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let task = tokio::spawn(accept(listener, tls.map(TlsAcceptor::from), answer, seen.clone()));
        Self {
            addr,
            scheme,
            seen,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`, or `https://`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// The requests so far, in the order in which they were complete.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.seen.borrow().clone()
    }

    /// The only request. Panics if there were more or none.
    #[must_use]
    pub fn only(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "one request was expected");
        requests.remove(0)
    }

    /// Waits until `count` requests are complete.
    pub async fn wait_for(&self, count: usize) -> Vec<Recorded> {
        let mut seen = self.seen.subscribe();
        let seen = seen.wait_for(|seen| seen.len() >= count).await;
        seen.expect("the sender lives").clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    answer: Arc<Answer>,
    seen: watch::Sender<Vec<Recorded>>,
) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).ok(); // fails only if the client has left
        let (answer, seen, tls) = (Arc::clone(&answer), seen.clone(), tls.clone());
        connections.spawn(async move {
            match tls {
                None => serve(stream, number, answer, seen).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, number, answer, seen).await;
                    }
                }
            }
        });
    }
}

async fn serve<S>(stream: S, connection: usize, answer: Arc<Answer>, seen: watch::Sender<Vec<Recorded>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (answer, seen) = (Arc::clone(&answer), seen.clone());
        async move {
            let recorded = record(request, connection).await;
            let response = answer(&recorded);
            seen.send_modify(|seen| seen.push(recorded));
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().auto_date_header(false).half_close(true);
    server.http2().auto_date_header(false);
    let served = server.serve_connection(TokioIo::new(stream), service).await;
    drop(served); // a client that breaks off is no failure here
}

async fn record(request: Request<Incoming>, connection: usize) -> Recorded {
    let (head, body) = request.into_parts();
    let mut body = Limited::new(body, BODY_BYTES_MAX);
    let (mut bytes, mut trailers, mut broken) = (Vec::new(), None, None);
    while let Some(frame) = body.frame().await {
        match frame.map(data_or_trailers) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(map)) => trailers = map,
            Err(error) => {
                broken = Some(error.to_string());
                break;
            }
        }
    }
    let target = match head.uri.path_and_query() {
        Some(target) => target.to_string(),
        None => head.uri.to_string(),
    };
    Recorded {
        method: head.method,
        target,
        authority: head.uri.authority().map(ToString::to_string),
        version: head.version,
        headers: head.headers,
        body: bytes.into(),
        trailers,
        broken,
        connection,
    }
}

/// A frame's data, or its trailers.
fn data_or_trailers(frame: hyper::body::Frame<Bytes>) -> Result<Bytes, Option<HeaderMap>> {
    frame.into_data().map_err(|frame| frame.into_trailers().ok())
}

//! A fast origin: bodies that lie ready, nothing else.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// The sizes that are served, by the last segment of the path.
pub const SIZES: [(&str, usize); 3] = [("200", 200), ("8k", 8 * 1024), ("1m", 1024 * 1024)];

/// How many events `/sse` sends, and how far apart.
const EVENTS: u64 = 100;
const EVENT_INTERVAL: Duration = Duration::from_millis(10);

static LARGEST: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'x'; 1024 * 1024]));

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves `/200`, `/8k`, `/1m` and `/sse` at `listener`, below whatever prefix, until the future is dropped.
pub async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            stream.set_nodelay(true).ok();
            let server = auto::Builder::new(TokioExecutor::new());
            let connection = server.serve_connection(TokioIo::new(stream), service_fn(answer));
            connection.await.ok();
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    if name == "sse" {
        return Ok(respond("text/event-stream", events()));
    }
    match SIZES.iter().find(|(known, _)| *known == name) {
        Some((_, size)) => {
            let body = Full::new(LARGEST.slice(..*size)).boxed_unsync();
            Ok(respond("application/octet-stream", body))
        }
        None => {
            let mut response = respond("text/plain", Full::default().boxed_unsync());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

fn respond(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn events() -> Body {
    let frames = stream::iter(0..EVENTS).then(|n| async move {
        if n > 0 {
            tokio::time::sleep(EVENT_INTERVAL).await;
        }
        let event = format!("data: {{\"n\":{n}}}\n\n");
        Ok::<_, Infallible>(Frame::data(event.into()))
    });
    StreamBody::new(frames).boxed_unsync()
}

//! A listener with a service of the test's own, and routes to upstreams.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use murphy_core::route::{Protocol, Route, Timeouts, Upstream};
use murphy_proxy::listen::{Conn, ListenOptions, Listening, Service, accept};
use murphy_proxy::upstream::{Roots, UpstreamOptions, Upstreams};

/// A listener that serves until it is dropped.
pub struct Served {
    pub addr: SocketAddr,
    pub listening: Arc<Listening>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves on a free port of the loopback interface.
pub fn serve<S: Service>(options: ListenOptions, service: S) -> Served {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let listening = Listening::new(options);
    let accepting = accept(listener, Arc::clone(&listening), service);
    let task = tokio::spawn(async move { accepting.await.unwrap() });
    Served {
        addr,
        listening,
        task,
    }
}

/// Answers with the method, the path and the body's text; a refused request with what is wrong.
pub async fn echo(request: Request<Incoming>, conn: Arc<Conn>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(violation) = conn.take_violation(&request) {
        return Ok(respond(violation.status(), violation.to_string()));
    }
    let (parts, body) = request.into_parts();
    let text = match body.collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            return Ok(respond(400, format!("body: {}", cause.unwrap_or_default())));
        }
    };
    Ok(respond(
        200,
        format!("{} {} {text}", parts.method, parts.uri.path()),
    ))
}

pub fn respond(status: u16, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// A route to an address, in the clear.
pub fn route(addr: SocketAddr) -> Route {
    route_to(Scheme::HTTP, &addr.to_string(), Protocol::Auto)
}

pub fn route_to(scheme: Scheme, authority: &str, protocol: Protocol) -> Route {
    Route {
        name: "test".into(),
        host: None,
        prefix: String::new(),
        upstream: Upstream {
            scheme,
            authority: authority.parse().unwrap(),
            base_path: String::new(),
            protocol,
            extra_roots: None,
            insecure: false,
        },
        dialect: "plain".into(),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            first_byte: Some(Duration::from_secs(5)),
            total: None,
        },
        protected: false,
        preserve_host: false,
        via: false,
        forwarded: false,
        retry_unsafe: false,
    }
}

pub fn upstreams() -> Upstreams {
    Upstreams::new(UpstreamOptions::new(Roots::bundled()))
}

pub fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Full::new(body.into()))
        .unwrap()
}

/// The whole body as text.
pub async fn text(body: Incoming) -> String {
    let bytes = body.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Tells when it is dropped: a call's future that was cancelled.
pub struct Tells(pub Option<tokio::sync::oneshot::Sender<()>>);

impl Drop for Tells {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            sender.send(()).ok();
        }
    }
}

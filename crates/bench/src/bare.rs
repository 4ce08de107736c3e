//! A bare reverse proxy on hyper: what one gets without thinking, and what Murphy is measured against. It has no
//! limits, no timeouts and no manners, on purpose.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Empty, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::{Authority, Scheme, Uri};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

type Upstreams = Client<HttpConnector, Incoming>;

/// Forwards what arrives at `listener` to `upstream`, until the future is dropped.
pub async fn serve(listener: TcpListener, upstream: Authority) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Upstreams = Client::builder(TokioExecutor::new()).build(connector);
    while let Ok((stream, _)) = listener.accept().await {
        let (client, upstream) = (client.clone(), upstream.clone());
        tokio::spawn(async move {
            stream.set_nodelay(true).ok();
            let service = service_fn(move |request| forward(client.clone(), upstream.clone(), request));
            let server = auto::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn forward(
    client: Upstreams,
    upstream: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    let host = HeaderValue::from_str(upstream.as_str());
    uri.authority = Some(upstream);
    let (Ok(uri), Ok(host)) = (Uri::from_parts(uri), host) else {
        return Ok(bad_gateway());
    };
    *request.uri_mut() = uri;
    request.headers_mut().insert(HOST, host);
    match client.request(request).await {
        Ok(response) => Ok(response.map(|body| body.boxed())),
        Err(_) => Ok(bad_gateway()),
    }
}

fn bad_gateway() -> Response<BoxBody<Bytes, hyper::Error>> {
    let empty = Empty::new().map_err(|never| match never {});
    let mut response = Response::new(empty.boxed());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

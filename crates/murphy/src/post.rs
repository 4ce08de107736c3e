//! Sends the Director's requests (alerts, the health URL) with the proxy's own client to upstreams, so that there
//! is one place that speaks TLS.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use murphy_core::Name;
use murphy_core::route::{Protocol, Route, Timeouts, Upstream};
use murphy_director::{Outgoing, Post, Sending};
use murphy_proxy::upstream::{Roots, UpstreamOptions, Upstreams};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the head of an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests over HTTP/1.1, in the clear or over TLS.
pub(crate) struct Poster {
    upstreams: Upstreams,
}

impl Poster {
    /// Trusts these certificates.
    pub(crate) fn new(roots: Roots) -> Self {
        Self {
            upstreams: Upstreams::new(UpstreamOptions {
                idle_connections_max: 1,
                ..UpstreamOptions::new(roots)
            }),
        }
    }

    /// The status of the answer. Its body is not read.
    async fn ask(&self, outgoing: Outgoing) -> Result<u16, String> {
        let uri: Uri = outgoing.url.parse().map_err(|_| "not a URL".to_owned())?;
        let route = route(&uri).ok_or("not an http or https URL")?;
        let mut request = Request::builder()
            .method(outgoing.method)
            .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(USER_AGENT, concat!("murphy/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(outgoing.body)))
            .map_err(|error| error.to_string())?;
        if let Some(content_type) = outgoing.content_type {
            let value = HeaderValue::from_static(content_type);
            request.headers_mut().insert(CONTENT_TYPE, value);
        }
        let sent = self.upstreams.send(&route, request).await;
        sent.map(|sent| sent.response.status().as_u16())
            .map_err(|error| error.to_string())
    }
}

impl Post for Poster {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        Box::pin(self.ask(request))
    }
}

/// A route to the server of this URL.
fn route(uri: &Uri) -> Option<Route> {
    let name = Name::from("alerts");
    let scheme = uri
        .scheme()
        .filter(|scheme| ["http", "https"].contains(&scheme.as_str()));
    Some(Route {
        name: Name::clone(&name),
        host: None,
        prefix: String::new(),
        upstream: Upstream {
            scheme: scheme?.clone(),
            authority: uri.authority()?.clone(),
            base_path: String::new(),
            protocol: Protocol::Http1,
            extra_roots: None,
            insecure: false,
        },
        dialect: name,
        timeouts: Timeouts {
            connect: CONNECT_TIMEOUT,
            first_byte: Some(ANSWER_TIMEOUT),
            total: None,
        },
        protected: true,
        preserve_host: false,
        via: false,
        forwarded: false,
        retry_unsafe: false,
    })
}

#[cfg(test)]
mod tests {
    use http::Method;
    use murphy_sim::Sim;

    use super::*;

    fn outgoing(url: String) -> Outgoing {
        Outgoing {
            method: Method::POST,
            url,
            content_type: Some("application/json"),
            body: b"{}".to_vec(),
        }
    }

    #[tokio::test]
    async fn the_status_of_the_answer_is_told() {
        let sim = Sim::start(([127, 0, 0, 1], 0).into()).unwrap();
        let poster = Poster::new(Roots::bundled());
        for status in [204, 429, 503] {
            let url = format!("http://{}/status/{status}", sim.addr());
            assert_eq!(poster.send(outgoing(url)).await, Ok(status));
        }
    }

    #[tokio::test]
    async fn a_failure_says_why_and_not_where() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let poster = Poster::new(Roots::bundled());
        for url in [
            format!("http://{closed}/hooks/s3cret?key=s3cret"),
            "ftp://s3cret.test/".to_owned(),
            "s3cret:not a url".to_owned(),
        ] {
            let error = poster.send(outgoing(url)).await.unwrap_err();
            assert!(!error.is_empty() && !error.contains("s3cret"), "{error}");
        }
    }
}

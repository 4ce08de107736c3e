//! The control API's client: what the command line uses. Plain HTTP, one connection for each request, bounded in
//! time and size.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use murphy_core::exchange::Exchange;
use murphy_director::view::{
    ActivateRequest, Activated, Deactivated, KillSwitchView, Put, ReloadReport, RouteView, ScenarioDetail,
    ScenarioView, StatusView,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::ReasonRequest;
use crate::auth::Token;
use crate::input::WHO_HEADER;
use crate::problem::ProblemDetails;

mod stream;

pub use stream::{ExchangeStream, Streamed};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take: longer than the server's own limit, so that its words arrive.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is none that this client can use.
    #[error("{url:?} is not a control URL: wanted http://HOST:PORT")]
    BadUrl {
        /// The URL as it was given.
        url: String,
    },
    /// The name or the token cannot stand in a header.
    #[error("the token or the name of who asks cannot stand in a header")]
    BadHeader,
    /// Nobody answers there.
    #[error("cannot reach Murphy's control API at {url}: {reason} (is `murphy serve` running there?)")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// It began and did not end well.
    #[error("the answer of {url} broke off: {reason}")]
    Broken {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// It took too long.
    #[error("{url} did not answer in time")]
    TimedOut {
        /// Where.
        url: String,
    },
    /// Murphy said no.
    #[error("{0}")]
    Refused(Box<ProblemDetails>),
    /// The answer is none of Murphy's.
    #[error("{url} answered {status}, which is not what Murphy answers: is this its control address?")]
    NotMurphy {
        /// Where.
        url: String,
        /// The status.
        status: StatusCode,
    },
}

impl ClientError {
    /// Murphy's own words, if it said no.
    #[must_use]
    pub fn problem(&self) -> Option<&ProblemDetails> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

/// Which exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExchangeFilter {
    /// Only those with a higher number.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only those of this route.
    pub route: Option<String>,
    /// Only those with, or without, an injected fault.
    pub injected: Option<bool>,
}

impl ExchangeFilter {
    fn query(&self) -> String {
        let after = self.after.map(|after| format!("after={after}"));
        let limit = self.limit.map(|limit| format!("limit={limit}"));
        let route = self
            .route
            .as_ref()
            .map(|route| format!("route={}", encode(route)));
        let injected = self.injected.map(|injected| format!("injected={injected}"));
        let pairs: Vec<String> = [after, limit, route, injected].into_iter().flatten().collect();
        pairs.join("&")
    }
}

/// Talks to one daemon.
#[derive(Clone)]
pub struct Client {
    host: String,
    port: u16,
    authority: HeaderValue,
    url: String,
    token: Option<HeaderValue>,
    who: Option<HeaderValue>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// For the daemon at `url`: `http://127.0.0.1:7071`, or without the scheme.
    ///
    /// # Errors
    /// If the URL is not plain HTTP, or has a path.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let bad = || ClientError::BadUrl { url: url.to_owned() };
        let full = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let uri: Uri = full.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        let plain = uri.scheme_str() == Some("http") && !authority.as_str().contains('@');
        if !plain || uri.path() != "/" || uri.query().is_some() {
            return Err(bad());
        }
        let host = authority.host().trim_matches(['[', ']']);
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?,
            url: format!("http://{authority}"),
            token: None,
            who: None,
        })
    }

    /// The same, showing this token.
    ///
    /// # Errors
    /// If it cannot stand in a header.
    pub fn with_token(mut self, token: &Token) -> Result<Self, ClientError> {
        let mut value = HeaderValue::from_str(&token.header()).map_err(|_| ClientError::BadHeader)?;
        value.set_sensitive(true);
        self.token = Some(value);
        Ok(self)
    }

    /// The same, saying who asks; it is recorded with each change.
    ///
    /// # Errors
    /// If it cannot stand in a header.
    pub fn with_who(mut self, who: &str) -> Result<Self, ClientError> {
        self.who = Some(HeaderValue::from_str(who).map_err(|_| ClientError::BadHeader)?);
        Ok(self)
    }

    /// Where the daemon is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the daemon says that it is ready, and its checks.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn ready(&self) -> Result<(bool, String), ClientError> {
        let response = self.send(Method::GET, "/readyz?verbose", None).await?;
        let status = response.status();
        let text = self.whole(response).await?;
        Ok((status.is_success(), String::from_utf8_lossy(&text).into_owned()))
    }

    /// The metrics, in the Prometheus text format.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let response = self.send(Method::GET, "/metrics", None).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let text = self.whole(response).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// `GET status`.
    ///
    /// # Errors
    /// As every call: see [`ClientError`].
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.get("/api/v1/status").await
    }

    /// `GET scenarios`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn scenarios(&self) -> Result<Vec<ScenarioView>, ClientError> {
        self.get("/api/v1/scenarios").await
    }

    /// `GET scenarios/{name}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn scenario(&self, name: &str) -> Result<ScenarioDetail, ClientError> {
        self.get(&scenario_path(name, "")).await
    }

    /// `PUT scenarios/{name}` with a text in YAML or JSON.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn put_scenario(&self, name: &str, text: &str) -> Result<Put, ClientError> {
        let path = scenario_path(name, "");
        let body = ("application/yaml", Bytes::from(text.to_owned()));
        self.answered(Method::PUT, &path, Some(body)).await
    }

    /// `DELETE scenarios/{name}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_scenario(&self, name: &str) -> Result<Deactivated, ClientError> {
        self.answered(Method::DELETE, &scenario_path(name, ""), None)
            .await
    }

    /// `POST scenarios/{name}/activate`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn activate(&self, name: &str, request: &ActivateRequest) -> Result<Activated, ClientError> {
        self.post(&scenario_path(name, "/activate"), request).await
    }

    /// `POST scenarios/{name}/deactivate`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deactivate(&self, name: &str) -> Result<Deactivated, ClientError> {
        self.answered(Method::POST, &scenario_path(name, "/deactivate"), None)
            .await
    }

    /// `POST scenarios/deactivate-all`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deactivate_all(&self) -> Result<Deactivated, ClientError> {
        self.answered(Method::POST, "/api/v1/scenarios/deactivate-all", None)
            .await
    }

    /// `GET routes`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn routes(&self) -> Result<Vec<RouteView>, ClientError> {
        self.get("/api/v1/routes").await
    }

    /// `GET kill-switch`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn kill_switch(&self) -> Result<KillSwitchView, ClientError> {
        self.get("/api/v1/kill-switch").await
    }

    /// `POST kill-switch/trip`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn trip(&self, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        self.switch("trip", reason).await
    }

    /// `POST kill-switch/rearm`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rearm(&self, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        self.switch("rearm", reason).await
    }

    /// `POST kill-switch/lock`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lock(&self, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        self.switch("lock", reason).await
    }

    /// `POST kill-switch/unlock`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn unlock(&self, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        self.switch("unlock", reason).await
    }

    /// `POST reload`. A refused set is [`ClientError::Refused`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reload(&self) -> Result<ReloadReport, ClientError> {
        self.answered(Method::POST, "/api/v1/reload", None).await
    }

    /// `GET exchanges`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn exchanges(&self, filter: &ExchangeFilter) -> Result<Vec<Exchange>, ClientError> {
        self.get(&format!("/api/v1/exchanges?{}", filter.query())).await
    }

    /// `GET exchanges/stream`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stream(&self, filter: &ExchangeFilter) -> Result<ExchangeStream, ClientError> {
        let path = format!("/api/v1/exchanges/stream?{}", filter.query());
        let response = self.send(Method::GET, &path, None).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        Ok(ExchangeStream::new(self.url.clone(), response.into_body()))
    }

    async fn switch(&self, verb: &str, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        let path = format!("/api/v1/kill-switch/{verb}");
        self.post(&path, &ReasonRequest { reason }).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answered(Method::GET, path, None).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        // The requests are structs of strings and numbers, which always serialise.
        let body = serde_json::to_vec(body).unwrap_or_default();
        let body = ("application/json", Bytes::from(body));
        self.answered(Method::POST, path, Some(body)).await
    }

    async fn answered<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<T, ClientError> {
        let response = self.send(method, path, body).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let status = response.status();
        let body = self.whole(response).await?;
        serde_json::from_slice(&body).map_err(|_| ClientError::NotMurphy {
            url: self.url.clone(),
            status,
        })
    }

    async fn refusal(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        let body = match self.whole(response).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice(&body) {
            Ok(problem) => ClientError::Refused(Box::new(problem)),
            Err(_) => ClientError::NotMurphy {
                url: self.url.clone(),
                status,
            },
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Response<Incoming>, ClientError> {
        let unreachable = |reason: String| ClientError::Unreachable {
            url: self.url.clone(),
            reason,
        };
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| unreachable("no connection in time".to_owned()))?
            .map_err(|error| unreachable(error.to_string()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        // Ends by itself when the response has been read or dropped, since the sender is gone then.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the control API ended early");
            }
        });
        let request = self.request(method, path, body)?;
        tokio::time::timeout(ANSWER_TIMEOUT, sender.send_request(request))
            .await
            .map_err(|_| self.timed_out())?
            .map_err(|error| self.broken(&error))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let (media_type, body) = body.unwrap_or(("application/json", Bytes::new()));
        let writes = !method.is_safe();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.authority.clone())
            .header(ACCEPT, "application/json, text/event-stream, */*;q=0.1")
            .body(Full::new(body))
            .map_err(|_| ClientError::BadUrl {
                url: format!("{}{path}", self.url),
            })?;
        let headers = request.headers_mut();
        if writes {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        if let Some(who) = &self.who {
            headers.insert(WHO_HEADER, who.clone());
        }
        Ok(request)
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        // `Limited` is the bound that the ban on `collect` asks for.
        #[allow(clippy::disallowed_methods)]
        let reading = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        tokio::time::timeout(ANSWER_TIMEOUT, reading)
            .await
            .map_err(|_| self.timed_out())?
            .map(http_body_util::Collected::to_bytes)
            .map_err(|error| self.broken(&*error))
    }

    fn timed_out(&self) -> ClientError {
        ClientError::TimedOut {
            url: self.url.clone(),
        }
    }

    fn broken(&self, error: &dyn std::error::Error) -> ClientError {
        ClientError::Broken {
            url: self.url.clone(),
            reason: error.to_string(),
        }
    }
}

fn scenario_path(name: &str, verb: &str) -> String {
    format!("/api/v1/scenarios/{}{verb}", encode(name))
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_url_is_plain_http_to_a_host() {
        for (url, host, port) in [
            ("http://127.0.0.1:7071", "127.0.0.1", 7071),
            ("http://[::1]:7071/", "::1", 7071),
            ("localhost:7071", "localhost", 7071),
            ("http://box", "box", 80),
        ] {
            let client = Client::new(url).unwrap();
            assert_eq!((client.host.as_str(), client.port), (host, port), "{url}");
        }
        for bad in [
            "",
            "https://box",
            "http://box/path",
            "http://u:p@box",
            "http://box?x",
            "ftp://box",
            "http://",
        ] {
            assert!(
                matches!(Client::new(bad), Err(ClientError::BadUrl { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_client_never_prints_its_token() {
        let client = Client::new("box:1").unwrap();
        let client = client.with_token(&Token::new("s3cret").unwrap()).unwrap();
        assert!(!format!("{client:?}").contains("s3cret"));
    }

    #[test]
    fn a_filter_becomes_a_query_that_cannot_be_broken_out_of() {
        let filter = ExchangeFilter {
            after: Some(7),
            route: Some("a&b=/ü".to_owned()),
            injected: Some(true),
            ..ExchangeFilter::default()
        };
        assert_eq!(filter.query(), "after=7&route=a%26b%3D%2F%C3%BC&injected=true");
    }
}

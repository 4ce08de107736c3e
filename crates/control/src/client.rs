//! The control API's client: what the command line uses. Plain HTTP, one connection for each request, bounded in
//! time and size.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::auth::Token;
use crate::input::WHO_HEADER;

mod calls;
mod error;
mod stream;

pub use calls::ExchangeFilter;
pub use error::ClientError;
pub use stream::{ExchangeStream, Streamed};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take: longer than the server's own limit, so that its words arrive.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

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
}

//! The tour's agent: calls a model through the proxy and tells what it saw.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// How long a call may take.
const CALL_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const QUESTION: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"What can go wrong?"}]}"#;

/// Calls one proxy.
pub(super) struct Agent {
    proxy: SocketAddr,
}

impl Agent {
    /// An agent of the proxy at this address.
    pub(super) fn new(proxy: SocketAddr) -> Self {
        Self { proxy }
    }

    /// Asks the model once, on a connection of its own; gives what was seen, in words.
    pub(super) async fn call(&self) -> Result<String, String> {
        match tokio::time::timeout(CALL_MAX, self.ask()).await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(error)) => Err(format!("the tour's agent could not call the proxy: {error}")),
            Err(_) => Ok("no answer in time".to_owned()),
        }
    }

    async fn ask(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.proxy).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the tour's connection ended early");
            }
        });
        let request = Request::builder()
            .method(Method::POST)
            .uri("/sim/v1/chat/completions")
            .header(HOST, self.proxy.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header("x-murphy-agent", "tour")
            .body(Full::new(Bytes::from_static(QUESTION.as_bytes())))?;
        let response = sender.send_request(request).await?;
        Ok(seen(response).await)
    }
}

async fn seen(response: Response<Incoming>) -> String {
    let (head, body) = response.into_parts();
    // `Limited` is the bound that the ban on `collect` asks for.
    #[allow(clippy::disallowed_methods)]
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    if !head.status.is_success() {
        let wait = head.headers.get(RETRY_AFTER).and_then(|wait| wait.to_str().ok());
        let wait = wait
            .map(|wait| format!(", retry after {wait} s"))
            .unwrap_or_default();
        return format!("the agent sees {}{wait}", head.status);
    }
    match body {
        Err(_) => "the agent sees a broken connection".to_owned(),
        Ok(body) => match serde_json::from_slice::<Value>(&body.to_bytes()) {
            Ok(_) => "the agent sees an answer".to_owned(),
            Err(error) => format!("the agent's JSON parser says: {error}"),
        },
    }
}

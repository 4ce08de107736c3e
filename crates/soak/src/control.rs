//! A small client of the control API.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Trouble;

/// The API says that it answers within 20 s whatever happens.
const ANSWER_WITHIN: Duration = Duration::from_secs(21);
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Calls it, on a connection of its own; the answer as JSON, or as a string.
///
/// # Errors
/// If there is no complete answer in time.
pub async fn call(
    addr: SocketAddr,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<(StatusCode, Value), Trouble> {
    let answer = timeout(ANSWER_WITHIN, exchange(addr, method, path, body)).await;
    answer.map_err(|_| format!("no answer to {path} within {ANSWER_WITHIN:?}"))?
}

async fn exchange(
    addr: SocketAddr,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<(StatusCode, Value), Trouble> {
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection); // it ends with its sender; its errors are the sender's too
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", addr.to_string());
    let request = request
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(frame?.data_ref().map_or(&[], |data| data));
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(format!("the answer to {path} has no end").into());
        }
    }
    let value = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok((status, value))
}

/// `GET`.
///
/// # Errors
/// If there is no complete answer.
pub async fn get(addr: SocketAddr, path: &str) -> Result<(StatusCode, Value), Trouble> {
    call(addr, Method::GET, path, None).await
}

/// `POST` of JSON that must be answered with this status.
///
/// # Errors
/// If there is no complete answer, or another one.
pub async fn post(addr: SocketAddr, path: &str, body: Value, wanted: u16) -> Result<Value, Trouble> {
    let (status, answer) = call(addr, Method::POST, path, Some(body)).await?;
    if status.as_u16() == wanted {
        return Ok(answer);
    }
    Err(format!("{path}: {status} instead of {wanted}: {answer}").into())
}

/// The sum of the metrics whose line begins with this.
///
/// # Errors
/// If there is no complete answer.
pub async fn metric(addr: SocketAddr, series: &str) -> Result<f64, Trouble> {
    let (_, text) = get(addr, "/metrics").await?;
    let text = text.as_str().ok_or("the metrics are no text")?;
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.rsplit_once(' '));
    Ok(lines.filter_map(|(_, value)| value.parse::<f64>().ok()).sum())
}

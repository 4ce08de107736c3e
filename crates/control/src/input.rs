//! What a handler reads from a request: a bounded body, a checked name, checked parameters.

use std::time::Duration;

use axum::RequestPartsExt;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::{CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use murphy_director::names::{WANTED, is_scenario_name};
use serde::de::DeserializeOwned;

use crate::problem::{ProblemDetails, ProblemType};
use crate::serve::Connection;

/// Bytes of a request's body.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a request's body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body; an empty one is the default.
#[derive(Debug)]
pub(crate) struct Input<T>(pub T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for Input<T> {
    type Rejection = ProblemDetails;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let bytes = read(request).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(T::default()));
        }
        // By way of a map: serde also takes a list for a struct, which nobody means.
        serde_json::from_slice::<serde_json::Map<_, _>>(&bytes)
            .and_then(|map| serde_json::from_value(map.into()))
            .map(Self)
            .map_err(|error| bad_request(format!("the body is not as documented: {error}")))
    }
}

/// A body as text.
#[derive(Debug)]
pub(crate) struct Text(pub String);

impl<S: Sync> FromRequest<S> for Text {
    type Rejection = ProblemDetails;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let bytes = read(request).await?;
        String::from_utf8(bytes.into())
            .map(Self)
            .map_err(|_| bad_request("the body is not UTF-8".to_owned()))
    }
}

async fn read(request: Request) -> Result<bytes::Bytes, ProblemDetails> {
    let too_large = || {
        ProblemDetails::new(
            ProblemType::ContentTooLarge,
            format!("a body may have {BODY_BYTES_MAX} bytes"),
        )
    };
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let reading = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX);
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_over_limit(&error) => Err(too_large()),
        Ok(Err(error)) => Err(bad_request(format!("the body did not arrive whole: {error}"))),
        Err(_) => Err(ProblemDetails::new(
            ProblemType::RequestTimeout,
            format!("the body took longer than {BODY_TIMEOUT:?}"),
        )),
    }
}

fn is_over_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
}

/// A scenario's name from the path, checked before it can become a part of a file's name.
#[derive(Debug)]
pub(crate) struct ScenarioName(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ScenarioName {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let name = parts
            .extract::<Path<String>>()
            .await
            .ok()
            .map(|Path(name)| name)
            .filter(|name| is_scenario_name(name));
        name.map(Self)
            .ok_or_else(|| bad_request(format!("that cannot be a scenario's name: wanted {WANTED}")))
    }
}

/// Who changes something, as they call themselves in `x-murphy-who`, and from where; it is recorded. The name is a
/// claim, the address is not.
#[derive(Debug)]
pub(crate) struct Who(pub String);

/// The header with the name of who changes something.
pub(crate) const WHO_HEADER: &str = "x-murphy-who";
/// Characters of that name; the rest is cut off.
const WHO_CHARS_MAX: usize = 64;

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let claimed: Option<String> = parts
            .headers
            .get(WHO_HEADER)
            .and_then(|who| who.to_str().ok())
            .map(|who| who.trim().chars().take(WHO_CHARS_MAX).collect());
        let name = claimed
            .filter(|who| !who.is_empty())
            .unwrap_or_else(|| "control API".to_owned());
        Ok(Self(match parts.extensions.get::<Connection>() {
            Some(connection) => format!("{name} ({})", connection.peer.ip().to_canonical()),
            None => name,
        }))
    }
}

/// The parameters of the query.
#[derive(Debug)]
pub(crate) struct Parameters<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(parameters)| Self(parameters))
            .map_err(|error| bad_request(error.body_text()))
    }
}

/// What a write asks of the thing's present version (RFC 9110 §13.1.1 and §13.1.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing.
    None,
    /// It must exist in one of these versions (an empty list: in any).
    Matches(Vec<String>),
    /// It must not exist.
    Absent,
}

impl Precondition {
    /// Whether it holds for this version (`None`: there is no such thing).
    pub(crate) fn holds(&self, tag: Option<&str>) -> bool {
        match self {
            Self::None => true,
            Self::Matches(tags) => {
                tag.is_some_and(|tag| tags.is_empty() || tags.iter().any(|wanted| wanted == tag))
            }
            Self::Absent => tag.is_none(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let wanted = field(&parts.headers, &IF_MATCH)?;
        let absent = field(&parts.headers, &IF_NONE_MATCH)?;
        match (wanted.as_deref(), absent.as_deref()) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Matches(Vec::new())),
            (Some(tags), None) => Ok(Self::Matches(
                tags.split(',').map(|tag| tag.trim().to_owned()).collect(),
            )),
            (None, Some("*")) => Ok(Self::Absent),
            _ => Err(bad_request(
                "send If-Match with tags or `*`, or If-None-Match with `*`".to_owned(),
            )),
        }
    }
}

fn field(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ProblemDetails> {
    let values: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|value| value.to_str()).collect();
    let values = values.map_err(|_| bad_request(format!("{name} is not ASCII")))?;
    Ok((!values.is_empty()).then(|| values.join(",").trim().to_owned()))
}

fn bad_request(detail: String) -> ProblemDetails {
    ProblemDetails::new(ProblemType::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn preconditions_compare_versions_exactly() {
        let read = |name: &'static str, value: &'static str| async move {
            let (mut parts, ()) = http::Request::builder()
                .header(name, value)
                .body(())
                .unwrap()
                .into_parts();
            Precondition::from_request_parts(&mut parts, &()).await
        };
        let tags = read("if-match", "\"a\", \"b\"").await.unwrap();
        assert!(tags.holds(Some("\"b\"")) && !tags.holds(Some("\"c\"")) && !tags.holds(None));
        let any = read("if-match", "*").await.unwrap();
        assert!(any.holds(Some("\"c\"")) && !any.holds(None));
        let absent = read("if-none-match", "*").await.unwrap();
        assert!(absent.holds(None) && !absent.holds(Some("\"a\"")));
        assert!(read("if-none-match", "\"a\"").await.is_err());
    }
}

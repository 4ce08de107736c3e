//! Errors of the control API as `application/problem+json` (RFC 9457).

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use murphy_director::refusal::Refusal;
use murphy_director::view::Located;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The media type of RFC 9457 §3.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What can go wrong, one kind for each `type` of a problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemType {
    /// The request cannot be understood.
    BadRequest,
    /// The bearer token is missing or wrong.
    Unauthorized,
    /// The `Host` is not one that this server answers to.
    ForbiddenHost,
    /// The request comes from a foreign web page.
    ForbiddenOrigin,
    /// The path does not exist.
    NotFound,
    /// There is no scenario of that name.
    NoSuchScenario,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The request's body did not arrive in time.
    RequestTimeout,
    /// Nothing can be activated until somebody re-arms the kill switch.
    KillSwitchTripped,
    /// Nothing can be activated until somebody unlocks the kill switch.
    KillSwitchLocked,
    /// There are as many scenarios as there may be.
    TooManyScenarios,
    /// The scenario's file cannot be removed.
    NotRemovable,
    /// `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed,
    /// The request's body is too large.
    ContentTooLarge,
    /// The request's body is not declared as JSON.
    UnsupportedMediaType,
    /// The scenario is not valid; `problems` says where.
    InvalidScenario,
    /// The files are not valid; `problems` says where. What ran goes on running.
    InvalidConfiguration,
    /// As many streams are open as there may be.
    TooManyStreams,
    /// Murphy is stopping.
    Stopping,
    /// The answer took too long, or the daemon is not ready.
    Unavailable,
}

impl ProblemType {
    /// All kinds.
    pub const ALL: [Self; 20] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::ForbiddenHost,
        Self::ForbiddenOrigin,
        Self::NotFound,
        Self::NoSuchScenario,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::KillSwitchTripped,
        Self::KillSwitchLocked,
        Self::TooManyScenarios,
        Self::NotRemovable,
        Self::PreconditionFailed,
        Self::ContentTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidScenario,
        Self::InvalidConfiguration,
        Self::TooManyStreams,
        Self::Stopping,
        Self::Unavailable,
    ];

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadRequest => (
                "bad-request",
                StatusCode::BAD_REQUEST,
                "The request cannot be understood",
            ),
            Self::Unauthorized => (
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                "A valid bearer token is needed",
            ),
            Self::ForbiddenHost => (
                "forbidden-host",
                StatusCode::FORBIDDEN,
                "This host name is not allowed",
            ),
            Self::ForbiddenOrigin => (
                "forbidden-origin",
                StatusCode::FORBIDDEN,
                "This origin is not allowed",
            ),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is no such path"),
            Self::NoSuchScenario => (
                "no-such-scenario",
                StatusCode::NOT_FOUND,
                "There is no such scenario",
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The method is not allowed here",
            ),
            Self::RequestTimeout => (
                "request-timeout",
                StatusCode::REQUEST_TIMEOUT,
                "The request did not arrive in time",
            ),
            Self::KillSwitchTripped => (
                "kill-switch-tripped",
                StatusCode::CONFLICT,
                "The kill switch is tripped",
            ),
            Self::KillSwitchLocked => (
                "kill-switch-locked",
                StatusCode::CONFLICT,
                "The kill switch is locked",
            ),
            Self::TooManyScenarios => (
                "too-many-scenarios",
                StatusCode::CONFLICT,
                "No more scenarios fit",
            ),
            Self::NotRemovable => (
                "not-removable",
                StatusCode::CONFLICT,
                "The scenario's file cannot be removed",
            ),
            Self::PreconditionFailed => (
                "precondition-failed",
                StatusCode::PRECONDITION_FAILED,
                "The precondition does not hold",
            ),
            Self::ContentTooLarge => (
                "content-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too large",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be declared as JSON",
            ),
            Self::InvalidScenario => (
                "invalid-scenario",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The scenario is not valid",
            ),
            Self::InvalidConfiguration => (
                "invalid-configuration",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The files are not valid; what ran goes on running",
            ),
            Self::TooManyStreams => (
                "too-many-streams",
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many streams are open",
            ),
            Self::Stopping => ("stopping", StatusCode::SERVICE_UNAVAILABLE, "Murphy is stopping"),
            Self::Unavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "It cannot be answered now",
            ),
        }
    }

    /// The last part of the `type`, such as `not-found`.
    #[must_use]
    pub fn slug(self) -> &'static str {
        self.row().0
    }

    /// The status that it is sent with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    /// The same words for each occurrence.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().2
    }
}

/// A problem document. What is wrong with a configuration stands in `problems`, one entry a mistake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemDetails {
    /// `urn:murphy:problem:` and the kind: `bad-request`, `not-found`, `conflict`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The same words for each problem of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is wrong with the document, mistake by mistake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<InvalidPart>,
}

/// One mistake in a configuration or a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidPart {
    /// Where in the document, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The mistake and its place in the file.
    #[serde(flatten)]
    pub located: Located,
}

impl From<&Located> for InvalidPart {
    fn from(located: &Located) -> Self {
        Self {
            pointer: located.problem.path.pointer(),
            located: located.clone(),
        }
    }
}

impl ProblemDetails {
    /// A problem of this type with what happened this time.
    #[must_use]
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:murphy:problem:{}", kind.slug()),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: Some(detail.into()),
            problems: Vec::new(),
        }
    }

    /// The same with the mistakes of a document.
    #[must_use]
    pub fn with_problems(mut self, problems: &[Located]) -> Self {
        self.problems = problems.iter().map(InvalidPart::from).collect();
        self
    }

    /// Whether it is of this type.
    #[must_use]
    pub fn is(&self, kind: ProblemType) -> bool {
        self.kind.rsplit(':').next() == Some(kind.slug())
    }
}

impl From<Refusal> for ProblemDetails {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::NoSuchScenario { .. } => ProblemType::NoSuchScenario,
            Refusal::BadName { .. } => ProblemType::BadRequest,
            Refusal::TooLarge { .. } => ProblemType::ContentTooLarge,
            Refusal::Invalid(_) => ProblemType::InvalidScenario,
            Refusal::Tripped { .. } => ProblemType::KillSwitchTripped,
            Refusal::Locked { .. } => ProblemType::KillSwitchLocked,
            Refusal::TooMany { .. } => ProblemType::TooManyScenarios,
            Refusal::NotRemovable { .. } => ProblemType::NotRemovable,
            Refusal::Stopping => ProblemType::Stopping,
        };
        Self::new(kind, refusal.to_string()).with_problems(refusal.problems())
    }
}

impl fmt::Display for ProblemDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(&self.title))?;
        self.problems
            .iter()
            .try_for_each(|part| write!(f, "\n{}", part.located))
    }
}

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A struct of strings and numbers always serialises; the empty fallback only satisfies the type.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 names the scheme.
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"murphy\""),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_keeps_its_slug_and_status_through_a_document() {
        for kind in ProblemType::ALL {
            let problem = ProblemDetails::new(kind, "so it is");
            assert!(problem.is(kind), "{problem:?}");
            let response = problem.into_response();
            assert_eq!(response.status(), kind.status());
            assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
            assert_eq!(
                response.headers().contains_key(WWW_AUTHENTICATE),
                kind == ProblemType::Unauthorized
            );
        }
    }
}

//! A builder that owns what a [`Call`] borrows.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::Name;
use murphy_core::agent::AgentId;
use murphy_core::call::{Body, Call, Facts};
use serde_json::Value;

/// Owns the parts of a call and lends them. Everything has a default: `GET /` on the route `sim` in the dialect
/// `plain`, by the agent `tester`, first attempt, body unread.
#[derive(Debug, Clone)]
pub struct CallBuilder {
    route: Name,
    dialect: String,
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    agent: AgentId,
    attempt: u32,
    facts: Facts,
    body: Owned,
}

#[derive(Debug, Clone)]
enum Owned {
    Unread,
    TooLarge,
    Bytes(Vec<u8>),
    Json(Vec<u8>, Value),
}

impl Default for CallBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl CallBuilder {
    /// A call with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            route: "sim".into(),
            dialect: "plain".to_owned(),
            method: Method::GET,
            path: "/".to_owned(),
            query: None,
            headers: HeaderMap::new(),
            agent: AgentId::named("tester"),
            attempt: 1,
            facts: Facts::default(),
            body: Owned::Unread,
        }
    }

    /// On this route.
    #[must_use]
    pub fn route(mut self, route: &str) -> Self {
        self.route = route.into();
        self
    }

    /// In this dialect.
    #[must_use]
    pub fn dialect(mut self, dialect: &str) -> Self {
        self.dialect = dialect.to_owned();
        self
    }

    /// With this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With this path, and this query if there is a `?`.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        self.path = path.to_owned();
        self.query = query;
        self
    }

    /// With one more header.
    ///
    /// # Panics
    /// If name or value are not possible in HTTP.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers
            .append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// By this agent.
    #[must_use]
    pub fn agent(mut self, name: &str) -> Self {
        self.agent = AgentId::named(name);
        self
    }

    /// For the n-th time.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// With these facts.
    #[must_use]
    pub fn facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// With this body, read; parsed if it is JSON.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        let bytes = body.as_ref().to_vec();
        self.body = match serde_json::from_slice(&bytes) {
            Ok(value) => Owned::Json(bytes, value),
            Err(_) => Owned::Bytes(bytes),
        };
        self
    }

    /// With a body that was larger than the limit for inspection.
    #[must_use]
    pub fn body_too_large(mut self) -> Self {
        self.body = Owned::TooLarge;
        self
    }

    /// Lends the call.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        Call {
            route: self.route.clone(),
            dialect: &self.dialect,
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            agent: &self.agent,
            attempt: self.attempt,
            facts: self.facts.clone(),
            body: match &self.body {
                Owned::Unread => Body::Unread,
                Owned::TooLarge => Body::TooLarge,
                Owned::Bytes(bytes) => Body::Bytes(bytes),
                Owned::Json(bytes, value) => Body::Json(bytes, value),
            },
        }
    }
}

//! What the tests of this crate share: routes, scenarios from YAML, requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::agent::AgentId;
use murphy_core::call::{Body, Call, Facts};
use murphy_core::clock::Offset;
use murphy_core::plan::{ActivationId, Plan};
use murphy_core::problem::Problem;
use murphy_core::route::{Protocol, Route, Timeouts, Upstream};

use crate::compile::{CompiledScenario, Context, compile};
use crate::ordinals::Counters;
use crate::scenario::Scenario;
use crate::snapshot::{Active, Snapshot, SnapshotOptions};

pub(crate) const OPTIONS: SnapshotOptions = SnapshotOptions {
    mark: true,
    max_active_faults: 1_000,
    body_inspect_bytes_max: 8 << 20,
};

pub(crate) fn route(name: &str) -> Route {
    Route {
        name: name.into(),
        host: None,
        prefix: format!("/{name}"),
        upstream: Upstream {
            scheme: Scheme::HTTP,
            authority: Authority::from_static("127.0.0.1:1"),
            base_path: String::new(),
            protocol: Protocol::Auto,
            extra_roots: None,
            insecure: false,
        },
        dialect: "plain".into(),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            first_byte: None,
            total: None,
        },
        protected: false,
        preserve_host: false,
        via: false,
        forwarded: false,
        retry_unsafe: false,
    }
}

/// The routes `api` and `tools`, and `bank`, which is protected.
pub(crate) fn routes() -> Vec<Arc<Route>> {
    let bank = Route {
        protected: true,
        ..route("bank")
    };
    [route("api"), route("tools"), bank].map(Arc::new).to_vec()
}

pub(crate) fn read(yaml: &str) -> Result<Scenario, serde_saphyr::Error> {
    serde_saphyr::from_str(yaml)
}

pub(crate) fn compile_with(
    name: &str,
    routes: &[Arc<Route>],
    yaml: &str,
) -> Result<CompiledScenario, Vec<Problem>> {
    let context = Context {
        routes,
        dialects: &["plain", "openai"],
        files: &|name| match name {
            "page.html" => Ok(Bytes::from_static(b"<p>")),
            _ => Err("no such file".to_owned()),
        },
    };
    compile(name, &read(yaml).unwrap(), &context)
}

pub(crate) fn compiled(name: &str, yaml: &str) -> Arc<CompiledScenario> {
    Arc::new(compile_with(name, &routes(), yaml).unwrap())
}

/// A scenario with one rule, which delays by a second: `rest` is what else the rule says.
pub(crate) fn delaying(rest: &str) -> Arc<CompiledScenario> {
    compiled(
        "slow",
        &format!("rules: [{{ name: slow, fault: {{ delay: 1s }}, {rest} }}]"),
    )
}

pub(crate) fn active(id: u64, scenario: &Arc<CompiledScenario>) -> Active {
    Active {
        scenario: Arc::clone(scenario),
        activation: ActivationId(id),
        seed: 7,
        since: Offset::default(),
    }
}

/// A snapshot over the usual routes, with the counters that it uses.
pub(crate) struct World {
    pub(crate) snapshot: Snapshot,
    pub(crate) counters: Arc<Counters>,
}

impl World {
    pub(crate) fn of(scenarios: &[Arc<CompiledScenario>]) -> Self {
        let active: Vec<Active> = (1..).zip(scenarios).map(|(id, one)| active(id, one)).collect();
        Self::with(&active, OPTIONS, Arc::default())
    }

    pub(crate) fn with(active: &[Active], options: SnapshotOptions, counters: Arc<Counters>) -> Self {
        let snapshot = Snapshot::build(1, options, &routes(), active, Arc::clone(&counters));
        Self { snapshot, counters }
    }

    /// The plan for a request on the route `api`, at the beginning of time.
    pub(crate) fn plan(&self, request: &Request) -> Plan {
        self.plan_at(request, Duration::ZERO)
    }

    pub(crate) fn plan_at(&self, request: &Request, now: Duration) -> Plan {
        let (entry, _) = self.snapshot.find(None, "/api/x").unwrap();
        self.snapshot
            .plan(&entry.rules, &request.call(), request.operation, Offset(now))
    }

    /// Which of `calls` same requests are hit, by their numbers from 1.
    pub(crate) fn hits(&self, calls: u64, request: &Request) -> Vec<u64> {
        (1..=calls).filter(|_| !self.plan(request).is_empty()).collect()
    }
}

/// A request that owns what a call borrows.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) agent: AgentId,
    pub(crate) attempt: u32,
    pub(crate) facts: Facts,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) operation: u64,
    json: Option<serde_json::Value>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            query: None,
            headers: HeaderMap::new(),
            agent: AgentId::named("tester"),
            attempt: 1,
            facts: Facts::default(),
            body: None,
            operation: 0,
            json: None,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers
            .append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    pub(crate) fn query(mut self, query: &str) -> Self {
        self.query = Some(query.to_owned());
        self
    }

    pub(crate) fn agent(mut self, name: &str) -> Self {
        self.agent = AgentId::named(name);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.json = serde_json::from_slice(&body).ok();
        self.body = Some(body);
        self
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            route: "api".into(),
            dialect: "plain",
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            agent: &self.agent,
            attempt: self.attempt,
            facts: self.facts.clone(),
            body: match (&self.body, &self.json) {
                (None, _) => Body::Unread,
                (Some(body), None) => Body::Bytes(body),
                (Some(body), Some(json)) => Body::Json(body, json),
            },
        }
    }
}

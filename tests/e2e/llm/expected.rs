//! What each SDK must make of each failure: `tests/sdk/expected.json`. It is written by hand: from the SDKs' own
//! sources (which class a status becomes, which are retried, which headers are listened to) and from the APIs'
//! documentation (status and code of each failure). Where an API's documentation is silent, status and code are those
//! that the dialect chose; such a cell proves what the SDK makes of them, and that they do not change unseen.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;

use super::harness::repository;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// The SDKs, in the order of the documentation.
    pub sdks: Vec<Sdk>,
    /// What each API sends, by dialect.
    pub dialects: BTreeMap<String, Api>,
}

/// One SDK, set up in one way, before one API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sdk {
    /// Its name in the matrix.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Where it runs.
    pub language: Language,
    /// The package whose version counts.
    pub package: String,
    /// The scripts' name for it.
    pub sdk: String,
    /// The API that it calls.
    pub dialect: String,
    /// How it retries, if it does.
    pub retries: Option<Retries>,
    /// Class by code, by status, by `4xx` and `5xx`, `retried` and `other`: the first that there is.
    classes: BTreeMap<String, String>,
    /// Where its code comes from.
    code: CodeFrom,
    /// Whether its error has the request id.
    request_id: bool,
}

/// Where an SDK runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Language {
    Python,
    Node,
}

/// What an SDK has as the code of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum CodeFrom {
    /// What the body says.
    #[serde(rename = "body")]
    Body,
    /// What the body says, else the status's reason phrase.
    #[serde(rename = "body or reason")]
    BodyOrReason,
    /// What the body says, else the status.
    #[serde(rename = "body or status")]
    BodyOrStatus,
    /// It has none.
    #[serde(rename = "none")]
    None,
}

/// How an SDK retries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retries {
    /// Whether it does so only if it is asked to.
    #[serde(default)]
    pub asked: bool,
    /// How many calls there are then.
    pub calls: usize,
    /// Which statuses, or `5xx`.
    statuses: Vec<String>,
    /// The least that it waits before each retry if nothing tells it how long.
    pub own_waits_ms: Vec<i64>,
    /// The least that it waits when it is told to wait [`TOLD_MS`]; none if it does not listen.
    pub told_wait_ms: Option<i64>,
    /// What it listens to, for people.
    pub listens: String,
    /// How many calls there are if it is told to wait [`LONG_MS`]; none if it would wait so long.
    pub long_calls: Option<usize>,
}

/// The wait that a failure tells, where one is told: neither whole seconds nor anybody's own back-off.
pub(super) const TOLD_MS: i64 = 2500;

/// A wait that some SDKs refuse.
pub(super) const LONG_MS: i64 = 121_000;

/// How an API fails.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    /// How its request ids begin; none if it sends none.
    request_id: Option<String>,
    /// Each failure kind.
    kinds: BTreeMap<String, Face>,
}

/// How an API shows one failure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Face {
    status: u16,
    code: Option<String>,
    /// Whether it bears a request id: what stands before the API, and answers for it, gives none.
    #[serde(default = "yes")]
    id: bool,
    /// Words that applications look for.
    says: Option<String>,
}

fn yes() -> bool {
    true
}

/// What must be seen of one failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub raises: String,
    pub status: u16,
    pub code: Option<String>,
    /// How the request id begins; none if the error has none.
    pub request_id: Option<String>,
    /// What its text has in it.
    pub says: Option<String>,
    /// Whether it is one that the SDK retries.
    pub retried: bool,
}

impl Expected {
    pub(super) fn read() -> Self {
        let path = repository().join("tests/sdk/expected.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// What this SDK must make of this failure.
    pub(super) fn sight(&self, sdk: &Sdk, kind: &str) -> Sight {
        let api = &self.dialects[&sdk.dialect];
        let face = &api.kinds[kind];
        let retried = sdk
            .retries
            .as_ref()
            .is_some_and(|retries| fits(&retries.statuses, face.status));
        Sight {
            raises: sdk.class(face, retried),
            status: face.status,
            code: sdk.code(face),
            request_id: api.request_id.clone().filter(|_| sdk.request_id && face.id),
            says: face.says.clone(),
            retried,
        }
    }
}

impl Sdk {
    fn class(&self, face: &Face, retried: bool) -> String {
        let keys = [
            face.code.clone().unwrap_or_default(),
            face.status.to_string(),
            format!("{}xx", face.status / 100),
            if retried { "retried" } else { "other" }.to_owned(),
            "other".to_owned(),
        ];
        let class = keys.iter().find_map(|key| self.classes.get(key));
        class
            .unwrap_or_else(|| panic!("{} has no class for {face:?}", self.id))
            .clone()
    }

    fn code(&self, face: &Face) -> Option<String> {
        let status = StatusCode::from_u16(face.status).expect("a status");
        let body = face.code.clone();
        match self.code {
            CodeFrom::Body => body,
            CodeFrom::BodyOrReason => body.or(status.canonical_reason().map(str::to_owned)),
            CodeFrom::BodyOrStatus => body.or(Some(status.as_str().to_owned())),
            CodeFrom::None => None,
        }
    }
}

fn fits(statuses: &[String], status: u16) -> bool {
    let class = format!("{}xx", status / 100);
    statuses
        .iter()
        .any(|one| *one == status.to_string() || *one == class)
}

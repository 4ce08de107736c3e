//! `error`: a failure by meaning, as the API of the route would send it.

use murphy_core::effect::{Effect, ReplySource, Respond};
use murphy_core::failure::{Failure, FailureKind, RetryAfterForm};
use murphy_core::problem::Problem;
use murphy_core::span::Span;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess};
use serde_json::{Value, json};

use crate::check::Check;
use crate::forms::{Forms, Scalar, forms, or_short};
use crate::kind::{Ctx, Kind, upstream_use};

/// The longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// Murphy answers with a failure that is named by its meaning; the route's dialect decides how it looks:
/// status, headers and body. `error: overloaded` is short for `error: { kind: overloaded }`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Error", transform = all_forms)]
pub struct Error {
    /// What went wrong.
    #[schemars(with = "Kinds")]
    pub kind: FailureKind,
    /// How long the client is told to wait.
    pub retry_after: Option<Span>,
    /// How that wait is written: seconds, rounded up, or an HTTP date.
    #[serde(default)]
    pub retry_after_form: RetryAfterForm,
    /// Text that replaces the API's own message, at most 4 KiB.
    pub message: Option<String>,
    /// Whether the upstream is called first and its answer is thrown away.
    #[serde(default)]
    pub after_upstream: bool,
}

/// The schema of a failure kind as a plain list of names.
struct Kinds;

impl JsonSchema for Kinds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FailureName".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        Schema::try_from(names()).unwrap_or_default()
    }
}

fn names() -> Value {
    let names: Vec<_> = FailureKind::ALL.iter().map(|kind| kind.name()).collect();
    json!({ "type": "string", "enum": names })
}

fn all_forms(schema: &mut Schema) {
    or_short(schema, names());
}

impl Forms for Error {
    const WANTED: &'static str = "a failure such as rate_limited, or { kind: rate_limited, retry_after: 2s }";

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        let Scalar::Text(name) = scalar else {
            return Err(scalar.refuse(Self::WANTED));
        };
        Ok(Self {
            kind: FailureKind::deserialize(name.into_deserializer())?,
            retry_after: None,
            retry_after_form: RetryAfterForm::default(),
            message: None,
            after_upstream: false,
        })
    }
}
forms!(Error);

impl Kind for Error {
    const SUMMARY: &'static str = "Answers with a failure as the route's API would send it.";
    const EXAMPLE: &'static str = "error:\n  kind: rate_limited\n  retry_after: 2s";
    const TERMINAL: bool = true;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        if let Some(message) = &self.message
            && message.len() > MESSAGE_BYTES_MAX
        {
            check.refuse(
                &["message"],
                format_args!("{} bytes", message.len()),
                "at most 4 KiB",
            );
        }
        check.done(vec![Effect::Respond(Respond {
            reply: ReplySource::Failure(Failure {
                kind: self.kind,
                retry_after: self.retry_after.map(|wait| wait.0),
                form: self.retry_after_form,
                message: self.message.clone(),
            }),
            upstream: upstream_use(self.after_upstream),
            malformed: false,
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use murphy_core::effect::UpstreamUse;

    use crate::testing::{effect, problems, refusal};

    fn failure(yaml: &str) -> (Failure, UpstreamUse) {
        match effect(yaml) {
            Effect::Respond(Respond {
                reply: ReplySource::Failure(failure),
                upstream,
                malformed: false,
            }) => (failure, upstream),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_failure_has_its_short_form() {
        for kind in FailureKind::ALL {
            let (failure, upstream) = failure(&format!("error: {kind}"));
            assert_eq!(
                (failure.kind, failure.retry_after, upstream),
                (kind, None, UpstreamUse::Skip)
            );
        }
    }

    #[test]
    fn the_full_form_says_how_long_to_wait() {
        let yaml = "error: { kind: rate_limited, retry_after: 2s, retry_after_form: date, message: no, after_upstream: true }";
        let wanted = Failure {
            kind: FailureKind::RateLimited,
            retry_after: Some(std::time::Duration::from_secs(2)),
            form: RetryAfterForm::Date,
            message: Some("no".to_owned()),
        };
        assert_eq!(failure(yaml), (wanted, UpstreamUse::Call));
    }

    #[test]
    fn mistakes_are_told() {
        let long = "x".repeat(MESSAGE_BYTES_MAX + 1);
        assert_eq!(
            problems(&format!("error: {{ kind: internal, message: {long} }}")),
            ["error.message: found 4097 bytes, wanted at most 4 KiB"]
        );
        assert!(refusal("error: overloded").contains("unknown variant `overloded`"));
        assert!(refusal("error: { kind: internal, retry_after: 2 }").contains("2 is not a duration"));
    }
}

//! `status`: an answer with a chosen status, headers and body.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use murphy_core::effect::{Effect, Reply, ReplySource, Respond};
use murphy_core::problem::Problem;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess};
use serde_json::{Value, json};

use crate::check::{Check, at};
use crate::content::{Sources, present};
use crate::fields::Fields;
use crate::forms::{Forms, Scalar, forms, or_short, whole};
use crate::kind::{Ctx, Kind, upstream_use};

/// Murphy answers in the upstream's place: a status, headers, and a body as text, as JSON or from a file.
/// `status: 503` is short for `status: { code: 503 }`. For the error that an API would really send, use
/// `error`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Status", transform = all_forms)]
pub struct Status {
    /// The status.
    #[schemars(range(min = 200, max = 999))]
    #[serde(deserialize_with = "whole")]
    pub code: u16,
    /// Headers of the answer.
    #[serde(default)]
    pub headers: Fields,
    /// The body as text.
    pub text: Option<String>,
    /// The body as JSON.
    #[serde(default, deserialize_with = "present")]
    pub json: Option<Value>,
    /// The body from a file beside the scenario.
    pub file: Option<String>,
    /// Whether the upstream is called first and its answer is thrown away: the work is done, the client is
    /// told otherwise.
    #[serde(default)]
    pub after_upstream: bool,
}

fn all_forms(schema: &mut Schema) {
    or_short(
        schema,
        json!({ "type": "integer", "minimum": 200, "maximum": 999, "description": "The status alone." }),
    );
}

impl Forms for Status {
    const WANTED: &'static str = "a status such as 503, or { code: 503, text: … }";

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        let code = match scalar {
            Scalar::Whole(code) => u16::try_from(code).ok(),
            _ => None,
        };
        Ok(Self {
            code: code.ok_or_else(|| scalar.refuse(Self::WANTED))?,
            ..Self::default()
        })
    }
}
forms!(Status);

impl Kind for Status {
    const SUMMARY: &'static str = "Answers with a chosen status, headers and body.";
    const EXAMPLE: &'static str =
        "status:\n  code: 503\n  headers: { retry-after: 5 }\n  json: { error: maintenance }";
    const TERMINAL: bool = true;

    fn compile(&self, ctx: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        // 1xx are interim answers (RFC 9110 §15.2): the client would go on waiting for the final one.
        check.within(&["code"], self.code, &(200..=999));
        let mut headers = self.headers.compile(&mut check, &at(&["headers"]));
        let sources = Sources {
            text: self.text.as_deref(),
            json: self.json.as_ref(),
            file: self.file.as_deref(),
        };
        // RFC 9110 §15.3.5, §15.3.6, §15.4.5: these end with their head.
        if matches!(self.code, 204 | 205 | 304) && sources.count() > 0 {
            check.refuse(&["code"], self.code, "a status that has a body, or no body");
        }
        let content = sources.read(ctx, &mut check, &[]);
        if let Some(content) = &content
            && !headers.iter().any(|(name, _)| name == CONTENT_TYPE)
        {
            headers.insert(0, (CONTENT_TYPE, content.content_type.clone()));
        }
        let reply = Reply {
            status: self.code,
            headers,
            body: content.map(|content| content.body).unwrap_or_default(),
        };
        check.done(vec![Effect::Respond(Respond {
            reply: ReplySource::Fixed(Arc::new(reply)),
            upstream: upstream_use(self.after_upstream),
            malformed: false,
        })])
    }
}

#[cfg(test)]
mod tests;

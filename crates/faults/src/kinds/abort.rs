//! `abort`: the connection or the stream breaks.

use std::borrow::Cow;

use murphy_core::effect::{Abort as AbortEffect, AbortAt, AbortHow, Effect, Position};
use murphy_core::problem::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::check::Check;
use crate::forms::{Forms, Scalar, forms, or_short};
use crate::kind::{Ctx, Kind};
use crate::place::Place;

/// The connection breaks: when it is accepted, before an answer, after the upstream did the work, or inside
/// the body. `abort: rst` is short for `abort: { how: rst }`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Abort", transform = all_forms)]
pub struct Abort {
    /// When.
    #[serde(default)]
    pub at: When,
    /// With `mid_body`: after how much of the body; half of it unless it is given.
    pub after: Option<Place>,
    /// How.
    #[serde(default)]
    pub how: How,
}

/// When a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum When {
    /// When it is accepted, before a byte is read. Such a rule cannot look at a request.
    Accept,
    /// After the request was read; the upstream is not called.
    #[default]
    BeforeResponse,
    /// After the upstream answered: the work is done and its answer is lost.
    AfterUpstream,
    /// Inside the body of the response.
    MidBody,
}

/// How a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum How {
    /// An orderly end of the TCP stream, under TLS without `close_notify`; on HTTP/2, where others share the
    /// connection, a reset of the stream with `INTERNAL_ERROR`.
    #[default]
    Fin,
    /// A TCP reset.
    Rst,
    /// On HTTP/2, a reset of the stream with this code, by its name such as `CANCEL` or its number (RFC 9113 §7);
    /// on HTTP/1.1, a TCP reset.
    H2Reset(H2Code),
}

/// An HTTP/2 error code, by its name or its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct H2Code(pub u32);

/// The error codes of HTTP/2 by their number (RFC 9113 §7).
const H2_CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl Forms for H2Code {
    const WANTED: &'static str = "an error code of HTTP/2 such as CANCEL or 8 (RFC 9113 §7)";

    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        let code = match scalar {
            Scalar::Whole(code) => u32::try_from(code).ok(),
            Scalar::Text(name) => (0..)
                .zip(H2_CODES)
                .find_map(|(code, known)| known.eq_ignore_ascii_case(name).then_some(code)),
            _ => None,
        };
        code.map(Self).ok_or_else(|| scalar.refuse(Self::WANTED))
    }
}
forms!(H2Code);

impl JsonSchema for H2Code {
    fn schema_name() -> Cow<'static, str> {
        "Http2ErrorCode".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An HTTP/2 error code by name or number (RFC 9113 §7).",
            "anyOf": [
                { "type": "string", "enum": H2_CODES },
                { "type": "integer", "minimum": 0, "maximum": u32::MAX },
            ],
        })
    }
}

fn all_forms(schema: &mut Schema) {
    or_short(
        schema,
        json!({ "type": "string", "enum": ["fin", "rst"], "description": "How, before a response." }),
    );
}

impl Forms for Abort {
    const WANTED: &'static str = "fin, rst, or { at: mid_body, after: 50%, how: rst }";

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        let how = match scalar {
            Scalar::Text("fin") => How::Fin,
            Scalar::Text("rst") => How::Rst,
            other => return Err(other.refuse(Self::WANTED)),
        };
        Ok(Self {
            how,
            ..Self::default()
        })
    }
}
forms!(Abort);

impl Kind for Abort {
    const SUMMARY: &'static str =
        "Breaks the connection: at accept, before or after the upstream, or inside the body.";
    const EXAMPLE: &'static str = "abort:\n  at: mid_body\n  after: 50%\n  how: rst";
    const TERMINAL: bool = true;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        if let Some(after) = self.after
            && self.at != When::MidBody
        {
            check.refuse(&["after"], after, "no place in the body unless at is mid_body");
        }
        let at = match self.at {
            When::Accept => AbortAt::Accept,
            When::BeforeResponse => AbortAt::BeforeResponse,
            When::AfterUpstream => AbortAt::AfterUpstream,
            When::MidBody => AbortAt::MidBody(match self.after {
                Some(after) => after.before_end(&mut check, "after"),
                None => Position::Share(0.5),
            }),
        };
        let how = match self.how {
            How::Fin => AbortHow::Fin,
            How::Rst => AbortHow::Rst,
            How::H2Reset(H2Code(code)) => AbortHow::H2Reset(code),
        };
        if at == AbortAt::Accept && matches!(how, AbortHow::H2Reset(_)) {
            check.refuse(
                &["how"],
                "h2_reset at accept",
                "fin or rst: no stream is open yet",
            );
        }
        check.done(vec![Effect::Abort(AbortEffect { at, how })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems, refusal};

    fn abort(at: AbortAt, how: AbortHow) -> Effect {
        Effect::Abort(AbortEffect { at, how })
    }

    #[test]
    fn every_moment_and_every_way_compiles() {
        for (yaml, wanted) in [
            ("abort: rst", abort(AbortAt::BeforeResponse, AbortHow::Rst)),
            ("abort: fin", abort(AbortAt::BeforeResponse, AbortHow::Fin)),
            ("abort: {}", abort(AbortAt::BeforeResponse, AbortHow::Fin)),
            (
                "abort: { at: accept, how: rst }",
                abort(AbortAt::Accept, AbortHow::Rst),
            ),
            (
                "abort: { at: after_upstream }",
                abort(AbortAt::AfterUpstream, AbortHow::Fin),
            ),
            (
                "abort: { at: mid_body }",
                abort(AbortAt::MidBody(Position::Share(0.5)), AbortHow::Fin),
            ),
            (
                "abort: { at: mid_body, after: 512B }",
                abort(AbortAt::MidBody(Position::Bytes(512)), AbortHow::Fin),
            ),
            (
                "abort: { at: mid_body, after: 0 }",
                abort(AbortAt::MidBody(Position::Bytes(0)), AbortHow::Fin),
            ),
            (
                "abort: { how: { h2_reset: CANCEL } }",
                abort(AbortAt::BeforeResponse, AbortHow::H2Reset(8)),
            ),
            (
                "abort: { how: { h2_reset: refused_stream } }",
                abort(AbortAt::BeforeResponse, AbortHow::H2Reset(7)),
            ),
            (
                "abort: { how: { h2_reset: 11 } }",
                abort(AbortAt::BeforeResponse, AbortHow::H2Reset(11)),
            ),
        ] {
            assert_eq!(effect(yaml), wanted, "{yaml}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(
            problems("abort: { at: accept, after: 50%, how: { h2_reset: 8 } }"),
            [
                "abort.after: found 50%, wanted no place in the body unless at is mid_body",
                "abort.how: found h2_reset at accept, wanted fin or rst: no stream is open yet",
            ]
        );
        assert_eq!(
            problems("abort: { at: mid_body, after: 100% }"),
            ["abort.after: found 100%, wanted a share below 100%, which is the end of the body"]
        );
        assert!(problems("abort: { at: mid_body, after: inside_json }")[0].contains("only truncate"));
        let wrong = refusal("abort: { how: { h2_reset: CANCLE } }");
        assert!(
            wrong.contains("column 27") && wrong.contains(r#"found "CANCLE""#),
            "{wrong}"
        );
        assert!(refusal("abort: { how: { h2_reset: -1 } }").contains("found -1, wanted an error code"));
        assert!(refusal("abort: bang").contains(r#"found "bang", wanted fin, rst"#));
    }
}

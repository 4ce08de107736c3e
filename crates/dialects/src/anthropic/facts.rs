//! What rules may match on in a call of the Messages API.

use http::Method;
use murphy_core::call::Facts;
use serde_json::Value;

use crate::reading::{length, names};
use crate::rendering::without_query;

/// The endpoints whose body names a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `messages`: an answer of the model, whole or as a stream.
    Messages,
    /// `messages/count_tokens`: never a stream.
    CountTokens,
}

impl Endpoint {
    /// The endpoint of a call, by the end of its path: base URLs differ in what stands before it.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        if method != Method::POST {
            return None;
        }
        let path = without_query(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.ends_with("/messages") {
            return Some(Self::Messages);
        }
        path.ends_with("/messages/count_tokens")
            .then_some(Self::CountTokens)
    }
}

/// Reads the facts from a body. What is not as it should be is not a fact.
pub(super) fn read(endpoint: Endpoint, body: &Value) -> Facts {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let choice = body.get("tool_choice");
    let names_one = choice
        .and_then(|choice| choice.get("type"))
        .and_then(Value::as_str)
        == Some("tool");
    Facts {
        model: text(body.get("model")),
        stream: endpoint == Endpoint::Messages && body.get("stream").and_then(Value::as_bool) == Some(true),
        tool: if names_one {
            text(choice.and_then(|choice| choice.get("name")))
        } else {
            None
        },
        tools: names(body.get("tools"), |tool| tool.get("name")),
        messages: length(body.get("messages")),
        max_tokens: body.get("max_tokens").and_then(Value::as_u64),
        ..Facts::default()
    }
}

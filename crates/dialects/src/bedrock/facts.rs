//! Calls of the Bedrock runtime: model and operation stand in the path, `/model/{modelId}/{operation}`.

use std::borrow::Cow;

use http::Method;
use murphy_core::call::Facts;
use serde_json::Value;

use crate::percent::decoded;
use crate::reading::{length, names};
use crate::rendering::without_query;

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// `converse`.
    Converse,
    /// `converse-stream`.
    ConverseStream,
    /// `invoke`: the body is the model's own.
    Invoke,
    /// `invoke-with-response-stream`, or `invoke-with-bidirectional-stream`.
    InvokeStream,
    /// `count-tokens`.
    CountTokens,
}

impl Operation {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "converse" => Self::Converse,
            "converse-stream" => Self::ConverseStream,
            "invoke" => Self::Invoke,
            "invoke-with-response-stream" | "invoke-with-bidirectional-stream" => Self::InvokeStream,
            "count-tokens" => Self::CountTokens,
            _ => return None,
        })
    }

    /// Whether the body is the model's own.
    pub(super) fn is_invoke(self) -> bool {
        matches!(self, Self::Invoke | Self::InvokeStream)
    }
}

/// A model and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint<'p> {
    /// The model: an id, the id of an inference profile, or an ARN.
    pub(super) model: Cow<'p, str>,
    /// The operation.
    pub(super) operation: Operation,
}

impl<'p> Endpoint<'p> {
    /// The endpoint of a call.
    pub(super) fn of(method: &Method, path: &'p str) -> Option<Self> {
        if method == Method::POST {
            Self::in_path(path)
        } else {
            None
        }
    }

    /// The endpoint of a path. An ARN has slashes, which a client ought to encode; one that does not is understood.
    pub(super) fn in_path(path: &'p str) -> Option<Self> {
        let (before, operation) = without_query(path).rsplit_once('/')?;
        let (_, model) = before.split_once("/model/")?;
        if model.is_empty() {
            return None;
        }
        Some(Self {
            model: decoded(model),
            operation: Operation::named(operation)?,
        })
    }
}

/// Reads the facts. What is not as it should be is not a fact.
pub(super) fn read(endpoint: &Endpoint<'_>, body: Option<&Value>) -> Facts {
    let operation = endpoint.operation;
    let tool = body.and_then(|body| {
        if operation.is_invoke() {
            only_tool_of_anthropic(body)
        } else {
            body.pointer("/toolConfig/toolChoice/tool/name")?.as_str()
        }
    });
    Facts {
        model: Some(endpoint.model.clone().into_owned()),
        stream: matches!(operation, Operation::ConverseStream | Operation::InvokeStream),
        tool: tool.map(str::to_owned),
        tools: body
            .map(|body| offered_tools(operation, body))
            .unwrap_or_default(),
        messages: body.and_then(|body| length(body.get("messages"))),
        max_tokens: body.and_then(|body| {
            let most = if operation.is_invoke() {
                "/max_tokens"
            } else {
                "/inferenceConfig/maxTokens"
            };
            body.pointer(most)?.as_u64()
        }),
        ..Facts::default()
    }
}

/// The tools of Converse, or of the Messages API, which is what most models that are invoked take.
fn offered_tools(operation: Operation, body: &Value) -> Vec<String> {
    if operation.is_invoke() {
        names(body.get("tools"), |tool| tool.get("name"))
    } else {
        names(body.pointer("/toolConfig/tools"), |tool| {
            tool.pointer("/toolSpec/name")
        })
    }
}

/// The tool that a body of the Messages API insists on, which is what most models that are invoked take.
fn only_tool_of_anthropic(body: &Value) -> Option<&str> {
    let choice = body.get("tool_choice")?;
    if choice.get("type")?.as_str()? != "tool" {
        return None;
    }
    choice.get("name")?.as_str()
}

//! Calls of the Gemini API: what is asked of which model stands in the path, the rest in the body.

use std::borrow::Cow;

use http::Method;
use murphy_core::call::Facts;
use serde_json::Value;

use crate::percent::decoded;
use crate::reading::{length, names};

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// `generateContent`.
    Generate,
    /// `streamGenerateContent` as server-sent events: what the SDKs ask for.
    StreamEvents,
    /// `streamGenerateContent` without `alt=sse`: one JSON array.
    StreamArray,
    /// Any other that takes its arguments in a body: `countTokens`, `embedContent`, `streamRawPredict`.
    Other,
}

/// A model and what is asked of it: `…/{version}/…models/{model}:{operation}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint<'p> {
    /// The version of the API, if the path has one.
    pub(super) version: Option<&'p str>,
    /// The collection that the model is in: `models` or `tunedModels`.
    pub(super) collection: &'p str,
    /// The model.
    pub(super) model: Cow<'p, str>,
    /// The operation as it is written.
    pub(super) verb: &'p str,
    /// The operation.
    pub(super) operation: Operation,
    /// Whether Vertex AI is asked, whose models belong to publishers or to endpoints of a project.
    pub(super) vertex: bool,
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

    /// The endpoint of a path. Without its query, a stream is taken for one of events, as all SDKs ask for.
    pub(super) fn in_path(path: &'p str) -> Option<Self> {
        let (path, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        let mut segments = path.rsplit('/');
        let (model, verb) = rsplit_colon(segments.next()?)?;
        let collection = segments.next()?;
        if !matches!(collection, "models" | "tunedModels" | "endpoints") || model.is_empty() {
            return None;
        }
        let mut others = segments.clone();
        let events = query.is_none_or(|query| query.split('&').any(|pair| pair == "alt=sse"));
        Some(Self {
            version: segments.find(|segment| is_version(segment)),
            collection,
            model: decoded(model),
            verb,
            operation: match verb {
                "generateContent" => Operation::Generate,
                "streamGenerateContent" if events => Operation::StreamEvents,
                "streamGenerateContent" => Operation::StreamArray,
                _ => Operation::Other,
            },
            vertex: collection == "endpoints"
                || others.any(|segment| matches!(segment, "publishers" | "projects")),
        })
    }
}

/// The model and the operation. The colon may be encoded, as some HTTP clients do.
fn rsplit_colon(segment: &str) -> Option<(&str, &str)> {
    segment
        .rsplit_once(':')
        .or_else(|| segment.rsplit_once("%3A"))
        .or_else(|| segment.rsplit_once("%3a"))
}

/// `v1`, `v1beta`, `v1alpha`, `v1beta1`.
fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// Reads the facts. What is not as it should be is not a fact.
pub(super) fn read(endpoint: &Endpoint<'_>, body: Option<&Value>) -> Facts {
    Facts {
        model: Some(endpoint.model.clone().into_owned()),
        stream: endpoint.verb.starts_with("stream"), // `streamRawPredict` too, of the partners on Vertex AI
        tool: body.and_then(only_tool).map(str::to_owned),
        tools: body.map(offered_tools).unwrap_or_default(),
        messages: body.and_then(|body| length(body.get("contents"))),
        max_tokens: body.and_then(max_tokens),
        ..Facts::default()
    }
}

/// The functions that are declared, over all tools.
fn offered_tools(body: &Value) -> Vec<String> {
    let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    let declared = tools.map(|tool| get(tool, "functionDeclarations", "function_declarations"));
    declared
        .flat_map(|list| names(list, |function| function.get("name")))
        .collect()
}

fn max_tokens(body: &Value) -> Option<u64> {
    let config = get(body, "generationConfig", "generation_config")?;
    get(config, "maxOutputTokens", "max_output_tokens")?.as_u64()
}

/// The one function that the model must call: mode `ANY` with a single allowed name. JSON of protocol buffers
/// may be written in camel case or in snake case.
fn only_tool(body: &Value) -> Option<&str> {
    let config = get(
        get(body, "toolConfig", "tool_config")?,
        "functionCallingConfig",
        "function_calling_config",
    )?;
    if !config.get("mode")?.as_str()?.eq_ignore_ascii_case("ANY") {
        return None;
    }
    match get(config, "allowedFunctionNames", "allowed_function_names")?
        .as_array()?
        .as_slice()
    {
        [name] => name.as_str(),
        _ => None,
    }
}

fn get<'v>(value: &'v Value, camel: &str, snake: &str) -> Option<&'v Value> {
    value.get(camel).or_else(|| value.get(snake))
}

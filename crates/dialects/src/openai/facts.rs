//! What a request of the OpenAI family says: the model, whether a stream is asked for, the tools, the number of
//! messages, the bound on the answer. A body that is none of this API's makes fewer facts, never an error.

use http::Method;
use murphy_core::call::Facts;
use serde_json::Value;

use super::endpoint::Endpoint;
use crate::percent::decoded;

/// Whether the body of such a request holds facts: only calls to a model do, and they are sent by POST.
pub(crate) fn reads_body(method: &Method, path: &str) -> bool {
    method == Method::POST && Endpoint::of(path).asks_a_model()
}

/// The facts of a request.
pub(crate) fn read(method: &Method, path: &str, body: Option<&Value>) -> Facts {
    if let Endpoint::Models(id) = Endpoint::of(path) {
        return Facts {
            model: Some(decoded(id).into_owned()).filter(|id| !id.is_empty()),
            ..Facts::default()
        };
    }
    let Some(body) = body.filter(|_| reads_body(method, path)) else {
        return Facts::default();
    };
    Facts {
        model: text(body.get("model")),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        tool: forced_tool(body),
        tools: offered_tools(body),
        messages: messages(Endpoint::of(path), body),
        max_tokens: MAX_TOKENS
            .iter()
            .find_map(|key| body.get(key).and_then(Value::as_u64)),
        ..Facts::default()
    }
}

/// Where the bound on the answer's tokens stands: Chat Completions (the second is its older name and that of the
/// other servers), Responses.
const MAX_TOKENS: [&str; 3] = ["max_completion_tokens", "max_tokens", "max_output_tokens"];

/// How many messages, or items of input, a request has. The input of embeddings is none.
fn messages(endpoint: Endpoint<'_>, body: &Value) -> Option<u32> {
    let count = match endpoint {
        Endpoint::Chat => body.get("messages")?.as_array()?.len(),
        Endpoint::Responses => match body.get("input")? {
            Value::Array(items) => items.len(),
            Value::String(_) => 1,
            _ => return None,
        },
        _ => return None,
    };
    u32::try_from(count).ok()
}

/// The tool that the model has to call. `auto`, `none`, `required` and a list of allowed ones leave it to the
/// model. The deprecated `function_call` holds nothing but a name.
fn forced_tool(body: &Value) -> Option<String> {
    let choice = body.get("tool_choice").or_else(|| body.get("function_call"))?;
    tool_name(choice)
}

/// The names of the tools that are offered; the deprecated `functions` are tools, too.
fn offered_tools(body: &Value) -> Vec<String> {
    let offered = body.get("tools").or_else(|| body.get("functions"));
    let offered = offered.and_then(Value::as_array).into_iter().flatten();
    offered.filter_map(tool_name).collect()
}

/// What a tool is called. Chat Completions nest the name (`{"type":"function","function":{"name":…}}`, `custom`
/// likewise), Responses do not (`{"type":"function","name":…}`), and a tool that the API itself has is known by its
/// type alone (`{"type":"web_search"}`).
fn tool_name(tool: &Value) -> Option<String> {
    let nested = tool.get("function").or_else(|| tool.get("custom"));
    let own = || {
        text(tool.get("type"))
            .filter(|kind| !matches!(kind.as_str(), "function" | "custom" | "allowed_tools"))
    };
    text(nested.unwrap_or(tool).get("name")).or_else(own)
}

/// A text that says something.
fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;

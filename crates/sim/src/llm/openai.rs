//! OpenAI's APIs, in the shapes of the API reference (<https://platform.openai.com/docs/api-reference>): what they
//! share. Azure's deployments and, nearly, Mistral speak the same chat completions.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::brain::{Choice, Tool};
use super::json::{at, either, list, text};
use super::send;

mod chat;
mod embeddings;
pub(super) mod mistral;
mod responses;
mod responses_stream;

pub(crate) use chat::chat_completion;
pub(crate) use embeddings::embeddings;
pub(crate) use responses::responses;

/// When everything here was made: fixed, so that equal requests have equal answers.
pub(super) const CREATED: u64 = 1_760_000_000;

/// A refusal in the API's own shape.
fn invalid(message: &str, param: Option<&str>) -> Response {
    let error = json!({ "error": {
        "message": message, "type": "invalid_request_error", "param": param, "code": null,
    }});
    send::json(StatusCode::BAD_REQUEST, &error)
}

/// A refusal of a body that is no JSON object.
fn unreadable(why: &str) -> Response {
    invalid(
        &format!("We could not parse the JSON body of your request: {why}"),
        None,
    )
}

/// A refusal of a body that lacks this.
fn missing(param: &str) -> Response {
    invalid(&format!("Missing required parameter: '{param}'."), Some(param))
}

/// Every response has an id in this field.
fn identified(response: Response, id: u64) -> Response {
    send::with_header(response, "x-request-id", &format!("req_{id:032x}"))
}

/// Tools in both spellings: Chat Completions nests what Responses has flat. Tools that the provider runs itself
/// are none of ours.
fn tools(request: &Value) -> Vec<Tool> {
    let functions = list(at(request, "/tools")).iter().filter_map(|tool| {
        let function = either(tool, &["function"]);
        let definition = if function.is_null() { tool } else { function };
        let name = at(definition, "/name").as_str()?;
        Some(Tool::new(name, at(definition, "/parameters"), definition))
    });
    functions.collect()
}

/// `tool_choice` in both spellings, and Mistral's `any`.
fn choice(request: &Value) -> Choice {
    let choice = at(request, "/tool_choice");
    match choice.as_str() {
        Some("none") => Choice::None,
        Some("required" | "any") => Choice::Any,
        Some(_) => Choice::Auto,
        None => {
            let names = [text(choice, "/function/name"), text(choice, "/name")];
            let named = names.into_iter().find(|name| !name.is_empty());
            named.map_or(Choice::Auto, |name| Choice::Named(name.to_owned()))
        }
    }
}

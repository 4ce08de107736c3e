//! The lists of models. All but Bedrock have them at the same path, and a header tells who asks.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::openai::{CREATED, mistral};

/// The models that are listed; any name is served.
const MODELS: [&str; 2] = ["sim-large", "sim-small"];

/// [`CREATED`] as Anthropic writes it.
const CREATED_AT: &str = "2025-10-09T08:53:20Z";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum House {
    OpenAi,
    Anthropic,
    Gemini,
    Mistral,
}

impl House {
    fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key("anthropic-version") {
            Self::Anthropic
        } else if headers.contains_key("x-goog-api-key") || headers.contains_key("x-goog-api-client") {
            Self::Gemini
        } else if mistral::asks(headers) {
            Self::Mistral
        } else {
            Self::OpenAi
        }
    }

    fn model(self, id: &str) -> Value {
        match self {
            Self::OpenAi => json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "sim" }),
            Self::Anthropic => {
                json!({ "type": "model", "id": id, "display_name": id, "created_at": CREATED_AT })
            }
            Self::Mistral => json!({
                "id": id, "object": "model", "created": CREATED, "owned_by": "sim", "type": "base",
                "capabilities": { "completion_chat": true, "function_calling": true },
            }),
            Self::Gemini => json!({
                "name": format!("models/{id}"), "version": "001", "displayName": id,
                "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            }),
        }
    }

    fn list(self) -> Value {
        let models = MODELS.map(|id| self.model(id));
        match self {
            Self::OpenAi | Self::Mistral => json!({ "object": "list", "data": models }),
            Self::Anthropic => json!({
                "data": models, "has_more": false, "first_id": MODELS.first(), "last_id": MODELS.last(),
            }),
            Self::Gemini => json!({ "models": models }),
        }
    }
}

fn fresh(value: Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response()
}

/// `GET /v1/models`.
pub(crate) async fn list(headers: HeaderMap) -> Response {
    fresh(House::of(&headers).list())
}

/// `GET /v1/models/{model}`: any name is a model.
pub(crate) async fn one(Path(id): Path<String>, headers: HeaderMap) -> Response {
    fresh(House::of(&headers).model(&id))
}

/// `GET /v1beta/models`, which is Gemini's alone.
pub(crate) async fn gemini_list() -> Response {
    fresh(House::Gemini.list())
}

/// `GET /v1beta/models/{model}`.
pub(crate) async fn gemini_one(Path(id): Path<String>) -> Response {
    fresh(House::Gemini.model(&id))
}

//! Which endpoint of the OpenAI family a path names.

use crate::rendering::without_query;

/// What a path names. Paths are read from their end: whether a route's prefix holds `/v1`, `/openai/v1` or nothing
/// does not matter, and neither does a slash at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint<'p> {
    /// `chat/completions`; Mistral's `agents/completions`.
    Chat,
    /// `completions`; Mistral's `fim/completions`.
    Completions,
    /// `responses`, and its `input_tokens` and `compact`, which take the same body.
    Responses,
    /// `embeddings`.
    Embeddings,
    /// `images/generations` and its kin.
    Images,
    /// Another endpoint whose JSON body names a model: `moderations`, `audio/speech`, `rerank`, `ocr`.
    Auxiliary,
    /// `models` (no id) or `models/{id}`, as it was encoded; an id may hold slashes.
    Models(&'p str),
    /// `files` (no id), `files/{id}` or `files/{id}/content`.
    Files(&'p str),
    /// Anything else.
    Other,
}

impl<'p> Endpoint<'p> {
    /// The endpoint that a path names.
    pub(crate) fn of(path: &'p str) -> Self {
        let path = without_query(path).trim_end_matches('/');
        let mut segments = path.rsplit('/');
        let (last, before) = (
            segments.next().unwrap_or_default(),
            segments.next().unwrap_or_default(),
        );
        match (before, last) {
            ("chat" | "agents", "completions") => Self::Chat,
            (_, "completions") => Self::Completions,
            (_, "responses") | ("responses", "input_tokens" | "compact") => Self::Responses,
            (_, "embeddings") => Self::Embeddings,
            ("images", "generations" | "edits" | "variations") => Self::Images,
            (_, "moderations" | "rerank" | "ocr") | ("audio", "speech") => Self::Auxiliary,
            (_, "models") => Self::Models(""),
            (_, "files") => Self::Files(""),
            _ => Self::resource(path),
        }
    }

    fn resource(path: &'p str) -> Self {
        if let Some((_, id)) = path.split_once("/models/") {
            return Self::Models(id);
        }
        match path.split_once("/files/") {
            Some((_, rest)) => Self::Files(rest.split('/').next().unwrap_or_default()),
            None => Self::Other,
        }
    }

    /// Whether a POST asks a model something, and says which in its JSON body.
    pub(crate) fn asks_a_model(self) -> bool {
        !matches!(self, Self::Models(_) | Self::Files(_) | Self::Other)
    }
}

/// The deployment that a path of Azure names: `deployments/{deployment}/…`, as it was encoded.
pub(crate) fn deployment(path: &str) -> Option<&str> {
    let (_, rest) = without_query(path).split_once("/deployments/")?;
    rest.split('/').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_its_end() {
        for (path, endpoint) in [
            ("/v1/chat/completions", Endpoint::Chat),
            ("/chat/completions", Endpoint::Chat),
            ("/chat/completions/", Endpoint::Chat),
            ("/chat/completions?a=/models/b", Endpoint::Chat),
            ("/openai/deployments/d/chat/completions", Endpoint::Chat),
            ("/v1/agents/completions", Endpoint::Chat),
            ("/v1/completions", Endpoint::Completions),
            ("/completions", Endpoint::Completions),
            ("/v1/fim/completions", Endpoint::Completions),
            ("/v1/responses", Endpoint::Responses),
            ("/responses/input_tokens", Endpoint::Responses),
            ("/v1/responses/resp_1", Endpoint::Other),
            ("/v1/chat/completions/chatcmpl-1", Endpoint::Other),
            ("/v1/embeddings", Endpoint::Embeddings),
            ("/v1/images/generations", Endpoint::Images),
            ("/v1/moderations", Endpoint::Auxiliary),
            ("/v1/audio/speech", Endpoint::Auxiliary),
            ("/v1/models", Endpoint::Models("")),
            ("/models", Endpoint::Models("")),
            ("/v1/models/gpt-4o", Endpoint::Models("gpt-4o")),
            ("/v1/models/org/model:free", Endpoint::Models("org/model:free")),
            ("/v1/files", Endpoint::Files("")),
            ("/v1/files/file-1/content", Endpoint::Files("file-1")),
            ("/", Endpoint::Other),
            ("", Endpoint::Other),
            ("//", Endpoint::Other),
        ] {
            assert_eq!(Endpoint::of(path), endpoint, "{path}");
        }
    }

    #[test]
    fn a_deployment_stands_after_its_segment() {
        assert_eq!(
            deployment("/openai/deployments/my%20gpt/chat/completions"),
            Some("my%20gpt")
        );
        assert_eq!(deployment("/openai/deployments/"), None);
        assert_eq!(deployment("/openai/v1/chat/completions"), None);
    }
}

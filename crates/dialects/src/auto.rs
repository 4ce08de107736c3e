//! Which dialect a route speaks that does not say: by the host of its upstream, then by the path of a call.

/// Hosts and what they speak. A leading dot stands for any name below it.
const HOSTS: &[(&str, &str)] = &[
    ("api.openai.com", "openai"),
    (".api.openai.com", "openai"), // regions: eu.api.openai.com
    (".openai.azure.com", "azure-openai"),
    (".openai.azure.us", "azure-openai"),
    (".openai.azure.cn", "azure-openai"),
    (".cognitiveservices.azure.com", "azure-openai"),
    (".services.ai.azure.com", "azure-openai"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gemini"),
    ("aiplatform.googleapis.com", "gemini"),
    ("api.mistral.ai", "mistral"),
    ("codestral.mistral.ai", "mistral"),
    ("openrouter.ai", "openai-compatible"),
    ("api.groq.com", "openai-compatible"),
    ("api.deepseek.com", "openai-compatible"),
    ("api.together.xyz", "openai-compatible"),
    ("api.fireworks.ai", "openai-compatible"),
    ("api.cerebras.ai", "openai-compatible"),
    ("api.x.ai", "openai-compatible"),
];

/// Beginnings of the names of Bedrock's runtime: public, FIPS; a VPC endpoint has them as an inner label.
const BEDROCK: &[&str] = &["bedrock-runtime", "bedrock-runtime-fips"];

/// The port on which Ollama listens.
const OLLAMA: &str = "11434";

/// The name of the dialect of a call: `host` is the upstream's, with or without a port, `path` that of the call,
/// with or without a query. `plain` if neither is known.
///
/// Some hosts serve shapes that are not their own below certain paths: those paths come before the host.
#[must_use]
pub fn recognised(host: Option<&str>, path: &str) -> &'static str {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let by_host = host.and_then(of_host);
    match (by_host, foreign(path)) {
        (Some(own), Some(foreign)) if borrows(own, foreign) => foreign,
        (Some(own), _) => own,
        (None, _) => of_path(path),
    }
}

/// What a host speaks.
fn of_host(host: &str) -> Option<&'static str> {
    let host = host.to_ascii_lowercase();
    let (name, port) = name_and_port(&host);
    let named = HOSTS.iter().find(|(pattern, _)| {
        if pattern.starts_with('.') {
            name.ends_with(pattern)
        } else {
            name == *pattern
        }
    });
    if let Some((_, dialect)) = named {
        return Some(dialect);
    }
    if name.ends_with("-aiplatform.googleapis.com") {
        return Some("gemini"); // regions: us-central1-aiplatform.googleapis.com
    }
    let of_amazon = name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn");
    if of_amazon && name.split('.').any(|label| BEDROCK.contains(&label)) {
        return Some("bedrock");
    }
    (port == Some(OLLAMA)).then_some("openai-compatible")
}

/// The host's name, without the dot of the root, and its port. The address of IPv6 is in brackets if a port follows.
fn name_and_port(host: &str) -> (&str, Option<&str>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    (name.strip_suffix('.').unwrap_or(name), port)
}

/// Whether a host that speaks `own` is known to serve the shapes of `foreign` too: Anthropic and Google those of
/// OpenAI, Amazon, Azure and DeepSeek those of OpenAI and Anthropic, Ollama those of Anthropic.
fn borrows(own: &str, foreign: &str) -> bool {
    match foreign {
        "openai-compatible" => matches!(own, "anthropic" | "gemini" | "bedrock"),
        "anthropic" => matches!(own, "azure-openai" | "bedrock" | "openai-compatible"),
        _ => false,
    }
}

/// What a path means on a host of another API.
fn foreign(path: &str) -> Option<&'static str> {
    let spoken = of_path(path);
    matches!(spoken, "openai-compatible" | "anthropic").then_some(spoken)
}

/// What a path alone tells. OpenAI's own paths on a host that is not OpenAI's are those of a compatible server.
fn of_path(path: &str) -> &'static str {
    let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
    if path.contains("/openai/deployments/") {
        return "azure-openai";
    }
    if ends(&[
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/messages/batches",
    ]) {
        return "anthropic";
    }
    if ends(&[":generateContent", ":streamGenerateContent", ":countTokens"]) {
        return "gemini";
    }
    if path.contains("/model/")
        && ends(&[
            "/converse",
            "/converse-stream",
            "/invoke",
            "/invoke-with-response-stream",
        ])
    {
        return "bedrock";
    }
    if ends(&[
        "/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/embeddings",
    ]) {
        return "openai-compatible";
    }
    if ends(&["/mcp"]) { "mcp" } else { "plain" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::named;

    #[test]
    fn a_host_tells_what_it_speaks() {
        for (host, path, spoken) in [
            ("api.openai.com", "/v1/chat/completions", "openai"),
            ("api.openai.com", "/v1/files", "openai"),
            ("API.OpenAI.com:443", "/v1/models", "openai"),
            ("api.openai.com.", "/v1/models", "openai"),
            ("eu.api.openai.com", "/v1/responses", "openai"),
            (
                "acme.openai.azure.com",
                "/openai/deployments/d/chat/completions",
                "azure-openai",
            ),
            ("acme.openai.azure.com", "/openai/v1/responses", "azure-openai"),
            (
                "acme.services.ai.azure.com",
                "/anthropic/v1/messages",
                "anthropic",
            ),
            (
                "acme.services.ai.azure.com",
                "/openai/v1/chat/completions",
                "azure-openai",
            ),
            ("api.anthropic.com", "/v1/messages?beta=true", "anthropic"),
            ("api.anthropic.com", "/v1/models", "anthropic"),
            ("api.anthropic.com", "/v1/chat/completions", "openai-compatible"),
            ("generativelanguage.googleapis.com", "/v1beta/models", "gemini"),
            (
                "generativelanguage.googleapis.com",
                "/v1beta/openai/chat/completions",
                "openai-compatible",
            ),
            (
                "us-central1-aiplatform.googleapis.com",
                "/v1/projects/p",
                "gemini",
            ),
            (
                "bedrock-runtime.us-east-1.amazonaws.com",
                "/model/m/converse",
                "bedrock",
            ),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "/", "bedrock"),
            ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "/", "bedrock"),
            (
                "vpce-0-a.bedrock-runtime.us-east-1.vpce.amazonaws.com",
                "/",
                "bedrock",
            ),
            (
                "bedrock-runtime.us-west-2.amazonaws.com",
                "/openai/v1/chat/completions",
                "openai-compatible",
            ),
            (
                "bedrock-runtime.us-west-2.amazonaws.com",
                "/v1/messages",
                "anthropic",
            ),
            ("api.mistral.ai", "/v1/chat/completions", "mistral"),
            ("openrouter.ai", "/api/v1/chat/completions", "openai-compatible"),
            ("api.groq.com", "/openai/v1/chat/completions", "openai-compatible"),
            ("api.deepseek.com", "/chat/completions", "openai-compatible"),
            ("api.deepseek.com", "/anthropic/v1/messages", "anthropic"),
            ("localhost:11434", "/api/chat", "openai-compatible"),
            ("[::1]:11434", "/v1/models", "openai-compatible"),
            ("127.0.0.1:11434", "/v1/messages", "anthropic"),
        ] {
            assert_eq!(recognised(Some(host), path), spoken, "{host} {path}");
        }
    }

    #[test]
    fn a_host_that_looks_like_one_of_them_is_none() {
        for host in [
            "api.openai.com.evil.example",
            "notapi.openai.com.example",
            "xapi.anthropic.com",
            "openai.azure.com",
            "acme.openai.azure.com.evil.example",
            "bedrock-runtime.us-east-1.example.com",
            "mybedrock-runtime.us-east-1.amazonaws.com",
            "s3.us-east-1.amazonaws.com",
            "localhost:8000",
            "::1",
            "",
        ] {
            assert_eq!(recognised(Some(host), "/"), "plain", "{host}");
        }
    }

    #[test]
    fn on_an_unknown_host_the_path_tells() {
        for (path, spoken) in [
            ("/v1/messages", "anthropic"),
            ("/v1/messages/", "anthropic"),
            ("/v1/messages/count_tokens", "anthropic"),
            ("/anthropic/v1/messages?beta=true", "anthropic"),
            ("/v1/chat/completions", "openai-compatible"),
            ("/v1/responses", "openai-compatible"),
            ("/v1/embeddings", "openai-compatible"),
            (
                "/openai/deployments/d/chat/completions?api-version=1",
                "azure-openai",
            ),
            ("/v1beta/models/x:generateContent", "gemini"),
            ("/v1/models/x:streamGenerateContent?alt=sse", "gemini"),
            ("/model/x/converse", "bedrock"),
            ("/model/arn%3Aaws%3Ax%2Fy/converse-stream", "bedrock"),
            ("/model/x/invoke-with-response-stream", "bedrock"),
            ("/mcp", "mcp"),
            ("/servers/files/mcp/", "mcp"),
            ("/v1/models", "plain"),
            ("/messages", "plain"),
            ("/models/x/converse", "plain"),
            ("/invoke", "plain"),
            ("/mcpx", "plain"),
            ("/", "plain"),
            ("", "plain"),
        ] {
            assert_eq!(recognised(None, path), spoken, "{path}");
            assert_eq!(recognised(Some("localhost:8080"), path), spoken, "{path}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_a_dialect_comes_out(host in proptest::option::of(".*"), path in ".*") {
            prop_assert!(named(recognised(host.as_deref(), &path)).is_some());
        }
    }
}

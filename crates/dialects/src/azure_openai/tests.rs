//! How Azure OpenAI reads requests and shows failures.

use super::*;
use crate::openai::testing::{at, body, failure, header, holds_of_every_failure, limited, names, waiting};

const CHAT: &str = "/openai/deployments/my-gpt/chat/completions";

#[test]
fn every_failure_has_azures_status_and_code() {
    let rows = [
        (FailureKind::RateLimited, 429, json!("429")),
        (FailureKind::Overloaded, 429, json!("too_many_requests")),
        (FailureKind::Internal, 500, json!("InternalServerError")),
        (FailureKind::BadGateway, 502, json!(null)),
        (FailureKind::Unavailable, 503, json!("ServiceUnavailable")),
        (FailureKind::Timeout, 408, json!("Timeout")),
        (FailureKind::Unauthorized, 401, json!("401")),
        (FailureKind::Forbidden, 403, json!("403")),
        (FailureKind::QuotaExhausted, 429, json!("insufficient_quota")),
        (FailureKind::ContextLength, 400, json!("context_length_exceeded")),
        (FailureKind::ContentFilter, 400, json!("content_filter")),
        (FailureKind::NotFound, 404, json!("DeploymentNotFound")),
        (FailureKind::TooLarge, 413, json!(null)),
        (FailureKind::Conflict, 409, json!(null)),
    ];
    assert_eq!(rows.each_ref().map(|row| row.0), FailureKind::ALL);
    for (kind, status, code) in rows {
        let reply = AzureOpenAi.render(&failure(kind), &at(CHAT));
        assert_eq!(reply.status, status, "{kind}");
        let page = matches!(kind, FailureKind::BadGateway | FailureKind::TooLarge);
        let body = body(&reply);
        assert_eq!(body.is_none(), page, "{kind}");
        assert_eq!(header(&reply, "apim-request-id").is_none(), page, "{kind}");
        let Some(body) = body else { continue };
        if kind == FailureKind::Conflict {
            assert_eq!(body["statusCode"], 409);
            assert!(body["message"].is_string());
            continue;
        }
        assert_eq!(body["error"]["code"], code, "{kind}");
        assert!(body["error"]["message"].is_string(), "{kind}");
    }
}

#[test]
fn waits_messages_and_ids_are_right_for_every_failure() {
    holds_of_every_failure(&AzureOpenAi);
}

#[test]
fn the_service_signs_what_the_management_let_pass() {
    for kind in FailureKind::ALL {
        let reply = AzureOpenAi.render(&failure(kind), &at(CHAT));
        let service = header(&reply, "x-request-id").is_some();
        assert_eq!(service, header(&reply, "x-ms-region").is_some(), "{kind}");
        assert_eq!(
            service,
            !matches!(
                kind,
                FailureKind::BadGateway
                    | FailureKind::TooLarge
                    | FailureKind::Unauthorized
                    | FailureKind::Forbidden
                    | FailureKind::NotFound
                    | FailureKind::Conflict
            ),
            "{kind}"
        );
    }
}

#[test]
fn a_rate_limit_tells_one_wait_everywhere_in_whole_seconds() {
    let reply = AzureOpenAi.render(&waiting(FailureKind::RateLimited, 5_200), &at(CHAT));
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("6"));
    assert_eq!(header(&reply, "retry-after-ms").as_deref(), Some("5200"));
    assert_eq!(header(&reply, "x-ratelimit-reset-requests").as_deref(), Some("6"));
    assert_eq!(
        header(&reply, "x-ratelimit-remaining-requests").as_deref(),
        Some("0")
    );
    assert_eq!(header(&reply, "x-ratelimit-type").as_deref(), Some("Requests"));
    let message = body(&reply).unwrap()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message
            .starts_with("Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2"),
        "{message}"
    );
    assert!(
        message.contains("have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 6 seconds. "),
        "{message}"
    );

    let reply = AzureOpenAi.render(
        &failure(FailureKind::RateLimited),
        &limited("/openai/v1/embeddings", true),
    );
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("13"));
    assert_eq!(
        header(&reply, "x-ratelimit-limit-requests").as_deref(),
        Some("10")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-remaining-requests").as_deref(),
        Some("0")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-reset-requests").as_deref(),
        Some("13")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-renewalperiod-requests").as_deref(),
        Some("60")
    );
    let message = body(&reply).unwrap()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("Embeddings_Create") && message.contains("after 13 seconds"),
        "{message}"
    );

    let message = |millis| {
        let reply = AzureOpenAi.render(&waiting(FailureKind::RateLimited, millis), &at(CHAT));
        body(&reply).unwrap()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(message(1).contains("after 1 second. "));

    // No wait is longer than the period in which the limit renews.
    let reply = AzureOpenAi.render(&waiting(FailureKind::RateLimited, 90_000), &at(CHAT));
    assert_eq!(
        header(&reply, "x-ratelimit-reset-requests").as_deref(),
        Some("90")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-renewalperiod-requests").as_deref(),
        Some("86400")
    );

    let reply = AzureOpenAi.render(&failure(FailureKind::RateLimited), &at(CHAT));
    assert!(!names(&reply).iter().any(|name| name.starts_with("retry-after")));
    assert!(
        !body(&reply).unwrap()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("retry after")
    );
}

#[test]
fn a_call_that_passes_is_told_what_is_left() {
    let fields = AzureOpenAi.limit_headers(&limited(CHAT, false));
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        fields,
        [
            ("x-ratelimit-limit-requests", "10"),
            ("x-ratelimit-remaining-requests", "3"),
            ("x-ratelimit-reset-requests", "13"),
            ("x-ratelimit-renewalperiod-requests", "60"),
        ]
    );
}

#[test]
fn the_prompt_filter_says_which_category_was_hit() {
    let reply = AzureOpenAi.render(&failure(FailureKind::ContentFilter), &at(CHAT));
    let error = body(&reply).unwrap()["error"].clone();
    assert_eq!(
        (&error["param"], &error["status"]),
        (&json!("prompt"), &json!(400))
    );
    assert_eq!(error["innererror"]["code"], "ResponsibleAIPolicyViolation");
    let result = error["innererror"]["content_filter_result"].as_object().unwrap();
    let hit: Vec<_> = result
        .iter()
        .filter(|(_, category)| category["filtered"] == true)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(hit, ["violence"]);
}

#[test]
fn what_is_asked_is_the_deployment() {
    let facts = |path, body: &Value| AzureOpenAi.facts(&Method::POST, path, &HeaderMap::new(), Some(body));
    let body = json!({ "model": "gpt-4o", "stream": true });
    let found = facts("/openai/deployments/my%20gpt/chat/completions", &body);
    assert_eq!((found.model.as_deref(), found.stream), (Some("my gpt"), true));
    assert_eq!(
        facts("/deployments/my-gpt/embeddings", &json!([]))
            .model
            .as_deref(),
        Some("my-gpt")
    );
    assert_eq!(
        facts("/openai/v1/responses", &body).model.as_deref(),
        Some("gpt-4o")
    );
    assert!(AzureOpenAi.reads_body(&Method::POST, CHAT));
    assert!(!AzureOpenAi.reads_body(&Method::GET, "/openai/models"));

    let code = |path| {
        let reply = AzureOpenAi.render(&failure(FailureKind::NotFound), &at(path));
        crate::openai::testing::body(&reply).unwrap()["error"]["code"].clone()
    };
    assert_eq!(code("/openai/v1/responses"), "DeploymentNotFound");
    assert_eq!(code("/openai/assistants/x"), "404");
}

//! The OpenAPI document against the server: every operation answers, needs the token, and keeps to its statuses.

use super::*;

/// What it is, header fields, body.
type Sample<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// An operation of the document.
struct Documented {
    method: String,
    path: String,
    open: bool,
    statuses: Vec<u16>,
    operation: Value,
}

fn documented() -> Vec<Documented> {
    let document = crate::openapi::document();
    let paths = document["paths"].as_object().unwrap().clone();
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys();
            all.push(Documented {
                method: method.to_ascii_uppercase(),
                path: path.clone(),
                open: operation["security"] == json!([]),
                statuses: statuses.map(|status| status.parse().unwrap()).collect(),
                operation: operation.clone(),
            });
        }
    }
    all
}

/// Answers must be documented, and a problem must be one.
fn check(documented: &Documented, answer: &Answer, what: &str) {
    let Documented { method, path, .. } = documented;
    let status = answer.status;
    assert!(
        documented.statuses.contains(&status),
        "{method} {path}, {what}: undocumented {status}: {answer:?}"
    );
    assert_ne!(status, 500, "{method} {path}, {what}: {answer:?}");
    let response = &documented.operation["responses"][status.to_string()];
    let media_type = field(&answer.head, "content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap().to_owned();
    let content = response["content"].as_object().unwrap();
    let known = content
        .keys()
        .any(|known| known.split(';').next() == Some(&media_type));
    assert!(
        known,
        "{method} {path}, {what}: undocumented {media_type}: {answer:?}"
    );
    if media_type == PROBLEM_JSON {
        assert_eq!(answer.json()["status"], status, "{answer:?}");
    }
}

#[tokio::test]
async fn every_documented_operation_answers_as_documented_to_good_and_to_bad_requests() {
    let server = Server::start(None).await;
    server.readiness.set_listening();
    let requests: [Sample<'_>; 9] = [
        ("no body", &[], ""),
        ("an object", &[("content-type", "application/json")], "{}"),
        ("no object", &[("content-type", "application/json")], "7"),
        (
            "an unknown key",
            &[("content-type", "application/json")],
            r#"{"surprise":1}"#,
        ),
        ("broken JSON", &[("content-type", "application/json")], "{"),
        (
            "no UTF-8",
            &[("content-type", "application/json")],
            "\"\u{0}\u{fffd}\"",
        ),
        (
            "a form",
            &[("content-type", "application/x-www-form-urlencoded")],
            "a=b",
        ),
        (
            "a version",
            &[("if-match", "\"x\""), ("content-type", "application/json")],
            "{}",
        ),
        ("a foreign page", &[("origin", "http://evil.test")], ""),
    ];
    for documented in documented() {
        for name in ["slow", "nowhere", "..%2f..%2fetc%2fpasswd", "%00", "A"] {
            let path = documented.path.replace("{name}", name);
            for (what, headers, body) in requests {
                for query in [
                    "",
                    "?after=1&limit=1",
                    "?after=x",
                    "?limit=-1",
                    "?injected=maybe",
                    "?x=1",
                ] {
                    let answer = server
                        .raw(&documented.method, &format!("{path}{query}"), headers, body)
                        .await;
                    check(&documented, &answer, &format!("{name}, {what}, {query}"));
                }
            }
            // Operations without a name need not be asked again for each name.
            if path == documented.path {
                break;
            }
        }
    }
}

#[tokio::test]
async fn every_documented_operation_needs_the_token_unless_it_is_open() {
    let server = Server::start(Some(TOKEN)).await;
    let right = format!("Bearer {TOKEN}");
    for documented in documented() {
        let path = documented.path.replace("{name}", "slow");
        for wrong in [
            None,
            Some("Bearer wrong"),
            Some(TOKEN),
            Some("Basic correct-horse-battery"),
        ] {
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(wrong.map(|wrong| ("authorization", wrong)));
            let answer = server.raw(&documented.method, &path, &headers, "").await;
            assert_eq!(
                answer.status == 401,
                !documented.open,
                "{} {path}: {answer:?}",
                documented.method
            );
            check(&documented, &answer, "a wrong token");
        }
        let headers = [("content-type", "application/json"), ("authorization", &*right)];
        let answer = server.raw(&documented.method, &path, &headers, "").await;
        assert_ne!(answer.status, 401, "{} {path}", documented.method);
    }
    let unknown = server.raw("GET", "/api/v1/unknown", &[], "").await;
    assert_eq!(
        unknown.status, 401,
        "what is not in the table needs the token too"
    );
    assert_eq!(
        field(&unknown.head, "www-authenticate").as_deref(),
        Some("bearer realm=\"murphy\"")
    );
}

#[tokio::test]
async fn only_the_service_operations_that_tell_nothing_are_open() {
    let mut open: Vec<String> = documented()
        .into_iter()
        .filter(|documented| documented.open)
        .map(|documented| documented.path)
        .collect();
    open.sort();
    assert_eq!(open, ["/", "/healthz", "/openapi.json", "/page.js", "/readyz"]);
}

#[test]
fn operation_ids_are_unique_and_references_resolve() {
    let document = crate::openapi::document();
    let mut ids: Vec<String> = documented()
        .iter()
        .map(|documented| documented.operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"").skip(1) {
        let pointer = reference.split('"').next().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn a_get_changes_nothing_and_an_unknown_method_or_path_is_told_apart() {
    let server = Server::start(None).await;
    let before = server.client().status().await.unwrap();
    for documented in documented()
        .iter()
        .filter(|documented| documented.method != "GET")
    {
        let path = documented.path.replace("{name}", "slow");
        let answer = server.raw("GET", &path, &[], "").await;
        let also_get = ["/api/v1/scenarios/slow"].contains(&&*path);
        assert_eq!(answer.status, if also_get { 200 } else { 405 }, "{path}");
    }
    let answer = server.raw("GET", "/api/v1/reload", &[], "").await;
    assert_eq!(field(&answer.head, "allow").as_deref(), Some("post"));
    assert_eq!(server.raw("GET", "/api/v2/status", &[], "").await.status, 404);
    assert_eq!(
        server.raw("OPTIONS", "/api/v1/status", &[], "").await.status,
        405,
        "no CORS"
    );
    assert_eq!(server.client().status().await.unwrap(), before);
}

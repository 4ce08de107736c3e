//! Who may use the control API (T2, T3, T4, B29): the token, Host and Origin, what a web page cannot send.

use http::{Method, StatusCode};
use murphy_testkit::daemon::Daemon;
use serde_json::{Value, json};

use super::support::{NEVER, OUTAGE, client, daemon, raw_control, switch};

const TOKEN: &str = "a-token-that-nobody-guesses-0123456789";

#[tokio::test]
async fn beyond_loopback_a_token_is_required() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let failed = daemon(NEVER)
            .env("MURPHY__CONTROL__LISTEN", listen)
            .try_start()
            .await;
        let failed = failed.expect_err("it must not start");
        assert!(failed.code().is_some_and(|code| code != 0), "{failed:#?}");
        assert!(
            failed.stderr.contains("control.token_file") && failed.stderr.contains("loopback"),
            "{}",
            failed.stderr
        );
    }
    for (content, why) in [("", "empty"), ("two words", "a blank in it")] {
        let builder = daemon(NEVER).file("token", content);
        let file = builder.folder().join("token");
        let failed = builder
            .env("MURPHY__CONTROL__TOKEN_FILE", file.to_str().unwrap())
            .try_start()
            .await;
        let failed = failed.expect_err(why);
        assert!(failed.stderr.contains("token"), "{why}: {}", failed.stderr);
        assert!(
            content.is_empty() || !failed.stderr.contains(content),
            "the token is not shown: {}",
            failed.stderr
        );
    }
    let failed = daemon(NEVER)
        .env("MURPHY__CONTROL__TOKEN_FILE", "/nonexistent/token")
        .try_start()
        .await;
    assert!(failed.expect_err("no file").stderr.contains("/nonexistent/token"));
}

async fn with_token() -> Daemon {
    let builder = daemon(NEVER)
        .scenario("outage", OUTAGE)
        .file("token", format!("{TOKEN}\n"));
    let file = builder.folder().join("token");
    builder
        .env("MURPHY__CONTROL__TOKEN_FILE", file.to_str().unwrap())
        .start()
        .await
}

/// All operations of the document: method, path with a scenario's name put in, whether it needs the token.
async fn operations(daemon: &Daemon) -> Vec<(Method, String, bool, Value)> {
    let (status, document) = daemon.control_get("/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_ascii_uppercase().parse().unwrap();
            let guarded = operation["security"] != json!([]);
            found.push((
                method,
                path.replace("{name}", "outage"),
                guarded,
                operation.clone(),
            ));
        }
    }
    assert!(found.len() > 20, "{}", found.len());
    found
}

async fn ask(daemon: &Daemon, method: &Method, path: &str, token: Option<&str>) -> StatusCode {
    let mut request = client().request(method.clone(), daemon.control_url(path));
    if !method.is_safe() {
        request = request.header("content-type", "application/json").body("{}");
    }
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn with_a_token_every_operation_needs_it() {
    let daemon = with_token().await;
    let mut open = Vec::new();
    for (method, path, guarded, _) in operations(&daemon).await {
        if !guarded {
            open.push(path.clone());
            assert_ne!(
                ask(&daemon, &method, &path, None).await,
                StatusCode::UNAUTHORIZED,
                "{path}"
            );
            continue;
        }
        let wrong = [
            None,
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer wrong"),
            Some(TOKEN),
            Some("Basic YTpi"),
            Some("Bearer a-token-that-nobody-guesses-012345678"),
            Some("Bearer a-token-that-nobody-guesses-01234567890"),
        ];
        for token in wrong {
            let status = ask(&daemon, &method, &path, token).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} with {token:?}");
        }
        if method == Method::GET {
            let right = ask(&daemon, &method, &path, Some(&format!("Bearer {TOKEN}"))).await;
            assert_eq!(right, StatusCode::OK, "{method} {path}");
        }
    }
    open.sort();
    assert_eq!(
        open,
        ["/", "/healthz", "/openapi.json", "/page.js", "/readyz"],
        "an operation is open by mistake"
    );
    for path in ["/", "/page.js", "/openapi.json"] {
        let page = client()
            .get(daemon.control_url(path))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(!page.contains(TOKEN), "{path} shows the token");
    }
    let state = client()
        .get(daemon.control_url("/api/v1/kill-switch"))
        .bearer_auth(TOKEN);
    let state: Value = state.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&state["state"], &state["history"]),
        (&json!("armed"), &json!([])),
        "nothing was changed"
    );
}

#[tokio::test]
async fn the_command_line_sends_the_token() {
    let daemon = with_token().await;
    let without = daemon.murphy(&["status"]).await;
    assert_eq!(without.code(), Some(3), "{without:#?}");
    assert!(without.stderr.contains("token"), "{}", without.stderr);
    let file = daemon.folder().join("token");
    let with = daemon
        .murphy(&["status", "--token-file", file.to_str().unwrap()])
        .await;
    assert_eq!(with.code(), Some(0), "{with:#?}");
    assert!(with.stdout.contains("armed") && !with.stdout.contains(TOKEN));
}

#[tokio::test]
async fn only_a_known_host_and_no_foreign_origin_get_in() {
    let daemon = daemon("[control]\nallowed_hosts = [\"murphy.test\"]\n")
        .start()
        .await;
    let port = daemon.control().port();
    let get = async |lines: &str| {
        raw_control(
            &daemon,
            &format!("GET /api/v1/status HTTP/1.1\r\n{lines}\r\nConnection: close"),
            "",
        )
        .await
        .status()
    };
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "murphy.test"] {
        assert_eq!(get(&format!("Host: {host}:{port}")).await, 200, "{host}");
    }
    let other = port ^ 1;
    for host in [
        format!("127.0.0.1:{other}"),
        "127.0.0.1".to_owned(),
        format!("localhost.:{port}"),
        format!("0.0.0.0:{port}"),
        format!("user@localhost:{port}"),
        format!("localhost:{port}@evil.test"),
        format!("evil.test:{port}"),
        format!("localhost.evil.test:{port}"),
        format!("127.0.0.1.nip.io:{port}"),
        format!("2130706433:{port}"),
        "murphy.test.evil".to_owned(),
        String::new(),
    ] {
        let status = get(&format!("Host: {host}")).await;
        assert!(matches!(status, 400 | 403), "{host:?}: {status}");
    }
    let own = format!("Host: 127.0.0.1:{port}");
    assert!(matches!(get("Accept: */*").await, 400 | 403), "no host");
    assert!(
        matches!(get(&format!("{own}\r\nHost: evil.test")).await, 400 | 403),
        "two hosts"
    );
    for origin in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://murphy.test:{port}"),
    ] {
        assert_eq!(get(&format!("{own}\r\nOrigin: {origin}")).await, 200, "{origin}");
    }
    for origin in [
        "null".to_owned(),
        "http://evil.test".to_owned(),
        format!("http://127.0.0.1:{other}"),
        "http://127.0.0.1".to_owned(),
        format!("http://localhost.:{port}"),
        format!("http://0.0.0.0:{port}"),
        format!("http://user@localhost:{port}"),
        format!("file://localhost:{port}"),
        "chrome-extension://abcdef".to_owned(),
    ] {
        assert_eq!(get(&format!("{own}\r\nOrigin: {origin}")).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn what_a_web_page_can_send_changes_nothing() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    let url = daemon.control_url("/api/v1/kill-switch/trip");
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "text/json",
        "text/plain;application/json",
    ] {
        let request = client()
            .post(&url)
            .header("content-type", media_type)
            .body("{\"reason\":\"csrf\"}");
        let response = request.send().await.unwrap();
        assert_eq!(
            response.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{media_type}"
        );
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let no_type = client().post(&url).body("{}").send().await.unwrap();
    assert_eq!(
        no_type.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "a body without a type"
    );
    for (name, value) in [
        ("origin", "http://evil.test"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = client()
            .post(&url)
            .header("content-type", "application/json")
            .header(name, value)
            .body("{}");
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{name}: {value}"
        );
    }
    // A page is never told that it may ask: no answer to a preflight grants anything.
    let preflight = client()
        .request(Method::OPTIONS, &url)
        .header("origin", "http://evil.test")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let preflight = preflight.send().await.unwrap();
    assert!(preflight.status().is_client_error());
    assert!(
        preflight
            .headers()
            .keys()
            .all(|name| !name.as_str().starts_with("access-control-"))
    );
    assert_eq!(switch(&daemon).await["history"], json!([]), "nothing was changed");
}

#[tokio::test]
async fn no_get_changes_anything() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    let (_, before) = daemon.control_get("/api/v1/status").await;
    for (_, path, _, _) in operations(&daemon).await {
        for method in [Method::GET, Method::HEAD] {
            ask(&daemon, &method, &path, None).await;
        }
    }
    let (_, after) = daemon.control_get("/api/v1/status").await;
    assert_eq!(after, before);
}

/// B29 by a table: whatever arrives, the status is one that the document names, and none is a failure of the server.
#[tokio::test]
async fn junk_is_answered_by_documented_statuses() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    let deep = "[".repeat(2_000);
    let bodies: [&[u8]; 10] = [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b"\"x\"",
        b"{\"for\":-1,\"seed\":-1,\"reason\":{}}",
        b"\xff\xfe{}",
        b"{\"version\":\"4\",\"alerts\":[{\"status\":1}]}",
        deep.as_bytes(),
    ];
    for (method, path, _, operation) in operations(&daemon).await {
        let documented: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
        for body in bodies {
            for query in [
                "",
                "?after=-1",
                "?limit=99999999999999999999",
                "?%00=%ff",
                "?injected=maybe",
            ] {
                let url = daemon.control_url(&format!("{path}{query}"));
                let request = client()
                    .request(method.clone(), url)
                    .header("content-type", "application/json")
                    .body(body.to_vec());
                let status = request.send().await.unwrap().status().as_u16();
                let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
                assert!(status < 500, "{method} {path}{query} {shown:?}: {status}");
                assert!(
                    documented.iter().any(|one| **one == status.to_string()),
                    "{method} {path}{query} {shown:?}: {status} is not one of {documented:?}"
                );
            }
        }
    }
}

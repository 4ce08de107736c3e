//! Credentials never leave (T6, B24): twelve canaries in every usual place, under every kind of fault, with the log
//! at its most talkative; then everything that Murphy writes is searched for them, encoded or not.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use murphy_faults::CATALOGUE;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::RawClient;
use murphy_testkit::recorder::Recorder;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::support::{NEVER, SIM, eventually};

/// Where each canary is put. Those in bodies and paths have a provider's form, the others have none.
const CANARIES: [(&str, &str); 12] = [
    ("authorization", "quartzfinch7f3a90authorization"),
    ("x-api-key", "quartzfinch8b21c4xapikey"),
    ("api-key", "quartzfinch5d77e2apikey"),
    ("x-goog-api-key", "AIzaSyquartzfinch0a1b2c3d4e5f6g7h8i9"),
    ("query", "quartzfinch1c9e05query"),
    ("cookie", "quartzfinch6a6f18cookie"),
    ("proxy-authorization", "quartzfinch2e4d7bproxy"),
    ("body", "sk-ant-quartzfinch-9f8e7d6c5b4a39281706"),
    ("set-cookie", "quartzfinch3b8a96setcookie"),
    ("trailer", "quartzfinch4c5d6etrailer"),
    ("user-info", "quartzfinch0f1e2duserinfo"),
    (
        "control-token",
        "quartzfinch9d0c1b-control-token-of-forty-characters",
    ),
];

fn canary(place: &str) -> &'static str {
    CANARIES.iter().find(|(name, _)| *name == place).unwrap().1
}

/// A scenario with one rule for each fault kind of the catalogue, chosen by the query.
fn every_fault() -> String {
    let mut text = String::from("rules:\n");
    for row in CATALOGUE {
        let example = row.example.replace('\n', "\n      ");
        let kind = row.name;
        write!(
            text,
            "  - name: {}\n    when: {{ query: {{ fault: {kind} }} }}\n    fault:\n      {example}\n",
            kind.replace('_', "-")
        )
        .unwrap();
    }
    text
}

/// What leaks in an answer: a cookie, a location with a key, and a body with the key.
fn leaky() -> Response<Full<Bytes>> {
    let body = json!({ "key": canary("body"), "text": "x".repeat(2_000) }).to_string();
    Response::builder()
        .status(200)
        .header("content-type", "application/json")
        .header("set-cookie", format!("id={}; HttpOnly", canary("set-cookie")))
        .header(
            "location",
            format!("https://example.test/?key={}", canary("query")),
        )
        .body(Full::from(body))
        .unwrap()
}

fn routes(upstream: &str, broken: &str, token: &Path, events: &Path) -> String {
    format!(
        "[control]\ntoken_file = \"{}\"\n[events]\nfile = \"{}\"\n{NEVER}\n{SIM}
[[routes]]\nname = \"leaky\"\npath = \"/leaky\"\nupstream = \"{upstream}\"
[[routes]]\nname = \"broken\"\npath = \"/broken\"\nupstream = \"{broken}\"
[[routes]]\nname = \"dead\"\npath = \"/dead\"\nupstream = \"http://127.0.0.1:1\"\n",
        token.display(),
        events.display()
    )
}

/// A request with a key in every usual place.
fn request(client: &reqwest::Client, daemon: &Daemon, path: &str) -> reqwest::RequestBuilder {
    let query = canary("query");
    let joint = if path.contains('?') { '&' } else { '?' };
    let url = daemon.proxy_url(&format!(
        "{path}{joint}key={query}&api_key={query}&access_token={query}&sig={query}"
    ));
    let basic = STANDARD.encode(format!("user:{}", canary("proxy-authorization")));
    client
        .post(url)
        .bearer_auth(canary("authorization"))
        .header("x-api-key", canary("x-api-key"))
        .header("api-key", canary("api-key"))
        .header("x-goog-api-key", canary("x-goog-api-key"))
        .header("cookie", format!("sid={}", canary("cookie")))
        .header("mcp-session-id", canary("cookie"))
        .header("proxy-authorization", format!("Basic {basic}"))
        .header("content-type", "application/json")
        .body(json!({ "model": "m", "api_key": canary("body"), "messages": [] }).to_string())
        .timeout(Duration::from_millis(1_500))
}

/// Sends every kind of call on every route, over both versions of HTTP.
async fn call_everything(daemon: &Daemon) {
    let builder = || {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
    };
    let clients = [
        builder().build().unwrap(),
        builder().http2_prior_knowledge().build().unwrap(),
    ];
    let mut calls = JoinSet::new();
    for client in &clients {
        for route in ["/leaky/v1", "/broken/v1", "/dead/v1", "/sim/echo", "/nowhere"] {
            calls.spawn(request(client, daemon, route).send());
            let with_key = format!("{route}/{}/x", canary("body"));
            calls.spawn(request(client, daemon, &with_key).send());
            for row in CATALOGUE {
                calls.spawn(request(client, daemon, &format!("{route}?fault={}", row.name)).send());
            }
        }
    }
    while let Some(done) = calls.join_next().await {
        // What comes of it is another test's; reading it lets the fault do all of its work.
        if let Ok(response) = done.unwrap() {
            drop(response.bytes().await);
        }
    }
    raw_calls(daemon).await;
}

/// What no client library sends: keys in trailers, in the target's user information, in broken heads.
async fn raw_calls(daemon: &Daemon) {
    let (host, trailer, user, key) = (
        daemon.proxy(),
        canary("trailer"),
        canary("user-info"),
        canary("authorization"),
    );
    let chunked = format!(
        "POST /leaky/trailers HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nTrailer: x-api-key\r\n\r\n\
         2\r\nok\r\n0\r\nx-api-key: {trailer}\r\n\r\n"
    );
    for request in [
        chunked,
        format!("GET http://user:{user}@{host}/sim/echo HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /sim/echo HTTP/1.1\r\nHost: user:{user}@{host}\r\n\r\n"),
        format!("CONNECT user:{user}@example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n"),
        format!("GET /sim/echo HTTP/1.1\r\nHost: {host}\r\nAuthorization : Bearer {key}\r\n\r\n"),
        format!("GET /sim/echo HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\x01\r\n\r\n"),
        format!(
            "GET /sim/echo?key={} x HTTP/1.1\r\nHost: {host}\r\n\r\n",
            canary("query")
        ),
        format!("{key} / HTTP/9.9\r\n\r\n"),
    ] {
        let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
        raw.send(request).await.unwrap();
        drop(tokio::time::timeout(Duration::from_secs(2), raw.read_response("GET")).await);
    }
}

/// Every answer of the control API to a GET, with the right token, a wrong one and none.
async fn control_answers(daemon: &Daemon) -> String {
    let client = super::support::client();
    let document: Value = client
        .get(daemon.control_url("/openapi.json"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut all = String::new();
    for path in document["paths"].as_object().unwrap().keys() {
        let query = if path.contains("exchanges") {
            "?limit=1000&after=0"
        } else {
            ""
        };
        let query = if path.ends_with("/stream") {
            "?limit=100&after=0"
        } else {
            query
        };
        let url = daemon.control_url(&format!("{}{query}", path.replace("{name}", "every")));
        for token in [
            Some(canary("control-token")),
            Some(&canary("control-token")[1..]),
            None,
        ] {
            for accept in ["*/*", "application/openmetrics-text"] {
                let mut request = client
                    .get(&url)
                    .header("accept", accept)
                    .timeout(Duration::from_secs(10));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let response = request.send().await.unwrap();
                write!(all, "{:?}", response.headers()).unwrap();
                all.push_str(&response.text().await.unwrap());
            }
        }
    }
    all
}

/// The canary as it is, in base64 whatever stands before it, percent-encoded, in hex.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for skip in 0..3 {
        let part = &secret.as_bytes()[skip..];
        let part = &part[..part.len() / 3 * 3];
        forms.push(STANDARD.encode(part));
        forms.push(URL_SAFE_NO_PAD.encode(part));
    }
    forms.push(
        secret
            .bytes()
            .fold(String::new(), |text, byte| text + &format!("%{byte:02x}")),
    );
    forms.push(
        secret
            .bytes()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
    );
    // A part of a key is a leak as well.
    forms.push(secret[secret.len() - 14..].to_owned());
    forms
}

fn search(sink: &str, text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut hits = Vec::new();
    for (place, secret) in CANARIES {
        for form in forms(secret) {
            let found = text
                .find(&form)
                .or_else(|| lower.find(&form.to_lowercase()).filter(|_| form.contains('%')));
            if let Some(at) = found {
                let from = text.floor_char_boundary(at.saturating_sub(160));
                let to = text.ceil_char_boundary((at + form.len() + 60).min(text.len()));
                hits.push(format!(
                    "{sink}: the key of {place:?} as {form:?}: …{}…",
                    &text[from..to]
                ));
                break;
            }
        }
    }
    hits
}

/// All files of the daemon's folder but those that the test put there.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && name != "token" && name != "murphy.toml" {
            found.push((
                name,
                String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
            ));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_is_written_anywhere() {
    let upstream = Recorder::start(|_| leaky());
    let nonsense = format!("HTTP/1.1 200 OK\r\nset cookie {}\r\n\r\n", canary("set-cookie"));
    let broken = Peer::each(
        Script::new()
            .read_head()
            .send(nonsense)
            .half_close()
            .read_until_left(),
    );
    let builder = DaemonBuilder::new()
        .file("token", canary("control-token"))
        .scenario("every", &every_fault());
    let (token, events) = (
        builder.folder().join("token"),
        builder.folder().join("events.jsonl"),
    );
    let config = routes(&upstream.url(), &broken.url(), &token, &events);
    let daemon = builder.config(&config).env("MURPHY_LOG", "trace").start().await;
    let client = super::support::client();
    let post = async |path: &str, body: Value| {
        let request = client
            .post(daemon.control_url(path))
            .bearer_auth(canary("control-token"));
        request.json(&body).send().await.unwrap().status()
    };
    assert_eq!(post("/api/v1/scenarios/every/activate", json!({})).await, 200);
    call_everything(&daemon).await;
    assert!(
        upstream
            .requests()
            .iter()
            .any(|one| one.all("x-api-key") == [canary("x-api-key")]),
        "the keys do pass"
    );
    eventually("the event log is written", async || {
        std::fs::read_to_string(&events)
            .ok()
            .filter(|text| text.lines().count() > 100)
    })
    .await;
    assert_eq!(
        post("/api/v1/kill-switch/trip", json!({ "reason": "the end" })).await,
        200
    );

    let answers = control_answers(&daemon).await;
    assert!(answers.contains("\"route\":\"leaky\"") && answers.contains("murphy_requests_total"));
    let wrong = client
        .request(Method::POST, daemon.control_url("/api/v1/reload"))
        .bearer_auth("wrong")
        .send()
        .await;
    assert_eq!(wrong.unwrap().status(), 401);
    let mut hits = search("an answer of the control API", &answers);
    daemon.signal(murphy_testkit::daemon::Signal::TERM);
    let (finished, folder) = daemon.finished().await;
    assert!(
        finished.stderr.contains("\"level\":\"TRACE\""),
        "the log is at its most talkative"
    );
    hits.extend(search("stdout", &finished.stdout));
    hits.extend(search("stderr", &finished.stderr));
    let files = files(folder.path());
    assert!(
        files.iter().any(|(name, _)| name == "state.json")
            && files.iter().any(|(name, _)| name == "events.jsonl")
    );
    for (name, text) in &files {
        hits.extend(search(name, text));
    }
    broken.stop().await;
    assert!(hits.is_empty(), "{} leaks:\n{}", hits.len(), hits.join("\n"));
    println!(
        "B24: {} canaries in {} bytes of log, {} bytes of answers and {} files: 0 hits",
        CANARIES.len(),
        finished.stderr.len(),
        answers.len(),
        files.len()
    );
}

/// A password in an upstream's URL is refused and not repeated, by the start, a reload and the check.
#[tokio::test]
async fn a_password_in_the_configuration_is_not_repeated() {
    let user = canary("user-info");
    for upstream in [
        format!("http://user:{user}@127.0.0.1:1"),
        format!("http://127.0.0.1:1/?key={user}"),
        format!("ftp://{user}@x"),
    ] {
        let config = format!("{NEVER}\n[[routes]]\nname = \"a\"\npath = \"/a\"\nupstream = \"{upstream}\"\n");
        let failed = DaemonBuilder::new()
            .config(&config)
            .try_start()
            .await
            .expect_err("it is refused");
        assert!(failed.stderr.contains("upstream"), "{}", failed.stderr);
        let mut hits = search("stderr", &failed.stderr);
        hits.extend(search("stdout", &failed.stdout));

        let daemon = super::support::daemon(NEVER).start().await;
        std::fs::write(daemon.folder().join("murphy.toml"), &config).unwrap();
        let (status, answer) = daemon.control_post("/api/v1/reload", json!({})).await;
        assert_eq!(status, 422);
        hits.extend(search("the answer", &answer.to_string()));
        hits.extend(search(
            "the status",
            &daemon.control_get("/api/v1/status").await.1.to_string(),
        ));
        let check = daemon.murphy(&["check", "murphy.toml"]).await;
        assert_eq!(check.code(), Some(1), "{check:#?}");
        hits.extend(search("check", &format!("{}{}", check.stdout, check.stderr)));
        hits.extend(search("the log", &daemon.stderr()));
        assert!(hits.is_empty(), "{upstream}:\n{}", hits.join("\n"));
    }
}

//! The recorder, the call builder and the daemon's harness (with a stand-in for the daemon).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)] // helpers of tests fail loudly

use std::os::unix::fs::PermissionsExt as _;

use http::{Method, Version};
use murphy_core::call::Body;
use murphy_testkit::call::CallBuilder;
use murphy_testkit::daemon::{DaemonBuilder, Signal};
use murphy_testkit::raw::RawClient;
use murphy_testkit::recorder::{Recorder, text};
use murphy_testkit::tls::TestCa;
use serde_json::json;

#[tokio::test]
async fn the_recorder_keeps_requests_and_answers_by_the_function() {
    let recorder =
        Recorder::start(|request| text(if request.body.is_empty() { 400 } else { 201 }, &request.target));
    let mut client = RawClient::connect(recorder.addr()).await.unwrap();
    let request = "PUT /a?b=%20 HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nAccept: x\r\nX-Two: \u{e9}\r\n\
                   Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: t\r\n\r\n";
    client.send(request).await.unwrap();
    let response = client.response("PUT").await;
    assert_eq!((response.status(), response.body.text()), (201, "/a?b=%20"));
    assert_eq!(client.get("/").await.status(), 400);
    let requests = recorder.wait_for(2).await;
    let first = &requests[0];
    assert_eq!(
        (&first.method, first.version, first.connection),
        (&Method::PUT, Version::HTTP_11, 0)
    );
    let names: Vec<String> = first.pairs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["host", "x-two", "x-two", "accept", "transfer-encoding"]);
    assert_eq!(first.all("x-two"), ["1"]); // the other one is no text
    assert_eq!(first.trailers.as_ref().unwrap()["x-t"], "t");
}

#[tokio::test]
async fn the_recorder_sees_a_body_that_broke() {
    let recorder = Recorder::start(|_| text(200, ""));
    let mut client = RawClient::connect(recorder.addr()).await.unwrap();
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
        .await
        .unwrap();
    client.close().await;
    let requests = recorder.wait_for(1).await;
    assert_eq!(requests[0].body, "half");
    assert!(requests[0].broken.is_some());
}

#[tokio::test]
async fn the_recorder_speaks_tls() {
    let ca = TestCa::new();
    let recorder = Recorder::start_tls(ca.server(&["h2", "http/1.1"]), |_| text(200, "secret"));
    let mut client = RawClient::connect_tls(recorder.addr(), ca.client(&["http/1.1"]), "127.0.0.1")
        .await
        .unwrap();
    assert_eq!(client.get("/").await.body.text(), "secret");
    assert_eq!(recorder.only().target, "/");
    assert!(recorder.url().starts_with("https://127.0.0.1:"));
}

#[test]
fn a_call_is_built_of_its_parts() {
    let built = CallBuilder::new()
        .route("openai")
        .method(Method::POST)
        .target("/v1?x=1")
        .header("x-a", "1")
        .header("x-a", "2")
        .agent("planner")
        .attempt(3)
        .body(r#"{"a":1}"#);
    let call = built.call();
    assert_eq!(
        (&*call.route, call.path, call.query),
        ("openai", "/v1", Some("x=1"))
    );
    assert_eq!(call.headers.get_all("x-a").iter().count(), 2);
    assert_eq!((&*call.agent.shown, call.attempt), ("planner", 3));
    assert!(matches!(call.body, Body::Json(bytes, value) if bytes.len() == 7 && *value == json!({ "a": 1 })));
    assert!(matches!(
        CallBuilder::new().body("no").call().body,
        Body::Bytes(b"no")
    ));
    assert_ne!(
        built.call().identity(),
        built.clone().target("/v1?x=2").call().identity()
    );
}

/// A daemon that is a shell script in the daemon's own folder.
fn stand_in(script: &str) -> DaemonBuilder {
    let builder = DaemonBuilder::new().file("stand-in", format!("#!/bin/sh\n{script}"));
    let path = builder.folder().join("stand-in");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    builder.executable(path)
}

const READY: &str = "
    if [ \"$1\" != serve ]; then echo \"$@ $MURPHY_CONTROL\"; exit 4; fi
    trap 'echo got TERM >&2; exit 7' TERM
    echo \"$@ $MURPHY__PROXY__LISTEN $EXTRA\" >&2
    echo 'proxy   http://127.0.0.1:7070'
    echo 'control http://127.0.0.1:7071'
    while :; do read -r _ < fifo; done
";

#[tokio::test]
async fn the_daemon_is_ready_when_it_says_so_and_ends_as_told() {
    let builder = stand_in(&format!("[ -p fifo ] || mkfifo fifo\n{READY}"));
    let config = builder.folder().join("murphy.toml");
    let daemon = builder
        .config("")
        .env("EXTRA", "extra")
        .arg("--more")
        .start()
        .await;
    assert_eq!(daemon.proxy_url("/sim"), "http://127.0.0.1:7070/sim");
    assert_eq!(daemon.control_url("/metrics"), "http://127.0.0.1:7071/metrics");
    daemon.wait_for_stderr("extra").await;
    let wanted = format!("serve --config {} --more 127.0.0.1:0 extra\n", config.display());
    assert_eq!(daemon.stderr(), wanted);

    let status = daemon.murphy(&["status"]).await;
    assert_eq!(
        (status.code(), status.stdout.as_str()),
        (Some(4), "status http://127.0.0.1:7071\n")
    );

    daemon.signal(Signal::TERM);
    let (finished, folder) = daemon.finished().await;
    assert_eq!(finished.code(), Some(7));
    assert!(finished.stderr.ends_with("got TERM\n"));
    assert!(finished.stdout.starts_with("proxy "));

    let again = DaemonBuilder::in_folder(folder);
    let stand_in = again.folder().join("stand-in");
    let (killed, _) = again.executable(stand_in).start().await.kill().await;
    assert_eq!(killed.code(), None);
}

#[tokio::test]
async fn a_daemon_that_ends_before_it_is_ready_shows_what_it_wrote() {
    let failed = stand_in("echo 'proxy   http://127.0.0.1:7070'; echo 'bad config' >&2; exit 1");
    let finished = failed.try_start().await.unwrap_err();
    assert_eq!(
        (finished.code(), finished.stderr.as_str()),
        (Some(1), "bad config\n")
    );
}

#[tokio::test]
async fn the_control_api_is_called() {
    let recorder = Recorder::start(|request| {
        let kind = request.all("content-type").join("");
        text(
            202,
            &format!("{{\"method\":\"{}\",\"type\":\"{kind}\"}}", request.method),
        )
    });
    let script = format!(
        "echo 'proxy   http://127.0.0.1:1'; echo 'control http://{}'; mkfifo fifo; read -r _ < fifo",
        recorder.addr()
    );
    let daemon = stand_in(&script).start().await;
    let (status, body) = daemon.control_post("/api/v1/reload", json!({ "a": 1 })).await;
    assert_eq!(
        (status.as_u16(), body),
        (202, json!({ "method": "POST", "type": "application/json" }))
    );
    let (_, body) = daemon.control_get("/api/v1/status").await;
    assert_eq!(body, json!({ "method": "GET", "type": "" }));
    assert_eq!(recorder.requests()[0].body, r#"{"a":1}"#);
}

//! What people and programs do with the server.

use murphy_observe::exchange_log::SUBSCRIBER_LAG_MAX;

use super::*;

#[tokio::test]
async fn a_scenario_is_switched_on_and_off() {
    let server = Server::start(None).await;
    let client = server.client().with_who("alice").unwrap();
    let request = ActivateRequest {
        for_: Some(Lifetime::For(Duration::from_secs(60))),
        seed: Some(7),
    };
    let activated = client.activate("slow", &request).await.unwrap();
    assert_eq!(activated.activation.seed, 7);
    assert_eq!(activated.activation.who, "alice (127.0.0.1)");
    assert!(activated.activation.until.is_some());
    assert_eq!(client.status().await.unwrap().active.len(), 1);
    assert!(client.scenario("slow").await.unwrap().scenario.active.is_some());
    assert_eq!(client.deactivate("slow").await.unwrap().scenarios, ["slow"]);
    assert_eq!(
        client.deactivate_all().await.unwrap().scenarios,
        Vec::<String>::new()
    );
    assert!(
        client
            .routes()
            .await
            .unwrap()
            .iter()
            .any(|route| route.name == "sim")
    );
    let error = client.activate("slaw", &request).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert!(
        problem.is(ProblemType::NoSuchScenario) && problem.to_string().contains("slow"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_tripped_switch_refuses_activation_until_it_is_rearmed() {
    let server = Server::start(None).await;
    let client = server.client();
    let tripped = client.trip(Some("enough".to_owned())).await.unwrap();
    assert_eq!(tripped.state, SwitchState::Tripped);
    assert_eq!(tripped.trip.unwrap().reason, "enough");
    let request = ActivateRequest::default();
    let error = client.activate("slow", &request).await.unwrap_err();
    assert!(
        error.problem().unwrap().is(ProblemType::KillSwitchTripped),
        "{error}"
    );
    assert_eq!(error.problem().unwrap().status, 409);
    assert_eq!(client.rearm(None).await.unwrap().state, SwitchState::Armed);
    assert_eq!(client.lock(None).await.unwrap().state, SwitchState::Locked);
    let error = client.activate("slow", &request).await.unwrap_err();
    assert!(
        error.problem().unwrap().is(ProblemType::KillSwitchLocked),
        "{error}"
    );
    assert_eq!(client.unlock(None).await.unwrap().state, SwitchState::Armed);
    client.activate("slow", &request).await.unwrap();
}

#[tokio::test]
async fn an_alarm_trips_and_its_end_does_not_rearm() {
    let server = Server::start(None).await;
    let alarm = |status: &str| {
        json!({ "version": "4", "groupKey": "{}", "status": status, "receiver": "murphy", "alerts": [{
            "status": status, "labels": { "alertname": "HighErrors", "murphy_action": "trip" },
            "annotations": { "summary": "too many" }, "startsAt": "2030-01-01T00:00:00Z", "fingerprint": "f" }] })
        .to_string()
    };
    let json_type = [("content-type", "application/json")];
    let answer = server
        .raw("POST", "/api/v1/hooks/alertmanager", &json_type, &alarm("firing"))
        .await;
    assert_eq!((answer.status, &answer.json()["trip"]), (200, &json!(true)));
    let resolved = server
        .raw(
            "POST",
            "/api/v1/hooks/alertmanager",
            &json_type,
            &alarm("resolved"),
        )
        .await;
    assert_eq!(resolved.json()["trip"], json!(false));
    let switch = server.client().kill_switch().await.unwrap();
    assert_eq!(switch.state, SwitchState::Tripped);
    assert_eq!(switch.trip.unwrap().reason, "HighErrors: too many");
    let other = server
        .raw(
            "POST",
            "/api/v1/hooks/alertmanager",
            &json_type,
            r#"{"version":"3"}"#,
        )
        .await;
    assert_eq!(other.status, 400);
}

#[tokio::test]
async fn a_scenario_is_put_under_a_version_and_mistakes_have_their_place() {
    let server = Server::start(None).await;
    let put = async |headers: &[(&str, &str)], text: &str| {
        let all: Vec<(&str, &str)> = [("content-type", "application/yaml")]
            .iter()
            .chain(headers)
            .copied()
            .collect();
        server.raw("PUT", "/api/v1/scenarios/new", &all, text).await
    };
    let created = put(&[("if-none-match", "*")], SLOW).await;
    assert_eq!(created.status, 201, "{created:?}");
    let tag = field(&created.head, "etag").unwrap();
    assert_eq!(put(&[("if-none-match", "*")], SLOW).await.status, 412);
    let changed = put(&[("if-match", &tag)], &SLOW.replace("1s", "2s")).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(
        put(&[("if-match", &tag)], SLOW).await.status,
        412,
        "the version has gone"
    );
    let shown = server.raw("GET", "/api/v1/scenarios/new", &[], "").await;
    assert_eq!(field(&shown.head, "etag"), field(&changed.head, "etag"));
    assert!(shown.json()["text"].as_str().unwrap().contains("delay: 2s"));

    let bad = put(&[], &SLOW.replace("delay: 1s", "dealy: 1s")).await;
    assert_eq!(bad.status, 422, "{bad:?}");
    let problem = &bad.json()["problems"][0];
    assert_eq!(
        (&problem["line"], &problem["column"]),
        (&json!(4), &json!(14)),
        "{problem}"
    );
    assert!(
        server
            .raw("GET", "/api/v1/scenarios/new", &[], "")
            .await
            .body
            .contains("delay: 2s")
    );

    let deleted = server.raw("DELETE", "/api/v1/scenarios/new", &[], "").await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!(
        server.raw("GET", "/api/v1/scenarios/new", &[], "").await.status,
        404
    );
}

#[tokio::test]
async fn a_refused_reload_says_where_and_keeps_what_ran() {
    let server = Server::start(None).await;
    let client = server.client();
    client.reload().await.unwrap();
    std::fs::write(server.scenarios.path().join("bad.yaml"), "rules: 7\n").unwrap();
    let error = client.reload().await.unwrap_err();
    let problem = error.problem().unwrap();
    assert!(problem.is(ProblemType::InvalidConfiguration), "{problem}");
    assert!(problem.to_string().contains("bad.yaml:1:"), "{problem}");
    assert_eq!(client.scenarios().await.unwrap().len(), 1);
    assert!(!client.status().await.unwrap().reload.ok);
}

#[tokio::test]
async fn exchanges_are_listed_and_streamed_without_a_gap() {
    let server = Server::start(None).await;
    let client = server.client();
    for injected in [false, true, false] {
        happen(&server.observer, injected);
    }
    let all = client.exchanges(&ExchangeFilter::default()).await.unwrap();
    assert_eq!(
        all.iter().map(|exchange| exchange.id).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let filter = ExchangeFilter {
        injected: Some(true),
        ..ExchangeFilter::default()
    };
    assert_eq!(client.exchanges(&filter).await.unwrap().len(), 1);

    let since = ExchangeFilter {
        after: Some(1),
        limit: Some(3),
        ..ExchangeFilter::default()
    };
    let mut stream = client.stream(&since).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.extend(next(&mut stream).await);
    }
    happen(&server.observer, false);
    ids.extend(next(&mut stream).await);
    assert_eq!(ids, [2, 3, 4]);
    assert_eq!(stream.next().await.unwrap(), None, "the limit ends it");
}

async fn next(stream: &mut crate::client::ExchangeStream) -> Option<u64> {
    match stream.next().await.unwrap() {
        Some(Streamed::Exchange(exchange)) => Some(exchange.id),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_much_it_missed() {
    let server = Server::start(None).await;
    let mut stream = server.client().stream(&ExchangeFilter::default()).await.unwrap();
    // Nothing else runs on this thread meanwhile: the stream cannot keep up.
    for _ in 0..SUBSCRIBER_LAG_MAX + 7 {
        happen(&server.observer, false);
    }
    assert_eq!(stream.next().await.unwrap(), Some(Streamed::Missed(7)));
    assert_eq!(next(&mut stream).await, Some(8), "what was not missed follows");
}

#[tokio::test]
async fn streams_are_bounded_in_number_and_end_with_the_server() {
    let server = Server::start(None).await;
    let client = server.client();
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        streams.push(client.stream(&ExchangeFilter::default()).await.unwrap());
    }
    let error = client.stream(&ExchangeFilter::default()).await.unwrap_err();
    assert!(
        error.problem().unwrap().is(ProblemType::TooManyStreams),
        "{error}"
    );
    let Server { end, served, .. } = server;
    end.send(()).unwrap();
    for mut stream in streams {
        assert_eq!(stream.next().await.unwrap(), None);
    }
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn readiness_follows_listening_and_draining_and_not_the_switch() {
    let server = Server::start(None).await;
    let client = server.client();
    let (ready, checks) = client.ready().await.unwrap();
    assert!(!ready && checks.contains("[-] listening"), "{checks}");
    server.readiness.set_listening();
    client.trip(None).await.unwrap();
    assert!(client.ready().await.unwrap().0, "tripped is ready");
    server.readiness.set_draining();
    let (ready, checks) = client.ready().await.unwrap();
    assert!(!ready && checks.contains("[-] not-draining"), "{checks}");
    assert_eq!(server.raw("GET", "/healthz", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_body_is_bounded_and_metrics_come_in_the_format_asked_for() {
    let server = Server::start(None).await;
    let json_type = [("content-type", "application/json")];
    let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(crate::input::BODY_BYTES_MAX));
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let head = format!(
        "POST /api/v1/kill-switch/trip HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n",
        server.addr
    );
    let declared = format!("{head}content-length: {}\r\n\r\n", large.len());
    stream.write_all(declared.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 413, "by its length alone");
    assert_eq!(
        server.client().kill_switch().await.unwrap().state,
        SwitchState::Armed
    );

    let text = server.raw("GET", "/metrics", &[], "").await;
    assert!(
        field(&text.head, "content-type")
            .unwrap()
            .contains("version=0.0.4"),
        "{}",
        text.head
    );
    let open = [("accept", "application/openmetrics-text; version=1.0.0")];
    let open = server.raw("GET", "/metrics", &open, "").await;
    assert!(open.body.trim_end().ends_with("# EOF"), "{}", open.body);
    let tripped = server
        .raw(
            "POST",
            "/api/v1/kill-switch/trip",
            &json_type,
            "{\"reason\":\"x\"}",
        )
        .await;
    assert_eq!(tripped.status, 200);
    assert!(
        server
            .client()
            .metrics()
            .await
            .unwrap()
            .contains("murphy_kill_switch_tripped 1")
    );
}

#[tokio::test]
async fn the_page_holds_no_token_and_loads_nothing_from_elsewhere() {
    let server = Server::start(Some(TOKEN)).await;
    for path in ["/", "/page.js"] {
        let page = server.raw("GET", path, &[], "").await;
        assert_eq!(page.status, 200);
        assert!(!page.body.contains(TOKEN));
        assert!(
            !page.body.contains("http://") && !page.body.contains("https://"),
            "{path}"
        );
        assert!(!page.body.contains("innerHTML"), "text goes in as text");
        assert_eq!(
            field(&page.head, "x-content-type-options").as_deref(),
            Some("nosniff")
        );
    }
    let page = server.raw("GET", "/", &[], "").await;
    let policy = field(&page.head, "content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
}

#[tokio::test]
async fn a_client_tells_a_wrong_token_a_closed_port_and_a_stranger_apart() {
    let server = Server::start(Some(TOKEN)).await;
    let error = server.client().status().await.unwrap_err();
    assert!(error.problem().unwrap().is(ProblemType::Unauthorized), "{error}");
    let client = server.client().with_token(&Token::new(TOKEN).unwrap()).unwrap();
    client.status().await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stranger = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let error = Client::new(&addr.to_string())
        .unwrap()
        .status()
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::NotMurphy { .. }), "{error}");
    stranger.await.unwrap();
    let error = Client::new(&addr.to_string())
        .unwrap()
        .status()
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_listener_that_others_can_reach_is_not_served_without_a_token() {
    let server = Server::start(None).await;
    let guard = Guard::new(server.addr, None, &[]).unwrap();
    let state = ControlState::new(
        server.director.clone(),
        Arc::clone(&server.observer),
        guard,
        Arc::default(),
    );
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = serve(listener, state, std::future::pending()).await;
    assert!(refused.unwrap_err().to_string().contains("control.token_file"));
}

//! The observer as its callers see it.

use super::*;
use murphy_core::outcome::Outcome;

/// An exchange that went well.
pub(crate) fn exchange(route: &str) -> Exchange {
    Exchange {
        agent: "planner".into(),
        route: route.into(),
        method: "GET".into(),
        path: "/".to_owned(),
        status: Some(200),
        ..Exchange::empty()
    }
}

const START: u64 = 1_700_000_000; // 2023-11-14T22:13:20Z

fn observer(window: WindowOptions) -> Arc<Observer> {
    Observer::new(ObserverOptions {
        routes: vec!["llm".into(), "tool".into()],
        ring_exchanges_max: 100,
        jsonl: None,
        window,
        series_max: 2_000,
        version: "1.2.3".to_owned(),
    })
    .unwrap()
}

fn at(seconds: u64) -> Offset {
    Offset(Duration::from_secs(seconds))
}

fn finished(ticket: Ticket, now: Offset, outcome: Outcome, cause: Cause) -> Finished {
    Finished {
        exchange: Exchange {
            outcome,
            cause,
            ..exchange("llm")
        },
        ticket,
        offset: now,
        arrived: SystemTime::UNIX_EPOCH + Duration::from_millis(START * 1_000 + 7),
        fired: Vec::new(),
        skipped: Vec::new(),
        ttfb: Some(Duration::from_millis(20)),
        duration: Duration::from_millis(250),
        injected: Duration::ZERO,
        upstream: None,
        overhead: Duration::from_micros(70),
    }
}

/// One whole call of an operation; returns which try it was.
fn call(observer: &Observer, identity: u64, now: u64, outcome: Outcome) -> u32 {
    let ticket = observer.start(identity, &"llm".into(), at(now));
    let attempt = ticket.attempt();
    observer.finish(finished(ticket, at(now), outcome, Cause::Upstream));
    attempt
}

/// One call of its own operation in each of these seconds.
fn calls(observer: &Observer, seconds: std::ops::Range<u64>, outcome: Outcome) {
    for second in seconds {
        call(observer, second, second, outcome);
    }
}

fn rule() -> Arc<RuleRef> {
    Arc::new(RuleRef {
        scenario: "storm".into(),
        rule: "third".into(),
        fault: "error",
        activation: murphy_core::plan::ActivationId(1),
    })
}

/// The value of a series in the text format.
fn value(observer: &Observer, series: &str) -> Option<f64> {
    let (_, body) = observer.metrics().render(None);
    body.lines()
        .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn an_exchange_gets_its_number_its_time_and_its_operation() {
    let observer = observer(WindowOptions::default());
    assert_eq!(call(&observer, 7, 0, Outcome::ServerError), 1);
    assert_eq!(call(&observer, 7, 1, Outcome::Ok), 2);
    let list = observer.exchanges().list(None, 9, None, None);
    let shown: Vec<_> = list
        .iter()
        .map(|exchange| (exchange.id, exchange.operation.0, exchange.attempt))
        .collect();
    assert_eq!(shown, [(1, 1, 1), (2, 1, 2)]);
    assert_eq!(list[0].at.to_string(), "2023-11-14T22:13:20.007Z");
    assert_eq!((list[0].duration_ms, list[0].ttfb_ms), (250.0, Some(20.0)));
}

#[test]
fn a_call_is_in_flight_until_it_is_finished_or_dropped() {
    let observer = observer(WindowOptions::default());
    let route: Name = "llm".into();
    let (one, two) = (observer.start(1, &route, at(0)), observer.start(2, &route, at(0)));
    let in_flight = || value(&observer, "murphy_in_flight_requests{route=\"llm\"}").unwrap();
    assert_eq!((in_flight(), observer.liveness(at(0)).in_flight), (2.0, 2));
    observer.finish(finished(one, at(1), Outcome::Ok, Cause::Upstream));
    drop(two);
    assert_eq!((in_flight(), observer.liveness(at(1)).in_flight), (0.0, 0));
    assert_eq!(
        observer.exchanges().latest(),
        1,
        "what is dropped leaves no exchange"
    );
}

#[test]
fn a_finished_call_is_counted_with_its_faults_and_waits() {
    let observer = observer(WindowOptions::default());
    let ticket = observer.start(1, &"llm".into(), at(0));
    observer.finish(Finished {
        fired: vec![rule()],
        skipped: vec![Skip::NotJson, Skip::Limit, Skip::Limit],
        injected: Duration::from_millis(1_500),
        ..finished(ticket, at(2), Outcome::RateLimited, Cause::Murphy)
    });
    let unrouted = observer.start(2, &"-".into(), at(3));
    observer.finish(finished(unrouted, at(3), Outcome::ClientError, Cause::Agent));
    for (series, wanted) in [
        (
            r#"murphy_requests_total{route="llm",outcome="rate_limited",cause="murphy"}"#,
            1.0,
        ),
        (
            r#"murphy_requests_total{route="llm",outcome="ok",cause="upstream"}"#,
            0.0,
        ),
        (
            r#"murphy_requests_total{route="-",outcome="client_error",cause="agent"}"#,
            1.0,
        ),
        (
            r#"murphy_faults_injected_total{route="llm",scenario="storm",rule="third",fault="error"}"#,
            1.0,
        ),
        (r#"murphy_faults_skipped_total{reason="limit"}"#, 2.0),
        (r#"murphy_faults_skipped_total{reason="not_json"}"#, 1.0),
        (r#"murphy_injected_delay_seconds_total{route="llm"}"#, 1.5),
        (r#"murphy_request_duration_seconds_count{route="llm"}"#, 1.0),
        (r#"murphy_request_duration_seconds_sum{route="llm"}"#, 0.25),
        (r#"murphy_time_to_first_byte_seconds_count{route="llm"}"#, 1.0),
        (r#"murphy_overhead_seconds_count{route="llm"}"#, 1.0),
        ("murphy_observed_error_ratio", 0.5),
        ("murphy_observed_samples", 2.0),
    ] {
        assert_eq!(value(&observer, series), Some(wanted), "{series}");
    }
}

#[test]
fn a_verdict_is_published_once_and_withdrawn_when_the_window_recovers() {
    let observer = observer(WindowOptions::default());
    let mut verdicts = observer.verdicts();
    calls(&observer, 0..10, Outcome::Ok);
    calls(&observer, 10..20, Outcome::ServerError);
    assert!(!verdicts.has_changed().unwrap(), "exactly half is not too much");
    call(&observer, 20, 20, Outcome::ServerError);
    let verdict = verdicts.borrow_and_update().clone().unwrap();
    assert_eq!((verdict.organic_errors, verdict.samples), (11, 21));
    assert_eq!(verdict.top_routes[0].name, "llm");
    call(&observer, 21, 21, Outcome::ServerError);
    assert!(!verdicts.has_changed().unwrap(), "it is no news");
    let reading = observer.evaluate(at(1_000));
    assert_eq!(reading.samples, 0);
    assert_eq!(*verdicts.borrow_and_update(), None);
}

#[test]
fn to_rearm_starts_over() {
    let observer = observer(WindowOptions::default());
    let verdicts = observer.verdicts();
    calls(&observer, 0..20, Outcome::Dropped);
    let straggler = observer.start(99, &"llm".into(), at(19));
    assert!(verdicts.borrow().is_some());
    observer.rearm(at(20));
    assert!(verdicts.borrow().is_none());
    observer.finish(finished(straggler, at(20), Outcome::Dropped, Cause::Upstream));
    assert_eq!(observer.evaluate(at(20)).samples, 0, "it began before");
    let mut again = observer.verdicts();
    calls(&observer, 30..40, Outcome::Dropped);
    assert!(again.borrow_and_update().is_some());
}

#[test]
fn only_other_numbers_empty_the_window() {
    let observer = observer(WindowOptions::default());
    calls(&observer, 0..5, Outcome::ServerError);
    observer.set_window(WindowOptions::default(), at(5));
    assert_eq!(observer.evaluate(at(5)).samples, 5);
    observer.set_window(
        WindowOptions {
            error_rate: 0.8,
            ..WindowOptions::default()
        },
        at(5),
    );
    assert_eq!(observer.evaluate(at(5)).samples, 0);
}

#[test]
fn operations_count_once_however_often_they_are_tried() {
    let observer = observer(WindowOptions {
        unit: Unit::Operation,
        ..WindowOptions::default()
    });
    let verdicts = observer.verdicts();
    for identity in 0..20 {
        let now = identity * 2;
        call(&observer, identity, now, Outcome::ServerError);
        call(&observer, identity, now, Outcome::Timeout);
        assert_eq!(call(&observer, identity, now + 1, Outcome::Ok), 3);
    }
    let reading = observer.evaluate(at(40));
    assert_eq!((reading.ratio, reading.organic_errors), (0.0, 0));
    assert!(
        verdicts.borrow().is_none(),
        "two calls in three failed, no operation did"
    );
    for identity in 100..130 {
        call(&observer, identity, 100, Outcome::ServerError);
    }
    assert_eq!(observer.evaluate(at(129)).organic_errors, 0);
    assert_eq!(observer.evaluate(at(130)).organic_errors, 30);
    assert!(verdicts.borrow().is_some());
}

#[test]
fn credentials_are_hidden_and_texts_are_bounded() {
    let observer = observer(WindowOptions::default());
    let ticket = observer.start(1, &"llm".into(), at(0));
    let secret = "sk-ant-api03-abcdefghijklmnop";
    let mut finished = finished(ticket, at(1), Outcome::ServerError, Cause::Upstream);
    finished.exchange = Exchange {
        agent: secret.into(),
        path: format!("/{}/{secret}/{}", "é".repeat(1_000), "x".repeat(5_000)),
        model: Some(format!("m{}", "o".repeat(1_000))),
        tool: Some(secret.to_owned()),
        mcp_method: Some(secret.to_owned()),
        error: Some(format!("GET https://u:{secret}@h/?key=hunter2hunter2 failed")),
        ..finished.exchange
    };
    observer.finish(finished);
    let exchange = observer.exchanges().list(None, 1, None, None).remove(0);
    let line = serde_json::to_string(&*exchange).unwrap();
    for part in [secret, "abcdefgh", "hunter2"] {
        assert!(!line.contains(part), "{part} is in {line}");
    }
    let (_, metrics) = observer.metrics().render(Some("application/openmetrics-text"));
    assert!(!metrics.contains("abcdefgh"));
    assert!(exchange.path.len() <= TEXT_BYTES_MAX + '…'.len_utf8());
    assert!(exchange.model.as_ref().unwrap().len() <= NAME_BYTES_MAX + '…'.len_utf8());
}

#[test]
fn the_event_log_has_every_exchange() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let observer = Observer::new(ObserverOptions {
        routes: vec!["llm".into()],
        ring_exchanges_max: 2,
        jsonl: Some(JsonlOptions {
            path: path.clone(),
            bytes_max: 1 << 20,
            files_max: 2,
        }),
        window: WindowOptions::default(),
        series_max: 2_000,
        version: "1.2.3".to_owned(),
    })
    .unwrap();
    calls(&observer, 0..50, Outcome::Ok);
    assert!(observer.flush(Duration::from_secs(20)));
    let ids: Vec<u64> = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Exchange>(line).unwrap().id)
        .collect();
    assert_eq!(ids, (1..=50).collect::<Vec<_>>());
    assert_eq!(observer.metrics().log_dropped(), 0);
}

#[test]
fn many_threads_lose_no_call() {
    let observer = observer(WindowOptions::default());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let observer = &observer;
            scope.spawn(move || {
                calls(observer, thread * 1_000..thread * 1_000 + 250, Outcome::Ok);
            });
        }
    });
    assert_eq!(observer.exchanges().latest(), 1_000);
    let series = r#"murphy_requests_total{route="llm",outcome="ok",cause="upstream"}"#;
    assert_eq!(value(&observer, series), Some(1_000.0));
    assert_eq!(observer.liveness(at(250)).in_flight, 0);
}

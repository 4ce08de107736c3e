//! `rate_limit` tells the truth: it counts down, names the wait, and lets pass whoever waited.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::RawResponse;
use tokio::time::{Instant, sleep};

use super::harness::{Bench, fault, marks, sim};

fn number(response: &RawResponse, name: &str) -> u64 {
    let value = response.head.header(name);
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{name}: {value:?}"))
}

#[tokio::test]
async fn a_client_that_waits_as_long_as_it_is_told_passes() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("rate_limit: { limit: 3, window: 1s }")).await;
    let start = Instant::now();
    for left in [2, 1, 0] {
        let response = bench.get("/json").await;
        assert_eq!(response.status(), 200);
        assert_eq!(
            (
                number(&response, "x-ratelimit-limit"),
                number(&response, "x-ratelimit-remaining")
            ),
            (3, left)
        );
        assert_eq!(number(&response, "x-ratelimit-reset"), 1);
    }
    let refused = bench.get("/json").await;
    assert_eq!(refused.status(), 429, "three calls took {:?}", start.elapsed());
    let wait = number(&refused, "retry-after");
    assert_eq!(wait, 1);
    // What is tested is that this very wait is enough, so it is waited.
    sleep(Duration::from_secs(wait)).await;
    let after = bench.get("/json").await;
    assert_eq!(
        (after.status(), number(&after, "x-ratelimit-remaining")),
        (200, 2)
    );
    let exchanges = bench.exchanges(5).await;
    let refusals: Vec<bool> = exchanges
        .iter()
        .map(|exchange| exchange.outcome == Outcome::RateLimited)
        .collect();
    assert_eq!(refusals, [false, false, false, true, false]);
    assert_eq!(exchanges[3].cause, Cause::Murphy);
    assert_eq!(bench.injected(&["fault=\"rate_limit\""]).await, 1.0);
    assert_eq!(sim.calls("/json"), 4);
}

#[tokio::test]
async fn each_agent_has_a_limit_of_its_own() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("rate_limit: { limit: 1, window: 1h, per: agent }")).await;
    for (agent, statuses) in [("ada", [200, 429]), ("bob", [200, 429])] {
        for status in statuses {
            let response = bench
                .call("GET", "/json", &[("x-murphy-agent", agent)], b"")
                .await;
            assert_eq!(response.status(), status, "{agent}");
        }
    }
    let credential = [("authorization", "Bearer one")];
    assert_eq!(bench.call("GET", "/json", &credential, b"").await.status(), 200);
    assert_eq!(bench.call("GET", "/json", &credential, b"").await.status(), 429);
}

#[tokio::test]
async fn the_wait_can_be_a_date() {
    let sim = sim();
    let bench = Bench::with(
        &sim,
        &fault("rate_limit: { limit: 1, window: 1h, retry_after_form: date }"),
    )
    .await;
    assert_eq!(bench.get("/json").await.status(), 200);
    let refused = bench.get("/json").await;
    let date = refused.head.header("retry-after").unwrap();
    let at = parse(date);
    #[allow(clippy::disallowed_methods)] // the date on the wire is compared with this machine's clock
    let now = SystemTime::now();
    let wait = at.duration_since(now).unwrap();
    assert!((3_500..=3_601).contains(&wait.as_secs()), "{date}: {wait:?}");
    assert_eq!(marks(&refused), ["case/r"]);
}

/// An IMF-fixdate (RFC 9110 §5.6.7), read by another hand than the one that wrote it.
fn parse(date: &str) -> SystemTime {
    let (_, rest) = date.split_once(", ").unwrap();
    let parts: Vec<&str> = rest.split([' ', ':']).collect();
    let [day, month, year, hour, minute, second, "GMT"] = parts[..] else {
        panic!("{date}")
    };
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|name| *name == month).unwrap();
    let number = |text: &str| text.parse::<u64>().unwrap();
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let year = number(year);
    let lengths = [
        31,
        if leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let days = years + lengths[..month].iter().sum::<u64>() + number(day) - 1;
    UNIX_EPOCH + Duration::from_secs(((days * 24 + number(hour)) * 60 + number(minute)) * 60 + number(second))
}

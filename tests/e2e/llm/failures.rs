//! Each failure kind by each SDK: the class that it raises, status, code and request id as it exposes them, and how
//! often and how far apart it calls.

use std::iter;

use murphy_core::failure::FailureKind;
use serde_json::Value;

use super::expected::{Expected, LONG_MS, Language, Sdk, Sight, TOLD_MS};
use super::harness::{Arrival, Ask, Bench, Interpreters, Seen, gaps};
use super::matrix::{self, Cell};

/// Kinds of which a wait is told too.
const TOLD: [FailureKind; 2] = [FailureKind::RateLimited, FailureKind::Overloaded];

/// Kinds that are tried with a stream asked for, too: one that is retried, two that are not.
const STREAMED: [FailureKind; 3] = [
    FailureKind::Overloaded,
    FailureKind::Unauthorized,
    FailureKind::ContextLength,
];

/// What the header of an untouched call says.
const CLEAN: &str = "clean";

/// Clocks of different processes, in whole milliseconds.
const SLACK_MS: i64 = 5;

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Without ado.
    Plain,
    /// Asking for a stream: an answer with an error status is the same then.
    Streamed,
    /// The failure tells a wait of [`TOLD_MS`].
    Told,
    /// The failure tells a wait of [`LONG_MS`].
    Long,
}

/// One call to be made.
struct Job<'a> {
    sdk: &'a Sdk,
    /// The failure; none for a call that passes.
    kind: Option<FailureKind>,
    way: Way,
}

impl Job<'_> {
    /// The rule's name and the value of the header.
    fn case(&self) -> String {
        let kind = self.kind.map_or(CLEAN, FailureKind::name);
        match self.way {
            Way::Plain | Way::Streamed => kind.to_owned(),
            Way::Told => format!("told-{kind}"),
            Way::Long => format!("long-{kind}"),
        }
    }

    fn ask(&self) -> Ask {
        Ask {
            sdk: self.sdk.sdk.clone(),
            dialect: self.sdk.dialect.clone(),
            agent: self.agent(),
            case: self.case(),
            retries: self.sdk.retries.as_ref().is_some_and(|retries| retries.asked),
            stream: self.way == Way::Streamed,
        }
    }

    fn agent(&self) -> String {
        let streamed = if self.way == Way::Streamed {
            ".streamed"
        } else {
            ""
        };
        format!("{}.{}{streamed}", self.sdk.id, self.case())
    }
}

/// One rule for each failure, by the header `x-case`.
fn scenario() -> String {
    let mut text = "rules:\n".to_owned();
    // `model` makes Murphy read the body: only then can a failure name the model that was asked.
    let mut rule = |case: &str, fault: &str| {
        text += &format!(
            "  - {{ name: {case}, when: {{ header: {{ x-case: {case} }} }}, fault: {{ error: {fault} }} }}\n"
        );
    };
    for kind in FailureKind::ALL {
        rule(kind.name(), kind.name());
    }
    for (way, wait) in [("told", TOLD_MS), ("long", LONG_MS)] {
        for kind in TOLD {
            let fault = format!("{{ kind: {kind}, retry_after: {wait}ms }}");
            rule(&format!("{way}-{kind}"), &fault);
        }
    }
    text
}

fn jobs(expected: &Expected) -> Vec<Job<'_>> {
    let kinds = || FailureKind::ALL.into_iter().map(Some);
    let streamed = || STREAMED.into_iter().map(Some);
    let told = || TOLD.into_iter().map(Some);
    let of = |sdk: &'_ Sdk| {
        let with = |way, kinds: &mut dyn Iterator<Item = Option<FailureKind>>| -> Vec<_> {
            kinds.map(|kind| (kind, way)).collect()
        };
        let mut cases = with(Way::Plain, &mut iter::once(None).chain(kinds()));
        cases.extend(with(Way::Streamed, &mut iter::once(None).chain(streamed())));
        cases.extend(with(Way::Told, &mut told()));
        if sdk
            .retries
            .as_ref()
            .is_some_and(|retries| retries.long_calls.is_some())
        {
            cases.extend(with(Way::Long, &mut told()));
        }
        cases
    };
    let jobs = expected.sdks.iter().flat_map(|sdk| {
        let cases = of(sdk).into_iter();
        cases.map(move |(kind, way)| Job { sdk, kind, way })
    });
    jobs.collect()
}

/// Makes all calls, those of both languages at once; what was seen of each, in their order.
async fn make(bench: &Bench, with: &Interpreters, jobs: &[Job<'_>]) -> Vec<Seen> {
    let asks = |language| -> Vec<Value> {
        let those = jobs.iter().filter(|job| job.sdk.language == language);
        those.map(|job| bench.ask(&job.ask())).collect()
    };
    let (python, node) = tokio::join!(
        with.python(asks(Language::Python)),
        with.node(asks(Language::Node))
    );
    let (mut python, mut node) = (python.into_iter(), node.into_iter());
    let next = |job: &Job<'_>| match job.sdk.language {
        Language::Python => python.next(),
        Language::Node => node.next(),
    };
    jobs.iter().map(next).map(Option::unwrap).collect()
}

/// What is wrong with what was seen of a failure.
fn wrong(job: &Job<'_>, sight: &Sight, seen: &Seen, arrivals: &[Arrival]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        let message = seen.message.as_deref().unwrap_or_default();
        let name = job.agent();
        wrong.push(format!(
            "{name}: {what} is {found:?}, should be {wanted:?} ({message})"
        ));
    };
    if seen.raises.as_ref() != Some(&sight.raises) {
        say("the class", &seen.raises, &sight.raises);
    }
    if seen.status != Some(sight.status) {
        say("the status", &seen.status, &sight.status);
    }
    if seen.code != sight.code {
        say("the code", &seen.code, &sight.code);
    }
    let id = (seen.request_id.as_deref(), sight.request_id.as_deref());
    let id_fits = match id {
        (Some(id), Some(begins)) => id.starts_with(begins) && id.len() > begins.len() + 8,
        (found, wanted) => found.is_none() && wanted.is_none(),
    };
    if !id_fits {
        say("the request id", &id.0, &id.1);
    }
    let message = seen.message.as_deref().unwrap_or_default();
    if let Some(says) = sight.says.as_deref().filter(|says| !message.contains(says)) {
        say("the text", &message, &says);
    }
    let calls = calls(job, sight);
    if arrivals.len() != calls {
        say("the number of calls", &arrivals.len(), &calls);
    }
    let gaps = gaps(arrivals);
    if let Some(wait) = wrong_wait(job, &gaps) {
        say("the wait", &gaps, &wait);
    }
    for arrival in arrivals {
        let told = (arrival.dialect.as_str(), arrival.status);
        let wanted = (job.sdk.dialect.as_str(), Some(u64::from(sight.status)));
        if told != wanted {
            say("the exchange", &told, &wanted);
        }
    }
    wrong
}

/// How many calls an SDK makes.
fn calls(job: &Job<'_>, sight: &Sight) -> usize {
    let Some(retries) = job.sdk.retries.as_ref().filter(|_| sight.retried) else {
        return 1;
    };
    let long = retries.long_calls.filter(|_| job.way == Way::Long);
    long.unwrap_or(retries.calls)
}

/// Says how long the waits should be, if they are not. One that listens waits at least as long as it was told, each
/// time; one that nobody told waits as long as it does by itself; one that is told too much comes sooner.
fn wrong_wait(job: &Job<'_>, gaps: &[i64]) -> Option<String> {
    let retries = job.sdk.retries.as_ref()?;
    match (job.way, retries.told_wait_ms) {
        (Way::Told, Some(told)) => {
            let short = gaps.iter().any(|gap| *gap < told - SLACK_MS);
            short.then(|| format!("at least {told} ms"))
        }
        (Way::Told, None) => None, // that it does not listen shows with a long wait
        (Way::Plain | Way::Streamed, _) => {
            let own = &retries.own_waits_ms;
            let short = gaps.iter().zip(own).any(|(gap, own)| *gap < own - SLACK_MS);
            short.then(|| format!("at least {own:?} ms"))
        }
        (Way::Long, _) => {
            let late = gaps.iter().any(|gap| *gap >= LONG_MS);
            late.then(|| format!("less than {LONG_MS} ms"))
        }
    }
}

#[tokio::test]
async fn every_sdk_raises_for_every_failure_what_it_raises_for_the_real_thing() {
    let Some(with) = Interpreters::found().await else {
        return;
    };
    let expected = Expected::read();
    let jobs = jobs(&expected);
    let bench = Bench::start(expected.dialects.keys(), &scenario()).await;
    let seen = make(&bench, &with, &jobs).await;
    let arrivals = bench.arrivals().await;

    let mut all_wrong = Vec::new();
    let mut cells = Vec::new();
    for (job, seen) in jobs.iter().zip(&seen) {
        let arrivals = arrivals.get(&job.agent()).map_or(&[][..], Vec::as_slice);
        let Some(kind) = job.kind else {
            if seen.text.as_deref().is_none_or(str::is_empty) {
                all_wrong.push(format!("{}: a call that passes fails: {seen:?}", job.agent()));
            }
            continue;
        };
        let sight = expected.sight(job.sdk, kind.name());
        all_wrong.extend(wrong(job, &sight, seen, arrivals));
        if job.way == Way::Plain {
            cells.push(Cell::of(job.sdk, kind, seen, arrivals.len()));
        }
    }
    let count = all_wrong.len();
    assert!(all_wrong.is_empty(), "{count} wrong:\n{}", all_wrong.join("\n"));
    matrix::compare_json(&expected, cells);
}

//! `anthropic-ratelimit-*`: per family a limit, what remains of it, and when it is whole again (RFC 3339).

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use murphy_core::failure::{Failure, FailureKind};

use crate::dialect::Rendering;
use crate::rendering::{field, wait};
use crate::retry_after::whole_seconds;

/// The documented limits of the first usage tier. They stand where no limiter says better.
const REQUESTS: u32 = 50;
const INPUT_TOKENS: u64 = 30_000;
const OUTPUT_TOKENS: u64 = 8_000;
const WINDOW: Duration = Duration::from_secs(60);

/// How many requests in which window the answer speaks of.
pub(super) fn requests(at: &Rendering<'_>) -> (u32, Duration) {
    at.limit
        .map_or((REQUESTS, WINDOW), |(limit, _)| (limit.limit, limit.window))
}

/// The family of the limiter, which counts requests.
pub(super) fn of_limiter(at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let Some((limit, reading)) = at.limit else {
        return Vec::new();
    };
    vec![
        field("anthropic-ratelimit-requests-limit", limit.limit),
        field("anthropic-ratelimit-requests-remaining", reading.remaining),
        field(
            "anthropic-ratelimit-requests-reset",
            moment(at.now, reading.resets_in),
        ),
    ]
}

/// The families of a failure. A call over the limit is told of all: of requests none are left, of tokens all.
pub(super) fn of_failure(failure: &Failure, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = of_limiter(at);
    if failure.kind != FailureKind::RateLimited {
        return fields;
    }
    if fields.is_empty() {
        let reset = moment(at.now, wait(failure, at).unwrap_or(WINDOW));
        fields.extend([
            field("anthropic-ratelimit-requests-limit", REQUESTS),
            field("anthropic-ratelimit-requests-remaining", 0),
            field("anthropic-ratelimit-requests-reset", reset),
        ]);
    }
    let now = moment(at.now, Duration::ZERO); // what is whole is whole now
    fields.extend([
        field("anthropic-ratelimit-input-tokens-limit", INPUT_TOKENS),
        field("anthropic-ratelimit-input-tokens-remaining", INPUT_TOKENS),
        field("anthropic-ratelimit-input-tokens-reset", now),
        field("anthropic-ratelimit-output-tokens-limit", OUTPUT_TOKENS),
        field("anthropic-ratelimit-output-tokens-remaining", OUTPUT_TOKENS),
        field("anthropic-ratelimit-output-tokens-reset", now),
        field("anthropic-ratelimit-tokens-limit", INPUT_TOKENS + OUTPUT_TOKENS),
        field(
            "anthropic-ratelimit-tokens-remaining",
            INPUT_TOKENS + OUTPUT_TOKENS,
        ),
        field("anthropic-ratelimit-tokens-reset", now),
    ]);
    fields
}

/// The moment at which a wait is over, in whole seconds and never early. What no timestamp can hold is the last.
fn moment(now: SystemTime, wait: Duration) -> Timestamp {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = since_epoch.checked_add(wait).map(whole_seconds);
    seconds
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

//! How the OpenAI family tells a call how it stands with a limit.
//!
//! OpenAI: `x-ratelimit-{limit,remaining,reset}-requests`, the reset as a duration in the form of Go's
//! `Duration.String` (`1s`, `6m0s`, `12ms`). Only the family of requests is written: a limiter counts calls, and
//! the upstream's own family of tokens, where an answer passes, is left as true as it was.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use murphy_core::effect::Limit;
use murphy_core::plan::LimitReading;

/// A limit that is made up when a rule asks for a rate limit and no limiter counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MadeUp {
    /// Calls in the window; none is left.
    pub(crate) limit: u32,
    /// The window.
    pub(crate) window: Duration,
    /// Until the next call is taken.
    pub(crate) reset: Duration,
}

/// A made-up limit in accord with the wait that the client is told: 500 a minute, 10 000 a day where a minute is
/// shorter than the wait. Without one, the next call is taken when the next of 500 a minute is.
pub(crate) fn made_up(wait: Option<Duration>) -> MadeUp {
    let reset = wait.unwrap_or(Duration::from_millis(120));
    let (limit, seconds) = if reset <= Duration::from_secs(60) {
        (500, 60)
    } else {
        (10_000, 86_400)
    };
    MadeUp {
        limit,
        window: Duration::from_secs(seconds),
        reset,
    }
}

/// A duration as Go writes it, rounded up to whole milliseconds.
pub(crate) fn go_duration(duration: Duration) -> String {
    let millis = duration.as_micros().div_ceil(1_000);
    if millis == 0 {
        return "0s".to_owned();
    }
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let fraction = format!(".{millis:03}");
    let fraction = if millis == 0 {
        ""
    } else {
        fraction.trim_end_matches('0')
    };
    let seconds = seconds % 60;
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

/// The family of requests as OpenAI writes it.
fn family(limit: u32, remaining: u32, reset: Duration) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = vec![
        (
            HeaderName::from_static("x-ratelimit-limit-requests"),
            HeaderValue::from(limit),
        ),
        (
            HeaderName::from_static("x-ratelimit-remaining-requests"),
            HeaderValue::from(remaining.min(limit)),
        ),
    ];
    if let Ok(reset) = HeaderValue::try_from(go_duration(reset)) {
        fields.push((HeaderName::from_static("x-ratelimit-reset-requests"), reset));
    }
    fields
}

/// The headers of a limiter as OpenAI writes them; none without one.
pub(crate) fn openai(limit: Option<(Limit, LimitReading)>) -> Vec<(HeaderName, HeaderValue)> {
    limit
        .map(|(limit, reading)| family(limit.limit, reading.remaining, reading.resets_in))
        .unwrap_or_default()
}

/// The headers of a rate limit that no limiter counted.
pub(crate) fn openai_made_up(wait: Option<Duration>) -> Vec<(HeaderName, HeaderValue)> {
    let made_up = made_up(wait);
    family(made_up.limit, 0, made_up.reset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_go_writes_it_and_never_too_short() {
        for (micros, text) in [
            (0, "0s"),
            (1, "1ms"),
            (12_000, "12ms"),
            (999_999, "1s"),
            (1_000_000, "1s"),
            (11_054_000, "11.054s"),
            (59_700_000, "59.7s"),
            (60_000_000, "1m0s"),
            (360_000_000, "6m0s"),
            (61_010_000, "1m1.01s"),
            (3_600_000_000, "1h0m0s"),
            (90_061_500_000, "25h1m1.5s"),
        ] {
            assert_eq!(go_duration(Duration::from_micros(micros)), text, "{micros} µs");
        }
        assert!(go_duration(Duration::MAX).ends_with('s'));
    }
}

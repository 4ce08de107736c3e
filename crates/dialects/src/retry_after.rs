//! The `retry-after` header (RFC 9110 §10.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use murphy_core::failure::RetryAfterForm;

/// A wait as whole seconds, rounded up: who waits that long never comes too early.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// The value of `retry-after`. A date is rounded up to the next whole second; where the clock gives none that
/// can be written, seconds stand instead.
#[must_use]
pub fn retry_after(wait: Duration, form: RetryAfterForm, now: SystemTime) -> HeaderValue {
    let date = match form {
        RetryAfterForm::Date => http_date(wait, now),
        RetryAfterForm::Seconds => None,
    };
    date.unwrap_or_else(|| HeaderValue::from(whole_seconds(wait)))
}

/// The last second that an HTTP date can name: the end of the year 9999, in seconds since 1970.
const DATE_MAX_SECONDS: u64 = 253_402_300_799;

fn http_date(wait: Duration, now: SystemTime) -> Option<HeaderValue> {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let seconds = whole_seconds(since_epoch.checked_add(wait)?);
    if seconds > DATE_MAX_SECONDS {
        return None;
    }
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    HeaderValue::try_from(httpdate::fmt_http_date(at)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn seconds_are_rounded_up_and_never_early() {
        for (millis, shown) in [(0, "0"), (1, "1"), (1_000, "1"), (1_001, "2"), (2_000, "2")] {
            let value = retry_after(Duration::from_millis(millis), RetryAfterForm::Seconds, at(0));
            assert_eq!(value, shown, "{millis} ms");
        }
    }

    #[test]
    fn a_date_is_the_first_whole_second_at_which_the_wait_is_over() {
        let value = |wait, now| retry_after(Duration::from_millis(wait), RetryAfterForm::Date, at(now));
        assert_eq!(value(0, 784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT"); // the example of RFC 9110 §5.6.7
        assert_eq!(value(1_500, 784_111_777_600), "Sun, 06 Nov 1994 08:49:40 GMT");
    }

    #[test]
    fn a_clock_that_no_date_can_show_falls_back_to_seconds() {
        for now in [
            SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            at(0) + Duration::from_secs(DATE_MAX_SECONDS),
        ] {
            assert_eq!(
                retry_after(Duration::from_secs(3), RetryAfterForm::Date, now),
                "3"
            );
        }
    }
}

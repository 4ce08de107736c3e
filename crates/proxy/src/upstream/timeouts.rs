//! The first-byte deadline: it runs while the upstream is the one who is waited for.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::outgoing::{Standing, Upload};

/// Returns once the upstream has done nothing for `limit`: not taken more of the request's body, or, when it has
/// all of it, not answered. While the agent has to send more, the time does not run. Never returns without a limit.
pub(super) async fn first_byte_overdue(limit: Option<Duration>, upload: Option<&Upload>) {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    let mut from = Instant::now();
    loop {
        sleep_until(from + limit).await;
        match upload.map(Upload::standing) {
            None => return,
            Some(Standing::WaitsForAgent) => from = Instant::now(),
            Some(Standing::WaitsForUpstream(since)) if since <= from => return,
            Some(Standing::WaitsForUpstream(since)) => from = since,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio::time::timeout;

    use super::*;
    use crate::upstream::error::BoxError;

    const LIMIT: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn without_a_body_it_runs_from_the_start() {
        let begun = Instant::now();
        first_byte_overdue(Some(LIMIT), None).await;
        assert_eq!(begun.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_a_slow_agent_and_not_for_a_stuck_upstream() {
        let slow = futures_util::stream::unfold(0, |sent| async move {
            (sent < 3).then_some(())?;
            tokio::time::sleep(Duration::from_secs(5)).await;
            let frame: Result<_, BoxError> = Ok(Frame::data(Bytes::from_static(b"x")));
            Some((frame, sent + 1))
        });
        let upload = Upload::take(StreamBody::new(Box::pin(slow))).unwrap();
        let mut body = upload.first(false);
        let begun = Instant::now();
        let reads = async {
            // Two of three frames, fifteen seconds in all if it went on: then the upstream is stuck.
            body.frame().await.unwrap().unwrap();
            body.frame().await.unwrap().unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = reads => unreachable!(),
            () = first_byte_overdue(Some(LIMIT), Some(&upload)) => {}
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(12));
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_is_for_ever() {
        let waited = timeout(Duration::from_secs(86_400), first_byte_overdue(None, None)).await;
        assert!(waited.is_err());
    }
}

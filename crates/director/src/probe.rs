//! Watches a health URL and says so when it fails several times in a row.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::alerts::{Outgoing, Post};
use crate::event::Stop;
use crate::settings::Health;
use crate::view::Trigger;

/// One try may take this long, or as long as the interval if that is shorter.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// The task that asks. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Probe(tokio::task::JoinHandle<()>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Probe {
    /// Starts to ask. Failures in a row trip the switch through `stops`, and are then counted anew.
    pub(crate) fn start(health: Health, post: Arc<dyn Post>, stops: mpsc::WeakSender<Stop>) -> Self {
        Self(tokio::spawn(run(health, post, stops)))
    }
}

async fn run(health: Health, post: Arc<dyn Post>, stops: mpsc::WeakSender<Stop>) {
    let mut ticks = interval(health.every.0);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = 0;
    loop {
        ticks.tick().await;
        let Err(error) = ask(&health, &*post).await else {
            failures = 0;
            continue;
        };
        failures += 1;
        tracing::warn!(failures, limit = health.failures, %error, "the health URL fails");
        if failures < health.failures {
            continue;
        }
        failures = 0;
        let Some(stops) = stops.upgrade() else { return };
        let stop = Stop::Trip {
            trigger: Trigger::Health,
            reason: format!(
                "the health URL failed {} times in a row: {error}",
                health.failures
            ),
            who: "director".to_owned(),
            reply: None,
        };
        if stops.send(stop).await.is_err() {
            return;
        }
    }
}

async fn ask(health: &Health, post: &dyn Post) -> Result<(), String> {
    let request = Outgoing {
        method: http::Method::GET,
        url: health.url.clone(),
        content_type: None,
        body: Vec::new(),
    };
    match timeout(TRY_TIMEOUT.min(health.every.0), post.send(request)).await {
        Ok(Ok(status)) if (200..300).contains(&status) => Ok(()),
        Ok(Ok(status)) => Err(format!("status {status}")),
        Ok(Err(error)) => Err(error),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

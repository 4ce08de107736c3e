//! Who is told when the kill switch trips: webhooks with bounded retries, each receiver in a task of its own,
//! so that a slow or dead one holds up nothing and nobody.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::settings::{Alert, AlertKind};
use crate::view::{ChangeView, TripView};

mod body;

/// How many notices may wait for one receiver.
const NOTICES_WAITING_MAX: usize = 16;
/// How often one notice is tried.
const TRIES_MAX: u32 = 6;
/// The wait before the second try; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// One try may take this long.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often Alertmanager is told that the switch is still tripped. It forgets what is not repeated within its
/// `resolve_timeout` (5 min by default), or at `endsAt`.
pub(crate) const RESEND_EVERY: Duration = Duration::from_secs(60);

/// A request to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// `POST` for alerts, `GET` for the health URL.
    pub method: http::Method,
    /// Where to; may hold a secret.
    pub url: String,
    /// The body's content type; `None` without a body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Vec<u8>,
}

/// What comes of a request: the status, or what went wrong (without the URL).
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<u16, String>> + Send + 'a>>;

/// Sends HTTP requests. The binary implements it; nothing here knows how.
pub trait Post: Send + Sync + 'static {
    /// Sends one request and reads the status of its answer. Redirects are not followed. It may be dropped at
    /// any time.
    fn send(&self, request: Outgoing) -> Sending<'_>;
}

/// What is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Notice {
    /// The switch tripped.
    Tripped(TripView),
    /// It is tripped since before this process started. Only those who must be reminded are told.
    StillTripped(TripView),
    /// It was re-armed.
    Rearmed(ChangeView),
    /// The latch cannot be kept: a restart would forget the trip.
    Trouble {
        /// What does not work.
        what: String,
        /// Since when.
        at: String,
    },
}

/// All receivers.
#[derive(Debug)]
pub(crate) struct Alerts {
    receivers: Vec<(String, mpsc::Sender<Notice>)>,
}

impl Alerts {
    /// Starts a task for each receiver. They end when this is dropped and what waits is delivered.
    pub(crate) fn start(settings: &[Alert], post: &Arc<dyn Post>) -> Self {
        let start = |alert: &Alert| {
            let (sender, notices) = mpsc::channel(NOTICES_WAITING_MAX);
            let name = name_of(alert);
            let receiver = Receiver {
                alert: alert.clone(),
                name: name.clone(),
                post: Arc::clone(post),
                standing: None,
            };
            tokio::spawn(receiver.run(notices));
            (name, sender)
        };
        Self {
            receivers: settings.iter().map(start).collect(),
        }
    }

    /// Tells all receivers; never waits. If too much waits for one already, it is not told, and the log says so.
    pub(crate) fn tell(&self, notice: &Notice) {
        for (name, sender) in &self.receivers {
            if sender.try_send(notice.clone()).is_err() {
                tracing::warn!(receiver = %name, "too many alerts wait for this receiver: one is dropped");
            }
        }
    }
}

/// How a receiver is called in the log: without path and query, which often hold a secret.
fn name_of(alert: &Alert) -> String {
    let kind = match alert.kind {
        AlertKind::Webhook => "webhook",
        AlertKind::Slack => "slack",
        AlertKind::Alertmanager => "alertmanager",
    };
    let uri = alert.url.parse::<http::Uri>().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or("?");
    format!("{kind} at {host}")
}

struct Receiver {
    alert: Alert,
    name: String,
    post: Arc<dyn Post>,
    /// The trip that Alertmanager must be reminded of.
    standing: Option<TripView>,
}

impl Receiver {
    async fn run(mut self, mut notices: mpsc::Receiver<Notice>) {
        let mut remind_at = Instant::now();
        loop {
            let notice = if self.standing.is_some() {
                tokio::select! {
                    notice = notices.recv() => notice,
                    () = tokio::time::sleep_until(remind_at) => self.standing.clone().map(Notice::StillTripped),
                }
            } else {
                notices.recv().await
            };
            let Some(notice) = notice else { return };
            self.remember(&notice);
            if let Some(request) = body::request(&self.alert, &notice) {
                self.deliver(request).await;
            }
            remind_at = Instant::now() + RESEND_EVERY;
        }
    }

    fn remember(&mut self, notice: &Notice) {
        if self.alert.kind != AlertKind::Alertmanager {
            return;
        }
        match notice {
            Notice::Tripped(trip) | Notice::StillTripped(trip) => self.standing = Some(trip.clone()),
            Notice::Rearmed(_) => self.standing = None,
            Notice::Trouble { .. } => {}
        }
    }

    /// Tries until it is taken, a bounded number of times.
    async fn deliver(&self, request: Outgoing) {
        let mut wait = FIRST_WAIT;
        for nth in 1..=TRIES_MAX {
            let error = match timeout(TRY_TIMEOUT, self.post.send(request.clone())).await {
                Ok(Ok(status)) if (200..300).contains(&status) => return,
                Ok(Ok(status)) => format!("status {status}"),
                Ok(Err(error)) => error,
                Err(_) => format!("no answer within {}s", TRY_TIMEOUT.as_secs()),
            };
            tracing::warn!(receiver = %self.name, nth, %error, "an alert was not taken");
            if nth < TRIES_MAX {
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
        }
        tracing::error!(receiver = %self.name, tries = TRIES_MAX, "an alert could not be delivered");
    }
}

#[cfg(test)]
mod tests;

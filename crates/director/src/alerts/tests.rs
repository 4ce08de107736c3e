//! Retries, bounds and reminders, in paused time.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::Value;

use super::*;
use crate::view::{Change, Trigger};

/// Answers as told, and notes what came and when.
#[derive(Default)]
struct Fake {
    answers: Mutex<VecDeque<Result<u16, String>>>,
    got: Mutex<Vec<(Duration, Outgoing)>>,
    since: Option<Instant>,
}

impl Fake {
    fn new(answers: impl IntoIterator<Item = Result<u16, String>>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            got: Mutex::default(),
            since: Some(Instant::now()),
        })
    }

    /// Seconds at which requests came.
    fn times(&self) -> Vec<u64> {
        self.got
            .lock()
            .unwrap()
            .iter()
            .map(|(at, _)| at.as_secs())
            .collect()
    }

    fn bodies(&self) -> Vec<Value> {
        let got = self.got.lock().unwrap();
        got.iter()
            .map(|(_, request)| serde_json::from_slice(&request.body).unwrap())
            .collect()
    }
}

impl Post for Fake {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        let at = self.since.map(|since| since.elapsed()).unwrap_or_default();
        self.got.lock().unwrap().push((at, request));
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            match answer {
                Some(Ok(0)) => std::future::pending().await,
                Some(answer) => answer,
                None => Ok(200),
            }
        })
    }
}

fn alerts(kind: AlertKind, fake: &Arc<Fake>) -> Alerts {
    let post: Arc<dyn Post> = Arc::clone(fake) as _;
    let alert = Alert {
        kind,
        url: "http://hooks.test/secret-path".into(),
    };
    Alerts::start(&[alert], &post)
}

fn trip() -> TripView {
    TripView {
        trigger: Trigger::ErrorRate,
        reason: "60 % of 20 calls <failed>".into(),
        who: "director".into(),
        at: "2026-01-01T00:00:00.000Z".into(),
        halted: vec!["slow".into()],
        measured: None,
    }
}

fn rearmed() -> Notice {
    Notice::Rearmed(ChangeView {
        change: Change::Rearmed,
        who: "ann".into(),
        reason: String::new(),
        at: "2026-01-01T00:09:00.000Z".into(),
    })
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_tried_again_with_growing_waits_until_it_is_taken() {
    let fake = Fake::new([Ok(500), Err("refused".into()), Ok(0), Ok(429), Ok(204)]);
    let alerts = alerts(AlertKind::Webhook, &fake);
    alerts.tell(&Notice::Tripped(trip()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    // The third try is given up after 10 s.
    assert_eq!(fake.times(), [0, 1, 3, 17, 25]);
    let body = &fake.bodies()[0];
    assert_eq!(body["event"], "kill_switch_tripped");
    assert_eq!(body["trip"]["halted"][0], "slow");
}

#[tokio::test(start_paused = true)]
async fn tries_and_waiting_notices_are_bounded() {
    let fake = Fake::new((0..1_000).map(|_| Ok(503)));
    let alerts = alerts(AlertKind::Slack, &fake);
    for _ in 0..100 {
        alerts.tell(&Notice::Tripped(trip()));
    }
    tokio::time::sleep(Duration::from_secs(24 * 3_600)).await;
    let most = NOTICES_WAITING_MAX * TRIES_MAX as usize;
    assert_eq!(fake.times().len(), most);
    assert_eq!(
        fake.bodies()[0]["text"]
            .as_str()
            .unwrap()
            .matches("&lt;failed&gt;")
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn alertmanager_is_reminded_while_it_lasts_and_told_when_it_ends() {
    let fake = Fake::new([]);
    let alerts = alerts(AlertKind::Alertmanager, &fake);
    alerts.tell(&Notice::Tripped(trip()));
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert_eq!(fake.times(), [0, 60, 120]);
    alerts.tell(&rearmed());
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(fake.times(), [0, 60, 120, 150]);
    let bodies = fake.bodies();
    assert_eq!(bodies[0], bodies[2], "a reminder is the same alert");
    assert_eq!(bodies[0][0]["labels"], bodies[3][0]["labels"]);
    assert_eq!(bodies[3][0]["endsAt"], "2026-01-01T00:09:00.000Z");
    let got = fake.got.lock().unwrap();
    assert_eq!(got[0].1.url, "http://hooks.test/secret-path/api/v2/alerts");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_only_alertmanager_is_reminded() {
    for (kind, requests) in [
        (AlertKind::Webhook, 0),
        (AlertKind::Slack, 0),
        (AlertKind::Alertmanager, 2),
    ] {
        let fake = Fake::new([]);
        let alerts = alerts(kind, &fake);
        alerts.tell(&Notice::StillTripped(trip()));
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(fake.times().len(), requests, "{kind:?}");
    }
}

#[test]
fn the_log_does_not_learn_the_path_of_a_webhook() {
    let alert = Alert {
        kind: AlertKind::Slack,
        url: "https://hooks.slack.test/services/T0/B0/secret".into(),
    };
    assert_eq!(name_of(&alert), "slack at hooks.slack.test");
}

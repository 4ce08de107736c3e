//! What each receiver is sent.

use http::Method;
use serde_json::{Value, json};

use super::{Notice, Outgoing};
use crate::settings::{Alert, AlertKind};
use crate::view::TripView;

/// Where Alertmanager takes alerts (its API v2, `POST /api/v2/alerts`).
const ALERTMANAGER_PATH: &str = "/api/v2/alerts";

/// The request that tells a receiver; `None` if this one need not know.
pub(super) fn request(alert: &Alert, notice: &Notice) -> Option<Outgoing> {
    let (url, body) = match alert.kind {
        AlertKind::Webhook => (alert.url.clone(), webhook(notice)?),
        AlertKind::Slack => (alert.url.clone(), slack(notice)?),
        AlertKind::Alertmanager => {
            let base = alert.url.trim_end_matches('/');
            let url = if base.ends_with(ALERTMANAGER_PATH) {
                base.to_owned()
            } else {
                format!("{base}{ALERTMANAGER_PATH}")
            };
            (url, alertmanager(notice))
        }
    };
    Some(Outgoing {
        method: Method::POST,
        url,
        content_type: Some("application/json"),
        body: body.to_string().into_bytes(),
    })
}

fn webhook(notice: &Notice) -> Option<Value> {
    Some(match notice {
        Notice::Tripped(trip) => json!({ "event": "kill_switch_tripped", "at": trip.at, "trip": trip }),
        Notice::StillTripped(_) => return None,
        Notice::Rearmed(change) => {
            json!({ "event": "kill_switch_rearmed", "at": change.at, "change": change })
        }
        Notice::Trouble { what, at } => json!({ "event": "kill_switch_trouble", "at": at, "what": what }),
    })
}

/// A message for an incoming webhook. Slack wants `&`, `<` and `>` escaped.
fn slack(notice: &Notice) -> Option<Value> {
    let text = match notice {
        Notice::Tripped(trip) => format!(
            ":octagonal_sign: Murphy's kill switch tripped ({}): {}. Halted: {}. Nothing is injected any more.",
            trip.trigger.name(),
            trip.reason,
            halted(trip)
        ),
        Notice::StillTripped(_) => return None,
        Notice::Rearmed(change) => {
            format!(
                ":white_check_mark: Murphy's kill switch was re-armed by {}. {}",
                change.who, change.reason
            )
        }
        Notice::Trouble { what, .. } => format!(":warning: Murphy: {what}"),
    };
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    Some(json!({ "text": text }))
}

fn halted(trip: &TripView) -> String {
    if trip.halted.is_empty() {
        "none was active".to_owned()
    } else {
        trip.halted.join(", ")
    }
}

/// A list of one alert. Its labels are its identity, so they are the same each time: Alertmanager takes a
/// repetition as the same alert, and ends it when `endsAt` has passed. Without `endsAt` it ends by itself when
/// it is not repeated.
fn alertmanager(notice: &Notice) -> Value {
    let alert = |name: &str, summary: &str, description: &str, starts: Option<&str>, ends: Option<&str>| {
        let mut alert = json!({
            "labels": { "alertname": name, "severity": "critical", "service": "murphy" },
            "annotations": { "summary": summary, "description": description },
        });
        if let Some(fields) = alert.as_object_mut() {
            fields.extend(starts.map(|at| ("startsAt".to_owned(), json!(at))));
            fields.extend(ends.map(|at| ("endsAt".to_owned(), json!(at))));
        }
        json!([alert])
    };
    const TRIPPED: &str = "MurphyKillSwitchTripped";
    const SUMMARY: &str = "Murphy's kill switch is tripped";
    match notice {
        Notice::Tripped(trip) | Notice::StillTripped(trip) => {
            let description = format!(
                "{}: {}. Halted: {}",
                trip.trigger.name(),
                trip.reason,
                halted(trip)
            );
            alert(TRIPPED, SUMMARY, &description, Some(&trip.at), None)
        }
        Notice::Rearmed(change) => {
            let description = format!("re-armed by {}", change.who);
            alert(TRIPPED, SUMMARY, &description, None, Some(&change.at))
        }
        Notice::Trouble { what, at } => alert(
            "MurphyKillSwitchTrouble",
            "Murphy's kill switch cannot be kept",
            what,
            Some(at),
            None,
        ),
    }
}

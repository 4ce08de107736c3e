//! `POST hooks/alertmanager`: an alarm from Alertmanager trips the kill switch, so that any PromQL expression can
//! be a stop condition.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use murphy_director::view::{KillSwitchView, Trigger};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ControlState;
use crate::api::Answered;
use crate::input::Input;
use crate::problem::{ProblemDetails, ProblemType};

/// The label that makes an alert an order.
const ACTION_LABEL: &str = "murphy_action";
/// The only order there is: nothing that arrives here re-arms.
const ACTION_TRIP: &str = "trip";
/// Characters of an alert's name or summary that are recorded.
const WORDS_CHARS_MAX: usize = 200;

/// Alertmanager's webhook, version 4. What is not needed here is not listed, and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AlertmanagerWebhook {
    /// `4`.
    #[serde(default)]
    pub version: String,
    /// The alerts of the group.
    #[serde(default)]
    pub alerts: Vec<WebhookAlert>,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WebhookAlert {
    /// `firing` or `resolved`.
    pub status: String,
    /// Its labels. `murphy_action="trip"` trips the kill switch while it is firing.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its annotations; `summary` is recorded.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// What the alarm did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmAnswer {
    /// Whether an alert ordered a trip.
    pub trip: bool,
    /// The kill switch as it is now.
    pub kill_switch: KillSwitchView,
}

pub(crate) async fn alertmanager(
    State(state): State<ControlState>,
    Input(webhook): Input<AlertmanagerWebhook>,
) -> Answered<AlarmAnswer> {
    if webhook.version != "4" {
        return Err(ProblemDetails::new(
            ProblemType::BadRequest,
            format!(
                "wanted Alertmanager's webhook with version \"4\", found {:?}",
                clip(&webhook.version)
            ),
        ));
    }
    let order = webhook.alerts.iter().find(|alert| orders_trip(alert));
    let kill_switch = match order {
        Some(alert) => {
            let (reason, who) = words(alert);
            state.director.trip(Trigger::Alarm, &reason, &who).await?
        }
        None => state.director.kill_switch(),
    };
    Ok(Json(AlarmAnswer {
        trip: order.is_some(),
        kill_switch,
    }))
}

/// A resolved alert orders nothing: only a person re-arms.
fn orders_trip(alert: &WebhookAlert) -> bool {
    alert.status == "firing"
        && alert
            .labels
            .get(ACTION_LABEL)
            .is_some_and(|action| action == ACTION_TRIP)
}

fn words(alert: &WebhookAlert) -> (String, String) {
    let name = alert.labels.get("alertname").map_or("an alert", String::as_str);
    let name = clip(name);
    let reason = match alert.annotations.get("summary") {
        Some(summary) => format!("{name}: {}", clip(summary)),
        None => format!("{name} is firing"),
    };
    (reason, format!("Alertmanager ({name})"))
}

fn clip(words: &str) -> String {
    words.chars().take(WORDS_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(status: &str, action: Option<&str>) -> WebhookAlert {
        WebhookAlert {
            status: status.to_owned(),
            labels: action
                .map(|action| (ACTION_LABEL.to_owned(), action.to_owned()))
                .into_iter()
                .collect(),
            annotations: BTreeMap::new(),
        }
    }

    #[test]
    fn only_a_firing_alert_with_the_label_is_an_order() {
        assert!(orders_trip(&alert("firing", Some("trip"))));
        for (status, action) in [
            ("resolved", Some("trip")),
            ("firing", None),
            ("firing", Some("rearm")),
            ("firing", Some("TRIP")),
            ("", Some("trip")),
        ] {
            assert!(!orders_trip(&alert(status, action)), "{status} {action:?}");
        }
    }

    #[test]
    fn a_trip_is_recorded_with_the_alerts_name_and_summary_and_no_more_than_that() {
        let mut loud = alert("firing", Some("trip"));
        loud.labels
            .insert("alertname".to_owned(), "HighErrors".to_owned());
        loud.annotations.insert("summary".to_owned(), "x".repeat(10_000));
        let (reason, who) = words(&loud);
        assert!(
            reason.starts_with("HighErrors: xxx") && reason.len() < 300,
            "{reason}"
        );
        assert_eq!(who, "Alertmanager (HighErrors)");
    }
}

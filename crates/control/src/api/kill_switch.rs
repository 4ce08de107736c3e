//! `kill-switch`: show, trip, re-arm, lock, unlock.

use axum::Json;
use axum::extract::State;
use murphy_director::view::{KillSwitchView, Trigger};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ControlState;
use crate::api::Answered;
use crate::input::{Input, Who};

/// Why the kill switch is changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReasonRequest {
    /// Why, in words; it is recorded (at most 500 characters of it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ReasonRequest {
    fn text(&self) -> &str {
        self.reason.as_deref().unwrap_or_default().trim()
    }
}

pub(crate) async fn get(State(state): State<ControlState>) -> Json<KillSwitchView> {
    Json(state.director.kill_switch())
}

pub(crate) async fn trip(
    State(state): State<ControlState>,
    Who(who): Who,
    Input(request): Input<ReasonRequest>,
) -> Answered<KillSwitchView> {
    let tripped = state.director.trip(Trigger::Manual, request.text(), &who).await?;
    Ok(Json(tripped))
}

pub(crate) async fn rearm(
    State(state): State<ControlState>,
    Who(who): Who,
    Input(request): Input<ReasonRequest>,
) -> Answered<KillSwitchView> {
    Ok(Json(state.director.rearm(request.text(), &who).await?))
}

pub(crate) async fn lock(
    State(state): State<ControlState>,
    Who(who): Who,
    Input(request): Input<ReasonRequest>,
) -> Answered<KillSwitchView> {
    Ok(Json(state.director.lock(request.text(), &who).await?))
}

pub(crate) async fn unlock(
    State(state): State<ControlState>,
    Who(who): Who,
    Input(request): Input<ReasonRequest>,
) -> Answered<KillSwitchView> {
    Ok(Json(state.director.unlock(request.text(), &who).await?))
}

//! `scenarios`: list, show, put, delete, switch on and off.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use murphy_director::refusal::Refusal;
use murphy_director::view::{ActivateRequest, Activated, Deactivated, ScenarioView};

use crate::ControlState;
use crate::api::Answered;
use crate::input::{Input, Precondition, ScenarioName, Text, Who};
use crate::problem::{ProblemDetails, ProblemType};

pub(crate) async fn list(State(state): State<ControlState>) -> Json<Vec<ScenarioView>> {
    let all = state.director.scenarios();
    Json(all.iter().map(|detail| detail.scenario.clone()).collect())
}

pub(crate) async fn get(
    State(state): State<ControlState>,
    ScenarioName(name): ScenarioName,
) -> Result<Response, ProblemDetails> {
    let detail = state.director.scenario(&name)?;
    Ok(tagged(&tag(&detail.scenario.hash), Json(detail)))
}

/// Puts the scenario if the precondition holds. Writers through this API take turns, so that what a
/// precondition saw still holds when the write happens; somebody who edits the file at this very moment is not
/// held up.
pub(crate) async fn put(
    State(state): State<ControlState>,
    ScenarioName(name): ScenarioName,
    precondition: Precondition,
    Who(who): Who,
    Text(text): Text,
) -> Result<Response, ProblemDetails> {
    let _turn = state.writes.lock().await;
    check(&state, &name, &precondition)?;
    let put = state.director.put_scenario(&name, &text, &who).await?;
    let status = if put.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(tagged(&tag(&put.scenario.hash), (status, Json(put))))
}

pub(crate) async fn delete(
    State(state): State<ControlState>,
    ScenarioName(name): ScenarioName,
    precondition: Precondition,
    Who(who): Who,
) -> Answered<Deactivated> {
    let _turn = state.writes.lock().await;
    check(&state, &name, &precondition)?;
    Ok(Json(state.director.delete_scenario(&name, &who).await?))
}

pub(crate) async fn activate(
    State(state): State<ControlState>,
    ScenarioName(name): ScenarioName,
    Who(who): Who,
    Input(request): Input<ActivateRequest>,
) -> Answered<Activated> {
    Ok(Json(state.director.activate(&name, request, &who).await?))
}

pub(crate) async fn deactivate(
    State(state): State<ControlState>,
    ScenarioName(name): ScenarioName,
    Who(who): Who,
) -> Answered<Deactivated> {
    Ok(Json(state.director.deactivate(&name, &who).await?))
}

pub(crate) async fn deactivate_all(
    State(state): State<ControlState>,
    Who(who): Who,
) -> Answered<Deactivated> {
    Ok(Json(state.director.deactivate_all(&who).await?))
}

fn check(state: &ControlState, name: &str, precondition: &Precondition) -> Result<(), ProblemDetails> {
    if *precondition == Precondition::None {
        return Ok(());
    }
    let present = match state.director.scenario(name) {
        Ok(detail) => Some(tag(&detail.scenario.hash)),
        Err(Refusal::NoSuchScenario { .. }) => None,
        Err(refusal) => return Err(refusal.into()),
    };
    if precondition.holds(present.as_deref()) {
        return Ok(());
    }
    Err(ProblemDetails::new(
        ProblemType::PreconditionFailed,
        match present {
            Some(tag) => format!("{name:?} is at version {tag} now"),
            None => format!("there is no scenario {name:?}"),
        },
    ))
}

/// The fingerprint of the text as a strong entity tag (RFC 9110 §8.8.3).
fn tag(hash: &str) -> String {
    format!("\"{hash}\"")
}

fn tagged(tag: &str, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

//! `POST reload`.

use axum::Json;
use axum::extract::State;
use murphy_director::view::{ReloadReport, ReloadResult};

use crate::ControlState;
use crate::api::Answered;
use crate::problem::{ProblemDetails, ProblemType};

/// A refused set is no success: it answers 422 with the located mistakes.
pub(crate) async fn post(State(state): State<ControlState>) -> Answered<ReloadReport> {
    let report = state.director.reload().await?;
    if report.result == ReloadResult::Refused {
        let detail = format!(
            "{} problem(s); generation {} goes on running",
            report.problems.len(),
            report.generation
        );
        return Err(
            ProblemDetails::new(ProblemType::InvalidConfiguration, detail).with_problems(&report.problems)
        );
    }
    Ok(Json(report))
}

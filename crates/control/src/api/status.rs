//! `GET status`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use murphy_director::view::StatusView;

use crate::ControlState;

pub(crate) async fn get(State(state): State<ControlState>) -> Json<Arc<StatusView>> {
    Json(state.director.status())
}

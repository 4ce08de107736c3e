//! `GET routes`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use murphy_director::view::RouteView;

use crate::ControlState;

pub(crate) async fn list(State(state): State<ControlState>) -> Json<Arc<Vec<RouteView>>> {
    Json(state.director.routes())
}

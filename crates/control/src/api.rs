//! The handlers, one file for each kind of thing.

pub(crate) mod exchanges;
pub(crate) mod hooks;
pub(crate) mod kill_switch;
pub(crate) mod reload;
pub(crate) mod routes;
pub(crate) mod scenarios;
pub(crate) mod service;
pub(crate) mod status;

use axum::Json;

use crate::problem::ProblemDetails;

/// A JSON document, or a problem.
pub(crate) type Answered<T> = Result<Json<T>, ProblemDetails>;

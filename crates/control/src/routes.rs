//! Every route of the server: the one table from which the router and the OpenAPI document are made.

use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing;
use axum::{Extension, Router};
use http::header::{CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method};
use murphy_core::exchange::Exchange;
use murphy_director::view::{
    ActivateRequest, Activated, Deactivated, KillSwitchView, Put, ReloadReport, RouteView, ScenarioDetail,
    ScenarioView, StatusView,
};
use murphy_rules::scenario::Scenario;
use serde_json::Value;

use crate::ControlState;
use crate::api::exchanges;
use crate::api::hooks::{self, AlarmAnswer, AlertmanagerWebhook};
use crate::api::kill_switch::{self, ReasonRequest};
use crate::api::{reload, scenarios, service, status};
use crate::input::BODY_TIMEOUT;
use crate::operation::{Answer, Operation, Place, Tag, schema};
use crate::problem::{ProblemDetails, ProblemType};
use crate::serve::Connection;

/// How long an operation may take, once its body is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const AFTER: &str = "Only exchanges with a higher number.";
const ROUTE: &str = "Only exchanges of this route.";
const INJECTED: &str = "Only exchanges with (`true`) or without (`false`) an injected fault.";

/// The table.
pub(crate) fn operations() -> Vec<Operation> {
    let mut all = status_operations();
    all.extend(scenario_operations());
    all.extend(kill_switch_operations());
    all.extend(exchange_operations());
    all.extend(service_operations());
    all
}

fn status_operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/v1/status",
            "getStatus",
            Tag::Status,
            "What the daemon is doing",
            Answer::json::<StatusView>(200, "How things are."),
            || routing::get(status::get),
        ),
        Operation::get(
            "/api/v1/routes",
            "listRoutes",
            Tag::Status,
            "The routes, in the order in which they are tried",
            Answer::json::<Vec<RouteView>>(200, "The routes."),
            || routing::get(crate::api::routes::list),
        ),
        Operation::post(
            "/api/v1/reload",
            "reload",
            Tag::Status,
            "Read the configuration and the scenarios again, all or nothing",
            Answer::json::<ReloadReport>(200, "What became of it."),
            || routing::post(reload::post),
        )
        .refuses(&[ProblemType::InvalidConfiguration]),
    ]
}

fn scenario_operations() -> Vec<Operation> {
    let missing = [ProblemType::NoSuchScenario];
    let mut all = stored_scenario_operations();
    all.extend([
        Operation::post(
            "/api/v1/scenarios/{name}/activate",
            "activateScenario",
            Tag::Scenarios,
            "Switch a scenario on; again from the beginning if it is on",
            Answer::json::<Activated>(200, "It is on."),
            || routing::post(scenarios::activate),
        )
        .takes::<ActivateRequest>()
        .refuses(&missing)
        .refuses(&[ProblemType::KillSwitchTripped, ProblemType::KillSwitchLocked]),
        Operation::post(
            "/api/v1/scenarios/{name}/deactivate",
            "deactivateScenario",
            Tag::Scenarios,
            "Switch a scenario off",
            Answer::json::<Deactivated>(200, "It is off."),
            || routing::post(scenarios::deactivate),
        )
        .refuses(&missing),
        Operation::post(
            "/api/v1/scenarios/deactivate-all",
            "deactivateAllScenarios",
            Tag::Scenarios,
            "Switch all scenarios off",
            Answer::json::<Deactivated>(200, "All are off."),
            || routing::post(scenarios::deactivate_all),
        ),
    ]);
    all
}

fn stored_scenario_operations() -> Vec<Operation> {
    let path = "/api/v1/scenarios/{name}";
    let missing = [ProblemType::NoSuchScenario];
    vec![
        Operation::get(
            "/api/v1/scenarios",
            "listScenarios",
            Tag::Scenarios,
            "All scenarios, by name",
            Answer::json::<Vec<ScenarioView>>(200, "The scenarios."),
            || routing::get(scenarios::list),
        ),
        Operation::get(
            path,
            "getScenario",
            Tag::Scenarios,
            "A scenario with its text",
            Answer::json::<ScenarioDetail>(200, "The scenario.").tagged(),
            || routing::get(scenarios::get),
        )
        .refuses(&missing),
        Operation::new(
            Method::PUT,
            path,
            "putScenario",
            Tag::Scenarios,
            "Make or replace a scenario",
            Answer::json::<Put>(200, "It is replaced.").tagged(),
            || routing::put(scenarios::put),
        )
        .or(Answer::json::<Put>(201, "It is made.").tagged())
        .body(
            false,
            &["application/json", "application/yaml"],
            schema::<Scenario>,
        )
        .parameter::<String>(
            Place::Header,
            "If-Match",
            "Only if it is at this version; `*`: at any.",
        )
        .parameter::<String>(Place::Header, "If-None-Match", "`*`: only if there is none.")
        .refuses(&[
            ProblemType::PreconditionFailed,
            ProblemType::InvalidScenario,
            ProblemType::TooManyScenarios,
        ]),
        Operation::new(
            Method::DELETE,
            path,
            "deleteScenario",
            Tag::Scenarios,
            "Remove a scenario; it is switched off first",
            Answer::json::<Deactivated>(200, "It is gone."),
            || routing::delete(scenarios::delete),
        )
        .parameter::<String>(Place::Header, "If-Match", "Only if it is at this version.")
        .refuses(&missing)
        .refuses(&[ProblemType::PreconditionFailed, ProblemType::NotRemovable]),
    ]
}

fn kill_switch_operations() -> Vec<Operation> {
    let change = |path, id, summary, description, handler| {
        Operation::post(
            path,
            id,
            Tag::KillSwitch,
            summary,
            Answer::json::<KillSwitchView>(200, description),
            handler,
        )
        .takes::<ReasonRequest>()
    };
    vec![
        Operation::get(
            "/api/v1/kill-switch",
            "getKillSwitch",
            Tag::KillSwitch,
            "The kill switch",
            Answer::json::<KillSwitchView>(200, "Its state and its last changes."),
            || routing::get(kill_switch::get),
        ),
        change(
            "/api/v1/kill-switch/trip",
            "tripKillSwitch",
            "Stop all injection at once",
            "It is tripped.",
            || routing::post(kill_switch::trip),
        ),
        change(
            "/api/v1/kill-switch/rearm",
            "rearmKillSwitch",
            "Allow injection again; what was halted stays off",
            "It is re-armed.",
            || routing::post(kill_switch::rearm),
        ),
        change(
            "/api/v1/kill-switch/lock",
            "lockKillSwitch",
            "Stop all injection and let nobody activate anything",
            "It is locked.",
            || routing::post(kill_switch::lock),
        ),
        change(
            "/api/v1/kill-switch/unlock",
            "unlockKillSwitch",
            "Take the lock away; a trip stays in force",
            "It is unlocked.",
            || routing::post(kill_switch::unlock),
        ),
        Operation::post(
            "/api/v1/hooks/alertmanager",
            "receiveAlertmanagerWebhook",
            Tag::Hooks,
            "An alarm: a firing alert with the label murphy_action=\"trip\" trips the kill switch",
            Answer::json::<AlarmAnswer>(200, "It is understood."),
            || routing::post(hooks::alertmanager),
        )
        .body(false, &["application/json"], schema::<AlertmanagerWebhook>),
    ]
}

fn exchange_operations() -> Vec<Operation> {
    let selects = |operation: Operation, limit| {
        operation
            .parameter::<Option<u64>>(Place::Query, "after", AFTER)
            .parameter::<Option<u64>>(Place::Query, "limit", limit)
            .parameter::<Option<String>>(Place::Query, "route", ROUTE)
            .parameter::<Option<bool>>(Place::Query, "injected", INJECTED)
    };
    let list = Operation::get(
        "/api/v1/exchanges",
        "listExchanges",
        Tag::Exchanges,
        "What happened lately, oldest first",
        Answer::json::<Vec<Exchange>>(200, "The exchanges."),
        || routing::get(exchanges::list),
    );
    let stream = Operation::get(
        "/api/v1/exchanges/stream",
        "streamExchanges",
        Tag::Exchanges,
        "What happens, live, as server-sent events: `exchange`, and `missed` if the reader is too slow",
        Answer::text(
            "text/event-stream",
            "The data of an `exchange` event is an exchange.",
        ),
        || routing::get(exchanges::stream),
    )
    .parameter::<String>(Place::Header, "Last-Event-ID", "As `after`.")
    .refuses(&[ProblemType::TooManyStreams]);
    vec![
        selects(list, "At most so many (100; no more than 1000)."),
        selects(stream, "End after so many."),
    ]
}

fn service_operations() -> Vec<Operation> {
    let plain = "text/plain; charset=utf-8";
    let service =
        |path, id, summary, answer, handler| Operation::get(path, id, Tag::Service, summary, answer, handler);
    vec![
        service(
            "/healthz",
            "getHealth",
            "Whether the process is alive",
            Answer::text(plain, "It is."),
            || routing::get(service::healthz),
        )
        .open(),
        service(
            "/readyz",
            "getReadiness",
            "Whether it is configured, listening and not draining; a tripped kill switch is ready",
            Answer::text(plain, "It is."),
            || routing::get(service::readyz),
        )
        .or(Answer::of(plain, 503, "It is not.", schema::<String>))
        .parameter::<Option<String>>(Place::Query, "verbose", "List the checks.")
        .open(),
        service(
            "/metrics",
            "getMetrics",
            "Metrics: the Prometheus text format 0.0.4, or OpenMetrics 1.0 if it is asked for",
            Answer::text("text/plain", "The metrics."),
            || routing::get(service::metrics),
        ),
        service(
            "/openapi.json",
            "getOpenApi",
            "This document",
            Answer::json::<Value>(200, "This document."),
            || routing::get(service::document),
        )
        .open(),
        service(
            "/",
            "getPage",
            "The status page",
            Answer::text("text/html", "The page."),
            || routing::get(service::page),
        )
        .open(),
        service(
            "/page.js",
            "getPageScript",
            "The status page's script",
            Answer::text("text/javascript", "The script."),
            || routing::get(service::script),
        )
        .open(),
    ]
}

/// The router of the table, behind the guard.
pub(crate) fn router(state: ControlState) -> Router {
    let table = operations().into_iter().fold(Router::new(), |router, operation| {
        router.route(operation.path, (operation.handler)())
    });
    table
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(state.clone(), admit))
        .with_state(state)
}

async fn no_such_path() -> ProblemDetails {
    ProblemDetails::new(ProblemType::NotFound, "/openapi.json lists the paths")
}

async fn no_such_method() -> ProblemDetails {
    ProblemDetails::new(
        ProblemType::MethodNotAllowed,
        "the Allow header lists the methods",
    )
}

/// What each request passes: the guard, then a limit of time; and each answer says that it is not for caches.
async fn admit(
    State(state): State<ControlState>,
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let open = is_open(request.uri().path());
    let mut response = match state.guard.refuse(&request, open, connection.local) {
        Some(problem) => problem.into_response(),
        None => tokio::time::timeout(BODY_TIMEOUT + ANSWER_TIMEOUT, next.run(request))
            .await
            .unwrap_or_else(|_| {
                ProblemDetails::new(
                    ProblemType::Unavailable,
                    "the answer took too long; whether a change was made is not known",
                )
                .into_response()
            }),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Whether the table says that this path needs no token. A path that it does not know needs one.
fn is_open(path: &str) -> bool {
    static OPEN: OnceLock<Vec<&'static str>> = OnceLock::new();
    let open = OPEN.get_or_init(|| {
        operations()
            .iter()
            .filter(|operation| operation.open)
            .map(|operation| operation.path)
            .collect()
    });
    open.contains(&path)
}

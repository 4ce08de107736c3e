//! `exchanges`: what happened, as a list and live.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::{Extension, Json};
use futures_util::Stream;
use http::HeaderMap;
use murphy_core::exchange::Exchange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use crate::ControlState;
use crate::input::Parameters;
use crate::problem::{ProblemDetails, ProblemType};
use crate::serve::{Connection, closed};

/// How many exchanges a list has if it is not said.
const LIST_DEFAULT: usize = 100;
/// How many exchanges a list has at most.
pub(crate) const LIST_MAX: usize = 1000;
/// How often a stream without exchanges says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExchangeQuery {
    after: Option<u64>,
    limit: Option<usize>,
    route: Option<String>,
    injected: Option<bool>,
}

impl ExchangeQuery {
    fn takes(&self, exchange: &Exchange) -> bool {
        self.after.is_none_or(|after| exchange.id > after)
            && self.route.as_ref().is_none_or(|route| **route == *exchange.route)
            && self
                .injected
                .is_none_or(|injected| injected == exchange.injected())
    }
}

pub(crate) async fn list(
    State(state): State<ControlState>,
    Parameters(query): Parameters<ExchangeQuery>,
) -> Json<Vec<Arc<Exchange>>> {
    let limit = query.limit.unwrap_or(LIST_DEFAULT).min(LIST_MAX);
    Json(
        state
            .observer
            .exchanges()
            .list(query.after, limit, query.route.as_deref(), query.injected),
    )
}

/// A reader that was too slow for so many exchanges; they are still in the list, if it is long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missed {
    /// How many.
    pub missed: u64,
}

/// A stream from now on; after `after` or `Last-Event-ID` it begins with what is remembered. `limit` ends it.
pub(crate) async fn stream(
    State(state): State<ControlState>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    Parameters(mut query): Parameters<ExchangeQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ProblemDetails> {
    let place = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| {
        ProblemDetails::new(
            ProblemType::TooManyStreams,
            "as many streams are open as there may be; close one",
        )
    })?;
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    query.after = query.after.or(last_seen.and_then(|id| id.parse().ok()));
    // Subscribed before the past is read, so that nothing falls between; the filter drops what comes twice.
    let live = state.observer.exchanges().subscribe();
    let past = match query.after {
        Some(after) => {
            state
                .observer
                .exchanges()
                .list(Some(after), LIST_MAX, query.route.as_deref(), query.injected)
        }
        None => Vec::new(),
    };
    let feed = Feed {
        past: past.into(),
        live,
        left: query.limit,
        query,
        closing: connection.closing,
        _place: place,
    };
    let events = futures_util::stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One stream. What waits for a slow reader is bounded by the channel; what it misses is counted.
struct Feed {
    past: VecDeque<Arc<Exchange>>,
    live: broadcast::Receiver<Arc<Exchange>>,
    query: ExchangeQuery,
    left: Option<usize>,
    closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        if self.left == Some(0) {
            return None;
        }
        loop {
            let received = match self.past.pop_front() {
                Some(exchange) => Ok(exchange),
                None => tokio::select! {
                    () = closed(&mut self.closing) => return None,
                    received = self.live.recv() => received,
                },
            };
            match received {
                Ok(exchange) if self.query.takes(&exchange) => {
                    self.query.after = Some(exchange.id);
                    self.left = self.left.map(|left| left - 1);
                    return Event::default()
                        .event("exchange")
                        .id(exchange.id.to_string())
                        .json_data(&*exchange)
                        .ok();
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    return Event::default().event("missed").json_data(Missed { missed }).ok();
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

//! The one place that the data path reports to: a call begins, a call ends.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use murphy_core::Name;
use murphy_core::clock::Offset;
use murphy_core::exchange::{Exchange, OperationId};
use murphy_core::outcome::Cause;
use murphy_core::plan::{RuleRef, Skip};
use tokio::sync::watch;

use crate::exchange_log::ExchangeLog;
use crate::jsonl::{Jsonl, JsonlOptions};
use crate::liveness::{InjectedWait, Liveness, Pulse};
use crate::metrics::{Metrics, RouteMetrics, Timings};
use crate::operations::{Operations, Try};
use crate::redact;
use crate::window::{ErrorWindow, Reading, Sample, Unit, Verdict, WindowOptions};

/// The most bytes of a path or an error message that are kept.
const TEXT_BYTES_MAX: usize = 2_048;
/// The most bytes of a model, a tool, a method or an agent's name that are kept.
const NAME_BYTES_MAX: usize = 256;

/// What an observer is made of.
#[derive(Debug, Clone)]
pub struct ObserverOptions {
    /// The configured routes.
    pub routes: Vec<Name>,
    /// How many exchanges are kept in memory.
    pub ring_exchanges_max: usize,
    /// The event log on disk.
    pub jsonl: Option<JsonlOptions>,
    /// The numbers of the error window.
    pub window: WindowOptions,
    /// How many series the metrics may have.
    pub series_max: usize,
    /// Murphy's version, for `build_info`.
    pub version: String,
}

/// Sees every call; see the crate's documentation.
#[derive(Debug)]
pub struct Observer {
    metrics: Metrics,
    exchanges: ExchangeLog,
    jsonl: Option<Jsonl>,
    operations: Operations,
    window: Mutex<Watch>,
    verdicts: watch::Sender<Option<Verdict>>,
    pulse: Arc<Pulse>,
}

/// The error window, and whether its verdict is published.
#[derive(Debug)]
struct Watch {
    window: ErrorWindow,
    published: bool,
}

/// A call in flight. To drop it without [`Observer::finish`] leaves no exchange.
#[derive(Debug)]
pub struct Ticket {
    identity: u64,
    this: Try,
    flight: Flight,
}

impl Ticket {
    /// The number of the operation that the call belongs to.
    #[must_use]
    pub fn operation(&self) -> u64 {
        self.this.operation
    }

    /// Which try of the operation it is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.this.attempt
    }
}

/// Counts a call as in flight while it is held.
#[derive(Debug)]
struct Flight {
    route: Arc<RouteMetrics>,
    pulse: Arc<Pulse>,
    ended: bool,
}

impl Flight {
    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.route.end();
            self.pulse.end();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end();
    }
}

/// A call that ended.
#[derive(Debug)]
pub struct Finished {
    /// What [`Observer::start`] gave for it.
    pub ticket: Ticket,
    /// What happened. The observer fills in `id`, `at`, `operation`, `attempt` and the times.
    pub exchange: Exchange,
    /// When it ended.
    pub offset: Offset,
    /// When the request arrived.
    pub arrived: SystemTime,
    /// The rules that fired.
    pub fired: Vec<Arc<RuleRef>>,
    /// Faults that were held back by a limit or could not be applied, one entry each.
    pub skipped: Vec<Skip>,
    /// From arrival to the response's head.
    pub ttfb: Option<Duration>,
    /// From arrival to the end.
    pub duration: Duration,
    /// Injected waits.
    pub injected: Duration,
    /// From the request's dispatch upstream to the end of the upstream's response.
    pub upstream: Option<Duration>,
    /// Murphy's own share.
    pub overhead: Duration,
}

impl Observer {
    /// Makes an observer, and starts the thread that writes the event log if there is one.
    ///
    /// # Errors
    /// If the event log cannot be opened or its thread cannot be started.
    pub fn new(options: ObserverOptions) -> io::Result<Arc<Self>> {
        let metrics = Metrics::new(&options.version, options.series_max);
        metrics.set_routes(&options.routes);
        metrics.limits(options.window.error_rate, options.window.min_samples);
        let jsonl = options
            .jsonl
            .map(|jsonl| Jsonl::open(jsonl, metrics.log_dropped_counter()))
            .transpose()?;
        Ok(Arc::new(Self {
            metrics,
            exchanges: ExchangeLog::new(options.ring_exchanges_max),
            jsonl,
            operations: Operations::default(),
            window: Mutex::new(Watch {
                window: ErrorWindow::new(options.window),
                published: false,
            }),
            verdicts: watch::Sender::new(None),
            pulse: Arc::new(Pulse::default()),
        }))
    }

    /// A call with this identity begins on a route ([`crate::metrics::NO_ROUTE`] if none took it).
    #[must_use]
    pub fn start(&self, identity: u64, route: &Name, now: Offset) -> Ticket {
        let handles = self.metrics.route(route);
        handles.begin();
        self.pulse.begin();
        Ticket {
            identity,
            this: self.operations.begin(identity, now),
            flight: Flight {
                route: handles,
                pulse: Arc::clone(&self.pulse),
                ended: false,
            },
        }
    }

    /// A call ended: it is counted, logged, and weighed for the kill switch. Never waits.
    pub fn finish(&self, finished: Finished) {
        let Finished {
            mut ticket,
            mut exchange,
            offset,
            arrived,
            fired,
            skipped,
            ttfb,
            duration,
            injected,
            upstream,
            overhead,
        } = finished;
        exchange.at = arrived.into();
        exchange.operation = OperationId(ticket.this.operation);
        exchange.attempt = ticket.this.attempt;
        exchange.ttfb_ms = ttfb.map(millis);
        exchange.duration_ms = millis(duration);
        exchange.injected_ms = millis(injected);
        exchange.upstream_ms = upstream.map(millis);
        tidy(&mut exchange);
        // Before the exchange is seen: who reads it there must find it counted.
        for rule in &fired {
            self.metrics.fault_fired(ticket.flight.route.name(), rule);
        }
        for reason in skipped {
            self.metrics.fault_skipped(reason);
        }
        ticket.flight.end();
        let exchange = self.exchanges.push(exchange);
        let timings = Timings {
            duration,
            first_byte: ttfb,
            overhead,
            injected,
        };
        let (outcome, cause) = (exchange.outcome, exchange.cause);
        ticket.flight.route.finished(exchange.id, outcome, cause, timings);
        let sample = Sample {
            began: Offset(offset.since(Offset(duration))),
            took: duration,
            error: outcome.is_error(),
            injected: cause == Cause::Murphy,
            route: Arc::clone(ticket.flight.route.name()),
            rules: fired,
        };
        self.weigh(&ticket, offset, &exchange, sample);
        if let Some(jsonl) = &self.jsonl {
            jsonl.append(exchange);
        }
    }

    /// The latest exchanges.
    #[must_use]
    pub fn exchanges(&self) -> &ExchangeLog {
        &self.exchanges
    }

    /// The metrics, to render and to set.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Follows the error window: holds a verdict for as long as there is too much of what it watches. It is
    /// evaluated at each end of a call and by [`Self::evaluate`]; the numbers are those of the first moment.
    #[must_use]
    pub fn verdicts(&self) -> watch::Receiver<Option<Verdict>> {
        self.verdicts.subscribe()
    }

    /// Evaluates the error window without a call: what became too old leaves it, and operations that were
    /// given up are counted. To be called about twice a second.
    pub fn evaluate(&self, now: Offset) -> Reading {
        self.evaluate_locked(&mut self.watch(), now)
    }

    /// Empties the error window: calls that began before `now` do not count any more. To be called when the
    /// kill switch is re-armed.
    pub fn rearm(&self, now: Offset) {
        let mut watch = self.watch();
        watch.window.clear(now);
        self.evaluate_locked(&mut watch, now);
    }

    /// Puts other numbers in force. The window starts empty if they differ from those in force.
    pub fn set_window(&self, options: WindowOptions, now: Offset) {
        self.metrics.limits(options.error_rate, options.min_samples);
        let mut watch = self.watch();
        let mut window = ErrorWindow::new(options);
        if window.options() != watch.window.options() {
            window.clear(now);
            watch.window = window;
            self.evaluate_locked(&mut watch, now);
        }
    }

    /// Whether calls make progress.
    #[must_use]
    pub fn liveness(&self, now: Offset) -> Liveness {
        self.pulse.look(now)
    }

    /// Bytes of an answer passed: a long stream is no unresponsive call.
    pub fn progressed(&self) {
        self.pulse.progressed();
    }

    /// To be held while a call sits in an injected wait.
    #[must_use]
    pub fn injected_wait(&self) -> InjectedWait {
        self.pulse.wait()
    }

    /// Waits until the event log on disk has everything that ended so far (it blocks: not for the data path).
    /// Returns false if that takes longer than `within`.
    pub fn flush(&self, within: Duration) -> bool {
        self.jsonl.as_ref().is_none_or(|jsonl| jsonl.flush(within))
    }

    fn weigh(&self, ticket: &Ticket, now: Offset, exchange: &Exchange, sample: Sample) {
        let (identity, ended, outcome) = (ticket.identity, ticket.this, exchange.outcome);
        let mut watch = self.watch();
        let options = *watch.window.options();
        let counted = match options.unit {
            Unit::Call => {
                self.operations.end(identity, ended, now, outcome);
                Some(sample)
            }
            Unit::Operation => {
                let patience = options.window;
                self.operations
                    .judge(identity, ended, now, outcome, patience, sample)
            }
        };
        if let Some(sample) = counted {
            watch.window.record(now, sample);
        }
        self.evaluate_locked(&mut watch, now);
    }

    fn evaluate_locked(&self, watch: &mut Watch, now: Offset) -> Reading {
        let options = *watch.window.options();
        if options.unit == Unit::Operation {
            for sample in self.operations.overdue(now, options.window) {
                watch.window.record(now, sample);
            }
        }
        let reading = watch.window.reading(now);
        self.metrics.observed(reading.ratio, reading.samples);
        let reason = reading.reason(&options);
        if reason.is_some() != watch.published {
            watch.published = reason.is_some();
            let verdict = reason.map(|reason| watch.window.explain(now, &reading, reason));
            self.verdicts.send_replace(verdict);
        }
        reading
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hides credentials in what came from outside, and bounds it.
fn tidy(exchange: &mut Exchange) {
    if let Some(tidied) = tidied(&exchange.agent, NAME_BYTES_MAX) {
        exchange.agent = tidied.into();
    }
    if let std::borrow::Cow::Owned(method) = &mut exchange.method {
        tidy_text(method, NAME_BYTES_MAX);
    }
    let names = [
        exchange.model.as_mut(),
        exchange.tool.as_mut(),
        exchange.mcp_method.as_mut(),
    ];
    for name in names.into_iter().flatten() {
        tidy_text(name, NAME_BYTES_MAX);
    }
    for text in [Some(&mut exchange.path), exchange.error.as_mut()]
        .into_iter()
        .flatten()
    {
        tidy_text(text, TEXT_BYTES_MAX);
    }
}

fn tidy_text(text: &mut String, bytes_max: usize) {
    if let Some(tidied) = tidied(text, bytes_max) {
        *text = tidied;
    }
}

/// The text as it may be shown; `None` if it may be as it is.
fn tidied(text: &str, bytes_max: usize) -> Option<String> {
    let shown = redact::text(text);
    if shown.len() > bytes_max {
        let end = shown.floor_char_boundary(bytes_max);
        return Some(format!("{}…", shown.get(..end).unwrap_or_default()));
    }
    match shown {
        std::borrow::Cow::Owned(hidden) => Some(hidden),
        std::borrow::Cow::Borrowed(_) => None,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
pub(crate) mod tests;

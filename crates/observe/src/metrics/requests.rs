//! What happened to requests, by route.

use std::sync::Arc;
use std::time::Duration;

use murphy_core::Name;
use murphy_core::outcome::{Cause, Outcome};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::capped::{Budget, Capped, Labels};
use super::{NO_ROUTE, OVERFLOW};

/// OpenTelemetry's buckets for MCP, and 600 s: the time-out of the providers' own clients.
const DURATION_BUCKETS: [f64; 15] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];
/// OpenTelemetry's buckets for the time to the first token, and two for hangs.
const FIRST_BYTE_BUCKETS: [f64; 18] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 60.0, 600.0,
];
const OVERHEAD_BUCKETS: [f64; 11] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
];
/// One in so many calls that went well becomes an exemplar.
const EXEMPLARY_CALLS: u64 = 16;
/// The lines of a histogram beside its buckets: `+Inf`, sum and count.
const HISTOGRAM_EXTRA: usize = 3;

type Exemplar = [(&'static str, u64); 1];
type DurationHistogram = HistogramWithExemplars<Exemplar>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: Name,
    outcome: &'static str,
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: Name,
}

impl Labels for RequestLabels {
    fn overflow(&self) -> Self {
        Self {
            route: OVERFLOW.into(),
            ..self.clone()
        }
    }
}

impl Labels for RouteLabel {
    fn overflow(&self) -> Self {
        Self {
            route: OVERFLOW.into(),
        }
    }
}

/// The families.
#[derive(Debug)]
pub(super) struct RequestMetrics {
    requests: Capped<RequestLabels, Counter>,
    duration: Capped<RouteLabel, DurationHistogram>,
    first_byte: Capped<RouteLabel, Histogram>,
    overhead: Capped<RouteLabel, Histogram>,
    injected_delay: Capped<RouteLabel, Counter<f64>>,
    in_flight: Capped<RouteLabel, Gauge>,
}

/// The metrics of one route, ready to be counted up.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    name: Name,
    /// Outcome by outcome, cause by cause, in the order of their `ALL`.
    requests: Vec<Counter>,
    duration: DurationHistogram,
    first_byte: Histogram,
    overhead: Histogram,
    injected_delay: Counter<f64>,
    in_flight: Gauge,
}

/// The times of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timings {
    pub(crate) duration: Duration,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) overhead: Duration,
    pub(crate) injected: Duration,
}

impl RequestMetrics {
    pub(super) fn register(registry: &mut Registry, budget: &Arc<Budget>) -> Self {
        let requests = Family::default();
        registry.register(
            "requests",
            "Finished requests by what the agent saw and who caused it",
            requests.clone(),
        );
        let duration: Family<RouteLabel, DurationHistogram> =
            Family::new_with_constructor(|| HistogramWithExemplars::new(DURATION_BUCKETS.into_iter()));
        registry.register_with_unit(
            "request_duration",
            "From a request's arrival to its end",
            Unit::Seconds,
            duration.clone(),
        );
        let first_byte: Family<RouteLabel, Histogram> =
            Family::new_with_constructor(|| Histogram::new(FIRST_BYTE_BUCKETS));
        registry.register_with_unit(
            "time_to_first_byte",
            "From a request's arrival to the head of its response",
            Unit::Seconds,
            first_byte.clone(),
        );
        let overhead: Family<RouteLabel, Histogram> =
            Family::new_with_constructor(|| Histogram::new(OVERHEAD_BUCKETS));
        registry.register_with_unit(
            "overhead",
            "Murphy's own share of a request: total less upstream less injected waits",
            Unit::Seconds,
            overhead.clone(),
        );
        let injected_delay = Family::default();
        registry.register_with_unit(
            "injected_delay",
            "Injected waits",
            Unit::Seconds,
            injected_delay.clone(),
        );
        let in_flight = Family::default();
        registry.register(
            "in_flight_requests",
            "Requests that have begun and not ended",
            in_flight.clone(),
        );
        Self {
            requests: Capped::new(requests, 1, budget),
            duration: Capped::new(duration, DURATION_BUCKETS.len() + HISTOGRAM_EXTRA, budget),
            first_byte: Capped::new(first_byte, FIRST_BYTE_BUCKETS.len() + HISTOGRAM_EXTRA, budget),
            overhead: Capped::new(overhead, OVERHEAD_BUCKETS.len() + HISTOGRAM_EXTRA, budget),
            injected_delay: Capped::new(injected_delay, 1, budget),
            in_flight: Capped::new(in_flight, 1, budget),
        }
    }

    /// The handles of a route, with all its series.
    pub(super) fn route(&self, route: &Name) -> Arc<RouteMetrics> {
        let label = RouteLabel {
            route: Arc::clone(route),
        };
        let requests = Outcome::ALL.iter().flat_map(|outcome| {
            Cause::ALL.iter().map(|cause| {
                self.requests.declare(&RequestLabels {
                    route: Arc::clone(route),
                    outcome: outcome.name(),
                    cause: cause.name(),
                })
            })
        });
        Arc::new(RouteMetrics {
            name: Arc::clone(route),
            requests: requests.collect(),
            duration: self.duration.declare(&label),
            first_byte: self.first_byte.declare(&label),
            overhead: self.overhead.declare(&label),
            injected_delay: self.injected_delay.declare(&label),
            in_flight: self.in_flight.declare(&label),
        })
    }

    pub(super) fn retire_except(&self, routes: &[Name]) {
        let kept = |route: &Name| &**route == NO_ROUTE || routes.contains(route);
        self.requests.retire_except(|labels| kept(&labels.route));
        self.duration.retire_except(|label| kept(&label.route));
        self.first_byte.retire_except(|label| kept(&label.route));
        self.overhead.retire_except(|label| kept(&label.route));
        self.injected_delay.retire_except(|label| kept(&label.route));
        self.in_flight.retire_except(|label| kept(&label.route));
    }

    pub(super) fn sweep(&self) {
        self.requests.sweep();
        self.duration.sweep();
        self.first_byte.sweep();
        self.overhead.sweep();
        self.injected_delay.sweep();
        self.in_flight.sweep();
    }
}

impl RouteMetrics {
    /// The route's name.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn begin(&self) {
        self.in_flight.inc();
    }

    pub(crate) fn end(&self) {
        self.in_flight.dec();
    }

    /// Counts a finished call; `exchange` is the exemplar of its duration.
    pub(crate) fn finished(&self, exchange: u64, outcome: Outcome, cause: Cause, timings: Timings) {
        let nth = outcome as usize * Cause::ALL.len() + cause as usize;
        if let Some(counter) = self.requests.get(nth) {
            counter.inc();
        }
        // An exemplar costs two allocations and serves a reader who looks now and then: one for every call that
        // went wrong, and for one in so many of the others.
        let exemplary = outcome != Outcome::Ok || exchange % EXEMPLARY_CALLS == 1;
        let exemplar = exemplary.then_some([("exchange", exchange)]);
        self.duration
            .observe(timings.duration.as_secs_f64(), exemplar, None);
        if let Some(first_byte) = timings.first_byte {
            self.first_byte.observe(first_byte.as_secs_f64());
        }
        self.overhead.observe(timings.overhead.as_secs_f64());
        if !timings.injected.is_zero() {
            self.injected_delay.inc_by(timings.injected.as_secs_f64());
        }
    }
}

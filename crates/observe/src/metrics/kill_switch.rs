//! The kill switch and what it watches.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TriggerLabel {
    trigger: &'static str,
}

/// The metrics.
#[derive(Debug)]
pub(super) struct KillSwitchMetrics {
    tripped: Gauge,
    trips: Family<TriggerLabel, Counter>,
    ratio: Gauge<f64, AtomicU64>,
    samples: Gauge,
    ratio_limit: Gauge<f64, AtomicU64>,
    samples_min: Gauge,
}

impl KillSwitchMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            tripped: Gauge::default(),
            trips: Family::default(),
            ratio: Gauge::default(),
            samples: Gauge::default(),
            ratio_limit: Gauge::default(),
            samples_min: Gauge::default(),
        };
        registry.register(
            "kill_switch_tripped",
            "Whether the kill switch is tripped: nothing is injected",
            metrics.tripped.clone(),
        );
        registry.register(
            "kill_switch_trips",
            "Trips of the kill switch by what triggered them",
            metrics.trips.clone(),
        );
        registry.register(
            "observed_error_ratio",
            "The share of errors in the window that the kill switch watches",
            metrics.ratio.clone(),
        );
        registry.register(
            "observed_samples",
            "How many calls the observed error ratio is made of",
            metrics.samples.clone(),
        );
        registry.register(
            "observed_error_ratio_limit",
            "An observed error ratio above this trips the kill switch",
            metrics.ratio_limit.clone(),
        );
        registry.register(
            "observed_samples_min",
            "With fewer calls in the window there is no verdict",
            metrics.samples_min.clone(),
        );
        metrics
    }

    pub(super) fn tripped(&self, tripped: bool) {
        self.tripped.set(i64::from(tripped));
    }

    pub(super) fn declare(&self, trigger: &'static str) {
        self.trips.get_or_create_owned(&TriggerLabel { trigger });
    }

    pub(super) fn trip(&self, trigger: &'static str) {
        self.trips.get_or_create(&TriggerLabel { trigger }).inc();
    }

    pub(super) fn limits(&self, ratio: f64, samples_min: usize) {
        self.ratio_limit.set(ratio);
        self.samples_min
            .set(i64::try_from(samples_min).unwrap_or(i64::MAX));
    }

    pub(super) fn observed(&self, ratio: f64, samples: usize) {
        self.ratio.set(ratio);
        self.samples.set(i64::try_from(samples).unwrap_or(i64::MAX));
    }
}

//! Loads of the configuration.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

const SUCCESS: ResultLabel = ResultLabel { result: "success" };
const FAILURE: ResultLabel = ResultLabel { result: "failure" };

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// The metrics.
#[derive(Debug)]
pub(super) struct ReloadMetrics {
    reloads: Family<ResultLabel, Counter>,
    last_successful: Gauge,
    last_success: Gauge<f64, AtomicU64>,
    generation: Gauge<u64, AtomicU64>,
}

impl ReloadMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reloads: Family::default(),
            last_successful: Gauge::default(),
            last_success: Gauge::default(),
            generation: Gauge::default(),
        };
        metrics.reloads.get_or_create_owned(&SUCCESS);
        metrics.reloads.get_or_create_owned(&FAILURE);
        registry.register(
            "config_reloads",
            "Loads of the configuration by their result",
            metrics.reloads.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "Whether the latest load of the configuration succeeded",
            metrics.last_successful.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When a load of the configuration last succeeded",
            Unit::Seconds,
            metrics.last_success.clone(),
        );
        registry.register(
            "config_generation",
            "The number of the configuration in force",
            metrics.generation.clone(),
        );
        metrics
    }

    pub(super) fn record(&self, succeeded: bool, generation: u64, at: SystemTime) {
        let result = if succeeded { &SUCCESS } else { &FAILURE };
        self.reloads.get_or_create(result).inc();
        self.last_successful.set(i64::from(succeeded));
        self.generation.set(generation);
        if succeeded {
            let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            self.last_success.set(since_epoch.as_secs_f64());
        }
    }
}

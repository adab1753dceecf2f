//! The platform's own figures: one recorder a process, described in one table.
//!
//! Services count through the facade of the crate `metrics` and know nothing of this. What has to vanish again, such as
//! a node's queue, is not recorded but written at each scrape (`service/platform.rs`).

use std::sync::OnceLock;
use std::time::Duration;

use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::error::FiguresError;

/// Seconds of what waits for a disk or for another process.
const FAST: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Seconds of what waits for containers.
const SLOW: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0];

enum Kind {
    Counter,
    Histogram(&'static [f64]),
}

/// Every recorded figure: its name, what it is, and its help.
const FIGURES: &[(&str, Kind, &str)] = &[
    ("fleetlog_events_appended_total", Kind::Counter, "Events appended to the log by this process, by type."),
    (
        "fleetlog_append_duration_seconds",
        Kind::Histogram(FAST),
        "How long it took until an append was durable or known to have failed, by outcome.",
    ),
    ("fleetlog_http_requests_total", Kind::Counter, "HTTP requests answered, by route, method and class of status."),
    (
        "fleetlog_http_request_duration_seconds",
        Kind::Histogram(FAST),
        "How long it took until an HTTP answer began, by route and method.",
    ),
    ("fleetlog_pushes_total", Kind::Counter, "Pushes in the log, by outcome."),
    ("fleetlog_rollouts_total", Kind::Counter, "Rollouts that ended, by outcome."),
    ("fleetlog_rollout_duration_seconds", Kind::Histogram(SLOW), "From planned to ended, by outcome."),
    ("fleetlog_runs_total", Kind::Counter, "Runs of tasks that ended, by outcome."),
    ("fleetlog_run_duration_seconds", Kind::Histogram(SLOW), "From queued to ended, by outcome."),
    ("fleetlog_log_lines_collected_total", Kind::Counter, "Lines of containers and runs that were sent to the log."),
    ("fleetlog_log_lines_indexed_total", Kind::Counter, "Lines of containers and runs that were made searchable."),
    ("fleetlog_log_commit_seconds", Kind::Histogram(FAST), "How long it took to make a batch of lines searchable."),
    ("fleetlog_tokens_denied_total", Kind::Counter, "Requests whose token opened nothing, by reason."),
    ("fleetlog_samples_unreadable_total", Kind::Counter, "Rounds of samples that could not be read."),
];

/// Reads what was recorded. Clones read the same.
#[derive(Clone)]
pub struct Figures {
    handle: PrometheusHandle,
}

impl Figures {
    /// Records every figure of this process from now on. Asked again, it answers the same.
    pub fn install() -> Result<Self, FiguresError> {
        static INSTALLED: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
        match INSTALLED.get_or_init(install) {
            Ok(handle) => Ok(Self { handle: handle.clone() }),
            Err(reason) => Err(FiguresError { reason: reason.clone() }),
        }
    }

    /// What was recorded so far, in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Sorts what was recorded into its buckets; has to happen now and then even where nobody reads.
    pub(crate) fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

fn install() -> Result<PrometheusHandle, String> {
    let mut builder = PrometheusBuilder::new();
    for (name, kind, _) in FIGURES {
        if let Kind::Histogram(buckets) = kind {
            let matcher = Matcher::Full((*name).to_owned());
            builder = builder.set_buckets_for_metric(matcher, buckets).map_err(|error| error.to_string())?;
        }
    }
    let handle = builder.install_recorder().map_err(|error| error.to_string())?;
    for (name, kind, help) in FIGURES {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, Unit::Count, *help),
            Kind::Histogram(_) => metrics::describe_histogram!(*name, Unit::Seconds, *help),
        }
    }
    // A counter that begins with its first event has no rate for it: these are known beforehand.
    for (name, outcomes) in [
        ("fleetlog_pushes_total", &["accepted", "refused"][..]),
        ("fleetlog_rollouts_total", &["succeeded", "failed", "superseded"]),
        ("fleetlog_runs_total", &["succeeded", "failed", "cancelled"]),
    ] {
        for outcome in outcomes {
            metrics::counter!(name, "outcome" => *outcome).absolute(0);
        }
    }
    Ok(handle)
}

/// Counts something that ended, and how long it took where that is known.
pub(crate) fn ended(count: &'static str, histogram: &'static str, outcome: &'static str, took_ms: Option<u64>) {
    metrics::counter!(count, "outcome" => outcome).increment(1);
    if let Some(took_ms) = took_ms {
        metrics::histogram!(histogram, "outcome" => outcome).record(Duration::from_millis(took_ms));
    }
}

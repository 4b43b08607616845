//! What the server tells its operators: log lines and counters.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Starts logging to standard error. `RUST_LOG` overrides what is logged.
pub fn log(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first one's log.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Little waits in memory, and little is done at once.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// A gauge that was not set for so long is not shown.
const GAUGES_LAST: Duration = Duration::from_secs(30);

/// Request durations in seconds: from a page out of memory to a report at its limit.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The counters behind `/metrics`. One per process; a second call gets a recorder of its own that
/// counts nothing, so that tests may start several servers.
pub fn counters() -> PrometheusHandle {
    let builder = || {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
            .expect("the bucket list is not empty")
            // What a pool looks like its owner says each second; when another server owns it, this one has no say.
            .idle_timeout(MetricKindMask::GAUGE, Some(GAUGES_LAST))
    };
    builder().install_recorder().unwrap_or_else(|_| builder().build_recorder().handle())
}

/// Puts what was recorded into its buckets, until the end. Each record waits in memory for that: without it a server of which
/// nobody asks for `/metrics` would keep all of them.
pub async fn upkeep(metrics: PrometheusHandle, cancel: CancellationToken) {
    while cancel.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
        metrics.run_upkeep();
    }
}

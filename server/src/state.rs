//! What all doors share.

use crate::app::App;
use crate::auth::lookup::TokenLookup;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use tokio::sync::Notify;

/// Cheap to clone; one per server.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The use cases.
    pub app: App,
    /// The counters behind `/metrics`.
    pub metrics: PrometheusHandle,
    /// Asks for API tokens.
    pub tokens: TokenLookup,
    /// Wakes the rollup when samples came in.
    pub samples: Arc<Notify>,
}

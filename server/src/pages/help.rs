//! `/help` and `/help/shortcuts`.

use super::answer::{failure, page};
use super::shell::{Spec, shell};
use super::visit::Visit;
use crate::app::App;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_frontend::model::{FilterSet, HelpModel};
use headroom_frontend::{pages, routes::RailEntry};

const fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::Help), honoured: FilterSet::NONE, default_from: "now-45d", view: &[] }
}

/// GET `/help`.
pub(crate) async fn help(app: App, visit: Visit) -> Response {
    match shell(&app, &visit, spec("Help")).await {
        Ok((shell, _)) => {
            let host = if visit.host.is_empty() { "127.0.0.1:8080" } else { &visit.host };
            let model = HelpModel { base_url: format!("http://{host}"), version: env!("CARGO_PKG_VERSION").into() };
            page(&shell, StatusCode::OK, || pages::help(&shell, &model))
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/help/shortcuts`.
pub(crate) async fn shortcuts(app: App, visit: Visit) -> Response {
    match shell(&app, &visit, spec("Keyboard shortcuts")).await {
        Ok((shell, _)) => page(&shell, StatusCode::OK, || pages::shortcuts(&shell)),
        Err(error) => failure(&app, &visit, error).await,
    }
}

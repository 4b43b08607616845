//! `/search`, and the names for the command palette.

use super::answer::{failure, page};
use super::shell::{Spec, shell};
use super::visit::Visit;
use crate::app::{App, AppError};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use headroom_frontend::model::{FilterSet, Named, SearchModel};
use headroom_frontend::pages;

/// Results of a kind on one page.
const RESULTS: usize = 50;
/// Names in the palette's index: about 50 kB.
const INDEXED: usize = 600;

/// GET `/search`.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    let outcome = async {
        let spec =
            Spec { title: "Search", rail: None, honoured: FilterSet::NONE, default_from: "now-45d", view: &["q"] };
        let (shell, _) = shell(&app, &visit, spec).await?;
        let q: String = visit.get("q").unwrap_or_default().chars().take(200).collect();
        let model = if q.trim().is_empty() {
            SearchModel { q, ..SearchModel::default() }
        } else {
            let found = app.search(&q, RESULTS).await?;
            let named =
                |list: Vec<(String, String)>| list.into_iter().map(|(slug, name)| Named { slug, name }).collect();
            SearchModel {
                q,
                pools: named(found.pools),
                pools_total: found.pools_total,
                tenants: named(found.tenants),
                tenants_total: found.tenants_total,
            }
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::search(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/search/index.json`: `{"pools": [[slug, name], ...], "tenants": [...]}`.
pub(crate) async fn index(app: App, visit: Visit) -> Response {
    match app.search("", INDEXED).await {
        Ok(all) => {
            let body = serde_json::json!({ "pools": all.pools, "tenants": all.tenants });
            // Another session, of whom else or with other rights, has another cookie.
            let headers =
                [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "private, max-age=30"), (VARY, "cookie")];
            (headers, body.to_string()).into_response()
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

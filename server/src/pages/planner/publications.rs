//! What was published.

use super::{frame, may_plan, pool_of, words};
use crate::app::{App, Result};
use crate::pages::answer::{failure, page};
use crate::pages::visit::Visit;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_frontend::model::{Named, PublicationRow, PublicationsModel};
use headroom_frontend::pages;
use headroom_store::plan::Publication;
use std::collections::HashMap;
use uuid::Uuid;

/// From where something was published, as people call it.
pub(super) fn via(source: &str) -> &str {
    match source {
        "page" => "in the browser",
        "api" => "over the API",
        "cli" => "on the command line",
        "job" => "by a job",
        other => other,
    }
}

fn row(publication: &Publication, versions: &HashMap<Uuid, i32>, reverted: &HashMap<Uuid, i32>) -> PublicationRow {
    let takes_back = publication.reverts.map(|id| match versions.get(&id) {
        Some(version) => format!("reverts v{version}"),
        None => "reverts an earlier one".to_owned(),
    });
    let taken_back = reverted.get(&publication.id).map(|version| format!("reverted by v{version}"));
    PublicationRow {
        id: publication.id.to_string(),
        version: format!("v{}", publication.version),
        at_ms: publication.at_ms,
        who: publication.actor.clone(),
        via: via(&publication.source).to_owned(),
        reason: publication.reason.clone(),
        changes: publication.changes.iter().map(|(id, change)| words::change(*id, change, String::new())).collect(),
        note: taken_back.or(takes_back),
    }
}

async fn show(app: &App, visit: &Visit) -> Result<Response> {
    let (shell, ..) = frame(app, visit, "Publications").await?;
    let pool = pool_of(visit, &shell);
    let all = match &pool {
        Some(pool) => app.publications(pool, None).await?,
        None => Vec::new(),
    };
    let versions = all.iter().map(|one| (one.id, one.version)).collect();
    let reverted = all.iter().filter_map(|one| Some((one.reverts?, one.version))).collect();
    let model = PublicationsModel {
        pool: pool.map(|slug| {
            let name = shell.filters.pools.iter().find(|pool| pool.slug == slug).map(|pool| pool.name.clone());
            Named { name: name.unwrap_or_else(|| slug.clone()), slug }
        }),
        pools: shell.filters.pools.clone(),
        rows: all.iter().map(|one| row(one, &versions, &reverted)).collect(),
        may_revert: may_plan(app),
        older_href: String::new(),
    };
    Ok(page(&shell, StatusCode::OK, || pages::publications(&shell, &model)))
}

/// GET `/planner/publications`.
pub(crate) async fn publications(app: App, visit: Visit) -> Response {
    match show(&app, &visit).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

//! Archiving pools and tenants, and bringing them back: a page that asks first.

use super::answer::{done, failure, page};
use super::form::Posted;
use super::shell::{Spec, shell};
use super::visit::{Named as Slug, Visit};
use crate::app::{App, AppError};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::format;
use headroom_frontend::model::{ArchiveModel, ArchiveNoun, FilterSet, Named};
use headroom_frontend::{pages, routes::RailEntry};

/// GET `/pools/{pool}/archive`.
pub(crate) async fn pool(app: App, Slug(slug): Slug, visit: Visit) -> Response {
    let outcome = async {
        let pool = app.pool(&slug).await?;
        let title = format!("Archive {}", pool.fields.name);
        let (shell, window) = shell(&app, &visit, spec(&title, RailEntry::Pools)).await?;
        let detail = app.pool_detail(&slug, &window).await?;
        let slots = detail.now.effective().unwrap_or_default();
        let archived = pool.archived_ms.is_some();
        let effects = if archived {
            vec![
                format!("{} slots count in the totals again.", format::count(slots)),
                "It appears in lists and pickers again.".into(),
            ]
        } else {
            vec![
                format!("{} slots leave the totals of what is there now.", format::count(slots)),
                "It leaves lists and pickers.".into(),
                "Samples sent for it are refused from now on.".into(),
            ]
        };
        let model = ArchiveModel {
            noun: ArchiveNoun::Pool,
            subject: Named { slug: slug.clone(), name: pool.fields.name.clone() },
            archived,
            effects,
            keeps: vec![
                "Its history stays readable and stays in the sums of its time.".into(),
                "Its address keeps working.".into(),
            ],
            version: pool.version.to_string(),
            error: None,
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::archive(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/pools/{pool}/archive`.
pub(crate) async fn archive_pool(app: App, Slug(slug): Slug, visit: Visit, posted: Posted) -> Response {
    let restore = posted.get("restore") == "1";
    match app.archive_pool(&slug, !restore).await {
        Ok(()) if restore => done(&format!("/pools/{slug}"), &format!("Pool {slug} is in use again.")),
        Ok(()) => done("/pools", &format!("Pool {slug} was archived. Its page can bring it back: /pools/{slug}.")),
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/tenants/{tenant}/archive`.
pub(crate) async fn tenant(app: App, Slug(slug): Slug, visit: Visit) -> Response {
    let outcome = async {
        let tenant = app.tenant(&slug).await?;
        let title = format!("Archive {}", tenant.fields.name);
        let (shell, _) = shell(&app, &visit, spec(&title, RailEntry::Tenants)).await?;
        let archived = tenant.archived_ms.is_some();
        let model = ArchiveModel {
            noun: ArchiveNoun::Tenant,
            subject: Named { slug: slug.clone(), name: tenant.fields.name.clone() },
            archived,
            effects: vec![if archived {
                "It appears in lists and pickers again.".into()
            } else {
                "It leaves lists and pickers.".into()
            }],
            keeps: vec![
                "What it used stays metered and stays in the sums of its time.".into(),
                "Its reservations and quotas stay as they are.".into(),
            ],
            version: tenant.version.to_string(),
            error: None,
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::archive(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/tenants/{tenant}/archive`.
pub(crate) async fn archive_tenant(app: App, Slug(slug): Slug, visit: Visit, posted: Posted) -> Response {
    let restore = posted.get("restore") == "1";
    match app.archive_tenant(&slug, !restore).await {
        Ok(()) if restore => done(&format!("/tenants/{slug}"), &format!("Tenant {slug} is in use again.")),
        Ok(()) => {
            done("/tenants", &format!("Tenant {slug} was archived. Its page can bring it back: /tenants/{slug}."))
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn spec(title: &str, rail: RailEntry) -> Spec<'_> {
    Spec { title, rail: Some(rail), honoured: FilterSet::NONE, default_from: "now-1h", view: &[] }
}

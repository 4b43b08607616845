//! The description of the API, generated from the code.

use super::{error, health, history, ingest, jobs, pools, tenants};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Headroom",
        description = "Slots, pools, tenants, reservations and their history. Errors are application/problem+json (RFC 9457).",
        license(name = "MIT")
    ),
    paths(
        health::healthz,
        health::readyz,
        health::metrics,
        history::overview,
        history::trend,
        history::heat,
        history::usage,
        history::changes,
        history::record,
        history::pool_trend,
        history::top,
        pools::list,
        pools::get,
        pools::create,
        pools::update,
        pools::archive,
        pools::capacity,
        pools::set_capacity,
        pools::set_quota,
        tenants::list,
        tenants::get,
        tenants::create,
        tenants::update,
        tenants::archive,
        jobs::list,
        ingest::occupancy,
        ingest::source,
    ),
    components(schemas(error::ProblemBody, error::FieldProblem))
)]
struct Api;

/// The document, as committed in `server/openapi.json`.
pub fn document() -> String {
    let mut text = Api::openapi().to_pretty_json().expect("the description is plain data");
    text.push('\n');
    text
}

/// Serves the document.
pub async fn serve() -> Response {
    ([(CONTENT_TYPE, "application/json")], document()).into_response()
}

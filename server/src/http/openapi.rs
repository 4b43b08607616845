//! The description of the API, generated from the code.

use super::{error, health, history, ingest, jobs, people, pools, tenants};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

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
        people::users,
        people::user,
        people::create_user,
        people::update_user,
        people::password_code,
        people::sign_out,
        people::tokens,
        people::create_token,
        people::revoke_token,
        people::organisation,
        people::set_organisation,
        people::audit,
    ),
    modifiers(&Bearer),
    security(("token" = [])),
    components(schemas(error::ProblemBody, error::FieldProblem))
)]
struct Api;

/// How a caller shows who it is.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("hr_...").build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

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

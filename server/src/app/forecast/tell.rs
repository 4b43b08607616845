//! Programs outside are told what capacity a pool is to have: written with the decision, delivered like messages about alerts.

use super::super::Result;
use headroom_domain::alert::receiver::Kind;
use headroom_domain::range::rfc3339;
use headroom_store::notification::{self, New, SCALING};
use headroom_store::pool::Pool;
use headroom_store::receiver;
use headroom_store::scaling::{Decision, Outcome};
use serde_json::json;
use sqlx::PgConnection;

/// Writes what programs are told of a decision, in its transaction. What is only looked at in the shadow concerns nobody.
pub(super) async fn told(conn: &mut PgConnection, pool: &Pool, decision: &Decision, outcome: Outcome) -> Result<()> {
    if !matches!(outcome, Outcome::Recommended | Outcome::Applied | Outcome::Refused) {
        return Ok(());
    }
    let slug = pool.fields.slug.as_str();
    let body = json!({
        "pool": slug,
        "pool_name": pool.fields.name,
        "at": rfc3339(decision.at_ms),
        "outcome": outcome.as_str(),
        "before": decision.before,
        "wanted": decision.wanted,
        "decider": decision.decider,
        "reason": decision.reason,
        "inputs": decision.inputs,
        "note": decision.note,
        "url": format!("/forecast/{slug}"),
    });
    let takes = |one: &receiver::Receiver| {
        one.kind == Kind::ScalingWebhook
            && one.enabled
            && (one.owners.is_empty() || one.owners.contains(&pool.fields.owner))
    };
    let dedup = format!("scaling|{slug}");
    let new: Vec<New<'_>> = receiver::list(conn)
        .await?
        .into_iter()
        .filter(takes)
        .map(|one| New {
            alert: None,
            receiver: one.id,
            message: SCALING,
            key: notification::sha256_hex(&format!("{dedup}|{}|{}|{}", decision.at_ms, outcome.as_str(), one.slug)),
            dedup: dedup.clone(),
            lane: "ticket",
            body: body.clone(),
            due_ms: None,
        })
        .collect();
    notification::enqueue(conn, &new).await?;
    Ok(())
}

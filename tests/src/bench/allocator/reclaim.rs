//! Leases that nobody renews: how long after their end their slots are free, while others claim and release.

use std::time::Duration;

use anyhow::{Result, ensure};
use headroom_domain::lease::{EventKind, number};
use serde_json::json;

use super::drive::drive;
use super::fleet::{POOLS, batch, tenant};
use super::ours::{Place, http_clients};
use super::{CLIENTS_OF_GOALS, Options};
use crate::bench::figures::{Goal, Report, percentile, short};
use crate::client::Client;

const TTL_MS: i64 = 1_000;
/// Together one in a hundred of all slots.
const A_POOL: usize = 10;
/// Lapse to free.
const GOAL: Goal = Goal::AtMost(2_000.0);

pub(super) async fn measure(options: &Options, place: &Place, report: &mut Report) -> Result<()> {
    let service = place.serve()?;
    let client = Client::new(service.url())?;
    report.step("leases of one second run out while 64 clients claim and release");
    let clients = http_clients(&service, CLIENTS_OF_GOALS[0]).await?;
    let time = Duration::from_secs(if options.quick { 6 } else { 10 });
    let lapse = async {
        let mut made = 0;
        for pool in 0..POOLS {
            let claims = (0..A_POOL).map(|one| {
                let claim = json!({ "tenant": tenant(one), "holder": "gone", "ttl_ms": TTL_MS });
                json!({ "op": "claim", "claim": claim })
            });
            made += batch(&client, pool, claims.collect()).await?;
        }
        Ok::<_, anyhow::Error>(made)
    };
    let (load, made) = tokio::join!(drive(clients, time), lapse);
    let (load, made) = (load?, made?);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut connection = place.connect().await?;
    // Both instants are of the database's clock, and of the statements that made them durable.
    let late: Vec<f64> = sqlx::query_scalar(
        "SELECT (extract(epoch FROM gone.at - claimed.at) * 1000 - $3)::float8
         FROM slot_event gone JOIN slot_event claimed USING (claim)
         WHERE gone.kind = $1 AND claimed.kind = $2 AND gone.holder = 'gone'",
    )
    .bind(number(EventKind::ALL, &EventKind::Expire))
    .bind(number(EventKind::ALL, &EventKind::Claim))
    .bind(TTL_MS)
    .fetch_all(&mut connection)
    .await?;
    ensure!(late.len() == made && made == POOLS * A_POOL, "{} of {made} leases were taken back", late.len());
    ensure!(late.iter().all(|late| *late >= 0.0), "a lease was taken back before its end");
    report.note(format!(
        "reclaim of {made} leases in {} slots under {} transitions/s: lapse to free {} ms (median), {} ms (p99)",
        POOLS * super::fleet::SLOTS,
        short(load.rate),
        short(percentile(&late, 50.0)),
        short(percentile(&late, 99.0))
    ));
    report.value("lapse to free, the slowest", percentile(&late, 100.0), "ms", GOAL);
    super::ours::stop(service)
}

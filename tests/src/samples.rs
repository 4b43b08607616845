//! Random batches of live samples, and what they come to however often they are sent.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use headroom_domain::Millis;
use headroom_store::usage::{Wanted, sums};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::database::Database;

/// Pools that the samples are of.
pub const POOLS: [&str; 3] = ["alpha", "beta", "gamma"];
/// Tenants in each of them.
pub const TENANTS: [&str; 4] = ["red", "green", "blue", "grey"];
/// How long a sample holds.
pub const STEP_MS: Millis = 10_000;
/// The source that the batches name.
pub const SOURCE: &str = "sender";

/// Slot-milliseconds, claims and most slots at once by pool and tenant slug ("" = the pool).
pub type Sums = BTreeMap<(String, String), (i128, i128, i64)>;

/// Batches with their numbers from 0 on, and their sums.
#[derive(Debug)]
pub struct Samples {
    /// Rows of each batch, by number.
    pub batches: Vec<Vec<Value>>,
    /// What they come to if each counts once.
    pub expected: Sums,
}

impl Samples {
    /// Batches that begin at `first` and follow each other at `spacing`, at least twice a step so that none overlap.
    pub fn random(rng: &mut StdRng, batches: usize, first: Millis, spacing: Millis) -> Self {
        let mut samples = Self { batches: Vec::new(), expected: Sums::new() };
        for number in 0..batches as i64 {
            let mut rows = Vec::new();
            for pool in POOLS {
                let at = first + number * spacing + rng.random_range(0..STEP_MS);
                let (mut total, mut claims) = (0, 0);
                for tenant in TENANTS {
                    let (occupied, claimed) = (rng.random_range(0..60), rng.random_range(0..9));
                    total += occupied;
                    claims += claimed;
                    rows.push(
                        json!({"pool": pool, "tenant": tenant, "ts_ms": at, "occupied": occupied, "claims": claimed}),
                    );
                    samples.note(pool, tenant, occupied, claimed);
                }
                samples.note(pool, "", total, claims);
            }
            samples.batches.push(rows);
        }
        samples
    }

    fn note(&mut self, pool: &str, tenant: &str, occupied: i64, claims: i64) {
        let entry = self.expected.entry((pool.into(), tenant.into())).or_default();
        *entry = (entry.0 + i128::from(occupied * STEP_MS), entry.1 + i128::from(claims), entry.2.max(occupied));
    }
}

/// A batch as it is sent.
pub fn body(number: i64, rows: &[Value]) -> Vec<u8> {
    json!({"source": SOURCE, "seq": number, "rows": rows}).to_string().into_bytes()
}

/// Makes the pools and tenants.
pub async fn prepare(conn: &mut PgConnection) -> Result<()> {
    for pool in POOLS {
        sqlx::query("insert into pool (id, slug, name, kind) values (gen_random_uuid(), $1, $1, 'fixed')")
            .bind(pool)
            .execute(&mut *conn)
            .await?;
        sqlx::query(
            "insert into pool_capacity (pool_id, from_at, configured, actor)
             select pool_id, to_timestamp(0), 100, 'test' from pool where slug = $1",
        )
        .bind(pool)
        .execute(&mut *conn)
        .await?;
    }
    for tenant in TENANTS {
        sqlx::query("insert into tenant (id, slug, name) values (gen_random_uuid(), $1, $1)")
            .bind(tenant)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// What a database has rolled up.
pub async fn stored(database: &Database) -> Result<Sums> {
    let mut conn = database.connect().await?;
    let names = |rows: Vec<(i32, String)>| rows.into_iter().collect::<BTreeMap<i32, String>>();
    let pools = names(sqlx::query_as("select pool_id, slug from pool").fetch_all(&mut conn).await?);
    let tenants = names(sqlx::query_as("select tenant_id, slug from tenant").fetch_all(&mut conn).await?);
    let found = sums(&mut conn, &Wanted::default(), None, None).await?.map_err(|e| anyhow!("{e:?}"))?;
    conn.close().await?;
    let name = |tenant: i32| tenants.get(&tenant).cloned().unwrap_or_default();
    let named = |((pool, tenant), s): ((i32, i32), headroom_store::usage::WideSums)| {
        ((pools[&pool].clone(), name(tenant)), (s.occupied_slot_ms, s.claims, s.max_occupied))
    };
    Ok(found.into_iter().map(named).collect())
}

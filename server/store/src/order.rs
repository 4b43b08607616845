//! Orders: what operators tell the owner of a pool to do.

use crate::{Result, timestamp};
use headroom_domain::Millis;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Holders are asked to end: of some slots, which also go out of service, or of the whole pool.
    Drain {
        /// Slots; all if they are left out.
        slots: Option<Vec<u32>>,
    },
    /// Slots go back into service.
    Restore {
        /// The slots.
        slots: Vec<u32>,
    },
    /// Leases are taken away at once.
    Reclaim {
        /// Slots that were asked for.
        slots: Vec<u32>,
        /// The claims that held them then: whoever got such a slot since keeps it, and a second time takes nothing.
        claims: Vec<Uuid>,
    },
    /// Holders are asked to end so that others get their slots: the least important and newest first.
    Preempt {
        /// Of this tenant only.
        tenant: Option<i32>,
        /// As many slots.
        slots: u32,
    },
}

/// An order that is not carried out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its number: orders of a pool are carried out in their order.
    pub id: i64,
    /// The pool's key.
    pub pool: i32,
    /// What is to be done; nothing if this version of the product does not know it.
    pub order: Option<Order>,
    /// Who gave it.
    pub actor: String,
}

/// Gives an order, in the transaction that records it.
pub async fn give(conn: &mut PgConnection, pool: i32, order: &Order, actor: &str) -> Result<i64> {
    Ok(sqlx::query_scalar("INSERT INTO slot_order (pool_id, what, actor) VALUES ($1, $2, $3) RETURNING order_id")
        .bind(pool)
        .bind(Json(order))
        .bind(actor)
        .fetch_one(conn)
        .await?)
}

/// Orders of some pools that are not carried out yet, oldest first.
pub async fn open(conn: &mut PgConnection, pools: &[i32], limit: i64) -> Result<Vec<Open>> {
    #[derive(FromRow)]
    struct Row {
        order_id: i64,
        pool_id: i32,
        what: Json<serde_json::Value>,
        actor: String,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT order_id, pool_id, what, actor FROM slot_order
         WHERE done_at IS NULL AND pool_id = ANY($1) ORDER BY order_id LIMIT $2",
    )
    .bind(pools)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let open = |row: Row| Open {
        id: row.order_id,
        pool: row.pool_id,
        order: serde_json::from_value(row.what.0).ok(),
        actor: row.actor,
    };
    Ok(rows.into_iter().map(open).collect())
}

/// Orders were carried out: each with how many leases or slots it concerned.
pub async fn done(conn: &mut PgConnection, orders: &[(i64, usize)]) -> Result<()> {
    let (ids, affected): (Vec<i64>, Vec<i64>) = orders.iter().map(|(id, count)| (*id, *count as i64)).unzip();
    sqlx::query(
        "UPDATE slot_order o SET done_at = hr_now(), affected = d.affected
         FROM unnest($1::bigint[], $2::bigint[]) AS d (order_id, affected)
         WHERE o.order_id = d.order_id AND o.done_at IS NULL",
    )
    .bind(ids)
    .bind(affected)
    .execute(conn)
    .await?;
    Ok(())
}

/// How many leases or slots an order concerned; `None` while it is not carried out.
pub async fn affected(conn: &mut PgConnection, order: i64) -> Result<Option<i64>> {
    let found: Option<Option<i64>> = sqlx::query_scalar("SELECT affected FROM slot_order WHERE order_id = $1")
        .bind(order)
        .fetch_optional(conn)
        .await?;
    Ok(found.flatten())
}

/// Forgets orders that were carried out before an instant.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM slot_order WHERE done_at < $1").bind(timestamp(before));
    Ok(done.execute(conn).await?.rows_affected())
}

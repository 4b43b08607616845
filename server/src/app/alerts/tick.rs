//! The clock's turn: who is asked next, who is reminded, what was put off or kept from people and is not any more.

use super::super::Result;
use super::context::Context;
use super::{engine, silence, tell};
use crate::db::Db;
use headroom_store::{alert, owner};

/// Alerts of one turn.
const AT_ONCE: i64 = 200;

/// Turns every alert that is due. Returns how many.
pub async fn turn(db: &Db) -> Result<usize> {
    let mut conn = db.jobs.acquire().await?;
    let due = alert::due(&mut conn, AT_ONCE).await?;
    let ended = silence::turn(db).await?;
    if due.is_empty() {
        return Ok(ended);
    }
    let tracked = owner::tracked(&mut conn).await?;
    let context = Context::read(&mut conn, &tracked).await?;
    drop(conn);
    for id in &due {
        let mut tx = db.jobs.begin().await?;
        let Some(mut row) = alert::lock(&mut tx, *id).await? else { continue };
        let mut effects = Vec::new();
        silence::mark(&context, &mut row, &mut effects);
        if row.inhibited_until.is_some_and(|until| context.now >= until) {
            engine::unexplained(&mut tx, &context, &mut row).await?;
        }
        let plan = context.oncall.plan(&context.owner_of(&row));
        if row.is_muted() {
            row.alert.asking = None;
        }
        effects.extend(row.alert.tick(context.now, &plan));
        tell::write(&mut tx, &context, &mut row, &effects, context.now).await?;
        let next = tell::next_tick(&context, &row);
        alert::put(&mut tx, &mut row, next).await?;
        tx.commit().await?;
    }
    Ok(due.len() + ended)
}

//! A simulation's score as a game day that is kept on the server.

use super::record::Record;
use super::scenario::Scenario;
use headroom_slots::{Client, Error, Method};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Longest text of a game day, in characters.
const LONGEST: usize = 1_000;
/// Most pools, and most breakages, of a game day.
const MOST: usize = 50;

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The game day that a record makes; `None` if it has no score.
fn game_day(scenario: Scenario, record: &Record) -> Option<Value> {
    let score = record.score.as_ref().filter(|score| score.problem.is_none())?;
    let breakages: Vec<Value> = score
        .breakages
        .iter()
        .take(MOST)
        .map(|row| {
            let what = if row.mode == record.scenario {
                row.mode.clone()
            } else {
                format!("{} {}", row.mode, record.scenario)
            };
            json!({ "what": what, "pool": row.pool, "found": row.detected, "found_after_s": row.detected_after_s })
        })
        .collect();
    let found = score.breakages.iter().filter(|row| row.detected).count();
    let claims = &record.findings.claims;
    let mut happened = format!(
        "{found} of {} found; {} other findings beside. {} clients asked: {} grants, {} refusals, {} lost.",
        score.breakages.len(),
        score.beside,
        claims.asked,
        claims.granted,
        claims.refused,
        claims.lost,
    );
    for one in &score.false_findings {
        // Writing into memory does not fail.
        let _ = write!(happened, "\nFalse: {} {}", one.kind, one.text);
    }
    if record.cut_short {
        happened.insert_str(0, "Ended early. ");
    }
    Some(json!({
        "title": format!("headroom simulate {}, seed {}", record.scenario, record.seed),
        "tried": cut(&format!("{}\nExpected: {}", scenario.breaks(), scenario.seen())),
        "happened": cut(&happened),
        "pools": record.pools.iter().take(MOST).collect::<Vec<_>>(),
        "breakages": breakages,
        "false_findings": score.false_findings.len(),
    }))
}

/// Keeps it. Returns its number; `None` if there is no score to keep.
///
/// # Errors
/// What the API refuses.
pub async fn keep(client: &Client, scenario: Scenario, record: &Record) -> Result<Option<i64>, Error> {
    let Some(day) = game_day(scenario, record) else { return Ok(None) };
    let kept = client.call(Method::POST, "/api/v1/game-days", Some(&day)).await?;
    Ok(kept["id"].as_i64())
}

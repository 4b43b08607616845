//! `headroom usage`.

use super::{Place, plain, with_database};
use crate::app::usage::{By, to_csv, to_json};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use headroom_domain::range;

/// Print exact sums: slot-milliseconds of capacity, use and reservations, the peak, claims and rejections.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns: pool,tenant,from,to,capacity_slot_ms,occupied_slot_ms,reserved_slot_ms,reserved_idle_slot_ms,
max_occupied,claims,rejections. The capacity is the pool's, repeated on its tenants' rows.
Slot-hours are slot_ms / 3,600,000. Times fall on a stored step; if one does not, the two nearest are named.")]
pub(super) struct Usage {
    /// Only this pool; repeat for several
    #[arg(long, value_name = "SLUG")]
    pool: Vec<String>,
    /// One row per pool, per pool and tenant, or per pool and UTC day
    #[arg(long, default_value = "pool", value_name = "pool|tenant|day")]
    by: By,
    /// Start: RFC 3339 or now-45d [default: everything stored]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End, exclusive
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Json,
}

impl Usage {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        with_database(place, async |app| {
            let now = app.now().await.map_err(plain)?;
            let end = |name: &str, text: &Option<String>| {
                text.as_deref().map(|t| range::instant(t, now).with_context(|| format!("--{name}"))).transpose()
            };
            let rows =
                app.usage(&self.pool, self.by, end("from", &self.from)?, end("to", &self.to)?).await.map_err(plain)?;
            match self.format {
                Format::Csv => print!("{}", to_csv(&rows)),
                Format::Json => print!("{}", to_json(&rows)),
            }
            Ok(())
        })
        .await
    }
}

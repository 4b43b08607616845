//! `headroom pool`.

use super::{Place, plain, with_database};
use crate::app::App;
use crate::app::window::{Asked, Reading};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use headroom_domain::format;
use headroom_domain::pool::{PoolKind, Properties};
use headroom_domain::range;
use headroom_domain::slug::Slug;
use headroom_store::pool::{CapacityStep, PoolFields};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Make, list and change pools.
#[derive(Debug, Subcommand)]
pub(super) enum Pool {
    /// List pools with their present occupancy
    List {
        /// Archived ones too
        #[arg(long)]
        archived: bool,
    },
    /// Make a pool
    Create(Create),
    /// Change what is said about a pool
    Edit(Edit),
    /// Set the capacity, now or from an instant on
    SetCapacity(SetCapacity),
    /// Give a pool another slug; the old one redirects
    Rename {
        /// Present slug
        pool: String,
        /// New slug
        to: String,
    },
    /// Set or remove a tenant's quota
    Quota {
        /// Pool
        pool: String,
        /// Tenant
        tenant: String,
        /// Most slots, or "none"
        slots: String,
    },
    /// Archive a pool; its history stays
    Archive {
        /// Slug
        pool: String,
    },
    /// Bring an archived pool back
    Restore {
        /// Slug
        pool: String,
    },
}

/// A value, or the word `none` that empties it.
#[derive(Debug, Clone)]
struct Clearable<T>(Option<T>);

impl<T: FromStr> FromStr for Clearable<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

/// What can be said about a pool.
#[derive(Debug, Args, Default)]
struct Said {
    /// Name on pages
    #[arg(long)]
    name: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// fixed, autoscaling, partitioned, tenant-quota, staging or rate-limited
    #[arg(long)]
    kind: Option<PoolKind>,
    /// Least slots, or "none"
    #[arg(long)]
    min: Option<Clearable<i32>>,
    /// Most slots, or "none"
    #[arg(long)]
    max: Option<Clearable<i32>>,
    /// Price of one slot for one hour in millionths of the currency, or "none"
    #[arg(long)]
    unit_cost_micros: Option<Clearable<i64>>,
    /// Owner team
    #[arg(long)]
    owner: Option<String>,
    /// Runbook, http(s)
    #[arg(long)]
    runbook: Option<String>,
    /// IANA zone
    #[arg(long)]
    zone: Option<String>,
    /// Region, or "none"
    #[arg(long)]
    region: Option<Clearable<String>>,
    /// Stamp, or "none"
    #[arg(long)]
    stamp: Option<Clearable<String>>,
    /// key=value; repeat for several; replaces all labels
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Seconds between samples; 0 = none are expected
    #[arg(long, value_name = "SECONDS")]
    feed_period: Option<i32>,
    /// Days of fine history to keep; 0 = all
    #[arg(long, value_name = "DAYS")]
    retention: Option<i32>,
}

impl Said {
    fn onto(self, mut f: PoolFields) -> Result<PoolFields> {
        if !self.label.is_empty() {
            f.labels = self
                .label
                .iter()
                .map(|l| {
                    l.split_once('=')
                        .map(|(k, v)| (k.to_owned(), v.to_owned()))
                        .with_context(|| format!("--label {l:?}: expected KEY=VALUE"))
                })
                .collect::<Result<BTreeMap<_, _>>>()?;
        }
        Ok(PoolFields {
            name: self.name.unwrap_or(f.name),
            description: self.description.unwrap_or(f.description),
            kind: self.kind.unwrap_or(f.kind),
            min_slots: self.min.map_or(f.min_slots, |c| c.0),
            max_slots: self.max.map_or(f.max_slots, |c| c.0),
            unit_cost_micros: self.unit_cost_micros.map_or(f.unit_cost_micros, |c| c.0),
            owner: self.owner.unwrap_or(f.owner),
            runbook_url: self.runbook.unwrap_or(f.runbook_url),
            zone: self.zone.unwrap_or(f.zone),
            region: self.region.map_or(f.region, |c| c.0),
            stamp: self.stamp.map_or(f.stamp, |c| c.0),
            feed_period_ms: self.feed_period.map_or(f.feed_period_ms, |s| (s > 0).then(|| s.saturating_mul(1000))),
            retention_days: self.retention.map_or(f.retention_days, |d| (d > 0).then_some(d)),
            ..f
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Slug: a-z, 0-9 and hyphens
    pool: String,
    /// Slots now
    #[arg(long)]
    capacity: i32,
    /// Of these planned to be down
    #[arg(long, default_value_t = 0)]
    planned_down: i32,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
pub(super) struct Edit {
    /// Slug
    pool: String,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
pub(super) struct SetCapacity {
    /// Slug
    pool: String,
    /// Configured slots
    slots: i32,
    /// Of these planned to be down
    #[arg(long, default_value_t = 0)]
    planned_down: i32,
    /// From when: RFC 3339 or now [default: now]
    #[arg(long, value_name = "TIME")]
    effective: Option<String>,
    /// Set it even if more is reserved than would be left.
    #[arg(long)]
    below_reserved: bool,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
}

impl Pool {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        with_database(place, async |app| match self {
            Self::List { archived } => list(app, archived).await,
            Self::Create(create) => create.run(app).await,
            Self::Edit(edit) => {
                let before = app.pool(&edit.pool).await.map_err(plain)?;
                let fields = edit.said.onto(before.fields)?;
                app.update_pool(&edit.pool, before.version, &fields).await.map_err(plain)?;
                println!("pool {} was changed", edit.pool);
                Ok(())
            }
            Self::SetCapacity(set) => set.run(app).await,
            Self::Rename { pool, to } => {
                let before = app.pool(&pool).await.map_err(plain)?;
                let slug = Slug::parse(&to).with_context(|| format!("{to:?}"))?;
                app.update_pool(&pool, before.version, &PoolFields { slug, ..before.fields }).await.map_err(plain)?;
                println!("pool {pool} is now called {to}; the old address redirects");
                Ok(())
            }
            Self::Quota { pool, tenant, slots } => {
                let limit = match slots.as_str() {
                    "none" => None,
                    text => match text.parse() {
                        Ok(n) => Some(n),
                        Err(_) => bail!("{text:?} is no number of slots: expected 0 to 10,000,000, or none"),
                    },
                };
                app.set_quota(&pool, &tenant, limit).await.map_err(plain)?;
                println!("quota of {tenant} in {pool}: {slots}");
                Ok(())
            }
            Self::Archive { pool } => {
                app.archive_pool(&pool, true).await.map_err(plain)?;
                println!("pool {pool} was archived; `headroom pool restore {pool}` brings it back");
                Ok(())
            }
            Self::Restore { pool } => {
                app.archive_pool(&pool, false).await.map_err(plain)?;
                println!("pool {pool} is in use again");
                Ok(())
            }
        })
        .await
    }
}

async fn list(app: &App, archived: bool) -> Result<()> {
    let window = app.window(&Asked::default(), "now-1h", Reading::Strict).await.map_err(plain)?;
    println!("{:<32} {:<14} {:>12} {:>12} {:>8}  owner", "pool", "kind", "capacity", "occupied", "full");
    for p in app.pools(&window, archived).await.map_err(plain)? {
        let number = |n: Option<i64>| n.map_or_else(|| "\u{2013}".to_owned(), format::count);
        println!(
            "{:<32} {:<14} {:>12} {:>12} {:>8}  {}",
            p.pool.fields.slug,
            p.pool.fields.kind,
            number(p.effective()),
            number(p.occupied()),
            p.occupancy().map_or_else(|| "\u{2013}".to_owned(), format::percent),
            p.pool.fields.owner
        );
    }
    Ok(())
}

impl Create {
    async fn run(self, app: &App) -> Result<()> {
        let slug = Slug::parse(&self.pool).with_context(|| format!("{:?}", self.pool))?;
        let blank = PoolFields {
            name: slug.to_string(),
            slug,
            description: String::new(),
            kind: PoolKind::Fixed,
            properties: Properties::default(),
            min_slots: None,
            max_slots: None,
            unit_cost_micros: None,
            owner: String::new(),
            runbook_url: String::new(),
            labels: BTreeMap::new(),
            services: Vec::new(),
            zone: "UTC".into(),
            region: None,
            stamp: None,
            feed_period_ms: None,
            retention_days: Some(90),
        };
        let fields = self.said.onto(blank)?;
        let step = CapacityStep {
            from_ms: app.now().await.map_err(plain)?,
            configured: self.capacity,
            planned_down: self.planned_down,
            reason: String::new(),
            actor: String::new(),
        };
        app.create_pool(&fields, &step).await.map_err(plain)?;
        println!("pool {} was created with {} slots", self.pool, format::count(self.capacity.into()));
        Ok(())
    }
}

impl SetCapacity {
    async fn run(self, app: &App) -> Result<()> {
        let now = app.now().await.map_err(plain)?;
        let from_ms =
            self.effective.as_deref().map_or(Ok(now), |text| range::instant(text, now)).context("--effective")?;
        let step = CapacityStep {
            from_ms,
            configured: self.slots,
            planned_down: self.planned_down,
            reason: self.reason,
            actor: String::new(),
        };
        app.set_capacity(&self.pool, &step, self.below_reserved).await.map_err(plain)?;
        println!(
            "capacity of {} is {} slots from {}",
            self.pool,
            format::count(self.slots.into()),
            range::rfc3339(from_ms)
        );
        Ok(())
    }
}

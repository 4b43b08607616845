//! `headroom tenant`.

use super::{Place, plain, with_database};
use crate::app::window::{Asked, Reading};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use headroom_domain::format;
use headroom_domain::slug::Slug;
use headroom_store::tenant::TenantFields;
use std::collections::BTreeMap;

/// Make, list and change tenants.
#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    /// List tenants with what they used in the last 45 days
    List {
        /// Archived ones too
        #[arg(long)]
        archived: bool,
    },
    /// Make a tenant
    Create(Said),
    /// Change what is said about a tenant
    Edit(Said),
    /// Give a tenant another slug; the old one redirects
    Rename {
        /// Present slug
        tenant: String,
        /// New slug
        to: String,
    },
    /// Archive a tenant; what it used stays
    Archive {
        /// Slug
        tenant: String,
    },
    /// Bring an archived tenant back
    Restore {
        /// Slug
        tenant: String,
    },
}

/// What can be said about a tenant.
#[derive(Debug, Args)]
pub(super) struct Said {
    /// Slug: a-z, 0-9 and hyphens
    tenant: String,
    /// Name on pages
    #[arg(long)]
    name: Option<String>,
    /// Priority tier in your own words
    #[arg(long)]
    tier: Option<String>,
    /// 0 is served first, 9 last
    #[arg(long)]
    priority: Option<i16>,
    /// Weight in fair sharing, 1 to 10,000
    #[arg(long)]
    weight: Option<i32>,
    /// Cost centre
    #[arg(long)]
    cost_centre: Option<String>,
    /// Owner
    #[arg(long)]
    owner: Option<String>,
}

impl Said {
    fn onto(self, f: TenantFields) -> TenantFields {
        TenantFields {
            name: self.name.unwrap_or(f.name),
            tier: self.tier.unwrap_or(f.tier),
            priority: self.priority.unwrap_or(f.priority),
            weight: self.weight.unwrap_or(f.weight),
            cost_centre: self.cost_centre.unwrap_or(f.cost_centre),
            owner: self.owner.unwrap_or(f.owner),
            ..f
        }
    }
}

impl Tenant {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        with_database(place, async |app| match self {
            Self::List { archived } => {
                let window = app.window(&Asked::default(), "now-45d", Reading::Strict).await.map_err(plain)?;
                println!("{:<32} {:>16} {:>8}  owner", "tenant", "slot-hours 45 d", "share");
                for t in app.tenants(&window, archived).await.map_err(plain)? {
                    let hours = t.sums.occupied_slot_ms / i128::from(headroom_domain::HOUR_MS);
                    let share = t.share.map_or_else(|| "\u{2013}".to_owned(), format::percent);
                    println!("{:<32} {:>16} {:>8}  {}", t.tenant.fields.slug, hours, share, t.tenant.fields.owner);
                }
                Ok(())
            }
            Self::Create(said) => {
                let slug = Slug::parse(&said.tenant).with_context(|| format!("{:?}", said.tenant))?;
                let blank = TenantFields {
                    name: slug.to_string(),
                    slug,
                    tier: String::new(),
                    priority: 5,
                    weight: 1,
                    cost_centre: String::new(),
                    owner: String::new(),
                    labels: BTreeMap::new(),
                    region: None,
                    stamp: None,
                };
                let made = app.create_tenant(&said.onto(blank)).await.map_err(plain)?;
                println!("tenant {} was created", made.fields.slug);
                Ok(())
            }
            Self::Edit(said) => {
                let before = app.tenant(&said.tenant).await.map_err(plain)?;
                let slug = said.tenant.clone();
                app.update_tenant(&slug, before.version, &said.onto(before.fields)).await.map_err(plain)?;
                println!("tenant {slug} was changed");
                Ok(())
            }
            Self::Rename { tenant, to } => {
                let before = app.tenant(&tenant).await.map_err(plain)?;
                let slug = Slug::parse(&to).with_context(|| format!("{to:?}"))?;
                let fields = TenantFields { slug, ..before.fields };
                app.update_tenant(&tenant, before.version, &fields).await.map_err(plain)?;
                println!("tenant {tenant} is now called {to}; the old address redirects");
                Ok(())
            }
            Self::Archive { tenant } => {
                app.archive_tenant(&tenant, true).await.map_err(plain)?;
                println!("tenant {tenant} was archived; `headroom tenant restore {tenant}` brings it back");
                Ok(())
            }
            Self::Restore { tenant } => {
                app.archive_tenant(&tenant, false).await.map_err(plain)?;
                println!("tenant {tenant} is in use again");
                Ok(())
            }
        })
        .await
    }
}

//! Forms: the text that was typed and what is wrong with it.
//!
//! A form is filled from the stored thing on GET and from the request's body when a POST is refused (status 422), so that
//! nothing typed is lost. Field names in the HTML equal the struct's field names.

use headroom_domain::pool::{Consistency, Granting, Lifetime, OnLoss, PoolKind, Sizing};

use super::{Named, QuotaRow};

/// A field: its text and its error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Field {
    /// The text as typed or as stored.
    pub value: String,
    /// What is wrong and what is expected, a sentence; `None` if nothing is.
    pub error: Option<String>,
}

impl Field {
    /// A field without error.
    pub fn of(value: impl Into<String>) -> Self {
        Self { value: value.into(), error: None }
    }
}

/// Make a new thing or change an existing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormMode {
    /// `/pools/new`, `/tenants/new`
    New,
    /// `/pools/{slug}/edit`, `/tenants/{slug}/edit`
    Edit {
        /// The thing as stored, for title and links.
        subject: Named,
        /// Version the form was filled from (hidden field `version`); a POST with an older one is refused with 409.
        version: String,
    },
}

/// The page of a pool's form. On edit it holds three forms: properties, capacity, and the price without a reservation.
#[derive(Debug, Clone)]
pub struct PoolFormModel {
    /// New or edit.
    pub mode: FormMode,
    /// The fields. Action: `/pools/new` or `/pools/{slug}/edit`.
    pub form: PoolForm,
    /// The capacity form. For a new pool its fields are part of the one form.
    pub capacity: CapacityForm,
    /// The price of a slot-hour without a reservation, a decimal; empty if it is the same. Action on edit: `/pools/{slug}/elastic-price`.
    pub elastic_price: Field,
    /// An error that belongs to no field, for example "Somebody else changed this pool at 09:38."
    pub error: Option<String>,
    /// Owner teams known so far, offered while typing.
    pub known_owners: Vec<String>,
    /// Regions known so far.
    pub known_regions: Vec<String>,
    /// Zones offered while typing.
    pub zones: Vec<String>,
    /// Who looks is shown money: the form has the field of the price.
    pub shows_money: bool,
}

/// Fields of a pool.
#[derive(Debug, Clone, Default)]
pub struct PoolForm {
    /// Display name.
    pub name: Field,
    /// Identifier in URLs, `[a-z0-9-]`; changing it keeps a redirect from the old one.
    pub slug: Field,
    /// What it is for, free text.
    pub description: Field,
    /// A word of [`PoolKind`].
    pub kind: Field,
    /// Lower bound in slots; empty for none.
    pub min_slots: Field,
    /// Upper bound in slots; empty for none.
    pub max_slots: Field,
    /// Price of one slot-hour, decimal, for example `0.0125`; empty for none.
    pub unit_cost: Field,
    /// Owner team.
    pub owner: Field,
    /// Runbook address, `http` or `https`.
    pub runbook_url: Field,
    /// One `key=value` per line.
    pub labels: Field,
    /// Region slug; empty for none.
    pub region: Field,
    /// One service per line: `service`, `service endpoint`, with a trailing ` !` if customers notice its failure.
    pub services: Field,
    /// IANA zone of billing days and imports.
    pub zone: Field,
    /// A word of [`Sizing`].
    pub sizing: Field,
    /// A word of [`Granting`].
    pub granting: Field,
    /// A word of [`Lifetime`].
    pub lifetime: Field,
    /// A word of [`Consistency`].
    pub consistency: Field,
    /// A word of [`OnLoss`].
    pub on_loss: Field,
    /// Seconds between samples; empty for imported history.
    pub feed_period_s: Field,
}

impl PoolForm {
    /// An empty form with the defaults of a new pool.
    pub fn for_new(zone: &str) -> Self {
        Self {
            kind: Field::of(PoolKind::Fixed.as_str()),
            zone: Field::of(zone),
            sizing: Field::of(Sizing::Static.as_str()),
            granting: Field::of(Granting::Assignable.as_str()),
            lifetime: Field::of(Lifetime::Ephemeral.as_str()),
            consistency: Field::of(Consistency::Strong.as_str()),
            on_loss: Field::of(OnLoss::Retry.as_str()),
            ..Self::default()
        }
    }
}

/// A capacity change. Action on edit: `/pools/{slug}/capacity`.
#[derive(Debug, Clone, Default)]
pub struct CapacityForm {
    /// Configured slots, a whole number ≥ 0.
    pub slots: Field,
    /// Of these planned to be down; empty is 0.
    pub planned_down: Field,
    /// When it takes effect, `2026-11-28 00:00` in the shown zone; empty is now.
    pub effective: Field,
    /// Why; kept in the history.
    pub reason: Field,
}

/// The page of a tenant's form. On edit it holds two forms: properties, and quotas.
#[derive(Debug, Clone)]
pub struct TenantFormModel {
    /// New or edit.
    pub mode: FormMode,
    /// The fields. Action: `/tenants/new` or `/tenants/{slug}/edit`.
    pub form: TenantForm,
    /// The quota form; shown on edit only. Action: `/tenants/{slug}/quota`.
    pub quota: QuotaForm,
    /// Quotas in force, listed above the quota form.
    pub quotas: Vec<QuotaRow>,
    /// Pools to choose from in the quota form; at most 200.
    pub pools: Vec<Named>,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// Owner teams known so far.
    pub known_owners: Vec<String>,
}

/// Fields of a tenant.
#[derive(Debug, Clone, Default)]
pub struct TenantForm {
    /// Display name.
    pub name: Field,
    /// Identifier in URLs, `[a-z0-9-]`; changing it keeps a redirect from the old one.
    pub slug: Field,
    /// Priority tier, free text such as `gold`; empty for none.
    pub tier: Field,
    /// Cost centre; empty for none.
    pub cost_centre: Field,
    /// Owner team.
    pub owner: Field,
    /// Weight in fair sharing, a whole number from 1.
    pub weight: Field,
}

/// A quota change.
#[derive(Debug, Clone, Default)]
pub struct QuotaForm {
    /// Pool slug.
    pub pool: Field,
    /// Most slots; empty removes the quota.
    pub slots: Field,
    /// When it takes effect, in the shown zone; empty is now.
    pub effective: Field,
}

/// The confirm page of archiving (or bringing back) a pool or tenant. Action: the page's own path.
#[derive(Debug, Clone)]
pub struct ArchiveModel {
    /// `pool` or `tenant`.
    pub noun: ArchiveNoun,
    /// What is archived.
    pub subject: Named,
    /// True if it is archived already: the page then offers to bring it back (hidden field `restore=1`).
    pub archived: bool,
    /// What happens, one sentence each: "20,000 slots leave the totals from now on."
    pub effects: Vec<String>,
    /// What stays: "100 days of history stay readable."
    pub keeps: Vec<String>,
    /// Version the page was made from (hidden field `version`).
    pub version: String,
    /// Why the last attempt was refused.
    pub error: Option<String>,
}

/// What can be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveNoun {
    /// A pool.
    Pool,
    /// A tenant.
    Tenant,
}

impl ArchiveNoun {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Tenant => "tenant",
        }
    }

    /// The list it belongs to.
    pub fn list_path(self) -> &'static str {
        match self {
            Self::Pool => "/pools",
            Self::Tenant => "/tenants",
        }
    }
}

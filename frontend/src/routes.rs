//! The table of page routes: the server's router is built from it, and the browser suite takes its list from it.

/// One page route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRoute {
    /// Which page answers.
    pub page: Page,
    /// Path pattern in axum's syntax, for example `/pools/{pool}`.
    pub pattern: &'static str,
    /// What the page is, for lists and tests.
    pub label: &'static str,
    /// Methods it answers.
    pub methods: Methods,
    /// The rail entry that is current on it.
    pub rail: Option<RailEntry>,
    /// Samples with the placeholders `{pool}` and `{tenant}` still in them, one per tab or view; the browser suite opens each.
    pub samples: &'static [&'static str],
}

/// Methods of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// Only read.
    Get,
    /// A form that posts to itself.
    GetPost,
    /// Only the target of a form.
    Post,
}

/// The pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Page {
    /// Redirect to the overview.
    Home,
    /// Executive overview.
    Overview,
    /// List of pools.
    Pools,
    /// Form for a new pool.
    PoolNew,
    /// One pool.
    Pool,
    /// Form of an existing pool.
    PoolEdit,
    /// Target of the capacity form.
    PoolCapacity,
    /// Confirm page for archiving a pool.
    PoolArchive,
    /// List of tenants.
    Tenants,
    /// Form for a new tenant.
    TenantNew,
    /// One tenant.
    Tenant,
    /// Form of an existing tenant.
    TenantEdit,
    /// Target of the quota form.
    TenantQuota,
    /// Confirm page for archiving a tenant.
    TenantArchive,
    /// Search without JavaScript.
    Search,
    /// Names for the command palette, JSON.
    SearchIndex,
    /// Background work.
    Jobs,
    /// Preferences.
    Me,
    /// Definitions, data in.
    Help,
    /// Keyboard shortcuts.
    Shortcuts,
}

/// Entries of the navigation rail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RailEntry {
    /// `/overview`
    Overview,
    /// `/pools`
    Pools,
    /// `/tenants`
    Tenants,
    /// `/jobs`
    Jobs,
    /// `/help`
    Help,
}

impl RailEntry {
    /// The upper group of the rail.
    pub const MAIN: [Self; 3] = [Self::Overview, Self::Pools, Self::Tenants];
    /// The lower group.
    pub const MORE: [Self; 2] = [Self::Jobs, Self::Help];

    /// Its text.
    pub fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Pools => "Pools",
            Self::Tenants => "Tenants",
            Self::Jobs => "Jobs",
            Self::Help => "Help",
        }
    }

    /// Where it leads.
    pub fn path(self) -> &'static str {
        match self {
            Self::Overview => "/overview",
            Self::Pools => "/pools",
            Self::Tenants => "/tenants",
            Self::Jobs => "/jobs",
            Self::Help => "/help",
        }
    }

    /// Its icon in the sprite.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Overview => "gauge",
            Self::Pools => "layers",
            Self::Tenants => "users",
            Self::Jobs => "history",
            Self::Help => "info",
        }
    }
}

const fn get(
    page: Page,
    pattern: &'static str,
    label: &'static str,
    rail: Option<RailEntry>,
    samples: &'static [&'static str],
) -> PageRoute {
    PageRoute { page, pattern, label, methods: Methods::Get, rail, samples }
}

const fn form(
    page: Page,
    pattern: &'static str,
    label: &'static str,
    rail: Option<RailEntry>,
    samples: &'static [&'static str],
) -> PageRoute {
    PageRoute { page, pattern, label, methods: Methods::GetPost, rail, samples }
}

const fn target(page: Page, pattern: &'static str, label: &'static str, rail: Option<RailEntry>) -> PageRoute {
    PageRoute { page, pattern, label, methods: Methods::Post, rail, samples: &[] }
}

/// Every page route there is.
pub const ROUTES: &[PageRoute] = &[
    get(Page::Home, "/", "Home (redirect to the overview)", Some(RailEntry::Overview), &["/"]),
    get(
        Page::Overview,
        "/overview",
        "Executive overview",
        Some(RailEntry::Overview),
        &["/overview", "/overview?kiosk=1"],
    ),
    get(Page::Pools, "/pools", "Pools", Some(RailEntry::Pools), &["/pools", "/pools?view=multiples"]),
    form(Page::PoolNew, "/pools/new", "New pool", Some(RailEntry::Pools), &["/pools/new"]),
    get(
        Page::Pool,
        "/pools/{pool}",
        "Pool",
        Some(RailEntry::Pools),
        &["/pools/{pool}", "/pools/{pool}?tab=tenants", "/pools/{pool}?tab=policy", "/pools/{pool}?tab=history"],
    ),
    form(Page::PoolEdit, "/pools/{pool}/edit", "Edit pool", Some(RailEntry::Pools), &["/pools/{pool}/edit"]),
    target(Page::PoolCapacity, "/pools/{pool}/capacity", "Change a pool's capacity", Some(RailEntry::Pools)),
    form(
        Page::PoolArchive,
        "/pools/{pool}/archive",
        "Archive pool",
        Some(RailEntry::Pools),
        &["/pools/{pool}/archive"],
    ),
    get(Page::Tenants, "/tenants", "Tenants", Some(RailEntry::Tenants), &["/tenants"]),
    form(Page::TenantNew, "/tenants/new", "New tenant", Some(RailEntry::Tenants), &["/tenants/new"]),
    get(
        Page::Tenant,
        "/tenants/{tenant}",
        "Tenant",
        Some(RailEntry::Tenants),
        &["/tenants/{tenant}", "/tenants/{tenant}?tab=metering", "/tenants/{tenant}?tab=history"],
    ),
    form(
        Page::TenantEdit,
        "/tenants/{tenant}/edit",
        "Edit tenant",
        Some(RailEntry::Tenants),
        &["/tenants/{tenant}/edit"],
    ),
    target(Page::TenantQuota, "/tenants/{tenant}/quota", "Change a tenant's quota", Some(RailEntry::Tenants)),
    form(
        Page::TenantArchive,
        "/tenants/{tenant}/archive",
        "Archive tenant",
        Some(RailEntry::Tenants),
        &["/tenants/{tenant}/archive"],
    ),
    get(Page::Search, "/search", "Search", None, &["/search", "/search?q=eu"]),
    get(Page::SearchIndex, "/search/index.json", "Names for the command palette", None, &[]),
    get(Page::Jobs, "/jobs", "Jobs", Some(RailEntry::Jobs), &["/jobs"]),
    form(Page::Me, "/me", "Preferences", None, &["/me"]),
    get(Page::Help, "/help", "Help", Some(RailEntry::Help), &["/help"]),
    get(Page::Shortcuts, "/help/shortcuts", "Keyboard shortcuts", Some(RailEntry::Help), &["/help/shortcuts"]),
];

/// The sample paths of a route with its placeholders filled.
pub fn sample_paths(route: &PageRoute, pool: &str, tenant: &str) -> Vec<String> {
    route.samples.iter().map(|sample| sample.replace("{pool}", pool).replace("{tenant}", tenant)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_unique() {
        for (index, route) in ROUTES.iter().enumerate() {
            assert!(ROUTES[index + 1..].iter().all(|other| other.pattern != route.pattern), "{}", route.pattern);
        }
    }

    #[test]
    fn every_rail_entry_leads_to_a_page() {
        for entry in RailEntry::MAIN.into_iter().chain(RailEntry::MORE) {
            assert!(ROUTES.iter().any(|route| route.pattern == entry.path() && route.rail == Some(entry)));
        }
    }

    #[test]
    fn samples_fill_their_placeholders() {
        for route in ROUTES {
            for path in sample_paths(route, "ingress-eu", "acme") {
                assert!(path.starts_with('/') && !path.contains('{'), "{path}");
            }
        }
    }
}

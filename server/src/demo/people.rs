//! The demo's accounts: one for each role. They guard made-up numbers, so everybody may know their passwords.

use headroom_domain::access::Role;

/// An account of the demo world.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Its role.
    pub role: Role,
    /// Name.
    pub name: &'static str,
    /// E-mail address.
    pub email: &'static str,
    /// Password, shown on the page.
    pub password: &'static str,
    /// What it shows, one short sentence.
    pub sees: &'static str,
    /// Slugs of the tenants that it sees; empty for all.
    pub tenants: &'static [&'static str],
}

const fn account(
    role: Role,
    name: &'static str,
    email: &'static str,
    sees: &'static str,
    tenants: &'static [&'static str],
) -> Account {
    Account { role, name, email, password: "demo-headroom", sees, tenants }
}

/// The accounts, the viewer first.
pub const ACCOUNTS: [Account; 5] = [
    account(Role::Viewer, "Vera Holt", "viewer@demo.example", "Capacity, use and money; changes nothing.", &[]),
    account(Role::OnCall, "Otto Kern", "oncall@demo.example", "Capacity and use, without money.", &[]),
    account(Role::Planner, "Mika Lind", "planner@demo.example", "Changes pools, tenants and quotas.", &[]),
    account(Role::Admin, "Dana Okafor", "admin@demo.example", "Everything, people and tokens too.", &[]),
    account(Role::TenantViewer, "Tess Amari", "tenant@demo.example", "Only the tenant Acme Search.", &["acme-search"]),
];

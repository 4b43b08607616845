//! People and what they may do: sign-in, accounts, tokens, settings, the audit trail.
//!
//! Forms post to the page's own path unless a field says otherwise; names of the HTML fields equal those given here.
//! Passwords and codes are never sent back to the browser.

use super::{EventRow, Field, PanelState, TableState};
use crate::routes::RailEntry;

/// Who looks at a page; `None` in the shell before sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Roles in words, for example `On-call engineer, Planner`.
    pub roles: String,
    /// May make and change pools and tenants.
    pub plans: bool,
    /// May manage people, tokens and settings.
    pub administers: bool,
    /// May read the audit trail (its own part at least).
    pub audits: bool,
    /// May see background work.
    pub sees_jobs: bool,
    /// May act on live slots.
    pub operates: bool,
    /// May see single claims and the stream of events.
    pub debugs: bool,
}

impl Viewer {
    /// Whether an entry of the navigation leads somewhere for this person.
    pub fn may_open(&self, entry: RailEntry) -> bool {
        match entry {
            RailEntry::Overview
            | RailEntry::OnCall
            | RailEntry::Pools
            | RailEntry::Tenants
            | RailEntry::Planner
            | RailEntry::Forecast
            | RailEntry::Waste
            | RailEntry::Help => true,
            RailEntry::Debug => self.debugs,
            RailEntry::Jobs => self.sees_jobs,
            RailEntry::Audit => self.audits,
            RailEntry::Admin => self.administers,
        }
    }
}

/// Everything on `/login`. Fields: `email`, `password`, `totp` (only if `asks_code`), hidden `next`.
#[derive(Debug, Clone, Default)]
pub struct LoginModel {
    /// E-mail as typed.
    pub email: Field,
    /// Why the last attempt was refused, one sentence; the same for an unknown address and a wrong password.
    pub error: Option<String>,
    /// The account has a second factor: its six digits are asked for as well.
    pub asks_code: bool,
    /// Where to go after sign-in, a local path; empty for the landing page.
    pub next: String,
    /// Name of the single sign-on provider; its button posts to `/login/sso` with `next`.
    pub sso: Option<String>,
    /// Passwords travel unencrypted on this address: the page says so.
    pub insecure: bool,
    /// Accounts of the demo world, each with a button that signs in.
    pub demo: Vec<DemoAccount>,
}

/// An account of the demo world. Its button posts `email` and `password` to `/login`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoAccount {
    /// Role in words.
    pub role: String,
    /// What it shows, one short sentence.
    pub sees: String,
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: String,
}

/// The page on the way to a provider of single sign-on. The browser goes on by itself; the link is for those that do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnwardModel {
    /// Name of the provider.
    pub provider: String,
    /// Its page.
    pub url: String,
}

/// Everything on `/setup`: the first administrator. Fields: `code`, `name`, `email`, `password`.
#[derive(Debug, Clone, Default)]
pub struct SetupModel {
    /// The one-time code that the console printed; never filled again.
    pub code: Field,
    /// Name.
    pub name: Field,
    /// E-mail.
    pub email: Field,
    /// Password; never filled again.
    pub password: Field,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// Passwords travel unencrypted on this address.
    pub insecure: bool,
}

/// Everything on `/reset`: a one-time code from an administrator or an e-mail becomes a password. Fields: `email`, `code`,
/// `password`.
#[derive(Debug, Clone, Default)]
pub struct ResetModel {
    /// E-mail.
    pub email: Field,
    /// Code; never filled again.
    pub code: Field,
    /// New password; never filled again.
    pub password: Field,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// Passwords travel unencrypted on this address.
    pub insecure: bool,
    /// The server can send mail: the page also offers to send a code (form to `/reset/mail` with `email`).
    pub sends_mail: bool,
    /// E-mail address for that form.
    pub mail: Field,
}

/// One's own account, on `/me` beside the preferences.
#[derive(Debug, Clone)]
pub struct AccountModel {
    /// Name.
    pub name: String,
    /// E-mail.
    pub email: String,
    /// Roles in words, each with what it allows.
    pub roles: Vec<String>,
    /// The only tenants whose figures are shown; empty for all.
    pub tenants: Vec<String>,
    /// The account has a password (and does not sign in elsewhere only).
    pub has_password: bool,
    /// Change of password. Action `/me/password`, fields `current`, `password`.
    pub current: Field,
    /// New password.
    pub password: Field,
    /// Second factor.
    pub totp: TotpModel,
    /// Sessions, newest use first. *Sign out* posts `session` to `/me/sessions`; *Sign out everywhere else* posts `all=1`.
    pub sessions: Vec<SessionRow>,
}

/// The second factor of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TotpModel {
    /// Not set up. Button posts `begin=1` and the field `current` (password, if there is one) to `/me/totp`.
    Off {
        /// Why it was refused.
        current: Field,
    },
    /// A secret was made and waits for its first code. Field `totp`, action `/me/totp`; *Cancel* posts `cancel=1`.
    Begun {
        /// The secret in base 32, groups of four, to be typed into an app.
        secret: String,
        /// The same as `otpauth://` address.
        uri: String,
        /// The same as a QR code: an SVG of ours.
        qr_svg: String,
        /// The typed code.
        code: Field,
    },
    /// In use. *Turn off* posts `off=1` with the field `current` (password).
    On {
        /// Why turning it off was refused.
        current: Field,
    },
}

/// A session of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// What the form sends to end it; says nothing about its cookie.
    pub id: String,
    /// Browser and system as far as they say.
    pub agent: String,
    /// Network address.
    pub address: String,
    /// Signed in.
    pub since_ms: i64,
    /// Last request.
    pub seen_ms: i64,
    /// The session that asks.
    pub current: bool,
}

/// Everything on `/admin/users`.
#[derive(Debug, Clone)]
pub struct UsersModel {
    /// Accounts, by name.
    pub rows: Vec<UserRow>,
    /// Filter and CSV.
    pub table: TableState,
    /// Empty, failed.
    pub state: PanelState,
}

/// An account in the list. Links to `/admin/users/{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// E-mail.
    pub email: String,
    /// Roles in words.
    pub roles: String,
    /// Last request; `None` if never.
    pub seen_ms: Option<i64>,
    /// Open sessions.
    pub sessions: i64,
    /// May not sign in.
    pub disabled: bool,
    /// Has not chosen a password yet.
    pub invited: bool,
}

/// `/admin/users/new` and `/admin/users/{id}`. Fields: `name`, `email`, `roles` (checkboxes, one value each), `tenants`
/// (slugs, one per line), hidden `version`. On an existing account further forms post to the same path with `do` =
/// `disable`, `enable`, `sign-out`, `reset`, `reset-totp`.
#[derive(Debug, Clone)]
pub struct UserFormModel {
    /// Id of an existing account; `None` for a new one.
    pub id: Option<String>,
    /// Name.
    pub name: Field,
    /// E-mail.
    pub email: Field,
    /// Every role with its word, name, what it allows, and whether it is chosen.
    pub roles: Vec<RoleChoice>,
    /// What is wrong with the choice of roles.
    pub roles_error: Option<String>,
    /// Tenant slugs, one per line, for tenant viewers.
    pub tenants: Field,
    /// Version the form was filled from.
    pub version: String,
    /// An error that belongs to no field: "the last administrator keeps the role".
    pub error: Option<String>,
    /// May not sign in.
    pub disabled: bool,
    /// Has a second factor.
    pub totp: bool,
    /// Open sessions.
    pub sessions: i64,
    /// Last request.
    pub seen_ms: Option<i64>,
    /// A one-time code that was just made: shown once.
    pub code: Option<ShownOnce>,
    /// Codes go to their person by mail.
    pub sends_mail: bool,
    /// Newest changes of the account.
    pub changes: Vec<EventRow>,
}

/// A role to tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleChoice {
    /// The word in the form.
    pub word: String,
    /// Its name.
    pub label: String,
    /// What it allows, one sentence.
    pub allows: String,
    /// Ticked.
    pub chosen: bool,
}

/// A secret that is shown once and never again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownOnce {
    /// The secret.
    pub secret: String,
    /// What to do with it, one or two sentences.
    pub hint: String,
    /// Until when it works.
    pub expires_ms: Option<i64>,
}

/// `/admin/roles`: what each role may do, read-only.
#[derive(Debug, Clone)]
pub struct RolesModel {
    /// Names of the roles, the columns.
    pub roles: Vec<String>,
    /// Capability in words, and for each role whether it has it.
    pub rows: Vec<(String, Vec<bool>)>,
    /// Scope names of tokens.
    pub scopes: Vec<String>,
    /// Capability in words, and for each scope whether it has it.
    pub scope_rows: Vec<(String, Vec<bool>)>,
}

/// `/admin/tokens`: list, and the form for a new one (fields `name`, `scopes` checkboxes, `pools` and `tenants` one slug per
/// line, `days`). *Revoke* leads to `/admin/tokens/{id}/revoke`.
#[derive(Debug, Clone)]
pub struct TokensModel {
    /// Tokens, newest first; revoked and expired ones last.
    pub rows: Vec<TokenRow>,
    /// Filter and CSV.
    pub table: TableState,
    /// The form.
    pub form: TokenForm,
    /// A token that was just made.
    pub made: Option<ShownOnce>,
    /// Newest changes of tokens.
    pub changes: Vec<EventRow>,
}

/// A token in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its first characters, to recognise it.
    pub prefix: String,
    /// Scopes in words.
    pub scopes: String,
    /// Pools and tenants it is limited to, in words; empty for none.
    pub limits: String,
    /// Who made it.
    pub made_by: String,
    /// End; `None` if it has none.
    pub expires_ms: Option<i64>,
    /// Last use.
    pub used_ms: Option<i64>,
    /// Program that used it last.
    pub used_by: String,
    /// `active`, `expired`, `revoked`.
    pub status: TokenStatus,
}

/// Whether a token works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStatus {
    /// It works.
    Active,
    /// It works for less than a week more.
    Expiring,
    /// It is past its end.
    Expired,
    /// It was revoked.
    Revoked,
}

/// The form for a token.
#[derive(Debug, Clone, Default)]
pub struct TokenForm {
    /// Name.
    pub name: Field,
    /// Every scope.
    pub scopes: Vec<RoleChoice>,
    /// What is wrong with the choice of scopes.
    pub scopes_error: Option<String>,
    /// Pool slugs, one per line; empty for all.
    pub pools: Field,
    /// Tenant slugs, one per line; empty for all.
    pub tenants: Field,
    /// Days until it ends; 90 unless told otherwise.
    pub days: Field,
    /// An error that belongs to no field.
    pub error: Option<String>,
}

/// `/admin/tokens/{id}/revoke`: the page that asks first.
#[derive(Debug, Clone)]
pub struct RevokeModel {
    /// The token.
    pub token: TokenRow,
}

/// `/admin/settings`. Fields: `name`, `currency`, `zone`, `half_life_hours`, `money` and `ack_needs_note` (`on`, or absent).
#[derive(Debug, Clone)]
pub struct SettingsModel {
    /// Name of the organisation.
    pub name: Field,
    /// ISO 4217 code.
    pub currency: Field,
    /// Zone shown unless a person or link chooses another.
    pub zone: Field,
    /// Whether money is shown to those whose role allows it.
    pub money: bool,
    /// Whether an acknowledgement must say something.
    pub ack_needs_note: bool,
    /// Hours in which a tenant's use counts half.
    pub half_life_hours: Field,
    /// Zones offered while typing.
    pub zones: Vec<String>,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// Newest changes of the settings.
    pub changes: Vec<EventRow>,
}

/// Everything on `/audit`. GET filters: `actor`, `action`, `object`, `q`.
#[derive(Debug, Clone)]
pub struct AuditModel {
    /// Entries, newest first.
    pub rows: Vec<AuditRow>,
    /// Filter values as typed.
    pub actor: String,
    /// See `actor`.
    pub action: String,
    /// See `actor`.
    pub object: String,
    /// Actions to choose from.
    pub actions: Vec<String>,
    /// Kinds of objects to choose from.
    pub objects: Vec<String>,
    /// Filter, paging and CSV.
    pub table: TableState,
    /// Only one's own changes are shown.
    pub own_only: bool,
    /// Empty, failed.
    pub state: PanelState,
}

/// A recorded change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub number: i64,
    /// When.
    pub at_ms: i64,
    /// Who: a person's name or a token.
    pub actor: String,
    /// Through which door: page, API, command line, job.
    pub source: String,
    /// Network address; empty if there was none.
    pub address: String,
    /// What was done: `update`, `sign-in`, ...
    pub action: String,
    /// To what kind of thing.
    pub object: String,
    /// Which one.
    pub subject: String,
    /// Its page, if it has one.
    pub href: Option<String>,
    /// Fields that changed: name, before, after; empty text for nothing.
    pub changes: Vec<(String, String, String)>,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn navigation_shows_what_a_person_may_open() {
        let nobody = Viewer {
            name: "Dana Okafor".into(),
            email: "dana@example.org".into(),
            roles: "Viewer".into(),
            plans: false,
            administers: false,
            audits: false,
            sees_jobs: false,
            operates: false,
            debugs: false,
        };
        let more = |viewer: &Viewer| -> Vec<&str> {
            RailEntry::MORE.into_iter().filter(|entry| viewer.may_open(*entry)).map(RailEntry::label).collect()
        };
        assert!(RailEntry::MAIN.into_iter().all(|entry| nobody.may_open(entry)));
        assert_eq!(more(&nobody), ["Help"]);
        let planner = Viewer { plans: true, audits: true, sees_jobs: true, ..nobody };
        assert_eq!(more(&planner), ["Jobs", "Audit", "Help"]);
        let admin = Viewer { administers: true, debugs: true, ..planner };
        assert_eq!(more(&admin), ["Debug", "Jobs", "Audit", "Admin", "Help"]);
    }
}

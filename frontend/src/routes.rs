//! The table of page routes: the server's router is built from it, and the browser suite takes its list from it.

use headroom_domain::access::Action;

use Policy::{Needs, Open, SignedIn};

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
    /// Who may open it.
    pub policy: Policy,
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

/// Who may open a page. Every route has one: nothing is open because somebody forgot to close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Anybody, also before sign-in.
    Open,
    /// Any account.
    SignedIn,
    /// Accounts whose roles allow it.
    Needs(Action),
}

/// The pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Page {
    /// Redirect to the overview.
    Home,
    /// Executive overview.
    Overview,
    /// What needs attention now.
    OnCall,
    /// Alerts that fired.
    Alerts,
    /// One alert.
    Alert,
    /// Target of the forms about an alert.
    AlertAct,
    /// Target of the form about several alerts.
    AlertsBulk,
    /// Target of the button that sends again what was given up.
    NotificationReplay,
    /// How rules did.
    AlertQuality,
    /// Silences, with the form for a new one.
    Silences,
    /// Target of that form.
    SilenceNew,
    /// Form of an existing silence.
    Silence,
    /// Page that asks before a silence is ended, and its target.
    SilenceEnd,
    /// Schedules and escalation policies.
    Schedules,
    /// Form for a new schedule.
    ScheduleNew,
    /// Form of an existing schedule.
    Schedule,
    /// Page that asks before a schedule is removed, and its target.
    ScheduleDelete,
    /// Target of the form with which somebody stands in.
    OverrideNew,
    /// Form for a new policy.
    PolicyNew,
    /// Form of an existing policy.
    Policy,
    /// Page that asks before a policy is removed, and its target.
    PolicyDelete,
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
    /// Target of the form of the price without a reservation.
    PoolElasticPrice,
    /// Confirm page for archiving a pool.
    PoolArchive,
    /// One slot of a pool.
    PoolSlot,
    /// Form, preview and target of what can be done to a pool's live slots.
    PoolAct,
    /// The promises of a pool over time, and the draft that changes them.
    Planner,
    /// Target of the edits of a draft.
    PlannerAct,
    /// What a draft does.
    PlannerDraft,
    /// Target that publishes a draft, or asks for its approval.
    PlannerPublish,
    /// Form of a reservation.
    PlannerEdit,
    /// A pool's policy for reservations.
    PlannerPolicy,
    /// What was published.
    Publications,
    /// Target that makes a draft which takes a publication back.
    PublicationRevert,
    /// Reservations from a file.
    PlannerImport,
    /// The steps from a file that was uploaded to a draft.
    PlannerImportStep,
    /// Rows of a file that are not taken, as a file.
    PlannerImportRows,
    /// Events that change demand: list and month.
    Calendar,
    /// The same events for other programs.
    CalendarFeed,
    /// Form for a new event.
    EventNew,
    /// One event, and its form.
    Event,
    /// Target of that form.
    EventEdit,
    /// Page that asks before an event is removed, and its target.
    EventDelete,
    /// Events from a calendar of another program.
    CalendarImport,
    /// What taking such a calendar does, and its target.
    CalendarReview,
    /// What pools will need.
    Forecasts,
    /// What one pool will need, and what to do about it.
    Forecast,
    /// How a pool is scaled.
    ScalingPolicy,
    /// What a recommended step does, and taking it.
    ForecastApply,
    /// Target that ignores recommendations for a while.
    ForecastIgnore,
    /// What was promised and not used, this month.
    Waste,
    /// The same of one month, as a page or a file.
    WasteMonth,
    /// Target that makes a draft of one suggestion.
    WasteDraft,
    /// Target that reckons a closed month anew.
    WasteCorrect,
    /// Reports that were closed.
    Reports,
    /// One report of another kind, as a page or a file.
    Report,
    /// Target that reckons such a report anew.
    ReportCorrect,
    /// Game days: what was broken on purpose, and whether it was found.
    GameDays,
    /// Form for a new game day.
    GameDayNew,
    /// Form of an existing game day.
    GameDay,
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
    /// List of rules.
    Rules,
    /// Form for a new rule.
    RuleNew,
    /// One rule.
    Rule,
    /// Form of an existing rule, and where it is sent to.
    RuleEdit,
    /// Target that takes a rule away.
    RuleDelete,
    /// Error budgets, and which pools are ready to be watched.
    Slos,
    /// Target that sets an objective.
    SloObjective,
    /// List of runbooks.
    Runbooks,
    /// Form for a new runbook.
    RunbookNew,
    /// One runbook.
    Runbook,
    /// Form of an existing runbook.
    RunbookEdit,
    /// Target that says that somebody tested a runbook.
    RunbookTested,
    /// Claims, events, leases and moves, one by one.
    Debug,
    /// The trace of one claim.
    DebugClaim,
    /// Search without JavaScript.
    Search,
    /// Names for the command palette, JSON.
    SearchIndex,
    /// Background work.
    Jobs,
    /// One job with its runs, or one import with its progress.
    Job,
    /// Target that asks for a run of a job.
    JobRun,
    /// Target that tells an import to stop.
    JobCancel,
    /// One's own account and preferences.
    Me,
    /// Target of the change of password.
    MePassword,
    /// Target of the second factor's forms.
    MeTotp,
    /// Target that ends one's sessions.
    MeSessions,
    /// Definitions, data in.
    Help,
    /// Keyboard shortcuts.
    Shortcuts,
    /// Sign-in.
    Login,
    /// Target that begins a sign-in at the provider of single sign-on.
    LoginSso,
    /// Where that provider sends people back to.
    LoginSsoReturn,
    /// Target that ends the session.
    Logout,
    /// The first administrator.
    Setup,
    /// A one-time code becomes a password.
    Reset,
    /// Target that sends a one-time code by mail.
    ResetMail,
    /// Index of the admin pages.
    Admin,
    /// List of accounts.
    Users,
    /// Form for a new account.
    UserNew,
    /// Form of an existing account.
    User,
    /// What each role may do.
    Roles,
    /// List of API tokens with the form for a new one.
    Tokens,
    /// Confirm page for revoking a token.
    TokenRevoke,
    /// Who is told about alerts.
    Receivers,
    /// Kinds of receivers, and the form for a new one.
    ReceiverNew,
    /// Form of an existing receiver, with what it was told.
    Receiver,
    /// Target that switches a receiver, tries it, or sends it something again.
    ReceiverAct,
    /// Page that asks before a receiver is removed, and its target.
    ReceiverDelete,
    /// Settings of the organisation.
    Settings,
    /// Recorded changes.
    Audit,
}

/// Entries of the navigation rail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RailEntry {
    /// `/overview`
    Overview,
    /// `/oncall`
    OnCall,
    /// `/pools`
    Pools,
    /// `/tenants`
    Tenants,
    /// `/planner`
    Planner,
    /// `/forecast`
    Forecast,
    /// `/waste`
    Waste,
    /// `/debug`
    Debug,
    /// `/jobs`
    Jobs,
    /// `/audit`
    Audit,
    /// `/admin`
    Admin,
    /// `/help`
    Help,
}

impl RailEntry {
    /// The upper group of the rail.
    pub const MAIN: [Self; 7] =
        [Self::Overview, Self::OnCall, Self::Pools, Self::Tenants, Self::Planner, Self::Forecast, Self::Waste];
    /// Those within reach of a thumb on phones.
    pub const THUMB: [Self; 4] = [Self::Overview, Self::OnCall, Self::Pools, Self::Planner];
    /// The lower group.
    pub const MORE: [Self; 5] = [Self::Debug, Self::Jobs, Self::Audit, Self::Admin, Self::Help];

    /// Its text.
    pub fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::OnCall => "On-call",
            Self::Pools => "Pools",
            Self::Tenants => "Tenants",
            Self::Planner => "Planner",
            Self::Forecast => "Forecast",
            Self::Waste => "Waste",
            Self::Debug => "Debug",
            Self::Jobs => "Jobs",
            Self::Audit => "Audit",
            Self::Admin => "Admin",
            Self::Help => "Help",
        }
    }

    /// Where it leads.
    pub fn path(self) -> &'static str {
        match self {
            Self::Overview => "/overview",
            Self::OnCall => "/oncall",
            Self::Pools => "/pools",
            Self::Tenants => "/tenants",
            Self::Planner => "/planner",
            Self::Forecast => "/forecast",
            Self::Waste => "/waste",
            Self::Debug => "/debug",
            Self::Jobs => "/jobs",
            Self::Audit => "/audit",
            Self::Admin => "/admin",
            Self::Help => "/help",
        }
    }

    /// Its icon in the sprite.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Overview => "gauge",
            Self::OnCall => "siren",
            Self::Pools => "layers",
            Self::Tenants => "users",
            Self::Planner => "calendar-range",
            Self::Forecast => "scaling",
            Self::Waste => "table-2",
            Self::Debug => "bug",
            Self::Jobs => "history",
            Self::Audit => "pencil",
            Self::Admin => "settings",
            Self::Help => "info",
        }
    }
}

const fn get(
    page: Page,
    pattern: &'static str,
    label: &'static str,
    policy: Policy,
    rail: Option<RailEntry>,
    samples: &'static [&'static str],
) -> PageRoute {
    PageRoute { page, pattern, label, methods: Methods::Get, policy, rail, samples }
}

const fn form(
    page: Page,
    pattern: &'static str,
    label: &'static str,
    policy: Policy,
    rail: Option<RailEntry>,
    samples: &'static [&'static str],
) -> PageRoute {
    PageRoute { page, pattern, label, methods: Methods::GetPost, policy, rail, samples }
}

const fn target(
    page: Page,
    pattern: &'static str,
    label: &'static str,
    policy: Policy,
    rail: Option<RailEntry>,
) -> PageRoute {
    PageRoute { page, pattern, label, methods: Methods::Post, policy, rail, samples: &[] }
}

const SEE: Policy = Needs(Action::See);
const PLAN: Policy = Needs(Action::Plan);
const RECORD_GAME_DAYS: Policy = Needs(Action::RecordGameDays);
const OPERATE: Policy = Needs(Action::Operate);
const ANSWER: Policy = Needs(Action::Answer);
const SET_ALERTS: Policy = Needs(Action::SetAlerts);
const DEBUG: Policy = Needs(Action::Debug);
const ADMINISTER: Policy = Needs(Action::Administer);

const OVERVIEW: Option<RailEntry> = Some(RailEntry::Overview);
const ON_CALL: Option<RailEntry> = Some(RailEntry::OnCall);
const DEBUGGING: Option<RailEntry> = Some(RailEntry::Debug);
const POOLS: Option<RailEntry> = Some(RailEntry::Pools);
const TENANTS: Option<RailEntry> = Some(RailEntry::Tenants);
const PLANNER: Option<RailEntry> = Some(RailEntry::Planner);
const FORECAST: Option<RailEntry> = Some(RailEntry::Forecast);
const WASTE: Option<RailEntry> = Some(RailEntry::Waste);
const ADMIN: Option<RailEntry> = Some(RailEntry::Admin);
const HELP: Option<RailEntry> = Some(RailEntry::Help);

/// Every page route there is.
pub const ROUTES: &[PageRoute] = &[
    get(Page::Home, "/", "Home (redirect to the overview)", SignedIn, OVERVIEW, &["/"]),
    get(Page::Overview, "/overview", "Executive overview", SEE, OVERVIEW, &["/overview", "/overview?kiosk=1"]),
    get(Page::OnCall, "/oncall", "On-call board", SEE, ON_CALL, &["/oncall", "/oncall?kiosk=1"]),
    get(Page::Alerts, "/alerts", "Alerts", SEE, ON_CALL, &["/alerts"]),
    get(Page::Alert, "/alerts/{alert}", "Alert", SEE, ON_CALL, &[]),
    target(Page::AlertAct, "/alerts/{alert}/act", "Act on an alert", ANSWER, ON_CALL),
    target(Page::AlertsBulk, "/alerts/bulk", "Acknowledge several alerts", ANSWER, ON_CALL),
    target(Page::NotificationReplay, "/notifications/{notification}/replay", "Send a message again", OPERATE, ON_CALL),
    get(Page::AlertQuality, "/alerts/quality", "Alert quality", SEE, ON_CALL, &["/alerts/quality"]),
    get(Page::Silences, "/silences", "Silences", SEE, ON_CALL, &["/silences", "/silences?pool={pool}&rule=hot-slot"]),
    form(Page::SilenceNew, "/silences/new", "New silence", ANSWER, ON_CALL, &["/silences/new"]),
    form(Page::Silence, "/silences/{silence}", "Change a silence", ANSWER, ON_CALL, &[]),
    form(Page::SilenceEnd, "/silences/{silence}/end", "End a silence", ANSWER, ON_CALL, &[]),
    get(Page::Schedules, "/oncall/schedules", "Schedules", SEE, ON_CALL, &["/oncall/schedules"]),
    form(Page::ScheduleNew, "/oncall/schedules/new", "New schedule", SET_ALERTS, ON_CALL, &["/oncall/schedules/new"]),
    form(Page::Schedule, "/oncall/schedules/{schedule}", "Edit schedule", SET_ALERTS, ON_CALL, &[]),
    form(Page::ScheduleDelete, "/oncall/schedules/{schedule}/delete", "Delete a schedule", SET_ALERTS, ON_CALL, &[]),
    target(Page::OverrideNew, "/oncall/overrides", "Take a shift", SET_ALERTS, ON_CALL),
    form(Page::PolicyNew, "/oncall/policies/new", "New policy", SET_ALERTS, ON_CALL, &["/oncall/policies/new"]),
    form(Page::Policy, "/oncall/policies/{policy}", "Edit policy", SET_ALERTS, ON_CALL, &[]),
    form(Page::PolicyDelete, "/oncall/policies/{policy}/delete", "Delete a policy", SET_ALERTS, ON_CALL, &[]),
    get(Page::Pools, "/pools", "Pools", SEE, POOLS, &["/pools", "/pools?view=multiples"]),
    form(Page::PoolNew, "/pools/new", "New pool", PLAN, POOLS, &["/pools/new"]),
    get(
        Page::Pool,
        "/pools/{pool}",
        "Pool",
        SEE,
        POOLS,
        &[
            "/pools/{pool}",
            "/pools/{pool}?tab=map",
            "/pools/{pool}?tab=tenants",
            "/pools/{pool}?tab=policy",
            "/pools/{pool}?tab=history",
        ],
    ),
    get(Page::PoolSlot, "/pools/{pool}/slots/{slot}", "Slot", SEE, POOLS, &[]),
    form(Page::PoolAct, "/pools/{pool}/act/{action}", "Act on live slots", OPERATE, POOLS, &[]),
    form(Page::PoolEdit, "/pools/{pool}/edit", "Edit pool", PLAN, POOLS, &["/pools/{pool}/edit"]),
    target(Page::PoolCapacity, "/pools/{pool}/capacity", "Change a pool's capacity", PLAN, POOLS),
    target(
        Page::PoolElasticPrice,
        "/pools/{pool}/elastic-price",
        "Set a pool's price without a reservation",
        PLAN,
        POOLS,
    ),
    form(Page::PoolArchive, "/pools/{pool}/archive", "Archive pool", PLAN, POOLS, &["/pools/{pool}/archive"]),
    get(
        Page::Planner,
        "/planner",
        "Planner",
        SEE,
        PLANNER,
        &["/planner?pool={pool}", "/planner?pool={pool}&view=table"],
    ),
    target(Page::PlannerAct, "/planner/act", "Edit a draft", PLAN, PLANNER),
    get(Page::PlannerDraft, "/planner/drafts/{draft}", "Review a draft", PLAN, PLANNER, &[]),
    target(Page::PlannerPublish, "/planner/drafts/{draft}/publish", "Publish a draft", PLAN, PLANNER),
    form(Page::PlannerEdit, "/planner/edit", "Edit a reservation", PLAN, PLANNER, &["/planner/edit?pool={pool}"]),
    form(Page::PlannerPolicy, "/planner/policy", "Policy of a plan", PLAN, PLANNER, &["/planner/policy?pool={pool}"]),
    get(
        Page::Publications,
        "/planner/publications",
        "Publications",
        SEE,
        PLANNER,
        &["/planner/publications?pool={pool}"],
    ),
    target(
        Page::PublicationRevert,
        "/planner/publications/{publication}/revert",
        "Take a publication back",
        PLAN,
        PLANNER,
    ),
    form(
        Page::PlannerImport,
        "/planner/import",
        "Import reservations",
        PLAN,
        PLANNER,
        &["/planner/import?pool={pool}"],
    ),
    form(Page::PlannerImportStep, "/planner/import/{import}", "Steps of an import", PLAN, PLANNER, &[]),
    get(Page::PlannerImportRows, "/planner/import/{import}/errors.csv", "Rows that are not taken", PLAN, PLANNER, &[]),
    get(
        Page::Calendar,
        "/calendar",
        "Calendar",
        SEE,
        PLANNER,
        &["/calendar", "/calendar?view=month", "/calendar?past=1"],
    ),
    get(Page::CalendarFeed, "/calendar.ics", "Calendar for other programs", SEE, PLANNER, &[]),
    form(Page::EventNew, "/calendar/new", "New event", PLAN, PLANNER, &["/calendar/new"]),
    get(Page::Event, "/calendar/{event}", "Event", SEE, PLANNER, &[]),
    target(Page::EventEdit, "/calendar/{event}/edit", "Change an event", PLAN, PLANNER),
    form(Page::EventDelete, "/calendar/{event}/delete", "Remove an event", PLAN, PLANNER, &[]),
    form(Page::CalendarImport, "/calendar/import", "Import a calendar", PLAN, PLANNER, &["/calendar/import"]),
    form(Page::CalendarReview, "/calendar/import/{import}", "Review a calendar", PLAN, PLANNER, &[]),
    get(Page::Forecasts, "/forecast", "Forecasts", SEE, FORECAST, &["/forecast"]),
    get(Page::Forecast, "/forecast/{pool}", "Forecast and scaling plan", SEE, FORECAST, &["/forecast/{pool}"]),
    form(
        Page::ScalingPolicy,
        "/forecast/{pool}/policy",
        "How a pool is scaled",
        PLAN,
        FORECAST,
        &["/forecast/{pool}/policy"],
    ),
    form(Page::ForecastApply, "/forecast/{pool}/apply", "Take a recommended step", PLAN, FORECAST, &[]),
    target(Page::ForecastIgnore, "/forecast/{pool}/ignore", "Ignore recommendations", PLAN, FORECAST),
    get(Page::Waste, "/waste", "Reservation waste", SEE, WASTE, &["/waste"]),
    get(Page::WasteMonth, "/waste/{month}", "Reservation waste of a month", SEE, WASTE, &[]),
    target(Page::WasteDraft, "/waste/{month}/draft", "Draft of a suggestion", PLAN, WASTE),
    target(Page::WasteCorrect, "/waste/{month}/correct", "Correct a closed month", PLAN, WASTE),
    get(Page::Reports, "/reports", "Reports", SEE, WASTE, &["/reports"]),
    get(Page::Report, "/reports/{report}", "Report", SEE, WASTE, &[]),
    target(Page::ReportCorrect, "/reports/{report}/correct", "Correct a closed report", PLAN, WASTE),
    get(Page::GameDays, "/game-days", "Game days", SEE, WASTE, &["/game-days"]),
    form(Page::GameDayNew, "/game-days/new", "New game day", RECORD_GAME_DAYS, WASTE, &["/game-days/new"]),
    form(Page::GameDay, "/game-days/{game_day}", "Edit game day", RECORD_GAME_DAYS, WASTE, &[]),
    get(Page::Tenants, "/tenants", "Tenants", SEE, TENANTS, &["/tenants"]),
    form(Page::TenantNew, "/tenants/new", "New tenant", PLAN, TENANTS, &["/tenants/new"]),
    get(
        Page::Tenant,
        "/tenants/{tenant}",
        "Tenant",
        SEE,
        TENANTS,
        &["/tenants/{tenant}", "/tenants/{tenant}?tab=metering", "/tenants/{tenant}?tab=history"],
    ),
    form(Page::TenantEdit, "/tenants/{tenant}/edit", "Edit tenant", PLAN, TENANTS, &["/tenants/{tenant}/edit"]),
    target(Page::TenantQuota, "/tenants/{tenant}/quota", "Change a tenant's quota", PLAN, TENANTS),
    form(
        Page::TenantArchive,
        "/tenants/{tenant}/archive",
        "Archive tenant",
        PLAN,
        TENANTS,
        &["/tenants/{tenant}/archive"],
    ),
    get(Page::Rules, "/rules", "Rules", SEE, ON_CALL, &["/rules"]),
    form(Page::RuleNew, "/rules/new", "New rule", SET_ALERTS, ON_CALL, &["/rules/new"]),
    get(Page::Rule, "/rules/{rule}", "Rule", SEE, ON_CALL, &["/rules/saturation-burn", "/rules/pool-exhausted"]),
    form(Page::RuleEdit, "/rules/{rule}/edit", "Edit rule", SET_ALERTS, ON_CALL, &["/rules/saturation-burn/edit"]),
    target(Page::RuleDelete, "/rules/{rule}/delete", "Delete a rule", SET_ALERTS, ON_CALL),
    get(Page::Slos, "/slos", "Error budgets", SEE, ON_CALL, &["/slos", "/slos?pool={pool}"]),
    target(Page::SloObjective, "/slos/objective", "Set an objective", SET_ALERTS, ON_CALL),
    get(Page::Runbooks, "/runbooks", "Runbooks", SEE, ON_CALL, &["/runbooks"]),
    form(Page::RunbookNew, "/runbooks/new", "New runbook", SET_ALERTS, ON_CALL, &["/runbooks/new"]),
    get(
        Page::Runbook,
        "/runbooks/{runbook}",
        "Runbook",
        SEE,
        ON_CALL,
        &["/runbooks/pool-exhausted", "/runbooks/pool-exhausted?pool={pool}&tenant={tenant}&alert=1"],
    ),
    form(
        Page::RunbookEdit,
        "/runbooks/{runbook}/edit",
        "Edit runbook",
        SET_ALERTS,
        ON_CALL,
        &["/runbooks/pool-exhausted/edit"],
    ),
    target(Page::RunbookTested, "/runbooks/{runbook}/tested", "Say that a runbook was tested", SET_ALERTS, ON_CALL),
    get(Page::Debug, "/debug", "Debug", DEBUG, DEBUGGING, &["/debug"]),
    get(Page::DebugClaim, "/debug/claims/{trace}", "Trace of a claim", DEBUG, DEBUGGING, &[]),
    get(Page::Search, "/search", "Search", SEE, None, &["/search", "/search?q=eu"]),
    get(Page::SearchIndex, "/search/index.json", "Names for the command palette", SEE, None, &[]),
    get(Page::Jobs, "/jobs", "Jobs", Needs(Action::SeeJobs), Some(RailEntry::Jobs), &["/jobs"]),
    get(Page::Job, "/jobs/{job}", "Job", Needs(Action::SeeJobs), Some(RailEntry::Jobs), &["/jobs/plans"]),
    target(Page::JobRun, "/jobs/{job}/run", "Run a job now", PLAN, Some(RailEntry::Jobs)),
    target(Page::JobCancel, "/jobs/{job}/cancel", "Stop an import", PLAN, Some(RailEntry::Jobs)),
    get(Page::Audit, "/audit", "Audit trail", Needs(Action::SeeOwnChanges), Some(RailEntry::Audit), &["/audit"]),
    form(Page::Me, "/me", "Account and preferences", SignedIn, None, &["/me"]),
    target(Page::MePassword, "/me/password", "Change one's password", SignedIn, None),
    target(Page::MeTotp, "/me/totp", "Change one's second factor", SignedIn, None),
    target(Page::MeSessions, "/me/sessions", "End one's sessions", SignedIn, None),
    get(Page::Help, "/help", "Help", SignedIn, HELP, &["/help"]),
    get(Page::Shortcuts, "/help/shortcuts", "Keyboard shortcuts", SignedIn, HELP, &["/help/shortcuts"]),
    form(Page::Login, "/login", "Sign in", Open, None, &["/login"]),
    target(Page::LoginSso, "/login/sso", "Sign in elsewhere", Open, None),
    get(Page::LoginSsoReturn, "/login/sso/return", "Back from signing in elsewhere", Open, None, &[]),
    target(Page::Logout, "/logout", "Sign out", SignedIn, None),
    form(Page::Setup, "/setup", "First administrator", Open, None, &[]),
    form(Page::Reset, "/reset", "Set a password", Open, None, &["/reset"]),
    target(Page::ResetMail, "/reset/mail", "Send a code by mail", Open, None),
    get(Page::Admin, "/admin", "Admin", ADMINISTER, ADMIN, &["/admin"]),
    get(Page::Users, "/admin/users", "Users", ADMINISTER, ADMIN, &["/admin/users"]),
    form(Page::UserNew, "/admin/users/new", "New user", ADMINISTER, ADMIN, &["/admin/users/new"]),
    form(Page::User, "/admin/users/{user}", "User", ADMINISTER, ADMIN, &[]),
    get(Page::Roles, "/admin/roles", "Roles", ADMINISTER, ADMIN, &["/admin/roles"]),
    form(Page::Tokens, "/admin/tokens", "Tokens", ADMINISTER, ADMIN, &["/admin/tokens"]),
    form(Page::TokenRevoke, "/admin/tokens/{token}/revoke", "Revoke token", ADMINISTER, ADMIN, &[]),
    get(Page::Receivers, "/admin/receivers", "Receivers", ADMINISTER, ADMIN, &["/admin/receivers"]),
    form(
        Page::ReceiverNew,
        "/admin/receivers/new",
        "New receiver",
        ADMINISTER,
        ADMIN,
        &["/admin/receivers/new", "/admin/receivers/new?kind=webhook", "/admin/receivers/new?kind=slack"],
    ),
    form(Page::Receiver, "/admin/receivers/{receiver}", "Receiver", ADMINISTER, ADMIN, &[]),
    target(Page::ReceiverAct, "/admin/receivers/{receiver}/act", "Act on a receiver", ADMINISTER, ADMIN),
    form(Page::ReceiverDelete, "/admin/receivers/{receiver}/delete", "Delete a receiver", ADMINISTER, ADMIN, &[]),
    form(Page::Settings, "/admin/settings", "Settings", ADMINISTER, ADMIN, &["/admin/settings"]),
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
    fn only_ways_in_are_open_before_sign_in() {
        let open: Vec<_> = ROUTES.iter().filter(|route| route.policy == Open).map(|route| route.pattern).collect();
        assert_eq!(open, ["/login", "/login/sso", "/login/sso/return", "/setup", "/reset", "/reset/mail"]);
    }

    #[test]
    fn forms_about_pools_and_tenants_are_for_planners_acts_for_on_call_and_admin_pages_for_administrators() {
        for route in ROUTES {
            let changes = route.methods != Methods::Get;
            let capacity = route.pattern.starts_with("/pools") || route.pattern.starts_with("/tenants");
            if capacity {
                let acts = route.pattern.contains("/act/");
                let expected = if acts { OPERATE } else { PLAN };
                assert_eq!(route.policy, if changes { expected } else { SEE }, "{}", route.pattern);
            }
            assert_eq!(route.pattern.starts_with("/admin"), route.policy == ADMINISTER, "{}", route.pattern);
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

//! Whether changes may be published, and if not, in which minutes, by how many slots, because of whom, and what would help.

use super::super::{App, AppError, Result};
use super::work_out::{WorkedOut, cut, work_out};
use headroom_domain::format::count;
use headroom_domain::plan::Fault;
use headroom_domain::plan::change::{Change, Verb};
use headroom_domain::plan::conflict::{self, Load, Over, OverCap};
use headroom_domain::plan::policy::{Overcommit, PlanPolicy, RollingCap};
use headroom_domain::plan::terms::{Shrink, Terms};
use headroom_domain::plan::wall::Wall;
use headroom_domain::reservation::ReservationKind;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::reservation::Stored;
use headroom_store::{current, plan, pool, promise, quota, slot, tenant};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Less than so many per cent of the capacity left is worth a warning.
const THIN_MARGIN_PERCENT: i64 = 10;

/// A tenant that is not archived.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) key: i32,
    pub(super) name: String,
    pub(super) priority: u8,
}

/// What a plan is checked against.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    pub(super) pool: i32,
    pub(super) now: Millis,
    pub(super) plan: plan::Plan,
    /// Capacity less planned down, from each instant on.
    pub(super) capacity: Vec<(Millis, i64)>,
    pub(super) quotas: BTreeMap<i32, i64>,
    pub(super) caps: BTreeMap<i32, RollingCap>,
    /// Tenants by slug.
    pub(super) tenants: HashMap<String, Known>,
    pub(super) zone: String,
}

impl Inputs {
    /// Reads them in one transaction; the plan is given, locked or not.
    pub(super) async fn read(
        conn: &mut PgConnection,
        pool: &pool::Pool,
        plan: plan::Plan,
        now: Millis,
    ) -> Result<Self> {
        let steps = pool::capacity(conn, Some(&[pool.key])).await?.remove(&pool.key).unwrap_or_default();
        let quotas = quota::list(conn, Some(&[pool.key]), None).await?;
        let tenants = tenant::list(conn, false).await?;
        Ok(Self {
            pool: pool.key,
            now,
            plan,
            capacity: steps.iter().map(|s| (s.from_ms, i64::from(s.configured - s.planned_down))).collect(),
            quotas: quotas.into_iter().map(|((_, tenant), quota)| (tenant, quota.slots.into())).collect(),
            caps: plan::caps(conn, pool.key).await?,
            tenants: tenants
                .into_iter()
                .map(|t| {
                    let priority = t.fields.priority.clamp(0, 9) as u8;
                    (t.fields.slug.to_string(), Known { key: t.key, name: t.fields.name, priority })
                })
                .collect(),
            zone: pool.fields.zone.clone(),
        })
    }

    /// A word for all of them and what else goes into a decision: it differs if any of them does.
    pub(super) fn token(&self, rest: &impl serde::Serialize) -> String {
        let policy = serde_json::to_string(&self.plan.policy).unwrap_or_default();
        let rest = serde_json::to_string(rest).unwrap_or_default();
        let all = format!(
            "{} {} {policy} {:?} {:?} {:?} {rest}",
            self.pool, self.plan.version, self.capacity, self.quotas, self.caps
        );
        blake3::hash(all.as_bytes()).to_hex().chars().take(32).collect()
    }

    fn tenant_name(&self, key: i32) -> String {
        let found = self.tenants.iter().find(|(_, known)| known.key == key);
        found.map_or_else(|| "an archived tenant".to_owned(), |(slug, _)| slug.clone())
    }
}

/// Whose promise is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Involved {
    /// Which reservation.
    pub reservation: Uuid,
    /// Its name.
    pub name: String,
    /// The tenant's slug.
    pub tenant: String,
    /// Its slots.
    pub slots: i64,
}

/// An edit that would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as a button says it.
    pub label: String,
    /// Which reservation.
    pub reservation: Uuid,
    /// As it would be.
    pub terms: Terms,
}

/// Kinds of conflicts and warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConflictKind {
    /// A field is wrong.
    Invalid,
    /// It begins in the past, or what has begun would begin at another time.
    InPast,
    /// More than the pool has, or than its policy allows.
    OverCapacity,
    /// More than the tenant's quota.
    OverQuota,
    /// More on average than the tenant's rolling cap.
    OverAverage,
    /// Longer than the policy allows.
    TooLong,
    /// The tenant uses more than would be left.
    InUse,
    /// More than there is, which the policy allows.
    Overcommitted,
    /// Little is left.
    ThinMargin,
}

impl ConflictKind {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::InPast => "in-past",
            Self::OverCapacity => "over-capacity",
            Self::OverQuota => "over-quota",
            Self::OverAverage => "over-average",
            Self::TooLong => "too-long",
            Self::InUse => "in-use",
            Self::Overcommitted => "overcommitted",
            Self::ThinMargin => "thin-margin",
        }
    }

    /// Whether it may be published all the same, by somebody who read it.
    pub const fn is_warning(self) -> bool {
        matches!(self, Self::Overcommitted | Self::ThinMargin)
    }
}

/// Why an edit cannot be published, or what is worth knowing before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What kind.
    pub kind: ConflictKind,
    /// The edited reservation that it is about, where it is about one.
    pub reservation: Option<Uuid>,
    /// Its field.
    pub field: Option<&'static str>,
    /// What was found there.
    pub found: String,
    /// In one sentence.
    pub says: String,
    /// First instant; `None` = not about a time.
    pub from_ms: Option<Millis>,
    /// First instant after it; `None` with a start = until further notice.
    pub to_ms: Option<Millis>,
    /// Whole minutes.
    pub minutes: Option<i64>,
    /// Slots short.
    pub short: i64,
    /// Slots that would be promised.
    pub promised: i64,
    /// Slots that may be.
    pub limit: i64,
    /// Whose promises are involved, the largest first.
    pub involved: Vec<Involved>,
    /// Edits that would help.
    pub fixes: Vec<Fix>,
}

impl Conflict {
    fn about(kind: ConflictKind, reservation: Uuid, says: String) -> Self {
        Self {
            kind,
            reservation: Some(reservation),
            field: None,
            found: String::new(),
            says,
            from_ms: None,
            to_ms: None,
            minutes: None,
            short: 0,
            promised: 0,
            limit: 0,
            involved: Vec::new(),
            fixes: Vec::new(),
        }
    }

    fn fault(kind: ConflictKind, reservation: Uuid, name: &str, fault: &Fault) -> Self {
        let says = format!("{name}: {} is {:?}, expected {}", fault.field, fault.found, fault.expected);
        Self { field: Some(fault.field), found: fault.found.clone(), ..Self::about(kind, reservation, says) }
    }
}

/// A change that was checked.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) id: Uuid,
    pub(super) change: Change,
    /// The tenant's key, and what the new terms come to.
    pub(super) after: Option<(i32, WorkedOut)>,
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    pub(super) changes: Vec<Checked>,
    /// Those that cannot be published, then warnings.
    pub(super) conflicts: Vec<Conflict>,
    /// What the policy wants somebody else to approve.
    pub(super) needs_approval: Vec<String>,
    /// Slots that are taken back at once from tenants of a tracked pool, as their planner wants it.
    pub(super) reclaims: Vec<(i32, i64)>,
}

impl Findings {
    pub(super) fn is_blocked(&self) -> bool {
        self.conflicts.iter().any(|conflict| !conflict.kind.is_warning())
    }
}

/// Checks changes against what is published. `stored` are the reservations that they change, as they are now.
pub(super) async fn check(
    conn: &mut PgConnection,
    inputs: &Inputs,
    changes: Vec<(Uuid, Change)>,
    stored: &HashMap<Uuid, Stored>,
) -> Result<Findings> {
    let mut found = Findings::default();
    for (id, change) in changes {
        let worked_out = one(inputs, id, &change, stored.get(&id), &mut found);
        if change.after.is_none() || worked_out.is_some() {
            found.changes.push(Checked { id, change, after: worked_out });
        }
    }
    let from = cut(inputs.now);
    let (before, after) = loads(conn, inputs, &found.changes, from).await?;
    let names = Names::of(conn, &found.changes, &before).await?;
    let mut told = over_capacity(inputs, &names, &before, &after, from);
    told.extend(over_quotas(inputs, &names, &before, &after, from));
    for conflict in &mut told {
        conflict.fixes = fixes(&found.changes, conflict);
        // It is about the edit that takes the most of it.
        let edited = conflict.involved.iter().find(|i| found.changes.iter().any(|checked| checked.id == i.reservation));
        conflict.reservation = edited.map(|i| i.reservation);
    }
    found.conflicts.extend(told);
    in_use(conn, inputs, stored, &mut found).await?;
    found.conflicts.sort_by_key(|conflict| (conflict.kind.is_warning(), conflict.kind, conflict.from_ms));
    Ok(found)
}

/// What is wrong with one change by itself. Returns the tenant's key and what its terms come to.
fn one(
    inputs: &Inputs,
    id: Uuid,
    change: &Change,
    stored: Option<&Stored>,
    found: &mut Findings,
) -> Option<(i32, WorkedOut)> {
    let terms = change.after.as_ref()?;
    let worked_out = match work_out(terms, inputs.now) {
        Ok(worked_out) => worked_out,
        Err(faults) => {
            let bad = faults.iter().map(|fault| Conflict::fault(ConflictKind::Invalid, id, &terms.name, fault));
            found.conflicts.extend(bad);
            return None;
        }
    };
    let Some(Known { key: tenant, .. }) = inputs.tenants.get(&terms.tenant) else {
        let nearest = headroom_domain::slug::nearest(&terms.tenant, inputs.tenants.keys().map(String::as_str));
        let hint = nearest.map(|slug| format!("; {slug:?} is one")).unwrap_or_default();
        let fault = Fault::new("tenant", &terms.tenant, format!("the slug of a tenant that is not archived{hint}"));
        found.conflicts.push(Conflict::fault(ConflictKind::Invalid, id, &terms.name, &fault));
        return None;
    };
    let mut bad = |kind, field, wall: String, expected: String| {
        found.conflicts.push(Conflict::fault(kind, id, &terms.name, &Fault::new(field, wall, expected)));
    };
    let live = stored.filter(|stored| stored.cancelled_ms.is_none());
    let minute = inputs.now / MINUTE_MS * MINUTE_MS;
    match live {
        Some(live) if live.from_ms <= inputs.now && live.terms.start != terms.start => {
            let expected = format!("{}: it has begun, and what has begun keeps its start", live.terms.start);
            bad(ConflictKind::InPast, "start", terms.start.to_string(), expected);
        }
        Some(live) if live.from_ms <= inputs.now && live.terms.zone != terms.zone => {
            let expected = format!("{}: it has begun, and what has begun keeps its zone", live.terms.zone);
            bad(ConflictKind::InPast, "zone", terms.zone.clone(), expected);
        }
        // What comes back after it was taken back began when it began.
        None if worked_out.from_ms < minute && stored.is_none() => {
            bad(ConflictKind::InPast, "start", terms.start.to_string(), "a time that is not over".into());
        }
        _ => {}
    }
    if worked_out.to_ms.is_some_and(|to| to <= inputs.now) && change.verb() == Verb::Create && stored.is_none() {
        let end = terms.end.map(|end| end.to_string()).unwrap_or_default();
        bad(ConflictKind::InPast, "end", end, "a time that is to come".into());
    }
    policy(&inputs.plan.policy, change, &worked_out, bad);
    if let Some(why) = approval(&inputs.plan.policy, inputs.now, change, &worked_out) {
        found.needs_approval.push(why);
    }
    Some((*tenant, worked_out))
}

fn policy(
    policy: &PlanPolicy,
    change: &Change,
    worked_out: &WorkedOut,
    mut bad: impl FnMut(ConflictKind, &'static str, String, String),
) {
    let Some(days) = policy.longest_days else { return };
    // Only what gets longer is asked.
    let is_same = |before: &Terms, after: &Terms| before.start == after.start && before.end == after.end;
    if change.before.as_ref().zip(change.after.as_ref()).is_some_and(|(before, after)| is_same(before, after)) {
        return;
    }
    let longest = headroom_domain::plan::stretch::longest_minutes(&worked_out.occurrences);
    if longest.is_none_or(|minutes| minutes * MINUTE_MS > i64::from(days) * DAY_MS) {
        let end = change.after.as_ref().and_then(|terms| terms.end).map_or("nothing".to_owned(), |end| end.to_string());
        bad(
            ConflictKind::TooLong,
            "end",
            end,
            format!("at most {days} days after the start, as this pool's policy says"),
        );
    }
}

/// Why somebody else has to approve a change.
fn approval(policy: &PlanPolicy, now: Millis, change: &Change, worked_out: &WorkedOut) -> Option<String> {
    let terms = change.after.as_ref()?;
    let grows = change.before.as_ref().is_none_or(|before| terms.slots > before.slots);
    if let Some(slots) = policy.approve_from_slots.filter(|slots| grows && terms.slots >= *slots) {
        return Some(format!("{}: {} slots, and from {slots} on somebody else approves", terms.name, terms.slots));
    }
    let starts = worked_out.occurrences.iter().map(|o| o.from_ms).find(|from| *from >= now);
    let minutes = policy.approve_within_minutes?;
    let is_soon = starts.is_some_and(|start| start - now < i64::from(minutes) * MINUTE_MS);
    (grows && is_soon).then(|| format!("{}: it begins within {minutes} minutes", terms.name))
}

/// Guaranteed promises before and after the changes, where they could be in each other's way.
async fn loads(
    conn: &mut PgConnection,
    inputs: &Inputs,
    changes: &[Checked],
    from: Millis,
) -> Result<(Vec<Load>, Vec<Load>)> {
    let mut new = Vec::new();
    for checked in changes {
        let Some((terms, (tenant, worked_out))) = checked.change.after.as_ref().zip(checked.after.as_ref()) else {
            continue;
        };
        if terms.kind != ReservationKind::Guaranteed {
            continue;
        }
        new.extend(worked_out.stretches.iter().filter(|s| s.to_ms.is_none_or(|to| to > from)).map(|s| Load {
            reservation: checked.id,
            tenant: *tenant,
            from_ms: s.from_ms.max(from),
            to_ms: s.to_ms.unwrap_or(Millis::MAX),
            slots: s.slots,
        }));
    }
    // A window of a rolling cap reaches beyond what is edited.
    let reach = |tenant: i32| inputs.caps.get(&tenant).map_or(0, |cap| i64::from(cap.hours) * HOUR_MS);
    let wide = |load: &Load| {
        let reach = reach(load.tenant);
        (load.from_ms.saturating_sub(reach).max(from), load.to_ms.saturating_add(reach))
    };
    let ranges: Vec<(Millis, Millis)> = new.iter().map(wide).collect();
    let before = if ranges.is_empty() { Vec::new() } else { promise::loads(conn, inputs.pool, &ranges).await? };
    let edited: BTreeSet<Uuid> = changes.iter().map(|checked| checked.id).collect();
    let mut after: Vec<Load> = before.iter().filter(|load| !edited.contains(&load.reservation)).copied().collect();
    after.extend(new);
    Ok((before, after))
}

/// Names of reservations, for sentences.
struct Names(HashMap<Uuid, String>);

impl Names {
    async fn of(conn: &mut PgConnection, changes: &[Checked], before: &[Load]) -> Result<Self> {
        let ids: BTreeSet<Uuid> = before.iter().map(|load| load.reservation).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut names: HashMap<Uuid, String> =
            headroom_store::reservation::names(conn, &ids).await?.into_iter().collect();
        names.extend(changes.iter().map(|checked| (checked.id, checked.change.name().to_owned())));
        Ok(Self(names))
    }

    fn involved(&self, inputs: &Inputs, by: &[(Uuid, i32, i64)]) -> Vec<Involved> {
        let one = |(reservation, tenant, slots): &(Uuid, i32, i64)| Involved {
            reservation: *reservation,
            name: self.0.get(reservation).cloned().unwrap_or_default(),
            tenant: inputs.tenant_name(*tenant),
            slots: *slots,
        };
        by.iter().map(one).collect()
    }
}

fn told(inputs: &Inputs, names: &Names, kind: ConflictKind, over: &Over, what: &str) -> Conflict {
    let zone = crate::zones::slice(&inputs.zone, over.from_ms, over.from_ms)
        .unwrap_or_else(headroom_domain::localtime::ZoneSlice::utc);
    let time = |at: Millis| Wall::at(at, &zone).to_string().replace('T', " ");
    let until =
        if over.to_ms == Millis::MAX { "until further notice".to_owned() } else { format!("to {}", time(over.to_ms)) };
    let says = format!(
        "{} of {} {what}: {} too many, {} {until} ({})",
        count(over.promised),
        count(over.limit),
        count(over.short()),
        time(over.from_ms),
        inputs.zone
    );
    Conflict {
        reservation: None,
        from_ms: Some(over.from_ms),
        to_ms: (over.to_ms != Millis::MAX).then_some(over.to_ms),
        minutes: over.minutes(),
        short: over.short(),
        promised: over.promised,
        limit: over.limit,
        involved: names.involved(inputs, &over.involved),
        ..Conflict::about(kind, Uuid::nil(), says)
    }
}

/// Stretches that follow on one another as one, with the numbers of the worst: nobody reads a list of nights.
fn together(pieces: Vec<Over>) -> Vec<Over> {
    let mut all: Vec<Over> = Vec::new();
    for piece in pieces {
        match all.last_mut() {
            Some(last) if last.to_ms == piece.from_ms => {
                let (from_ms, to_ms) = (last.from_ms, piece.to_ms);
                let worst = if piece.short() > last.short() { piece } else { last.clone() };
                *last = Over { from_ms, to_ms, ..worst };
            }
            _ => all.push(piece),
        }
    }
    all
}

fn over_capacity(inputs: &Inputs, names: &Names, before: &[Load], after: &[Load], from: Millis) -> Vec<Conflict> {
    let policy = inputs.plan.policy.overcommit;
    let over = together(conflict::over_capacity(&inputs.capacity, policy, before, after, from));
    let what = match policy {
        Overcommit::AllowTo { percent } => format!("slots that may be promised ({percent} % beyond the capacity)"),
        _ => "slots".to_owned(),
    };
    let mut conflicts: Vec<Conflict> =
        over.iter().map(|over| told(inputs, names, ConflictKind::OverCapacity, over, &what)).collect();
    if conflicts.is_empty() && policy != Overcommit::Reject {
        let beyond = together(conflict::beyond(&inputs.capacity, before, after, from));
        conflicts.extend(beyond.iter().map(|over| told(inputs, names, ConflictKind::Overcommitted, over, "slots")));
    }
    if conflicts.is_empty() {
        let margin: Vec<(Millis, i64)> =
            inputs.capacity.iter().map(|(at, slots)| (*at, slots - slots * THIN_MARGIN_PERCENT / 100)).collect();
        let thin = conflict::beyond(&margin, before, after, from);
        conflicts.extend(thin.first().map(|over| {
            let mut conflict = told(inputs, names, ConflictKind::ThinMargin, over, "slots that leave 10 % free");
            conflict.fixes.clear();
            conflict
        }));
    }
    conflicts
}

fn over_quotas(inputs: &Inputs, names: &Names, before: &[Load], after: &[Load], from: Millis) -> Vec<Conflict> {
    let tenants: BTreeSet<i32> = after.iter().map(|load| load.tenant).collect();
    let mut conflicts = Vec::new();
    for tenant in tenants {
        let name = inputs.tenant_name(tenant);
        if let Some(quota) = inputs.quotas.get(&tenant) {
            let over = together(conflict::over_quota(*quota, tenant, before, after, from));
            let what = format!("slots of {name}'s quota");
            conflicts.extend(over.iter().map(|over| told(inputs, names, ConflictKind::OverQuota, over, &what)));
        }
        if let Some(cap) = inputs.caps.get(&tenant)
            && let Some(over) = conflict::over_cap(*cap, tenant, before, after, from)
        {
            conflicts.push(average(inputs, names, tenant, *cap, &over, after));
        }
    }
    conflicts
}

fn average(inputs: &Inputs, names: &Names, tenant: i32, cap: RollingCap, over: &OverCap, after: &[Load]) -> Conflict {
    let length = i128::from(over.to_ms - over.from_ms);
    // Whole slots, upwards: a part of one is too much, too.
    let mean = over.promised_slot_ms.div_euclid(length) + i128::from(over.promised_slot_ms % length > 0);
    let promised = i64::try_from(mean).unwrap_or(i64::MAX);
    let mut by: BTreeMap<Uuid, i64> = BTreeMap::new();
    for load in after.iter().filter(|l| l.tenant == tenant && l.from_ms < over.to_ms && l.to_ms > over.from_ms) {
        let slots = by.entry(load.reservation).or_default();
        *slots = load.slots.max(*slots);
    }
    let by: Vec<(Uuid, i32, i64)> = by.into_iter().map(|(id, slots)| (id, tenant, slots)).collect();
    let as_over = Over { from_ms: over.from_ms, to_ms: over.to_ms, promised, limit: cap.slots, involved: by };
    let what = format!("slots that {} may be promised on average over {} hours", inputs.tenant_name(tenant), cap.hours);
    told(inputs, names, ConflictKind::OverAverage, &as_over, &what)
}

/// Edits that would help against a lack of slots: fewer slots, or times beside it.
fn fixes(changes: &[Checked], conflict: &Conflict) -> Vec<Fix> {
    let mut fixes = Vec::new();
    if conflict.kind.is_warning() || conflict.kind == ConflictKind::OverAverage {
        return fixes;
    }
    let edited = conflict.involved.iter().find_map(|i| changes.iter().find(|checked| checked.id == i.reservation));
    let Some((checked, terms, worked_out)) =
        edited.and_then(|c| Some((c, c.change.after.as_ref()?, &c.after.as_ref()?.1)))
    else {
        return fixes;
    };
    let fits = terms.slots - conflict.short;
    if fits > 0 && terms.overrides.is_empty() {
        let smaller =
            Terms { slots: fits, lending_limit: terms.lending_limit.map(|limit| limit.min(fits)), ..terms.clone() };
        fixes.push(Fix { label: format!("{} slots", count(fits)), reservation: checked.id, terms: smaller });
    }
    if terms.repeat.is_none()
        && let Some((from, zone)) =
            conflict.from_ms.zip(crate::zones::slice(&terms.zone, worked_out.from_ms, worked_out.from_ms))
    {
        if let Some(to) =
            conflict.to_ms.filter(|to| from <= worked_out.from_ms && worked_out.to_ms.is_none_or(|end| *to < end))
        {
            let start = Wall::at(to, &zone);
            fixes.push(Fix {
                label: format!("start {start}"),
                reservation: checked.id,
                terms: Terms { start, ..terms.clone() },
            });
        }
        if from > worked_out.from_ms && conflict.to_ms.is_none_or(|to| worked_out.to_ms.is_some_and(|end| to >= end)) {
            let end = Wall::at(from, &zone);
            fixes.push(Fix {
                label: format!("end {end}"),
                reservation: checked.id,
                terms: Terms { end: Some(end), ..terms.clone() },
            });
        }
    }
    fixes
}

impl App {
    /// Refuses a capacity step that would leave less than is promised. The plan is locked.
    pub(in super::super) async fn check_capacity(
        &self,
        conn: &mut PgConnection,
        pool: &pool::Pool,
        plan: plan::Plan,
        steps: &[pool::CapacityStep],
        step: &pool::CapacityStep,
    ) -> Result<()> {
        let (inputs, loads, over) = cuts(conn, pool, plan, steps, step).await?;
        if over.is_empty() {
            return Ok(());
        }
        let names = Names::of(conn, &[], &loads).await?;
        let told = |over: &Over| Conflict {
            field: Some("capacity"),
            found: over.limit.to_string(),
            ..told(&inputs, &names, ConflictKind::OverCapacity, over, "slots that would be left")
        };
        Err(AppError::Planned(over.iter().map(told).collect()))
    }
}

/// Where a capacity step would leave less than is promised, and what that is said from.
async fn cuts(
    conn: &mut PgConnection,
    pool: &pool::Pool,
    plan: plan::Plan,
    steps: &[pool::CapacityStep],
    step: &pool::CapacityStep,
) -> Result<(Inputs, Vec<Load>, Vec<Over>)> {
    let now = headroom_store::now(conn).await?;
    let inputs = Inputs::read(conn, pool, plan, now).await?;
    let effective = |s: &pool::CapacityStep| (s.from_ms, i64::from(s.configured - s.planned_down));
    let mut after: Vec<_> = steps.iter().filter(|s| s.from_ms != step.from_ms).map(effective).collect();
    after.push(effective(step));
    after.sort_unstable();
    let from = step.from_ms.max(inputs.now);
    let loads = promise::loads(conn, pool.key, &[(from, Millis::MAX)]).await?;
    let over = together(conflict::cut(&inputs.capacity, &after, inputs.plan.policy.overcommit, &loads, from));
    Ok((inputs, loads, over))
}

/// What a tenant may hold by promises that hold at an instant: floor, and the most.
fn allowed(loads: impl Iterator<Item = (i64, Option<i64>, Option<i64>)>) -> (i64, i64) {
    let (mut floor, mut most, mut is_limited) = (0, 0, true);
    for (slots, ceiling, borrowing) in loads {
        floor += slots;
        match ceiling.into_iter().chain(borrowing.map(|b| slots + b)).min() {
            Some(limit) => most += limit,
            None => is_limited = false,
        }
    }
    // Who may borrow without a limit has a right to its floor only.
    (floor, if is_limited && most > floor { most } else { floor })
}

/// Refuses what shrinks below what is in use now, where the planner did not say what becomes of it.
async fn in_use(
    conn: &mut PgConnection,
    inputs: &Inputs,
    stored: &HashMap<Uuid, Stored>,
    found: &mut Findings,
) -> Result<()> {
    let shrinks: Vec<&Checked> = found
        .changes
        .iter()
        .filter(|checked| stored.get(&checked.id).is_some_and(|s| s.cancelled_ms.is_none() && s.from_ms <= inputs.now))
        .collect();
    if shrinks.is_empty() {
        return Ok(());
    }
    let (held, is_tracked) = held_by_tenant(conn, inputs.pool).await?;
    let at = cut(inputs.now);
    let now = promise::during(conn, Some(&[inputs.pool]), None, inputs.now, inputs.now + 1).await?;
    let (mut conflicts, mut reclaims) = (Vec::new(), Vec::new());
    for checked in shrinks {
        let Some(old) = stored.get(&checked.id) else { continue };
        let own = |p: &&promise::Stored| p.reservation.tenant == old.tenant && !p.is_lead;
        let part = |p: &promise::Stored| (p.reservation.baseline, p.reservation.ceiling, p.reservation.borrowing_limit);
        let before = allowed(now.iter().filter(own).map(part)).1;
        let others = now.iter().filter(own).filter(|p| p.id != checked.id).map(part);
        let new =
            checked.change.after.as_ref().zip(checked.after.as_ref()).filter(|(_, (tenant, _))| *tenant == old.tenant);
        let new = new.and_then(|(terms, (_, worked_out))| {
            let s = worked_out
                .stretches
                .iter()
                .find(|s| !s.is_lead && s.from_ms <= at && s.to_ms.is_none_or(|to| to > at))?;
            Some((s.slots, terms.ceiling, terms.borrowing_limit))
        });
        let after = allowed(others.chain(new)).1;
        let holds = held.get(&old.tenant).copied().unwrap_or_default();
        let choice = checked.change.after.as_ref().map_or(old.terms.shrink, |terms| terms.shrink);
        if after >= before || holds <= after {
            continue;
        }
        if choice == Shrink::Reclaim && is_tracked {
            reclaims.push((old.tenant, holds - after));
        }
        if choice == Shrink::Refuse {
            let tenant = &old.terms.tenant;
            let says = format!(
                "{}: {tenant} holds {holds} slots now, {} more than would be left; let them drain or reclaim them (`shrink`), or wait",
                old.terms.name,
                holds - after
            );
            conflicts.push(Conflict {
                short: holds - after,
                promised: holds,
                limit: after,
                field: Some("shrink"),
                found: choice.to_string(),
                fixes: shrink_fixes(inputs, checked, is_tracked.then_some(holds - after)),
                ..Conflict::about(ConflictKind::InUse, checked.id, says)
            });
        }
    }
    found.conflicts.extend(conflicts);
    found.reclaims = reclaims;
    Ok(())
}

/// What a planner can say becomes of slots in use above what is left: they end within a day, or are taken back at once where the pool
/// can do that.
fn shrink_fixes(inputs: &Inputs, checked: &Checked, reclaims: Option<i64>) -> Vec<Fix> {
    let Some(terms) = checked.change.after.as_ref() else { return Vec::new() };
    let until = (inputs.now + DAY_MS) / HOUR_MS * HOUR_MS;
    let fix = |label: String, shrink: Shrink, drain_until: Option<Wall>| Fix {
        label,
        reservation: checked.id,
        terms: Terms { shrink, drain_until, ..terms.clone() },
    };
    let drain = crate::zones::slice(&terms.zone, until, until).map(|zone| {
        let until = Wall::at(until, &zone);
        fix(format!("drain until {until}"), Shrink::Drain, Some(until))
    });
    let reclaim = reclaims.map(|slots| fix(format!("reclaim {} now", count(slots)), Shrink::Reclaim, None));
    drain.into_iter().chain(reclaim).collect()
}

/// The most that a tenant may hold by promises that hold now; `None` if it has none.
pub(super) fn limit_of(holding: &[promise::Stored], tenant: i32) -> Option<i64> {
    let own = holding.iter().filter(|p| p.reservation.tenant == tenant && !p.is_lead);
    let parts: Vec<_> =
        own.map(|p| (p.reservation.baseline, p.reservation.ceiling, p.reservation.borrowing_limit)).collect();
    let is_limited = parts.iter().all(|(_, ceiling, borrowing)| ceiling.is_some() || borrowing.is_some());
    (!parts.is_empty() && is_limited).then(|| allowed(parts.into_iter()).1)
}

/// Slots that tenants hold now: of a tracked pool as its leases say, else as it was measured last.
pub(super) async fn held_now(conn: &mut PgConnection, pool: i32) -> Result<HashMap<i32, i64>> {
    Ok(held_by_tenant(conn, pool).await?.0)
}

/// The same, and whether the pool is tracked.
async fn held_by_tenant(conn: &mut PgConnection, pool: i32) -> Result<(HashMap<i32, i64>, bool)> {
    if headroom_store::owner::rules(conn, Some(&[pool])).await?.is_empty() {
        let measured = current::list(conn, Some(&[pool]), None).await?;
        let held = measured.into_iter().filter(|c| c.tenant != 0).map(|c| (c.tenant, c.occupied.into()));
        return Ok((held.collect(), false));
    }
    Ok((slot::held_by_tenant(conn, pool).await?.into_iter().collect(), true))
}

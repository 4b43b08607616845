//! Slots of a tracked pool: the map, what is unusual in it, and the page of one slot.

use super::{Link, LogRow, Named, PanelState};
pub use crate::slotmap::SlotState;

/// What a pool lets happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PoolMode {
    /// Claims are granted.
    #[default]
    Open,
    /// No new claims; holders keep what they have.
    Held,
    /// No new claims, and holders have notice.
    Draining,
}

impl PoolMode {
    /// The word shown, and sent in the stream of live figures.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Held => "held",
            Self::Draining => "draining",
        }
    }
}

/// The map of one pool's slots, with everything that it says in words too.
#[derive(Debug, Clone)]
pub struct SlotMapModel {
    /// Whose slots.
    pub pool: Named,
    /// One character per slot from slot 1 on, see [`SlotState::from_char`].
    pub states: String,
    /// Slots that are neither free nor occupied, by number; at most 200.
    pub anomalies: Vec<SlotRow>,
    /// How many there are in all.
    pub anomalies_total: i64,
    /// The state that is lit (`state=` in the address); the others are dimmed, and the table shows only it.
    pub spotlight: Option<SlotState>,
    /// What the slots are grouped by (`by=` in the address); `None` is by number.
    pub by: Option<GroupBy>,
    /// Names of the groups, at most [`crate::slotmap::MOST_GROUPS`] and one for the rest.
    pub groups: Vec<String>,
    /// One letter per slot: `A` for the first group; empty without groups.
    pub group_of: String,
    /// The slot that was chosen (`sel=slot:4711` in the address).
    pub chosen: Option<ChosenSlot>,
    /// When the state was read.
    pub as_of_ms: i64,
    /// Empty, stale, failed.
    pub state: PanelState,
}

/// What slots are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The node they were last used on.
    Node,
    /// The shard they serve.
    Shard,
    /// Who uses them.
    Tenant,
    /// Their state.
    State,
}

impl GroupBy {
    /// All, in the order they are offered.
    pub const ALL: [Self; 4] = [Self::Node, Self::Shard, Self::Tenant, Self::State];

    /// The word in addresses and on the page.
    pub fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Shard => "shard",
            Self::Tenant => "tenant",
            Self::State => "state",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }
}

/// The slot that was chosen on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenSlot {
    /// What the table says about it.
    pub row: SlotRow,
    /// Held since.
    pub claimed_ms: Option<i64>,
    /// Its lease has so long left; negative if it is past.
    pub remaining_ms: Option<i64>,
    /// What happened to it last: kind and instant.
    pub last_event: Option<(String, i64)>,
}

/// One slot in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotRow {
    /// Its number, from 1.
    pub slot: i64,
    /// Its state.
    pub state: SlotState,
    /// Who uses it; `None` if nobody does.
    pub tenant: Option<Named>,
    /// The actor that holds it; empty if none.
    pub holder: String,
    /// In this state since.
    pub since_ms: Option<i64>,
    /// P95 of the work done in it, milliseconds; `None` if no work was reported.
    pub p95_ms: Option<f64>,
    /// The node it is on; empty if unknown.
    pub node: String,
}

/// The tab `map` of a pool's page.
#[derive(Debug, Clone)]
pub struct PoolMap {
    /// What the pool lets happen.
    pub mode: PoolMode,
    /// Claims that wait.
    pub queued: Option<i64>,
    /// P95 of the time to answer a claim, microseconds.
    pub claim_p95_us: Option<i64>,
    /// Claims rejected in the last minute.
    pub rejected_1m: Option<i64>,
    /// Granted in the last minute.
    pub granted_1m: Option<i64>,
    /// The map.
    pub map: SlotMapModel,
}

/// Everything on `/pools/{pool}/slots/{slot}`.
#[derive(Debug, Clone)]
pub struct SlotPageModel {
    /// The pool.
    pub pool: Named,
    /// How many slots it has.
    pub capacity: i64,
    /// The slot.
    pub row: SlotRow,
    /// Counts every change of hands; `None` if it was never claimed.
    pub fence: Option<i64>,
    /// The claim that holds it; empty if none.
    pub claim: String,
    /// Page of the claim's trace, if it has one and the viewer may open it.
    pub trace_href: Option<String>,
    /// The lease, while there is one.
    pub lease: Option<Lease>,
    /// The shard it serves; empty if none.
    pub shard: String,
    /// Priority of its holder, 0 (first to go) to 9.
    pub priority: Option<i64>,
    /// The most that P95 should be, milliseconds; `None` if the pool has no target.
    pub slo_ms: Option<f64>,
    /// P95 over the last hour in time order, at most 60 points; `None` is a gap.
    pub spark: Vec<Option<f64>>,
    /// What happened to it, newest first, at most 20.
    pub events: Vec<LogRow>,
    /// The unusual slots before and after it.
    pub neighbours: (Option<i64>, Option<i64>),
    /// When all this was read.
    pub as_of_ms: i64,
    /// Stale, failed.
    pub state: PanelState,
}

/// A lease on its time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Granted at.
    pub claimed_ms: i64,
    /// Last renewed at.
    pub renewed_ms: Option<i64>,
    /// Ends at, unless it is renewed.
    pub expires_ms: i64,
    /// Length of one term.
    pub ttl_ms: i64,
}

/// What can be done to live slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotAction {
    /// Grant no new claims.
    Hold,
    /// Grant claims again.
    Open,
    /// Give holders notice, then take slots out of use.
    Drain,
    /// Put drained slots back into use.
    Restore,
    /// Free slots whose holder is gone.
    Reclaim,
    /// Take slots from a lower-priority holder.
    Preempt,
    /// Change the pool's size.
    Resize,
    /// Lower a tenant's quota for a while.
    CutQuota,
}

impl SlotAction {
    /// All, in the order menus list them.
    pub const ALL: [Self; 8] = [
        Self::Hold,
        Self::Open,
        Self::Drain,
        Self::Restore,
        Self::Reclaim,
        Self::Preempt,
        Self::Resize,
        Self::CutQuota,
    ];

    /// The word in addresses and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Open => "open",
            Self::Drain => "drain",
            Self::Restore => "restore",
            Self::Reclaim => "reclaim",
            Self::Preempt => "preempt",
            Self::Resize => "resize",
            Self::CutQuota => "cut-quota",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// The button's text.
    pub fn label(self) -> &'static str {
        match self {
            Self::Hold => "Hold claims",
            Self::Open => "Open again",
            Self::Drain => "Drain slots",
            Self::Restore => "Restore slots",
            Self::Reclaim => "Reclaim slots",
            Self::Preempt => "Preempt holders",
            Self::Resize => "Resize",
            Self::CutQuota => "Cut a quota",
        }
    }

    /// What it does, one sentence.
    pub fn effect(self) -> &'static str {
        match self {
            Self::Hold => "No new claim is granted; who holds a slot keeps it.",
            Self::Open => "Claims are granted again.",
            Self::Drain => "Holders get notice; what they give back is not granted again.",
            Self::Restore => "Slots that were taken out of use can be claimed again.",
            Self::Reclaim => "Slots whose holder is gone become free at once.",
            Self::Preempt => "Holders of a lower priority get notice and then lose their slots to those who wait.",
            Self::Resize => "The pool gets another number of slots, inside its emergency range.",
            Self::CutQuota => "A tenant may hold fewer slots for a while; the old quota comes back by itself.",
        }
    }

    /// The fields it asks for, by name in the form.
    pub fn asks(self) -> &'static [&'static str] {
        match self {
            Self::Hold | Self::Open => &[],
            Self::Drain | Self::Restore | Self::Reclaim => &["slots"],
            Self::Preempt => &["tenant", "count"],
            Self::Resize => &["to"],
            Self::CutQuota => &["tenant", "to", "minutes"],
        }
    }

    /// Whether somebody may lose work by it.
    pub fn takes_away(self) -> bool {
        matches!(self, Self::Drain | Self::Reclaim | Self::Preempt)
    }
}

/// Everything on `/pools/{pool}/act/{action}`. The form asks by GET with the fields of [`SlotAction::asks`]; with all of them the page
/// shows a preview, and the preview is confirmed by POST with the same fields, `version`, `reason` and `csrf`.
#[derive(Debug, Clone)]
pub struct ActModel {
    /// Whose slots.
    pub pool: Named,
    /// What is to be done.
    pub action: SlotAction,
    /// The fields asked for, in the order of [`SlotAction::asks`].
    pub fields: Vec<super::Field>,
    /// Tenants offered while typing.
    pub tenants: Vec<Named>,
    /// How things are now, where the fields do not say it, a sentence.
    pub now: String,
    /// Why it is done; kept in the audit trail.
    pub reason: super::Field,
    /// What it would do; `None` until the fields are complete.
    pub preview: Option<ActPreview>,
    /// What is wrong with the whole, for example that somebody else changed the pool meanwhile.
    pub error: Option<String>,
    /// Number of the state the preview was made from; a POST with an older one is refused with 409.
    pub version: String,
}

/// What an action would do, computed and not done.
#[derive(Debug, Clone, Default)]
pub struct ActPreview {
    /// The button: verb, number and object, for example "Reclaim 38 slots".
    pub verb: String,
    /// What changes: thing, was, becomes.
    pub changes: Vec<(String, String, String)>,
    /// Who is hit.
    pub hit: Vec<ActHit>,
    /// What cannot be undone, a sentence each.
    pub permanent: Vec<String>,
    /// How the rest is taken back, a sentence.
    pub undo: String,
    /// What to think about before, a sentence each.
    pub warnings: Vec<String>,
    /// Why it cannot be done now; the button is then absent.
    pub blocked: Option<String>,
}

/// A tenant that an action reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActHit {
    /// Who.
    pub tenant: Named,
    /// How many of its slots.
    pub slots: i64,
    /// What happens to it, for example "30 s notice, work is lost without a checkpoint".
    pub what: String,
}

/// A link that acts, offered beside a finding or a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedAction {
    /// Its text and its address: a preview page.
    pub link: Link,
    /// The one to try first.
    pub first: bool,
}

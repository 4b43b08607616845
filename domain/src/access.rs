//! Who may do what: roles of people, scopes of tokens, and the actions that both allow.
//!
//! Everything is denied unless a role or scope here allows it. Roles combine: a person may do what any of theirs allows.

use crate::pool::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// What a person is in the organisation.
    Role {
        /// Sees capacity, use and money.
        Viewer = "viewer", "Viewer";
        /// Answers alerts; sees capacity and use, money only with another role.
        OnCall = "oncall", "On-call engineer";
        /// Changes pools, tenants and what is promised to them.
        Planner = "planner", "Planner";
        /// Manages people, tokens and settings, and may do everything else.
        Admin = "admin", "Admin";
        /// Sees its own tenants and nothing of the others.
        TenantViewer = "tenant-viewer", "Tenant viewer";
    }
}

words! {
    /// What an API token may be used for.
    Scope {
        /// Reading what viewers see.
        Read = "read", "Read";
        /// Sending samples and change events.
        Ingest = "ingest", "Ingest";
        /// Claiming and releasing slots.
        Allocate = "allocate", "Allocate";
        /// Changing pools, tenants, quotas and capacity.
        Plan = "plan", "Plan";
        /// Answering alerts.
        Alert = "alert", "Alert";
        /// Managing people, tokens and settings; reading jobs and the audit trail.
        Admin = "admin", "Admin";
    }
}

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See pools, tenants, their use and history.
    See,
    /// See prices and what things cost.
    SeeMoney,
    /// See background work and imports.
    SeeJobs,
    /// See what oneself changed.
    SeeOwnChanges,
    /// See what everybody changed.
    SeeAllChanges,
    /// Make, change and archive pools and tenants; set capacity and quotas.
    Plan,
    /// Record deployments and other changes of the surroundings.
    RecordChanges,
    /// Write down game days: what was tried, what happened, what is to follow.
    RecordGameDays,
    /// Send samples.
    Ingest,
    /// Manage people, tokens and settings.
    Administer,
    /// Claim slots, renew and release them.
    Allocate,
    /// Act on live slots: hold, drain, reclaim, resize, cut a quota for a while.
    Operate,
    /// See traces, events and single slots.
    Debug,
    /// Answer alerts: acknowledge, take over, snooze, silence, write notes.
    Answer,
    /// Say what is promised and what alerts, who is on call, and what to do.
    SetAlerts,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 15] = [
        Self::See,
        Self::SeeMoney,
        Self::SeeJobs,
        Self::SeeOwnChanges,
        Self::SeeAllChanges,
        Self::Plan,
        Self::RecordChanges,
        Self::RecordGameDays,
        Self::Ingest,
        Self::Administer,
        Self::Allocate,
        Self::Operate,
        Self::Debug,
        Self::Answer,
        Self::SetAlerts,
    ];

    /// Whether it is about the whole organisation: a token that is limited to some pools or tenants may not.
    pub fn concerns_everything(self) -> bool {
        matches!(self, Self::SeeJobs | Self::SeeOwnChanges | Self::SeeAllChanges | Self::Administer)
    }

    /// What a person may not do, as the end of "you may not ...".
    pub fn words(self) -> &'static str {
        match self {
            Self::See => "see capacity",
            Self::SeeMoney => "see money",
            Self::SeeJobs => "see background work",
            Self::SeeOwnChanges | Self::SeeAllChanges => "see the audit trail",
            Self::Plan => "change pools and tenants",
            Self::RecordChanges => "record changes",
            Self::RecordGameDays => "write down game days",
            Self::Ingest => "send samples",
            Self::Administer => "manage people, tokens and settings",
            Self::Allocate => "claim slots",
            Self::Operate => "act on live slots",
            Self::Debug => "see traces and single slots",
            Self::Answer => "answer alerts",
            Self::SetAlerts => "change what alerts, who is on call and what to do",
        }
    }

    /// The roles that allow it, for the sentence that refuses it.
    pub fn roles(self) -> Vec<Role> {
        Role::ALL.iter().copied().filter(|role| role.allows(self)).collect()
    }

    /// The scopes that allow it.
    pub fn scopes(self) -> Vec<Scope> {
        Scope::ALL.iter().copied().filter(|scope| scope.allows(self)).collect()
    }
}

impl Role {
    /// Whether a person with this role may do something.
    pub fn allows(self, action: Action) -> bool {
        use Action::{
            Answer, Debug, Operate, Plan, RecordChanges, RecordGameDays, See, SeeJobs, SeeMoney, SeeOwnChanges,
            SetAlerts,
        };
        match self {
            Self::Viewer | Self::TenantViewer => matches!(action, See | SeeMoney),
            Self::OnCall => {
                matches!(action, See | SeeOwnChanges | RecordGameDays | Operate | Debug | Answer | SetAlerts)
            }
            Self::Planner => matches!(
                action,
                See | SeeMoney | SeeJobs | SeeOwnChanges | Plan | RecordChanges | RecordGameDays | Debug
            ),
            Self::Admin => true,
        }
    }
}

impl Scope {
    /// Whether a token with this scope may do something.
    pub fn allows(self, action: Action) -> bool {
        use Action::{
            Administer, Allocate, Answer, Debug, Ingest, Operate, Plan, RecordChanges, RecordGameDays, See,
            SeeAllChanges, SeeJobs, SeeMoney, SeeOwnChanges, SetAlerts,
        };
        match self {
            Self::Read => matches!(action, See | SeeMoney | Debug),
            Self::Ingest => matches!(action, Ingest | RecordChanges),
            Self::Plan => matches!(action, See | Plan | RecordChanges | RecordGameDays | Operate),
            Self::Allocate => action == Allocate,
            Self::Admin => matches!(action, Administer | SeeJobs | SeeOwnChanges | SeeAllChanges),
            Self::Alert => matches!(action, See | RecordGameDays | Answer | SetAlerts),
        }
    }
}

/// Longest e-mail address.
pub const MAX_EMAIL: usize = 254;
/// Shortest password.
pub const MIN_PASSWORD: usize = 10;
/// Longest password: more would only keep the hash busy.
pub const MAX_PASSWORD: usize = 256;

/// Checks an e-mail address and gives it as it is stored and compared: trimmed, in lower case.
///
/// # Errors
/// What was expected.
pub fn email(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    let fits = text.len() <= MAX_EMAIL
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>(),;:\\\"[]".contains(c))
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && local.len() <= 64
                && !domain.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
        });
    if fits { Ok(text) } else { Err("an e-mail address such as dana@example.org".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row per action, in the order of `Role::ALL` and `Scope::ALL`.
    const TABLE: [(Action, [bool; 5], [bool; 6]); 15] = [
        //                     viewer oncall planner admin tenant    read ingest alloc plan alert admin
        (Action::See, [true, true, true, true, true], [true, false, false, true, true, false]),
        (Action::SeeMoney, [true, false, true, true, true], [true, false, false, false, false, false]),
        (Action::SeeJobs, [false, false, true, true, false], [false, false, false, false, false, true]),
        (Action::SeeOwnChanges, [false, true, true, true, false], [false, false, false, false, false, true]),
        (Action::SeeAllChanges, [false, false, false, true, false], [false, false, false, false, false, true]),
        (Action::Plan, [false, false, true, true, false], [false, false, false, true, false, false]),
        (Action::RecordChanges, [false, false, true, true, false], [false, true, false, true, false, false]),
        (Action::RecordGameDays, [false, true, true, true, false], [false, false, false, true, true, false]),
        (Action::Ingest, [false, false, false, true, false], [false, true, false, false, false, false]),
        (Action::Administer, [false, false, false, true, false], [false, false, false, false, false, true]),
        (Action::Allocate, [false, false, false, true, false], [false, false, true, false, false, false]),
        (Action::Operate, [false, true, false, true, false], [false, false, false, true, false, false]),
        (Action::Debug, [false, true, true, true, false], [true, false, false, false, false, false]),
        (Action::Answer, [false, true, false, true, false], [false, false, false, false, true, false]),
        (Action::SetAlerts, [false, true, false, true, false], [false, false, false, false, true, false]),
    ];

    #[test]
    fn roles_and_scopes_allow_what_the_table_says() {
        assert_eq!(TABLE.map(|(action, ..)| action), Action::ALL, "a row per action");
        for (action, roles, scopes) in TABLE {
            assert_eq!(Role::ALL.iter().map(|role| role.allows(action)).collect::<Vec<_>>(), roles, "{action:?}");
            assert_eq!(Scope::ALL.iter().map(|scope| scope.allows(action)).collect::<Vec<_>>(), scopes, "{action:?}");
        }
    }

    #[test]
    fn addresses_are_compared_in_one_form() {
        assert_eq!(email(" Dana@Example.ORG "), Ok("dana@example.org".to_owned()));
        for wrong in ["", "dana", "@example.org", "dana@", "a@b@c", "a b@c.d", "a@.d", "a\n@b.c", "a,b@c.d"] {
            assert!(email(wrong).is_err(), "{wrong:?}");
        }
        assert!(email(&format!("{}@b.c", "a".repeat(65))).is_err());
    }
}

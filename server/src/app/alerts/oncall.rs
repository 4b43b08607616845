//! Who is on call, and who is asked when nobody answers.

use super::super::Result;
use crate::zones;
use headroom_domain::alert::episode::{Escalation, Person};
use headroom_domain::alert::rota::{AHEAD_MS, Target, Unmanned};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::{DAY_MS, Millis};
use headroom_store::StoreError;
use headroom_store::oncall::{self, Schedule, StoredPolicy};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Zone rules reach so far around now.
const AROUND_MS: Millis = AHEAD_MS + 40 * DAY_MS;

/// Schedules and policies.
#[derive(Debug, Default)]
pub struct OnCall {
    schedules: BTreeMap<String, (Schedule, ZoneSlice)>,
    policies: Vec<StoredPolicy>,
}

impl OnCall {
    /// Reads them. What a newer server wrote is passed over: whoever can be asked is asked.
    pub async fn read(conn: &mut PgConnection, now: Millis) -> Result<Self> {
        let schedules = oncall::schedules(conn).await.or_else(passed_over)?;
        let policies = oncall::policies(conn).await.or_else(passed_over)?;
        let schedules = schedules.into_iter().filter_map(|schedule| {
            let zone = zones::slice(&schedule.rota.zone, now - AROUND_MS, now + AROUND_MS)?;
            Some((schedule.slug.clone(), (schedule, zone)))
        });
        Ok(Self { schedules: schedules.collect(), policies })
    }

    /// The policy of an owner: its own, or that of everybody.
    fn policy(&self, owner: &str) -> Option<&StoredPolicy> {
        let own = self.policies.iter().find(|one| one.owners.iter().any(|name| name == owner));
        own.or_else(|| self.policies.iter().find(|one| one.owners.is_empty()))
    }

    /// Slug of the policy of an owner.
    pub fn policy_slug(&self, owner: &str) -> Option<&str> {
        self.policy(owner).map(|one| one.slug.as_str())
    }

    /// When whom is asked about the alerts of an owner.
    pub fn plan(&self, owner: &str) -> Escalation {
        self.policy(owner).map(|one| one.policy.escalation()).unwrap_or_default()
    }

    /// Whether somebody said who is asked about the alerts of an owner.
    pub fn has_policy(&self, owner: &str) -> bool {
        self.policy(owner).is_some()
    }

    /// Who is asked in a step of that.
    pub fn asked(&self, owner: &str, step: usize, at: Millis) -> Vec<Person> {
        let who = |target: &Target| match target {
            Target::Person(person) => vec![person.clone()],
            Target::Schedule(slug) => self.on_call(slug, at).into_iter().collect(),
        };
        self.policy(owner).map(|one| one.policy.who(step, who)).unwrap_or_default()
    }

    /// Who is on call in a schedule.
    pub fn on_call(&self, slug: &str, at: Millis) -> Option<Person> {
        let (schedule, zone) = self.schedules.get(slug)?;
        schedule.rota.on_call(at, zone).map(|now| now.person.clone())
    }

    /// All schedules, with the rules of their zones around now.
    pub fn schedules(&self) -> impl Iterator<Item = &(Schedule, ZoneSlice)> {
        self.schedules.values()
    }

    /// All policies, each with the steps that would ask nobody within the next two weeks.
    pub fn policies(&self, now: Millis) -> Vec<(&StoredPolicy, Vec<Unmanned>)> {
        let schedule = |slug: &str| self.schedules.get(slug).map(|(schedule, zone)| (&schedule.rota, zone));
        self.policies.iter().map(|one| (one, one.policy.unmanned(now, schedule))).collect()
    }
}

fn passed_over<T>(error: StoreError) -> Result<Vec<T>, StoreError> {
    match error {
        StoreError::Damaged { .. } => {
            tracing::error!(%error, "who is on call cannot be read: nobody is asked in person");
            Ok(Vec::new())
        }
        other => Err(other),
    }
}

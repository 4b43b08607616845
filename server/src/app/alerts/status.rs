//! How promises and alerts stand, in a few numbers: for whoever looks once a day.

use super::super::{App, Result};
use super::slos::Promise;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_store::alert::{self, OpenCounts};
use headroom_store::sli;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Budgets that are named.
const WORST: usize = 5;

/// How the error budgets of some pools stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// Budgets of which something was counted and something is left.
    pub in_budget: usize,
    /// Of these, used up faster than is allowed over the last six hours.
    pub burning: usize,
    /// Budgets of which nothing is left.
    pub spent: usize,
    /// Budgets of which nothing was counted, so that nothing is known.
    pub unknown: usize,
    /// Those that are spent or burn, with least left first; at most five.
    pub worst: Vec<Promise>,
}

impl Standing {
    /// Of budgets with least left first.
    fn of(all: &[Promise]) -> Self {
        let is_spent = |one: &Promise| one.left.is_some_and(|left| left <= 0.0);
        let burns =
            |one: &Promise| one.left.is_some_and(|left| left > 0.0) && one.burn_6h.is_some_and(|burn| burn > 1.0);
        let count = |is_so: &dyn Fn(&Promise) -> bool| all.iter().filter(|one| is_so(one)).count();
        let (spent, unknown) = (count(&is_spent), count(&|one| one.left.is_none()));
        Self {
            in_budget: all.len() - spent - unknown,
            burning: count(&burns),
            spent,
            unknown,
            worst: all.iter().filter(|one| is_spent(one) || burns(one)).take(WORST).cloned().collect(),
        }
    }
}

/// Which pools, and up to when all was judged.
type Key = (Option<Vec<i32>>, Option<Millis>);

/// How budgets stood when they were reckoned last: they change once a minute, and thousands take longer to reckon than a page may
/// take.
#[derive(Debug, Default)]
pub struct StandingCache {
    known: Mutex<HashMap<Key, (Instant, Arc<Standing>)>>,
}

impl StandingCache {
    /// An objective or maintenance that changed is seen after this time.
    const FOR: Duration = Duration::from_mins(1);
    const MOST: usize = 1_000;

    fn get(&self, key: &Key) -> Option<Arc<Standing>> {
        let known = self.known.lock().ok()?;
        known.get(key).filter(|(since, _)| since.elapsed() < Self::FOR).map(|(_, standing)| Arc::clone(standing))
    }

    fn put(&self, key: Key, standing: Arc<Standing>) {
        if let Ok(mut known) = self.known.lock() {
            if known.len() >= Self::MOST {
                known.clear();
            }
            known.insert(key, (Instant::now(), standing));
        }
    }
}

impl App {
    /// How the error budgets of some pools or of all stand, from a memory of at most a minute.
    pub async fn standing(&self, pools: Option<&[i32]>) -> Result<Arc<Standing>> {
        self.require(Action::See)?;
        let watermark = sli::round(&mut *self.db.pages.acquire().await?).await?.watermark;
        // Who sees some pools only is told of these.
        let seen = pools.map(<[i32]>::to_vec).or_else(|| self.caller.pools.clone());
        let key = (seen, watermark);
        if let Some(found) = self.standings.get(&key) {
            return Ok(found);
        }
        let standing = Arc::new(Standing::of(&self.promises(pools, None).await?));
        self.standings.put(key, Arc::clone(&standing));
        Ok(standing)
    }

    /// How many alerts are open, of some pools and tenants or of all that the caller sees.
    pub async fn open_alerts(&self, pools: Option<&[i32]>, tenants: Option<&[i32]>) -> Result<OpenCounts> {
        self.require(Action::See)?;
        let pools = pools.or(self.caller.pools.as_deref());
        let tenants = tenants.or(self.caller.tenants.as_deref());
        let mut conn = self.db.pages.acquire().await?;
        Ok(alert::open_counts(&mut conn, pools, tenants, self.caller.is_limited()).await?)
    }
}

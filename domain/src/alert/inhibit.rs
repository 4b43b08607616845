//! Which alert explains which other one, so that one cause wakes people once.

use super::window::Lane;

/// What is compared of an alert that fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firing<'a> {
    /// Its number; the lower one fired first.
    pub id: i64,
    /// Slug of its rule.
    pub rule: &'a str,
    /// The pool's key; `None` if it is about Headroom itself.
    pub pool: Option<i32>,
    /// The tenant's key; 0 = the pool as a whole.
    pub tenant: i32,
    /// Who is told.
    pub severity: Lane,
}

/// Rules about all pools, and what they say of single ones.
const OF_ALL: [(&str, &str); 2] = [("ingest-down", "no-data"), ("widespread-failure", "alloc-failure")];
/// Rules about a pool that is full.
const FULL: [&str; 2] = ["saturation-burn", "pool-exhausted"];
/// What a full pool does to a tenant.
const OF_FULL: [&str; 4] = ["saturation-burn", "latency-burn", "wait-burn", "tenant-over-quota"];
/// What a reconciler that does not look leaves behind.
const OF_STALLED: [&str; 4] = ["leak-burn", "leak-growth", "leaks-fill", "reclaim-burn"];

/// True if `source` explains `target`. What is less severe never explains what is more so, nothing explains itself, and of two
/// that would explain each other only the first one does.
pub fn explains(source: &Firing<'_>, target: &Firing<'_>) -> bool {
    if source.id == target.id || source.severity < target.severity {
        return false;
    }
    if let Some((_, explained)) = OF_ALL.iter().find(|(rule, _)| *rule == source.rule) {
        return target.rule == *explained;
    }
    if source.pool != target.pool || source.pool.is_none() || source.tenant != 0 {
        return false;
    }
    if FULL.contains(&source.rule) {
        let is_tenant = target.tenant != 0 && OF_FULL.contains(&target.rule);
        let is_twin = target.tenant == 0 && FULL.contains(&target.rule) && source.id < target.id;
        return is_tenant || is_twin;
    }
    source.rule == "reconciler-stalled" && OF_STALLED.contains(&target.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: i64, rule: &str, pool: i32, tenant: i32, severity: Lane) -> Firing<'_> {
        Firing { id, rule, pool: (pool > 0).then_some(pool), tenant, severity }
    }

    #[test]
    fn one_cause_is_told_once() {
        use Lane::{Page, Ticket};
        let source = of(5, "saturation-burn", 1, 0, Page);
        for (name, source, target, explained) in [
            ("a tenant of the full pool", source, of(6, "saturation-burn", 1, 7, Page), true),
            ("a tenant that was first", source, of(2, "latency-burn", 1, 7, Ticket), true),
            ("another pool", source, of(6, "saturation-burn", 2, 7, Page), false),
            ("V33", of(5, "saturation-burn", 1, 0, Ticket), of(6, "saturation-burn", 1, 7, Page), false),
            ("itself", source, source, false),
            ("abuse is never explained", source, of(6, "tenant-monopoly", 1, 7, Page), false),
            ("the twin that came later", source, of(6, "pool-exhausted", 1, 0, Page), true),
            ("the twin that came first", source, of(4, "pool-exhausted", 1, 0, Page), false),
            (
                "a tenant explains nothing",
                of(5, "saturation-burn", 1, 7, Page),
                of(6, "latency-burn", 1, 7, Page),
                false,
            ),
            ("no data", of(5, "ingest-down", 0, 0, Page), of(6, "no-data", 3, 0, Ticket), true),
            ("failures everywhere", of(5, "widespread-failure", 0, 0, Page), of(6, "alloc-failure", 3, 0, Page), true),
            ("other work", of(5, "ingest-down", 0, 0, Page), of(6, "leak-burn", 3, 0, Ticket), false),
            ("leaks", of(5, "reconciler-stalled", 1, 0, Page), of(6, "leak-burn", 1, 0, Ticket), true),
            ("double assignment", of(5, "reconciler-stalled", 1, 0, Page), of(6, "double-assign", 1, 0, Page), false),
        ] {
            assert_eq!(explains(&source, &target), explained, "{name}");
        }
    }
}

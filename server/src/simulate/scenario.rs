//! Which scenarios there are.

use std::fmt;
use std::str::FromStr;

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing is wrong.
    Steady,
    /// More claims than slots.
    Surge,
    /// Holders that vanish without giving back.
    CrashedHolders,
    /// A tenant that takes nearly all.
    NoisyTenant,
    /// A slot whose work is far slower than its peers'.
    HotSlot,
    /// Low priority holds what high priority waits for.
    Inversion,
    /// Sizes that go to and fro.
    Thrash,
    /// Holders that vanish together, with long leases.
    SlowReclaim,
    /// A server that does not move.
    StalledReconciler,
    /// A server that is killed.
    CrashedAllocator,
    /// A database that does not move.
    LostPostgres,
    /// Refused clients that ask again at once.
    RetryStorm,
}

/// What is said about a scenario.
struct Row {
    scenario: Scenario,
    word: &'static str,
    mode: &'static str,
    breaks: &'static str,
    seen: &'static str,
}

/// The table of all scenarios.
const ROWS: [Row; 12] = [
    Row {
        scenario: Scenario::Steady,
        word: "steady",
        mode: "none",
        breaks: "nothing: two thirds of the slots are in use, claims come and go by chance",
        seen: "no alarm at all: whatever fires here is false",
    },
    Row {
        scenario: Scenario::Surge,
        word: "surge",
        mode: "F4",
        breaks: "claims for more than twice the slots there are",
        seen: "exhaustion: refusals and a queue while every slot is held",
    },
    Row {
        scenario: Scenario::CrashedHolders,
        word: "crashed-holders",
        mode: "F1",
        breaks: "four of ten holders stop renewing and beating half-way, without giving back",
        seen: "leaked slots, taken back by the reconciler within the time to live",
    },
    Row {
        scenario: Scenario::NoisyTenant,
        word: "noisy-tenant",
        mode: "F8",
        breaks: "one tenant claims more than all slots",
        seen: "a monopolised pool: one tenant far above its share while others are refused",
    },
    Row {
        scenario: Scenario::HotSlot,
        word: "hot-slot",
        mode: "F3",
        breaks: "work in one slot takes 25 times as long as in its peers",
        seen: "a hot slot: its P95 far above the others'",
    },
    Row {
        scenario: Scenario::Inversion,
        word: "inversion",
        mode: "F6",
        breaks: "work of priority 1 holds every slot while claims of priority 9 wait",
        seen: "a priority inversion; in a pool that preempts, none",
    },
    Row {
        scenario: Scenario::Thrash,
        word: "thrash",
        mode: "F7",
        breaks: "the pool is made smaller and larger again every few seconds",
        seen: "rebalance thrash: its capacity oscillates. The token needs the scope plan",
    },
    Row {
        scenario: Scenario::SlowReclaim,
        word: "slow-reclaim",
        mode: "F5",
        breaks: "six of ten holders vanish together with long leases, so that their beats prove nothing",
        seen: "slow reclaim: stale leases stand until their time to live is over",
    },
    Row {
        scenario: Scenario::StalledReconciler,
        word: "stalled-reconciler",
        mode: "stalled-reconciler",
        breaks: "the server is stopped (SIGSTOP) and goes on later; with --pid this is done, else you are told when",
        seen: "another server takes the pools over; leases that ended meanwhile are taken back late",
    },
    Row {
        scenario: Scenario::CrashedAllocator,
        word: "crashed-allocator",
        mode: "crashed-allocator",
        breaks: "the server is killed (SIGKILL); with --pid this is done, else you are told when. Start it again yourself",
        seen: "claims fail until a server has the pools; what was held is held still, and no slot is given out twice",
    },
    Row {
        scenario: Scenario::LostPostgres,
        word: "lost-postgres",
        mode: "lost-postgres",
        breaks: "PostgreSQL is stopped (SIGSTOP) and goes on later; with --pid this is done, else you are told when",
        seen: "claims are refused as unavailable or unknown, nothing is granted that is not durable",
    },
    Row {
        scenario: Scenario::RetryStorm,
        word: "retry-storm",
        mode: "retry-storm",
        breaks: "clients that are refused ask again every 30 ms, whatever the server says",
        seen: "a retry storm: refusals by the hundred each second from the same holders",
    },
];

impl Scenario {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.scenario)
    }

    fn row(self) -> &'static Row {
        // Each has its row, which a test holds.
        ROWS.iter().find(|row| row.scenario == self).unwrap_or(&ROWS[0])
    }

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// The failure that labels name: `F1` to `F8`, or a word for what has no number.
    pub fn mode(self) -> &'static str {
        self.row().mode
    }

    /// What it breaks.
    pub fn breaks(self) -> &'static str {
        self.row().breaks
    }

    /// What should be seen.
    pub fn seen(self) -> &'static str {
        self.row().seen
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = ROWS.iter().find(|row| row.word == text).map(|row| row.scenario);
        found.ok_or_else(|| "expected one of those that `headroom simulate --list` shows, or replay".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_row_of_its_own() {
        let words: std::collections::BTreeSet<_> = ROWS.iter().map(|row| row.word).collect();
        assert_eq!(words.len(), ROWS.len());
        for scenario in Scenario::all() {
            assert_eq!(scenario.row().scenario, scenario);
            assert_eq!(scenario.word().parse(), Ok(scenario));
        }
        assert!("nonsense".parse::<Scenario>().is_err());
    }
}

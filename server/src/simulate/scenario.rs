//! Which scenarios there are.

use headroom_domain::failure::Kind;
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
    /// Findings of which the first is its detection.
    found_as: &'static [Kind],
}

/// The table of all scenarios.
const ROWS: [Row; 12] = [
    Row {
        scenario: Scenario::Steady,
        word: "steady",
        mode: "none",
        breaks: "nothing: two thirds of the slots are in use, claims come and go by chance",
        seen: "no alarm at all: whatever fires here is false",
        found_as: &[],
    },
    Row {
        scenario: Scenario::Surge,
        word: "surge",
        mode: "F4",
        breaks: "claims for more than twice the slots there are",
        seen: "exhaustion: refusals and a queue while every slot is held",
        found_as: &[Kind::Saturated, Kind::Queueing],
    },
    Row {
        scenario: Scenario::CrashedHolders,
        word: "crashed-holders",
        mode: "F1",
        breaks: "four of ten holders stop renewing and beating half-way, without giving back",
        seen: "leaked slots, taken back by the reconciler within the time to live",
        found_as: &[Kind::Leaking, Kind::Leaked],
    },
    Row {
        scenario: Scenario::NoisyTenant,
        word: "noisy-tenant",
        mode: "F8",
        breaks: "one tenant claims more than all slots",
        seen: "a monopolised pool: one tenant far above its share while others are refused",
        found_as: &[Kind::Monopoly],
    },
    Row {
        scenario: Scenario::HotSlot,
        word: "hot-slot",
        mode: "F3",
        breaks: "work in one slot takes 25 times as long as in its peers",
        seen: "a hot slot: its P95 far above the others'",
        found_as: &[Kind::Hot],
    },
    Row {
        scenario: Scenario::Inversion,
        word: "inversion",
        mode: "F6",
        breaks: "work of priority 1 holds every slot while claims of priority 9 wait",
        seen: "a priority inversion; in a pool that preempts, none",
        found_as: &[Kind::Inverted],
    },
    Row {
        scenario: Scenario::Thrash,
        word: "thrash",
        mode: "F7",
        breaks: "the pool is made smaller and larger again every few seconds",
        seen: "rebalance thrash: its capacity oscillates. The token needs the scope plan",
        found_as: &[Kind::Swinging, Kind::Moving],
    },
    Row {
        scenario: Scenario::SlowReclaim,
        word: "slow-reclaim",
        mode: "F5",
        breaks: "six of ten holders vanish together with long leases, so that their beats prove nothing",
        seen: "slow reclaim: stale leases stand until their time to live is over",
        found_as: &[Kind::SlowReclaim, Kind::Silent],
    },
    Row {
        scenario: Scenario::StalledReconciler,
        word: "stalled-reconciler",
        mode: "stalled-reconciler",
        breaks: "the server is stopped (SIGSTOP) and goes on later; with --pid this is done, else you are told when",
        seen: "another server takes the pools over; leases that ended meanwhile are taken back late",
        found_as: &[Kind::Stalled, Kind::ServerPaused, Kind::ServerLost],
    },
    Row {
        scenario: Scenario::CrashedAllocator,
        word: "crashed-allocator",
        mode: "crashed-allocator",
        breaks: "the server that decides is killed (SIGKILL); with --pid this is done, else you are told when. Name another server with --url",
        seen: "claims fail until a server has the pools; what was held is held still, and no slot is given out twice",
        found_as: &[Kind::ServerLost, Kind::Stalled],
    },
    Row {
        scenario: Scenario::LostPostgres,
        word: "lost-postgres",
        mode: "lost-postgres",
        breaks: "PostgreSQL is stopped with all its processes (SIGSTOP) and goes on later; with --pid this is done, else you are told when",
        seen: "claims are refused as unavailable or unknown, nothing is granted that is not durable",
        found_as: &[Kind::StoreAway, Kind::Stalled],
    },
    Row {
        scenario: Scenario::RetryStorm,
        word: "retry-storm",
        mode: "retry-storm",
        breaks: "clients that are refused ask again every 30 ms, whatever the server says",
        seen: "a retry storm: refusals by the hundred each second from the same holders",
        found_as: &[Kind::RetryStorm],
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

    /// The findings of which the first is its detection; none if nothing is broken.
    pub fn found_as(self) -> &'static [Kind] {
        self.row().found_as
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
            assert_eq!(scenario.found_as().is_empty(), scenario == Scenario::Steady, "{scenario}");
            // A failure mode with a number is found as itself, or by what is said in its place.
            let modes: Vec<_> = scenario.found_as().iter().filter_map(|kind| kind.mode().number()).collect();
            assert!(!scenario.mode().starts_with('F') || modes.contains(&scenario.mode()), "{scenario}: {modes:?}");
        }
        assert!("nonsense".parse::<Scenario>().is_err());
    }
}

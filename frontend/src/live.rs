//! The rules of live updates: who keeps the stream, when it is asked for again, what is said about its age, how its numbers read.
//!
//! Plain functions: the browser's part is in `islands/live.rs`.

use headroom_domain::format;

/// A leader that is not heard for so long is gone.
pub const LEADER_GONE_MS: f64 = 5_000.0;
/// How often a leader says that it is there.
pub const BEAT_MS: i32 = 2_000;
/// Nothing for so long is late.
pub const LATE_MS: i64 = 15_000;
/// Nothing for so long makes every figure old.
pub const STALE_MS: i64 = 30_000;

/// One tab's part in choosing the tab that keeps the stream, where the browser has no locks (plain HTTP).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Election {
    /// This tab.
    pub id: u32,
    /// It keeps the stream.
    pub leads: bool,
    heard_ms: f64,
}

impl Election {
    /// A tab that has just opened. It waits as if it had heard a leader, a little longer than others by chance.
    pub fn new(id: u32, now_ms: f64) -> Self {
        Self { id, leads: false, heard_ms: now_ms - LEADER_GONE_MS / 2.0 + f64::from(id % 1_000) }
    }

    /// Another tab says that it leads. Returns true if this tab has to give up: the lower id wins.
    pub fn heard(&mut self, other: u32, now_ms: f64) -> bool {
        if other == self.id {
            return false;
        }
        let gives_up = self.leads && other < self.id;
        if !self.leads || gives_up {
            self.leads = false;
            self.heard_ms = now_ms;
        }
        gives_up
    }

    /// Time went by. Returns true if this tab has to begin to lead.
    pub fn tick(&mut self, now_ms: f64) -> bool {
        if self.leads || now_ms - self.heard_ms < LEADER_GONE_MS {
            return false;
        }
        self.leads = true;
        true
    }

    /// The leader says goodbye: the next tick decides.
    pub fn orphaned(&mut self, now_ms: f64) {
        if !self.leads {
            self.heard_ms = now_ms - LEADER_GONE_MS + f64::from(self.id % 1_000);
        }
    }
}

/// How long to wait before the stream is asked for again: 3, 6, 12, then 30 s, a fifth more or less. `chance` is from 0 to 1.
pub fn back_off_ms(attempt: u32, chance: f64) -> i32 {
    let base = match attempt {
        0 => 3_000.0,
        1 => 6_000.0,
        2 => 12_000.0,
        _ => 30_000.0,
    };
    (base * (0.8 + 0.4 * chance.clamp(0.0, 1.0))) as i32
}

/// The address of the stream for what all tabs want: `topics|pool`, a line per tab.
pub fn stream_address(wants: &[String]) -> String {
    let mut topics: Vec<&str> = Vec::new();
    let mut pools: Vec<&str> = Vec::new();
    for want in wants {
        let (theirs, pool) = want.split_once('|').unwrap_or((want, ""));
        for topic in theirs.split(',').filter(|topic| !topic.is_empty()) {
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        if !pool.is_empty() && !pools.contains(&pool) {
            pools.push(pool);
        }
    }
    topics.sort_unstable();
    pools.sort_unstable();
    let mut address = format!("/events?topics={}", topics.join(","));
    for pool in pools {
        address += "&pool=";
        address += &crate::url::encode(pool);
    }
    address
}

/// What the freshness pill says on a page that updates itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Its classes.
    pub class: &'static str,
    /// Its mark.
    pub shape: &'static str,
    /// Its text.
    pub text: String,
}

/// `age_ms` is the time since the last message, `connected` whether the stream is open.
pub fn read(age_ms: i64, connected: bool) -> Reading {
    let age = format::duration(age_ms.max(0) / 1_000 * 1_000).replace(&format!("0{}ms", format::NNBSP), "0\u{202F}s");
    if age_ms < LATE_MS {
        return Reading {
            class: "hr-pill hr-pill--ok hr-fresh hr-fresh--ok",
            shape: "state-ok",
            text: format!("Live · {age} ago"),
        };
    }
    if connected {
        return Reading {
            class: "hr-pill hr-pill--warn hr-fresh",
            shape: "state-warn",
            text: format!("Delayed {age}"),
        };
    }
    Reading { class: "hr-pill hr-pill--crit hr-fresh", shape: "state-crit", text: format!("Offline {age}") }
}

/// `12 s ago`, in whole seconds; the server and the browser write the same.
pub fn ago(age_ms: i64) -> String {
    let seconds = age_ms.max(0) / 1_000;
    if seconds == 0 { format!("0{}s ago", format::NNBSP) } else { format!("{} ago", format::duration(seconds * 1_000)) }
}

/// How a live number is written: the word of `data-as`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// `19,402`
    Count,
    /// `97.0`, its sign stands apart.
    PercentNumber,
    /// `97.0 %`
    Percent,
    /// `4 m 12 s`, from milliseconds.
    Millis,
    /// `8.2 ms`, from microseconds.
    Micros,
}

impl Figure {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::PercentNumber => "percent-number",
            Self::Percent => "percent",
            Self::Millis => "ms",
            Self::Micros => "us",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Count, Self::PercentNumber, Self::Percent, Self::Millis, Self::Micros]
            .into_iter()
            .find(|figure| figure.word() == word)
    }

    /// Characters that a figure of a name usually needs: room is kept for them.
    pub fn room(self, name: &str) -> usize {
        match self {
            Self::Count if name.ends_with("_1m") || name == "queued" => 3,
            Self::Count => 2,
            Self::PercentNumber => 4,
            Self::Percent | Self::Micros => 6,
            Self::Millis => 7,
        }
    }

    /// The number of a name in the stream as text. Where nothing was measured, the stream has a quantile of 0: that is unknown, and
    /// a dash says so.
    pub fn streamed(self, name: &str, value: f64) -> String {
        if name.contains("_p9") && value <= 0.0 { format::UNKNOWN.to_owned() } else { self.text(value) }
    }

    /// The number as text; the server and the browser write the same.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Count => format::count(value.round() as i64),
            Self::PercentNumber => format::percent_number(value),
            Self::Percent => format::percent(value),
            Self::Millis => format::duration(value.round() as i64),
            Self::Micros => micros(value),
        }
    }
}

/// A short time from microseconds: `310 µs`, `8.2 ms`, `210 ms`, then as durations are written.
pub fn micros(value: f64) -> String {
    if value < 1_000.0 {
        return format!("{}{}µs", format::decimal(value, 0), format::NNBSP);
    }
    let millis = value / 1_000.0;
    if millis < 9.95 {
        return format!("{}{}ms", format::decimal(millis, 1), format::NNBSP);
    }
    format::duration(millis.round() as i64)
}

/// What there is to say about an event beside its kind and slot: tenant, holder, why, and how long. The server's list and the
/// browser's stream say the same.
pub fn event_words(kind: &str, who_and_why: [&str; 3], wait_ms: Option<i64>, work_ms: Option<i64>) -> String {
    let [tenant, holder, reason] = who_and_why;
    let reason = match (kind, reason) {
        ("stale", "verify") => "showed a fence that is over".to_owned(),
        ("stale", tried) if !tried.is_empty() => format!("tried to {tried} what it had lost"),
        _ => reason.to_owned(),
    };
    let mut parts: Vec<String> =
        [tenant.to_owned(), holder.to_owned(), reason].into_iter().filter(|part| !part.is_empty()).collect();
    parts.extend(wait_ms.filter(|ms| *ms > 0).map(|ms| format!("waited {}", format::duration(ms))));
    parts.extend(work_ms.map(|ms| format!("worked {}", format::duration(ms))));
    parts.join(" · ")
}

/// The pill of a kind of event: refusals and losses stand out. The server's list and the browser's stream look the same.
pub fn kind_class(kind: &str) -> &'static str {
    match kind {
        "reject" | "expire" | "dead" => "hr-pill hr-pill--crit",
        "preempt" | "drain" | "hold" | "suspect" | "reassign" | "stale" => "hr-pill hr-pill--warn",
        _ => "hr-pill",
    }
}

/// The figures of one pool that the browser sums up over several.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// Slots that may be used.
    pub capacity: f64,
    /// In use.
    pub occupied: f64,
    /// Can be claimed.
    pub free: f64,
    /// Leaked.
    pub leaked: f64,
    /// Claims waiting.
    pub queued: f64,
    /// Claims granted in the last minute.
    pub granted_1m: f64,
    /// Claims rejected in the last minute.
    pub rejected_1m: f64,
    /// P95 of the time to answer a claim: the worst pool's.
    pub claim_p95_us: f64,
    /// P99 of it: the worst pool's.
    pub claim_p99_us: f64,
}

impl Totals {
    /// Adds a pool. Quantiles do not add up; the worst one is shown.
    pub fn add(&mut self, pool: &Self) {
        self.capacity += pool.capacity;
        self.occupied += pool.occupied;
        self.free += pool.free;
        self.leaked += pool.leaked;
        self.queued += pool.queued;
        self.granted_1m += pool.granted_1m;
        self.rejected_1m += pool.rejected_1m;
        self.claim_p95_us = self.claim_p95_us.max(pool.claim_p95_us);
        self.claim_p99_us = self.claim_p99_us.max(pool.claim_p99_us);
    }

    /// A figure by its name in the stream; `None` if it has no such name or cannot be known.
    pub fn get(&self, name: &str) -> Option<f64> {
        Some(match name {
            "capacity" => self.capacity,
            "occupied" => self.occupied,
            "free" => self.free,
            "leaked" => self.leaked,
            "queued" => self.queued,
            "granted_1m" => self.granted_1m,
            "rejected_1m" => self.rejected_1m,
            "claim_p95_us" => self.claim_p95_us,
            "claim_p99_us" => self.claim_p99_us,
            "occupancy" if self.capacity > 0.0 => self.occupied / self.capacity,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(format::NNBSP, " ")
    }

    #[test]
    fn one_tab_leads_and_the_lower_id_wins() {
        let (mut one, mut two) = (Election::new(7, 0.0), Election::new(900, 0.0));
        assert!(!one.tick(1_000.0) && !two.tick(1_000.0), "nobody leads before it has listened");
        assert!(one.tick(3_000.0));
        assert!(!two.heard(7, 3_000.0) && !two.tick(7_900.0), "a leader was heard");
        assert!(two.tick(8_100.0), "and then no more");
        assert!(!one.heard(900, 8_100.0) && one.leads, "the lower one stays");
        assert!(two.heard(7, 8_200.0) && !two.leads, "the higher one gives up");
        assert!(!one.heard(7, 9_000.0), "one's own voice is nobody else's");
    }

    #[test]
    fn a_goodbye_is_followed_soon_but_not_by_all_at_once() {
        let (mut one, mut two) = (Election::new(100, 0.0), Election::new(600, 0.0));
        one.orphaned(50_000.0);
        two.orphaned(50_000.0);
        assert!(one.tick(50_101.0) && !two.tick(50_101.0));
    }

    #[test]
    fn asking_again_slows_down() {
        let waits: Vec<i32> = (0..5).map(|attempt| back_off_ms(attempt, 0.5)).collect();
        assert_eq!(waits, [3_000, 6_000, 12_000, 30_000, 30_000]);
        assert_eq!((back_off_ms(0, 0.0), back_off_ms(0, 1.0)), (2_400, 3_600));
    }

    #[test]
    fn one_stream_carries_what_all_tabs_want() {
        let wants = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(stream_address(&wants(&["live|"])), "/events?topics=live");
        assert_eq!(
            stream_address(&wants(&["slots,live|b", "live|", "live,log|a", "live|b"])),
            "/events?topics=live,log,slots&pool=a&pool=b"
        );
    }

    #[test]
    fn silence_is_late_then_offline_and_never_fresh() {
        assert_eq!(plain(&read(0, true).text), "Live · 0 s ago");
        assert_eq!(plain(&read(2_400, true).text), "Live · 2 s ago");
        assert_eq!(plain(&read(10_000, false).text), "Live · 10 s ago");
        assert_eq!(plain(&read(45_000, true).text), "Delayed 45 s");
        assert_eq!(plain(&read(192_000, false).text), "Offline 3 m 12 s");
    }

    #[test]
    fn short_times_have_the_unit_that_fits() {
        assert_eq!(plain(&micros(310.0)), "310 µs");
        assert_eq!(plain(&micros(8_240.0)), "8.2 ms");
        assert_eq!(plain(&micros(50_000.0)), "50 ms");
        assert_eq!(plain(&micros(210_400.0)), "210 ms");
        assert_eq!(plain(&micros(2_100_000.0)), "2 s");
        for figure in [Figure::Count, Figure::PercentNumber, Figure::Percent, Figure::Millis, Figure::Micros] {
            assert_eq!(Figure::parse(figure.word()), Some(figure));
        }
    }

    #[test]
    fn sums_add_up_and_the_worst_quantile_counts() {
        let mut totals = Totals::default();
        assert_eq!(totals.get("occupancy"), None, "of nothing there is no part");
        totals.add(&Totals { capacity: 100.0, occupied: 90.0, claim_p95_us: 800.0, ..Totals::default() });
        totals.add(&Totals { capacity: 100.0, occupied: 10.0, claim_p95_us: 300.0, ..Totals::default() });
        assert_eq!(totals.get("occupancy"), Some(0.5));
        assert_eq!(totals.get("claim_p95_us"), Some(800.0));
        assert_eq!([ago(-5), ago(940), ago(61_900)].map(|text| plain(&text)), ["0 s ago", "0 s ago", "1 m 1 s ago"]);
        assert_eq!(
            Figure::Micros.streamed("claim_p95_us", 0.0),
            format::UNKNOWN,
            "nothing measured is no quantile of 0"
        );
        assert_eq!(plain(&Figure::Millis.streamed("reconciler.last_pass_ms_ago", 0.0)), "0 ms");
        assert_eq!(totals.get("nothing"), None);
    }
}

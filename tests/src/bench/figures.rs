//! Figures: what was measured, what it is compared with, whether it is enough.

use std::fmt::Write as _;
use std::time::Instant;

/// What a figure or a ratio should be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn words(self, unit: &str) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least}{unit}"),
            Self::AtMost(most) => format!("<= {most}{unit}"),
        }
    }

    fn verdict(self, value: f64) -> &'static str {
        if self.is_met(value) { "PASS" } else { "MISS" }
    }
}

/// Two figures of one run.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// Ours.
    pub measured: f64,
    /// The other's.
    pub peer: f64,
    /// Who the other is.
    pub peer_name: &'a str,
    /// Unit of both.
    pub unit: &'a str,
}

/// Prints what happens and what came out, and at the end all of the latter again.
#[derive(Debug)]
pub struct Report {
    started: Instant,
    lines: Vec<String>,
}

impl Default for Report {
    fn default() -> Self {
        Self { started: Instant::now(), lines: Vec::new() }
    }
}

impl Report {
    /// Says what is being done, on standard error.
    pub fn step(&self, what: &str) {
        eprintln!("[{:>5.0} s] {what}", self.started.elapsed().as_secs_f64());
    }

    /// Something to know about the figures.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        println!("{text}");
        self.lines.push(text);
    }

    /// A figure beside another's, judged by their ratio.
    pub fn ratio(&mut self, name: &str, pair: Pair<'_>, goal: Goal) {
        let Pair { measured, peer, peer_name, unit } = pair;
        let ratio = measured / peer;
        let (mine, theirs) = (short(measured), short(peer));
        let (wanted, verdict) = (goal.words("x"), goal.verdict(ratio));
        self.note(format!(
            "{name}: measured {mine} {unit} vs {peer_name} {theirs} {unit} = ratio {} (goal {wanted}) {verdict}",
            short(ratio)
        ));
    }

    /// A figure judged by itself.
    pub fn value(&mut self, name: &str, measured: f64, unit: &str, goal: Goal) {
        let (wanted, verdict) = (goal.words(&format!(" {unit}")), goal.verdict(measured));
        self.note(format!("{name}: measured {} {unit} (goal {wanted}) {verdict}", short(measured)));
    }

    /// Everything that came out, once more, without what was said in between.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// A number with three or four digits that matter.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 {
        format!("{:.2}M", value / 1e6)
    } else if size >= 1e4 {
        format!("{:.0}k", value / 1e3)
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// The value in the middle, or between the two in the middle; 0 for none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
}

/// The least value that `percent` of the values do not exceed; 0 for none.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// All values, for whoever wants to see how far they lie apart.
pub fn list(values: &[f64]) -> String {
    values.iter().map(|value| short(*value)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!((median(&values), percentile(&values, 95.0), percentile(&values, 0.0)), (3.0, 5.0, 1.0));
        assert_eq!((median(&[]), median(&[1.0, 4.0])), (0.0, 2.5));
    }

    #[test]
    fn a_ratio_is_judged_and_told_again() {
        let mut report = Report::default();
        let pair = Pair { measured: 2_000_000.0, peer: 1_000_000.0, peer_name: "COPY", unit: "rows/s" };
        report.ratio("import", pair, Goal::AtLeast(1.0));
        report.value("page", 51.0, "ms", Goal::AtMost(50.0));
        assert_eq!(
            report.summary(),
            "import: measured 2.00M rows/s vs COPY 1.00M rows/s = ratio 2.00 (goal >= 1x) PASS\n\
             page: measured 51.00 ms (goal <= 50 ms) MISS\n"
        );
    }
}

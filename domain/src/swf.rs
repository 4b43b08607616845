//! Lines of the Standard Workload Format, version 2.2: logs of real machines.
//!
//! 18 numbers per job separated by blanks, `-1` for unknown, and a header of `; Key: value`
//! comments (<https://www.cs.huji.ac.il/labs/parallel/workload/swf.html>). A processor is a slot,
//! a job holds its slots from submit + wait until it has run.

use crate::MAX_SLOTS;

/// Numbers on a line of a job.
pub const FIELDS: usize = 18;
/// Latest submission and longest wait or run of a job, in seconds: twenty years. More is damage, and
/// would be written down minute by minute.
pub const MAX_SECONDS: i64 = 631_152_000;

const NAMES: [&str; FIELDS] = [
    "job number",
    "submit time",
    "wait time",
    "run time",
    "allocated processors",
    "average CPU time",
    "used memory",
    "requested processors",
    "requested time",
    "requested memory",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "preceding job",
    "think time",
];

/// A job that held slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// When it was submitted, seconds from the start of the log.
    pub submit_s: i64,
    /// How long it waited, seconds; an unknown wait is none.
    pub wait_s: i64,
    /// How long it ran, seconds, from 1.
    pub run_s: i64,
    /// Slots it held, from 1: allocated processors, or requested ones where those are unknown.
    pub slots: i64,
    /// User; negative = unknown.
    pub user: i64,
    /// Group; negative = unknown.
    pub group: i64,
    /// Queue; negative = unknown.
    pub queue: i64,
}

impl Job {
    /// When it started to hold its slots, seconds from the start of the log.
    pub fn start_s(&self) -> i64 {
        self.submit_s + self.wait_s
    }

    /// The first second in which it held them no more.
    pub fn end_s(&self) -> i64 {
        self.start_s() + self.run_s
    }
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing but blanks.
    Blank,
    /// A comment or a line of the header.
    Comment,
    /// A job that held slots.
    Job(Job),
    /// A job that never ran: cancelled, or failed at once. Its run time.
    NeverRan(i64),
}

/// Why a line is no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{column}: found {found}, expected {expected}")]
pub struct SwfError {
    /// Name of the column and its number.
    pub column: String,
    /// What stands there.
    pub found: String,
    /// What could stand there.
    pub expected: String,
    /// True if the line is whole but its job cannot be placed (no slots, no submit time): logs have
    /// such lines. False if the line is damaged.
    pub unplaceable: bool,
}

fn error(field: usize, found: &[u8], expected: impl Into<String>) -> SwfError {
    SwfError {
        column: format!("{} (field {})", NAMES[field], field + 1),
        found: shown(found),
        expected: expected.into(),
        unplaceable: false,
    }
}

fn unplaceable(field: usize, found: i64, expected: &str) -> SwfError {
    SwfError { unplaceable: true, ..error(field, found.to_string().as_bytes(), expected) }
}

/// The beginning of bytes that came in, safe to print.
fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(40)];
    let text = String::from_utf8_lossy(cut);
    let dots = if cut.len() < bytes.len() { "..." } else { "" };
    format!("\"{}{dots}\"", text.escape_debug())
}

/// Reads one line.
///
/// # Errors
/// [`SwfError`] naming the first column that is wrong.
pub fn parse_line(line: &[u8]) -> Result<Line, SwfError> {
    let line = line.trim_ascii();
    match line.first() {
        None => return Ok(Line::Blank),
        Some(b';') => return Ok(Line::Comment),
        Some(_) => {}
    }
    let mut fields = [&[][..]; FIELDS];
    let mut count = 0;
    for field in line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()) {
        if let Some(place) = fields.get_mut(count) {
            *place = field;
        }
        count += 1;
    }
    if let Some(bad) = fields[..count.min(FIELDS)].iter().position(|field| !is_number(field)) {
        return Err(error(bad, fields[bad], "a number, -1 for unknown"));
    }
    if count != FIELDS {
        return Err(SwfError {
            column: "line".into(),
            found: format!("{count} fields"),
            expected: format!("{FIELDS} fields separated by blanks"),
            unplaceable: false,
        });
    }
    let whole = |field: usize, most: i64| -> Result<i64, SwfError> {
        let value = integer(fields[field]).ok_or_else(|| error(field, fields[field], "a whole number"))?;
        if (-1..=most).contains(&value) { Ok(value) } else { Err(error(field, fields[field], format!("-1 to {most}"))) }
    };
    let submit_s = whole(1, MAX_SECONDS)?;
    let wait_s = whole(2, MAX_SECONDS)?.max(0);
    let run_s = whole(3, MAX_SECONDS)?;
    let (allocated, requested) = (whole(4, MAX_SLOTS)?, whole(7, MAX_SLOTS)?);
    let slots = if allocated > 0 { allocated } else { requested };
    let (user, group, queue) = (whole(11, i64::MAX)?, whole(12, i64::MAX)?, whole(14, i64::MAX)?);
    if slots <= 0 {
        return Err(unplaceable(4, allocated, "1 or more, here or in requested processors (field 8)"));
    }
    if run_s <= 0 {
        return Ok(Line::NeverRan(run_s));
    }
    if submit_s < 0 {
        return Err(unplaceable(1, submit_s, "0 or more seconds from the start of the log"));
    }
    Ok(Line::Job(Job { submit_s, wait_s, run_s, slots, user, group, queue }))
}

/// What a job asked for, of a line that is one: processors and seconds, `None` where they are unknown or out of range.
pub fn asked(line: &[u8]) -> Option<(i64, i64)> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let slots = integer(fields.nth(7)?).filter(|slots| (1..=MAX_SLOTS).contains(slots))?;
    let seconds = integer(fields.next()?).filter(|seconds| (1..=MAX_SECONDS).contains(seconds))?;
    Some((slots, seconds))
}

/// Digits with an optional sign and fraction.
fn is_number(field: &[u8]) -> bool {
    let digits = field.strip_prefix(b"-").or_else(|| field.strip_prefix(b"+")).unwrap_or(field);
    let mut points = 0;
    let plain = digits.iter().all(|b| {
        points += usize::from(*b == b'.');
        b.is_ascii_digit() || *b == b'.'
    });
    plain && points <= 1 && digits.len() > points
}

fn integer(field: &[u8]) -> Option<i64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// What the comments at the head of a log say. Everything is optional; the first mention counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The machine.
    pub computer: Option<String>,
    /// Where it stood.
    pub installation: Option<String>,
    /// Its processors.
    pub max_procs: Option<i64>,
    /// Its nodes: stand in for processors where those are not stated.
    pub max_nodes: Option<i64>,
    /// The instant from which seconds are counted, Unix seconds.
    pub unix_start_s: Option<i64>,
    /// IANA zone of the machine.
    pub zone: Option<String>,
    /// Whom the archive asks to thank.
    pub acknowledge: Option<String>,
}

/// Longest text kept from a header, in characters.
const MAX_HEADER_TEXT: usize = 200;

impl Header {
    /// Takes up a comment line; one that says nothing known, or nonsense, is left out.
    pub fn read(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line.get(..line.len().min(2_000)).unwrap_or_default());
        let Some((key, value)) = text.trim_start_matches([';', ' ', '\t']).split_once(':') else { return };
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        let words = || Some(value.chars().filter(|c| !c.is_control()).take(MAX_HEADER_TEXT).collect::<String>());
        // `MaxProcs: 100 (of which 2 are interactive)` is found in the archive.
        let number = || value.split_whitespace().next().and_then(|word| word.parse::<i64>().ok());
        match key.trim() {
            "Computer" => keep(&mut self.computer, words()),
            "Installation" => keep(&mut self.installation, words()),
            "Acknowledge" => keep(&mut self.acknowledge, words()),
            "TimeZoneString" => keep(&mut self.zone, words()),
            "MaxProcs" => keep(&mut self.max_procs, number().filter(|n| (1..=MAX_SLOTS).contains(n))),
            "MaxNodes" => keep(&mut self.max_nodes, number().filter(|n| (1..=MAX_SLOTS).contains(n))),
            "UnixStartTime" => {
                keep(&mut self.unix_start_s, number().filter(|n| (0..=crate::LATEST_MS / 1000).contains(n)));
            }
            _ => {}
        }
    }

    /// Capacity in slots.
    pub fn capacity(&self) -> Option<i64> {
        self.max_procs.or(self.max_nodes)
    }
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: &str = "   24   607341   4740     24    4     -1    -1    4     60    -1  0  18  19  -1 2 -1 -1 -1";

    fn with(field: usize, value: &str) -> String {
        let mut fields: Vec<&str> = WHOLE.split_whitespace().collect();
        fields[field - 1] = value;
        fields.join(" ")
    }

    #[test]
    fn a_job() {
        let job = Job { submit_s: 607_341, wait_s: 4740, run_s: 24, slots: 4, user: 18, group: 19, queue: 2 };
        assert_eq!(parse_line(WHOLE.as_bytes()), Ok(Line::Job(job)));
        assert_eq!((job.start_s(), job.end_s()), (612_081, 612_105));
    }

    #[test]
    fn slots_fall_back_to_the_requested_ones() {
        for missing in ["-1", "0"] {
            let line = with(5, missing);
            assert!(matches!(parse_line(line.as_bytes()), Ok(Line::Job(Job { slots: 4, .. }))), "{line}");
        }
    }

    #[test]
    fn an_unknown_wait_is_none() {
        assert!(matches!(parse_line(with(3, "-1").as_bytes()), Ok(Line::Job(Job { wait_s: 0, .. }))));
    }

    #[test]
    fn jobs_that_never_ran_are_told_apart() {
        assert_eq!(parse_line(with(4, "0").as_bytes()), Ok(Line::NeverRan(0)));
        assert_eq!(parse_line(with(4, "-1").as_bytes()), Ok(Line::NeverRan(-1)));
    }

    #[test]
    fn a_job_without_slots_cannot_be_placed() {
        let line = with(5, "0").replace(" 4 60 ", " -1 60 ");
        let problem = parse_line(line.as_bytes()).unwrap_err();
        assert!(problem.unplaceable);
        assert_eq!(
            problem.to_string(),
            "allocated processors (field 5): found \"0\", expected 1 or more, here or in requested processors (field 8)"
        );
        assert!(parse_line(with(2, "-1").as_bytes()).unwrap_err().unplaceable);
    }

    #[test]
    fn damage_is_named_by_column() {
        for (line, column, found) in [
            (with(7, "12x"), "used memory (field 7)", "\"12x\""),
            (with(4, "24.5"), "run time (field 4)", "\"24.5\""),
            (with(4, "99999999999999999999"), "run time (field 4)", "\"99999999999999999999\""),
            (with(5, "10000001"), "allocated processors (field 5)", "\"10000001\""),
            (with(2, "-7"), "submit time (field 2)", "\"-7\""),
            (with(2, "\0"), "submit time (field 2)", "\"\\0\""),
            (with(6, "."), "average CPU time (field 6)", "\".\""),
            (with(18, "1 2"), "line", "19 fields"),
            ("1 2 3".into(), "line", "3 fields"),
        ] {
            let problem = parse_line(line.as_bytes()).unwrap_err();
            assert_eq!((problem.column.as_str(), problem.found.as_str()), (column, found), "{line}");
            assert!(!problem.unplaceable);
        }
    }

    #[test]
    fn blanks_and_comments() {
        assert_eq!(parse_line(b" \t\r"), Ok(Line::Blank));
        assert_eq!(parse_line(b"; MaxProcs: 100"), Ok(Line::Comment));
    }

    #[test]
    fn the_header() {
        let mut header = Header::default();
        for line in [
            "; Computer: IBM SP2",
            "; MaxNodes: 100",
            "; MaxProcs: 100 (2 interactive)",
            "; MaxProcs: 7",
            "; UnixStartTime: 843480031",
            "; TimeZoneString: Europe/Stockholm",
            "; Installation:",
            ";",
            "; Note: MaxProcs",
        ] {
            header.read(line.as_bytes());
        }
        assert_eq!(header.capacity(), Some(100));
        assert_eq!(header.computer.as_deref(), Some("IBM SP2"));
        assert_eq!(header.unix_start_s, Some(843_480_031));
        assert_eq!(header.zone.as_deref(), Some("Europe/Stockholm"));
        assert_eq!(header.installation, None);
    }

    #[test]
    fn nonsense_in_the_header_is_left_out() {
        let mut header = Header::default();
        for line in ["; MaxProcs: -1", "; UnixStartTime: 99999999999999", "; MaxNodes: many"] {
            header.read(line.as_bytes());
        }
        assert_eq!(header, Header::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_line(&line);
            Header::default().read(&line);
        }

        #[test]
        fn any_numbers_are_read_or_refused(numbers in prop::collection::vec(any::<i64>(), 16..20)) {
            let line = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            if let Ok(Line::Job(job)) = parse_line(line.as_bytes()) {
                prop_assert!(job.end_s() > job.start_s() && job.slots > 0);
            }
        }
    }
}

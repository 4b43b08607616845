//! Which alerts a silence is about: `pool=~"edge-.*"`, `severity!="page"`.
//!
//! What was written is kept as it was written; what it matches is known once it was read. A regular expression must match the
//! whole value. What an alert does not have is empty, and so is the whole of things, `*`: an alert about a pool as a whole has
//! an empty tenant.

use super::notice::WHOLE;
use super::rule::Problem;
use super::window::Lane;
use crate::pool::words;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most matchers of one silence.
pub const MOST_MATCHERS: usize = 20;
/// Longest value, characters.
pub const VALUE_CHARS: usize = 500;
/// Largest compiled expression, bytes: far more than names need, and soon compiled.
const EXPRESSION_BYTES: usize = 64 * 1024;
/// Deepest nesting of an expression.
const EXPRESSION_DEPTH: u32 = 20;
/// What is found is shown up to so many characters.
const SHOWN_CHARS: usize = 80;

words! {
    /// What a matcher looks at.
    Label {
        /// Slug of the rule.
        Rule = "rule", "Rule";
        /// Slug of the pool.
        Pool = "pool", "Pool";
        /// Slug of the tenant.
        Tenant = "tenant", "Tenant";
        /// `page` or `ticket`.
        Severity = "severity", "Severity";
    }
}

words! {
    /// How it is compared.
    Op {
        /// The same.
        Is = "=", "is";
        /// Not the same.
        IsNot = "!=", "is not";
        /// A regular expression matches all of it.
        Like = "=~", "is like";
        /// A regular expression does not match all of it.
        Unlike = "!~", "is not like";
    }
}

/// A matcher as it was written; it may be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// Word of a [`Label`].
    pub name: String,
    /// Word of an [`Op`].
    pub op: String,
    /// With what it is compared.
    #[serde(default)]
    pub value: String,
}

/// What is known of an alert; what it does not have is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Labels<'a> {
    /// Slug of the rule.
    pub rule: &'a str,
    /// Slug of the pool; empty or [`WHOLE`] if it is about Headroom itself.
    pub pool: &'a str,
    /// Slug of the tenant; empty or [`WHOLE`] if it is about the pool as a whole.
    pub tenant: &'a str,
    /// Word of a [`Lane`].
    pub severity: &'a str,
}

/// All that there is, by slug: what leaves out none of it leaves out nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Rules.
    pub rules: Vec<String>,
    /// Pools.
    pub pools: Vec<String>,
    /// Tenants.
    pub tenants: Vec<String>,
}

/// Matchers that were read. All of them must match.
#[derive(Debug, Clone)]
pub struct Matchers {
    all: Vec<(Label, Test)>,
}

#[derive(Debug, Clone)]
struct Test {
    what: What,
    /// It holds where the other does not.
    not: bool,
}

#[derive(Debug, Clone)]
enum What {
    Text(String),
    Expression(Regex),
}

impl Matchers {
    /// Reads what was written, without looking at how much it matches: for silences that were accepted before.
    ///
    /// # Errors
    /// What is wrong, by field: no matcher at all, too many, an unknown name, a bad expression.
    pub fn read(written: &[Matcher]) -> Result<Self, Vec<Problem>> {
        if !(1..=MOST_MATCHERS).contains(&written.len()) {
            let expected = format!("1 to {MOST_MATCHERS} matchers: a silence without any would hide everything");
            return Err(vec![problem("matchers", written.len(), expected)]);
        }
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for (number, matcher) in written.iter().enumerate() {
            match matcher.read(&format!("matchers[{number}]")) {
                Ok(read) => all.push(read),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() { Ok(Self { all }) } else { Err(problems) }
    }

    /// Reads what was written, and refuses what hides everything.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn check(written: &[Matcher], known: &Known) -> Result<Self, Vec<Problem>> {
        let read = Self::read(written)?;
        if read.hides_everything(known) {
            let found: Vec<String> = written.iter().map(ToString::to_string).collect();
            let expected = "a matcher that leaves something out: a silence that hides everything is refused";
            return Err(vec![problem("matchers", found.join(", "), expected)]);
        }
        Ok(read)
    }

    /// Whether they match an alert.
    pub fn matches(&self, labels: &Labels<'_>) -> bool {
        self.all.iter().all(|(label, test)| test.holds(labels.get(*label)))
    }

    /// Whether they match any alert about one of these pools and one of these tenants; the whole of a pool is a tenant without a
    /// name.
    pub fn may_concern(&self, pools: &[&str], tenants: &[&str]) -> bool {
        let any = |label: Label, values: &[&str]| {
            let tests: Vec<&Test> =
                self.all.iter().filter(|(other, _)| *other == label).map(|(_, test)| test).collect();
            values.iter().any(|value| tests.iter().all(|test| test.holds(value)))
        };
        any(Label::Pool, pools) && any(Label::Tenant, tenants)
    }

    /// Whether they leave out no alert, except those about Headroom itself.
    ///
    /// What names its values is asked for made-up ones: whatever matches all of these leaves nothing out on purpose. What says
    /// what it does *not* match is asked for all that there is: what is not a thing is no exception.
    pub fn hides_everything(&self, known: &Known) -> bool {
        self.all.iter().all(|(label, test)| {
            let all_of = |those: &[String]| {
                if test.not {
                    those.iter().all(|one| test.holds(one))
                } else {
                    made_up_names().all(|one| test.holds(&one))
                }
            };
            match label {
                Label::Severity => [Lane::Page, Lane::Ticket].iter().all(|lane| test.holds(lane.as_str())),
                Label::Rule => all_of(&known.rules),
                Label::Pool => all_of(&known.pools),
                Label::Tenant => test.holds("") && all_of(&known.tenants),
            }
        })
    }
}

/// Slugs that nothing has in common but that they are slugs: one for each letter and digit to begin with, 3 to 32 long.
fn made_up_names() -> impl Iterator<Item = String> {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..LETTERS.len()).map(|first| {
        let length = 3 + first * 7 % 30;
        let letter = |place: usize| {
            let is_hyphen = place > 0 && place + 1 < length && (place + first) % 5 == 4;
            if is_hyphen { '-' } else { char::from(LETTERS[(first + place * (first + 5)) % LETTERS.len()]) }
        };
        (0..length).map(letter).collect()
    })
}

impl<'a> Labels<'a> {
    fn get(&self, label: Label) -> &'a str {
        let value = match label {
            Label::Rule => self.rule,
            Label::Pool => self.pool,
            Label::Tenant => self.tenant,
            Label::Severity => self.severity,
        };
        if value == WHOLE { "" } else { value }
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        let is_so = match &self.what {
            What::Text(text) => text == value,
            What::Expression(expression) => expression.is_match(value.as_bytes()),
        };
        is_so != self.not
    }
}

impl Matcher {
    fn read(&self, field: &str) -> Result<(Label, Test), Vec<Problem>> {
        let mut problems = Vec::new();
        let one_of = |words: Vec<&str>| format!("one of {}", words.join(", "));
        let label = self.name.parse::<Label>().ok();
        if label.is_none() {
            let expected = one_of(Label::ALL.iter().map(|label| label.as_str()).collect());
            problems.push(problem(format!("{field}.name"), &self.name, expected));
        }
        let op = self.op.parse::<Op>().ok();
        if op.is_none() {
            let expected = one_of(Op::ALL.iter().map(|op| op.as_str()).collect());
            problems.push(problem(format!("{field}.op"), &self.op, expected));
        }
        let value = || format!("{field}.value");
        let length = self.value.chars().count();
        if length > VALUE_CHARS || self.value.chars().any(char::is_control) {
            let expected = format!("at most {VALUE_CHARS} characters, none of them a control character");
            problems.push(problem(value(), format!("{length} characters"), expected));
            return Err(problems);
        }
        let what = match op {
            None => None,
            Some(Op::Is | Op::IsNot) => {
                let is_lane = [Lane::Page, Lane::Ticket].iter().any(|lane| lane.as_str() == self.value);
                if label == Some(Label::Severity) && !is_lane {
                    problems.push(problem(value(), &self.value, "page or ticket"));
                }
                Some(What::Text(if self.value == WHOLE { String::new() } else { self.value.clone() }))
            }
            Some(Op::Like | Op::Unlike) => match expression(&self.value) {
                Ok(expression) => Some(What::Expression(expression)),
                Err(expected) => {
                    problems.push(problem(value(), &self.value, expected));
                    None
                }
            },
        };
        match (label, op, what) {
            (Some(label), Some(op), Some(what)) if problems.is_empty() => {
                Ok((label, Test { what, not: matches!(op, Op::IsNot | Op::Unlike) }))
            }
            _ => Err(problems),
        }
    }
}

/// An expression that matches all of a value, or what was expected of it.
///
/// Slugs and severities are ASCII, so classes such as `\w` are, too: they stay small.
fn expression(text: &str) -> Result<Regex, String> {
    let build = |text: &str| {
        RegexBuilder::new(text)
            .unicode(false)
            .size_limit(EXPRESSION_BYTES)
            .dfa_size_limit(EXPRESSION_BYTES)
            .nest_limit(EXPRESSION_DEPTH)
            .build()
    };
    // First by itself: what is wrong must be wrong where it was written, and `a)|(b` must not become right by what is put around.
    build(text)
        .and_then(|_| build(&format!(r"\A(?:{text})\z")))
        .map_err(|error| format!("a regular expression: {}", explained(&error)))
}

/// What is wrong with an expression, and where.
fn explained(error: &regex::Error) -> String {
    let told = match error {
        regex::Error::CompiledTooBig(_) => return "this one is too large, expected fewer repetitions".to_owned(),
        other => other.to_string(),
    };
    let what = told.lines().last().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    // The expression is shown four characters indented, and below it marks where it is wrong.
    let mark = told.lines().find(|line| line.contains('^') && line.chars().all(|c| c == ' ' || c == '^'));
    match mark.and_then(|line| line.find('^')).and_then(|at| at.checked_sub(4)) {
        Some(at) => format!("{what}, at character {}", at + 1),
        None => what.to_owned(),
    }
}

/// What is wrong with a field.
pub(super) fn problem(field: impl Into<String>, found: impl ToString, expected: impl Into<String>) -> Problem {
    let found = found.to_string();
    let mut shown: String = found.chars().take(SHOWN_CHARS).collect();
    if shown.len() < found.len() {
        shown.push('…');
    }
    Problem { field: field.into(), found: shown, expected: expected.into() }
}

impl fmt::Display for Matcher {
    /// As it can be read again: the value in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.replace('\\', r"\\").replace('"', r#"\""#);
        write!(f, "{}{}\"{value}\"", self.name, self.op)
    }
}

impl FromStr for Matcher {
    type Err = String;

    /// One matcher such as `pool=edge-eu` or `pool=~"edge-.*"`; otherwise a sentence with what was expected. Its name is not
    /// looked at.
    fn from_str(text: &str) -> Result<Self, String> {
        match parse(text)?.as_slice() {
            [one] => Ok(one.clone()),
            several => Err(format!("{} matchers found, expected one", several.len())),
        }
    }
}

/// Reads matchers with commas in between, with or without braces around: `{pool="edge-eu", severity!=page}`. A value with
/// commas, spaces or braces in it is written in quotes; there, `\"` is a quote and `\\` a backslash.
///
/// # Errors
/// A sentence with what was found and what was expected.
pub fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let inner = text.trim();
    let inner = inner.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(inner);
    let mut rest = inner.trim_start();
    let mut matchers = Vec::new();
    while !rest.is_empty() {
        if matchers.len() == MOST_MATCHERS {
            return Err(format!("more than {MOST_MATCHERS} matchers, expected at most {MOST_MATCHERS}"));
        }
        let (matcher, after) = parse_first(rest)?;
        matchers.push(matcher);
        rest = match after.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.is_empty() => after,
            None => return Err(format!("{:?} follows a matcher, expected a comma", shown(after))),
        };
    }
    Ok(matchers)
}

/// The first matcher of a text, and what follows it.
fn parse_first(text: &str) -> Result<(Matcher, &str), String> {
    let wrong = || format!("{:?} is no matcher, expected one such as pool=~\"edge-.*\"", shown(text));
    let at = text.find(['=', '!']).ok_or_else(wrong)?;
    let (name, from_op) = text.split_at(at);
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(wrong());
    }
    let by_length = [Op::IsNot, Op::Like, Op::Unlike, Op::Is];
    let op = by_length.into_iter().find(|op| from_op.starts_with(op.as_str())).ok_or_else(wrong)?;
    let from_value = from_op[op.as_str().len()..].trim_start();
    let (value, after) = match from_value.strip_prefix('"') {
        Some(quoted) => {
            unquote(quoted).ok_or_else(|| format!("{:?} has no closing quote, expected one", shown(text)))?
        }
        None => {
            let end = from_value.find([',', '"', '{', '}']).unwrap_or(from_value.len());
            let (value, after) = from_value.split_at(end);
            if value.trim_end().contains(char::is_whitespace) || after.starts_with(['"', '{', '}']) {
                return Err(format!("{:?} has a value that needs quotes, expected them around it", shown(text)));
            }
            (value.trim_end().to_owned(), after)
        }
    };
    Ok((Matcher { name: name.to_owned(), op: op.as_str().to_owned(), value }, after.trim_start()))
}

/// A value up to its closing quote, and what follows; `None` if it is not closed. A backslash before anything but a quote or
/// another one is one itself: expressions have many.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => {
                let escaped = letters.next_if(|(_, next)| matches!(next, '"' | '\\'));
                value.push(escaped.map_or('\\', |(_, next)| next));
            }
            other => value.push(other),
        }
    }
    None
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matchers(text: &str) -> Vec<Matcher> {
        parse(text).expect(text)
    }

    fn known() -> Known {
        let slugs = |text: &str| text.split(' ').map(str::to_owned).collect();
        Known {
            rules: slugs("saturation-burn pool-exhausted"),
            pools: slugs("edge-eu edge-us batch"),
            tenants: slugs("t1 t2"),
        }
    }

    const ALERT: Labels<'_> = Labels { rule: "saturation-burn", pool: "edge-eu", tenant: "t1", severity: "page" };
    const POOL: Labels<'_> = Labels { tenant: WHOLE, ..ALERT };
    const OURS: Labels<'_> = Labels { rule: "engine-lag", pool: "", tenant: "", severity: "ticket" };

    #[test]
    fn what_could_concern_somebody_who_sees_a_part() {
        for (text, pools, tenants, expected) in [
            ("pool=edge-eu", vec!["edge-eu"], vec!["t1"], true),
            ("pool=edge-us", vec!["edge-eu"], vec!["t1"], false),
            ("pool=~edge-.*, tenant=t2", vec!["edge-eu"], vec!["t1"], false),
            ("pool=~edge-.*, tenant!=t2", vec!["edge-eu"], vec!["t1"], true),
            ("tenant=", vec!["edge-eu"], vec!["t1"], false),
            ("tenant=", vec!["edge-eu"], vec!["", "t1"], true),
            ("severity=page", vec!["edge-eu"], vec!["t1"], true),
            ("severity=page", vec![], vec!["t1"], false),
        ] {
            let read = Matchers::read(&matchers(text)).expect(text);
            assert_eq!(read.may_concern(&pools, &tenants), expected, "{text} {pools:?} {tenants:?}");
        }
    }

    #[test]
    fn what_matches_what() {
        for (text, alert, pool, ours) in [
            ("pool=edge-eu", true, true, false),
            ("pool!=edge-eu", false, false, true),
            ("pool=edge", false, false, false),
            ("pool=~edge", false, false, false),
            ("pool=~edge-.*", true, true, false),
            ("pool=~\"(edge-eu|batch)\"", true, true, false),
            ("pool=~edge-eu|batch", true, true, false),
            ("pool=~us|eu", false, false, false),
            ("pool!~edge-.*", false, false, true),
            ("pool=~(?i)EDGE-EU", true, true, false),
            ("pool=~(?m)^edge-eu$", true, true, false),
            (r"tenant=~t\d", true, false, false),
            ("tenant=", false, true, true),
            ("tenant=*", false, true, true),
            ("tenant!=*", true, false, false),
            ("tenant=~.*", true, true, true),
            ("tenant=~.+", true, false, false),
            ("tenant!~.+", false, true, true),
            ("severity=page", true, true, false),
            ("severity!=page, pool=", false, false, true),
            ("severity=page, tenant=t2", false, false, false),
            ("rule=~saturation-burn|pool-exhausted, tenant=t1", true, false, false),
        ] {
            let read = Matchers::read(&matchers(text)).expect(text);
            assert_eq!([ALERT, POOL, OURS].map(|labels| read.matches(&labels)), [alert, pool, ours], "{text}");
        }
    }

    #[test]
    fn what_hides_everything_is_refused() {
        for (text, refused) in [
            ("pool=~.*", true),
            ("pool=~.+", true),
            ("pool=~..*", true),
            ("pool=~(.*)", true),
            ("pool=~[a-z0-9-]*", true),
            ("pool=~.*|edge-eu", true),
            (r"pool=~[\w-]+", true),
            ("pool=~edge-.*", false),
            ("pool=~.*e.*", false),
            ("pool=~[a-z].*", false),
            ("pool=~edge-eu|edge-us|batch", false),
            ("pool=edge-eu", false),
            ("pool!=edge-eu", false),
            // No pool has this name, so this leaves none out.
            ("pool!=edge-ue", true),
            ("pool!=", true),
            ("pool!~us-.*", true),
            ("pool!~edge-.*", false),
            ("tenant=~.*", true),
            ("tenant=~.+", false),
            ("tenant!=", false),
            ("tenant!=t1", false),
            ("tenant!=t9", true),
            ("rule=~.*", true),
            ("rule!=hot-slot", true),
            ("rule!=pool-exhausted", false),
            ("severity=~page|ticket", true),
            ("severity=~.+", true),
            ("severity!~.", true),
            ("severity=page", false),
            ("severity!=page", false),
            ("severity=~p.*", false),
            ("pool=~.*, severity=~.*, rule!=x, tenant=~.*", true),
            ("pool=~.*, severity=page", false),
            ("pool=edge-eu, tenant=~.*", false),
        ] {
            let checked = Matchers::check(&matchers(text), &known());
            assert_eq!(checked.is_err(), refused, "{text}");
            let Err(problems) = checked else { continue };
            assert_eq!(problems[0].field, "matchers", "{text}");
            assert!(problems[0].expected.contains("a silence that hides everything is refused"), "{text}");
            assert!(Matchers::read(&matchers(text)).is_ok(), "what was accepted once can still be read: {text}");
        }
    }

    #[test]
    fn each_wrong_field_is_named() {
        let matcher = |name: &str, op: &str, value: &str| Matcher {
            name: name.to_owned(),
            op: op.to_owned(),
            value: value.to_owned(),
        };
        for (written, field, expected) in [
            (vec![], "matchers", "1 to 20 matchers: a silence without any would hide everything"),
            (vec![matcher("pool", "=", "a"); 21], "matchers", "1 to 20 matchers: a silence without any"),
            (vec![matcher("poool", "=", "a")], "matchers[0].name", "one of rule, pool, tenant, severity"),
            (vec![matcher("pool", "==", "a")], "matchers[0].op", "one of =, !=, =~, !~"),
            (vec![matcher("severity", "=", "warning")], "matchers[0].value", "page or ticket"),
            (
                vec![matcher("pool", "=", "a"), matcher("tenant", "=~", "t(1")],
                "matchers[1].value",
                "a regular expression: unclosed group, at character 2",
            ),
            (vec![matcher("pool", "=~", "a)|(b")], "matchers[0].value", "unopened group, at character 2"),
            (vec![matcher("pool", "=~", "*")], "matchers[0].value", "at character 1"),
            (vec![matcher("pool", "!~", "[z-a]")], "matchers[0].value", "invalid character class range"),
            (vec![matcher("pool", "=~", "(?x) a # b")], "matchers[0].value", "a regular expression: "),
            (vec![matcher("pool", "=~", "((a{99}){99}){99}")], "matchers[0].value", "too large"),
            (vec![matcher("pool", "=~", &"(".repeat(40))], "matchers[0].value", "a regular expression: "),
            (vec![matcher("pool", "=~", &"a".repeat(501))], "matchers[0].value", "at most 500 characters"),
            (vec![matcher("pool", "=", "a\nb")], "matchers[0].value", "none of them a control character"),
        ] {
            let problems = Matchers::read(&written).expect_err(field);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].field, field);
            assert!(problems[0].expected.contains(expected), "{problems:?}");
        }
        let problems = Matchers::read(&[matcher("a", "b", "")]).expect_err("two wrong words");
        assert_eq!(
            problems.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(),
            ["matchers[0].name", "matchers[0].op"]
        );
    }

    #[test]
    fn what_is_written_is_read_and_shown_again() {
        for (text, shown) in [
            ("pool=edge-eu", r#"pool="edge-eu""#),
            (" pool = edge-eu ", r#"pool="edge-eu""#),
            ("pool=", r#"pool="""#),
            ("pool!=\"\"", r#"pool!="""#),
            (r#"pool=~"edge-\d{1,3}""#, r#"pool=~"edge-\\d{1,3}""#),
            (r#"pool!~"a\"b, c""#, r#"pool!~"a\"b, c""#),
            ("pool=~a=b", r#"pool=~"a=b""#),
            ("pool==x", r#"pool="=x""#),
        ] {
            let one: Matcher = text.parse().expect(text);
            assert_eq!(one.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(one.clone()));
            let stored = serde_json::to_string(&one).expect("it can be written");
            assert_eq!(serde_json::from_str::<Matcher>(&stored).expect("it can be read"), one);
        }
        let several = matchers(r#"{pool="a,b", severity!=page, tenant=~"t.*",}"#);
        let shown: Vec<String> = several.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [r#"pool="a,b""#, r#"severity!="page""#, r#"tenant=~"t.*""#]);
        assert_eq!(parse(&shown.join(",")), Ok(several));
        assert_eq!(parse(" {} "), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_matcher_is_told() {
        for (text, expected) in [
            ("pool", "expected one such as pool=~"),
            ("pool!edge", "expected one such as pool=~"),
            ("pool=\"a", "no closing quote"),
            ("pool=\"a\" b", "expected a comma"),
            ("pool=a b=c", "needs quotes"),
            ("pool=~a{1,3}", "needs quotes"),
            ("pool=a,,tenant=b", "expected one such as pool=~"),
            (&"pool=a,".repeat(21), "more than 20"),
        ] {
            let problem = parse(text).expect_err(text);
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        assert!("pool=a,tenant=b".parse::<Matcher>().is_err());
    }

    #[test]
    fn made_up_names_are_slugs_of_all_kinds() {
        let names: Vec<String> = made_up_names().collect();
        for name in &names {
            assert!(crate::slug::Slug::parse(name).is_ok(), "{name}");
        }
        let first: std::collections::BTreeSet<char> = names.iter().filter_map(|name| name.chars().next()).collect();
        assert_eq!(first.len(), 36);
        for letter in "abcdefghijklmnopqrstuvwxyz0123456789-".chars() {
            assert!(names.iter().any(|name| !name.contains(letter)), "{letter} is in all of them");
        }
    }
}

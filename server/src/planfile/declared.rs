//! A plan as a declarative file for review in version control: what the pool's reservations are, all of them.

use headroom_domain::plan::terms::Terms;
use serde::{Deserialize, Serialize};

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// Slug of the pool.
    pub pool: String,
    /// All its reservations that are not over; those that are missing are taken back.
    #[serde(default, rename = "reservation")]
    pub reservations: Vec<Terms>,
}

/// Most bytes of a file.
pub const MOST_BYTES: usize = 20 * 1024 * 1024;

/// Reads a file.
///
/// # Errors
/// A sentence with line and column.
pub fn read(text: &str) -> Result<Declared, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("the file has {} bytes, expected at most 20 MB", text.len()));
    }
    let declared: Declared = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut names: Vec<&str> = declared.reservations.iter().map(|terms| terms.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two reservations are called {:?}, expected each name once", pair[0])),
        None => Ok(declared),
    }
}

/// Writes a file; what is not said is left out.
pub fn write(declared: &Declared) -> Result<String, String> {
    let mut value = toml::Table::try_from(declared).map_err(|error| error.to_string())?;
    // What everybody has is not worth a line.
    let usual = |key: &str, value: &toml::Value| match (key, value) {
        ("kind", toml::Value::String(word)) => word == "guaranteed",
        ("shrink", toml::Value::String(word)) => word == "refuse",
        ("note", toml::Value::String(text)) => text.is_empty(),
        ("except" | "overrides", toml::Value::Array(parts)) => parts.is_empty(),
        ("lead_minutes", toml::Value::Integer(minutes)) => *minutes == 0,
        _ => false,
    };
    if let Some(toml::Value::Array(all)) = value.get_mut("reservation") {
        for one in all.iter_mut().filter_map(toml::Value::as_table_mut) {
            one.retain(|key, value| !usual(key, value));
        }
    }
    toml::to_string_pretty(&value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"pool = "lanes"

[[reservation]]
name = "peak"
tenant = "acme"
start = "2026-11-28T00:00"
zone = "Europe/Berlin"
slots = 40
"#;

    #[test]
    fn a_file_is_read_and_written_as_it_was() {
        let declared = read(FILE).unwrap();
        assert_eq!((declared.pool.as_str(), declared.reservations.len()), ("lanes", 1));
        let written = write(&declared).unwrap();
        assert_eq!(read(&written).unwrap(), declared);
        assert_eq!(written.lines().count(), FILE.lines().count(), "only what is said: {written}");
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (file, expected) in [
            (FILE.replace("slots = 40", "slots = \"many\""), "line 8"),
            (FILE.replace("start = \"2026-11-28T00:00\"", "start = \"soon\""), "line 6"),
            (FILE.replace("slots = 40", "slots = 40\ncolour = \"red\""), "unknown field `colour`"),
            (format!("{FILE}{}", &FILE[FILE.find("\n[[").unwrap()..]), "two reservations are called \"peak\""),
            ("pool =".to_owned(), "line 1"),
        ] {
            let error = read(&file).expect_err("something is wrong");
            assert!(error.contains(expected), "{error}");
        }
    }
}

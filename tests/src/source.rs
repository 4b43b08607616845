//! Reading the project's own sources: files of a room, and a Rust file split into its code and its texts, so that a word in a
//! comment or a message is not taken for a call.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::root;

/// A Rust file in parts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Everything but comments, each string as `""`, each character as `' '`. Lines are kept.
    pub code: String,
    /// The contents of the strings, each with its line.
    pub strings: Vec<(usize, String)>,
}

/// Every file below a folder of the checkout whose name ends like this, with its path from the top; sorted.
pub fn files(folder: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(&root().join(folder), ending, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, ending, found)?;
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    Ok(())
}

/// A path as it is written in messages: from the checkout's top.
pub fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The text of a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", short(path)))
}

/// Splits a Rust file. It knows comments (nested ones too), strings of every kind, characters and lifetimes.
pub fn split(rust: &str) -> Parts {
    let mut parts = Parts::default();
    let mut rest = rust;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some((length, content)) = string(rest, parts.code.chars().next_back()) {
            parts.strings.push((line, content));
            parts.code.push_str("\"\"");
            length
        } else if let Some(length) = character(rest) {
            parts.code.push_str("' '");
            length
        } else {
            parts.code.push(first);
            // Its own line break is counted here, and not kept twice below.
            line += usize::from(first == '\n');
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let lines = rest[..taken].matches('\n').count();
        parts.code.extend(std::iter::repeat_n('\n', lines));
        line += lines;
        rest = &rest[taken..];
    }
    parts
}

/// The length of a block comment, the ones inside it included.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let here = &text[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length and content of a string that begins here: `"…"`, `b"…"`, `c"…"`, `r#"…"#` and so on.
fn string(text: &str, before: Option<char>) -> Option<(usize, String)> {
    let is_inside_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = text.find(|c: char| !matches!(c, 'b' | 'c' | 'r')).unwrap_or(text.len());
    if prefix > 2 || (prefix > 0 && is_inside_word) {
        return None;
    }
    let raw = text[..prefix].contains('r');
    let hashes = text[prefix..].len() - text[prefix..].trim_start_matches('#').len();
    let open = prefix + hashes;
    if !text[open..].starts_with('"') || (hashes > 0 && !raw) {
        return None;
    }
    let body = &text[open + 1..];
    let end = if raw { body.find(&format!("\"{}", "#".repeat(hashes))) } else { closing_quote(body) };
    let end = end.unwrap_or(body.len());
    let length = (open + 1 + end + 1 + hashes).min(text.len());
    Some((length, body[..end].to_owned()))
}

/// Where a string with escapes ends.
fn closing_quote(body: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

/// The length of a character that begins here, and not of a lifetime.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        // The escaped character itself may be a quote.
        let skip = escape.chars().next()?.len_utf8();
        return Some(2 + skip + escape[skip..].find('\'')? + 1);
    }
    let c = body.chars().next()?;
    body[c.len_utf8()..].starts_with('\'').then_some(1 + c.len_utf8() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_told_from_code() {
        let rust = r##"a(); // b()
/* c() /* d() */ e() */ f("g()\"h()", r#"i("x")"#, b"j", '"', '\'', 'l');
fn k<'a>(x: &'a str) { for_r("m") }"##;
        let parts = split(rust);
        let texts: Vec<&str> = parts.strings.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["g()\\\"h()", "i(\"x\")", "j", "m"]);
        assert_eq!(parts.code, "a(); \n f(\"\", \"\", \"\", ' ', ' ', ' ');\nfn k<'a>(x: &'a str) { for_r(\"\") }");
    }

    #[test]
    fn a_string_knows_its_line() {
        let parts = split("x(\n\"one\",\n\"two\nthree\",\n\"four\")");
        assert_eq!(parts.strings.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 5]);
        assert_eq!(parts.code.lines().count(), 5);
    }
}
